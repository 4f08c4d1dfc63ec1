//! Asking the store from a request: beside the runtime, and no longer than somebody waits for the answer.

use std::{ops::Range, str::FromStr, sync::Arc};

use axum::http::StatusCode;
use hepcat_store::{BadCursor, Cancel, Cursor, SearchError};
use jiff::{Timestamp, Zoned};

use super::{gate, problem::Problem, server::Shared};
use crate::{
    query::{Query, QueryError, Scope},
    search::{Asked, Place, Searched},
    sink::store::StoreSink,
};

/// Ends the search when nobody waits for it any more.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The store.
///
/// # Errors
/// Where there is none.
pub(super) fn store(shared: &Shared) -> Result<&Arc<StoreSink>, Problem> {
    shared.node.store().ok_or_else(|| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "/problems/no-store",
            "nothing is kept",
            "this node has no store: add a table [store] to its configuration",
        )
    })
}

/// Asks the store. `cancel` is what `ask` ends by when the client goes.
///
/// # Errors
/// Where there is no store, and what the search ended with.
pub(super) async fn ask<T: Send + 'static>(
    shared: &Shared,
    cancel: Cancel,
    ask: impl FnOnce(&StoreSink) -> Result<T, SearchError> + Send + 'static,
) -> Result<T, Problem> {
    let sink = Arc::clone(store(shared)?);
    let _waiting = CancelOnDrop(cancel);
    match tokio::task::spawn_blocking(move || ask(&sink)).await {
        Ok(answer) => Ok(answer?),
        Err(_panic) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/search",
            "search not finished",
            "the search ended by a defect of ours; the log says more",
        )),
    }
}

/// A request that cannot be understood.
pub(super) fn faulty(title: &'static str, detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "/problems/query", title, detail)
}

/// A query that cannot be understood: what is wrong, where, and what would be right.
pub(super) fn misread(q: &str, error: &QueryError) -> Problem {
    faulty("query not understood", error.render(q))
}

/// A query about messages, of those that have their time in `time`. Where it reads payloads and nothing says since when,
/// it is about the last hour.
///
/// # Errors
/// Where the query is faulty.
pub(super) fn of_messages(q: &str, time: &Range<i64>) -> Result<Asked, Problem> {
    let now = Zoned::now();
    let query = Query::parse_at(Scope::Stored, q, &now).map_err(|error| misread(q, &error))?;
    let asked = Asked::of_messages(&query).within(time);
    gate::may_read_payloads(asked.reads_payload)?;
    Ok(asked.of_an_hour_where_payloads_are_read(now.timestamp().as_microsecond()))
}

/// A query about calls, taken apart.
pub(super) struct OfCalls {
    /// What is asked of calls.
    pub(super) query: Query,
    /// The same, as far as columns say it.
    pub(super) asked: Asked,
    /// What is asked of their messages, where there is something that calls do not know.
    pub(super) messages: Option<Asked>,
}

impl OfCalls {
    /// A query about calls that began in `time`; what it asks of messages is asked of those in `time`.
    ///
    /// # Errors
    /// Where the query is faulty.
    pub(super) fn read(q: &str, time: &Range<i64>) -> Result<Self, Problem> {
        let now = Zoned::now();
        let whole = Query::parse_at(Scope::Call, q, &now).map_err(|error| misread(q, &error))?;
        let (query, of_messages) = whole.split_calls().map_err(|error| misread(q, &error))?;
        let asked = Asked::of_calls(&query).within(time);
        let messages = (of_messages != Query::everything()).then(|| {
            let messages = Asked::of_messages(&of_messages).within(&asked.time);
            messages.of_an_hour_where_payloads_are_read(now.timestamp().as_microsecond())
        });
        gate::may_read_payloads(
            (messages.as_ref()).is_some_and(|messages| messages.reads_payload),
        )?;
        Ok(Self {
            query,
            asked,
            messages,
        })
    }

    /// What is looked through.
    pub(super) fn searched(&self) -> Searched {
        self.messages.as_ref().unwrap_or(&self.asked).searched()
    }
}

/// The place where the page before ended.
///
/// # Errors
/// Where the text is none of ours.
pub(super) fn cursor(text: Option<&str>) -> Result<Option<Cursor>, Problem> {
    read_cursor(text)
}

/// The same in a list that begins with what is followed in memory.
///
/// # Errors
/// Where the text is none of ours.
pub(super) fn place(text: Option<&str>) -> Result<Option<Place>, Problem> {
    read_cursor(text)
}

fn read_cursor<T: FromStr<Err = BadCursor>>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    match text.parse() {
        Ok(cursor) => Ok(Some(cursor)),
        Err(error) => Err(faulty(
            "cursor not understood",
            format!("`{text}` is {error}"),
        )),
    }
}

/// Times in microseconds.
pub(super) fn range(from: Option<Timestamp>, to: Option<Timestamp>) -> Range<i64> {
    let micros = |time: Timestamp| time.as_microsecond();
    from.map_or(i64::MIN, micros)..to.map_or(i64::MAX, micros)
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        let status = match error {
            SearchError::Deadline => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(
            status,
            "/problems/search",
            "search not finished",
            error.to_string(),
        )
    }
}
