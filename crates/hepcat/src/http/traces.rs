//! `/api/v1/traces` and `/api/v1/capture`: traces and the capture switch of a running node.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    body::Body,
    openapi::{BadRequest, Conflict, NotFound, NotKept, Unavailable},
    problem::Problem,
    server::Shared,
};
use crate::{
    node::TraceError,
    tracer::{StartError, StartRequest, TraceStatus},
};

/// All traces of a node.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TraceList {
    /// Configured ones first.
    pub traces: Vec<TraceStatus>,
    /// Whether started ones go on after a restart.
    pub durable: bool,
}

/// Whether frames are taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CaptureSwitch {
    /// On or off.
    pub on: bool,
}

/// All traces.
#[utoipa::path(
    get,
    path = "/api/v1/traces",
    responses((status = 200, description = "Configured traces first", body = TraceList)),
)]
pub(super) async fn list(State(shared): State<Shared>) -> Json<TraceList> {
    let node = &shared.node;
    Json(TraceList {
        traces: node.traces(),
        durable: node.state().directory().is_some(),
    })
}

/// Starts a trace.
#[utoipa::path(
    post,
    path = "/api/v1/traces",
    request_body = StartRequest,
    responses(
        (status = 201, description = "The trace", body = TraceStatus),
        BadRequest,
        Conflict,
        Unavailable,
        NotKept,
    ),
)]
pub(super) async fn start(
    State(shared): State<Shared>,
    Body(request): Body<StartRequest>,
) -> Response {
    match shared.node.start_trace(request).await {
        Ok(status) => (StatusCode::CREATED, Json(status)).into_response(),
        Err(error) => refused(&error),
    }
}

/// Ends a trace that was started.
#[utoipa::path(
    delete,
    path = "/api/v1/traces/{id}",
    params(("id" = String, Path, description = "Name of a trace that was started")),
    responses(
        (status = 200, description = "The trace as it ended", body = TraceStatus),
        NotFound,
        Conflict,
        NotKept,
    ),
)]
pub(super) async fn stop(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match shared.node.stop_trace(&id).await {
        Ok(status) => Json(status).into_response(),
        Err(error) => refused(&error),
    }
}

/// Whether frames are taken in.
#[utoipa::path(
    get,
    path = "/api/v1/capture",
    responses((status = 200, description = "On or off", body = CaptureSwitch)),
)]
pub(super) async fn capture(State(shared): State<Shared>) -> Json<CaptureSwitch> {
    Json(CaptureSwitch {
        on: shared.node.pipeline().is_capturing(),
    })
}

/// Switches whether frames are taken in.
#[utoipa::path(
    post,
    path = "/api/v1/capture",
    request_body = CaptureSwitch,
    responses(
        (status = 200, description = "As it is now", body = CaptureSwitch),
        BadRequest,
        NotKept,
    ),
)]
pub(super) async fn switch_capture(
    State(shared): State<Shared>,
    Body(switch): Body<CaptureSwitch>,
) -> Response {
    match shared.node.switch_capture(switch.on).await {
        Ok(()) => Json(switch).into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &TraceError) -> Response {
    let (status, kind, title) = match error {
        TraceError::Start(StartError::Taken(_)) | TraceError::Configured(_) => {
            (StatusCode::CONFLICT, "/problems/trace-taken", "name taken")
        }
        TraceError::Start(StartError::TooMany) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/traces",
            "too many traces",
        ),
        TraceError::Start(_) => (
            StatusCode::BAD_REQUEST,
            "/problems/trace",
            "trace not understood",
        ),
        TraceError::Unknown(_) => (
            StatusCode::NOT_FOUND,
            "/problems/trace-unknown",
            "no such trace",
        ),
        TraceError::State(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/state",
            "not kept",
        ),
    };
    Problem::new(status, kind, title, crate::node::spelled(error)).into_response()
}
