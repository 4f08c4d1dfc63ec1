//! Search over hot, frozen, written and merged rows is a plain filter over the same rows.

mod kit;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use hepcat_store::{
    Class, Clock, Column, Envelope, FaultyDisk, Filter, Options, Row, Run, Search, SystemClock,
    TextTest,
};
use kit::{BEGIN, LIMIT, SECOND, Sample, append, assert_all, find, open, options};
use proptest::prelude::*;

const HOUR: i64 = 3_600 * SECOND;

/// A clock that is set.
#[derive(Debug)]
struct SetClock {
    now: AtomicI64,
    machine: SystemClock,
}

impl SetClock {
    fn at(now: i64) -> Arc<Self> {
        Arc::new(Self {
            now: now.into(),
            machine: SystemClock::default(),
        })
    }

    fn set(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> u64 {
        // As if the machine had been up since 1970, and never had a jump. It goes on, or nothing would ever be due.
        u64::try_from(self.now()).unwrap_or_default() + self.machine.monotonic()
    }
}

fn with_clock(clock: &Arc<SetClock>) -> Options {
    let mut options = options();
    let clock: Arc<SetClock> = Arc::clone(clock);
    options.clock = clock;
    options.compact_segments = 3;
    options
}

#[test]
fn segments_of_a_closed_hour_become_one_for_each_class() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = SetClock::at(BEGIN);
    let store = open(directory.path(), with_clock(&clock));
    let samples = Sample::many(0, 2_000, 21);
    for chunk in samples.chunks(500) {
        append(&store, chunk).wait().expect("kept");
        assert!(store.flush(LIMIT));
    }
    assert_eq!(store.stats().segments, 16);
    clock.set(BEGIN + 2 * HOUR);
    let report = store.compact();
    assert_eq!(
        (report.merges, report.segments, report.rows),
        (4, 16, 2_000)
    );
    assert_eq!(store.stats().segments, 4);
    assert_all(&store, &samples);
    assert_eq!(store.compact().merges, 0);
    assert_eq!(store.check().rows, 2_000);
    drop(store);
    let store = open(directory.path(), with_clock(&clock));
    assert_all(&store, &samples);
}

#[test]
fn a_search_that_runs_sees_what_was_there_when_it_began() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = SetClock::at(BEGIN);
    let store = open(directory.path(), with_clock(&clock));
    let samples = Sample::many(0, 1_200, 22);
    for chunk in samples.chunks(300) {
        append(&store, chunk).wait().expect("kept");
        assert!(store.flush(LIMIT));
    }
    let mut found = store.search(Search::default()).expect("searched");
    let first = found.next().expect("rows").expect("read").len();
    clock.set(BEGIN + 2 * HOUR);
    assert!(store.compact().merges > 0);
    append(&store, &Sample::many(1_200, 10, 23))
        .wait()
        .expect("kept");
    let rest: usize = found.map(|rows| rows.expect("read").len()).sum();
    assert_eq!(first + rest, 1_200);
}

#[test]
fn retention_says_what_would_go_and_then_removes_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = SetClock::at(BEGIN);
    let mut options = with_clock(&clock);
    options.retention.max_age = Some(Duration::from_hours(48));
    options
        .retention
        .classes
        .insert(Class::Options, Duration::from_hours(1));
    let store = open(directory.path(), options);
    let samples = Sample::many(0, 1_000, 24);
    append(&store, &samples).wait().expect("kept");
    assert!(store.flush(LIMIT));
    assert_eq!(store.retention(Run::Dry), []);
    clock.set(BEGIN + 2 * HOUR);
    let dry = store.retention(Run::Dry);
    assert_eq!(dry.len(), 1);
    assert_eq!((dry[0].class, dry[0].rows), (Class::Options, 200));
    assert_eq!(store.stats().rows_in_segments, 1_000);
    assert_eq!(store.retention(Run::Real), dry);
    let left: Vec<Sample> = samples
        .into_iter()
        .filter(|sample| sample.class != Class::Options)
        .collect();
    assert_all(&store, &left);
    clock.set(BEGIN + 49 * HOUR);
    assert_eq!(store.retention(Run::Real).len(), 3);
    assert_eq!(store.stats().segments, 0);
    let partitions = std::fs::read_dir(directory.path().join("segments")).expect("readable");
    assert_eq!(partitions.count(), 0);
}

#[test]
fn clocks_that_jump_lose_and_double_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let clock = SetClock::at(BEGIN);
    let mut options = with_clock(&clock);
    options.retention.max_age = Some(Duration::from_hours(24 * 365));
    let store = open(directory.path(), options);
    let mut all = Vec::new();
    let jumps = [
        0,
        -400 * 24 * HOUR,
        10,
        3_650 * 24 * HOUR,
        -BEGIN - HOUR,
        HOUR,
        20,
    ];
    for (round, jump) in (0..).zip(jumps) {
        let mut samples = Sample::many(round * 100, 100, 25);
        for sample in &mut samples {
            sample.received_at += jump;
            sample.sent_at = None;
            let frame = [b"head-".as_slice(), &sample.payload, b"-tail"].concat();
            sample.envelope.clear();
            Envelope::new(&frame).encode_into(&Row::default(), &mut sample.envelope);
        }
        append(&store, &samples).wait().expect("kept");
        if round % 2 == 0 {
            assert!(store.flush(LIMIT));
        }
        store.compact();
        all.extend(samples);
    }
    assert_all(&store, &all);
    drop(store);
    let store = open(directory.path(), with_clock(&clock));
    store.compact();
    assert_all(&store, &all);
}

#[derive(Debug, Clone)]
enum Act {
    Append(u8),
    Flush,
    /// As a flush, but what is frozen stays so until the next act that needs the disk.
    Freeze,
    Merge,
    Reopen,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u8..60).prop_map(Act::Append),
        2 => Just(Act::Flush),
        2 => Just(Act::Freeze),
        1 => Just(Act::Merge),
        1 => Just(Act::Reopen),
    ]
}

/// A filter, and the same as a plain function.
type Question = (Filter, Box<dyn Fn(&Sample) -> bool>);

fn questions(pick: &Sample) -> Vec<Question> {
    let call = pick.call_id.clone().unwrap_or_default();
    let user = pick.from_user.clone().unwrap_or_default();
    let needle = format!("sip:{}@", pick.serial);
    let wanted = call.clone();
    let wanted_user = user.clone();
    let wanted_needle = needle.clone();
    vec![
        (Filter::default(), Box::new(|_| true)),
        (
            Filter::is(Column::CallId, &call),
            Box::new(move |sample| sample.call_id.as_ref() == Some(&wanted)),
        ),
        (
            Filter::All(vec![
                Filter::is(Column::FromUser, &user).negated(),
                Filter::Number(Column::Status, vec![200..=399]),
            ]),
            Box::new(move |sample| {
                sample.from_user.as_ref() != Some(&wanted_user)
                    && sample
                        .status
                        .is_some_and(|status| (200..=399).contains(&status))
            }),
        ),
        (
            Filter::Any(vec![
                Filter::Text(
                    Column::Payload,
                    TextTest::contains(&needle, false).expect("short"),
                ),
                Filter::Class(vec![Class::Options]),
            ]),
            Box::new(move |sample| {
                sample.class == Class::Options
                    || String::from_utf8_lossy(&sample.payload).contains(&wanted_needle)
            }),
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn searching_is_filtering(acts in proptest::collection::vec(act(), 1..14), seed: u64, pick: u16) {
        let directory = tempfile::tempdir().expect("a directory");
        let clock = SetClock::at(BEGIN);
        let disk = FaultyDisk::default();
        let options = || {
            let mut options = with_clock(&clock);
            options.disk = Arc::new(disk.clone());
            options
        };
        let mut store = Some(open(directory.path(), options()));
        let mut all: Vec<Sample> = Vec::new();
        for act in acts {
            let there = store.as_ref().expect("open");
            if !matches!(act, Act::Append(_)) {
                // One generation at a time is held back: with more, the log would wait for it.
                disk.set_free_space(None);
                prop_assert!(there.stats().frozen == 0 || there.flush(LIMIT));
            }
            match act {
                Act::Append(count) => {
                    let from = i64::try_from(all.len()).expect("few");
                    let samples = Sample::many(from, count.into(), seed ^ from.cast_unsigned());
                    append(there, &samples).wait().expect("kept");
                    all.extend(samples);
                }
                Act::Flush => prop_assert!(there.flush(LIMIT)),
                Act::Freeze => {
                    disk.set_free_space(Some(0));
                    prop_assert!(!there.flush(Duration::from_millis(20)) || there.stats().rows_in_memory == 0);
                }
                Act::Merge => {
                    there.compact();
                }
                Act::Reopen => {
                    drop(store.take());
                    store = Some(open(directory.path(), options()));
                }
            }
        }
        let store = store.expect("open");
        if all.is_empty() {
            return Ok(());
        }
        let middle = BEGIN + i64::try_from(all.len()).expect("few") * 500;
        let picked = &all[usize::from(pick) % all.len()];
        for (filter, plain) in questions(picked) {
            for (from, to, limit) in [(i64::MIN, i64::MAX, usize::MAX), (BEGIN, middle, 7)] {
                let mut expected: Vec<&Sample> = all
                    .iter()
                    .filter(|sample| plain(sample) && (from..to).contains(&sample.time()))
                    .collect();
                expected.sort_by_key(|sample| std::cmp::Reverse(sample.received_at));
                expected.truncate(limit);
                let mut search = Search::new(filter.clone());
                search.time = from..to;
                search.limit = (limit < usize::MAX).then_some(limit as u64);
                let serials: Vec<i64> = expected.iter().map(|sample| sample.serial).collect();
                prop_assert_eq!(find(&store, search), serials, "{:?}", filter);
            }
        }
    }
}
