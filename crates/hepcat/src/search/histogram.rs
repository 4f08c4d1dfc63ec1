//! How many messages and calls there are, over time.

use std::{ops::Range, time::Duration};

use hepcat_store::{Cancel, Class, Column, CountBy, Counted, Filter, Search, SearchError};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Asked, CallSearch, Searched,
    calls::{Looked, each_call, each_open, is_shown},
};
use crate::{
    call::Kind,
    query::Query,
    sink::store::{StoreSink, calls::CALL},
};

/// Buckets at most where nobody says how wide they are.
const BUCKETS: i64 = 500;
/// Buckets at most in any case.
const MOST_BUCKETS: i64 = 10_000;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// Widths that people like, in seconds.
const WIDTHS: [i64; 22] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800, 1_209_600, 2_592_000,
];

/// What is counted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistogramSearch {
    /// Which messages; none are counted where `None`.
    pub messages: Option<Asked>,
    /// Which calls, by what has columns and by the whole; none are counted where `None`.
    pub calls: Option<(Asked, Query)>,
    /// What calls are about; everything where it says nothing.
    pub kind: Option<Kind>,
    /// Width of a bucket; where `None`, such that there are at most 500.
    pub bucket: Option<Duration>,
    /// What time it is, microseconds since 1970: where the last bucket is that nobody asks for otherwise.
    pub now: i64,
    /// How long it may take.
    pub deadline: Duration,
    /// Ends it from outside.
    pub cancel: Cancel,
}

impl HistogramSearch {
    /// Counts these, within ten seconds.
    #[must_use]
    pub fn new(messages: Option<Asked>, calls: Option<(Asked, Query)>, now: i64) -> Self {
        Self {
            messages,
            calls,
            kind: Some(Kind::Call),
            bucket: None,
            now,
            deadline: Duration::from_secs(10),
            cancel: Cancel::default(),
        }
    }
}

/// Counts over time.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Histogram {
    /// Width of a bucket, in microseconds.
    pub bucket_us: i64,
    /// All of the range, also those in which nothing is; they begin at multiples of their width since 1970.
    pub buckets: Vec<Bucket>,
    /// What was looked through.
    pub searched: Searched,
    /// Why it ended before everything was looked at.
    pub ended_by: Option<String>,
    /// Where it ended early: what was received later than this is counted, what was received before may be.
    pub counted_since: Option<Timestamp>,
    /// Files that could not be read.
    pub unreadable: u64,
}

/// What lies in a span of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Bucket {
    /// Where it begins.
    pub from: Timestamp,
    /// Messages that have their time in it; `None` where the query is about calls only.
    pub messages: Option<u64>,
    /// Calls that began in it; `None` where the query is about messages only.
    pub calls: Option<Outcomes>,
}

/// Calls by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Outcomes {
    /// Their final response is 2xx.
    pub answered: u64,
    /// It is 487.
    pub cancelled: u64,
    /// It is 3xx.
    pub redirected: u64,
    /// It is another of 400 or more.
    pub failed: u64,
    /// There is none, or not yet.
    pub unanswered: u64,
}

impl Outcomes {
    /// Adds calls with this final response.
    fn add(&mut self, code: Option<i64>, calls: u64) {
        let count = match code {
            Some(487) => &mut self.cancelled,
            Some(200..=299) => &mut self.answered,
            Some(300..=399) => &mut self.redirected,
            Some(400..) => &mut self.failed,
            _ => &mut self.unanswered,
        };
        *count += calls;
    }
}

/// More buckets than an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "that would be {buckets} buckets, and {MOST_BUCKETS} are the most: ask for wider ones, or a shorter time"
)]
pub struct TooManyBuckets {
    /// How many.
    pub buckets: i64,
}

/// Counts messages and calls over time. What was counted before an end by time or memory is given all the same.
///
/// # Errors
/// Where counting could not begin, and where it was cancelled; inside, where there would be too many buckets.
pub fn histogram(
    sink: &StoreSink,
    search: &HistogramSearch,
) -> Result<Result<Histogram, TooManyBuckets>, SearchError> {
    let each = [
        search.messages.as_ref(),
        search.calls.as_ref().map(|(calls, _)| calls),
    ];
    let asked = each.into_iter().flatten();
    let time = asked.clone().map(|asked| asked.time.clone());
    let time = time
        .reduce(|one, other| one.start.min(other.start)..one.end.max(other.end))
        .unwrap_or(i64::MIN..i64::MAX);
    let is_cut = asked.clone().any(|asked| asked.is_cut);
    let shown = shown(&time, sink.store().times(), search.now);
    let width = match search.bucket {
        Some(width) => i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1),
        None => fitting_width(&shown),
    };
    let count = buckets(&shown, width);
    if count > MOST_BUCKETS {
        return Ok(Err(TooManyBuckets { buckets: count }));
    }
    let mut counting = Counting {
        sink,
        search,
        first: shown.start.div_euclid(width),
        width,
        messages: vec![0; usize::try_from(count).unwrap_or_default()],
        calls: vec![Outcomes::default(); usize::try_from(count).unwrap_or_default()],
        looked: Looked::default(),
    };
    if count > 0 {
        if let Some(messages) = &search.messages {
            counting.count_messages(messages.clone().within(&shown))?;
        }
        if let Some((calls, query)) = &search.calls {
            counting.count_calls(calls.clone().within(&shown), query)?;
        }
    }
    Ok(Ok(counting.finish(Searched::of(&time, is_cut))))
}

/// The range that buckets cover: what is asked for, else what there is.
fn shown(asked: &Range<i64>, kept: Option<(i64, i64)>, now: i64) -> Range<i64> {
    let start = match (asked.start, kept) {
        (i64::MIN, Some((first, _))) => first,
        (i64::MIN, None) => return 0..0,
        (start, _) => start,
    };
    let end = match (asked.end, kept) {
        (i64::MAX, Some((_, last))) => last.max(now).saturating_add(1),
        (i64::MAX, None) => now.saturating_add(1),
        (end, _) => end,
    };
    start..end.max(start)
}

fn buckets(range: &Range<i64>, width: i64) -> i64 {
    if range.is_empty() {
        return 0;
    }
    (range.end - 1).div_euclid(width) - range.start.div_euclid(width) + 1
}

fn fitting_width(range: &Range<i64>) -> i64 {
    let mut liked = WIDTHS.iter().map(|seconds| seconds * SECOND);
    let fitting = liked.find(|width| buckets(range, *width) <= BUCKETS);
    // Whole days, where months are too short: somebody asks since 1970.
    let days = || {
        let days = range.end.saturating_sub(range.start) / DAY / (BUCKETS - 1) + 1;
        days * DAY
    };
    fitting.unwrap_or_else(days)
}

struct Counting<'a> {
    sink: &'a StoreSink,
    search: &'a HistogramSearch,
    /// Number of the first bucket, where those are numbered from 1970 on.
    first: i64,
    width: i64,
    messages: Vec<u64>,
    calls: Vec<Outcomes>,
    looked: Looked,
}

impl Counting<'_> {
    fn count_messages(&mut self, asked: Asked) -> Result<(), SearchError> {
        let counted = self.count(asked.search(), Vec::new())?;
        for (time, _, rows) in counted {
            let bucket = self.bucket(time);
            if let Some(count) = bucket.and_then(|bucket| self.messages.get_mut(bucket)) {
                *count += rows;
            }
        }
        Ok(())
    }

    fn count_calls(&mut self, asked: Asked, query: &Query) -> Result<(), SearchError> {
        let calls = CallSearch {
            kind: self.search.kind,
            time: asked.time.clone(),
            deadline: self.search.deadline,
            cancel: self.search.cancel.clone(),
            ..CallSearch::default()
        };
        if *query != Query::everything() {
            let mut found = Vec::new();
            let looked = each_call(
                self.sink,
                &calls,
                asked.filter,
                |call| query.matches(call),
                |call| found.push((call.started.as_micros(), call.final_code)),
            )?;
            for (time, code) in found {
                self.add_calls(time, code.map(i64::from), 1);
            }
            self.take(looked);
            return Ok(());
        }
        // What began when, and with which response it ended, has columns: no record needs to be read.
        let mut open = Vec::new();
        each_open(self.sink, |call| {
            if calls.admits(call) {
                open.push((call.started.as_micros(), call.final_code));
            }
        });
        for (time, code) in open {
            self.add_calls(time, code.map(i64::from), 1);
        }
        let mut filters = vec![
            Filter::Class(vec![Class::Record]),
            Filter::is(Column::Record, CALL),
            is_shown(self.sink),
        ];
        if let Some(kind) = calls.kind {
            filters.push(Filter::is(Column::TransactionType, kind.label()));
        }
        let mut search = Search::new(Filter::All(filters));
        search.time = asked.time;
        for (time, code, rows) in self.count(search, vec![Column::Status])? {
            self.add_calls(time, code, rows);
        }
        Ok(())
    }

    /// Rows by time, and by the number in one of these columns.
    fn count(
        &mut self,
        mut search: Search,
        values: Vec<Column>,
    ) -> Result<Vec<(i64, Option<i64>, u64)>, SearchError> {
        search.deadline = Some(self.search.deadline);
        search.cancel = self.search.cancel.clone();
        let mut by = CountBy::default();
        by.span = u64::try_from(self.width).ok().map(Duration::from_micros);
        by.values = values;
        let counted = self.sink.store().count(search, &by)?;
        if counted.ended_by == Some(SearchError::Cancelled) {
            return Err(SearchError::Cancelled);
        }
        self.take(Looked {
            unreadable: counted.report.unreadable,
            ended_by: counted.ended_by,
            since: counted.counted_since,
        });
        let counts = counted.counts.into_iter();
        let counts = counts.map(|count| match count.value {
            Some(Counted::Number(number)) => (count.from, Some(number), count.rows),
            _ => (count.from, None, count.rows),
        });
        Ok(counts.collect())
    }

    fn add_calls(&mut self, time: i64, code: Option<i64>, calls: u64) {
        let bucket = self.bucket(time);
        if let Some(outcomes) = bucket.and_then(|bucket| self.calls.get_mut(bucket)) {
            outcomes.add(code, calls);
        }
    }

    fn bucket(&self, time: i64) -> Option<usize> {
        usize::try_from(time.div_euclid(self.width) - self.first).ok()
    }

    fn take(&mut self, looked: Looked) {
        self.looked.unreadable += looked.unreadable;
        self.looked.ended_by = self.looked.ended_by.or(looked.ended_by);
        self.looked.since = self.looked.since.max(looked.since);
    }

    fn finish(self, searched: Searched) -> Histogram {
        let at = |bucket: i64| {
            let time = self.first.saturating_add(bucket).saturating_mul(self.width);
            Timestamp::from_microsecond(time).unwrap_or(Timestamp::MIN)
        };
        let counts = self.messages.iter().zip(&self.calls);
        let buckets = (0..).zip(counts).map(|(bucket, (messages, calls))| Bucket {
            from: at(bucket),
            messages: self.search.messages.as_ref().map(|_| *messages),
            calls: self.search.calls.as_ref().map(|_| *calls),
        });
        Histogram {
            bucket_us: self.width,
            buckets: buckets.collect(),
            searched,
            ended_by: self.looked.ended_by.map(|error| error.to_string()),
            counted_since: (self.looked.since)
                .and_then(|since| Timestamp::from_microsecond(since).ok()),
            unreadable: self.looked.unreadable,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_as_wide_as_people_like_and_at_most_500() {
        for (seconds, width) in [
            (1, 1),
            (400, 1),
            (600, 2),
            (3_600, 10),
            (86_400, 300),
            (7 * 86_400, 1_800),
        ] {
            let range = 7..7 + seconds * SECOND;
            assert_eq!(fitting_width(&range), width * SECOND, "{seconds}");
            assert!(buckets(&range, width * SECOND) <= BUCKETS);
        }
        let ages = 0..i64::MAX / 4;
        assert!(buckets(&ages, fitting_width(&ages)) <= BUCKETS);
        assert_eq!(buckets(&(5..5), 10), 0);
        assert_eq!(buckets(&(9..11), 10), 2);
        assert_eq!(buckets(&(-1..1), 10), 2);
    }

    #[test]
    fn the_range_is_what_is_asked_for_else_what_there_is() {
        let everything = i64::MIN..i64::MAX;
        assert_eq!(shown(&everything, None, 50), 0..0);
        assert_eq!(shown(&everything, Some((10, 20)), 50), 10..51);
        assert_eq!(shown(&everything, Some((10, 70)), 50), 10..71);
        assert_eq!(shown(&(5..30), None, 50), 5..30);
        assert_eq!(shown(&(60..i64::MAX), None, 50), 60..60);
    }
}
