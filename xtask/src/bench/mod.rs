//! `cargo xtask bench`: figures of whole processes, each held to a core, compared within one run.

mod ask;
mod bars;
pub(crate) mod calls;
mod ceiling;
pub(crate) mod child;
mod example;
mod keep;
mod page;
mod path;
mod priority;
mod relay;
mod rivals;
mod run;
mod spool;
mod steady;
mod store;

use std::{
    env,
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::Command,
    time::{Duration, SystemTime},
};

use anyhow::{Result, bail, ensure};
use clap::{Args, Subcommand};
use hepcat_testkit::load::MESSAGES_PER_CALL;

use crate::cargo::{cargo, succeeds, target_directory};
use run::Bench;

pub(crate) use page::fill;

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// The node between generator and sink: rate, loss, order, CPU, memory, latency, over every path.
    Relay(relay::RelayArgs),
    /// What generator and sink carry without the node.
    Ceiling(CeilingArgs),
    /// Receiving into the spool and replaying from it, beside plain relaying.
    Spool(spool::SpoolArgs),
    /// The node with its store under calls of realistic entropy: CPU, loss, memory, octets on disk; with --visible how
    /// soon a message is found, with --killed what a kill costs.
    Keep(keep::KeepArgs),
    /// Octets a message, and what searches over a day cost: the engine alone, and a node over HTTP.
    Store(store::StoreArgs),
    /// The page in Chromium before a store of a million messages: first list, ladders, long tasks, weight.
    Page(page::PageArgs),
    /// The same messages in the store, PostgreSQL and SQLite, and the same questions to these, DuckDB and ClickHouse.
    Rivals(rivals::RivalsArgs),
    /// The codec, the SIP scanner and the query matcher by criterion.
    Codec,
}

#[derive(Debug, Args)]
pub(crate) struct CeilingArgs {
    #[command(flatten)]
    arrangement: Arrangement,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// Who runs where, and how the load is sent.
#[derive(Debug, Args)]
struct Arrangement {
    /// The core of the node.
    #[arg(long, default_value_t = 0)]
    node_core: usize,
    /// The core that generator and sinks share.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Datagrams that the generator hands to the kernel with one call: 13 is cheapest, agents send one.
    #[arg(long, default_value_t = MESSAGES_PER_CALL)]
    datagrams_per_call: usize,
    /// Measure latency with node, generator and sinks above everything else on the machine (`chrt`, wants
    /// root): a kernel thread that takes a core for some milliseconds now and then is otherwise a 99th
    /// percentile.
    #[arg(long)]
    realtime: bool,
}

impl Default for Arrangement {
    fn default() -> Self {
        Self {
            node_core: 0,
            load_core: 1,
            datagrams_per_call: MESSAGES_PER_CALL,
            realtime: false,
        }
    }
}

impl Arrangement {
    fn bench(&self) -> Result<Bench> {
        let binary = env::current_exe()?.with_file_name("hepcat");
        Ok(Bench::new(self, binary))
    }
}

pub(crate) fn run(command: &BenchCommand) -> Result<bool> {
    if let BenchCommand::Codec = command {
        return succeeds(&mut cargo(&[
            "bench",
            "--package",
            "hepcat-wire",
            "--package",
            "hepcat-sip",
            "--package",
            "hepcat",
            "--benches",
        ]));
    }
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    say_load();
    match command {
        BenchCommand::Relay(arguments) => relay::run(arguments),
        BenchCommand::Spool(arguments) => spool::run(arguments),
        BenchCommand::Ceiling(arguments) => {
            let bench = arguments.arrangement.bench()?;
            ceiling::report(&bench, Duration::from_secs(arguments.seconds))
        }
        BenchCommand::Keep(arguments) => keep::run(arguments),
        BenchCommand::Store(arguments) => store::run(arguments),
        BenchCommand::Page(arguments) => page::run(arguments),
        BenchCommand::Rivals(arguments) => rivals::run(arguments),
        BenchCommand::Codec => Ok(true),
    }
}

/// `long steady`.
pub(crate) fn steady(duration: Duration) -> Result<bool> {
    if cfg!(debug_assertions) {
        return run_optimised();
    }
    steady::run(&Arrangement::default().bench()?, duration)
}

/// Figures of an unoptimised build mean nothing: builds the node and this program, and becomes the latter.
fn run_optimised() -> Result<bool> {
    // One after the other: built together, the node would get the features that this program asks of its dependencies.
    for package in ["hepcat", "xtask"] {
        let built = succeeds(&mut cargo(&["build", "--release", "--package", package]))?;
        ensure!(built, "{package} does not build");
    }
    let program = target_directory()?.join("release/xtask");
    let error = Command::new(&program).args(env::args_os().skip(1)).exec();
    bail!("{}: {error}", program.display())
}

/// Says how busy the machine is: figures from a busy one are worth little.
fn say_load() {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let average = average.split(' ').next().unwrap_or_default();
    println!("load average before the first run: {average}");
}

/// A port of loopback that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// A new file for the results of single runs, one JSON object a line.
fn results_file(name: &str) -> Result<PathBuf> {
    let directory = target_directory()?.join("bench");
    std::fs::create_dir_all(&directory)?;
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(directory.join(format!("{name}-{}.jsonl", since_epoch.as_secs())))
}
