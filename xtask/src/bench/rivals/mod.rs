//! `bench rivals`: the same messages in our store, in PostgreSQL as heplify-server fills it and in SQLite, and the same
//! questions to each; DuckDB and ClickHouse (chdb) are asked about our own segments.

mod input;
mod ours;
mod postgres;
mod python;

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{Arrangement, results_file};
use crate::table::{render, row};
use input::Input;

#[derive(Debug, Args)]
pub(crate) struct RivalsArgs {
    /// Messages.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Messages per second of their own time.
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// Where everything is made; a temporary directory without it. 4 kilobytes a message.
    #[arg(long)]
    directory: Option<PathBuf>,
    #[command(flatten)]
    arrangement: Arrangement,
}

/// What one of them came to.
#[derive(Debug)]
struct Measured {
    name: &'static str,
    /// CPU microseconds a message until its row is durable; nothing where it only reads.
    cpu_us: Option<f64>,
    /// Octets a message.
    octets: Option<f64>,
    /// Milliseconds of each question, in the order of [`QUESTIONS`].
    millis: Vec<f64>,
    /// Rows found, in the same order.
    found: Vec<u64>,
    note: String,
}

/// What everybody is asked; a text each stands in the file of questions under this name.
const QUESTIONS: [&str; 5] = ["call_id", "user", "status", "newest", "text"];
/// How they stand in the table.
const HEADS: [&str; 5] = [
    "Call-ID ms",
    "user ms",
    "200 of a status",
    "newest 200",
    "payload text",
];

pub(super) fn run(arguments: &RivalsArgs) -> Result<bool> {
    let temporary = tempfile::tempdir()?;
    let place = match &arguments.directory {
        Some(directory) => {
            std::fs::create_dir_all(directory)?;
            directory.as_path()
        }
        None => temporary.path(),
    };
    let path = results_file("rivals")?;
    let mut journal = File::create(&path)?;
    let bench = arguments.arrangement.bench()?;
    let engine = ours::build()?;
    let input = Input::make(place, arguments.rows, arguments.rate)?;
    println!(
        "{} messages at {:.0} a second of their own time; asked for {}",
        input.rows,
        arguments.rate,
        input.questions()
    );
    let mut all = Vec::new();
    let mut missing = Vec::new();
    let mut note = |measured: Result<Vec<Measured>>, who: &str| -> Result<()> {
        match measured {
            Ok(measured) => {
                for one in &measured {
                    writeln!(journal, "{}", one.to_json())?;
                }
                all.extend(measured);
            }
            Err(error) => missing.push(format!("{who}: not measured: {error:#}")),
        }
        Ok(())
    };
    let store = place.join("ours/store");
    note(ours::measure(&bench, &engine, &input, place), "hepcat")?;
    note(postgres::measure(&bench, &input), "PostgreSQL")?;
    note(python::sqlite(&bench, &input, place), "SQLite")?;
    note(python::readers(&input, &store), "DuckDB, ClickHouse")?;
    println!("\n{}", render(&table(&all)));
    for one in &all {
        println!("{}: {}; found {:?}", one.name, one.note, one.found);
    }
    for line in &missing {
        println!("{line}");
    }
    println!("single runs: {}", path.display());
    Ok(missing.is_empty())
}

fn table(all: &[Measured]) -> Vec<Vec<String>> {
    let mut head = vec!["who".to_owned(), "CPU us/msg".into(), "octets/msg".into()];
    head.extend(HEADS.map(str::to_owned));
    let mut rows = vec![head];
    for one in all {
        let figure = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.1}"));
        let mut cells = row(&[&one.name, &figure(one.cpu_us), &figure(one.octets)]);
        cells.extend(one.millis.iter().map(|millis| format!("{millis:.1}")));
        rows.push(cells);
    }
    rows
}

impl Measured {
    fn to_json(&self) -> Value {
        let each = |figures: Vec<Value>| -> Value {
            let named = QUESTIONS.iter().map(|name| (*name).to_owned()).zip(figures);
            Value::Object(named.collect())
        };
        json!({
            "who": self.name,
            "cpu_us": self.cpu_us,
            "octets_per_message": self.octets,
            "millis": each(self.millis.iter().map(|&millis| millis.into()).collect()),
            "found": each(self.found.iter().map(|&found| found.into()).collect()),
            "note": self.note,
        })
    }
}

/// Octets of everything in a directory.
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

/// The median; of an even number the higher of the two in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
