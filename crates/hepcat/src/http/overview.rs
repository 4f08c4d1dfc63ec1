//! `GET /api/v1/overview`: how the network does.

use axum::{
    Json,
    extract::{Query as Parameters, State},
};
use hepcat_store::Cancel;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    asking::{self, OfCalls, faulty},
    openapi::{BadRequest, Overview, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::search;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OverviewParameters {
    /// Of which calls, in the query language.
    #[serde(default)]
    q: String,
    /// Only what began then or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only what began before.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
}

/// Calls counted by what became of them.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    params(OverviewParameters),
    responses(
        (status = 200, description = "The figures", body = Overview),
        BadRequest,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<OverviewParameters>,
) -> Result<Json<Value>, Problem> {
    let time = asking::range(parameters.from, parameters.to);
    let asked = OfCalls::read(&parameters.q, &time)?;
    if asked.messages.is_some() {
        return Err(faulty(
            "query not understood",
            "calls are counted here by what calls know: leave out what only their messages do",
        ));
    }
    let cancel = Cancel::default();
    let answer = asking::ask(&shared, cancel.clone(), move |sink| {
        let (overview, ended_by) = search::overview(sink, &asked.asked, &asked.query, cancel)?;
        Ok(json!({
            "overview": overview,
            "ended_by": ended_by.map(|error| error.to_string()),
            "searched": asked.searched(),
        }))
    });
    answer.await.map(Json)
}
