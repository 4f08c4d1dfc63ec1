//! What lies in a store's directory, without reading any of it.

use crate::{disk::Disk, manifest::SegmentEntry, paths::Paths, row::Class};

/// A segment, as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentSummary {
    /// Its number.
    pub number: u64,
    /// Its class.
    pub class: Class,
    /// Its hour by `received_at`, counted from 1970.
    pub hour: i64,
    /// 0 where it was written from memory, 1 and 2 where it was merged while its hour was open and after.
    pub level: u8,
    /// Rows in it.
    pub rows: u64,
    /// Octets of it.
    pub octets: u64,
    /// `received_at` of its oldest row, in microseconds.
    pub oldest: i64,
    /// `received_at` of its newest row.
    pub newest: i64,
}

impl From<&SegmentEntry> for SegmentSummary {
    fn from(entry: &SegmentEntry) -> Self {
        Self {
            number: entry.number,
            class: entry.class,
            hour: entry.hour,
            level: entry.level,
            rows: entry.rows,
            octets: entry.octets,
            oldest: entry.received.0,
            newest: entry.received.1,
        }
    }
}

/// Files of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Files {
    /// How many.
    pub count: u64,
    /// Octets of all of them.
    pub octets: u64,
}

/// What lies in a store's directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inventory {
    /// Segments that count, in no order.
    pub segments: Vec<SegmentSummary>,
    /// Log files.
    pub log: Files,
    /// Files that were found damaged, now or in an earlier run.
    pub aside: Files,
    /// Octets that may still be written to the file system, where it says.
    pub free: Option<u64>,
    /// `received_at` of the oldest and of the newest row, those in memory among them.
    pub received: Option<(i64, i64)>,
}

impl Inventory {
    pub(crate) fn take<'a>(
        disk: &dyn Disk,
        paths: &Paths,
        entries: impl Iterator<Item = &'a SegmentEntry>,
    ) -> Self {
        let segments: Vec<SegmentSummary> = entries.map(SegmentSummary::from).collect();
        let mut inventory = Self {
            log: files(disk, &paths.log()),
            aside: files(disk, &paths.aside()),
            free: disk.free_space(paths.root()).ok(),
            ..Self::default()
        };
        for segment in &segments {
            inventory.widen(segment.oldest, segment.newest);
        }
        inventory.segments = segments;
        inventory
    }

    /// Takes rows into account that were received between these times.
    pub(crate) fn widen(&mut self, oldest: i64, newest: i64) {
        self.received = Some(match self.received {
            Some((first, last)) => (first.min(oldest), last.max(newest)),
            None => (oldest, newest),
        });
    }
}

/// A directory that cannot be listed has nothing: what is wrong with it is said by whoever writes there.
fn files(disk: &dyn Disk, directory: &std::path::Path) -> Files {
    let entries = disk.list(directory).unwrap_or_default();
    let files = entries.iter().filter(|entry| !entry.directory);
    files.fold(Files::default(), |sum, file| Files {
        count: sum.count + 1,
        octets: sum.octets + file.octets,
    })
}
