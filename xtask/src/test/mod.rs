//! `cargo xtask test`: everything a change must pass, and one table that says how it went.

mod debian;
pub(crate) mod page;
pub(crate) mod python;
mod suite;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::table::{self, row};
use suite::{SUITES, Suite};

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Nobody watches: what cannot be run is a failure, not a skip.
    #[arg(long)]
    ci: bool,
    /// Only these (all when none is named): fmt, clippy, doc, page, test, interop, browser, deny.
    suites: Vec<String>,
}

/// How a suite went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Tests that only `cargo xtask long` runs.
    long: usize,
}

/// A suite that ran, or why it did not.
#[derive(Debug)]
pub(crate) struct Outcome {
    tally: Tally,
    /// What the table says beside it.
    notes: Vec<String>,
}

impl Outcome {
    /// Whether something ran, and nothing failed.
    pub(crate) fn is_good(&self) -> bool {
        self.tally.failed == 0 && self.tally.passed > 0
    }

    fn of(tally: Tally) -> Self {
        Self {
            tally,
            notes: Vec::new(),
        }
    }

    fn check(passed: bool) -> Self {
        let count = usize::from(passed);
        Self::of(Tally {
            passed: count,
            failed: 1 - count,
            ..Tally::default()
        })
    }

    /// Not run, and no fault either: the note says why.
    fn left_out(why: &str) -> Self {
        Self {
            tally: Tally::default(),
            notes: vec![why.to_owned()],
        }
    }
}

pub(crate) fn suite_names() -> Vec<&'static str> {
    SUITES.iter().map(|suite| suite.name).collect()
}

/// Runs the suites; whether all passed.
pub(crate) fn run(arguments: &TestArgs) -> Result<bool> {
    let mut ran = Vec::new();
    for suite in chosen(&arguments.suites)? {
        println!("\n=== {}: {}", suite.name, suite.about);
        let started = Instant::now();
        let outcome = (suite.run)(arguments.ci).unwrap_or_else(|error| Outcome {
            notes: vec![format!("{error:#}")],
            ..Outcome::check(false)
        });
        ran.push((suite.name, outcome, started.elapsed()));
    }
    Ok(summarise(&ran, arguments.ci))
}

fn chosen(names: &[String]) -> Result<Vec<&'static Suite>> {
    if names.is_empty() {
        return Ok(SUITES.iter().collect());
    }
    let find = |name: &String| SUITES.iter().find(|suite| suite.name == name);
    if let Some(unknown) = names.iter().find(|name| find(name).is_none()) {
        let known = suite_names().join(", ");
        bail!("there is no suite `{unknown}`: there are {known}");
    }
    Ok(names.iter().filter_map(find).collect())
}

fn summarise(ran: &[(&str, Outcome, Duration)], ci: bool) -> bool {
    let mut rows = vec![row(&[
        &"suite", &"passed", &"failed", &"skipped", &"seconds",
    ])];
    let mut all = Tally::default();
    for (name, outcome, took) in ran {
        let Tally {
            passed,
            failed,
            skipped,
            long,
        } = outcome.tally;
        let seconds = format!("{:.1}", took.as_secs_f64());
        rows.push(row(&[name, &passed, &failed, &skipped, &seconds]));
        all.passed += passed;
        all.failed += failed;
        all.skipped += skipped;
        all.long += long;
    }
    println!("\n{}", table::render(&rows));
    for (name, outcome, _) in ran {
        for note in &outcome.notes {
            println!("{name}: {note}");
        }
    }
    if all.long > 0 {
        println!(
            "{} tests of long form were left to `cargo xtask long`",
            all.long
        );
    }
    println!(
        "{} passed, {} failed, {} skipped",
        all.passed, all.failed, all.skipped
    );
    all.failed == 0 && !(ci && all.skipped > 0)
}
