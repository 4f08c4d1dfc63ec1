//! Binding, routes and shutdown of the HTTP side.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{Router, middleware};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::timeout::TimeoutLayer;

use super::{
    agents, calls, explanation, export, facets, guard, health, histogram, links, live, live_calls,
    messages, openapi, overview, page, quality, registrations,
    routes::{Endpoint, Routes, delete, get, post},
    status, store, traces,
};
use crate::{
    config::{self, Secret},
    metrics,
    node::Node,
};

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    pub(crate) stop: CancellationToken,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for HTTP on {address}")]
pub struct HttpBindError {
    /// The address.
    pub address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Sockets that are bound and not yet served.
#[derive(Debug)]
pub struct HttpServer {
    page: TcpListener,
    metrics: Option<(TcpListener, Secret)>,
}

/// Addresses that are served, kept so that a reload can go on with the same sockets.
#[derive(Debug)]
pub struct HttpSockets {
    page: TcpListener,
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
    /// The first address that is taken or not ours.
    pub fn bind(spec: &config::Http, held: Option<&HttpSockets>) -> Result<Self, HttpBindError> {
        let listen = |address: SocketAddr| {
            let bound = match held.and_then(|held| held.at(address)) {
                Some(socket) => socket.try_clone(),
                None => TcpListener::bind(address),
            };
            let bound = bound.and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            bound.map_err(|source| HttpBindError { address, source })
        };
        let page = listen(*spec.listen)?;
        let metrics = match &spec.metrics {
            Some(metrics) => Some((listen(*metrics.listen)?, metrics.token.clone())),
            None => None,
        };
        Ok(Self { page, metrics })
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
            stop: stop.clone(),
        };
        spawn(self.page, page_routes(shared.clone()), tasks, stop.clone())?;
        if let Some((listener, token)) = self.metrics {
            let routes = metrics_routes(shared, token);
            spawn(listener, routes, tasks, stop.clone())?;
        }
        Ok(())
    }
}

/// Everything that is served on loopback.
#[must_use]
pub fn endpoints() -> Vec<Endpoint> {
    routes().endpoints()
}

fn page_routes(shared: Shared) -> Router {
    routes()
        .into_router()
        .layer(middleware::from_fn(guard::same_origin))
        .layer(middleware::from_fn(guard::loopback_host))
        .with_state(shared)
}

fn routes() -> Routes {
    // A live stream has no end; everything else has a limit.
    let bounded = Routes::new()
        .route("/", get(page::index))
        .route("/assets/{name}", get(page::asset))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(metrics::scrape))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/api/v1/status", get(status::status))
        .route("/api/v1/destinations", get(status::destinations))
        .route("/api/v1/ledger", get(status::ledger))
        .route("/api/v1/retention", get(store::retention))
        .route("/api/v1/agents", get(agents::list))
        .route("/api/v1/agents/{agent}", get(agents::show))
        .route("/api/v1/agents/{agent}/accept", post(agents::accept))
        .route("/api/v1/agents/{agent}/refuse", post(agents::refuse))
        .route("/api/v1/agents/{agent}/forget", post(agents::forget))
        .route("/api/v1/traces", get(traces::list).post(traces::start))
        .route("/api/v1/traces/{id}", delete(traces::stop))
        .route(
            "/api/v1/capture",
            get(traces::capture).post(traces::switch_capture),
        )
        .route("/api/v1/store", get(store::stats))
        .route(
            "/api/v1/store/retention",
            get(store::plan).post(store::remove),
        )
        .layer(request_limit());
    // Searches have a limit of their own, and checks and compaction take as long as there is something to read.
    Routes::new()
        .route("/api/v1/live", get(live::live))
        .route("/api/v1/store/check", post(store::check))
        .route("/api/v1/store/compact", post(store::compact))
        .route("/api/v1/messages", get(messages::list))
        .route("/api/v1/messages/export", get(export::messages))
        .route("/api/v1/messages/{id}", get(messages::show))
        .route("/api/v1/messages/{id}/frame", get(messages::frame))
        .route("/api/v1/registrations", get(registrations::list))
        .route("/api/v1/calls", get(calls::list))
        .route("/api/v1/calls/{call}", get(calls::show))
        .route("/api/v1/calls/{call}/link", post(links::link))
        .route("/api/v1/calls/{call}/unlink", post(links::unlink))
        .route("/api/v1/calls/{call}/messages", get(calls::messages))
        .route("/api/v1/calls/{call}/ladder", get(calls::ladder))
        .route("/api/v1/calls/{call}/flow", get(calls::flow))
        .route("/api/v1/calls/{call}/explanation", get(explanation::show))
        .route("/api/v1/calls/{call}/quality", get(quality::show))
        .route("/api/v1/calls/live", get(live_calls::live))
        .route("/api/v1/overview", get(overview::show))
        .route("/api/v1/calls/{call}/export", get(export::call))
        .route("/api/v1/histogram", get(histogram::show))
        .route("/api/v1/facets", get(facets::show))
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

fn spawn(
    listener: TcpListener,
    routes: Router,
    tasks: &TaskTracker,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tasks.spawn(async move {
        let served = axum::serve(listener, routes)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "http server ended");
        }
    });
    Ok(())
}
