//! Retention: what goes, and why. The plan is a decision, nothing else; carrying it out is one step of the manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    counters::add,
    manifest::{Edit, SegmentEntry, Why},
    options::Retention,
    row::Class,
    segment::Segment,
    store::Inner,
};

/// Why a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Its newest row is too old.
    Age,
    /// Its newest row is too old for its class, which has an age of its own.
    Class,
    /// All segments together are too large, and it is the oldest.
    Size,
    /// Too little of the file system is free, and it is the oldest.
    Free,
}

impl Reason {
    /// A short label: `age`, `class`, `size`, `free`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Class => "class",
            Self::Size => "size",
            Self::Free => "free",
        }
    }
}

/// A segment that goes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expired {
    /// Number of the segment.
    pub segment: u64,
    /// Its class.
    pub class: Class,
    /// `received_at` of its oldest row.
    pub oldest: i64,
    /// `received_at` of its newest row.
    pub newest: i64,
    /// Rows in it.
    pub rows: u64,
    /// Octets of it.
    pub octets: u64,
    /// Why.
    pub reason: Reason,
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Run {
    /// Only say what would go.
    Dry,
    /// Do it.
    Real,
}

/// A jump of the clock beyond this is not believed.
const JUMP: i64 = 3_600_000_000;
/// A store whose newest row is older than this when it is opened may have met a clock that is wrong.
const GAP: i64 = 7 * 24 * JUMP;
/// How long such a clock has to go on before rows go by age.
const PROBATION: u64 = 24 * 3_600_000_000;

/// The clock as retention sees it: a bad one deletes nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trust {
    pub(crate) opened_at: i64,
    pub(crate) opened_monotonic: u64,
    /// `received_at` of the newest row when the store was opened.
    pub(crate) newest: Option<i64>,
}

impl Trust {
    /// The time by which rows are old, if it can be said.
    pub(crate) fn now(&self, wall: i64, monotonic: u64) -> Option<i64> {
        let uptime = monotonic.saturating_sub(self.opened_monotonic);
        let gap = self
            .newest
            .map_or(0, |newest| self.opened_at.saturating_sub(newest));
        if gap > GAP && uptime < PROBATION {
            return None;
        }
        let expected = self
            .opened_at
            .saturating_add(i64::try_from(uptime).unwrap_or(i64::MAX));
        // Forward jumps are not followed; after one back, less is old, which harms nobody.
        Some(wall.min(expected.saturating_add(JUMP)))
    }
}

/// What goes now. `free` is what the file system has left.
pub(crate) fn plan<'a>(
    entries: impl Iterator<Item = &'a SegmentEntry>,
    retention: &Retention,
    now: Option<i64>,
    free: Option<u64>,
) -> Vec<Expired> {
    let mut entries: Vec<&SegmentEntry> = entries.collect();
    entries.sort_by_key(|entry| (entry.received.1, entry.number));
    let mut total: u64 = entries.iter().map(|entry| entry.octets).sum();
    let mut free = free;
    let mut expired = Vec::new();
    let mut kept = Vec::new();
    let mut go = |entry: &SegmentEntry, reason, total: &mut u64, free: &mut Option<u64>| {
        *total -= entry.octets;
        *free = free.map(|free| free.saturating_add(entry.octets));
        expired.push(Expired {
            segment: entry.number,
            class: entry.class,
            oldest: entry.received.0,
            newest: entry.received.1,
            rows: entry.rows,
            octets: entry.octets,
            reason,
        });
    };
    for entry in entries {
        let age = retention.age_of(entry.class);
        if now
            .zip(age)
            .is_some_and(|(now, age)| is_older(entry.received.1, age, now))
        {
            let reason = match retention.classes.contains_key(&entry.class) {
                true => Reason::Class,
                false => Reason::Age,
            };
            go(entry, reason, &mut total, &mut free);
        } else {
            kept.push(entry);
        }
    }
    for entry in kept {
        if retention.max_octets.is_some_and(|most| total > most) {
            go(entry, Reason::Size, &mut total, &mut free);
        } else if retention
            .min_free
            .zip(free)
            .is_some_and(|(least, free)| free < least)
        {
            go(entry, Reason::Free, &mut total, &mut free);
        } else {
            break;
        }
    }
    expired
}

fn is_older(newest: i64, age: Duration, now: i64) -> bool {
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    newest < now.saturating_sub(age)
}

/// Removes what is to go, or says what would.
pub(crate) fn run(inner: &Arc<Inner>, run: Run) -> Vec<Expired> {
    let options = &inner.options;
    let free = options
        .retention
        .min_free
        .and_then(|_| options.disk.free_space(inner.paths.root()).ok());
    let now = inner
        .trust
        .now(options.clock.now(), options.clock.monotonic());
    if now.is_none() && options.retention.max_age.is_some() {
        tracing::warn!("the clock is far from the newest row: nothing goes by age for a day");
    }
    let mut manifest = inner.manifest.lock();
    let expired = plan(
        manifest.state().segments.values(),
        &options.retention,
        now,
        free,
    );
    if run == Run::Dry || expired.is_empty() {
        return expired;
    }
    let numbers: Vec<u64> = expired.iter().map(|expired| expired.segment).collect();
    let edit = Edit {
        remove: numbers.clone(),
        expired: newest_by_class(&expired),
        why: Why::Retention,
        ..Edit::default()
    };
    if let Err(error) = manifest.commit(edit) {
        tracing::error!(%error, "manifest not written, nothing removed");
        return Vec::new();
    }
    let view = inner.live.view();
    let gone: Vec<Arc<Segment>> = view
        .segments
        .iter()
        .filter(|segment| numbers.contains(&segment.entry.number))
        .cloned()
        .collect();
    drop(view);
    inner.live.exchange(None, Vec::new(), &numbers);
    drop(manifest);
    let hours: BTreeSet<i64> = gone.iter().map(|segment| segment.entry.hour).collect();
    for segment in gone {
        segment.doom();
    }
    for hour in hours {
        inner.remove_partition_if_empty(hour);
    }
    add(&inner.counters.expired_segments, expired.len() as u64);
    add(
        &inner.counters.expired_rows,
        expired.iter().map(|expired| expired.rows).sum(),
    );
    tracing::info!(segments = expired.len(), "retention removed segments");
    expired
}

fn newest_by_class(expired: &[Expired]) -> BTreeMap<String, i64> {
    let mut newest = BTreeMap::new();
    for expired in expired {
        let until = newest
            .entry(expired.class.name().to_owned())
            .or_insert(expired.newest);
        *until = expired.newest.max(*until);
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600_000_000;

    fn entry(number: u64, class: Class, newest: i64) -> SegmentEntry {
        SegmentEntry {
            received: (newest - 10, newest),
            octets: 100,
            rows: 5,
            ..SegmentEntry::planned(number, class, 0, 0)
        }
    }

    fn gone(expired: &[Expired]) -> Vec<(u64, Reason)> {
        expired
            .iter()
            .map(|expired| (expired.segment, expired.reason))
            .collect()
    }

    #[test]
    fn age_goes_by_class_then_the_oldest_go_for_size_and_room() {
        let entries = [
            entry(4, Class::Call, 9 * DAY),
            entry(1, Class::Call, DAY),
            entry(3, Class::Options, 8 * DAY),
            entry(2, Class::Call, 5 * DAY),
            entry(5, Class::Call, 10 * DAY),
        ];
        let day = Duration::from_hours(24);
        let mut retention = Retention {
            max_age: Some(day * 7),
            ..Retention::default()
        };
        retention.classes.insert(Class::Options, day);
        let now = Some(10 * DAY);
        let planned =
            |retention: &Retention, now, free| gone(&plan(entries.iter(), retention, now, free));
        assert_eq!(
            planned(&retention, now, None),
            [(1, Reason::Age), (3, Reason::Class)]
        );
        assert_eq!(planned(&retention, None, None), []);
        retention.max_octets = Some(250);
        let expected = [(1, Reason::Age), (3, Reason::Class), (2, Reason::Size)];
        assert_eq!(planned(&retention, now, None), expected);
        retention.min_free = Some(1_000);
        let all = planned(&retention, now, Some(650));
        assert_eq!(all, [&expected[..], &[(4, Reason::Free)]].concat());
    }

    #[test]
    fn a_clock_that_jumps_ages_nothing() {
        let trust = Trust {
            opened_at: 100 * DAY,
            opened_monotonic: 0,
            newest: Some(100 * DAY),
        };
        let hour = u64::try_from(JUMP).expect("positive");
        assert_eq!(trust.now(100 * DAY + JUMP, hour), Some(100 * DAY + JUMP));
        assert_eq!(trust.now(4_000 * DAY, hour), Some(100 * DAY + 2 * JUMP));
        assert_eq!(trust.now(0, hour), Some(0));
        let trust = Trust {
            opened_at: 4_000 * DAY,
            ..trust
        };
        assert_eq!(trust.now(4_000 * DAY, hour), None);
        assert_eq!(trust.now(4_001 * DAY, PROBATION), Some(4_001 * DAY));
    }
}
