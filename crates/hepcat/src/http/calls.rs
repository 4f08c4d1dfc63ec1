//! `GET /api/v1/calls`, `GET /api/v1/calls/{call}`, its messages, its ladder, and that as text.

use axum::{
    Json,
    extract::{Path, Query as Parameters, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use hepcat_store::Cancel;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;
use serde_json::json;

use super::{asking, problem::Problem, server::Shared};
use crate::{
    call::{
        CallRecord, Kind,
        ladder::{Art, LaneBy, Text, Times},
    },
    query::{Query, Scope},
    render::Contents,
    search::{self, Asked, CallSearch, StoredMessage},
};

/// Calls on one page where nobody says how many.
const PAGE: usize = 200;
/// Calls on one page at most; what follows has a cursor.
const LARGEST_PAGE: usize = 10_000;

#[derive(Debug, Deserialize)]
pub(super) struct SearchParameters {
    /// Which calls, in the query language.
    #[serde(default)]
    q: String,
    /// Only what began then or later (RFC 3339).
    from: Option<Timestamp>,
    /// Only what began before.
    to: Option<Timestamp>,
    /// Registrations, subscriptions, messages and OPTIONS as well.
    #[serde(default)]
    all: bool,
    /// How many.
    limit: Option<usize>,
    /// Where the page before ended.
    cursor: Option<String>,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<SearchParameters>,
) -> Response {
    match find(&shared, parameters).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn find(shared: &Shared, parameters: SearchParameters) -> Result<Response, Problem> {
    let query = read_query(&parameters.q)?;
    let asked = Asked::of_calls(&query).within(&asking::range(parameters.from, parameters.to));
    let search = CallSearch {
        kind: (!parameters.all).then_some(Kind::Call),
        time: asked.time,
        limit: parameters.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE),
        after: asking::place(parameters.cursor.as_deref())?,
        ..CallSearch::default()
    };
    let cancel = search.cancel.clone();
    let answer = asking::ask(shared, cancel, move |sink| {
        let page = search::calls(sink, &search, asked.filter, |call| query.matches(call))?;
        Ok(json!({
            "calls": page.calls,
            "next": page.next.map(|cursor| cursor.to_string()),
            "ended_by": page.ended_by.map(|error| error.to_string()),
            "unreadable": page.report.unreadable,
        }))
    });
    Ok(Json(answer.await?).into_response())
}

/// A query that calls answer themselves. What only their messages know is asked where messages are searched.
fn read_query(text: &str) -> Result<Query, Problem> {
    let faulty = |detail: String| asking::faulty("query not understood", detail);
    let query = Query::parse_at(Scope::Call, text, &Zoned::now())
        .map_err(|error| faulty(error.to_string()))?;
    let (of_calls, of_messages) = query
        .split_calls()
        .map_err(|error| faulty(error.to_string()))?;
    if of_messages == Query::everything() {
        return Ok(of_calls);
    }
    let detail = format!("`{of_messages}` is known of messages: search those for it");
    Err(faulty(detail))
}

pub(super) async fn show(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    match whole(&shared, name).await {
        Ok((call, _)) => Json(call).into_response(),
        Err(problem) => problem.into_response(),
    }
}

pub(super) async fn messages(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let clock = shared.node.pipeline().topology().clock();
    match whole(&shared, name).await {
        Ok((_, messages)) => {
            let messages = messages.iter();
            let messages = messages.map(|one| one.json(clock, Contents::ALL.digest(false)));
            Json(json!({ "messages": messages.collect::<Vec<_>>() })).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// What makes a column of the ladder.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Lanes {
    #[default]
    AddressPort,
    Address,
}

impl From<Lanes> for LaneBy {
    fn from(lanes: Lanes) -> Self {
        match lanes {
            Lanes::AddressPort => Self::AddressAndPort,
            Lanes::Address => Self::Address,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct LadderParameters {
    #[serde(default)]
    lanes: Lanes,
}

pub(super) async fn ladder(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Parameters(parameters): Parameters<LadderParameters>,
) -> Response {
    match whole(&shared, name).await {
        Ok((_, messages)) => {
            Json(search::ladder(&messages, parameters.lanes.into())).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShownTimes {
    #[default]
    Absolute,
    Relative,
    Delta,
}

#[derive(Debug, Deserialize)]
pub(super) struct FlowParameters {
    #[serde(default)]
    lanes: Lanes,
    /// Columns of the terminal.
    width: Option<usize>,
    /// Lines of `-` and `|` instead of box drawing.
    #[serde(default)]
    ascii: bool,
    #[serde(default)]
    times: ShownTimes,
    /// Each transmission of a message, also the second.
    #[serde(default)]
    every: bool,
}

/// The ladder for a terminal.
pub(super) async fn flow(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Parameters(parameters): Parameters<FlowParameters>,
) -> Response {
    let mut text = Text::default()
        .with_art(if parameters.ascii {
            Art::Ascii
        } else {
            Art::Unicode
        })
        .with_times(match parameters.times {
            ShownTimes::Absolute => Times::Absolute,
            ShownTimes::Relative => Times::Relative,
            ShownTimes::Delta => Times::Delta,
        });
    if let Some(width) = parameters.width {
        text = text.with_width(width.clamp(40, 1_000));
    }
    text.collapse = !parameters.every;
    match whole(&shared, name).await {
        Ok((_, messages)) => {
            let drawn = search::ladder(&messages, parameters.lanes.into()).text(&text);
            let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            (kind, drawn).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// A call and everything that belongs to it.
async fn whole(shared: &Shared, name: String) -> Result<(CallRecord, Vec<StoredMessage>), Problem> {
    let asked = name.clone();
    let found = asking::ask(shared, Cancel::default(), move |sink| {
        let Some(call) = search::call(sink, &asked)? else {
            return Ok(None);
        };
        let messages = search::messages_of(sink.store(), &call)?;
        Ok(Some((call, messages)))
    });
    found.await?.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "/problems/no-call",
            "no such call",
            format!("no call that is kept has the id or a leg with the Call-ID `{name}`"),
        )
    })
}
