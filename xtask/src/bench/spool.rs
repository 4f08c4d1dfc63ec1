//! `bench spool`: receiving into the spool and replaying from it, beside plain relaying in the same run.

use std::{
    net::SocketAddr,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hepcat_testkit::{
    NodeProcess,
    load::{self, GeneratorConfig, GeneratorReport, LaneReport, now_micros},
};
use serde_json::Value;

use super::{
    Arrangement,
    child::{SinkProcess, run_generator},
    free_address,
    path::Path,
    run::{Bench, Load},
};
use crate::table::{render, row};

/// What the bars say.
const WANTED_RATE: f64 = 100_000.0;
const MOST_CPU: f64 = 1.5;
const MOST_MEMORY_MIB: f64 = 100.0;
/// How long it is driven flat out into the spool: that fills a disk.
const BRIEF: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(crate) struct SpoolArgs {
    /// Messages per second where a rate is held.
    #[arg(long, default_value_t = 1.1 * WANTED_RATE)]
    rate: f64,
    /// Messages that are spooled and replayed in the long case; 10,000,000 for the bar about memory. Each takes some
    /// 700 octets of disk in the directory of temporary files.
    #[arg(long, default_value_t = 10_000_000)]
    messages: u64,
    /// Seconds of every other case.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[command(flatten)]
    arrangement: Arrangement,
}

/// One measured stretch.
#[derive(Debug, Clone, Default)]
struct Stretch {
    what: String,
    messages: u64,
    rate: f64,
    cpu_micros: f64,
    peak_mib: f64,
    lost: u64,
    disorder: u64,
}

pub(super) fn run(arguments: &SpoolArgs) -> Result<bool> {
    let bench = Runs {
        bench: arguments.arrangement.bench()?,
        rate: arguments.rate,
        short: Duration::from_secs(arguments.seconds),
    };
    let long = Duration::from_secs_f64(arguments.messages as f64 / arguments.rate);
    let held = Some(arguments.rate);

    let relay = bench.relay("relay", None, held)?;
    let always = bench.relay(
        "mode = always, fsync = 1s, up",
        Some(r#"{ mode = "always", fsync = "1s", max_size = "64GiB" }"#),
        held,
    )?;
    let relay_flat = bench.relay("relay, flat out", None, None)?;
    let brief = bench.short.min(BRIEF);
    let flat = bench.spool("1s", "block", None, brief)?;
    let synced = bench.spool("always", "spool", held, bench.short)?;
    let synced_flat = bench.spool("always", "block", None, brief)?;
    let measured = bench.spool("1s", "spool", held, long)?;

    let mut rows = vec![row(&[
        &"what",
        &"messages",
        &"msg/s",
        &"CPU us/msg",
        &"peak MiB",
        &"lost",
        &"disorder",
    ])];
    let stretches = [&relay, &always, &relay_flat].into_iter();
    let spooled = [&flat, &synced, &synced_flat, &measured];
    for one in stretches.chain(spooled.iter().flat_map(|one| [&one.written, &one.replayed])) {
        rows.push(row(&[
            &one.what,
            &one.messages,
            &format!("{:.0}", one.rate),
            &format!("{:.2}", one.cpu_micros),
            &format!("{:.1}", one.peak_mib),
            &one.lost,
            &one.disorder,
        ]));
    }
    println!("\n{}", render(&rows));
    for (one, name) in spooled
        .iter()
        .zip(["flat out", "synced", "synced flat out", "long"])
    {
        println!(
            "{name}: first delivery {:.0} ms after the port was open again, back-off included",
            one.after_return.as_secs_f64() * 1e3
        );
    }
    let ratio = measured.written.cpu_micros / relay.cpu_micros;
    let peak = measured.written.peak_mib.max(measured.replayed.peak_mib);
    let bars = [
        (
            format!(
                "fsync = 1s: CPU of receiving into the spool {ratio:.2} times that of relaying, at most {MOST_CPU}"
            ),
            ratio <= MOST_CPU,
        ),
        (
            format!(
                "fsync = 1s: {:.0} messages per second from TCP without a loss, at least {WANTED_RATE:.0}",
                measured.written.rate
            ),
            measured.written.lost == 0 && measured.written.rate >= WANTED_RATE,
        ),
        (
            format!(
                "replay of {} messages: peak {peak:.1} MiB, at most {MOST_MEMORY_MIB:.0}",
                measured.replayed.messages
            ),
            measured.replayed.lost == 0 && peak <= MOST_MEMORY_MIB,
        ),
    ];
    for (bar, met) in &bars {
        println!("{}  {bar}", if *met { "met    " } else { "NOT MET" });
    }
    Ok(bars.iter().all(|(_, met)| *met))
}

struct Runs {
    bench: Bench,
    rate: f64,
    short: Duration,
}

/// Receiving while the destination is down, and delivering once it is back.
struct Spooled {
    written: Stretch,
    replayed: Stretch,
    after_return: Duration,
}

impl Runs {
    fn relay(&self, what: &str, spool: Option<&str>, rate: Option<f64>) -> Result<Stretch> {
        let load = self.load(rate, self.short);
        let sink = self.bench.start_sink(load)?;
        let node = self.node(sink.addresses[0], "block", spool)?;
        let before = load::usage(node.id())?;
        let sent = self.generate(&node, load)?;
        let lanes = sink.finish(&sent.sent)?;
        let after = load::usage(node.id())?;
        let lane = lanes.first().context("a lane")?;
        let seconds = lane.last_micros.saturating_sub(sent.started_micros()) as f64 / 1e6;
        let stretch = stretch(what, lane.received, seconds, (before, after), Some(lane));
        say(&stretch);
        if lane.connections > 1 {
            // A connection that takes nothing for `hep_send_timeout` is given up: the sink was starved.
            println!(
                "    {} connections: the figure says little",
                lane.connections
            );
        }
        Ok(stretch)
    }

    fn spool(
        &self,
        fsync: &str,
        when_full: &str,
        rate: Option<f64>,
        duration: Duration,
    ) -> Result<Spooled> {
        let load = self.load(rate, duration);
        let address = free_address()?;
        let spool =
            format!("{{ fsync = {fsync:?}, max_size = \"64GiB\", replay_rate = 100_000_000 }}");
        let node = self.node(address, when_full, Some(&spool))?;
        let name = match rate {
            Some(_) => format!("fsync = {fsync}"),
            None => format!("fsync = {fsync}, flat out"),
        };
        let before = load::usage(node.id())?;
        let sent = self.generate(&node, load)?;
        let total = sent.total();
        // What was sent last may still be between the kernels.
        let on_disk = wait(&node, "everything is on disk", |sink| {
            count(&sink["offered"]) == total && sink["queued"] == 0
        })?;
        let ended = now_micros();
        let between = load::usage(node.id())?;
        let mut written = stretch(
            &format!("{name}: into the spool"),
            count(&on_disk["spooled"]),
            ended.saturating_sub(sent.started_micros()) as f64 / 1e6,
            (before, between),
            None,
        );
        written.lost = total - written.messages;
        say(&written);

        let opened = now_micros();
        let sink = SinkProcess::start_at(self.bench.load_core, address)?;
        wait(&node, "everything is delivered", |sink| {
            sink["spooled"] == 0 && sink["queued"] == 0
        })?;
        let lanes = sink.finish(&sent.sent)?;
        let after = load::usage(node.id())?;
        let lane = lanes.first().context("a lane")?;
        let seconds = lane.last_micros.saturating_sub(lane.first_micros) as f64 / 1e6;
        let replayed = stretch(
            &format!("{name}: replayed"),
            lane.received,
            seconds,
            (between, after),
            Some(lane),
        );
        say(&replayed);
        Ok(Spooled {
            written,
            replayed,
            after_return: Duration::from_micros(lane.first_micros.saturating_sub(opened)),
        })
    }

    fn load(&self, rate: Option<f64>, duration: Duration) -> Load {
        Load {
            path: Path::TcpTcp,
            destinations: 1,
            rate,
            duration,
        }
    }

    fn generate(&self, node: &NodeProcess, load: Load) -> Result<GeneratorReport> {
        let mut config = GeneratorConfig::new(load.path.input(), vec![node.listener("in")]);
        self.bench.adopt(&mut config, load);
        let sent = Self::watched(node, load, || run_generator(self.bench.load_core, &config))?;
        ensure!(sent.failed == 0, "the node took not everything");
        if let Some(rate) = load.rate
            && sent.rate() < rate * 0.98
        {
            println!(
                "the generator reached {:.0} of {:.0} per second",
                sent.rate(),
                self.rate
            );
        }
        Ok(sent)
    }

    /// Says what the node says about itself where the generator does not get on: a full disk, for one, stops it for good
    /// with `block`.
    fn watched<T>(node: &NodeProcess, load: Load, generate: impl FnOnce() -> T) -> T {
        let patience = load.duration * 2 + Duration::from_secs(20);
        let (done, over) = mpsc::sync_channel::<()>(1);
        thread::scope(|scope| {
            scope.spawn(move || {
                while over.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                    println!("the generator does not get on: {:#}", node.status());
                }
            });
            let generated = generate();
            drop(done);
            generated
        })
    }

    fn node(
        &self,
        target: SocketAddr,
        when_full: &str,
        spool: Option<&str>,
    ) -> Result<NodeProcess> {
        let spool = spool.map_or_else(String::new, |spool| format!("spool = {spool}\n"));
        let queue = match when_full {
            "spool" => String::new(),
            when_full => format!("queue = {{ when_full = {when_full:?} }}\n"),
        };
        self.bench.start_configured(&format!(
            "[node]\nname = \"bench\"\ndata_dir = \"{{dir}}\"\n\n\
             [http]\nlisten = \"127.0.0.1:0\"\n\n\
             [[listener]]\nname = \"in\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n\n\
             [[destination]]\nname = \"sink\"\nsocket = \"hep_tcp:{target}\"\n{queue}{spool}"
        ))
    }
}

fn stretch(
    what: &str,
    messages: u64,
    seconds: f64,
    (before, after): (load::Usage, load::Usage),
    lane: Option<&LaneReport>,
) -> Stretch {
    let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
    Stretch {
        what: what.to_owned(),
        messages,
        rate: messages as f64 / seconds.max(1e-6),
        cpu_micros: cpu * 1e6 / messages.max(1) as f64,
        peak_mib: after.resident_peak as f64 / f64::from(1 << 20),
        lost: lane.map_or(0, |lane| lane.lost),
        disorder: lane.map_or(0, |lane| lane.out_of_order + lane.duplicated),
    }
}

fn say(stretch: &Stretch) {
    println!(
        "  {:40} {:>9} messages  {:>8.0} msg/s  cpu {:>5.2} us  peak {:>6.1} MiB  lost {}",
        stretch.what,
        stretch.messages,
        stretch.rate,
        stretch.cpu_micros,
        stretch.peak_mib,
        stretch.lost
    );
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Looks at the destination's half of the ledger until it is as wanted.
fn wait(node: &NodeProcess, what: &str, reached: impl Fn(&Value) -> bool) -> Result<Value> {
    let until = Instant::now() + Duration::from_secs(600);
    loop {
        let status = node.status();
        let sinks = status["sinks"].as_array().context("sinks")?;
        let sink = sinks.iter().find(|sink| sink["name"] == "sink");
        let sink = sink.context("the destination")?;
        let failing = &sink["destination"]["spool"]["failing"];
        ensure!(failing.is_null(), "the spool cannot be written: {failing}");
        if reached(sink) {
            return Ok(sink.clone());
        }
        ensure!(Instant::now() < until, "waited in vain: {what}: {sink}");
        thread::sleep(Duration::from_millis(5));
    }
}
