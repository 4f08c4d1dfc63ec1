//! What the log says about a spool: the beginning and the end of a backlog, progress once a minute, and what fails
//! once for each time that it begins to.

use std::{
    io,
    time::{Duration, Instant},
};

use super::spooling::Spooling;

/// At most one line of a kind in this time.
const PERIOD: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct SpoolLog {
    destination: String,
    stage: Stage,
    /// Whether the beginning of this stage was told, so that its end is as well.
    told: bool,
    last_line: Option<Instant>,
    replay: Option<Replay>,
    failing: bool,
    last_failure: Option<Instant>,
    last_damage: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Filling,
    Replaying,
}

/// A line to be written once no lock is held.
#[derive(Debug)]
pub(super) enum Line {
    Filling,
    Begins { frames: u64 },
    Replaying { replayed: u64, left: u64 },
    Drained { frames: u64, seconds: f64 },
}

#[derive(Debug)]
struct Replay {
    since: Instant,
    /// Frames replayed before it began.
    before: u64,
}

impl SpoolLog {
    pub(super) fn new(destination: &str) -> Self {
        Self {
            destination: destination.to_owned(),
            stage: Stage::Idle,
            told: false,
            last_line: None,
            replay: None,
            failing: false,
            last_failure: None,
            last_damage: None,
        }
    }

    /// Compares with what was told last.
    pub(super) fn look(&mut self, now: Instant, takes: bool, spooling: &Spooling) -> Option<Line> {
        let stage = match (spooling.spooled, takes) {
            (0, _) => Stage::Idle,
            (_, false) => Stage::Filling,
            // What is on disk and in memory as well is no backlog.
            (_, true) if spooling.unread == 0 && self.stage == Stage::Idle => Stage::Idle,
            (_, true) => Stage::Replaying,
        };
        let due = self
            .last_line
            .is_none_or(|last| now.duration_since(last) >= PERIOD);
        let done = spooling.counters.replayed;
        if stage == self.stage {
            if stage != Stage::Replaying || !due {
                return None;
            }
            self.last_line = Some(now);
            self.told = true;
            let replay = self.replay.as_ref();
            return Some(Line::Replaying {
                replayed: replay.map_or(0, |replay| done - replay.before),
                left: spooling.spooled,
            });
        }
        self.stage = stage;
        match stage {
            Stage::Idle => {
                let told = std::mem::take(&mut self.told);
                let replay = self.replay.take().filter(|_| told)?;
                Some(Line::Drained {
                    frames: done - replay.before,
                    seconds: now.duration_since(replay.since).as_secs_f64(),
                })
            }
            Stage::Filling => {
                if !due {
                    return None;
                }
                self.last_line = Some(now);
                self.told = true;
                Some(Line::Filling)
            }
            Stage::Replaying => {
                self.replay = Some(Replay {
                    since: now,
                    before: done,
                });
                if !self.told && !due {
                    return None;
                }
                self.last_line = Some(now);
                self.told = true;
                Some(Line::Begins {
                    frames: spooling.spooled,
                })
            }
        }
    }

    pub(super) fn say(&self, line: Line) {
        let destination = self.destination.as_str();
        match line {
            Line::Filling => tracing::info!(destination, "spooling to disk"),
            Line::Begins { frames } => tracing::info!(destination, frames, "replay begins"),
            Line::Replaying { replayed, left } => {
                tracing::info!(destination, replayed, left, "replaying");
            }
            Line::Drained { frames, seconds } => {
                tracing::info!(destination, frames, seconds, "spool drained");
            }
        }
    }

    pub(super) fn write_failed(&mut self, error: &io::Error) {
        let began = !std::mem::replace(&mut self.failing, true);
        if began && due(&mut self.last_failure) {
            tracing::error!(
                destination = self.destination,
                %error,
                "spool cannot be written: frames stay in memory"
            );
        }
    }

    pub(super) fn writes_again(&mut self) {
        if std::mem::take(&mut self.failing) {
            tracing::info!(destination = self.destination, "spool can be written again");
        }
    }

    pub(super) fn sync_failed(&mut self, error: &io::Error) {
        if due(&mut self.last_failure) {
            tracing::error!(destination = self.destination, %error, "spool file not synced");
        }
    }

    pub(super) fn unreadable(&mut self, error: &io::Error) {
        if due(&mut self.last_damage) {
            tracing::error!(destination = self.destination, %error, "spool file cannot be read");
        }
    }

    pub(super) fn damaged(&mut self, frames: u64) {
        if due(&mut self.last_damage) {
            tracing::error!(
                destination = self.destination,
                frames,
                "spooled frames are damaged or missing"
            );
        }
    }
}

/// Whether a line may be written again, and if so notes that it is.
fn due(last: &mut Option<Instant>) -> bool {
    let now = Instant::now();
    let due = last.is_none_or(|last| now.duration_since(last) >= PERIOD);
    if due {
        *last = Some(now);
    }
    due
}
