//! Server-sent events without an end: until the node stops, the client goes, or its pass is good no more.

use std::{convert::Infallible, fmt::Display, time::Duration};

use axum::{
    http::StatusCode,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt as _};

use super::{gate, problem::Problem, server::Shared};

/// A client hears something this often, if only that the node is there.
const KEPT_ALIVE: Duration = Duration::from_secs(15);

/// Answers with these events.
pub(super) fn answer(
    shared: &Shared,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    let stop = shared.stop.clone();
    let revoked = gate::until_revoked(shared.clone(), gate::viewer());
    let over = async move {
        tokio::select! {
            () = stop.cancelled_owned() => {}
            () = revoked => {}
        }
    };
    let events = events.map(Ok::<_, Infallible>).take_until(Box::pin(over));
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEPT_ALIVE))
        .into_response()
}

/// What is said where too many watch already.
pub(super) fn too_many(error: &impl Display) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "/problems/watchers",
        "too many watch",
        error.to_string(),
    )
}
