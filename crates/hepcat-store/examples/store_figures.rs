//! The figures of the store: octets and processor time a message, and what searches cost.
//!
//! `cargo run --release -p hepcat-store --example store_figures -- --rows 2000000 --rate 10000`; `cargo xtask bench
//! store` is the same.

#![expect(clippy::print_stdout, reason = "what it says is its result")]

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use hepcat_store::{
    Class, Clock, Column, Envelope, Filter, Fsync, Options, Row, RowBatchBuilder, Search, Store,
    SystemClock, TextTest,
};
use hepcat_testkit::traffic::{Dialog, SipMessage, Traffic};
use nix::time::{ClockId, clock_gettime};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// 2026-11-23 00:00:00 UTC.
const BEGIN: i64 = 1_795_392_000_000_000;
const SECOND: i64 = 1_000_000;
/// Rows of a batch: what a listener hands over in 5 ms at 20,000 a second.
const BATCH: usize = 100;

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
    keep: bool,
    queries_only: bool,
}

fn arguments() -> Fallible<Arguments> {
    let mut arguments = Arguments {
        rows: 1_000_000,
        rate: 10_000.0,
        memory: 256 << 20,
        directory: None,
        keep: false,
        queries_only: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--rows" => arguments.rows = value()?.parse()?,
            "--rate" => arguments.rate = value()?.parse()?,
            "--memory-mib" => arguments.memory = value()?.parse::<u64>()? << 20,
            "--directory" => arguments.directory = Some(value()?.into()),
            "--keep" => arguments.keep = true,
            "--queries-only" => arguments.queries_only = true,
            // What cargo hands to benchmarks.
            "--bench" => {}
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

fn cpu(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib / 1_024)
}

fn row<'a>(message: &'a SipMessage, envelope: &'a [u8]) -> Row<'a> {
    let mut row = Row::default();
    row.received_at = message.at + 300;
    row.sent_at = Some(message.at);
    row.class = match message.dialog {
        Some(Dialog::Call) => Class::Call,
        Some(Dialog::Registration) => Class::Registration,
        Some(Dialog::Options) => Class::Options,
        None => Class::Other,
    };
    row.listener = Some("edge");
    row.agent = Some("10.1.0.7");
    row.agent_port = Some(40_123);
    row.local_ip = Some("10.1.0.1");
    row.local_port = Some(9_060);
    row.hep_transport = Some("tcp");
    row.hep_version = Some(3);
    row.ip_family = Some(2);
    row.ip_protocol = Some(17);
    row.src_ip = Some(&message.source.0);
    row.src_port = Some(message.source.1.into());
    row.dst_ip = Some(&message.destination.0);
    row.dst_port = Some(message.destination.1.into());
    row.protocol_type = Some(1);
    row.capture_id = Some(2_001);
    row.node_name = Some("sbc-paris-1");
    row.correlation_id = Some(&message.call_id);
    row.method = message.method;
    row.status = message.status.map(Into::into);
    row.cseq_number = Some(message.cseq.into());
    row.cseq_method = Some(message.cseq_method);
    row.call_id = Some(&message.call_id);
    row.from_user = Some(&message.from_user);
    row.from_host = Some(&message.host);
    row.from_tag = Some(&message.from_tag);
    row.to_user = Some(&message.to_user);
    row.to_host = Some(&message.host);
    row.to_tag = message.to_tag.as_deref();
    if message.method.is_some() {
        row.ruri_user = Some(&message.to_user);
        row.ruri_host = Some(&message.host);
    }
    row.via_branch = Some(&message.branch);
    row.user_agent = Some(message.user_agent);
    row.payload = &message.payload;
    row.envelope = envelope;
    row
}

fn batch(messages: &[SipMessage]) -> Fallible<RowBatchBuilder> {
    let mut rows = RowBatchBuilder::with_capacity(messages.len());
    let mut envelope = Vec::new();
    for message in messages {
        envelope.clear();
        Envelope::new(&message.frame)
            .payload(message.payload_at..message.payload_at + message.payload.len())
            .time(message.seconds_at, message.micros_at)
            .encode_into(Some(message.at), &mut envelope);
        rows.push(&row(message, &envelope))?;
    }
    Ok(rows)
}

fn octets_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => octets_of(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The same payloads grouped by call, under zstd level 1: what the octets on disk are compared with.
#[derive(Default)]
struct Grouped {
    calls: std::collections::HashMap<String, Vec<u8>>,
    rows: u64,
}

impl Grouped {
    fn add(&mut self, message: &SipMessage) {
        self.rows += 1;
        let call = self.calls.entry(message.call_id.clone()).or_default();
        call.extend_from_slice(&message.payload);
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn octets_per_row(&self) -> Fallible<f64> {
        let mut all = zstd::stream::Encoder::new(Vec::new(), 1)?;
        for payloads in self.calls.values() {
            std::io::Write::write_all(&mut all, payloads)?;
        }
        Ok(all.finish()?.len() as f64 / self.rows as f64)
    }
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn ingest(store: &Store, clock: &TrafficClock, arguments: &Arguments) -> Fallible<()> {
    let mut traffic = Traffic::new(arguments.rate, BEGIN, 1);
    let (mut pushing, mut making) = (Duration::ZERO, Duration::ZERO);
    let mut grouped = Grouped::default();
    let compare = arguments.rows.min(1_000_000);
    let begun = Instant::now();
    let process = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let mut left = arguments.rows;
    let mut ticket = None;
    while left > 0 {
        let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
        let count = BATCH.min(usize::try_from(left)?);
        let messages: Vec<SipMessage> = traffic.by_ref().take(count).collect();
        left -= count as u64;
        if arguments.rows - left <= compare {
            messages.iter().for_each(|message| grouped.add(message));
        }
        if let Some(last) = messages.last() {
            clock.now.store(last.at + 300, Ordering::Relaxed);
        }
        let made = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
        ticket = Some(store.append(batch(&messages)?)?);
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
    println!(
        "ingest: {} rows at {} a second of traffic time, {:.1} s wall",
        arguments.rows,
        arguments.rate,
        begun.elapsed().as_secs_f64()
    );
    println!(
        "  CPU a row: {:.2} us in all, of it {:.2} us where rows are appended (fields to columns, log frame)",
        micros(all),
        micros(pushing)
    );
    println!(
        "  (of it compaction ran meanwhile over {} rows)",
        stats.merged_rows
    );
    println!(
        "  log: {:.1} octets a row in {} frames, {} syncs",
        stats.log_octets as f64 / rows,
        stats.log_frames,
        stats.log_syncs
    );
    println!(
        "  segments before the last compaction: {}, {:.1} octets a row",
        stats.segments,
        stats.segment_octets as f64 / rows
    );
    println!(
        "  peak memory {} MiB of a budget of {} MiB (the generator's dialogs and the comparison are in it)",
        peak_memory(),
        arguments.memory >> 20
    );
    println!(
        "  the payloads grouped by call under zstd 1: {:.1} octets a row",
        grouped.octets_per_row()?
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn compaction(store: &Store, clock: &TrafficClock, directory: &Path, rows: u64) {
    clock.now.fetch_add(7_200 * SECOND, Ordering::Relaxed);
    let begun = Instant::now();
    let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
    let report = store.compact();
    let used = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(before);
    let merged = report.rows.max(1) as f64;
    println!(
        "compaction of what was left: {} merges of {} segments, {} rows, {} postponed, {:.2} us of CPU a row, {:.1} s wall",
        report.merges,
        report.segments,
        report.rows,
        report.postponed,
        used.as_secs_f64() * 1e6 / merged,
        begun.elapsed().as_secs_f64()
    );
    let stats = store.stats();
    println!(
        "  segments: {}, {:.1} octets a row; the whole directory {:.1}",
        stats.segments,
        stats.segment_octets as f64 / rows as f64,
        octets_of(directory) as f64 / rows as f64
    );
}

fn queries(store: &Store, rows: u64, rate: f64) -> Fallible<()> {
    let sample: Vec<SipMessage> = Traffic::new(rate, BEGIN, 1)
        .take(usize::try_from(rows / 2)?.min(400_000))
        .filter(|message| message.dialog == Some(Dialog::Call))
        .collect();
    let picked = sample.last().ok_or("no traffic")?;
    let end = {
        let mut search = Search::default();
        search.limit = Some(1);
        let first = store.search(search)?.next().ok_or("no rows")??;
        first.rows().get(0).map_or(0, |row| row.received_at)
    };
    let text = |column, text: &str| Filter::is(column, text);
    let hour = end - 3_600 * SECOND..i64::MAX;
    let all = i64::MIN..i64::MAX;
    let prefix: String = picked.from_user.chars().take(9).collect();
    let questions: Vec<(&str, Filter, std::ops::Range<i64>, Option<u64>)> = vec![
        (
            "Call-ID exact, all",
            text(Column::CallId, &picked.call_id),
            all.clone(),
            None,
        ),
        (
            "from_user exact, all",
            text(Column::FromUser, &picked.from_user),
            all.clone(),
            None,
        ),
        (
            "from_user prefix, newest 200",
            Filter::Text(
                Column::FromUser,
                TextTest::glob(&format!("{prefix}*"), false)?,
            ),
            all.clone(),
            Some(200),
        ),
        (
            "to_user substring, all",
            Filter::Text(Column::ToUser, TextTest::contains("1234567", false)?),
            all.clone(),
            None,
        ),
        (
            "INVITE + 486, newest 200",
            Filter::All(vec![
                text(Column::CseqMethod, "INVITE"),
                Filter::equals(Column::Status, 486),
            ]),
            all.clone(),
            Some(200),
        ),
        ("newest 200", Filter::default(), all.clone(), Some(200)),
        (
            "src_ip exact, last hour",
            text(Column::SrcIp, &picked.source.0),
            hour.clone(),
            None,
        ),
        (
            "payload text, last hour",
            Filter::Text(Column::Payload, TextTest::contains("nonce=\"0000", false)?),
            hour.clone(),
            None,
        ),
        (
            "payload text in either case, last hour",
            Filter::Text(Column::Payload, TextTest::contains("NONCE=\"0000", true)?),
            hour,
            None,
        ),
    ];
    println!("queries over {rows} rows, page cache warm, best of 3 (wall ms, CPU ms)");
    for (name, filter, time, limit) in questions {
        let mut best = (Duration::MAX, Duration::ZERO);
        let (mut found_rows, mut report) = (0, None);
        for _ in 0..3 {
            let mut search = Search::new(filter.clone());
            search.time = time.clone();
            search.limit = limit;
            let (begun, before) = (Instant::now(), cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID));
            let mut found = store.search(search)?;
            found_rows = 0;
            for rows in found.by_ref() {
                found_rows += rows?.len();
            }
            let used = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(before);
            best = best.min((begun.elapsed(), used));
            report = Some(found.report());
        }
        let report = report.unwrap_or_default();
        println!(
            "  {name:40} {:9.1} {:9.1}   {found_rows} rows; row groups read {}, skipped {}",
            best.0.as_secs_f64() * 1e3,
            best.1.as_secs_f64() * 1e3,
            report.groups_read,
            report.groups_skipped
        );
    }
    println!("  peak memory {} MiB", peak_memory());
    Ok(())
}

fn main() -> Fallible<()> {
    let arguments = arguments()?;
    let temporary = tempfile::tempdir()?;
    let directory = arguments
        .directory
        .clone()
        .unwrap_or_else(|| temporary.path().join("store"));
    let clock = Arc::new(TrafficClock {
        now: BEGIN.into(),
        machine: SystemClock::default(),
    });
    let mut options = Options::default();
    options.memory = arguments.memory;
    options.fsync = Fsync::Interval(Duration::from_millis(20));
    let shared: Arc<TrafficClock> = Arc::clone(&clock);
    options.clock = shared;
    if arguments.queries_only {
        options.maintenance = Duration::ZERO;
    }
    let store = Store::open(&directory, options)?;
    if !arguments.queries_only {
        ingest(&store, &clock, &arguments)?;
        compaction(&store, &clock, &directory, arguments.rows);
    }
    queries(&store, arguments.rows, arguments.rate)?;
    store.close();
    if arguments.keep && arguments.directory.is_none() {
        println!("kept in {}", temporary.keep().display());
    }
    Ok(())
}
