//! Routes that can say what they serve, so that nothing is served that the description does not have.

use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{self, MethodRouter},
};
use tower_http::timeout::TimeoutLayer;

use super::{gate, server::Shared};
use crate::access::Right;

/// One method of one path that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Endpoint {
    /// The path, parameters in braces.
    pub path: &'static str,
    /// The method in lower case.
    pub method: &'static str,
    /// What whoever asks must have; `None` where everybody may ask.
    pub needs: Option<Right>,
}

/// What answers on one path, by method.
#[derive(Default)]
pub(super) struct Methods(Vec<Method>);

struct Method {
    name: &'static str,
    needs: Option<Right>,
    router: MethodRouter<Shared>,
}

/// One method more, of which nobody has said yet who may ask.
pub(super) struct Undeclared {
    before: Methods,
    name: &'static str,
    router: MethodRouter<Shared>,
}

/// Answers GET.
pub(super) fn get<H: Handler<T, Shared>, T: 'static>(handler: H) -> Undeclared {
    Methods::default().with("get", routing::get(handler))
}

/// Answers POST.
pub(super) fn post<H: Handler<T, Shared>, T: 'static>(handler: H) -> Undeclared {
    Methods::default().with("post", routing::post(handler))
}

/// Answers DELETE.
pub(super) fn delete<H: Handler<T, Shared>, T: 'static>(handler: H) -> Undeclared {
    Methods::default().with("delete", routing::delete(handler))
}

impl Undeclared {
    /// Only to who has this right.
    pub(super) fn needs(self, right: Right) -> Methods {
        self.declared(Some(right))
    }

    /// To everybody, also to who has not signed in.
    pub(super) fn open_to_all(self) -> Methods {
        self.declared(None)
    }

    fn declared(self, needs: Option<Right>) -> Methods {
        let Self {
            mut before,
            name,
            router,
        } = self;
        before.0.push(Method {
            name,
            needs,
            router,
        });
        before
    }
}

impl Methods {
    fn with(self, name: &'static str, router: MethodRouter<Shared>) -> Undeclared {
        Undeclared {
            before: self,
            name,
            router,
        }
    }

    /// Answers POST as well.
    pub(super) fn post<H: Handler<T, Shared>, T: 'static>(self, handler: H) -> Undeclared {
        self.with("post", routing::post(handler))
    }

    /// Answers DELETE as well.
    pub(super) fn delete<H: Handler<T, Shared>, T: 'static>(self, handler: H) -> Undeclared {
        self.with("delete", routing::delete(handler))
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
    pub(super) fn route(mut self, path: &'static str, Methods(methods): Methods) -> Self {
        let mut all = MethodRouter::new();
        for Method {
            name,
            needs,
            router,
        } in methods
        {
            let endpoint = Endpoint {
                path,
                method: name,
                needs,
            };
            self.served.push(endpoint);
            all = all.merge(router.layer(middleware::from_fn_with_state(endpoint, gate::allow)));
        }
        Self {
            router: self.router.route(path, all),
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
