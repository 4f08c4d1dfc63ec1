//! `GET /api/v1/registrations`: who is registered, who was, and who is refused.

use axum::{
    Json,
    extract::{Query as Parameters, State},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{
    asking,
    openapi::{BadRequest, RegistrationPage, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    call::RegistrationState,
    search::{self, RegistrationSearch},
};

/// Registrations on one page where nobody says how many.
const PAGE: usize = 200;
/// Registrations on one page at most; what follows has a cursor.
const LARGEST_PAGE: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParameters {
    /// Part of the address of record, contact, source or user agent.
    #[serde(default)]
    text: String,
    /// How they stand.
    #[param(value_type = Option<String>)]
    state: Option<RegistrationState>,
    /// How many.
    limit: Option<usize>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Registrations, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/registrations",
    params(SearchParameters),
    responses(
        (status = 200, description = "A page of registrations, the last first", body = RegistrationPage),
        BadRequest,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Response, Problem> {
    let search = RegistrationSearch {
        text: parameters.text,
        state: parameters.state,
        limit: parameters.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE),
        after: asking::place(parameters.cursor.as_deref())?,
        ..RegistrationSearch::default()
    };
    let cancel = search.cancel.clone();
    let answer = asking::ask(&shared, cancel, move |sink| {
        let page = search::registrations(sink, &search)?;
        Ok(json!({
            "registrations": page.registrations,
            "next": page.next.map(|place| place.to_string()),
            "ended_by": page.ended_by.map(|error| error.to_string()),
        }))
    });
    Ok(Json(answer.await?).into_response())
}
