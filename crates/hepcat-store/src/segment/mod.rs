//! Segments: immutable Parquet files, written once, read while they count.

mod blocks;
mod cluster;
mod octets;
mod open;
mod same;
mod uniform;
mod whole;
mod write;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

pub(crate) use cluster::{Begun, Key, Keys};
pub(crate) use open::{Opened, footer_of, guarded, read_rows};
use parking_lot::Mutex;
pub(crate) use same::shortened as held;
pub(crate) use whole::Whole;
pub(crate) use write::{FILTERED, Interval, SegmentWriter, written_octets};

use crate::{disk::Disk, manifest::SegmentEntry};

/// Rows of a row group, at most.
const ROW_GROUP: usize = 131_072;
/// Rows of a page, at most.
const PAGE_ROWS: usize = 8_192;
/// Octets of a page, at most, before compression.
const PAGE_OCTETS: usize = 1 << 20;

/// Key of the entry in a footer.
const ENTRY_KEY: &str = "hepcat.segment";
const SCHEMA_KEY: &str = "hepcat.schema";
const REPLACES_KEY: &str = "hepcat.replaces";
const BLOCKS_KEY: &str = "hepcat.blocks";

/// Why a segment was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    /// The file is not what was written: it is set aside.
    #[error("{0}")]
    Damaged(String),
    /// The operating system does not let us: it may next time.
    #[error("it cannot be read")]
    Io(#[source] std::io::Error),
}

/// A segment that counts, or did until a moment ago. The file goes when the last who may read it is done.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) entry: SegmentEntry,
    pub(crate) path: PathBuf,
    disk: Arc<dyn Disk>,
    doomed: AtomicBool,
    opened: Mutex<Option<Arc<Opened>>>,
    /// When it was last opened or asked for, by the counter of whoever asks.
    used: AtomicU64,
}

impl Segment {
    pub(crate) fn new(entry: SegmentEntry, path: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self {
            entry,
            path,
            disk,
            doomed: AtomicBool::new(false),
            opened: Mutex::new(None),
            used: AtomicU64::new(0),
        }
    }

    /// Removes the file once nobody reads it any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    /// Its footer, read now or before.
    pub(crate) fn open(&self, tick: u64) -> Result<Arc<Opened>, SegmentError> {
        self.used.store(tick, Ordering::Relaxed);
        let mut opened = self.opened.lock();
        if let Some(opened) = &*opened {
            return Ok(Arc::clone(opened));
        }
        let fresh = Arc::new(open::open(
            self.disk.as_ref(),
            &self.path,
            Some(&self.entry),
        )?);
        *opened = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Octets of the footer that is held, and when it was last asked for.
    pub(crate) fn held(&self) -> Option<(u64, u64)> {
        let opened = self.opened.try_lock()?;
        let memory = opened.as_ref()?.memory;
        Some((self.used.load(Ordering::Relaxed), memory))
    }

    /// Lets the footer go.
    pub(crate) fn forget(&self) {
        *self.opened.lock() = None;
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if *self.doomed.get_mut()
            && let Err(error) = self.disk.remove(&self.path)
        {
            // The next start deletes what the manifest does not list.
            tracing::debug!(path = %self.path.display(), %error, "segment not removed");
        }
    }
}
