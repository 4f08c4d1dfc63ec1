//! `POST /api/v1/calls/{call}/unlink` and `…/link`: what an operator knows better than the rules.

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{problem::Problem, server::Shared, traces::unreadable};
use crate::{
    call::{CallRecord, LegId},
    node::RelinkError,
};

/// Which link is taken away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unlink {
    /// One of its two legs.
    leg: LegId,
    /// Its `key`, 16 hexadecimal digits.
    key: String,
}

/// What a call is joined with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// Id of another call, or the Call-ID of one of its legs.
    with: String,
}

pub(super) async fn unlink(
    State(shared): State<Shared>,
    Path(call): Path<String>,
    body: Result<Json<Unlink>, JsonRejection>,
) -> Response {
    let Json(Unlink { leg, key }) = match body {
        Ok(body) => body,
        Err(rejection) => return unreadable(&rejection),
    };
    let Ok(key) = u64::from_str_radix(&key, 16) else {
        let detail = format!("`{key}` is no key of a link: 16 hexadecimal digits");
        return Problem::new(
            StatusCode::BAD_REQUEST,
            "/problems/body",
            "body not understood",
            detail,
        )
        .into_response();
    };
    answer(shared.node.unlink_call(call, leg, key).await)
}

pub(super) async fn link(
    State(shared): State<Shared>,
    Path(call): Path<String>,
    body: Result<Json<Link>, JsonRejection>,
) -> Response {
    match body {
        Ok(Json(Link { with })) => answer(shared.node.link_calls(call, with).await),
        Err(rejection) => unreadable(&rejection),
    }
}

fn answer(outcome: Result<Vec<CallRecord>, RelinkError>) -> Response {
    let error = match outcome {
        Ok(calls) => return Json(json!({ "calls": calls })).into_response(),
        Err(error) => error,
    };
    let (status, kind, title) = match error {
        RelinkError::NoStore => (
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/no-store",
            "nothing is kept",
        ),
        RelinkError::NoCall(_) => (StatusCode::NOT_FOUND, "/problems/no-call", "no such call"),
        RelinkError::NoLink => (StatusCode::NOT_FOUND, "/problems/no-link", "no such link"),
        RelinkError::HalfOpen | RelinkError::Same => {
            (StatusCode::CONFLICT, "/problems/link", "not joined")
        }
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/link",
            "nothing is changed",
        ),
    };
    Problem::new(status, kind, title, error.to_string()).into_response()
}
