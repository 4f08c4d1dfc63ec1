//! Searches: newest first, streaming, over one moment of everything that there is.
//!
//! What can hold rows (a batch in memory, a row group) is looked at in the order of its newest row. Rows that fit are
//! remembered by time and place only; once nothing newer can follow, their columns are read and handed out.

mod count;
mod eval;
mod filter;
mod gather;
mod plan;
mod scan;

use std::{
    collections::{BinaryHeap, VecDeque},
    fmt,
    ops::Range,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use count::{Count, CountBy, Counted, Counts, MAX_COUNTS};
pub use filter::{BadExpression, Filter, RowTest, TextTest};
use plan::{Plan, Within};
use scan::{Match, Place, ScanError, scan_group, scan_memory};

use crate::{
    counters::add,
    memory::{Reservation, Use},
    row::{Column, RowBatch, RowId},
    segment::{Segment, SegmentError},
    store::Inner,
};

/// Rows of the first batch that is handed out.
const FIRST_CHUNK: usize = 256;
/// Rows of a batch, at most.
const CHUNK: usize = 8_192;
/// Octets of a batch, at most and about; a single row may have more.
const CHUNK_OCTETS: u64 = 4 << 20;
/// Octets that reading one row group takes: pages of the columns, and the rows of a batch.
const DECODING: u64 = 6 << 20;
/// Octets of a match that waits.
const MATCH: u64 = size_of::<Match>() as u64;
/// Rows found are handed out after this time although they are few, in microseconds.
const PATIENCE: u64 = 50_000;

/// A place in the order of rows, from which a later search goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Cursor {
    /// `received_at` of the last row that was handed out.
    pub received_at: i64,
    /// Its `row_id`.
    pub row_id: i64,
}

impl Cursor {
    /// Behind the row with this `received_at` and identity.
    #[must_use]
    pub const fn new(received_at: i64, row_id: RowId) -> Self {
        Self {
            received_at,
            row_id: row_id.get(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.received_at, self.row_id)
    }
}

/// A text that is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (received_at, row_id) = text.split_once('_').ok_or(BadCursor)?;
        Ok(Self {
            received_at: received_at.parse().map_err(|_number| BadCursor)?,
            row_id: row_id.parse().map_err(|_number| BadCursor)?,
        })
    }
}

/// Ends a search from outside. Clones end the same one.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends it within the reading of a few thousand rows.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A question.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Search {
    /// Which rows.
    pub filter: Filter,
    /// Their time (`sent_at`, else `received_at`), microseconds, the end not included.
    pub time: Range<i64>,
    /// When they were received.
    pub received: Range<i64>,
    /// Only what is older than this.
    pub after: Option<Cursor>,
    /// Rows that are enough.
    pub limit: Option<u64>,
    /// Columns to fill in; all of them where `None`. `row_id` and `received_at` come in any case.
    pub columns: Option<Vec<Column>>,
    /// How long it may take.
    pub deadline: Option<Duration>,
    /// Octets of memory that it may take, beside what reading takes (6 MiB a thread).
    pub memory: u64,
    /// Ends it from outside.
    pub cancel: Cancel,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            time: i64::MIN..i64::MAX,
            received: i64::MIN..i64::MAX,
            after: None,
            limit: None,
            columns: None,
            deadline: None,
            // A million matches that wait for their order, or 16,000 rows in full.
            memory: 32 << 20,
            cancel: Cancel::default(),
        }
    }
}

impl Search {
    /// A search for what fits `filter`.
    #[must_use]
    pub fn new(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::default()
        }
    }

    /// A search for the rows with these identities, each of which is there once or not at all.
    #[must_use]
    pub fn for_rows(ids: &[RowId]) -> Self {
        Self {
            limit: Some(ids.len() as u64),
            ..Self::new(Filter::ids(ids))
        }
    }
}

/// Why a search ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Memory is short: nothing was begun, or no more can be found. Later it may be possible.
    #[error("memory is short, the search is refused")]
    Refused,
    /// It needs more memory than it was given.
    #[error("the search needs more memory than it may take")]
    Memory,
    /// It took longer than it may.
    #[error("the search took longer than it may")]
    Deadline,
    /// It was cancelled.
    #[error("the search was cancelled")]
    Cancelled,
}

/// What a search did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SearchReport {
    /// Rows handed out.
    pub rows: u64,
    /// Row groups that were read.
    pub groups_read: u64,
    /// Row groups that need not be read, of the segments that were opened.
    pub groups_skipped: u64,
    /// Segments that were opened.
    pub segments: u64,
    /// Segments that could not be read: what they hold is missing from the answer.
    pub unreadable: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StopReason {
    Deadline,
    Cancelled,
}

impl From<StopReason> for SearchError {
    fn from(reason: StopReason) -> Self {
        match reason {
            StopReason::Deadline => Self::Deadline,
            StopReason::Cancelled => Self::Cancelled,
        }
    }
}

/// When to stop.
#[derive(Debug)]
struct Stop {
    inner: Arc<Inner>,
    deadline: Option<u64>,
    cancel: Cancel,
    /// Whether it was cancelled before it was through; several threads may see that.
    cancelled: AtomicBool,
}

impl Drop for Stop {
    fn drop(&mut self) {
        if *self.cancelled.get_mut() {
            add(&self.inner.counters.searches_cancelled, 1);
        }
    }
}

impl Stop {
    fn check(&self) -> Result<(), StopReason> {
        if self.cancel.0.load(Ordering::Relaxed) {
            self.cancelled.store(true, Ordering::Relaxed);
            return Err(StopReason::Cancelled);
        }
        match self.deadline {
            Some(deadline) if self.inner.options.clock.monotonic() >= deadline => {
                Err(StopReason::Deadline)
            }
            _ => Ok(()),
        }
    }
}

/// Something that can hold rows, by its newest.
#[derive(Debug)]
struct Item {
    newest: i64,
    what: What,
}

#[derive(Debug)]
enum What {
    Segment(Arc<Segment>),
    Place(u32),
}

impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.newest == other.newest
    }
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.newest.cmp(&other.newest)
    }
}

/// The rows that a search finds, newest first, in batches. Dropping it ends the search.
#[derive(Debug)]
pub struct Found {
    inner: Arc<Inner>,
    plan: Plan,
    stop: Stop,
    columns: Vec<Column>,
    items: BinaryHeap<Item>,
    places: Vec<Place>,
    /// Found, and something newer may follow.
    waiting: BinaryHeap<Match>,
    /// Found, in order, and nothing newer can follow.
    ready: VecDeque<Match>,
    /// Newest row of what was not looked at to the end.
    front: Option<i64>,
    remaining: u64,
    chunk: usize,
    last_batch: u64,
    cursor: Option<Cursor>,
    report: SearchReport,
    memory: Reservation,
    limit: u64,
    ended: bool,
}

/// Begins a search.
pub(crate) fn begin(inner: &Arc<Inner>, search: Search) -> Result<Found, SearchError> {
    add(&inner.counters.searches, 1);
    let threads = inner.options.search_threads as u64;
    let Some(memory) = inner.memory.reserve(Use::Search, DECODING * threads) else {
        add(&inner.counters.searches_refused, 1);
        return Err(SearchError::Refused);
    };
    let plan = Plan::new(&search);
    let now = inner.options.clock.monotonic();
    let deadline = search
        .deadline
        .map(|limit| now.saturating_add(u64::try_from(limit.as_micros()).unwrap_or(u64::MAX)));
    let mut found = Found {
        columns: columns(search.columns),
        stop: Stop {
            inner: Arc::clone(inner),
            deadline,
            cancel: search.cancel,
            cancelled: AtomicBool::new(false),
        },
        items: BinaryHeap::new(),
        places: Vec::new(),
        waiting: BinaryHeap::new(),
        ready: VecDeque::new(),
        front: None,
        remaining: search.limit.unwrap_or(u64::MAX),
        chunk: FIRST_CHUNK,
        last_batch: now,
        cursor: search.after,
        report: SearchReport::default(),
        memory,
        limit: search.memory,
        ended: false,
        plan,
        inner: Arc::clone(inner),
    };
    found.collect_items();
    found.note_front();
    Ok(found)
}

/// Counts what fits.
pub(crate) fn count(
    inner: &Arc<Inner>,
    search: Search,
    by: &CountBy,
) -> Result<Counts, SearchError> {
    Ok(begin(inner, search)?.count(by))
}

fn columns(asked: Option<Vec<Column>>) -> Vec<Column> {
    let Some(mut columns) = asked else {
        return Column::ALL.to_vec();
    };
    columns.extend([Column::RowId, Column::ReceivedAt]);
    columns.sort_unstable();
    columns.dedup();
    columns
}

impl Iterator for Found {
    type Item = Result<RowBatch, SearchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance();
        if matches!(next, Some(Err(_))) {
            self.cursor = self.rest_begins();
        }
        if !matches!(next, Some(Ok(_))) {
            self.end();
        }
        next
    }
}

impl Found {
    /// Where to go on: behind the last row that was handed out. After an early end, behind everything that was looked
    /// at and handed out as far as it fitted: whoever goes on from there gets on, although little fits.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.cursor
    }

    /// What was done so far.
    #[must_use]
    pub fn report(&self) -> SearchReport {
        self.report
    }

    /// Gives everything back, although somebody may hold this value for the report.
    fn end(&mut self) {
        self.ended = true;
        self.items = BinaryHeap::new();
        self.places = Vec::new();
        self.waiting = BinaryHeap::new();
        self.ready = VecDeque::new();
        self.memory.shrink_to(0);
    }

    fn collect_items(&mut self) {
        let view = self.inner.live.view();
        for batch in view.memory_batches() {
            let received = (batch.received.0, batch.received.1);
            if self.plan.stamps(received, (batch.time.0, batch.time.1)) != Within::None {
                let place = self.add_place(Place::Memory(Arc::clone(batch)));
                self.items.push(Item {
                    newest: received.1,
                    what: What::Place(place),
                });
            }
        }
        for segment in view.segments.iter() {
            if self.plan.admits_segment(&segment.entry) {
                self.items.push(Item {
                    newest: segment.entry.received.1,
                    what: What::Segment(Arc::clone(segment)),
                });
            }
        }
    }

    fn add_place(&mut self, place: Place) -> u32 {
        self.places.push(place);
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    fn note_front(&mut self) {
        self.front = self.items.peek().map(|item| item.newest);
    }

    /// Where what was not handed out begins: rows that were found and had to wait, and what was not looked at.
    fn rest_begins(&self) -> Option<Cursor> {
        let found = self.ready.front().max(self.waiting.peek());
        let found = found.map(|found| Cursor {
            received_at: found.received,
            row_id: found.id.saturating_add(1),
        });
        let unseen = self.front.map(|newest| Cursor {
            received_at: newest,
            row_id: i64::MAX,
        });
        // What has rows on both sides of the cursor is not gone through from its beginning again.
        match (found.max(unseen), self.cursor) {
            (Some(rest), Some(cursor)) => Some(rest.min(cursor)),
            (rest, cursor) => rest.or(cursor),
        }
    }

    fn advance(&mut self) -> Option<Result<RowBatch, SearchError>> {
        loop {
            if let Err(reason) = self.stop.check() {
                return Some(Err(reason.into()));
            }
            if self.remaining == 0 {
                return None;
            }
            self.settle();
            if self.should_hand_out() {
                match self.hand_out() {
                    Ok(Some(rows)) => return Some(Ok(rows)),
                    Ok(None) => continue,
                    Err(error) => return Some(Err(error)),
                }
            }
            if self.items.is_empty() {
                return None;
            }
            if let Err(error) = self.look_further() {
                return Some(Err(error));
            }
        }
    }

    /// What waits is ready once everything that is left is older.
    fn settle(&mut self) {
        let newest = self.items.peek().map_or(i64::MIN, |item| item.newest);
        let all = self.items.is_empty();
        while self
            .waiting
            .peek()
            .is_some_and(|found| all || found.received > newest)
        {
            self.ready.extend(self.waiting.pop());
        }
    }

    fn should_hand_out(&self) -> bool {
        if self.ready.is_empty() {
            return false;
        }
        self.items.is_empty()
            || self.ready.len() >= self.chunk
            || self.ready.len() as u64 >= self.remaining
            || self.inner.options.clock.monotonic() >= self.last_batch.saturating_add(PATIENCE)
    }

    fn hand_out(&mut self) -> Result<Option<RowBatch>, SearchError> {
        let most = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let count = self.few_enough(self.ready.len().min(self.chunk).min(most));
        self.chunk = (self.chunk * 2).min(CHUNK);
        let matches: Vec<Match> = self.ready.drain(..count).collect();
        let gathered = gather::gather(&matches, &self.places, &self.columns);
        for (segment, error) in gathered.failed {
            self.unreadable(&segment, &error);
        }
        self.last_batch = self.inner.options.clock.monotonic();
        let behind = matches.last().map(|last| Cursor {
            received_at: last.received,
            row_id: last.id,
        });
        let Some(rows) = gathered.rows else {
            self.cursor = behind.or(self.cursor);
            return Ok(None);
        };
        if let Err(error) = self.account(rows.memory() as u64) {
            // They were not handed out, and a later search may.
            for found in matches.into_iter().rev() {
                self.ready.push_front(found);
            }
            return Err(error);
        }
        self.cursor = behind.or(self.cursor);
        self.remaining = self.remaining.saturating_sub(rows.len() as u64);
        self.report.rows += rows.len() as u64;
        Ok(Some(rows))
    }

    /// Of the first `count` rows that are ready, how many memory has room for at once: those that are read and the
    /// batch that is made of them.
    fn few_enough(&self, count: usize) -> usize {
        let base = DECODING * self.inner.options.search_threads as u64;
        let share = (self.inner.memory.budget() / 4).saturating_sub(base);
        let mut room = CHUNK_OCTETS.min(share / 2).min(self.limit / 2);
        let fits = |found: &&Match| {
            let place = usize::try_from(found.place).ok();
            let place = place.and_then(|place| self.places.get(place));
            let octets = place.map_or(0, Place::row_octets);
            let fits = octets <= room;
            room = room.saturating_sub(octets);
            fits
        };
        self.ready
            .iter()
            .take(count)
            .take_while(fits)
            .count()
            .max(1)
    }

    /// Looks at the newest places that were not looked at, as many as there are threads.
    fn look_further(&mut self) -> Result<(), SearchError> {
        let places = self.next_places()?;
        let (plan, stop) = (&self.plan, &self.stop);
        let found = look_at(&places, |number, place| match place {
            Place::Memory(batch) => Ok(scan_memory(batch, number, plan)),
            Place::Group { opened, group, .. } => scan_group(opened, *group, number, plan, stop),
        });
        for found in self.readable(&places, found)? {
            self.take(found)?;
        }
        self.note_front();
        Ok(())
    }

    /// The newest places that were not looked at and may have rows that fit, as many as there are threads.
    fn next_places(&mut self) -> Result<Vec<(u32, Place)>, SearchError> {
        let mut places = Vec::new();
        while places.len() < self.inner.options.search_threads
            && let Some(item) = self.items.pop()
        {
            self.stop.check()?;
            let number = match item.what {
                What::Segment(segment) => {
                    self.open(&segment);
                    continue;
                }
                What::Place(number) => number,
            };
            let place = usize::try_from(number)
                .ok()
                .and_then(|at| self.places.get(at));
            match place.cloned() {
                Some(place @ Place::Memory(_)) => {
                    places.push((number, place));
                    // Memory is newest: with luck it is enough.
                    break;
                }
                Some(Place::Group {
                    segment,
                    opened,
                    group,
                }) => match self.plan.admits_by_filter(&opened, group) {
                    Ok(true) => {
                        self.report.groups_read += 1;
                        let place = Place::Group {
                            segment,
                            opened,
                            group,
                        };
                        places.push((number, place));
                    }
                    Ok(false) => self.report.groups_skipped += 1,
                    Err(error) => self.unreadable(&segment, &error),
                },
                None => {}
            }
        }
        Ok(places)
    }

    /// What was found in `places`, but for segments that cannot be read, which are reported.
    fn readable<T>(
        &mut self,
        places: &[(u32, Place)],
        found: Vec<Result<T, ScanError>>,
    ) -> Result<Vec<T>, SearchError> {
        let mut readable = Vec::with_capacity(found.len());
        for ((_, place), found) in places.iter().zip(found) {
            match (found, place) {
                (Ok(found), _) => readable.push(found),
                (Err(ScanError::Stopped(reason)), _) => return Err(reason.into()),
                (Err(ScanError::Segment(error)), Place::Group { segment, .. }) => {
                    self.unreadable(segment, &error);
                }
                (Err(ScanError::Segment(_)), Place::Memory(_)) => {}
            }
        }
        Ok(readable)
    }

    fn open(&mut self, segment: &Arc<Segment>) {
        let opened = match self.inner.open_segment(segment) {
            Ok(opened) => opened,
            Err(error) => {
                self.unreadable(segment, &error);
                return;
            }
        };
        self.report.segments += 1;
        for group in 0..opened.row_groups().len() {
            if self.plan.admits_group(&opened, group) == Within::None {
                self.report.groups_skipped += 1;
                continue;
            }
            let newest = opened
                .bounds(group, Column::ReceivedAt)
                .map_or(segment.entry.received.1, |bounds| bounds.1);
            let place = self.add_place(Place::Group {
                segment: Arc::clone(segment),
                opened: Arc::clone(&opened),
                group,
            });
            self.items.push(Item {
                newest,
                what: What::Place(place),
            });
        }
    }

    fn take(&mut self, found: Vec<Match>) -> Result<(), SearchError> {
        self.waiting.extend(found);
        // Of what cannot be among the first, nothing has to wait.
        if let Ok(remaining) = usize::try_from(self.remaining)
            && self.waiting.len() > remaining.saturating_mul(2).saturating_add(1_024)
        {
            let mut newest = std::mem::take(&mut self.waiting).into_vec();
            newest.select_nth_unstable_by(remaining, |one, other| other.cmp(one));
            newest.truncate(remaining);
            newest.shrink_to_fit();
            self.waiting = newest.into();
        }
        self.account(0)
    }

    /// Keeps what this search holds within its own limit and the store's.
    fn account(&mut self, rows: u64) -> Result<(), SearchError> {
        let waiting = (self.waiting.capacity() + self.ready.capacity()) as u64 * MATCH;
        self.hold(waiting + rows)
    }

    fn hold(&mut self, needed: u64) -> Result<(), SearchError> {
        if needed > self.limit {
            return Err(SearchError::Memory);
        }
        let base = DECODING * self.inner.options.search_threads as u64;
        if !self.memory.resize(base + needed) {
            return Err(SearchError::Refused);
        }
        Ok(())
    }

    fn unreadable(&mut self, segment: &Arc<Segment>, error: &SegmentError) {
        self.report.unreadable += 1;
        self.inner.report_unreadable(segment, error);
    }
}

/// Looks at each of these places, at all of them at the same time.
fn look_at<T: Send>(
    places: &[(u32, Place)],
    look: impl Fn(u32, &Place) -> Result<T, ScanError> + Sync,
) -> Vec<Result<T, ScanError>> {
    if let [(number, place)] = places {
        return vec![look(*number, place)];
    }
    let look = &look;
    std::thread::scope(|scope| {
        let threads: Vec<_> = places
            .iter()
            .map(|(number, place)| scope.spawn(move || look(*number, place)))
            .collect();
        let panicked = || SegmentError::Damaged("reading it panics".into()).into();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_panic| Err(panicked())))
            .collect()
    })
}
