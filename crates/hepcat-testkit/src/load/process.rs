//! Which core a process runs on, and what it costs.

use std::{fs, io, time::Duration};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::ClockId,
    unistd::Pid,
};

/// What a process has used so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// User and system time of all its threads, ended ones too.
    pub cpu: Duration,
    /// Resident octets now (`VmRSS`).
    pub resident: u64,
    /// Most resident octets ever (`VmHWM`).
    pub resident_peak: u64,
}

/// What the process with this id has used so far.
///
/// # Errors
/// When there is no such process any more.
pub fn usage(process_id: u32) -> io::Result<Usage> {
    let pid = i32::try_from(process_id).map_err(io::Error::other)?;
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))?;
    let status = fs::read_to_string(format!("/proc/{process_id}/status"))?;
    Ok(Usage {
        cpu: Duration::from(clock.now()?),
        resident: status_octets(&status, "VmRSS:"),
        resident_peak: status_octets(&status, "VmHWM:"),
    })
}

fn status_octets(status: &str, key: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Keeps the calling thread on one core until it is dropped. A process that is started meanwhile inherits it,
/// and keeps it.
#[derive(Debug)]
pub struct Pinned {
    before: CpuSet,
}

/// Moves the calling thread to a core.
///
/// # Errors
/// When there is no such core, or this process may not use it.
pub fn pin_current_thread(core: usize) -> io::Result<Pinned> {
    let this = Pid::from_raw(0);
    let before = sched_getaffinity(this)?;
    let mut one = CpuSet::new();
    one.set(core)?;
    sched_setaffinity(this, &one)?;
    Ok(Pinned { before })
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before, so it is still.
        sched_setaffinity(Pid::from_raw(0), &self.before).ok();
    }
}
