//! `GET /api/v1/histogram`: how many messages and calls there are, over time.

use axum::{
    Json,
    extract::{Query as Parameters, State},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    asking::{self, OfCalls},
    openapi::{BadRequest, Histogram, SearchEnded, SearchTooLong},
    problem::Problem,
    server::Shared,
};
use crate::{
    call::Kind,
    config,
    search::{self, HistogramSearch},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct HistogramParameters {
    /// Which messages and calls, in the query language.
    #[serde(default)]
    q: String,
    /// Only what has this time or a later one (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Only what is earlier than this.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Width of a bucket: `1m`. Such that there are at most 500 where nobody says.
    bucket: Option<String>,
    /// Registrations, subscriptions, messages and OPTIONS count as calls as well.
    #[serde(default)]
    all: bool,
}

/// How many messages and calls there are, over time.
#[utoipa::path(
    get,
    path = "/api/v1/histogram",
    params(HistogramParameters),
    responses(
        (status = 200, description = "Buckets, the oldest first", body = Histogram),
        BadRequest,
        SearchTooLong,
        SearchEnded,
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<HistogramParameters>,
) -> Result<Response, Problem> {
    let time = asking::range(parameters.from, parameters.to);
    // What only calls know, messages cannot be asked, and the other way round.
    let messages = asking::of_messages(&parameters.q, &time).ok();
    let of_calls = match OfCalls::read(&parameters.q, &time) {
        Ok(of_calls) => Some(of_calls),
        Err(problem) if messages.is_none() => return Err(problem),
        Err(_problem) => None,
    };
    let of_calls = of_calls.filter(|of_calls| of_calls.messages.is_none());
    if messages.is_none() && of_calls.is_none() {
        return Err(asking::faulty(
            "nothing to count",
            "the query asks calls for something and their messages for something else: count one of the two",
        ));
    }
    let bucket = match &parameters.bucket {
        Some(text) => Some(config::duration(text).map_err(|why| asking::faulty("bucket", why))?),
        None => None,
    };
    let now = Timestamp::now().as_microsecond();
    let of_calls = of_calls.map(|of_calls| (of_calls.asked, of_calls.query));
    let mut search = HistogramSearch::new(messages, of_calls, now);
    search.bucket = bucket;
    search.kind = (!parameters.all).then_some(Kind::Call);
    let cancel = search.cancel.clone();
    let counted = asking::ask(&shared, cancel, move |sink| {
        search::histogram(sink, &search)
    });
    match counted.await? {
        Ok(histogram) => Ok(Json(histogram).into_response()),
        Err(error) => Err(asking::faulty("too many buckets", error.to_string())),
    }
}
