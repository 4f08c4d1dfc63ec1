//! Counting says what a plain count over the same rows says, and a search that ran out of time is gone on with.

mod kit;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hepcat_store::{
    Class, Clock, Column, Count, CountBy, Counted, Cursor, Filter, Search, SearchError, Store,
    SystemClock, TextTest,
};
use kit::{BEGIN, LIMIT, SECOND, Sample, append, open, options};
use proptest::prelude::*;

/// A clock of which, once it is set going, every look at it takes a second.
#[derive(Debug, Default)]
struct Ticking {
    machine: SystemClock,
    goes: AtomicBool,
    ticks: AtomicU64,
}

impl Clock for Ticking {
    fn now(&self) -> i64 {
        BEGIN
    }

    fn monotonic(&self) -> u64 {
        let ticks = if self.goes.load(Ordering::Relaxed) {
            self.ticks.fetch_add(1, Ordering::Relaxed)
        } else {
            0
        };
        self.machine.monotonic() + ticks * 1_000_000
    }
}

/// A store with such a clock, which goes when everything is written.
fn open_ticking(directory: &Path, samples: &[Sample], flushed: usize) -> Store {
    let clock = Arc::new(Ticking::default());
    let mut options = options();
    options.clock = Arc::<Ticking>::clone(&clock);
    options.search_threads = 1;
    let store = open(directory, options);
    kept(&store, samples, flushed);
    clock.goes.store(true, Ordering::Relaxed);
    store
}

fn by(span: Option<Duration>, values: &[Column]) -> CountBy {
    let mut by = CountBy::default();
    by.span = span;
    by.values = values.to_vec();
    by
}

fn value_of(sample: &Sample, columns: &[Column]) -> Option<Counted> {
    let text = |text: &Option<String>| text.as_deref().map(|text| Counted::Text(text.into()));
    columns.iter().find_map(|column| match column {
        Column::Method => sample.method.map(|method| Counted::Text(method.into())),
        Column::Status => sample.status.map(|status| Counted::Number(status.into())),
        Column::FromUser => text(&sample.from_user),
        Column::CallId => text(&sample.call_id),
        Column::Class => Some(Counted::Text(sample.class.name().into())),
        Column::CaptureId => Some(Counted::Number(sample.serial)),
        other => unreachable!("{other:?}"),
    })
}

type Plain = BTreeMap<(i64, Option<Counted>), u64>;

fn plain<'a>(samples: impl Iterator<Item = &'a Sample>, by: &CountBy) -> Plain {
    let mut counts = Plain::new();
    for sample in samples {
        let from = by.span.map_or(0, |span| {
            let width = i64::try_from(span.as_micros()).expect("small");
            sample.time() - sample.time().rem_euclid(width)
        });
        *counts
            .entry((from, value_of(sample, &by.values)))
            .or_default() += 1;
    }
    counts
}

fn as_plain(counts: &[Count]) -> Plain {
    let pairs = counts.iter();
    pairs
        .map(|count| ((count.from, count.value.clone()), count.rows))
        .collect()
}

/// One part in segments, one frozen or hot.
fn kept(store: &Store, samples: &[Sample], flushed: usize) {
    for (number, part) in samples.chunks(50).enumerate() {
        append(store, part).wait().expect("kept");
        if number < flushed {
            assert!(store.flush(LIMIT));
        }
    }
}

fn counted_by() -> impl Strategy<Value = CountBy> {
    let span = proptest::option::of(prop_oneof![
        Just(Duration::from_micros(1)),
        (1_u64..4_000).prop_map(Duration::from_millis),
        Just(Duration::from_hours(24)),
    ]);
    let values = prop_oneof![
        Just(vec![]),
        Just(vec![Column::Method]),
        Just(vec![Column::Method, Column::Status]),
        Just(vec![Column::Status, Column::FromUser]),
        Just(vec![Column::Class]),
        Just(vec![Column::CallId]),
        Just(vec![Column::CaptureId]),
    ];
    (span, values).prop_map(|(span, values)| by(span, &values))
}

/// A filter, and the same as a plain function.
fn filters() -> impl Strategy<Value = (Filter, fn(&Sample) -> bool)> {
    prop_oneof![
        Just((Filter::default(), (|_| true) as fn(&Sample) -> bool)),
        Just((
            Filter::Class(vec![Class::Call]),
            (|sample| sample.class == Class::Call) as fn(&Sample) -> bool,
        )),
        Just((
            Filter::Text(
                Column::Payload,
                TextTest::contains("Call-ID: call-1", false).expect("small"),
            ),
            (|sample| {
                let text = String::from_utf8_lossy(&sample.payload);
                text.contains("Call-ID: call-1")
            }) as fn(&Sample) -> bool,
        )),
        Just((
            Filter::Number(Column::Status, vec![400..=599]),
            (|sample| sample
                .status
                .is_some_and(|status| (400..600).contains(&status)))
                as fn(&Sample) -> bool,
        )),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn counts_are_those_of_a_plain_count(
        rows in 0_i64..400,
        flushed in 0_usize..9,
        seed: u64,
        (filter, fits) in filters(),
        by in counted_by(),
        (from, length) in (-1_i64..400, 0_i64..800),
    ) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(directory.path(), options());
        let samples = Sample::many(0, rows, seed);
        kept(&store, &samples, flushed);
        let mut search = Search::new(filter);
        search.time = BEGIN + from * 1_000..BEGIN + (from + length) * 1_000;
        let fitting = samples
            .iter()
            .filter(|sample| fits(sample) && search.time.contains(&sample.time()));
        let expected = plain(fitting, &by);
        let counts = store.count(search, &by).expect("counted");
        prop_assert_eq!(as_plain(&counts.counts), expected.clone());
        prop_assert_eq!(counts.report.rows, expected.values().sum::<u64>());
        prop_assert_eq!((counts.beyond, counts.ended_by), (0, None));
        let ordered = counts.counts.is_sorted();
        prop_assert!(ordered);
    }
}

#[test]
fn what_is_too_much_to_count_apart_is_counted_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    kept(&store, &Sample::many(0, 400, 31), 4);
    let mut search = Search::default();
    // Room for some of the 400 values.
    search.memory = 20_000;
    let counts = store
        .count(search, &by(None, &[Column::CaptureId]))
        .expect("counted");
    assert!(counts.counts.len() > 10, "{}", counts.counts.len());
    assert!(counts.beyond > 10);
    let rows: u64 = counts.counts.iter().map(|count| count.rows).sum();
    assert_eq!(rows + counts.beyond, 400);
    assert_eq!(counts.ended_by, None);
}

#[test]
fn a_count_that_runs_out_of_time_says_how_far_it_came() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 400, 32);
    let store = open_ticking(directory.path(), &samples, 8);
    let mut search = Search::default();
    search.deadline = Some(Duration::from_secs(60));
    let counts = store.count(search, &by(None, &[])).expect("counted");
    assert_eq!(counts.ended_by, Some(SearchError::Deadline));
    let since = counts.counted_since.expect("not everything");
    let certain = samples.iter().filter(|sample| sample.received_at > since);
    let certain = certain.count() as u64;
    assert!(certain > 0);
    assert!(counts.report.rows >= certain && counts.report.rows < 400);
}

#[test]
fn who_goes_on_after_the_end_of_the_time_finds_everything_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 1_000, 33);
    let store = open_ticking(directory.path(), &samples, 20);
    for (filter, expected) in [
        (Filter::default(), 1_000),
        // One of all, in the oldest segment: a page without anything in it gets on as well.
        (
            Filter::Text(
                Column::Payload,
                TextTest::contains("sip:3@b", false).expect("small"),
            ),
            1,
        ),
    ] {
        let (mut serials, mut after, mut pages) = (Vec::new(), None::<Cursor>, 0);
        loop {
            let mut search = Search::new(filter.clone());
            search.after = after;
            search.deadline = Some(Duration::from_secs(100));
            let mut found = store.search(search).expect("searched");
            let mut ended_by = None;
            for rows in found.by_ref() {
                match rows {
                    Ok(rows) => serials
                        .extend((rows.rows().iter()).map(|row| row.capture_id.expect("a serial"))),
                    Err(error) => ended_by = Some(error),
                }
            }
            if ended_by.is_none() {
                break;
            }
            assert_eq!(ended_by, Some(SearchError::Deadline));
            let cursor = found.cursor().expect("somewhere");
            assert!(after.is_none_or(|after| cursor <= after), "never back");
            after = Some(cursor);
            pages += 1;
            assert!(pages < 1_000, "it gets on");
        }
        assert!(pages > 1, "{pages}");
        assert_eq!(serials.len(), expected);
        serials.sort_unstable();
        serials.dedup();
        assert_eq!(serials.len(), expected);
    }
}

#[test]
fn the_times_of_all_rows_are_known() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    assert_eq!(store.times(), None);
    let samples = Sample::many(0, 200, 34);
    kept(&store, &samples, 2);
    let times = samples.iter().map(Sample::time);
    let expected = (times.clone().min(), times.max());
    let (first, last) = store.times().expect("there are rows");
    assert_eq!((Some(first), Some(last)), expected);
    assert!(last - first < SECOND);
}
