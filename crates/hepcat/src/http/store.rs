//! `/api/v1/store`: what the store is made of, whether it holds, and what is done about it by hand.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use hepcat_store::{Cancel, Run};
use jiff::Timestamp;
use serde::Serialize;

use super::{asking, problem::Problem, server::Shared};
use crate::sink::store::StoreSink;

/// What there is, by class and by hour.
pub(super) async fn stats(State(shared): State<Shared>) -> Response {
    answer(&shared, |sink| Some(sink.report(Timestamp::now()))).await
}

/// Reads everything whole, however long that takes.
pub(super) async fn check(State(shared): State<Shared>) -> Response {
    answer(&shared, StoreSink::check).await
}

/// Merges what is due, however long that takes.
pub(super) async fn compact(State(shared): State<Shared>) -> Response {
    answer(&shared, StoreSink::compact).await
}

/// What retention would remove now.
pub(super) async fn plan(State(shared): State<Shared>) -> Response {
    answer(&shared, |sink| Some(sink.retention(Run::Dry))).await
}

/// Removes it.
pub(super) async fn remove(State(shared): State<Shared>) -> Response {
    answer(&shared, |sink| Some(sink.retention(Run::Real))).await
}

/// What `work` says beside the runtime. It goes on when nobody waits for it any more, and ends with the node; `None` is
/// that another piece of it is under way.
async fn answer<T: Serialize + Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&StoreSink) -> Option<T> + Send + 'static,
) -> Response {
    match asking::ask(shared, Cancel::default(), move |sink| Ok(work(sink))).await {
        Ok(Some(done)) => Json(done).into_response(),
        Ok(None) => Problem::new(
            StatusCode::CONFLICT,
            "/problems/store-busy",
            "store busy",
            "somebody checks or compacts the store already: ask again when that is done",
        )
        .into_response(),
        Err(problem) => problem.into_response(),
    }
}
