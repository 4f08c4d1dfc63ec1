//! `GET /api/v1/messages`, `GET /api/v1/messages/{id}` and `…/frame`: what the store keeps.

use axum::{
    Json,
    extract::{Path, Query as Parameters, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hepcat_store::RowId;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{
    asking, gate,
    openapi::{BadRequest, Message, MessagePage, NotFound, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    render::Contents,
    search::{self, MessageSearch, StoredMessage},
};

/// Messages on one page where nobody says how many.
const PAGE: u64 = 200;
/// Messages on one page at most; what follows has a cursor.
const LARGEST_PAGE: u64 = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParameters {
    /// Which messages, in the query language; all of them when absent.
    #[serde(default)]
    q: String,
    /// Only what has this time or a later one (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only what is earlier than this.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// How many.
    limit: Option<u64>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Whether payloads and chunks are left out.
    #[serde(default)]
    brief: bool,
}

/// Messages that fit, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/messages",
    params(SearchParameters),
    responses(
        (status = 200, description = "A page of messages, those received last first", body = MessagePage),
        BadRequest,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Result<Response, Problem> {
    let time = asking::range(parameters.from, parameters.to);
    let asked = asking::of_messages(&parameters.q, &time)?;
    let searched = asked.searched();
    let clock = shared.node.pipeline().topology().clock();
    let mut search = MessageSearch::new(asked);
    search.limit = parameters.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    search.after = asking::cursor(parameters.cursor.as_deref())?;
    let contents = if parameters.brief {
        Contents::ALL.digest(false).payload(false).chunks(false)
    } else {
        Contents::ALL.digest(false)
    };
    let masking = gate::viewer().masking;
    let contents = masking.contents(contents);
    let cancel = search.cancel.clone();
    let answer = asking::ask(&shared, cancel, move |sink| {
        let mut page = search::messages(sink.store(), &search)?;
        masking.hide_in(&mut page);
        let messages = page.messages.iter();
        Ok(json!({
            "messages": messages.map(|one| one.json(clock, contents)).collect::<Vec<_>>(),
            "next": page.next.map(|cursor| cursor.to_string()),
            "ended_by": page.ended_by.map(|error| error.to_string()),
            "unreadable": page.report.unreadable,
            "searched": searched,
        }))
    });
    Ok(Json(answer.await?).into_response())
}

/// One message.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}",
    params(("id" = String, Path, description = "Id of a message")),
    responses(
        (status = 200, description = "The message", body = Message),
        BadRequest,
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    let clock = shared.node.pipeline().topology().clock();
    match one(&shared, &id).await {
        Ok(message) => {
            let contents = gate::viewer().masking.contents(Contents::ALL);
            Json(message.json(clock, contents)).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// The octets as they were received, with keys blank.
#[utoipa::path(
    get,
    path = "/api/v1/messages/{id}/frame",
    params(("id" = String, Path, description = "Id of a message")),
    responses(
        (status = 200, description = "The frame", body = Vec<u8>, content_type = "application/octet-stream"),
        BadRequest,
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn frame(State(shared): State<Shared>, Path(id): Path<String>) -> Response {
    match one(&shared, &id).await {
        Ok(message) => {
            let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
            (kind, message.frame().to_vec()).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// A message, as far as whoever asks gets to see it.
async fn one(shared: &Shared, id: &str) -> Result<StoredMessage, Problem> {
    let number = id
        .parse()
        .map_err(|_| asking::faulty("id not understood", format!("`{id}` is no number")))?;
    let found = asking::ask(shared, hepcat_store::Cancel::default(), move |sink| {
        search::message(sink.store(), RowId::from_number(number))
    });
    if let Some(mut message) = found.await?
        && gate::is_of_only_call(shared, &message).await?
    {
        gate::viewer().masking.hide(&mut message);
        return Ok(message);
    }
    Err(Problem::new(
        StatusCode::NOT_FOUND,
        "/problems/no-message",
        "no such message",
        format!("nothing is kept under {id}: retention may have removed it"),
    ))
}
