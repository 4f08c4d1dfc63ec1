//! `POST /api/v1/calls/{call}/unlink` and `…/link`: what an operator knows better than the rules.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{
    body::Body,
    openapi::{BadRequest, CallList, Conflict, NotFound, SearchEnded},
    problem::Problem,
    server::Shared,
};
use crate::{
    call::{CallRecord, LegId},
    node::RelinkError,
};

/// Which link is taken away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Unlink {
    /// One of its two legs.
    #[schema(value_type = String)]
    leg: LegId,
    /// Its `key`, 16 hexadecimal digits.
    key: String,
}

/// What a call is joined with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    /// Id of another call, or the Call-ID of one of its legs.
    with: String,
}

/// Takes a link between two legs of a call away.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{call}/unlink",
    request_body = Unlink,
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 200, description = "The calls that it fell into", body = CallList),
        BadRequest,
        NotFound,
        Conflict,
        SearchEnded,
    ),
)]
pub(super) async fn unlink(
    State(shared): State<Shared>,
    Path(call): Path<String>,
    Body(Unlink { leg, key }): Body<Unlink>,
) -> Response {
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

/// Joins two calls.
#[utoipa::path(
    post,
    path = "/api/v1/calls/{call}/link",
    request_body = Link,
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 200, description = "The call that they became", body = CallList),
        BadRequest,
        NotFound,
        Conflict,
        SearchEnded,
    ),
)]
pub(super) async fn link(
    State(shared): State<Shared>,
    Path(call): Path<String>,
    Body(Link { with }): Body<Link>,
) -> Response {
    answer(shared.node.link_calls(call, with).await)
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
