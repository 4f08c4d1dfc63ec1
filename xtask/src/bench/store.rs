//! `bench store`: octets a message beside what compression alone would make of them, and what searches over a day cost,
//! by the engine alone and by a node over HTTP.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use hepcat_testkit::{NodeProcess, load::usage};
use serde_json::{Value, json};

use super::{
    Arrangement,
    ask::{Millis, ask, encoded, of_call_id, quoted, rfc3339},
    bars::{Bars, mib},
    example::example,
    keep::node_config,
    results_file,
    run::Bench,
};
use crate::table::{render, row};

/// Samples that each question is asked with.
const SAMPLES: usize = 5;
const BEYOND_BUDGET_MIB: f64 = 100.0;
const HOUR: i64 = 3_600_000_000;

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Messages of the part about octets.
    #[arg(long, default_value_t = 3_000_000)]
    rows: u64,
    /// Messages per second of their own time.
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// Messages of the day.
    #[arg(long, default_value_t = 50_000_000)]
    day_rows: u64,
    /// Messages per second of their own time, in the day.
    #[arg(long, default_value_t = 579.0)]
    day_rate: f64,
    /// Where the day is, and stays: made there unless it is there already. 100 octets a message. A temporary directory
    /// without it.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Memory of the store, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mib: u64,
    /// Only the part about octets.
    #[arg(long, conflicts_with = "day_only")]
    octets_only: bool,
    /// Only the part about the day.
    #[arg(long)]
    day_only: bool,
    #[command(flatten)]
    arrangement: Arrangement,
}

pub(super) fn run(arguments: &StoreArgs) -> Result<bool> {
    let path = results_file("store")?;
    let mut journal = File::create(&path)?;
    let mut bars = Bars::default();
    if !arguments.day_only {
        let figures = octets(arguments, &mut bars)?;
        writeln!(journal, "{figures}")?;
    }
    if !arguments.octets_only {
        let figures = day(arguments, &mut bars)?;
        writeln!(journal, "{figures}")?;
    }
    println!("single runs: {}", path.display());
    Ok(bars.say())
}

fn octets(arguments: &StoreArgs, bars: &mut Bars) -> Result<Value> {
    let figures = example("hepcat-store", "store_figures")?;
    let (rows, rate) = (arguments.rows.to_string(), arguments.rate.to_string());
    let memory = arguments.memory_mib.to_string();
    let common = ["--rows", &rows, "--rate", &rate];
    let grouped = figures.figures(&[&common[..], &["--grouped"]].concat())?;
    let store = figures.figures(&[&common[..], &["--memory-mib", &memory]].concat())?;
    let number = |figures: &Value, name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    let ours = number(&store, "octets_per_message");
    let theirs = number(&grouped, "octets_per_message");
    let alone = number(&grouped, "octets_per_message_alone");
    println!(
        "{ours:.1} octets a message on disk; payloads grouped by call under zstd 1 {theirs:.1} in one stream ({:.2} times), {alone:.1} each call by itself ({:.2} times); {:.1} not compressed",
        ours / theirs,
        ours / alone,
        number(&grouped, "payload_octets_per_message")
    );
    bars.at_most("octets per message on disk", ours, 110.0);
    bars.at_most(
        "times the payloads grouped by call under zstd 1, in one stream",
        ours / theirs,
        1.3,
    );
    Ok(json!({ "kind": "octets", "store": store, "grouped": grouped }))
}

/// Something to ask a node for over HTTP.
struct Question {
    what: &'static str,
    /// Range of time, in hours before the end; the whole of a call has none.
    hours: Option<i64>,
    /// Path and parameters, one for each sample.
    asked: Vec<(String, Vec<(&'static str, String)>)>,
    /// Milliseconds that the median may take.
    bar: Option<f64>,
}

struct Asked {
    what: &'static str,
    hours: Option<i64>,
    cold: Option<Duration>,
    warm: Millis,
    cpu: Duration,
    found: usize,
    bar: Option<f64>,
}

fn day(arguments: &StoreArgs, bars: &mut Bars) -> Result<Value> {
    let kept_day = example("hepcat", "kept_day")?;
    let temporary = tempfile::tempdir()?;
    let directory = match &arguments.directory {
        Some(directory) => directory.clone(),
        None => temporary.path().join("day"),
    };
    let samples_file = directory.join("samples.json");
    let (memory, place) = (
        arguments.memory_mib.to_string(),
        directory.to_string_lossy().into_owned(),
    );
    let (rows, rate) = (
        arguments.day_rows.to_string(),
        arguments.day_rate.to_string(),
    );
    let mut words = vec!["--directory", &*place, "--memory-mib", &memory];
    if samples_file.exists() {
        words.push("--queries-only");
    } else {
        words.extend(["--rows", &rows, "--rate", &rate]);
    }
    let engine = kept_day.figures(&words)?;
    let engine_peak = engine["asking_peak_octets"].as_u64().unwrap_or(0);
    println!("  peak memory while asked {:.0} MiB", mib(engine_peak));

    let samples: Value = serde_json::from_slice(&fs::read(&samples_file)?)?;
    let bench = arguments.arrangement.bench()?;
    let questions = questions(&samples)?;
    let mut asked = Vec::new();
    for question in &questions {
        asked.push(cold(&bench, &directory, arguments.memory_mib, question)?);
    }
    let node = bench.start_unpinned(&node_config(
        &directory,
        "127.0.0.1:0",
        arguments.memory_mib,
    ))?;
    let rested = usage(node.id())?.resident;
    for (question, asked) in questions.iter().zip(&mut asked) {
        warm(&node, question, asked)?;
    }
    let memory = usage(node.id())?;
    println!(
        "\nthe node over HTTP, all its cores, {} messages, milliseconds:",
        samples["rows"]
    );
    println!("{}", render(&table(&asked)));
    for line in by_hour(&asked) {
        println!("{line}");
    }
    println!(
        "resident {:.0} MiB before the first question, {:.0} MiB after the last, {:.0} MiB at most",
        mib(rested),
        mib(memory.resident),
        mib(memory.resident_peak)
    );
    for one in &asked {
        if let Some(bar) = one.bar {
            let range = one.hours.map_or_else(String::new, |h| format!(", {h} h"));
            let what = format!("{}{range}: ms over HTTP, warm, median", one.what);
            bars.at_most(&what, one.warm.median(), bar);
        }
    }
    let most = arguments.memory_mib as f64 + BEYOND_BUDGET_MIB;
    bars.at_most("peak MiB of the engine, asked", mib(engine_peak), most);
    bars.at_most(
        "peak MiB of the node, asked",
        mib(memory.resident_peak),
        most,
    );
    Ok(json!({
        "kind": "day",
        "engine": engine,
        "http": asked.iter().map(Asked::to_json).collect::<Vec<_>>(),
        "resident_peak": memory.resident_peak,
    }))
}

/// A node that has just started, with a page cache that has nothing of the day.
fn cold(bench: &Bench, directory: &Path, memory_mib: u64, question: &Question) -> Result<Asked> {
    let node = bench.start_unpinned(&node_config(directory, "127.0.0.1:0", memory_mib))?;
    let dropped = fs::write("/proc/sys/vm/drop_caches", "1").is_ok();
    let (path, parameters) = question.asked.first().context("a sample")?;
    let answer = ask_one(&node, path, parameters)?;
    Ok(Asked {
        what: question.what,
        hours: question.hours,
        cold: dropped.then_some(answer.1),
        warm: Millis::new([]),
        cpu: Duration::ZERO,
        found: 0,
        bar: question.bar,
    })
}

/// Each sample twice: the first time brings pages in.
fn warm(node: &NodeProcess, question: &Question, into: &mut Asked) -> Result<()> {
    let mut took = Vec::new();
    for (path, parameters) in &question.asked {
        ask_one(node, path, parameters)?;
        let before = usage(node.id())?.cpu;
        let (found, duration) = ask_one(node, path, parameters)?;
        into.cpu += usage(node.id())?.cpu.saturating_sub(before);
        into.found += found;
        took.push(duration);
    }
    into.cpu /= u32::try_from(took.len().max(1))?;
    into.found /= took.len().max(1);
    into.warm = Millis::new(took);
    Ok(())
}

/// How many things were found, and how long that took.
fn ask_one(
    node: &NodeProcess,
    path: &str,
    parameters: &[(&'static str, String)],
) -> Result<(usize, Duration)> {
    let parameters: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = ask(node, path, &parameters)?;
    ensure!(
        answer.body["ended_by"].is_null(),
        "{path}: {}",
        answer.body["ended_by"]
    );
    let things = ["messages", "arrows", "steps"]
        .iter()
        .find_map(|name| answer.body[name].as_array());
    Ok((things.map_or(1, Vec::len), answer.took))
}

fn questions(samples: &Value) -> Result<Vec<Question>> {
    let end = samples["end"].as_i64().context("no end")?;
    let begin = samples["begin"].as_i64().context("no begin")?;
    let texts = |name: &str| -> Vec<String> {
        let all: Vec<&str> = (samples[name].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        // Spread over all, the newest first.
        let step = (all.len() / SAMPLES).max(1);
        let spread = all.iter().rev().step_by(step).take(SAMPLES);
        spread.map(|&text| text.to_owned()).collect()
    };
    let search = |query: String, hours: i64, limit: &str| {
        let since = (end - hours * HOUR).max(begin);
        let parameters = vec![
            ("q", query),
            ("from", rfc3339(since)),
            ("to", rfc3339(end)),
            ("limit", limit.to_owned()),
            ("brief", "true".to_owned()),
        ];
        ("/api/v1/messages".to_owned(), parameters)
    };
    let mut questions = Vec::new();
    let mut add = |what, ranges: &[(i64, Option<f64>)], limit: &str, queries: &[String]| {
        for &(hours, bar) in ranges {
            let asked = queries
                .iter()
                .map(|query| search(query.clone(), hours, limit));
            questions.push(Question {
                what,
                hours: Some(hours),
                asked: asked.collect(),
                bar,
            });
        }
    };
    let call_ids = texts("call_ids");
    let of_call: Vec<String> = call_ids.iter().map(|id| of_call_id(id)).collect();
    add(
        "Call-ID exact",
        &[(24, Some(150.0)), (6, None), (1, None)],
        "10000",
        &of_call,
    );
    let of_user: Vec<String> = (texts("users").iter())
        .map(|user| format!("user:{}", quoted(user)))
        .collect();
    add(
        "user exact",
        &[(24, Some(300.0)), (6, None), (1, None)],
        "10000",
        &of_user,
    );
    let of_status = [486, 404, 480, 503, 487].map(|status| format!("status:{status}"));
    add(
        "newest 200 of a status",
        &[(24, Some(200.0)), (1, None)],
        "200",
        &of_status,
    );
    let of_tag: Vec<String> = (texts("tags").iter())
        .map(|tag| quoted(&format!("ftag={tag}")))
        .collect();
    add(
        "payload text",
        &[(1, Some(1_500.0)), (2, None), (4, None)],
        "10000",
        &of_tag,
    );
    for (what, of_call) in [
        ("a call with its ladder", "ladder"),
        ("a call, its messages", "messages"),
    ] {
        let asked = call_ids.iter().map(|id| {
            (
                format!("/api/v1/calls/{}/{of_call}", encoded(id)),
                Vec::new(),
            )
        });
        questions.push(Question {
            what,
            hours: None,
            asked: asked.collect(),
            bar: Some(200.0),
        });
    }
    Ok(questions)
}

fn table(asked: &[Asked]) -> Vec<Vec<String>> {
    let mut rows = vec![row(&[
        &"question",
        &"hours",
        &"cold",
        &"warm",
        &"most",
        &"CPU ms",
        &"found",
    ])];
    for one in asked {
        let cold = one
            .cold
            .map(|cold| format!("{:.1}", cold.as_secs_f64() * 1e3));
        rows.push(row(&[
            &one.what,
            &one.hours
                .map_or_else(String::new, |hours| hours.to_string()),
            &cold.unwrap_or_else(|| "-".to_owned()),
            &format!("{:.1}", one.warm.median()),
            &format!("{:.1}", one.warm.most()),
            &format!("{:.1}", one.cpu.as_secs_f64() * 1e3),
            &one.found,
        ]));
    }
    rows
}

/// What an hour more costs, from the shortest to the longest range of each question.
fn by_hour(asked: &[Asked]) -> Vec<String> {
    let mut lines = Vec::new();
    for long in asked {
        let same = asked.iter().filter(|one| one.what == long.what);
        let hours = |one: &Asked| one.hours.unwrap_or(0);
        let (Some(short), Some(longest)) = (
            same.clone().min_by_key(|one| hours(one)),
            same.max_by_key(|one| hours(one)),
        ) else {
            continue;
        };
        let more = hours(longest) - hours(short);
        if more == 0 || !std::ptr::eq(long, longest) {
            continue;
        }
        let cost = |figure: fn(&Asked) -> f64| (figure(longest) - figure(short)) / more as f64;
        lines.push(format!(
            "{}: {:.2} ms for each hour of range, {:.2} ms of CPU",
            long.what,
            cost(|one| one.warm.median()),
            cost(|one| one.cpu.as_secs_f64() * 1e3)
        ));
    }
    lines
}

impl Asked {
    fn to_json(&self) -> Value {
        json!({
            "what": self.what,
            "hours": self.hours,
            "cold_ms": self.cold.map(|cold| cold.as_secs_f64() * 1e3),
            "warm_ms": self.warm.median(),
            "most_ms": self.warm.most(),
            "cpu_ms": self.cpu.as_secs_f64() * 1e3,
            "found": self.found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(hours: i64, millis: u64) -> Asked {
        Asked {
            what: "a question",
            hours: Some(hours),
            cold: None,
            warm: Millis::new([Duration::from_millis(millis)]),
            cpu: Duration::from_millis(2 * millis),
            found: 1,
            bar: None,
        }
    }

    #[test]
    fn an_hour_costs_what_the_longest_range_takes_more_than_the_shortest() {
        let lines = by_hour(&[asked(24, 240), asked(6, 90), asked(1, 10)]);
        assert_eq!(
            lines,
            ["a question: 10.00 ms for each hour of range, 20.00 ms of CPU"]
        );
    }

    #[test]
    fn samples_are_spread_and_asked_in_their_range() {
        let samples = json!({
            "begin": 0,
            "end": 30 * HOUR,
            "call_ids": (0..40).map(|number| format!("{number}@a")).collect::<Vec<_>>(),
            "users": ["1"],
            "tags": ["t"],
        });
        let questions = questions(&samples).expect("samples");
        let first = questions.first().expect("a question");
        assert_eq!(first.asked.len(), SAMPLES);
        let (_, parameters) = first.asked.first().expect("a sample");
        let expected = ("q", "call_id:\"39@a\"".to_owned());
        assert_eq!(parameters.first(), Some(&expected));
        assert_eq!(parameters[1].1, rfc3339(6 * HOUR));
        assert!(questions.iter().all(|question| !question.asked.is_empty()));
    }
}
