//! Programs of others as child processes that end with their test.

use std::{
    fmt,
    fs::{self, File},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};
use tempfile::TempDir;

/// How long a program may take for anything: far above any delay of a busy machine, below a test's limit.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// How long a program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(3);
/// How often is asked for a state that cannot be waited for otherwise.
const POLL: Duration = Duration::from_millis(10);

/// A running program with a directory of its own. It and its children end when this is dropped.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    child: Child,
    directory: TempDir,
}

impl Program {
    /// Starts it in `directory`; what it writes goes to a file there.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(name: &'static str, mut command: Command, directory: TempDir) -> Self {
        let output = File::create(directory.path().join("output")).expect("create a file");
        let errors = output.try_clone().expect("a second handle");
        let child = command
            .current_dir(directory.path())
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            // Kamailio and rtpengine have children: with a group of their own, they can be ended together.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self {
            name,
            child,
            directory,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it runs and keeps its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that it has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        let output = fs::read(self.directory().join("output")).unwrap_or_default();
        String::from_utf8_lossy(&output).into_owned()
    }

    /// Waits until `reached` gives something.
    ///
    /// # Panics
    /// When it does not within 20 seconds, or when the program ends before.
    pub fn wait_until<T>(&mut self, what: &str, mut reached: impl FnMut(&Self) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = reached(self) {
                return found;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("{} ended ({status}) before {what}:\n{self}", self.name);
            }
            assert!(
                Instant::now() < until,
                "{}: waited {PATIENCE:?} for {what}:\n{self}",
                self.name
            );
            thread::sleep(POLL);
        }
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not within 20 seconds.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for a child") {
                return status;
            }
            assert!(
                Instant::now() < until,
                "{} runs on for {PATIENCE:?}:\n{self}",
                self.name
            );
            thread::sleep(POLL);
        }
    }

    fn process(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id"))
    }
}

/// What it wrote, for a test that fails.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.output())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Asked to end, a program with children ends and reaps them; it may have ended by itself.
        signal::kill(self.process(), Signal::SIGTERM).ok();
        let until = Instant::now() + GRACE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(POLL);
        }
        signal::killpg(self.process(), Signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

/// A new temporary directory.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
