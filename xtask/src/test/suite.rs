//! The suites of `cargo xtask test`.

use std::{
    fs,
    process::{Command, Stdio},
};

use anyhow::Result;

use super::{Outcome, Tally, debian, page, python};
use crate::cargo::{cargo, succeeds, target_directory, watch};

pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn(bool) -> Result<Outcome>,
}

pub(super) const SUITES: &[Suite] = &[
    Suite {
        name: "fmt",
        about: "the source is formatted",
        run: |_| {
            Ok(Outcome::check(succeeds(&mut cargo(&[
                "fmt", "--all", "--check",
            ]))?))
        },
    },
    Suite {
        name: "clippy",
        about: "no lint has anything to say",
        run: |_| {
            let lints = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ];
            Ok(Outcome::check(succeeds(&mut cargo(&lints))?))
        },
    },
    Suite {
        name: "doc",
        about: "the documentation builds and its links lead somewhere",
        run: |_| {
            let mut rustdoc = cargo(&["doc", "--workspace", "--no-deps"]);
            Ok(Outcome::check(succeeds(
                rustdoc.env("RUSTDOCFLAGS", "-D warnings"),
            )?))
        },
    },
    Suite {
        name: "page",
        about: "the page: types, lints, tests without a browser, weight",
        run: page::run,
    },
    Suite {
        name: "test",
        about: "unit, behaviour, property, corpus and end-to-end tests",
        run: |_| {
            let exclude = ["--workspace", "--exclude", "hepcat-interop"];
            cargo_test(&exclude, |_| ())
        },
    },
    Suite {
        name: "interop",
        about: "beside Kamailio, sngrep, rtpengine, sipp, DuckDB and ClickHouse",
        run: interop,
    },
    Suite {
        name: "browser",
        about: "the page in Chromium, before the program",
        run: page::in_browser,
    },
    Suite {
        name: "deny",
        about: "licences, advisories and sources of dependencies",
        run: deny,
    },
];

/// Runs `cargo test`, all of it even after a failure, and counts from what it prints.
fn cargo_test(selection: &[&str], prepare: impl FnOnce(&mut Command)) -> Result<Outcome> {
    let mut command = cargo(&["test", "--no-fail-fast"]);
    let mut tally = Tally::default();
    command.args(selection);
    prepare(&mut command);
    let succeeded = watch(&mut command, |line| {
        if let Some(of_one_binary) = parse_result(line) {
            tally.passed += of_one_binary.passed;
            tally.failed += of_one_binary.failed;
            tally.long += of_one_binary.long;
        }
    })?;
    if !succeeded && tally.failed == 0 {
        // It did not compile, or a test process died before it could count.
        tally.failed = 1;
    }
    Ok(Outcome::of(tally))
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.05s`
fn parse_result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        counts.split("; ").find_map(|part| {
            let (number, name) = part.split_once(' ')?;
            (name == what).then(|| number.parse().ok())?
        })
    };
    Some(Tally {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: 0,
        long: count("ignored")?,
    })
}

/// Tests with programs of others, which are installed first where that is possible.
fn interop(ci: bool) -> Result<Outcome> {
    let mut missing = debian::install_missing()?;
    let python = python::install()?.map_err(|note| missing.push(note)).ok();
    if !succeeds(&mut cargo(&["build", "--package", "hepcat"]))? {
        return Ok(Outcome::check(false));
    }
    let directory = tempfile::tempdir()?;
    let skips = directory.path().join("skips");
    let binary = target_directory()?.join("debug/hepcat");
    let prepare = |command: &mut Command| {
        command
            .env("HEPCAT_BINARY", &binary)
            .env("HEPCAT_SKIPS", &skips);
        if let Some(python) = &python {
            command.env("HEPCAT_PYTHON", python);
        }
        if ci {
            command.env("HEPCAT_REQUIRE_INTEROP", "1");
        }
    };
    let mut outcome = cargo_test(&["--package", "hepcat-interop"], prepare)?;
    // Built as the suite `test` builds it, or Arrow and Parquet were built twice.
    let readers = ["--workspace", "--exclude", "hepcat-interop", "--test"];
    let readers = cargo_test(
        &[&readers[..], &["read_by_others", "--", "--ignored"]].concat(),
        prepare,
    )?;
    outcome.tally.passed += readers.tally.passed;
    outcome.tally.failed += readers.tally.failed;
    let skipped = fs::read_to_string(&skips).unwrap_or_default();
    let mut tests: Vec<&str> = skipped
        .lines()
        .filter_map(|line| line.split_once(": ").map(|(test, _)| test))
        .collect();
    tests.sort_unstable();
    tests.dedup();
    // The test harness knows no skipping: a test that found a program missing has passed there.
    outcome.tally.passed = outcome.tally.passed.saturating_sub(tests.len());
    outcome.tally.skipped += tests.len();
    outcome
        .notes
        .extend(skipped.lines().map(|line| format!("skipped {line}")));
    outcome.notes.extend(missing);
    Ok(outcome)
}

/// cargo-deny takes ten minutes to build on two cores and fetches a database: it is run where it is installed, and
/// elsewhere it is no skip.
fn deny(_ci: bool) -> Result<Outcome> {
    let installed = Command::new("cargo-deny")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !installed {
        return Ok(Outcome::left_out(
            "not run: `cargo install cargo-deny --locked` brings it",
        ));
    }
    let mut outcome = Outcome::check(succeeds(&mut cargo(&[
        "deny", "check", "bans", "licenses", "sources",
    ]))?);
    if succeeds(&mut cargo(&["deny", "fetch", "db"]))? {
        let advisories = Outcome::check(succeeds(&mut cargo(&["deny", "check", "advisories"]))?);
        outcome.tally.passed += advisories.tally.passed;
        outcome.tally.failed += advisories.tally.failed;
    } else {
        outcome.tally.skipped = 1;
        let note = "advisories not checked: their database cannot be fetched";
        outcome.notes.push(note.to_owned());
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_test_binary_are_read() {
        let line = "test result: FAILED. 7 passed; 1 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.10s";
        let expected = Tally {
            passed: 7,
            failed: 1,
            skipped: 0,
            long: 2,
        };
        assert_eq!(parse_result(line), Some(expected));
        assert_eq!(parse_result("test a::b ... ok"), None);
    }
}
