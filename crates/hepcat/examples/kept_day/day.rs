//! Makes the day: frames become rows as in a node, at the speed of the machine.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hepcat::{
    agents::ClockBounds,
    call::{Limits, Rules},
    pipeline::{Capture, Inflated},
    sink::store::{
        agent_name,
        calls::Calls,
        row::{About, RowWriter},
    },
};
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport};
use hepcat_store::{Clock, Options, RowBatchBuilder, Store, SystemClock};
use hepcat_testkit::{
    load::thread_times,
    traffic::{SipMessage, Traffic},
};
use hepcat_wire::Message;
use nix::time::ClockId;
use serde_json::{Value, json};

use crate::{Arguments, Fallible, SECOND, TrafficClock, cpu, peak_memory, samples::Samples};

const DAY: i64 = 86_400 * SECOND;
/// Messages that become rows together.
const BATCH: u64 = 512;
/// How long a message takes to the node.
const ON_THE_WAY: i64 = 300;
/// Between two looks at calls that are over.
const LOOK: i64 = SECOND;
/// Between two lines that say how far it is.
const SAID: u64 = 5_000_000;

/// What makes rows of messages.
struct Maker {
    origin: Arc<Origin>,
    agent: String,
    calls: Calls,
    writer: RowWriter,
}

/// The whole of the day before yesterday, or what ends now; and what there is to ask for in it.
pub(crate) fn make(arguments: &Arguments) -> Fallible<(Value, Samples)> {
    let now = SystemClock::default().now();
    let begin = if arguments.until_now {
        let length = Duration::from_secs_f64(arguments.rows as f64 / arguments.rate);
        now - i64::try_from(length.as_micros())?
    } else {
        (now.div_euclid(DAY) - 2) * DAY
    };
    let clock = Arc::new(TrafficClock {
        now: begin.into(),
        machine: SystemClock::default(),
    });
    let mut options = Options::default();
    options.memory = arguments.memory;
    let shared: Arc<TrafficClock> = Arc::clone(&clock);
    options.clock = shared;
    let place = arguments.directory.join("store");
    let store = Store::open(&place, options)?;
    let mut maker = Maker::new(&arguments.directory)?;
    let mut traffic = Traffic::new(arguments.rate, begin, 1);
    let mut samples = Samples::new(begin, arguments.rows);
    let (begun, mut making) = (Instant::now(), Duration::ZERO);
    let process = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let threads = thread_times(std::process::id())?;
    let (mut done, mut looked_at) = (0, begin);
    while done < arguments.rows {
        let before = cpu(ClockId::CLOCK_THREAD_CPUTIME_ID);
        let count = BATCH.min(arguments.rows - done);
        let messages: Vec<SipMessage> = traffic
            .by_ref()
            .take(usize::try_from(count)?)
            .inspect(|message| {
                samples.see(done, message);
                done += 1;
            })
            .collect();
        making += cpu(ClockId::CLOCK_THREAD_CPUTIME_ID).saturating_sub(before);
        for message in messages {
            clock.now.store(message.at + ON_THE_WAY, Ordering::Relaxed);
            maker.keep(message)?;
        }
        let _ticket = store.append(maker.writer.take())?;
        if clock.now() >= looked_at + LOOK {
            looked_at = clock.now();
            let mut records = RowBatchBuilder::default();
            maker
                .calls
                .close_and_write(system_time(looked_at), &mut records);
            if !records.is_empty() {
                let _ticket = store.append(records)?;
            }
        }
        if done / SAID != (done - count) / SAID {
            println!("  {done} rows after {:.0} s", begun.elapsed().as_secs_f64());
        }
    }
    let _flushed: bool = store.flush(Duration::from_secs(120));
    let all = cpu(ClockId::CLOCK_PROCESS_CPUTIME_ID).saturating_sub(process + making);
    let tidying = thread_times(std::process::id())?.since(&threads);
    let tidying = tidying.of("store-tidy").total();
    clock.now.fetch_add(2 * 3_600 * SECOND, Ordering::Relaxed);
    let report = store.compact();
    let stats = store.stats();
    store.close();
    let rows = arguments.rows as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / rows;
    let octets = octets_of(&place) as f64 / rows;
    let peak = peak_memory();
    println!(
        "{} messages and their calls ({} rows, {} segments) in {:.0} s: {:.2} us of CPU a message from frame to segment, compaction apart, which took {:.2} us",
        arguments.rows,
        stats.rows_in_segments,
        stats.segments,
        begun.elapsed().as_secs_f64(),
        micros(all.saturating_sub(tidying)),
        micros(tidying)
    );
    println!(
        "  {octets:.1} octets a message on disk; {} merges at the end, {} postponed; peak memory {} MiB of a budget of {} MiB",
        report.merges,
        report.postponed,
        peak >> 20,
        arguments.memory >> 20
    );
    let figures = json!({
        "rows": arguments.rows,
        "rows_with_records": stats.rows_in_segments,
        "segments": stats.segments,
        "cpu_us": micros(all.saturating_sub(tidying)),
        "tidying_us": micros(tidying),
        "octets_per_message": octets,
        "peak_octets": peak,
    });
    Ok((figures, samples))
}

impl Maker {
    fn new(directory: &Path) -> Fallible<Self> {
        let peer: SocketAddr = "10.1.0.7:40123".parse()?;
        let local: SocketAddr = "10.1.0.1:9060".parse()?;
        let origin = Origin::new(ListenerId(1), Transport::Tcp, peer, local);
        let agent = agent_name(peer.ip(), Some(2_001));
        // Open calls are kept in memory only: the day has an end.
        let (calls, _mark) = Calls::open(
            directory.join("calls.open"),
            Limits::default(),
            Rules::default(),
            ClockBounds::default(),
        );
        Ok(Self {
            origin: Arc::new(origin),
            agent,
            calls,
            writer: RowWriter::default(),
        })
    }

    /// As the node does with what a listener hands over.
    fn keep(&mut self, message: SipMessage) -> Fallible<()> {
        let received = system_time(message.at + ON_THE_WAY);
        let decoded = Message::parse_lax(Bytes::from(message.frame))?;
        let envelope = Envelope::new(decoded, Arc::clone(&self.origin), received);
        let arrival = Arrival::Message(envelope);
        let inflated = Inflated::default();
        let capture = Capture::new(&arrival, "edge", Some(&inflated));
        let Some(Capture::Message(view)) = capture else {
            return Err("a frame that is no message".into());
        };
        let attached = self.calls.see(&view, &self.agent);
        let about = About {
            listener: "edge",
            clock: ClockBounds::default(),
            labels: None,
            attached: attached
                .as_ref()
                .map(|attached| (&*attached.call_id, attached.by.label())),
        };
        Ok(self.writer.message(&view, &about)?)
    }
}

fn system_time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).unwrap_or_default())
}

/// Octets of everything in a directory but its log.
fn octets_of(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != "log")
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => octets_of(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}
