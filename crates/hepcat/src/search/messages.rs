//! Searches for messages.

use std::{ops::Range, time::Duration};

use hepcat_store::{
    Cancel, Column, Cursor, Filter, RowId, Search, SearchError, SearchReport, Store,
};

use super::{Asked, StoredMessage};
use crate::query::Query;

/// Which messages are asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MessageSearch {
    /// What they are like.
    pub query: Query,
    /// Their time in microseconds since 1970: when they were sent where that is believed, else received. The end is
    /// not included.
    pub time: Range<i64>,
    /// Only what was received before the message that this stands for.
    pub after: Option<Cursor>,
    /// Messages that are enough.
    pub limit: u64,
    /// How long it may take.
    pub deadline: Duration,
    /// Ends it from outside.
    pub cancel: Cancel,
}

impl MessageSearch {
    /// The newest 200 of all times that fit, within ten seconds.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self {
            query,
            time: i64::MIN..i64::MAX,
            after: None,
            limit: 200,
            deadline: Duration::from_secs(10),
            cancel: Cancel::default(),
        }
    }
}

/// What was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MessagePage {
    /// The messages, those received last first.
    pub messages: Vec<StoredMessage>,
    /// From where a later search goes on; `None` where there is nothing more.
    pub next: Option<Cursor>,
    /// What it took.
    pub report: SearchReport,
    /// Why it ended before everything was looked at, other than that it found enough.
    pub ended_by: Option<SearchError>,
}

/// Looks for messages. What was found before an end by time or memory is given all the same.
///
/// # Errors
/// Where the search could not begin, and where it was cancelled.
pub fn messages(store: &Store, search: &MessageSearch) -> Result<MessagePage, SearchError> {
    let mut asked = Asked::of_messages(&search.query)
        .within(&search.time)
        .search();
    asked.after = search.after;
    asked.limit = Some(search.limit);
    asked.columns = Some(StoredMessage::COLUMNS.to_vec());
    asked.deadline = Some(search.deadline);
    asked.cancel = search.cancel.clone();
    let mut found = store.search(asked)?;
    let mut messages = Vec::new();
    let mut ended_by = None;
    for rows in &mut found {
        match rows {
            Ok(rows) => messages
                .extend((rows.rows().iter()).filter_map(|row| StoredMessage::from_row(&row))),
            Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
            Err(error) => ended_by = Some(error),
        }
    }
    let report = found.report();
    let is_whole = report.rows < search.limit && ended_by.is_none();
    Ok(MessagePage {
        next: found.cursor().filter(|_| !is_whole),
        messages,
        report,
        ended_by,
    })
}

/// The message that the store has under `id`.
///
/// # Errors
/// Where the search could not begin.
pub fn message(store: &Store, id: RowId) -> Result<Option<StoredMessage>, SearchError> {
    let mut asked = Search::new(Filter::equals(Column::RowId, id.get()));
    asked.limit = Some(1);
    asked.columns = Some(StoredMessage::COLUMNS.to_vec());
    for rows in store.search(asked)? {
        let rows = rows?;
        if let Some(message) = rows
            .rows()
            .get(0)
            .and_then(|row| StoredMessage::from_row(&row))
        {
            return Ok(Some(message));
        }
    }
    Ok(None)
}
