//! The `[store]` table: whether the node keeps what it sees, and for how long.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use hepcat_store::{Class, Fsync, Retention};

use super::{
    Config, Fault, Marked,
    reader::{Bare, Table},
    units,
};

/// `[store]`: the embedded store. A node without a configuration has one; a configuration has one where it has this
/// table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StoreConfig {
    /// `enabled`: false is a node that keeps nothing.
    pub enabled: bool,
    /// `memory`: octets for log, buffers, writing, compaction and searches together.
    pub memory: ByteSize,
    /// `fsync`: when what was written survives a loss of power.
    pub fsync: Fsync,
    /// `retention`: how long rows are kept.
    pub retention: Retention,
    /// Where the table stands.
    mark: Marked<()>,
}

const MEMORY: RangeInclusive<ByteSize> = ByteSize::mib(64)..=ByteSize::gib(256);
const SIZE: RangeInclusive<ByteSize> = ByteSize::mib(1)..=ByteSize::pib(1);
const AGE: RangeInclusive<Duration> =
    Duration::from_secs(60)..=Duration::from_secs(100 * 365 * 86_400);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(60);

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            // The store's own default, and a size that every machine with a SIP proxy has.
            memory: ByteSize::mib(256),
            // A sync takes 3 to 5 ms: at this interval it costs less than a quarter of one disk's time.
            fsync: Fsync::Interval(Duration::from_millis(20)),
            retention: default_retention(),
            mark: Marked::default(),
        }
    }
}

/// A month, and never the last gibibyte of the disk.
fn default_retention() -> Retention {
    let mut retention = Retention::default();
    retention.max_age = Some(Duration::from_secs(30 * 86_400));
    retention.min_free = Some(ByteSize::gib(1).as_u64());
    retention
}

impl StoreConfig {
    /// A configuration without the table keeps nothing.
    pub(super) fn absent() -> Self {
        Self {
            enabled: false,
            ..Self::default()
        }
    }

    pub(super) fn read(table: &Table<'_>) -> Self {
        let d = Self::default();
        Self {
            enabled: table.flag("enabled").map_or(d.enabled, Marked::into_inner),
            memory: table
                .size("memory", MEMORY)
                .map_or(d.memory, Marked::into_inner),
            fsync: read_fsync(table).unwrap_or(d.fsync),
            retention: table
                .table("retention", read_retention)
                .unwrap_or(d.retention),
            mark: Marked::new((), table.mark().clone()),
        }
    }

    /// Its directory below the node's data directory.
    #[must_use]
    pub fn directory(data_dir: &Path) -> PathBuf {
        data_dir.join("store")
    }

    /// What it says about where it stands.
    #[must_use]
    pub fn mark(&self) -> &Marked<()> {
        &self.mark
    }

    /// Whether a running store would be the same under `other`.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.enabled, self.memory, self.fsync) == (other.enabled, other.memory, other.fsync)
            && self.retention == other.retention
    }
}

fn read_fsync(table: &Table<'_>) -> Option<Fsync> {
    let text = table.text("fsync")?;
    let written = match text.as_str() {
        "always" => Ok(Fsync::Always),
        "never" => Ok(Fsync::Never),
        interval => units::duration(interval).and_then(|interval| {
            if INTERVAL.contains(&interval) {
                Ok(Fsync::Interval(interval))
            } else {
                Err(format!("`{}` is out of range", units::show(interval)))
            }
        }),
    };
    match written {
        Ok(fsync) => Some(fsync),
        Err(what) => {
            let remedy = "write \"always\", \"never\" or an interval from \"1ms\" to \"1m\", such as \"20ms\"";
            table.fault(&text, format!("`fsync`: {what}"), remedy);
            None
        }
    }
}

fn read_retention(table: &Table<'_>) -> Retention {
    let age = |key| table.duration(key, Bare::Refused, AGE);
    let size = |key| table.size(key, SIZE).map(|size| size.as_u64());
    let mut retention = default_retention();
    if let Some(max_age) = age("max_age") {
        retention.max_age = Some(max_age.into_inner());
    }
    if let Some(octets) = size("max_size") {
        retention.max_octets = Some(octets);
    }
    if let Some(octets) = size("min_free") {
        retention.min_free = Some(octets);
    }
    let classes = table.table("classes", |table| {
        let ages = Class::ALL.iter().filter_map(|class| {
            let age = table.duration(class.name(), Bare::Refused, AGE)?;
            Some((*class, age.into_inner()))
        });
        ages.collect()
    });
    retention.classes = classes.unwrap_or_default();
    retention
}

/// A store needs a place.
pub(super) fn check(config: &Config, note: &mut dyn FnMut(Fault)) {
    if config.store.enabled && config.data_dir().is_none() {
        let message = "there is a store, and no directory to keep it in";
        let remedy = "add [node] data_dir = \"/var/lib/hepcat\", or [store] enabled = false";
        note(Fault::at(&config.store.mark, message, remedy));
    }
}
