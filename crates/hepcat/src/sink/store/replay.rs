//! Rows that came after open calls were written last, shown to the tracker again.

use std::{
    collections::VecDeque,
    ops::RangeInclusive,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hepcat_store::{Column, Filter, Search, SearchError, Store};

use super::calls::Calls;
use crate::{
    pipeline::{Capture, Inflated},
    search::StoredMessage,
};

/// Messages that are shown at a time, so that new ones do not wait long.
const AT_A_TIME: usize = 2_048;

/// How far back it goes where the file of open calls is lost, or was not written yet.
const UNMARKED: Duration = Duration::from_hours(1);

/// What is still to be shown: identities of rows, in their order, in pieces.
#[derive(Debug)]
pub(super) struct Replay {
    pieces: VecDeque<RangeInclusive<i64>>,
}

impl Replay {
    /// Everything after the row `mark`; the last hour where nobody knows of one.
    pub(super) fn after(store: &Store, mark: Option<i64>) -> Result<Self, SearchError> {
        let first = mark.map_or(i64::MIN, |mark| mark.saturating_add(1));
        let mut asked = Search::new(Filter::All(vec![
            Filter::Present(Column::Record).negated(),
            Filter::Number(Column::RowId, vec![first..=i64::MAX]),
        ]));
        if mark.is_none() {
            let hour_ago = SystemTime::now().checked_sub(UNMARKED);
            let since = hour_ago.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let since = since.unwrap_or_default().as_micros();
            asked.received.start = i64::try_from(since).unwrap_or(i64::MAX);
        }
        asked.columns = Some(Vec::new());
        let mut ids = Vec::new();
        for rows in store.search(asked)? {
            ids.extend(rows?.rows().iter().map(|row| row.row_id));
        }
        ids.sort_unstable();
        let pieces = ids.chunks(AT_A_TIME).filter_map(|piece| {
            let (first, last) = (piece.first()?, piece.last()?);
            Some(*first..=*last)
        });
        Ok(Self {
            pieces: pieces.collect(),
        })
    }

    /// Shows the next piece; `false` when there was none.
    pub(super) fn step(&mut self, store: &Store, calls: &Calls) -> Result<bool, SearchError> {
        let Some(piece) = self.pieces.pop_front() else {
            return Ok(false);
        };
        let mut asked = Search::new(Filter::All(vec![
            Filter::Present(Column::Record).negated(),
            Filter::Number(Column::RowId, vec![piece]),
        ]));
        asked.columns = Some(StoredMessage::COLUMNS.to_vec());
        let mut messages = Vec::new();
        for rows in store.search(asked)? {
            let rows = rows?;
            messages.extend((rows.rows().iter()).filter_map(|row| StoredMessage::from_row(&row)));
        }
        messages.sort_unstable_by_key(|message| message.id);
        for message in &messages {
            let inflated = Inflated::default();
            let capture = Capture::new(&message.arrival, &message.listener, Some(&inflated));
            if let Some(Capture::Message(view)) = capture {
                // Its row says already what it belongs to.
                let _attachment = calls.see(&view, &super::agent_of(&view));
            }
        }
        Ok(true)
    }
}
