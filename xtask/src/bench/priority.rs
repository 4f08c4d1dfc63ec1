//! Scheduling above everything else on the machine, for what must not wait.

use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

/// While it lives, processes that this thread starts have real-time priority.
#[derive(Debug)]
pub(super) struct Realtime(());

impl Realtime {
    /// Raises this thread. It must be the first of the process.
    pub(super) fn begin() -> Result<Self> {
        change(&["--rr", "--pid", "1"])?;
        Ok(Self(()))
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        if let Err(error) = change(&["--other", "--pid", "0"]) {
            eprintln!("{error:#}");
        }
    }
}

fn change(arguments: &[&str]) -> Result<()> {
    let status = Command::new("chrt")
        .args(arguments)
        .arg(process::id().to_string())
        .status()
        .context("chrt, of util-linux")?;
    ensure!(status.success(), "chrt {}: {status}", arguments.join(" "));
    Ok(())
}
