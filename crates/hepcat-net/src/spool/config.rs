//! What a spool is: where it is kept, how much of it, and what a loss of power may cost.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::disk::{Disk, SystemDisk};

/// Everything about one destination's spool. Made by [`new`](Self::new), then adjusted by the setters.
#[derive(Debug, Clone)]
pub struct SpoolConfig {
    pub(crate) directory: PathBuf,
    pub(crate) mode: SpoolMode,
    pub(crate) max_octets: u64,
    pub(crate) max_age: Duration,
    pub(crate) when_full: SpoolFull,
    pub(crate) fsync: Fsync,
    pub(crate) replay_rate: NonZeroU64,
    pub(crate) disk: Arc<dyn Disk>,
}

/// When frames go to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SpoolMode {
    /// While the destination is down, and while it is so slow that half of the memory queue is in use. What is
    /// in memory when the process is killed is lost.
    #[default]
    Overflow,
    /// Always, before they are sent. What had been written when the process is killed is sent by the next one.
    Always,
}

/// What happens at [`SpoolConfig::max_octets`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SpoolFull {
    /// The oldest spool file goes, with all its frames.
    #[default]
    DropOldest,
    /// The new frame is not taken.
    DropNewest,
}

/// When spooled frames are made to survive a loss of power. A killed process loses none of them in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fsync {
    /// Each group of frames before it counts as spooled, and with [`SpoolMode::Always`] before it is sent.
    Always,
    /// Every so often, beside the writing: a loss of power costs what was written in that time and in the time
    /// that the sync itself took.
    Every(Duration),
    /// When the operating system likes to, usually within half a minute.
    Never,
}

impl SpoolConfig {
    /// Smallest bound of a spool in octets: eight files of 128 KiB.
    pub const SMALLEST: u64 = 1 << 20;

    /// A spool in a directory of its own, which is made where it is missing. Nobody else may use it at the same
    /// time: a second spool in the same directory waits until the first is closed.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            mode: SpoolMode::default(),
            // Half an hour of 10,000 messages per second of the usual length.
            max_octets: 10 << 30,
            // What a long weekend without anybody who looks costs, twice.
            max_age: Duration::from_hours(7 * 24),
            when_full: SpoolFull::default(),
            fsync: Fsync::Every(Duration::from_secs(1)),
            // An hour of 5,000 messages per second comes in half an hour, beside as many new ones, at a rate that
            // every collector we know can take.
            replay_rate: NonZeroU64::new(10_000).unwrap_or(NonZeroU64::MIN),
            disk: Arc::new(SystemDisk),
        }
    }

    /// When frames go to disk. Default [`SpoolMode::Overflow`].
    #[must_use]
    pub fn mode(mut self, mode: SpoolMode) -> Self {
        self.mode = mode;
        self
    }

    /// Most octets on disk, at least [`SMALLEST`](Self::SMALLEST). Default 10 GiB.
    #[must_use]
    pub fn max_octets(mut self, octets: u64) -> Self {
        self.max_octets = octets.max(Self::SMALLEST);
        self
    }

    /// How old a spooled frame may get; an older one is dropped and counted. Default 7 days.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// What happens when the bound on octets is reached. Default [`SpoolFull::DropOldest`].
    #[must_use]
    pub fn when_full(mut self, policy: SpoolFull) -> Self {
        self.when_full = policy;
        self
    }

    /// When spooled frames are made to survive a loss of power. Default every second.
    #[must_use]
    pub fn fsync(mut self, fsync: Fsync) -> Self {
        self.fsync = fsync;
        self
    }

    /// Frames per second by which a backlog shrinks once the destination is back: so many are sent on top of
    /// those that arrive meanwhile, as far as the destination takes them. Default 10,000.
    #[must_use]
    pub fn replay_rate(mut self, frames: NonZeroU64) -> Self {
        self.replay_rate = frames;
        self
    }

    /// The file layer. Default [`SystemDisk`].
    #[must_use]
    pub fn disk(mut self, disk: Arc<dyn Disk>) -> Self {
        self.disk = disk;
        self
    }

    /// Where it is kept.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Octets after which a new file is begun: an eighth of the bound, at most 64 MiB.
    pub(crate) fn file_octets(&self) -> u64 {
        (self.max_octets / 8).min(64 << 20)
    }
}
