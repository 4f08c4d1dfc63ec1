//! The page's own checks: types, lints, form, tests without a browser, and what it weighs; and the page in a browser.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{Outcome, debian};
use crate::cargo::{cargo, root, succeeds, target_directory, watch};

/// Debian's browser.
const CHROMIUM: &str = "/usr/bin/chromium";
/// Its proxy, before which the page is looked at below a path.
const NGINX: &str = "/usr/sbin/nginx";

/// Scripts of `web/package.json`, in the order in which they are run.
const CHECKS: [&str; 5] = ["check", "lint", "test", "build", "weigh"];

/// What needs no browser.
pub(super) fn run(_ci: bool) -> Result<Outcome> {
    let web = root().join("web");
    if let Some(why) = missing(&web)? {
        return Ok(skipped(CHECKS.len(), why));
    }
    let mut outcome = Outcome::check(true);
    outcome.tally.passed = 0;
    for check in CHECKS {
        if succeeds(npm(&web).args(["run", "--silent", check]))? {
            outcome.tally.passed += 1;
        } else {
            outcome.tally.failed += 1;
        }
    }
    Ok(outcome)
}

/// A script of `web/browser` before a program, and why it cannot be run where it cannot: what it needs is installed
/// first.
pub(crate) fn browser(
    script: &str,
    program: &Path,
) -> Result<std::result::Result<Command, &'static str>> {
    let web = root().join("web");
    if let Some(why) = missing(&web)? {
        return Ok(Err(why));
    }
    if !Path::new(CHROMIUM).exists() && !debian::install(&["chromium"])? {
        return Ok(Err(
            "not run: Debian's chromium is not installed (with root on Debian it is by itself)",
        ));
    }
    let mut node = Command::new("node");
    node.current_dir(&web)
        .arg(Path::new("browser").join(script))
        .arg(program)
        .arg(CHROMIUM);
    Ok(Ok(node))
}

/// The page in Chromium, before the program: each check says in a line how it went.
pub(super) fn in_browser(ci: bool) -> Result<Outcome> {
    let program = target_directory()?.join("debug/hepcat");
    let mut node = match browser("run.js", &program)? {
        Ok(node) => node,
        Err(why) => return Ok(skipped(1, why)),
    };
    let mut proxy_missing = None;
    if !Path::new(NGINX).exists() && !debian::install(&["nginx"])? {
        proxy_missing = Some("not behind nginx: Debian's nginx is not installed");
    }
    if !succeeds(&mut cargo(&["build", "--package", "hepcat"]))? {
        return Ok(Outcome::check(false));
    }
    let mut outcome = checked(&mut node)?;
    if let Some(why) = proxy_missing {
        outcome.tally.skipped += usize::from(ci);
        outcome.notes.push(why.to_owned());
    }
    Ok(outcome)
}

/// Runs checks that say in a line each how they went.
pub(crate) fn checked(node: &mut Command) -> Result<Outcome> {
    let mut outcome = Outcome::check(true);
    outcome.tally.passed = 0;
    let succeeded = watch(node, |line| {
        outcome.tally.passed += usize::from(line.starts_with("ok "));
        outcome.tally.failed += usize::from(line.starts_with("FAILED "));
    })?;
    if !succeeded && outcome.tally.failed == 0 {
        outcome.tally.failed = 1;
    }
    Ok(outcome)
}

fn skipped(checks: usize, why: &str) -> Outcome {
    let mut outcome = Outcome::left_out(why);
    outcome.tally.skipped = checks;
    outcome
}

/// Why the tools are not here; what `web/package-lock.json` names is installed first.
fn missing(web: &Path) -> Result<Option<&'static str>> {
    if !debian::in_path("npm") {
        return Ok(Some("not run: npm and Node 20 or later are needed"));
    }
    if is_installed(web) {
        return Ok(None);
    }
    let arguments = [
        "ci",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--fetch-retries=5",
    ];
    let installed = succeeds(npm(web).args(arguments))?;
    Ok((!installed).then_some("not run: npm cannot fetch what web/package-lock.json names"))
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
