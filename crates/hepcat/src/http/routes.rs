//! Routes that can say what they serve, so that nothing is served that the description does not have.

use axum::{
    Router,
    handler::Handler,
    routing::{self, MethodRouter},
};
use tower_http::timeout::TimeoutLayer;

use super::server::Shared;

/// One method of one path that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Endpoint {
    /// The path, parameters in braces.
    pub path: &'static str,
    /// The method in lower case.
    pub method: &'static str,
}

/// What answers on one path, by method.
pub(super) struct Methods {
    router: MethodRouter<Shared>,
    names: Vec<&'static str>,
}

/// Answers GET.
pub(super) fn get<H: Handler<T, Shared>, T: 'static>(handler: H) -> Methods {
    Methods {
        router: routing::get(handler),
        names: vec!["get"],
    }
}

/// Answers POST.
pub(super) fn post<H: Handler<T, Shared>, T: 'static>(handler: H) -> Methods {
    Methods {
        router: routing::post(handler),
        names: vec!["post"],
    }
}

/// Answers DELETE.
pub(super) fn delete<H: Handler<T, Shared>, T: 'static>(handler: H) -> Methods {
    Methods {
        router: routing::delete(handler),
        names: vec!["delete"],
    }
}

impl Methods {
    /// Answers POST as well.
    pub(super) fn post<H: Handler<T, Shared>, T: 'static>(mut self, handler: H) -> Self {
        self.names.push("post");
        Self {
            router: self.router.post(handler),
            ..self
        }
    }
}

/// Paths and what answers on them.
#[derive(Default)]
pub(super) struct Routes {
    router: Router<Shared>,
    served: Vec<Endpoint>,
}

impl Routes {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// The same with one path more.
    pub(super) fn route(mut self, path: &'static str, methods: Methods) -> Self {
        let endpoints = methods.names.iter();
        self.served
            .extend(endpoints.map(|method| Endpoint { path, method }));
        Self {
            router: self.router.route(path, methods.router),
            ..self
        }
    }

    /// The same with everything that `other` serves.
    pub(super) fn merge(mut self, other: Self) -> Self {
        self.served.extend(other.served);
        Self {
            router: self.router.merge(other.router),
            ..self
        }
    }

    /// The same with a limit for how long an answer takes.
    pub(super) fn layer(self, limit: TimeoutLayer) -> Self {
        Self {
            router: self.router.layer(limit),
            ..self
        }
    }

    /// What is served.
    pub(super) fn endpoints(self) -> Vec<Endpoint> {
        self.served
    }

    /// What serves it.
    pub(super) fn into_router(self) -> Router<Shared> {
        self.router
    }
}
