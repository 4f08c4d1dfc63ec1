//! The capture store of hepcat: rows in, rows out. It knows no HEP, no sockets and no SQL.
//!
//! ```text
//! append ── log file ── hot buffer ── frozen generation ── segment (level 0) ── segment (level 1, 2)
//!            (synced)    (searched)                          compaction ──────────┘
//! ```
//!
//! [`Store`] is opened on a directory and takes [`Row`]s in batches; a [`Ticket`] says when they survive. A search
//! streams the newest first from all of the above at one moment. `docs/store-format.md` describes every file.

mod check;
mod clock;
mod compact;
mod counters;
mod disk;
mod error;
mod flush;
mod hot;
mod ingest;
mod log;
mod maintenance;
mod manifest;
mod memory;
mod options;
mod paths;
mod recovery;
mod retention;
mod row;
mod search;
mod segment;
mod store;
mod ticket;

pub use arrow;
pub use check::{CheckReport, Damaged};
pub use clock::{Clock, SystemClock};
pub use compact::CompactReport;
pub use counters::StoreStats;
pub use disk::{Disk, DiskEntry, DiskFile, FaultyDisk, Step, SystemDisk};
pub use error::{AppendError, OpenError, RowTooLarge};
pub use hot::Appended;
pub use memory::MemoryStats;
pub use options::{Fsync, Options, Retention};
pub use retention::{Expired, Reason, Run};
pub use row::{
    Class, Column, Envelope, MAX_BATCH_OCTETS, MAX_BATCH_ROWS, MAX_ROW_OCTETS, Row, RowBatch,
    RowBatchBuilder, RowId, Rows, SCHEMA_VERSION,
};
pub use search::{
    BadCursor, BadExpression, Cancel, Cursor, Filter, Found, RowTest, Search, SearchError,
    SearchReport, TextTest,
};
pub use store::Store;
pub use ticket::Ticket;
