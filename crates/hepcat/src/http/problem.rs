//! Errors as `application/problem+json` (RFC 9457).

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// A refusal that says which rule it follows (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// Stable name of the kind of problem.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The kind in words.
    title: &'static str,
    /// The status code of the answer.
    status: u16,
    /// What is wrong with this request, in words.
    detail: String,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        kind: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            title,
            status: status.as_u16(),
            detail: detail.into(),
        }
    }
}

/// The content type of a problem.
const KIND: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Of the words of a refusal that is no problem yet, at most so many octets are told.
const MOST_WORDS: usize = 4_096;

/// Makes problems of those refusals of the API that no handler has made: paths and methods that are not served,
/// parameters that cannot be read, requests that took too long.
pub(super) async fn everywhere(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/api/") {
        return next.run(request).await;
    }
    let not_served = format!("{} {path}", request.method());
    let response = next.run(request).await;
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || response.headers().get(header::CONTENT_TYPE) == Some(&KIND) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let words = axum::body::to_bytes(body, MOST_WORDS)
        .await
        .unwrap_or_default();
    let words = String::from_utf8_lossy(&words).into_owned();
    let (kind, title) = match status {
        StatusCode::NOT_FOUND => ("/problems/not-served", "nothing is served here"),
        StatusCode::METHOD_NOT_ALLOWED => ("/problems/method", "not served with this method"),
        StatusCode::REQUEST_TIMEOUT => ("/problems/time", "took too long"),
        _ => ("/problems/request", "request not understood"),
    };
    let detail = if words.is_empty() { not_served } else { words };
    let problem = Problem::new(status, kind, title, detail).into_response();
    // What else was said about it stays: which methods are served, for instance.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, KIND);
    Response::from_parts(parts, problem.into_body())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (
            status,
            [(header::CONTENT_TYPE, KIND)],
            axum::Json(self).into_response().into_body(),
        )
            .into_response()
    }
}
