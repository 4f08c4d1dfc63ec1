//! A rate held for minutes: CPU, loss, memory, octets on disk.

use std::{
    fs::File,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hepcat_testkit::{
    NodeProcess,
    load::{CallsConfig, CallsReport, ThreadTimes, Usage, thread_times, usage},
};
use serde_json::{Value, json};

use super::{KeepArgs, LISTENER, Place, node_config};
use crate::{
    bench::{
        ask::{StoreLedger, store_ledger},
        bars::{Bars, mib},
        calls::{CallsProcess, say_alone},
        example::example,
        results_file,
    },
    table::{render, row},
};

const RATE: f64 = 50_000.0;
const SECONDS: u64 = 600;
/// The store's thread that compacts, and applies retention.
const COMPACTION: &str = "store-tidy";
/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// A generation is written as segments after ten seconds at most: that belongs to the cost of its rows.
const SETTLING: Duration = Duration::from_secs(12);
/// What memory may take beyond the budget.
const BEYOND_BUDGET_MIB: f64 = 100.0;
/// The density for which octets have a bar, messages per second.
const DENSITY: f64 = 10_000.0;

/// What one run came to.
struct Kept {
    sent: CallsReport,
    ledger: StoreLedger,
    threads: ThreadTimes,
    memory: Usage,
    /// What the engine found afterwards, on its own.
    counted: Value,
}

pub(super) fn run(arguments: &KeepArgs) -> Result<bool> {
    let rate = arguments.rate.unwrap_or(RATE);
    let seconds = arguments.seconds.unwrap_or(SECONDS);
    let counting = example("hepcat-store", "store_figures")?;
    let bench = arguments.arrangement.bench()?;
    say_alone(&bench, rate)?;

    let place = Place::new(arguments.directory.as_deref())?;
    let config = node_config(place.path(), "127.0.0.1:0", arguments.memory_mib);
    let mut node = if arguments.unpinned {
        bench.start_unpinned(&config)?
    } else {
        bench.start_configured(&config)?
    };
    let mut load = CallsConfig::new(node.listener(LISTENER));
    load.rate = Some(rate);
    load.duration = Duration::from_secs(seconds);
    let before = thread_times(node.id())?;
    let mut generator = CallsProcess::start(bench.load_core, &load)?;
    watch(&node, &mut generator)?;
    let sent = generator.finish()?;
    let ledger = drained(&node, sent.sent)?;
    thread::sleep(SETTLING);
    let threads = thread_times(node.id())?.since(&before);
    let memory = usage(node.id())?;
    node.terminate();
    ensure!(node.wait_for_exit().success(), "the node did not end well");

    let counted = counting.figures(&[
        "--finish",
        "--directory",
        &place.store().to_string_lossy(),
        "--memory-mib",
        &arguments.memory_mib.to_string(),
    ])?;
    let kept = Kept {
        sent,
        ledger,
        threads,
        memory,
        counted,
    };
    let file = results_file("keep")?;
    let line = kept.to_json(rate, seconds, arguments.memory_mib);
    writeln!(File::create(&file)?, "{line}")?;
    kept.say();
    let bars = kept.bars(rate, arguments.memory_mib);
    println!("single runs: {}", file.display());
    Ok(bars.say())
}

/// Says how it goes until the generator has ended.
fn watch(node: &NodeProcess, generator: &mut CallsProcess) -> Result<()> {
    let started = Instant::now();
    let mut next = LOOK;
    while generator.is_running()? {
        thread::sleep(Duration::from_millis(100));
        if started.elapsed() < next {
            continue;
        }
        next += LOOK;
        let ledger = store_ledger(node)?;
        let resident = usage(node.id())?.resident;
        println!(
            "  {:>5} s  {:>10} kept  {:>6} queued  {} dropped  {:>6.1} MiB resident",
            started.elapsed().as_secs(),
            ledger.delivered,
            ledger.queued,
            ledger.dropped,
            mib(resident)
        );
    }
    Ok(())
}

/// Waits until everything that was sent is kept, or given up.
fn drained(node: &NodeProcess, sent: u64) -> Result<StoreLedger> {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let ledger = store_ledger(node)?;
        if ledger.offered >= sent && ledger.queued == 0 {
            return Ok(ledger);
        }
        ensure!(
            Instant::now() < until,
            "waited in vain for {sent} messages: {ledger:?}"
        );
        thread::sleep(Duration::from_millis(20));
    }
}

impl Kept {
    fn micros(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.sent.sent.max(1) as f64
    }

    /// CPU of everything but compaction, microseconds a message.
    fn without_compaction(&self) -> f64 {
        let compaction = self.threads.of(COMPACTION).total();
        self.micros(self.threads.process.total().saturating_sub(compaction))
    }

    fn count(&self, what: &str) -> u64 {
        self.counted[what].as_u64().unwrap_or(0)
    }

    fn octets(&self) -> f64 {
        self.counted["octets_per_message"]
            .as_f64()
            .unwrap_or(f64::NAN)
    }

    fn say(&self) {
        let mut rows = vec![row(&[
            &"threads",
            &"user us/msg",
            &"system us/msg",
            &"together",
        ])];
        let mut named = Duration::ZERO;
        for (name, time) in &self.threads.by_name {
            named += time.total();
            if time.total().is_zero() {
                continue;
            }
            rows.push(row(&[
                name,
                &format!("{:.2}", self.micros(time.user)),
                &format!("{:.2}", self.micros(time.system)),
                &format!("{:.2}", self.micros(time.total())),
            ]));
        }
        let all = self.threads.process;
        let ended = all.total().saturating_sub(named);
        rows.push(row(&[
            &"(ended)",
            &"",
            &"",
            &format!("{:.2}", self.micros(ended)),
        ]));
        rows.push(row(&[
            &"all",
            &format!("{:.2}", self.micros(all.user)),
            &format!("{:.2}", self.micros(all.system)),
            &format!("{:.2}", self.micros(all.total())),
        ]));
        println!("\n{}", render(&rows));
        println!(
            "sent {} at {:.0} per second ({:.0} octets of payload), at most {:.2} s late, {:.2} s at the end",
            self.sent.sent,
            self.sent.rate(),
            self.sent.payload_octets as f64 / self.sent.sent.max(1) as f64,
            self.sent.most_late,
            self.sent.late
        );
        println!(
            "rows on disk {}, of it different messages {}; {} records of calls and registrations",
            self.count("messages"),
            self.count("distinct"),
            self.count("records")
        );
        println!(
            "octets per message after compaction, the log apart: {:.1}",
            self.octets()
        );
    }

    fn bars(&self, rate: f64, memory_mib: u64) -> Bars {
        let mut bars = Bars::default();
        let sent = self.sent.sent;
        bars.at_least(
            "messages per second, held",
            self.sent.rate(),
            0.99 * rate,
            0,
        );
        bars.at_most("seconds behind the pace at the end", self.sent.late, 1.0);
        let whole = self.ledger.delivered == sent && self.ledger.dropped == 0;
        bars.add(
            "no loss, by the ledger",
            &format!("{} of {sent}", self.ledger.delivered),
            whole,
        );
        let (messages, distinct) = (self.count("messages"), self.count("distinct"));
        bars.add(
            "no loss and nothing twice, by counting rows",
            &format!("{messages} rows, {distinct} different, {sent} sent"),
            messages == sent && distinct == sent,
        );
        bars.at_most(
            "CPU us per message, compaction apart",
            self.without_compaction(),
            12.0,
        );
        bars.at_most(
            "peak MiB",
            mib(self.memory.resident_peak),
            memory_mib as f64 + BEYOND_BUDGET_MIB,
        );
        if (rate - DENSITY).abs() < 1.0 {
            bars.at_most("octets per message on disk", self.octets(), 110.0);
        }
        bars
    }

    fn to_json(&self, rate: f64, seconds: u64, memory_mib: u64) -> Value {
        let threads = self.threads.by_name.iter().map(|(name, time)| {
            let times = json!({
                "user_us": self.micros(time.user),
                "system_us": self.micros(time.system),
            });
            (name.clone(), times)
        });
        json!({
            "rate": rate,
            "seconds": seconds,
            "memory_mib": memory_mib,
            "sent": self.sent,
            "delivered": self.ledger.delivered,
            "dropped": self.ledger.dropped,
            "cpu_us": self.micros(self.threads.process.total()),
            "system_us": self.micros(self.threads.process.system),
            "cpu_us_without_compaction": self.without_compaction(),
            "threads": threads.collect::<serde_json::Map<_, _>>(),
            "resident_peak": self.memory.resident_peak,
            "on_disk": self.counted,
        })
    }
}
