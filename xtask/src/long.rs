//! `cargo xtask long NAME`: the full form of suites of which `test` runs a short one.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use hepcat_testkit::{hostile::Siege, soak::Soak};

use crate::{
    bench,
    cargo::{cargo, root, succeeds, target_directory},
    table,
    test::page,
};

#[derive(Debug, Args)]
pub(crate) struct LongArgs {
    /// Which one.
    suite: LongSuite,
    /// Seconds: of each fuzz target (600), of the steady load (3600), of each fault (60).
    #[arg(long)]
    seconds: Option<u64>,
    /// Minutes of hostile input (60), of the soak (120).
    #[arg(long)]
    minutes: Option<u64>,
    /// Messages per second of the soak.
    #[arg(long, default_value_t = 2_000)]
    rate: u32,
    /// What is random in the soak and in hostile input follows from this; another each time where it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Messages that are kept before the browser comes.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Cases of each property test.
    #[arg(long, default_value_t = 100_000)]
    cases: u64,
    /// Only fuzz targets whose name contains this.
    #[arg(long)]
    target: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LongSuite {
    /// Property tests with many cases, and the tests that are marked as long.
    Property,
    /// Every fuzz target.
    Fuzz,
    /// Everything that strangers can send, for an hour: nothing grows, nothing panics, good agents are served.
    Hostile,
    /// Mixed load and faults for hours: the ledger adds up, memory and descriptors do not grow.
    Soak,
    /// The node under half load for an hour: no loss, and memory that does not grow.
    Steady,
    /// The node killed 50 times under load, in each mode of the spool: nothing is lost that was counted as safe.
    Kills,
    /// The store: 200 kills under load, a kill and a full disk at every step.
    StoreKills,
    /// Every fault of a collector for a minute each, and how long the sender's writes took.
    Faults,
    /// The page in Chromium as in `test`, before a store of a million messages.
    Browser,
}

pub(crate) fn suite_names() -> Vec<String> {
    LongSuite::value_variants()
        .iter()
        .filter_map(|suite| Some(suite.to_possible_value()?.get_name().to_owned()))
        .collect()
}

/// Runs one; whether it passed.
pub(crate) fn run(arguments: &LongArgs) -> Result<bool> {
    match arguments.suite {
        LongSuite::Property => property(arguments.cases),
        LongSuite::Fuzz => fuzz(
            arguments.seconds.unwrap_or(600),
            arguments.target.as_deref(),
        ),
        LongSuite::Kills => kills(),
        LongSuite::StoreKills => store(&["killed_under_load", "killed_anywhere"]),
        LongSuite::Faults => faults(arguments.seconds.unwrap_or(60)),
        LongSuite::Hostile => hostile(arguments.lasting(60), arguments.seed()),
        LongSuite::Soak => soak(arguments),
        LongSuite::Browser => browser(arguments.rows),
        LongSuite::Steady => bench::steady(Duration::from_secs(arguments.seconds.unwrap_or(3600))),
    }
}

impl LongArgs {
    fn lasting(&self, minutes: u64) -> Duration {
        Duration::from_secs(60 * self.minutes.unwrap_or(minutes))
    }

    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| std::process::id().into())
    }
}

/// The checks of the page before a store that was filled.
fn browser(rows: u64) -> Result<bool> {
    let Some(binary) = release_build()? else {
        return Ok(false);
    };
    let mut checks = match page::browser("run.js", &binary)? {
        Ok(checks) => checks,
        Err(why) => bail!(why),
    };
    let directory = tempfile::tempdir()?;
    bench::fill(directory.path(), rows, 256)?;
    let outcome = page::checked(checks.arg("--kept").arg(directory.path()))?;
    Ok(outcome.is_good())
}

/// How much more memory the last quarter may take than the second.
const GROWTH: u64 = 8 << 20;

/// The most memory under siege: 10,000 connections that have begun a frame each, and bombs that are looked into.
const MOST: u64 = 512 << 20;

/// A siege of a release build with 10,000 connections; prints memory, descriptors and the ledger at the end.
fn hostile(duration: Duration, seed: u64) -> Result<bool> {
    let Some(binary) = release_build()? else {
        return Ok(false);
    };
    println!("hostile input for {duration:?}, seed {seed}");
    let mut siege = Siege::new(duration, seed);
    siege.connections = 10_000;
    siege.talkative = true;
    let outcome = siege.run(&binary)?;
    print!("{outcome}");
    let panicked = outcome.output.contains("panicked");
    let grew = (outcome.late.least).saturating_sub(outcome.early.least);
    let (served, closed) = (outcome.served(), outcome.gave_back());
    let balanced = outcome.status["ledger"]["unaccounted"] == 0;
    let crowded = outcome.descriptors >= siege.connections;
    println!(
        "ended well: {}, panicked: {panicked}, grew by {} KiB, good agents served: {served}, {} connections at once: {crowded}, \
         descriptors given back: {closed}, ledger balanced: {balanced}",
        outcome.ended_well,
        grew / 1024,
        siege.connections
    );
    let bounded = outcome.late.most <= MOST;
    let unharmed = outcome.ended_well && !panicked && grew <= GROWTH && bounded;
    Ok(unharmed && served && crowded && closed && balanced)
}

/// A soak of a release build with faults of up to half a minute; prints memory, descriptors and the ledger at the end.
fn soak(arguments: &LongArgs) -> Result<bool> {
    let Some(binary) = release_build()? else {
        return Ok(false);
    };
    let mut soak = Soak::new(arguments.lasting(120), arguments.seed());
    soak.rate = arguments.rate;
    soak.fault = Duration::from_secs(30);
    soak.talkative = true;
    println!(
        "{} messages per second for {:?}, seed {}",
        soak.rate, soak.duration, soak.seed
    );
    let outcome = soak.run(&binary)?;
    print!("{outcome}");
    let panicked = outcome.output.contains("panicked");
    let (early, late) = (&outcome.early, &outcome.late);
    let grew = late.resident.saturating_sub(early.resident);
    let flat = late.descriptors <= early.descriptors + 8;
    println!(
        "ended well: {}, panicked: {panicked}, grew by {} KiB, descriptors flat: {flat}, adds up: {}",
        outcome.ended_well,
        grew / 1024,
        outcome.wrong.is_empty()
    );
    Ok(outcome.ended_well && !panicked && grew <= GROWTH && flat && outcome.wrong.is_empty())
}

/// The program with optimizations: what `HEPCAT_BINARY` names, else as it is built now.
fn release_build() -> Result<Option<PathBuf>> {
    if let Some(binary) = env::var_os("HEPCAT_BINARY") {
        return Ok(Some(binary.into()));
    }
    let built = succeeds(&mut cargo(&["build", "--release", "--package", "hepcat"]))?;
    let path = target_directory()?.join("release/hepcat");
    Ok(built.then_some(path))
}

fn property(cases: u64) -> Result<bool> {
    let tests = [
        "test",
        "--release",
        "--workspace",
        "--exclude",
        "hepcat-interop",
        "--no-fail-fast",
        "--",
        "--include-ignored",
    ];
    succeeds(cargo(&tests).env("PROPTEST_CASES", cases.to_string()))
}

/// The tests of faults, each for so many seconds; then the distributions that they print, the healthy case among
/// them. Whether they passed says nothing about times.
fn faults(seconds: u64) -> Result<bool> {
    let tests = [
        "test",
        "--release",
        "-p",
        "hepcat",
        "--test",
        "faults",
        "--",
        "--nocapture",
        "--test-threads",
        "1",
    ];
    let head = [
        "fault",
        "writes",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "over 10 ms",
        "descriptors",
        "at most",
        "MiB",
        "at most",
        "queued",
    ];
    let mut command = cargo(&tests);
    let command = command.env("HEPCAT_FAULT_SECONDS", seconds.to_string());
    let (passed, rows) = tabled(command, "fault\t", &head)?;
    println!(
        "\nWrites of the sender over TCP, 500 messages per second:\n{}",
        table::render(&rows)
    );
    Ok(passed)
}

/// The long tests of the store in these files.
fn store(files: &[&str]) -> Result<bool> {
    let mut arguments = vec!["test", "--release", "--package", "hepcat-store"];
    for file in files {
        arguments.extend(["--test", *file]);
    }
    arguments.extend(["--", "--ignored"]);
    succeeds(&mut cargo(&arguments))
}

/// The node killed again and again; what came of it as a table.
fn kills() -> Result<bool> {
    let tests = [
        "test",
        "--release",
        "-p",
        "hepcat",
        "--test",
        "a_spool_survives_kills",
        "--",
        "--nocapture",
        "--test-threads",
        "1",
    ];
    let head = [
        "mode",
        "fsync",
        "kills",
        "safe",
        "arrived",
        "spooled",
        "carried over",
        "twice",
        "counted",
        "most in memory",
    ];
    let mut command = cargo(&tests);
    let (passed, rows) = tabled(command.env("HEPCAT_KILLS", "50"), "kills\t", &head)?;
    println!("\nFrames, summed over all kills:\n{}", table::render(&rows));
    Ok(passed)
}

/// Runs tests that print rows of a table, each behind `mark`, and passes on what else they say.
fn tabled(command: &mut Command, mark: &str, head: &[&str]) -> Result<(bool, Vec<Vec<String>>)> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let mut rows = vec![head.iter().map(|&word| word.to_owned()).collect()];
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            // The harness begins a line with the test's name, and the test goes on in it.
            match line.split_once(mark) {
                Some((_, figures)) => rows.push(figures.split('\t').map(str::to_owned).collect()),
                None => println!("{line}"),
            }
        }
    }
    Ok((child.wait()?.success(), rows))
}

/// libFuzzer wants flags that stable Rust refuses; `RUSTC_BOOTSTRAP` makes the stable compiler accept them.
fn fuzz(seconds: u64, only: Option<&str>) -> Result<bool> {
    let directory = root().join("fuzz");
    let mut passed = true;
    for target in fuzz_targets(&directory)? {
        if only.is_some_and(|only| !target.contains(only)) {
            continue;
        }
        let found = directory.join("corpus").join(&target);
        fs::create_dir_all(&found)?;
        let seeds = root().join("testdata/fuzz").join(&target);
        let mut command = cargo(&["fuzz", "run", &target]);
        command.arg(found);
        if seeds.is_dir() {
            command.arg(seeds);
        }
        command
            .args(["--", "-max_len=70000", "-print_final_stats=1"])
            .arg(format!("-max_total_time={seconds}"));
        command.env("RUSTC_BOOTSTRAP", "1");
        passed &= succeeds(&mut command)?;
    }
    Ok(passed)
}

fn fuzz_targets(directory: &Path) -> Result<Vec<String>> {
    let mut list: Command = cargo(&["fuzz", "list"]);
    let output = list.current_dir(directory).output();
    match output {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8_lossy(&output.stdout).into_owned();
            Ok(names.lines().map(|name| name.trim().to_owned()).collect())
        }
        _ => bail!("cargo fuzz cannot list targets: `cargo install cargo-fuzz --locked` brings it"),
    }
}
