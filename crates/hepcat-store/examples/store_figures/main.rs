//! The figures of the engine: octets and processor time a message, and what searches cost.
//!
//! `cargo xtask bench store` and `cargo xtask bench keep` run it. By itself:
//!
//! ```text
//! cargo run --release -p hepcat-store --example store_figures -- --rows 2000000 --rate 10000
//! ```
//!
//! `--grouped` only makes what octets on disk are compared with; `--finish --directory D` counts the rows of a directory
//! that somebody else filled, compacts it as if its hours were over, and says what it takes.

#![expect(clippy::print_stdout, reason = "what it says is its result")]

mod envelope;
mod finish;
mod grouped;
mod questions;
mod rows;

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use hepcat_store::{Clock, CompactReport, Fsync, Options, Store, SystemClock};
use hepcat_testkit::traffic::{SipMessage, Traffic};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// The node's, so that figures of memory and time are the node's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// 2026-11-23 00:00:00 UTC.
const BEGIN: i64 = 1_795_392_000_000_000;
const SECOND: i64 = 1_000_000;
/// Rows of a batch: what a listener hands over in 5 ms at 20,000 a second.
const BATCH: usize = 100;
/// Compaction takes an hour for closed a minute after its end: so long after the last row every hour is.
const ALL_CLOSED: i64 = 7_200 * SECOND;

/// Wall time as the traffic says it, so that a day passes in minutes.
#[derive(Debug)]
struct TrafficClock {
    now: AtomicI64,
    machine: SystemClock,
}

impl Clock for TrafficClock {
    fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> u64 {
        self.machine.monotonic()
    }
}

#[derive(Debug)]
struct Arguments {
    rows: u64,
    rate: f64,
    memory: u64,
    directory: Option<PathBuf>,
    work: Work,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Rows are made, compacted and searched.
    All,
    /// Only searches, over what is there.
    Queries,
    /// Only what octets are compared with.
    Grouped,
    /// Counts and compacts what is there.
    Finish,
}

fn arguments() -> Fallible<Arguments> {
    let mut arguments = Arguments {
        rows: 1_000_000,
        rate: 10_000.0,
        memory: 256 << 20,
        directory: None,
        work: Work::All,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--rows" => arguments.rows = value()?.parse()?,
            "--rate" => arguments.rate = value()?.parse()?,
            "--memory-mib" => arguments.memory = value()?.parse::<u64>()? << 20,
            "--directory" => arguments.directory = Some(value()?.into()),
            "--queries-only" => arguments.work = Work::Queries,
            "--grouped" => arguments.work = Work::Grouped,
            "--finish" => arguments.work = Work::Finish,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

fn cpu(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

/// Processor time of each of the store's threads, until now.
fn threads() -> BTreeMap<String, Duration> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let of_task = |task: &Path| {
        let name = fs::read_to_string(task.join("comm")).ok()?;
        let used = fs::read_to_string(task.join("schedstat")).ok()?;
        let nanoseconds = used.split_whitespace().next()?.parse().ok()?;
        Some((name.trim().to_owned(), Duration::from_nanos(nanoseconds)))
    };
    let named = tasks.flatten().filter_map(|task| of_task(&task.path()));
    named
        .filter(|(name, _)| name.starts_with("store-"))
        .collect()
}

/// Most resident memory since the last time that this was asked, in octets.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    // Begins anew (proc(5), clear_refs); where that is not allowed the next figure is too high.
    let _begun = fs::write("/proc/self/clear_refs", "5");
    kib.unwrap_or(0) << 10
}

/// Octets of everything in a directory but its log, of which `tmp` keeps files that will be written over.
fn octets_of(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != "log" && entry.file_name() != "tmp")
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => octets_of(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

fn ingest(store: &Store, clock: &TrafficClock, arguments: &Arguments) -> Fallible<Value> {
    let mut traffic = Traffic::new(arguments.rate, BEGIN, 1);
    let (mut pushing, mut making) = (Duration::ZERO, Duration::ZERO);
    let begun = Instant::now();
    let process = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let mut left = arguments.rows;
    let mut ticket = None;
    while left > 0 {
        let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
        let count = BATCH.min(usize::try_from(left)?);
        let messages: Vec<SipMessage> = traffic.by_ref().take(count).collect();
        left -= count as u64;
        if let Some(last) = messages.last() {
            clock.now.store(last.at + 300, Ordering::Relaxed);
        }
        let made = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
        ticket = Some(store.append(rows::batch(&messages)?)?);
        making += made.saturating_sub(before);
        pushing += cpu(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(made);
    }
    if let Some(ticket) = ticket {
        ticket.wait()?;
    }
    let _flushed: bool = store.flush(Duration::from_secs(60));
    let all = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(process + making);
    let rows = arguments.rows as f64;
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6 / rows;
    let stats = store.stats();
    let peak = peak_memory();
    println!(
        "ingest: {} rows at {} a second of traffic time, {:.1} s wall",
        arguments.rows,
        arguments.rate,
        begun.elapsed().as_secs_f64()
    );
    println!(
        "  CPU a row, compaction apart: {:.2} us, of it {:.2} us where rows are appended (fields to columns, log frame)",
        micros(all),
        micros(pushing)
    );
    for (name, used) in threads() {
        println!("  {name}: {:.2} us a row", micros(used));
    }
    println!(
        "  log: {:.1} octets a row in {} frames, {} syncs",
        stats.log_octets as f64 / rows,
        stats.log_frames,
        stats.log_syncs
    );
    println!(
        "  segments before compaction: {}, {:.1} octets a row",
        stats.segments,
        stats.segment_octets as f64 / rows
    );
    println!(
        "  peak memory {} MiB of a budget of {} MiB (the generator's open dialogs are in it)",
        peak >> 20,
        arguments.memory >> 20
    );
    Ok(json!({
        "rows": arguments.rows,
        "rate": arguments.rate,
        "cpu_us": micros(all),
        "appending_us": micros(pushing),
        "log_octets_per_message": stats.log_octets as f64 / rows,
        "wall_seconds": begun.elapsed().as_secs_f64(),
        "peak_octets": peak,
    }))
}

/// Merges what is left, as if every hour were over.
fn compact(store: &Store, clock: &TrafficClock) -> (CompactReport, Duration) {
    clock.now.fetch_add(ALL_CLOSED, Ordering::Relaxed);
    let begun = Instant::now();
    let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
    let report = store.compact();
    let used = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(before);
    println!(
        "compaction: {} merges of {} segments, {} rows, {} postponed, {:.2} us of CPU a row, {:.1} s wall",
        report.merges,
        report.segments,
        report.rows,
        report.postponed,
        used.as_secs_f64() * 1e6 / report.rows.max(1) as f64,
        begun.elapsed().as_secs_f64()
    );
    (report, used)
}

fn open(directory: &Path, memory: u64, now: i64) -> Fallible<(Store, Arc<TrafficClock>)> {
    let clock = Arc::new(TrafficClock {
        now: now.into(),
        machine: SystemClock::default(),
    });
    let mut options = Options::default();
    options.memory = memory;
    options.fsync = Fsync::Interval(Duration::from_millis(20));
    let shared: Arc<TrafficClock> = Arc::clone(&clock);
    options.clock = shared;
    // Nothing is merged but where that is measured.
    options.maintenance = Duration::ZERO;
    Ok((Store::open(directory, options)?, clock))
}

fn work(directory: &Path, arguments: &Arguments) -> Fallible<Value> {
    if arguments.work == Work::Finish {
        return finish::run(directory, arguments);
    }
    let (store, clock) = open(directory, arguments.memory, BEGIN)?;
    let mut figures = json!({});
    if arguments.work == Work::All {
        figures = ingest(&store, &clock, arguments)?;
        let (report, used) = compact(&store, &clock);
        let octets = octets_of(directory) as f64 / arguments.rows as f64;
        println!("  the whole directory, the log apart: {octets:.1} octets a row");
        figures["compacted_rows"] = report.rows.into();
        figures["compacting_us"] = (used.as_secs_f64() * 1e6 / report.rows.max(1) as f64).into();
        figures["octets_per_message"] = octets.into();
        println!("  peak memory while compacting {} MiB", peak_memory() >> 20);
    }
    figures["questions"] = questions::ask(&store, arguments.rows, arguments.rate)?.into();
    let peak = peak_memory();
    let footers = store.stats().memory.footers;
    println!("  footers held {} KiB", footers >> 10);
    println!("  peak memory while asked {} MiB", peak >> 20);
    figures["asking_peak_octets"] = peak.into();
    store.close();
    Ok(figures)
}

fn main() -> Fallible<()> {
    // As the node does.
    nix::sys::prctl::set_thp_disable(true).ok();
    let arguments = arguments()?;
    let temporary = tempfile::tempdir()?;
    let directory = arguments
        .directory
        .clone()
        .unwrap_or_else(|| temporary.path().join("store"));
    let figures = match arguments.work {
        Work::Grouped => grouped::run(arguments.rows, arguments.rate)?,
        _ => work(&directory, &arguments)?,
    };
    println!("figures {figures}");
    Ok(())
}
