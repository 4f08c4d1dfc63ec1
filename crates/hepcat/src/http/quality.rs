//! `GET /api/v1/calls/{call}/quality`: what reports say about its media.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    calls,
    openapi::{CallQuality, NotFound, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    call::ladder::{Ladder, LaneBy},
    quality, search,
};

/// Loss, jitter, round trip and an estimated score of each stream, over time.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}/quality",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 200, description = "The streams", body = CallQuality),
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let answer = calls::of_whole(&shared, name, |call, page| {
        let quality = search::as_seen(&page.messages, |seen| {
            let ladder = Ladder::new(seen, LaneBy::AddressAndPort);
            quality::CallQuality::of(&call, seen, &ladder)
        });
        json!({
            "streams": quality.streams,
            "started": call.started,
            "answered": call.answered,
            "ended": call.ended,
            "left_out": page.left_out(),
        })
    });
    answer.await.map(Json)
}
