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
    writes: Writes,
    last_sync_failure: Option<Instant>,
    last_damage: Option<Instant>,
}

/// What the log says about writes that fail.
#[derive(Debug, Default)]
struct Writes {
    /// That they do.
    told: bool,
    last_line: Option<Instant>,
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
            writes: Writes::default(),
            last_sync_failure: None,
            last_damage: None,
        }
    }

    /// Compares with what was told last.
    pub(super) fn look(&mut self, now: Instant, takes: bool, spooling: &Spooling) -> Option<Line> {
        let Spooling {
            spooled, unread, ..
        } = *spooling;
        let stage = match (spooled, takes) {
            (0, _) => Stage::Idle,
            (_, false) => Stage::Filling,
            // What is on disk and in memory as well is no backlog.
            (_, true) if unread == 0 && self.stage == Stage::Idle => Stage::Idle,
            (_, true) => Stage::Replaying,
        };
        self.enter(now, stage, spooled, spooling.counters.replayed)
    }

    /// `done` is how many frames were replayed since the start.
    fn enter(&mut self, now: Instant, stage: Stage, spooled: u64, done: u64) -> Option<Line> {
        let due = self
            .last_line
            .is_none_or(|last| now.duration_since(last) >= PERIOD);
        if stage == self.stage {
            let news = match stage {
                Stage::Idle => false,
                // It began too soon after another to be told.
                Stage::Filling => !self.told,
                Stage::Replaying => true,
            };
            if !news || !due {
                return None;
            }
            self.last_line = Some(now);
            self.told = true;
            if stage == Stage::Filling {
                return Some(Line::Filling);
            }
            let replay = self.replay.as_ref();
            return Some(Line::Replaying {
                replayed: replay.map_or(0, |replay| done - replay.before),
                left: spooled,
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
                // Where this is not told, because the link flaps, its end is not either, unless it lasts.
                self.told = due;
                due.then(|| {
                    self.last_line = Some(now);
                    Line::Filling
                })
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
                Some(Line::Begins { frames: spooled })
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
        if self.writes.fail(Instant::now()) {
            tracing::error!(
                destination = self.destination,
                %error,
                "spool cannot be written: frames stay in memory"
            );
        }
    }

    pub(super) fn writes_again(&mut self) {
        if self.writes.work() {
            tracing::info!(destination = self.destination, "spool can be written again");
        }
    }

    pub(super) fn sync_failed(&mut self, error: &io::Error) {
        if due(&mut self.last_sync_failure) {
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

impl Writes {
    /// One failed. Whether to say so.
    fn fail(&mut self, now: Instant) -> bool {
        // One that began too soon after another to be told is told when it lasts.
        let due = self
            .last_line
            .is_none_or(|last| now.duration_since(last) >= PERIOD);
        if self.told || !due {
            return false;
        }
        self.told = true;
        self.last_line = Some(now);
        true
    }

    /// One succeeded. Whether to say that they do again: only where it was said that they do not.
    fn work(&mut self) -> bool {
        std::mem::take(&mut self.told)
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

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_link_that_flaps_beside_a_backlog_costs_a_few_lines_a_minute() {
        let start = Instant::now();
        let mut log = SpoolLog::new("homer");
        let mut lines = Vec::new();
        let stages = [Stage::Filling, Stage::Replaying];
        for second in 0..600_u32 {
            let stage = stages[second as usize % 2];
            lines.extend(log.enter(start + SECOND * second, stage, 1000, second.into()));
        }
        assert!(lines.len() <= 2 * 10, "{} lines: {lines:?}", lines.len());
        assert!(lines.len() >= 10, "{lines:?}");
    }

    #[test]
    fn a_backlog_is_told_from_its_beginning_to_its_end() {
        let start = Instant::now();
        let mut log = SpoolLog::new("homer");
        let mut lines = Vec::new();
        let course = [
            (0, Stage::Filling, 10, 0),
            (5, Stage::Replaying, 10_000, 0),
            (10, Stage::Replaying, 9000, 1000),
            (66, Stage::Replaying, 4000, 6000),
            (90, Stage::Idle, 0, 10_000),
            (91, Stage::Filling, 10, 10_000),
            (92, Stage::Replaying, 10, 10_000),
            (93, Stage::Idle, 0, 10_010),
            (94, Stage::Filling, 10, 10_010),
            (200, Stage::Filling, 5000, 10_010),
        ];
        for (second, stage, spooled, done) in course {
            lines.extend(log.enter(start + SECOND * second, stage, spooled, done));
        }
        assert!(
            matches!(
                lines[..],
                [
                    Line::Filling,
                    Line::Begins { frames: 10_000 },
                    Line::Replaying {
                        replayed: 6000,
                        left: 4000
                    },
                    Line::Drained { frames: 10_000, .. },
                    Line::Filling,
                ]
            ),
            "{lines:?}"
        );
    }

    #[test]
    fn a_disk_that_fails_now_and_then_costs_two_lines_a_minute() {
        let start = Instant::now();
        let mut writes = Writes::default();
        let mut lines = 0;
        for tenth in 0..6000_u32 {
            let now = start + SECOND / 10 * tenth;
            lines += match tenth % 2 {
                0 => u32::from(writes.fail(now)) + u32::from(writes.fail(now)),
                _ => u32::from(writes.work()) + u32::from(writes.work()),
            };
        }
        assert_eq!(lines, 20);
        assert!(!writes.fail(start + SECOND * 595), "too soon");
        assert!(writes.fail(start + SECOND * 700), "it lasts");
    }
}
