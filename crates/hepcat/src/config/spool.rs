//! `[[destination]] spool`: what is kept on disk of what a destination does not take.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use hepcat_net::spool::{check_directory, directory_name};

use super::{
    Config, Fault, Mark, Marked,
    reader::{Bare, Table},
    units,
};

/// The spool of one destination.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Spool {
    /// Its directory: `data_dir/spool/<destination>`; never empty in a configuration that was accepted.
    pub directory: PathBuf,
    /// When frames go to disk.
    pub mode: SpoolMode,
    /// Most octets on disk.
    pub max_size: ByteSize,
    /// How old a frame may get on disk.
    pub max_age: Duration,
    /// What happens at `max_size`.
    pub when_full: SpoolFull,
    /// When what was written is made to survive a loss of power.
    pub fsync: SpoolFsync,
    /// Frames per second by which a backlog shrinks, on top of those that arrive.
    pub replay_rate: NonZeroU64,
    /// Where the table stands.
    mark: Marked<()>,
}

/// When frames go to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpoolMode {
    /// While the destination is down or slow.
    #[default]
    Overflow,
    /// Each of them, before it is sent.
    Always,
}

/// What happens to a frame when the spool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SpoolFull {
    /// The oldest file goes: what is new is worth more.
    #[default]
    DropOldest,
    /// The frame is not taken.
    DropNewest,
}

/// When what was written is made to survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpoolFsync {
    /// Each group of frames before it counts.
    Always,
    /// Every so often.
    Every(Duration),
    /// When the system likes to.
    Never,
}

const SIZE: std::ops::RangeInclusive<ByteSize> = ByteSize::mib(1)..=ByteSize::tib(16);
const AGE: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3650 * 86_400);
const INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_secs(3600);

impl Default for Spool {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            mode: SpoolMode::default(),
            // Half an hour of 10,000 messages per second.
            max_size: ByteSize::gib(10),
            // A long weekend without anybody who looks, twice.
            max_age: Duration::from_secs(7 * 86_400),
            when_full: SpoolFull::default(),
            // A loss of power costs a second, a killed process nothing.
            fsync: SpoolFsync::Every(Duration::from_secs(1)),
            // What every collector that we know takes beside its usual load.
            replay_rate: NonZeroU64::new(10_000).unwrap_or(NonZeroU64::MIN),
            mark: Marked::default(),
        }
    }
}

impl Spool {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let d = Self::default();
        let modes = [
            ("overflow", SpoolMode::Overflow),
            ("always", SpoolMode::Always),
        ];
        let policies = [
            ("drop_oldest", SpoolFull::DropOldest),
            ("drop_newest", SpoolFull::DropNewest),
        ];
        Self {
            directory: d.directory,
            mode: table
                .choice("mode", &modes)
                .map_or(d.mode, Marked::into_inner),
            max_size: table
                .size("max_size", SIZE)
                .map_or(d.max_size, Marked::into_inner),
            max_age: table
                .duration("max_age", Bare::Refused, AGE)
                .map_or(d.max_age, Marked::into_inner),
            when_full: table
                .choice("when_full", &policies)
                .map_or(d.when_full, Marked::into_inner),
            fsync: read_fsync(table).unwrap_or(d.fsync),
            replay_rate: table
                .number::<u64>("replay_rate", 1..=100_000_000)
                .and_then(|rate| NonZeroU64::new(*rate))
                .unwrap_or(d.replay_rate),
            mark: Marked::new((), table.mark().clone()),
        }
    }

    /// Gives it its place below the node's data directory.
    pub(super) fn settle(&mut self, data_dir: &Path, destination: &str) {
        self.directory = data_dir.join("spool").join(directory_name(destination));
    }

    /// Where its table stands in the file.
    #[must_use]
    pub fn mark(&self) -> &Mark {
        self.mark.mark()
    }
}

fn read_fsync(table: &Table<'_>) -> Option<SpoolFsync> {
    let text = table.text("fsync")?;
    let written = match text.as_str() {
        "always" => Ok(SpoolFsync::Always),
        "never" => Ok(SpoolFsync::Never),
        interval => units::duration(interval).and_then(|interval| {
            if INTERVAL.contains(&interval) {
                Ok(SpoolFsync::Every(interval))
            } else {
                Err(format!("`{}` is out of range", units::show(interval)))
            }
        }),
    };
    match written {
        Ok(fsync) => Some(fsync),
        Err(what) => {
            let remedy = "write \"always\", \"never\" or an interval from \"10ms\" to \"1h\", such as \"1s\"";
            table.fault(&text, format!("`fsync`: {what}"), remedy);
            None
        }
    }
}

/// Spools that could not be kept where they should be.
pub(super) fn check(config: &Config, note: &mut dyn FnMut(Fault)) {
    for destination in &config.destinations {
        let Some(spool) = &destination.spool else {
            continue;
        };
        if spool.directory.as_os_str().is_empty() {
            let message = "there is a spool, and no directory to keep it in";
            let remedy = "add [node] data_dir = \"/var/lib/hepcat\"";
            note(Fault::at(&spool.mark, message, remedy));
            continue;
        }
        if let Err(error) = check_directory(&spool.directory) {
            let message = format!(
                "the spool cannot be kept in {}: {error}",
                spool.directory.display()
            );
            let remedy = "set [node] data_dir to a directory that hepcat may write to";
            note(Fault::at(&spool.mark, message, remedy));
        }
    }
}
