//! A day of traffic in a data directory, as a node would have kept it: for figures of searches.
//!
//! ```text
//! cargo run --release -p hepcat --example kept_day -- --rows 50000000 --rate 579 --directory D
//! ```
//!
//! Frames are decoded, scanned, followed and kept by the code of the node; only sockets are missing, and the clock is that
//! of the traffic, so that a day passes in minutes. Afterwards the engine is searched, and a node may be started on the
//! directory: `samples.json` says what there is to ask for. `cargo xtask bench store` does all of that. With `--until-now`
//! the last message is of now, however few hours that makes, and nothing is searched.

#![expect(clippy::print_stdout, reason = "what it says is its result")]

mod day;
mod engine;
mod samples;

use std::{
    error::Error,
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use hepcat_store::{Clock, Options, Store, SystemClock};
use nix::time::{ClockId, clock_gettime};
use samples::Samples;
use serde_json::json;

/// The node's, so that figures of memory and time are the node's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Fallible<T> = Result<T, Box<dyn Error>>;

const SECOND: i64 = 1_000_000;

/// Wall time as the traffic says it.
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
    directory: PathBuf,
    /// The directory is filled already.
    queries_only: bool,
    /// The last message is of now, and only the directory is filled.
    until_now: bool,
}

fn arguments() -> Fallible<Arguments> {
    let (mut rows, mut rate, mut memory) = (50_000_000, 579.0, 256 << 20);
    let (mut directory, mut queries_only, mut until_now) = (None, false, false);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or_else(|| format!("{name} wants a value"));
        match name.as_str() {
            "--rows" => rows = value()?.parse()?,
            "--rate" => rate = value()?.parse()?,
            "--memory-mib" => memory = value()?.parse::<u64>()? << 20,
            "--directory" => directory = Some(PathBuf::from(value()?)),
            "--queries-only" => queries_only = true,
            "--until-now" => until_now = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(Arguments {
        rows,
        rate,
        memory,
        directory: directory.ok_or("--directory is where it goes")?,
        queries_only,
        until_now,
    })
}

fn cpu(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
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

fn main() -> Fallible<()> {
    // As the node does.
    nix::sys::prctl::set_thp_disable(true).ok();
    let arguments = arguments()?;
    let samples_file = arguments.directory.join("samples.json");
    let mut figures = json!({});
    let samples = if arguments.queries_only {
        Samples::from_json(&serde_json::from_slice(&fs::read(&samples_file)?)?)?
    } else {
        fs::create_dir_all(&arguments.directory)?;
        let (made, samples) = day::make(&arguments)?;
        fs::write(&samples_file, samples.to_json().to_string())?;
        figures["made"] = made;
        samples
    };
    if arguments.until_now {
        println!("figures {figures}");
        return Ok(());
    }
    let clock = Arc::new(TrafficClock {
        now: samples.end.into(),
        machine: SystemClock::default(),
    });
    let mut options = Options::default();
    options.memory = arguments.memory;
    options.maintenance = Duration::ZERO;
    options.clock = clock;
    let store = Store::open(&arguments.directory.join("store"), options)?;
    let _of_making = peak_memory();
    figures["questions"] = engine::ask(&store, &samples)?.into();
    figures["asking_peak_octets"] = peak_memory().into();
    store.close();
    println!("figures {figures}");
    Ok(())
}
