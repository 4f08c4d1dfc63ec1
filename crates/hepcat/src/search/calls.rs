//! Searches for calls: open ones are known to the tracker, closed ones are rows.

use std::{
    borrow::Cow,
    collections::HashSet,
    ops::{ControlFlow, Range},
    time::{Duration, Instant},
};

use hepcat_store::{
    Cancel, Class, Column, Cursor, Filter, Row, RowId, Search, SearchError, SearchReport, Store,
    TextTest,
};
use jiff::SignedDuration;

use super::{MessagePage, Place, StoredMessage, messages::gather};
use crate::{
    call::{
        CallId, CallRecord, Kind, Moment, Seen,
        ladder::{Ladder, LaneBy},
    },
    pipeline::content,
    sink::store::{
        StoreSink, agent_name,
        calls::{CALL, LEG},
    },
};

/// How far beside a call's first and last message others of it may lie: reports come late, and clocks are corrected.
const BESIDE: SignedDuration = SignedDuration::from_hours(1);
/// Messages of one call that are looked at.
const MAX_MESSAGES: u64 = 20_000;
/// Records of open calls that are made before the tracker goes on with its work.
const AT_A_TIME: usize = 128;
/// How long one question of several may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Which calls are asked for.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallSearch {
    /// What they are about; everything where it says nothing.
    pub kind: Option<Kind>,
    /// When they began, microseconds since 1970, the end not included.
    pub time: Range<i64>,
    /// Only what comes behind this place.
    pub after: Option<Place>,
    /// Calls that are enough.
    pub limit: usize,
    /// How long it may take.
    pub deadline: Duration,
    /// Ends it from outside.
    pub cancel: Cancel,
}

impl Default for CallSearch {
    fn default() -> Self {
        Self {
            kind: Some(Kind::Call),
            time: i64::MIN..i64::MAX,
            after: None,
            limit: 200,
            deadline: DEADLINE,
            cancel: Cancel::default(),
        }
    }
}

impl CallSearch {
    /// Whether a call is of the kind and the time that are asked for.
    pub(super) fn admits(&self, call: &CallRecord) -> bool {
        let is_of_kind = self.kind.is_none_or(|kind| kind == call.kind);
        is_of_kind && self.time.contains(&call.started.as_micros())
    }

    /// Behind which row it goes on.
    pub(super) fn kept_after(&self) -> Option<Cursor> {
        match self.after {
            Some(Place::Kept(cursor)) => Some(cursor),
            _ => None,
        }
    }
}

/// What was found.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallPage {
    /// The calls: those that are open by their beginning, then those that were closed last first.
    pub calls: Vec<CallRecord>,
    /// From where a later search goes on; `None` where there is nothing more.
    pub next: Option<Place>,
    /// What it took.
    pub report: SearchReport,
    /// Why it ended before everything was looked at, other than that it found enough.
    pub ended_by: Option<SearchError>,
}

/// Looks for calls that `fits` likes. `filter` is what closed ones have in columns.
///
/// # Errors
/// Where the search could not begin, and where it was cancelled.
pub fn calls(
    sink: &StoreSink,
    search: &CallSearch,
    filter: Filter,
    fits: impl Fn(&CallRecord) -> bool,
) -> Result<CallPage, SearchError> {
    let is_asked = |call: &CallRecord| search.admits(call) && fits(call);
    let retained = Retained::of(sink);
    let mut calls = Vec::new();
    let behind_open = match open_calls(sink, search, is_asked, &mut calls) {
        ControlFlow::Break(page) => return Ok(page),
        ControlFlow::Continue(place) => place,
    };
    // One that was closed just now may be a row already.
    let mut known: HashSet<CallId> = calls.iter().map(|call: &CallRecord| call.id).collect();
    let mut found = sink.store().search(closed(sink, search, filter))?;
    let (mut next, mut ended_by) = (None, None);
    'search: while let Some(rows) = found.next() {
        let rows = match rows {
            Ok(rows) => rows,
            Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
            Err(error) => {
                ended_by = Some(error);
                next = found.cursor().map(Place::Kept).or(behind_open);
                break;
            }
        };
        for row in rows.rows().iter() {
            if calls.len() >= search.limit {
                break 'search;
            }
            next = Some(Place::Kept(cursor(&row)));
            let call = retained.call_of(&row);
            calls.extend(call.filter(|call| known.insert(call.id) && is_asked(call)));
        }
    }
    let is_whole = calls.len() < search.limit && ended_by.is_none();
    Ok(CallPage {
        calls,
        next: next.filter(|_| !is_whole),
        report: found.report(),
        ended_by,
    })
}

/// Open calls, as far as they are asked for: the page, where they are all of it, else the place behind them.
fn open_calls(
    sink: &StoreSink,
    search: &CallSearch,
    is_asked: impl Fn(&CallRecord) -> bool,
    calls: &mut Vec<CallRecord>,
) -> ControlFlow<CallPage, Option<Place>> {
    let begun = Instant::now();
    let retained = Retained::of(sink);
    let mut open = match search.after {
        Some(Place::Kept(_)) => return ControlFlow::Continue(search.after),
        _ => sink.tracker().lock().open_by_start(),
    };
    if let Some(Place::Open(at, id)) = search.after {
        open.retain(|open| (open.started, open.id.as_u64()) < (at, id));
    }
    let mut page = CallPage {
        calls: Vec::new(),
        next: search.after,
        report: SearchReport::default(),
        ended_by: None,
    };
    for some in open.chunks(AT_A_TIME) {
        if begun.elapsed() > search.deadline {
            page.calls = std::mem::take(calls);
            page.ended_by = Some(SearchError::Deadline);
            return ControlFlow::Break(page);
        }
        let tracker = sink.tracker().lock();
        for open in some {
            if calls.len() >= search.limit {
                page.calls = std::mem::take(calls);
                return ControlFlow::Break(page);
            }
            page.next = Some(Place::Open(open.started, open.id.as_u64()));
            let call = tracker.record_of(open).map(|call| retained.mark(call));
            calls.extend(call.filter(&is_asked));
        }
    }
    // With nothing behind it there may be rows: the next page begins with them.
    if calls.len() >= search.limit {
        page.calls = std::mem::take(calls);
        return ControlFlow::Break(page);
    }
    ControlFlow::Continue(page.next)
}

/// No other row stands in the place of this one.
pub(super) fn is_shown(sink: &StoreSink) -> Filter {
    let superseded = sink.superseded();
    if superseded.is_empty() {
        return Filter::default();
    }
    Filter::Number(Column::RowId, superseded).negated()
}

/// A search for the rows of calls that are closed.
pub(super) fn closed(sink: &StoreSink, search: &CallSearch, filter: Filter) -> Search {
    let mut filters = vec![
        Filter::Class(vec![Class::Record]),
        Filter::is(Column::Record, CALL),
        is_shown(sink),
        filter,
    ];
    if let Some(kind) = search.kind {
        filters.push(Filter::is(Column::TransactionType, kind.label()));
    }
    let mut asked = Search::new(Filter::All(filters));
    asked.time = search.time.clone();
    asked.after = search.kept_after();
    asked.columns = Some(vec![Column::Payload]);
    asked.deadline = Some(search.deadline);
    asked.cancel = search.cancel.clone();
    asked
}

/// What a look at all calls took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looked {
    pub(super) unreadable: u64,
    pub(super) ended_by: Option<SearchError>,
    /// Where it ended early: what was closed later than this was looked at.
    pub(super) since: Option<i64>,
}

/// Shows `see` each call that is open.
pub(super) fn each_open(sink: &StoreSink, mut see: impl FnMut(&CallRecord)) {
    let retained = Retained::of(sink);
    let open = sink.tracker().lock().open_by_start();
    for some in open.chunks(AT_A_TIME) {
        let calls: Vec<CallRecord> = {
            let tracker = sink.tracker().lock();
            let records = some.iter().filter_map(|open| tracker.record_of(open));
            records.map(|call| retained.mark(call)).collect()
        };
        calls.iter().for_each(&mut see);
    }
}

/// Shows `see` each call that `fits` likes, in no order; the limit of the search means nothing here.
pub(super) fn each_call(
    sink: &StoreSink,
    search: &CallSearch,
    filter: Filter,
    fits: impl Fn(&CallRecord) -> bool,
    mut see: impl FnMut(&CallRecord),
) -> Result<Looked, SearchError> {
    let mut known = HashSet::new();
    each_open(sink, |call| {
        known.insert(call.id);
        if search.admits(call) && fits(call) {
            see(call);
        }
    });
    let retained = Retained::of(sink);
    let mut looked = Looked::default();
    let mut found = sink.store().search(closed(sink, search, filter))?;
    for rows in &mut found {
        match rows {
            Ok(rows) => {
                let calls = rows.rows();
                for call in calls.iter().filter_map(|row| retained.call_of(&row)) {
                    if search.admits(&call) && known.insert(call.id) && fits(&call) {
                        see(&call);
                    }
                }
            }
            Err(SearchError::Cancelled) => return Err(SearchError::Cancelled),
            Err(error) => looked.ended_by = Some(error),
        }
    }
    looked.unreadable = found.report().unreadable;
    if looked.ended_by.is_some() {
        looked.since = found.cursor().map(|cursor| cursor.received_at);
    }
    Ok(looked)
}

/// The call of this id, or with a leg of this Call-ID: the latest where there are several.
///
/// # Errors
/// Where a search ended early.
pub fn call(sink: &StoreSink, name: &str) -> Result<Option<CallRecord>, SearchError> {
    if let Some(call) = open_call(sink, name) {
        return Ok(Some(call));
    }
    Ok(closed_call(sink, name)?.map(|(_, call)| call))
}

/// The same of calls that are open.
#[must_use]
pub fn open_call(sink: &StoreSink, name: &str) -> Option<CallRecord> {
    let retained = Retained::of(sink);
    let tracker = sink.tracker().lock();
    let by_id = CallId::parse(name).and_then(|id| tracker.call(id));
    let call = by_id.or_else(|| tracker.call_with(name))?;
    Some(retained.mark(call))
}

/// The same of calls that are rows, with the row.
///
/// # Errors
/// Where a search ended early.
pub fn closed_call(
    sink: &StoreSink,
    name: &str,
) -> Result<Option<(RowId, CallRecord)>, SearchError> {
    if let Some(id) = CallId::parse(name)
        && let Some((row, call)) = row_of(sink, id)?
    {
        if !sink.is_superseded(row) {
            return Ok(Some((row, call)));
        }
        // Joined with another one, it stands under that one's id: its legs lead there.
        let first = call.legs.first().map(|leg| leg.call_id.clone());
        return first.map_or(Ok(None), |call_id| closed_call_with(sink, &call_id));
    }
    closed_call_with(sink, name)
}

/// The latest call with a leg of this Call-ID.
fn closed_call_with(
    sink: &StoreSink,
    call_id: &str,
) -> Result<Option<(RowId, CallRecord)>, SearchError> {
    let mut asked = Search::new(Filter::All(vec![
        Filter::Class(vec![Class::Record]),
        Filter::Text(Column::Record, TextTest::is_one_of([CALL, LEG])),
        Filter::is(Column::CallId, call_id),
    ]));
    asked.columns = Some(vec![Column::Record, Column::CorrelationId, Column::Payload]);
    asked.limit = Some(1);
    asked.deadline = Some(DEADLINE);
    let retained = Retained::of(sink);
    for rows in sink.store().search(asked)? {
        let rows = rows?;
        let Some(row) = rows.rows().get(0) else {
            continue;
        };
        // Most calls have one leg, whose row is the call's: looking through all that there is again is saved.
        if row.record == Some(CALL) {
            return Ok(retained.call_of(&row).map(|call| (row.id(), call)));
        }
        if let Some(id) = row.correlation_id.and_then(CallId::parse) {
            return row_of(sink, id);
        }
    }
    Ok(None)
}

/// The latest row of the call of this id.
fn row_of(sink: &StoreSink, id: CallId) -> Result<Option<(RowId, CallRecord)>, SearchError> {
    let mut asked = Search::new(Filter::All(vec![
        Filter::Class(vec![Class::Record]),
        Filter::is(Column::Record, CALL),
        Filter::is(Column::CorrelationId, &id.to_string()),
    ]));
    asked.columns = Some(vec![Column::Payload]);
    asked.limit = Some(1);
    asked.deadline = Some(DEADLINE);
    let retained = Retained::of(sink);
    for rows in sink.store().search(asked)? {
        let rows = rows?;
        let first = rows.rows().get(0);
        if let Some(found) = first.and_then(|row| Some((row.id(), retained.call_of(&row)?))) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Everything that belongs to a call, in the order of reception: messages of its legs, and what was attached to them.
/// Where there are more than 20,000, or more than fits into memory, the first ones are left out; the answer says so.
///
/// # Errors
/// Where the search could not begin, and where it was cancelled.
pub fn messages_of(
    store: &Store,
    call: &CallRecord,
    cancel: Cancel,
) -> Result<MessagePage, SearchError> {
    let ids: Vec<&str> = call.legs.iter().map(|leg| &*leg.call_id).collect();
    let mut asked = Search::new(Filter::All(vec![
        Filter::Present(Column::Record).negated(),
        belongs_to(&ids),
    ]));
    let beside = i64::try_from(BESIDE.as_micros()).unwrap_or(i64::MAX);
    asked.time = around(call.started, -beside)..around(call.last, beside);
    asked.limit = Some(MAX_MESSAGES);
    asked.deadline = Some(DEADLINE);
    asked.cancel = cancel;
    let mut page = gather(store, asked)?;
    page.messages.reverse();
    Ok(page)
}

/// What is of legs with these Call-IDs, or was attached to them.
pub(super) fn belongs_to(call_ids: &[&str]) -> Filter {
    let one_of = |column| Filter::Text(column, TextTest::is_one_of(call_ids.iter().copied()));
    Filter::Any(vec![
        one_of(Column::CallId),
        one_of(Column::AttachedTo),
        one_of(Column::CorrelationId),
    ])
}

/// The ladder of messages of one call.
#[must_use]
pub fn ladder(messages: &[StoredMessage], lane_by: LaneBy) -> Ladder {
    as_seen(messages, |seen| Ladder::new(seen, lane_by))
}

/// What `look` makes of messages as the tracker and the ladder take them in.
pub fn as_seen<T>(messages: &[StoredMessage], look: impl FnOnce(&[Seen<'_>]) -> T) -> T {
    let told: Vec<(&StoredMessage, Cow<'_, [u8]>, String)> = messages
        .iter()
        .filter_map(|stored| {
            let message = stored.message()?;
            let content = content(message).unwrap_or_default();
            let agent = agent_name(stored.origin()?.peer.ip(), message.capture_id());
            Some((stored, content, agent))
        })
        .collect();
    let seen: Vec<Seen<'_>> = told
        .iter()
        .filter_map(|(stored, content, agent)| {
            let received = (stored.received_at())
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            let row = stored.id.get().unsigned_abs();
            Some(Seen::of_message(
                stored.message()?,
                content,
                row,
                received,
                agent,
            ))
        })
        .collect();
    look(&seen)
}

fn around(moment: Moment, micros: i64) -> i64 {
    moment.as_micros().saturating_add(micros)
}

/// What retention has left of calls: a record says what was there, and is told what has gone since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retained {
    since: Option<Moment>,
}

impl Retained {
    pub(super) fn of(sink: &StoreSink) -> Self {
        let until = sink.store().expired_until(Class::Call);
        Self {
            since: until.map(Moment::from_micros),
        }
    }

    /// The call of a row.
    pub(super) fn call_of(self, row: &Row<'_>) -> Option<CallRecord> {
        let call = CallRecord::lengthen(row.payload).ok()?;
        Some(self.mark(call))
    }

    /// Marks a call of which a part is gone.
    pub(super) fn mark(self, mut call: CallRecord) -> CallRecord {
        if let Some(since) = self.since {
            call.partition_removed(since);
        }
        call
    }
}

pub(super) fn cursor(row: &Row<'_>) -> Cursor {
    Cursor::new(row.received_at, row.id())
}
