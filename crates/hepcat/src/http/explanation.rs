//! `GET /api/v1/calls/{call}/explanation`: why it went as it did.

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

use super::{
    calls,
    openapi::{Explanation, NotFound, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    call::ladder::{Ladder, LaneBy},
    explain, search,
};

/// What there is to say about a call, with the messages that say so.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}/explanation",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 200, description = "Findings, what matters most first", body = Explanation),
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
        let explanation = search::as_seen(&page.messages, |seen| {
            let ladder = Ladder::new(seen, LaneBy::AddressAndPort);
            explain::Explanation::of(&call, seen, &ladder)
        });
        json!({ "findings": explanation.findings, "left_out": page.left_out() })
    });
    answer.await.map(Json)
}
