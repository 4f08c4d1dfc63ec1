//! Scheduling above everything else on the machine, for what must not wait.

use std::{
    fs,
    process::{self, Command},
};

use anyhow::{Context, Result, ensure};

/// How long one of several threads of equal priority keeps a core. Generator and sink share theirs: at the usual
/// 100 ms, the one would wait for the other that long, and the latency of both would be measured, not the node's.
const SLICE: &str = "/proc/sys/kernel/sched_rr_timeslice_ms";
const SLICE_MILLIS: &str = "1";

/// While it lives, processes that this thread starts have real-time priority.
#[derive(Debug)]
pub(super) struct Realtime {
    usual_slice: String,
}

impl Realtime {
    /// Raises this thread. It must be the first of the process.
    pub(super) fn begin() -> Result<Self> {
        let usual_slice = fs::read_to_string(SLICE).context(SLICE)?;
        fs::write(SLICE, SLICE_MILLIS).context(SLICE)?;
        let begun = Self { usual_slice };
        change(&["--rr", "--pid", "1"])?;
        Ok(begun)
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        let back = change(&["--other", "--pid", "0"]);
        if let Err(error) = fs::write(SLICE, self.usual_slice.trim())
            .context(SLICE)
            .and(back)
        {
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
