//! A process that is killed while it appends has lost nothing of what it said was kept, and nothing is there twice.

mod kit;

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use hepcat_store::{Column, Options, RowBatchBuilder, Search, Store};
use kit::{LIMIT, Sample, open, options};

const DIRECTORY: &str = "HEPCAT_TEST_STORE";
const FIRST: &str = "HEPCAT_TEST_FIRST";
/// Rows of an append.
const ROWS: i64 = 50;
/// Kills after which a new store is begun, so that reading everything stays cheap.
const KILLS_PER_STORE: u64 = 10;

/// Everything happens often: generations of a few hundred rows, merges of four segments.
fn busy() -> Options {
    let mut options = options();
    options.freeze_rows = 600;
    options.compact_segments = 4;
    options.maintenance = Duration::from_millis(5);
    options
}

#[test]
fn what_was_kept_is_there_after_kills_under_load() {
    kill(6);
}

#[test]
#[ignore = "long: 200 kills"]
fn what_was_kept_is_there_after_200_kills_under_load() {
    kill(200);
}

/// The process that is killed: says what is kept as soon as it knows.
#[test]
#[ignore = "started by the others"]
fn append_until_killed() {
    let (Ok(directory), Ok(first)) = (env::var(DIRECTORY), env::var(FIRST)) else {
        return;
    };
    let mut next: i64 = first.parse().expect("a number");
    let store = open(Path::new(&directory), busy());
    let mut waiting = VecDeque::new();
    let mut out = std::io::stdout().lock();
    loop {
        let mut rows = RowBatchBuilder::default();
        for sample in Sample::many(next, ROWS, next.cast_unsigned()) {
            rows.push(&sample.row()).expect("small enough");
        }
        waiting.push_back((next, store.append(rows).expect("appended")));
        next += ROWS;
        // A few at a time, so that groups form.
        if waiting.len() >= 4
            && let Some((from, ticket)) = waiting.pop_front()
        {
            ticket.wait().expect("kept");
            writeln!(out, "kept {from}").expect("somebody reads");
            out.flush().expect("somebody reads");
        }
    }
}

fn start(directory: &Path, first: i64) -> Child {
    Command::new(env::current_exe().expect("this program"))
        .args(["append_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started")
}

/// Kills a process after it has said a few things; which rows it said are kept.
fn run_and_kill(directory: &Path, first: i64, enough: usize) -> Vec<i64> {
    let mut child = start(directory, first);
    let out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut kept = Vec::new();
    for line in out.lines() {
        // The last line may be torn.
        let Ok(line) = line else { break };
        if let Some((_, from)) = line.split_once("kept ") {
            kept.extend(from.parse::<i64>().ok().filter(|from| from % ROWS == 0));
        }
        if kept.len() == enough {
            // It goes on until the signal arrives: what it says meanwhile counts too.
            child.kill().expect("killed");
        }
    }
    child.wait().expect("ended");
    assert!(kept.len() >= enough, "it ended by itself");
    kept
}

fn kill(times: u64) {
    let mut random = fastrand::Rng::with_seed(times);
    let mut slowest = Duration::ZERO;
    for begun in (0..times).step_by(10) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut kept = Vec::new();
        let mut next = 0;
        for _ in 0..KILLS_PER_STORE.min(times - begun) {
            let now = run_and_kill(directory.path(), next, random.usize(1..80));
            next = now.last().expect("some") + 1_000_000;
            kept.extend(now);
            let begun = Instant::now();
            let store = open(directory.path(), busy());
            slowest = slowest.max(begun.elapsed());
            check(&store, &kept);
        }
        let store = open(directory.path(), busy());
        assert!(store.check().damaged.is_empty());
        check(&store, &kept);
    }
    assert!(slowest < LIMIT, "opening took {slowest:?}");
}

fn check(store: &Store, kept: &[i64]) {
    let mut there: BTreeMap<i64, u32> = BTreeMap::new();
    let mut search = Search::default();
    search.columns = Some(vec![Column::CaptureId]);
    let mut found = store.search(search).expect("searched");
    for rows in found.by_ref() {
        for row in rows.expect("read").rows().iter() {
            *there.entry(row.capture_id.expect("a serial")).or_default() += 1;
        }
    }
    assert_eq!(found.report().unreadable, 0);
    assert!(
        there.values().all(|times| *times == 1),
        "a row is there twice"
    );
    for from in kept {
        for serial in *from..from + ROWS {
            assert!(
                there.contains_key(&serial),
                "row {serial} was kept and is gone"
            );
        }
    }
}
