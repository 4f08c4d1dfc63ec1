//! The capture store of hepcat: rows in, rows out. It knows no HEP, no sockets and no SQL.
//!
//! ```text
//! append ── log file ── hot buffer ── frozen generation ── segment (level 0) ── segment (level 1, 2)
//!            (synced)    (searched)                          compaction ──────────┘
//! ```
//!
//! [`Store`] is opened on a directory and takes [`Row`]s in batches; a [`Ticket`] says when they survive. A [`Search`]
//! streams the newest first from all of the above at one moment. `docs/store-format.md` describes every file.
//!
//! Every call blocks: callers with a reactor make them on threads of their own. The store has three threads (log,
//! writing of segments, tidying up); searches use up to `search_threads` more, which end with what they look at.
//!
//! ```
//! use std::time::Duration;
//!
//! use hepcat_store::{
//!     Class, Column, Envelope, Filter, Options, Part, Row, RowBatchBuilder, RowId, Run, Search,
//!     Store,
//! };
//!
//! # let directory = tempfile::tempdir()?;
//! let mut options = Options::default();
//! options.memory = 128 << 20;
//! options.retention.max_age = Some(Duration::from_hours(30 * 24));
//! let store = Store::open(directory.path(), options)?;
//!
//! // What was on the wire, what was found in it, and how to make the one from the other again.
//! let payload = b"INVITE sip:bob@biloxi.example SIP/2.0\r\nCall-ID: a84b4c76e66710\r\n\r\n";
//! let frame = [b"HEP3 and chunks, ".as_slice(), payload].concat();
//! let mut row = Row::default();
//! row.class = Class::Call;
//! row.received_at = 1_795_442_400_000_000;
//! row.method = Some("INVITE");
//! row.call_id = Some("a84b4c76e66710");
//! row.payload = payload;
//! let mut envelope = Vec::new();
//! Envelope::new(&frame)
//!     .with(Part::Payload, 17..17 + payload.len())
//!     .encode_into(&row, &mut envelope);
//! row.envelope = &envelope;
//!
//! // Rows go in by the batch; a ticket can be waited for, by this thread or another, or be dropped.
//! let mut rows = RowBatchBuilder::default();
//! rows.push(&row)?;
//! let kept = store.append(rows)?.wait()?;
//!
//! // The newest first, in batches, until there are no more or 200 were found.
//! let mut search = Search::new(Filter::All(vec![
//!     Filter::Class(vec![Class::Call]),
//!     Filter::is(Column::CallId, "a84b4c76e66710"),
//! ]));
//! search.time = 1_795_442_000_000_000..1_795_443_000_000_000;
//! search.limit = Some(200);
//! search.deadline = Some(Duration::from_secs(5));
//! let cancel = search.cancel.clone(); // another thread may `cancel.cancel()`
//! let mut found = store.search(search.clone())?;
//! for batch in found.by_ref() {
//!     for row in batch?.rows().iter() {
//!         assert_eq!(row.frame().as_deref(), Some(frame.as_slice()));
//!     }
//! }
//! # drop(cancel);
//! // The next page begins where this one ended; a cursor has a text form for URLs.
//! search.after = found.cursor();
//! assert_eq!(found.report().unreadable, 0);
//!
//! // Single rows by identity, which a row carries and a ticket says.
//! let ids = [kept.first, RowId::from_number(42)];
//! let rows: usize = store.read(&ids)?.map(|batch| batch.map_or(0, |rows| rows.len())).sum();
//! assert_eq!(rows, 1);
//!
//! for expired in store.retention(Run::Dry) {
//!     println!("{} rows would go: {}", expired.rows, expired.reason.name());
//! }
//! assert_eq!(store.stats().kept, 1);
//! store.close();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod clock;
mod compact;
mod counters;
mod disk;
mod error;
mod flush;
mod hot;
mod ingest;
mod inspection;
mod inventory;
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
pub use inspection::Inspection;
pub use inventory::{Files, Inventory, SegmentSummary};
pub use memory::{Held, MemoryStats};
pub use options::{Fsync, Options, Retention};
pub use retention::{Expired, Reason, Run};
pub use row::{
    Class, Column, Envelope, MAX_BATCH_OCTETS, MAX_BATCH_ROWS, MAX_ROW_OCTETS, Part, Row, RowBatch,
    RowBatchBuilder, RowId, Rows, SCHEMA_VERSION,
};
pub use search::{
    BadCursor, BadExpression, Cancel, Count, CountBy, Counted, Counts, Cursor, Filter, Found,
    MAX_COUNTS, RowTest, Search, SearchError, SearchReport, TextTest,
};
pub use store::Store;
pub use ticket::Ticket;
