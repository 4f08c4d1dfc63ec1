//! Binding, routes and shutdown of the HTTP side.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{Extension, Router, middleware};
use hepcat_net::tls::TlsError;
use rustls::ServerConfig;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::timeout::TimeoutLayer;

use super::{
    accept::{Certificates, accept},
    agents, audit, calls, explanation, export, facets, gate, guard, health, histogram, import,
    links, live, live_calls, messages, openapi, overview, page, problem, quality, registrations,
    routes::{Endpoint, Routes, delete, get, post},
    session, sharing, status, store, test_call, traces,
};
use crate::{
    access::Right,
    config::{self, Secret},
    metrics,
    node::{Node, server_tls},
};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    /// How it is served.
    pub(crate) spec: Arc<config::Http>,
    pub(crate) stop: CancellationToken,
}

/// What keeps HTTP from being served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpBindError {
    /// An address that could not be bound.
    #[error("cannot listen for HTTP on {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Certificates that cannot be used.
    #[error("cannot serve HTTP over TLS")]
    Tls {
        /// What is wrong with them.
        #[from]
        source: TlsError,
    },
}

/// Sockets that are bound and not yet served.
#[derive(Debug)]
pub struct HttpServer {
    page: TcpListener,
    tls: Option<Certificates>,
    spec: config::Http,
    metrics: Option<(TcpListener, Secret)>,
}

/// Addresses that are served, kept so that a reload can go on with the same sockets.
#[derive(Debug)]
pub struct HttpSockets {
    page: TcpListener,
    tls: Option<Certificates>,
    metrics: Option<TcpListener>,
}

impl HttpSockets {
    /// Where the page is served.
    #[must_use]
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.local_addr().ok()
    }

    /// Where metrics are served beyond loopback.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }

    /// Shows other certificates to who connects from now on; connections that are open go on.
    pub(crate) fn renew(&self, config: Arc<ServerConfig>) {
        if let Some(tls) = &self.tls {
            tls.renew(config);
        }
    }

    fn at(&self, address: SocketAddr) -> Option<&TcpListener> {
        [Some(&self.page), self.metrics.as_ref()]
            .into_iter()
            .flatten()
            .find(|socket| socket.local_addr().is_ok_and(|local| local == address))
    }
}

impl HttpServer {
    /// Binds what `spec` asks for, or goes on with the sockets that `held` has.
    ///
    /// # Errors
    /// The first address that is taken or not ours; certificates that cannot be used.
    pub fn bind(spec: &config::Http, held: Option<&HttpSockets>) -> Result<Self, HttpBindError> {
        let tls = spec.tls.as_ref().map(certificates).transpose()?;
        let listen = |address: SocketAddr| {
            let bound = match held.and_then(|held| held.at(address)) {
                Some(socket) => socket.try_clone(),
                None => TcpListener::bind(address),
            };
            let bound = bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            bound.map_err(|source| HttpBindError::Address { address, source })
        };
        let page = listen(*spec.listen)?;
        let metrics = match &spec.metrics {
            Some(metrics) => Some((listen(*metrics.listen)?, metrics.token.clone())),
            None => None,
        };
        Ok(Self {
            page,
            tls: tls.map(Certificates::new),
            spec: spec.clone(),
            metrics,
        })
    }

    /// The sockets, for the next reload and for whoever asks where they are bound.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub fn sockets(&self) -> io::Result<HttpSockets> {
        let metrics = self
            .metrics
            .as_ref()
            .map(|(socket, _)| socket.try_clone())
            .transpose()?;
        Ok(HttpSockets {
            page: self.page.try_clone()?,
            tls: self.tls.clone(),
            metrics,
        })
    }

    /// Serves until `stop`; live streams end then, other requests are finished.
    ///
    /// # Errors
    /// When a bound socket cannot be registered with the runtime.
    pub fn serve(
        self,
        node: &Arc<Node>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<()> {
        let shared = Shared {
            node: Arc::clone(node),
            spec: Arc::new(self.spec),
            stop: stop.clone(),
        };
        let serve = |listener: TcpListener, tls, routes| -> io::Result<()> {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let counters = Arc::clone(node.access().counters());
            let accepting = accept(listener, tls, routes, counters, tasks.clone(), stop.clone());
            tasks.spawn(accepting);
            Ok(())
        };
        serve(self.page, self.tls, page_routes(shared.clone()))?;
        if let Some((listener, token)) = self.metrics {
            serve(listener, None, metrics_routes(shared, token))?;
        }
        Ok(())
    }
}

/// Reads what is shown to who connects over TLS. Nothing is resumed, as listeners have it: connections of a browser live
/// long enough.
///
/// # Errors
/// Files that cannot be read or do not belong together.
pub(crate) fn certificates(tls: &config::ListenerTls) -> Result<Arc<ServerConfig>, HttpBindError> {
    Ok(server_tls(tls).load()?)
}

/// Everything that is served, and what each asks for.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    routes().endpoints()
}

fn page_routes(shared: Shared) -> Router {
    routes()
        .into_router()
        .layer(middleware::from_fn(problem::everywhere))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            gate::identify,
        ))
        .layer(Extension(shared.clone()))
        .with_state(shared)
}

fn routes() -> Routes {
    // A live stream has no end; everything else has a limit.
    let bounded = Routes::new()
        .route("/", get(page::index).open_to_all())
        .route("/assets/{name}", get(page::asset).open_to_all())
        .route("/healthz", get(health::healthz).open_to_all())
        .route("/readyz", get(health::readyz).open_to_all())
        .route("/metrics", get(metrics::scrape).needs(Right::Metrics))
        .route(
            "/api/v1/session",
            get(session::show)
                .open_to_all()
                .post(session::begin)
                .open_to_all()
                .delete(session::end)
                .open_to_all(),
        )
        .route("/api/v1/audit", get(audit::list).needs(Right::Administer))
        .route("/api/v1/links", get(sharing::list).needs(Right::Operate))
        .route(
            "/api/v1/links/{id}",
            delete(sharing::revoke).needs(Right::Operate),
        )
        .route(
            "/api/v1/openapi.json",
            get(openapi::document).needs(Right::See),
        )
        .route("/api/v1/status", get(status::status).needs(Right::See))
        .route(
            "/api/v1/destinations",
            get(status::destinations).needs(Right::See),
        )
        .route("/api/v1/ledger", get(status::ledger).needs(Right::See))
        .route("/api/v1/retention", get(store::retention).needs(Right::See))
        .route("/api/v1/agents", get(agents::list).needs(Right::See))
        .route(
            "/api/v1/agents/{agent}",
            get(agents::show).needs(Right::See),
        )
        .route(
            "/api/v1/agents/{agent}/accept",
            post(agents::accept).needs(Right::Operate),
        )
        .route(
            "/api/v1/agents/{agent}/refuse",
            post(agents::refuse).needs(Right::Operate),
        )
        .route(
            "/api/v1/agents/{agent}/forget",
            post(agents::forget).needs(Right::Operate),
        )
        .route(
            "/api/v1/traces",
            get(traces::list)
                .needs(Right::See)
                .post(traces::start)
                .needs(Right::Operate),
        )
        .route(
            "/api/v1/traces/{id}",
            delete(traces::stop).needs(Right::Operate),
        )
        .route(
            "/api/v1/capture",
            get(traces::capture)
                .needs(Right::See)
                .post(traces::switch_capture)
                .needs(Right::Operate),
        )
        .route(
            "/api/v1/test-call",
            post(test_call::send).needs(Right::Operate),
        )
        .route("/api/v1/store", get(store::stats).needs(Right::See))
        .route(
            "/api/v1/store/retention",
            get(store::plan)
                .needs(Right::See)
                .post(store::remove)
                .needs(Right::Administer),
        )
        .layer(request_limit());
    // Searches have a limit of their own, and checks and compaction take as long as there is something to read.
    Routes::new()
        .route("/api/v1/live", get(live::live).needs(Right::See))
        .route(
            "/api/v1/store/check",
            post(store::check).needs(Right::Administer),
        )
        .route(
            "/api/v1/store/compact",
            post(store::compact).needs(Right::Administer),
        )
        .route("/api/v1/import", post(import::take).needs(Right::Operate))
        .route("/api/v1/messages", get(messages::list).needs(Right::See))
        .route(
            "/api/v1/messages/export",
            get(export::messages).needs(Right::Payload),
        )
        .route(
            "/api/v1/messages/{id}",
            get(messages::show).needs(Right::See),
        )
        .route(
            "/api/v1/messages/{id}/frame",
            get(messages::frame).needs(Right::Payload),
        )
        .route(
            "/api/v1/registrations",
            get(registrations::list).needs(Right::See),
        )
        .route("/api/v1/calls", get(calls::list).needs(Right::See))
        .route("/api/v1/calls/{call}", get(calls::show).needs(Right::See))
        .route(
            "/api/v1/calls/{call}/link",
            post(links::link).needs(Right::Operate),
        )
        .route(
            "/api/v1/calls/{call}/unlink",
            post(links::unlink).needs(Right::Operate),
        )
        .route(
            "/api/v1/calls/{call}/share",
            post(sharing::share).needs(Right::Operate),
        )
        .route(
            "/api/v1/calls/{call}/explanation",
            get(explanation::show).needs(Right::See),
        )
        .route(
            "/api/v1/calls/{call}/quality",
            get(quality::show).needs(Right::See),
        )
        .route(
            "/api/v1/calls/live",
            get(live_calls::live).needs(Right::See),
        )
        .route("/api/v1/overview", get(overview::show).needs(Right::See))
        .route(
            "/api/v1/calls/{call}/messages",
            get(calls::messages).needs(Right::See),
        )
        .route(
            "/api/v1/calls/{call}/ladder",
            get(calls::ladder).needs(Right::See),
        )
        .route(
            "/api/v1/calls/{call}/flow",
            get(calls::flow).needs(Right::See),
        )
        .route(
            "/api/v1/calls/{call}/export",
            get(export::call).needs(Right::Payload),
        )
        .route("/api/v1/histogram", get(histogram::show).needs(Right::See))
        .route("/api/v1/facets", get(facets::show).needs(Right::See))
        .merge(bounded)
}

fn metrics_routes(shared: Shared, token: Secret) -> Router {
    Router::new()
        .route("/metrics", axum::routing::get(metrics::scrape))
        .layer(middleware::from_fn_with_state(token, guard::bearer))
        .layer(request_limit())
        .with_state(shared)
}

fn request_limit() -> TimeoutLayer {
    TimeoutLayer::with_status_code(
        axum::http::StatusCode::REQUEST_TIMEOUT,
        Duration::from_secs(10),
    )
}
