//! What happened, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{error::AppendError, memory::MemoryStats};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of an open store.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: AtomicU64,)*
        }

        /// What happened since the store was opened, and what there is now.
        #[derive(Debug, Clone, Default)]
        #[non_exhaustive]
        pub struct StoreStats {
            $($(#[$doc])* pub $name: u64,)*
            /// Rows in the hot buffer and in frozen generations.
            pub rows_in_memory: u64,
            /// Rows in segments.
            pub rows_in_segments: u64,
            /// Segments.
            pub segments: u64,
            /// Octets of segments.
            pub segment_octets: u64,
            /// Generations that wait to be written.
            pub frozen: u64,
            /// Memory in use.
            pub memory: MemoryStats,
        }

        impl Counters {
            pub(crate) fn read(&self) -> StoreStats {
                StoreStats {
                    $($name: self.$name.load(Ordering::Relaxed),)*
                    ..StoreStats::default()
                }
            }
        }
    };
}

counters! {
    /// Rows that were given to `append`.
    offered,
    /// Rows whose ticket said that they are kept.
    kept,
    /// Rows that were dropped because memory was used up.
    dropped_memory,
    /// Rows that were dropped because the disk was full.
    dropped_disk_full,
    /// Rows that were dropped because the log could not be written.
    dropped_log,
    /// Rows that were dropped because the store was closing.
    dropped_closed,
    /// Rows of generations that could not be written as segments: their log file is set aside.
    lost_unwritable,
    /// Rows that are searched although their sync failed; among those offered, neither kept nor dropped.
    unsynced,
    /// Rows read back from the log when the store was opened.
    replayed,
    /// Log files that were found damaged.
    damaged_logs,
    /// Segments that were found damaged, and set aside.
    damaged_segments,
    /// Rows that were in them.
    damaged_rows,
    /// Times that the manifest was made anew.
    rebuilt_manifests,
    /// Frames of the log.
    log_frames,
    /// Octets written to the log.
    log_octets,
    /// Syncs of the log.
    log_syncs,
    /// Generations written as segments.
    flushes,
    /// Times that writing a generation failed, and will be tried again.
    flush_failures,
    /// Segments that were merged.
    merged_segments,
    /// Rows that were merged.
    merged_rows,
    /// Times that compaction waited for memory.
    compaction_waits,
    /// Times that compaction failed, and will be tried again.
    compaction_failures,
    /// Segments that retention removed.
    expired_segments,
    /// Rows that were in them.
    expired_rows,
    /// Searches that began.
    searches,
    /// Searches that were refused because memory was short.
    searches_refused,
    /// Searches that ended because whoever asked does not wait any more.
    searches_cancelled,
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    /// Counts rows that are not kept.
    pub(crate) fn drop_rows(&self, error: AppendError, rows: u64) {
        let counter = match error {
            AppendError::Memory => &self.dropped_memory,
            AppendError::DiskFull => &self.dropped_disk_full,
            AppendError::Log => &self.dropped_log,
            AppendError::Closed => &self.dropped_closed,
            AppendError::Sync => &self.unsynced,
        };
        add(counter, rows);
    }
}
