//! Examples of the workspace that make figures: programs that know what they measure from inside.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cargo::{cargo, succeeds, target_directory, watch};

/// What begins the line with an example's figures, as JSON.
const MARK: &str = "figures ";

/// An example, built with optimisations.
#[derive(Debug)]
pub(super) struct Example {
    program: PathBuf,
}

/// Builds an example: before anything is measured.
pub(super) fn example(package: &str, name: &str) -> Result<Example> {
    let arguments = [
        "build",
        "--release",
        "--package",
        package,
        "--example",
        name,
    ];
    ensure!(succeeds(&mut cargo(&arguments))?, "{name} does not build");
    Ok(Example {
        program: target_directory()?.join("release/examples").join(name),
    })
}

impl Example {
    /// Runs it, shows what it says, and gives its figures.
    pub(super) fn figures(&self, arguments: &[&str]) -> Result<Value> {
        let mut figures = None;
        let mut command = Command::new(&self.program);
        let succeeded = watch(command.args(arguments), |line| {
            if let Some(json) = line.strip_prefix(MARK) {
                figures = Some(serde_json::from_str(json));
            }
        })?;
        ensure!(succeeded, "{} failed", self.program.display());
        let figures = figures.with_context(|| format!("{}: no figures", self.program.display()))?;
        Ok(figures?)
    }
}
