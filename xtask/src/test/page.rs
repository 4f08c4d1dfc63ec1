//! The page's own checks: types, lints, form, tests without a browser, and what it weighs.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{Outcome, debian::in_path};
use crate::cargo::{root, succeeds};

/// Scripts of `web/package.json`, in the order in which they are run.
const CHECKS: [&str; 5] = ["check", "lint", "test", "build", "weigh"];

pub(super) fn run(_ci: bool) -> Result<Outcome> {
    let web = root().join("web");
    let mut outcome = Outcome::check(true);
    outcome.tally.passed = 0;
    if !in_path("npm") {
        outcome.tally.skipped = CHECKS.len();
        outcome
            .notes
            .push("not run: npm and Node 20 or later are needed".to_owned());
        return Ok(outcome);
    }
    if !is_installed(&web) {
        let arguments = [
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--fetch-retries=5",
        ];
        if !succeeds(npm(&web).args(arguments))? {
            outcome.tally.skipped = CHECKS.len();
            outcome
                .notes
                .push("not run: npm cannot fetch what web/package-lock.json names".to_owned());
            return Ok(outcome);
        }
    }
    for check in CHECKS {
        if succeeds(npm(&web).args(["run", "--silent", check]))? {
            outcome.tally.passed += 1;
        } else {
            outcome.tally.failed += 1;
        }
    }
    Ok(outcome)
}

/// Whether npm installed what the lock file names: it leaves a copy of that.
fn is_installed(web: &Path) -> bool {
    let modified = |path: &str| {
        web.join(path)
            .metadata()
            .and_then(|file| file.modified())
            .ok()
    };
    let installed = modified("node_modules/.package-lock.json");
    installed.is_some() && installed >= modified("package-lock.json")
}

fn npm(web: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(web);
    npm
}
