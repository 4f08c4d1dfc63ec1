//! `GET /api/v1/calls`, `GET /api/v1/calls/{call}`, its messages, its ladder, and that as text.

use axum::{
    Json,
    extract::{Path, Query as Parameters, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use hepcat_store::Cancel;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{
    asking::{self, OfCalls},
    gate,
    openapi::{
        BadRequest, Call, CallPage, Ladder as LadderBody, MessageList, NotFound, SearchEnded,
        SearchTooLong,
    },
    problem::Problem,
    server::Shared,
};
use crate::{
    access::Masking,
    call::{
        CallRecord, Kind,
        ladder::{Art, Colours, Ladder, LaneBy, Text, Times},
    },
    explain::{Explanation, joined_text},
    render::Contents,
    search::{self, CallSearch, MessagePage},
};

/// Why messages are missing in an answer that cannot say so itself.
pub(super) const LEFT_OUT: HeaderName = HeaderName::from_static("hepcat-left-out");

/// Calls on one page where nobody says how many.
const PAGE: usize = 200;
/// Calls on one page at most; what follows has a cursor.
const LARGEST_PAGE: usize = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SearchParameters {
    /// Which calls, in the query language.
    #[serde(default)]
    q: String,
    /// Only what began then or later (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only what began before.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Registrations, subscriptions, messages and OPTIONS as well.
    #[serde(default)]
    all: bool,
    /// How many.
    limit: Option<usize>,
    /// Where the page before ended.
    cursor: Option<String>,
}

/// Calls that fit, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/calls",
    params(SearchParameters),
    responses(
        (status = 200, description = "A page of calls, those that are open first", body = CallPage),
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
    let asked = OfCalls::read(&parameters.q, &time)?;
    let searched = asked.searched();
    let search = CallSearch {
        kind: (!parameters.all).then_some(Kind::Call),
        time: asked.asked.time.clone(),
        limit: parameters.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE),
        after: asking::place(parameters.cursor.as_deref())?,
        ..CallSearch::default()
    };
    let cancel = search.cancel.clone();
    let answer = asking::ask(&shared, cancel, move |sink| {
        let fits = |call: &CallRecord| asked.query.matches(call);
        let page = match &asked.messages {
            Some(messages) => search::calls_through_messages(sink, &search, messages, fits)?,
            None => search::calls(sink, &search, asked.asked.filter, fits)?,
        };
        Ok(json!({
            "calls": page.calls,
            "next": page.next.map(|cursor| cursor.to_string()),
            "ended_by": page.ended_by.map(|error| error.to_string()),
            "unreadable": page.report.unreadable,
            "searched": searched,
        }))
    });
    Ok(Json(answer.await?).into_response())
}

/// One call.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 200, description = "The call", body = Call),
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<CallRecord>, Problem> {
    let asked = name.clone();
    let found = asking::ask(&shared, Cancel::default(), move |sink| {
        search::call(sink, &asked)
    });
    found.await?.map(Json).ok_or_else(|| no_call(&name))
}

/// Everything that belongs to a call.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}/messages",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs")),
    responses(
        (status = 200, description = "In the order of reception", body = MessageList),
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn messages(
    State(shared): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let clock = shared.node.pipeline().topology().clock();
    let contents = gate::viewer().masking.contents(Contents::ALL.digest(false));
    let answer = of_whole(&shared, name, move |_, page| {
        let messages = page.messages.iter();
        let messages = messages.map(|one| one.json(clock, contents));
        json!({
            "messages": messages.collect::<Vec<_>>(),
            "left_out": page.left_out(),
            "unreadable": page.report.unreadable,
        })
    });
    answer.await.map(Json)
}

/// What makes a column of the ladder.
#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
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

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LadderParameters {
    /// What makes a column.
    #[serde(default)]
    #[param(inline)]
    lanes: Lanes,
}

/// A call in causal order.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}/ladder",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs"), LadderParameters),
    responses(
        (status = 200, description = "The ladder", body = LadderBody),
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn ladder(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Parameters(parameters): Parameters<LadderParameters>,
) -> Result<Response, Problem> {
    let answer = of_whole(&shared, name, move |_, page| {
        let ladder = search::ladder(&page.messages, parameters.lanes.into());
        (left_out(&page), ladder)
    });
    let (left_out, ladder) = answer.await?;
    Ok((left_out, Json(ladder)).into_response())
}

#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ShownTimes {
    #[default]
    Absolute,
    Relative,
    Delta,
    Both,
}

/// What has a colour.
#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ShownColours {
    #[default]
    None,
    /// Each leg where there are several, else each kind of message.
    Auto,
    CallId,
    Kind,
}

impl ShownColours {
    fn of(self, ladder: &Ladder) -> Colours {
        match self {
            Self::None => Colours::None,
            Self::Auto if ladder.legs.len() > 1 => Colours::CallId,
            Self::CallId => Colours::CallId,
            Self::Auto | Self::Kind => Colours::Kind,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FlowParameters {
    /// What makes a column.
    #[serde(default)]
    #[param(inline)]
    lanes: Lanes,
    /// Columns of the terminal.
    width: Option<usize>,
    /// Lines of `-` and `|` instead of box drawing.
    #[serde(default)]
    ascii: bool,
    /// Which times stand beside the arrows.
    #[serde(default)]
    #[param(inline)]
    times: ShownTimes,
    /// What has a colour, in sequences of ECMA-48.
    #[serde(default)]
    #[param(inline)]
    colours: ShownColours,
    /// Each transmission of a message, also the second.
    #[serde(default)]
    every: bool,
    /// Below it, why its legs are one call, and why it went as it did.
    #[serde(default)]
    explain: bool,
}

/// The ladder for a terminal.
#[utoipa::path(
    get,
    path = "/api/v1/calls/{call}/flow",
    params(("call" = String, Path, description = "Id of a call, or a Call-ID of one of its legs"), FlowParameters),
    responses(
        (status = 200, description = "Lines of text", body = String, content_type = "text/plain"),
        NotFound,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn flow(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    Parameters(parameters): Parameters<FlowParameters>,
) -> Result<Response, Problem> {
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
            ShownTimes::Both => Times::Both,
        });
    if let Some(width) = parameters.width {
        text = text.with_width(width.clamp(40, 1_000));
    }
    text.collapse = !parameters.every;
    let folded = parameters.width.unwrap_or(120).clamp(40, 120);
    // What legs have in common may be what is hidden in messages.
    let values = gate::viewer().masking == Masking::NONE;
    let answer = of_whole(&shared, name, move |call, page| {
        let mut drawn = search::as_seen(&page.messages, |seen| {
            let ladder = Ladder::new(seen, parameters.lanes.into());
            let text = text.with_colours(parameters.colours.of(&ladder));
            let mut drawn = ladder.text(&text);
            if parameters.explain {
                let explained = Explanation::of(&call, seen, &ladder).text(folded);
                for part in [joined_text(&call, &ladder, values), explained] {
                    if !part.is_empty() {
                        drawn.push('\n');
                        drawn.push_str(&part);
                    }
                }
            }
            drawn
        });
        if let Some(why) = page.left_out() {
            drawn.insert_str(0, &format!("older messages are left out: {why}\n\n"));
        }
        (left_out(&page), drawn)
    });
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let (left_out, drawn) = answer.await?;
    Ok((kind, left_out, drawn).into_response())
}

/// A header that says why older messages are missing, where they are.
fn left_out(page: &MessagePage) -> Option<[(HeaderName, String); 1]> {
    Some([(LEFT_OUT, page.left_out()?)])
}

/// A call and everything that belongs to it, as far as whoever asks gets to see it.
pub(super) async fn whole(
    shared: &Shared,
    name: String,
) -> Result<(CallRecord, MessagePage), Problem> {
    of_whole(shared, name, |call, page| (call, page)).await
}

/// What `make` makes of a call and everything that belongs to it, beside the runtime: ladders take their time.
pub(super) async fn of_whole<T: Send + 'static>(
    shared: &Shared,
    name: String,
    make: impl FnOnce(CallRecord, MessagePage) -> T + Send + 'static,
) -> Result<T, Problem> {
    let asked = name.clone();
    let cancel = Cancel::default();
    let of_messages = cancel.clone();
    let masking = gate::viewer().masking;
    let found = asking::ask(shared, cancel, move |sink| {
        let Some(call) = search::call(sink, &asked)? else {
            return Ok(None);
        };
        let mut messages = search::messages_of(sink.store(), &call, of_messages)?;
        masking.hide_in(&mut messages);
        Ok(Some(make(call, messages)))
    });
    found.await?.ok_or_else(|| no_call(&name))
}

pub(super) fn no_call(name: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "/problems/no-call",
        "no such call",
        format!("no call that is kept has the id or a leg with the Call-ID `{name}`"),
    )
}
