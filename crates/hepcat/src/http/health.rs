//! `/healthz`: the process answers. `/readyz`: it takes frames in.

use axum::{extract::State, http::StatusCode};

use super::server::Shared;

/// 200 as long as anything answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// 200 while listeners are served, 503 before and while draining.
pub(super) async fn readyz(State(shared): State<Shared>) -> (StatusCode, &'static str) {
    if shared.node.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}
