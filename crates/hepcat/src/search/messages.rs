//! Searches for messages.

use std::time::Duration;

use hepcat_store::{
    Cancel, Column, Cursor, Filter, Held, RowId, Search, SearchError, SearchReport, Store,
};

use super::{Asked, StoredMessage};

/// Octets that messages of one answer may take in memory, frames and what is known of them.
const MOST_OCTETS: u64 = 32 << 20;
/// What a message takes beside its frame, about.
const BESIDE_FRAME: u64 = 512;

/// Which messages are asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MessageSearch {
    /// What they are like.
    pub asked: Asked,
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
    /// The newest 200 that fit, within ten seconds.
    #[must_use]
    pub fn new(asked: Asked) -> Self {
        Self {
            asked,
            after: None,
            limit: 200,
            deadline: Duration::from_secs(10),
            cancel: Cancel::default(),
        }
    }
}

/// What was found. It counts as memory of the store as long as it is there.
#[derive(Debug)]
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
    _held: Held,
}

impl MessagePage {
    /// Why there may be more than these, in words; `None` where these are all.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        match (self.ended_by, self.next) {
            (Some(error), _) => Some(error.to_string()),
            (None, Some(_)) => Some(format!("there are more than {}", self.messages.len())),
            (None, None) => None,
        }
    }
}

/// Looks for messages. What was found before an end by time or memory is given all the same: 32 MiB at most.
///
/// # Errors
/// Where the search could not begin, and where it was cancelled.
pub fn messages(store: &Store, search: &MessageSearch) -> Result<MessagePage, SearchError> {
    let mut asked = search.asked.clone().search();
    asked.after = search.after;
    asked.limit = Some(search.limit);
    asked.deadline = Some(search.deadline);
    asked.cancel = search.cancel.clone();
    gather(store, asked)
}

/// The messages that a search finds, the newest first.
pub(super) fn gather(store: &Store, mut asked: Search) -> Result<MessagePage, SearchError> {
    asked.columns = Some(StoredMessage::COLUMNS.to_vec());
    let (limit, after) = (asked.limit.unwrap_or(u64::MAX), asked.after);
    let mut found = store.search(asked)?;
    let mut held = store.hold();
    let (mut messages, mut last) = (Vec::new(), after);
    let mut ended_by = None;
    'search: for rows in &mut found {
        let rows = match rows {
            Ok(rows) => rows,
            Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
            Err(error) => {
                ended_by = Some(error);
                break;
            }
        };
        for row in rows.rows().iter() {
            if let Some(message) = StoredMessage::from_row(&row) {
                let octets = message.frame().len() as u64 + BESIDE_FRAME;
                // A single one is given however large it is.
                if held.octets() + octets > MOST_OCTETS && !messages.is_empty() {
                    ended_by = Some(SearchError::Memory);
                } else if !held.grow(octets) {
                    ended_by = Some(SearchError::Refused);
                }
                if ended_by.is_some() {
                    break 'search;
                }
                messages.push(message);
            }
            last = Some(Cursor::new(row.received_at, row.id()));
        }
    }
    let report = found.report();
    let next = match ended_by {
        Some(SearchError::Memory | SearchError::Refused) => last,
        Some(_) => found.cursor(),
        None => found.cursor().filter(|_| report.rows >= limit),
    };
    Ok(MessagePage {
        messages,
        next,
        report,
        ended_by,
        _held: held,
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
