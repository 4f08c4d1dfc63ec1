//! Rivals that are asked from Python: SQLite with messages of its own, DuckDB and ClickHouse with our segments.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{Measured, QUESTIONS, input::Input};
use crate::{
    bench::{child::spawn_on, run::Bench},
    test::python,
};

const SCRIPT: &str = include_str!("rivals.py");

/// SQLite with indexes, which comes with Python.
pub(super) fn sqlite(bench: &Bench, input: &Input, place: &Path) -> Result<Vec<Measured>> {
    let file = place.join("rivals.sqlite");
    let mut asked = input.questions();
    asked["messages"] = json!(input.lines);
    asked["database"] = json!(file);
    let answer = run("python3", "sqlite", Some(bench.node_core), &asked)?;
    let rows = answer["rows"].as_u64().unwrap_or(0);
    ensure!(rows == input.rows, "{rows} rows of {}", input.rows);
    let mut measured = measured("SQLite, 5 indexes", &answer)?;
    measured.cpu_us = answer["cpu_us"].as_f64();
    measured.octets = answer["octets_per_message"].as_f64();
    Ok(vec![measured])
}

/// DuckDB and ClickHouse on the segments of our store, on all cores, as our searches are.
pub(super) fn readers(input: &Input, store: &Path) -> Result<Vec<Measured>> {
    let python = python::install()?.map_err(anyhow::Error::msg)?;
    let python = python.to_string_lossy();
    let mut asked = input.questions();
    asked["segments"] = json!(store.join("segments/*/*/*.parquet"));
    let mut all = Vec::new();
    for (name, what) in [
        ("DuckDB on our segments", "duckdb"),
        ("ClickHouse (chdb) on our segments", "clickhouse"),
    ] {
        all.push(measured(name, &run(&python, what, None, &asked)?)?);
    }
    Ok(all)
}

fn measured(name: &'static str, answer: &Value) -> Result<Measured> {
    let each = |kind: &str| -> Result<Vec<f64>> {
        let figures = QUESTIONS.iter().map(|question| {
            let figure = answer[kind][question].as_f64();
            figure.with_context(|| format!("{name}: no {kind} of {question}"))
        });
        figures.collect()
    };
    let found = QUESTIONS
        .iter()
        .map(|question| answer["found"][question].as_u64().unwrap_or(0));
    Ok(Measured {
        name,
        cpu_us: None,
        octets: None,
        millis: each("millis")?,
        found: found.collect(),
        note: answer["note"].as_str().unwrap_or_default().to_owned(),
    })
}

/// Runs a part of the script, on one core or on all; it is asked through its standard input, and answers with one line of JSON.
fn run(python: &str, what: &str, core: Option<usize>, asked: &Value) -> Result<Value> {
    let mut command = Command::new(python);
    command
        .args(["-c", SCRIPT, what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let child = match core {
        Some(core) => spawn_on(core, &mut command),
        None => command.spawn().map_err(Into::into),
    };
    let mut child = child.with_context(|| python.to_owned())?;
    let mut to = child.stdin.take().context("standard input is piped")?;
    writeln!(to, "{asked}")?;
    drop(to);
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{what}: {}", output.status);
    serde_json::from_slice(&output.stdout).with_context(|| format!("{what} says no JSON"))
}
