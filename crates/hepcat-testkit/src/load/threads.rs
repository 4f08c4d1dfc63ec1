//! What each thread of a process has used so far.

use std::{collections::BTreeMap, fs, io, time::Duration};

use nix::unistd::{SysconfVar, sysconf};

/// CPU time, of threads of one name or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuTime {
    /// In the program.
    pub user: Duration,
    /// In the kernel.
    pub system: Duration,
}

impl CpuTime {
    /// Both.
    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// What was used since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }

    fn add(&mut self, more: Self) {
        self.user += more.user;
        self.system += more.system;
    }
}

/// CPU time of a process by the names of its threads, to the tick of 10 ms (`/proc/PID/task/*/stat`, proc(5)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadTimes {
    /// The whole process, threads that have ended too.
    pub process: CpuTime,
    /// Threads that live, those of one name together.
    pub by_name: BTreeMap<String, CpuTime>,
}

impl ThreadTimes {
    /// What was used since `before`. Threads that have ended in between are left out by name; the process has them.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let by_name = self.by_name.iter().map(|(name, time)| {
            let before = before.by_name.get(name).copied().unwrap_or_default();
            (name.clone(), time.since(before))
        });
        Self {
            process: self.process.since(before.process),
            by_name: by_name.collect(),
        }
    }

    /// The time of threads of this name.
    #[must_use]
    pub fn of(&self, name: &str) -> CpuTime {
        self.by_name.get(name).copied().unwrap_or_default()
    }
}

/// What the process with this id has used so far, thread by thread.
///
/// # Errors
/// When there is no such process any more.
pub fn thread_times(process_id: u32) -> io::Result<ThreadTimes> {
    let whole = fs::read_to_string(format!("/proc/{process_id}/stat"))?;
    let mut times = ThreadTimes::default();
    if let Some((_, time)) = parse_stat(&whole) {
        times.process = time;
    }
    for task in fs::read_dir(format!("/proc/{process_id}/task"))? {
        // One that ends meanwhile is in the process's time.
        let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else {
            continue;
        };
        if let Some((name, time)) = parse_stat(&stat) {
            times.by_name.entry(name.to_owned()).or_default().add(time);
        }
    }
    Ok(times)
}

/// Name and times of a line of `stat`: `PID (NAME) STATE …`, of which `utime` and `stime` are the 14th and 15th fields.
fn parse_stat(line: &str) -> Option<(&str, CpuTime)> {
    // A name may have parentheses and spaces.
    let (head, fields) = line.rsplit_once(") ")?;
    let (_, name) = head.split_once('(')?;
    let mut fields = fields.split(' ').skip(11);
    let mut time = || Some(ticks(fields.next()?.parse().ok()?));
    let (user, system) = (time()?, time()?);
    Some((name, CpuTime { user, system }))
}

fn ticks(count: u64) -> Duration {
    let per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    let per_second = per_second.and_then(|ticks| u64::try_from(ticks).ok());
    let per_second = per_second.filter(|ticks| *ticks > 0).unwrap_or(100);
    Duration::from_micros(count.saturating_mul(1_000_000) / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_thread_is_called() {
        let line = "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 7 7 20 0 3 0 12345 1 1";
        let (name, time) = parse_stat(line).expect("a line");
        assert_eq!(name, "a (b) c");
        assert_eq!(time.user, ticks(250));
        assert_eq!(time.system, ticks(50));
        assert!(parse_stat("42 (torn").is_none());
    }

    #[test]
    fn this_process_is_the_sum_of_its_threads_or_more() {
        let times = thread_times(std::process::id()).expect("it runs");
        assert!(!times.by_name.is_empty());
        let later = thread_times(std::process::id()).expect("it runs");
        let used = later.since(&times);
        assert!(used.process.total() <= later.process.total());
    }
}
