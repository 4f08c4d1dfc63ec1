//! `bench page`: the page in Chromium before a node that keeps a million messages.

use std::{
    env,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;
use tempfile::TempDir;

use super::{bars::Bars, example::example, results_file};
use crate::{
    cargo::{root, watch},
    test::page::browser,
};

/// What begins the line with the figures, as JSON.
const MARK: &str = "figures ";
/// Messages per second of the traffic that is kept: a million of them are five hours.
const RATE: &str = "58";
/// Octets of the page, compressed.
const WEIGHT: f64 = 150_000.0;

#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// Messages that are kept before the page is opened.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// `[store] memory` while they are put there, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mib: u64,
    /// A data directory that is filled already.
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Fills a data directory with messages and their calls of the last hours, the last one of now.
pub(crate) fn fill(directory: &Path, rows: u64, memory_mib: u64) -> Result<()> {
    let (rows, memory) = (rows.to_string(), memory_mib.to_string());
    let place = directory.to_str().context("the directory is no UTF-8")?;
    let arguments = [
        "--rows",
        &rows,
        "--rate",
        RATE,
        "--memory-mib",
        &memory,
        "--directory",
        place,
        "--until-now",
    ];
    example("hepcat", "kept_day")?.figures(&arguments)?;
    Ok(())
}

pub(super) fn run(arguments: &PageArgs) -> Result<bool> {
    let this = env::current_exe()?;
    let mut command = match browser("figures.js", &this.with_file_name("hepcat"))? {
        Ok(command) => command,
        Err(why) => bail!(why),
    };
    let filled: TempDir;
    let directory = match &arguments.directory {
        Some(directory) => directory.as_path(),
        None => {
            filled = tempfile::tempdir()?;
            fill(filled.path(), arguments.rows, arguments.memory_mib)?;
            filled.path()
        }
    };
    let mut figures = None;
    let succeeded = watch(command.arg(directory).arg(&this), |line| {
        if let Some(json) = line.strip_prefix(MARK) {
            figures = Some(serde_json::from_str(json));
        }
    })?;
    ensure!(succeeded, "the page could not be measured");
    let figures: Value = figures.context("no figures")??;
    let file = results_file("page")?;
    writeln!(File::create(&file)?, "{figures}")?;
    println!("single runs: {}", file.display());
    Ok(judged(&figures, weight()?).say())
}

/// What was wanted, and what came.
fn judged(figures: &Value, weight: f64) -> Bars {
    let mut bars = Bars::default();
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let rows = number(&figures["rows"]);
    bars.at_least("rows that are kept", rows, 1_000_000.0, 0);
    for (group, what, most) in [
        ("first_list", "first calls painted", 500.0),
        ("ladder", "ladder of 50 messages painted", 200.0),
    ] {
        for (name, millis) in figures[group].as_object().into_iter().flatten() {
            let (median, worst) = (number(&millis["median"]), number(&millis["most"]));
            let wanted = format!("{what} ({name}), at most {most} ms");
            let measured = format!("{median:.0} in the median, {worst:.0} at most");
            bars.add(&wanted, &measured, worst <= most);
        }
    }
    for (name, long) in figures["long_tasks"].as_object().into_iter().flatten() {
        let long: Vec<f64> = long.as_array().into_iter().flatten().map(number).collect();
        let longest = long.iter().copied().fold(0.0, f64::max);
        let measured = format!("{} of them, {longest:.0} ms at most", long.len());
        let wanted = format!("{name}: no task of the main thread above 50 ms");
        bars.add(&wanted, &measured, long.is_empty());
    }
    bars.at_most("octets of the page, compressed", weight, WEIGHT);
    bars
}

/// Octets that a browser loads for the page, compressed: the last line of what weighs it says so.
fn weight() -> Result<f64> {
    let web = root().join("web");
    let mut total = None;
    for script in ["build", "weigh"] {
        let mut command = Command::new("npm");
        command.current_dir(&web).args(["run", "--silent", script]);
        ensure!(
            watch(&mut command, |line| {
                let mut words = line.split_whitespace();
                if let (Some(octets), Some("of")) = (words.next(), words.next()) {
                    total = octets.parse().ok();
                }
            })?,
            "npm run {script} failed"
        );
    }
    total.context("the page has no weight")
}
