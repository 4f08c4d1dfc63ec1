//! Searches for calls by what only their messages know: the messages are looked for, and each call is given once, where
//! its newest fitting message stands.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use hepcat_store::{
    Class, Column, Cursor, Filter, Row, Search, SearchError, SearchReport, TextTest,
};

use super::{
    Asked, CallPage, CallSearch, Place,
    calls::{Retained, belongs_to, cursor, is_shown},
};
use crate::{
    call::{CallId, CallRecord},
    sink::store::{
        StoreSink,
        calls::{CALL, LEG},
    },
};

/// Messages whose calls are looked up together.
const TOGETHER: usize = 256;
/// Messages that are looked for at a time, at most. Two searches at once would take twice the memory, of which there is
/// enough for one in the smallest store; so one ends before the next begins.
const MOST_TOGETHER: usize = 16 * TOGETHER;
/// How long before a message was received its call may have become a row, where a clock was set back.
const SET_BACK: i64 = 3_600_000_000;

/// A message that fits.
struct Mention {
    at: Cursor,
    time: i64,
    /// Call-ID of the leg that it is of, or was attached to.
    call_id: Box<str>,
}

/// Looks for calls that `fits` likes and of which a message is as `messages` says, those first whose newest one of these
/// was received last.
///
/// # Errors
/// Where the search could not begin, and where it was cancelled.
pub fn calls_through_messages(
    sink: &StoreSink,
    search: &CallSearch,
    messages: &Asked,
    fits: impl Fn(&CallRecord) -> bool,
) -> Result<CallPage, SearchError> {
    let looking = Looking {
        sink,
        search,
        messages,
        until: Instant::now().checked_add(search.deadline),
    };
    let mut page = CallPage {
        calls: Vec::new(),
        next: search.after,
        report: SearchReport::default(),
        ended_by: None,
    };
    let mut known = HashSet::new();
    let mut after = search.kept_after();
    let mut most = TOGETHER;
    loop {
        let some = match looking.mentions(after, most, &mut page.report) {
            Ok(some) => some,
            Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
            // Nothing was begun, and nobody waits for a page with nothing in it.
            Err(error) if page.calls.is_empty() && after == search.kept_after() => {
                return Err(error);
            }
            Err(error) => {
                page.ended_by = Some(error);
                return Ok(page);
            }
        };
        for together in some.mentions.chunks(TOGETHER) {
            let calls = match looking.calls_of(together, &mut page.report) {
                Ok(calls) => calls,
                Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
                Err(error) => {
                    page.ended_by = Some(error);
                    return Ok(page);
                }
            };
            for mention in together {
                page.next = Some(Place::Kept(mention.at));
                let call = calls.of(mention).filter(|call| !known.contains(&call.id));
                if let Some(call) = call.filter(|call| search.admits(call) && fits(call)) {
                    known.insert(call.id);
                    page.calls.push(call.clone());
                    if page.calls.len() >= search.limit {
                        return Ok(page);
                    }
                }
            }
        }
        page.ended_by = some.ended_by;
        page.next = some.next.map(Place::Kept);
        if page.ended_by.is_some() || some.next.is_none() {
            return Ok(page);
        }
        after = some.next;
        most = (most * 4).min(MOST_TOGETHER);
    }
}

/// Messages that fit, one after the other.
struct Mentions {
    mentions: Vec<Mention>,
    /// From where the next ones are looked for; `None` where there are none.
    next: Option<Cursor>,
    /// Why these are not as many as were asked for, other than that there are no more.
    ended_by: Option<SearchError>,
}

impl Mention {
    const COLUMNS: [Column; 6] = [
        Column::RowId,
        Column::ReceivedAt,
        Column::SentAt,
        Column::CallId,
        Column::AttachedTo,
        Column::CorrelationId,
    ];

    fn of(row: &Row<'_>) -> Self {
        let call_id = row.call_id.or(row.attached_to).or(row.correlation_id);
        Self {
            at: cursor(row),
            time: row.time(),
            call_id: call_id.unwrap_or_default().into(),
        }
    }
}

/// Calls by the Call-IDs of their legs.
#[derive(Default)]
struct Calls {
    calls: Vec<CallRecord>,
    by_leg: HashMap<Box<str>, Vec<usize>>,
}

impl Calls {
    fn add(&mut self, call: CallRecord) {
        let place = self.calls.len();
        for leg in &call.legs {
            self.by_leg
                .entry(leg.call_id.clone())
                .or_default()
                .push(place);
        }
        self.calls.push(call);
    }

    /// The call of a message: of several with one Call-ID, the one that is nearest in time.
    fn of(&self, mention: &Mention) -> Option<&CallRecord> {
        let places = self.by_leg.get(&mention.call_id)?.iter();
        places
            .filter_map(|place| self.calls.get(*place))
            .min_by_key(|call| {
                let before = call.started.as_micros().saturating_sub(mention.time);
                let after = mention.time.saturating_sub(call.last.as_micros());
                before.max(after).max(0)
            })
    }

    /// Without those that `is_out` names.
    fn without(self, is_out: impl Fn(&CallRecord) -> bool) -> Self {
        let mut left = Self::default();
        let calls = self.calls.into_iter().filter(|call| !is_out(call));
        calls.for_each(|call| left.add(call));
        left
    }
}

/// What the lookups of one search share.
struct Looking<'a> {
    sink: &'a StoreSink,
    search: &'a CallSearch,
    messages: &'a Asked,
    until: Option<Instant>,
}

impl Looking<'_> {
    /// The next messages that fit.
    fn mentions(
        &self,
        after: Option<Cursor>,
        most: usize,
        report: &mut SearchReport,
    ) -> Result<Mentions, SearchError> {
        let mut asked = self.messages.clone().search();
        asked.after = after;
        asked.limit = Some(most as u64);
        asked.columns = Some(Mention::COLUMNS.to_vec());
        asked.deadline = Some(self.left()?);
        asked.cancel = self.search.cancel.clone();
        let mut found = self.sink.store().search(asked)?;
        let mut some = Mentions {
            mentions: Vec::new(),
            next: None,
            ended_by: None,
        };
        for rows in &mut found {
            match rows {
                Ok(rows) => some
                    .mentions
                    .extend(rows.rows().iter().map(|row| Mention::of(&row))),
                Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
                Err(error) => some.ended_by = Some(error),
            }
        }
        let looked = found.report();
        report.rows += looked.rows;
        report.groups_read += looked.groups_read;
        report.groups_skipped += looked.groups_skipped;
        report.segments += looked.segments;
        report.unreadable = report.unreadable.max(looked.unreadable);
        if some.ended_by.is_some() || looked.rows >= most as u64 {
            some.next = found.cursor();
        }
        Ok(some)
    }

    /// The time that is left.
    fn left(&self) -> Result<Duration, SearchError> {
        let left = self.until.map_or(self.search.deadline, |until| {
            until.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return Err(SearchError::Deadline);
        }
        Ok(left)
    }

    /// The calls of these messages, but for those that were given before.
    fn calls_of(
        &self,
        mentions: &[Mention],
        report: &mut SearchReport,
    ) -> Result<Calls, SearchError> {
        let mut ids: Vec<&str> = mentions.iter().map(|mention| &*mention.call_id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| !id.is_empty());
        if ids.is_empty() {
            return Ok(Calls::default());
        }
        let mut calls = Calls::default();
        let mut known = HashSet::new();
        let retained = Retained::of(self.sink);
        for id in &ids {
            // One at a time: ingest waits for this lock.
            let open = self.sink.tracker().lock().call_with(id);
            if let Some(call) = open.filter(|call| known.insert(call.id)) {
                calls.add(retained.mark(call));
            }
        }
        let received = mentions.iter().map(|mention| mention.at.received_at).min();
        let since = received.map_or(i64::MIN, |received| received.saturating_sub(SET_BACK));
        for call in self.closed(&ids, since, report)? {
            if known.insert(call.id) {
                calls.add(call);
            }
        }
        let Some(after) = self.search.kept_after() else {
            return Ok(calls);
        };
        let given = self.given_before(after, &calls, report)?;
        Ok(calls.without(|call| given.contains(&call.id)))
    }

    /// Calls that are rows and have legs with these Call-IDs.
    fn closed(
        &self,
        ids: &[&str],
        since: i64,
        report: &mut SearchReport,
    ) -> Result<Vec<CallRecord>, SearchError> {
        let mut calls = Vec::new();
        let mut beyond = HashSet::new();
        let records = self.record(&[CALL, LEG], Column::CallId, ids, since);
        let retained = Retained::of(self.sink);
        self.each(records, report, |row| match retained.call_of(row) {
            Some(call) => calls.push(call),
            None => beyond.extend(row.correlation_id.map(Box::<str>::from)),
        })?;
        for call in &calls {
            beyond.remove(&*call.id.to_string());
        }
        if !beyond.is_empty() {
            let ids: Vec<&str> = beyond.iter().map(|id| &**id).collect();
            let records = self.record(&[CALL], Column::CorrelationId, &ids, since);
            self.each(records, report, |row| calls.extend(retained.call_of(row)))?;
        }
        Ok(calls)
    }

    fn record(&self, records: &[&str], column: Column, ids: &[&str], since: i64) -> Search {
        let mut asked = Search::new(Filter::All(vec![
            Filter::Class(vec![Class::Record]),
            Filter::Text(Column::Record, TextTest::is_one_of(records.iter().copied())),
            Filter::Text(column, TextTest::is_one_of(ids.iter().copied())),
            is_shown(self.sink),
        ]));
        asked.received.start = since;
        asked.columns = Some(vec![Column::CorrelationId, Column::Payload]);
        asked
    }

    /// Of these calls, those of which a message that fits was looked at for an earlier page.
    fn given_before(
        &self,
        after: Cursor,
        calls: &Calls,
        report: &mut SearchReport,
    ) -> Result<HashSet<CallId>, SearchError> {
        let mut given = HashSet::new();
        if calls.calls.is_empty() {
            return Ok(given);
        }
        let ids: Vec<&str> = calls.by_leg.keys().map(|id| &**id).collect();
        let mut asked = self.messages.clone().search();
        asked.filter = Filter::All(vec![belongs_to(&ids), asked.filter]);
        asked.received.start = asked.received.start.max(after.received_at);
        asked.columns = Some(Mention::COLUMNS.to_vec());
        self.each(asked, report, |row| {
            let mention = Mention::of(row);
            if mention.at >= after {
                given.extend(calls.of(&mention).map(|call| call.id));
            }
        })?;
        Ok(given)
    }

    /// Shows `see` what is found in the time that is left.
    fn each(
        &self,
        mut asked: Search,
        report: &mut SearchReport,
        mut see: impl FnMut(&Row<'_>),
    ) -> Result<(), SearchError> {
        asked.deadline = Some(self.left()?);
        asked.cancel = self.search.cancel.clone();
        let mut found = self.sink.store().search(asked)?;
        for rows in &mut found {
            rows?.rows().iter().for_each(|row| see(&row));
        }
        report.unreadable = report.unreadable.max(found.report().unreadable);
        Ok(())
    }
}
