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

use super::{
    asking,
    openapi::{Busy, NoStore},
    problem::Problem,
    server::Shared,
};
use crate::{
    sink::store::StoreSink,
    status::{CheckStatus, CompactStatus, RetentionPlan, StoreReport},
};

/// What the store is made of, by class and by hour.
#[utoipa::path(
    get,
    path = "/api/v1/store",
    responses(
        (status = 200, description = "The store", body = StoreReport),
        NoStore,
    ),
)]
pub(super) async fn stats(State(shared): State<Shared>) -> Response {
    answer(&shared, |sink| Some(sink.report(Timestamp::now()))).await
}

/// Reads everything that is kept whole, and says what does not hold.
#[utoipa::path(
    post,
    path = "/api/v1/store/check",
    responses(
        (status = 200, description = "What was found", body = CheckStatus),
        Busy,
        NoStore,
    ),
)]
pub(super) async fn check(State(shared): State<Shared>) -> Response {
    answer(&shared, StoreSink::check).await
}

/// Merges segments where that is due, and says what it did.
#[utoipa::path(
    post,
    path = "/api/v1/store/compact",
    responses(
        (status = 200, description = "What was merged", body = CompactStatus),
        Busy,
        NoStore,
    ),
)]
pub(super) async fn compact(State(shared): State<Shared>) -> Response {
    answer(&shared, StoreSink::compact).await
}

/// What retention would remove now.
#[utoipa::path(
    get,
    path = "/api/v1/store/retention",
    responses(
        (status = 200, description = "What would go", body = RetentionPlan),
        NoStore,
    ),
)]
pub(super) async fn plan(State(shared): State<Shared>) -> Response {
    answer(&shared, |sink| Some(sink.retention(Run::Dry))).await
}

/// What retention would remove now: the same as `/api/v1/store/retention`.
#[utoipa::path(
    get,
    path = "/api/v1/retention",
    responses((status = 200, description = "What would go", body = RetentionPlan), NoStore),
)]
pub(super) async fn retention(shared: State<Shared>) -> Response {
    plan(shared).await
}

/// Removes what the rules of retention let go.
#[utoipa::path(
    post,
    path = "/api/v1/store/retention",
    responses(
        (status = 200, description = "What went", body = RetentionPlan),
        NoStore,
    ),
)]
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
