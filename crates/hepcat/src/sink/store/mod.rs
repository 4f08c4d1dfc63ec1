//! The store as a sink: what routes give it becomes rows.
//!
//! ```text
//!   handlers ── Queue ──> thread store-rows: messages to rows, calls followed ──> log ──> thread store-acks:
//!               bounded                                                                   delivered, or dropped
//! ```

mod acknowledge;
pub mod calls;
mod changed;
pub mod class;
mod keeper;
mod octets;
mod queue;
mod replay;
pub mod row;
mod saved;

use std::{
    collections::BTreeSet,
    io,
    net::IpAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::{SystemTime, UNIX_EPOCH},
};

use hepcat_net::Arrival;
use hepcat_store::{
    AppendError, Inventory, OpenError, Options, Retention, RowBatchBuilder, RowId, Run, Store,
};
use jiff::Timestamp;

use parking_lot::{Mutex, RwLock};

use self::{calls::Calls, queue::Queue};
use super::SinkLedger;
use crate::{
    agents::ClockBounds,
    call::{CallRecord, Tracker},
    config::{CallsConfig, StoreConfig},
    pipeline::scripts::Labels,
    query::MessageView,
    status::{CheckStatus, CompactStatus, RetentionPlan, StoreReport, StoreStatus},
};
pub use changed::{CallWatch, Changed, ChangedCalls, TooManyWatchers};

/// A frame on its way into the store.
#[derive(Debug)]
pub struct Item {
    /// The frame.
    pub arrival: Arrival,
    /// Name of the listener that received it.
    pub listener: Arc<str>,
    /// What a script wrote on it.
    pub labels: Option<Arc<Labels>>,
    /// What is believed of agents' clocks.
    pub clock: ClockBounds,
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum StoreSinkError {
    /// The store does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The system gives no more threads.
    #[error("no thread for the store")]
    Thread(#[source] io::Error),
}

/// The store, running: takes frames in, and answers.
#[derive(Debug)]
pub struct StoreSink {
    store: Arc<Store>,
    directory: PathBuf,
    rules: Retention,
    /// Held while somebody checks or compacts it: each reads all that there is.
    tending: Mutex<()>,
    queue: Arc<Queue>,
    tracker: Arc<Mutex<Tracker>>,
    changed: Arc<ChangedCalls>,
    /// Rows of calls in whose place others stand.
    superseded: RwLock<BTreeSet<i64>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl StoreSink {
    /// Opens the store in `data_dir` and begins to take frames.
    ///
    /// # Errors
    /// When it does not open, as when another node has it.
    pub fn open(
        data_dir: &Path,
        config: &StoreConfig,
        calls: &CallsConfig,
        clock: ClockBounds,
    ) -> Result<Self, StoreSinkError> {
        let directory = StoreConfig::directory(data_dir);
        let store = Arc::new(Store::open(&directory, options(config))?);
        let queue = Arc::new(Queue::default());
        let (limits, rules) = (calls.limits(config.memory), calls.rules.clone());
        let (calls, mark) = Calls::open(data_dir.join("calls.open"), limits, rules, clock);
        let tracker = Arc::clone(calls.tracker());
        let changed = Arc::clone(calls.changed());
        let threads = keeper::start(&store, &queue, calls, mark).map_err(StoreSinkError::Thread)?;
        Ok(Self {
            store,
            directory,
            rules: config.retention.clone(),
            tending: Mutex::default(),
            queue,
            tracker,
            changed,
            superseded: RwLock::default(),
            threads: Mutex::new(threads),
        })
    }

    /// Hands over frames. Where the queue is full it waits for as long as the store gets on; one that is stuck
    /// holds nobody up, and what finds no room is dropped and counted.
    pub async fn offer(&self, items: &mut Vec<Item>) {
        self.queue.offer(items).await;
    }

    /// What it answers searches from.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What follows calls.
    #[must_use]
    pub fn tracker(&self) -> &Arc<Mutex<Tracker>> {
        &self.tracker
    }

    /// Who is told of calls that change.
    #[must_use]
    pub fn changed(&self) -> &Arc<ChangedCalls> {
        &self.changed
    }

    /// Writes calls that are closed as rows, and waits until they are kept. Blocks.
    ///
    /// # Errors
    /// Why they are not kept.
    pub fn keep_calls(&self, calls: &[CallRecord]) -> Result<(), AppendError> {
        let mut rows = RowBatchBuilder::default();
        let now = (SystemTime::now().duration_since(UNIX_EPOCH)).unwrap_or_default();
        for call in calls {
            calls::push_call(call, now.into(), &mut rows, &mut calls::Room::default());
        }
        self.store.append(rows)?.wait().map(drop)
    }

    /// Says that other rows stand in the place of these, which are shown no more.
    pub fn supersede(&self, rows: impl IntoIterator<Item = i64>) {
        self.superseded.write().extend(rows);
    }

    /// Whether another row stands in the place of this one.
    #[must_use]
    pub fn is_superseded(&self, row: RowId) -> bool {
        self.superseded.read().contains(&row.get())
    }

    /// The rows that are shown no more, in ranges of one.
    #[must_use]
    pub fn superseded(&self) -> Vec<RangeInclusive<i64>> {
        let rows = self.superseded.read();
        rows.iter().map(|row| *row..=*row).collect()
    }

    /// Its half of the ledger.
    #[must_use]
    pub fn ledger(&self) -> SinkLedger {
        self.queue.ledger()
    }

    /// Whether half of its memory is in use: who keeps messages elsewhere for convenience lets go.
    #[must_use]
    pub fn is_short_of_memory(&self) -> bool {
        self.store.memory().is_short()
    }

    /// How it is.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> StoreStatus {
        self.look(now).0
    }

    /// How it is, by class and by hour too.
    #[must_use]
    pub fn report(&self, now: Timestamp) -> StoreReport {
        let (status, inventory) = self.look(now);
        StoreReport::new(status, &inventory)
    }

    fn look(&self, now: Timestamp) -> (StoreStatus, Inventory) {
        let inventory = self.store.inventory();
        let status = StoreStatus::new(&self.directory, &inventory, &self.rules, now)
            .with_activity(&self.store.stats(), self.store.is_clock_believed());
        (status, inventory)
    }

    /// Reads everything whole; `None` where somebody checks or compacts it already. Blocks.
    #[must_use]
    pub fn check(&self) -> Option<CheckStatus> {
        let _one_at_a_time = self.tending.try_lock()?;
        let report = self.store.check();
        Some(CheckStatus::new(&report, self.store.inventory().aside))
    }

    /// Merges what is due; `None` where somebody checks or compacts it already. Blocks.
    #[must_use]
    pub fn compact(&self) -> Option<CompactStatus> {
        let _one_at_a_time = self.tending.try_lock()?;
        Some(CompactStatus::from(&self.store.compact()))
    }

    /// What retention removes, or would where it is a dry run.
    #[must_use]
    pub fn retention(&self, run: Run) -> RetentionPlan {
        let believed = self.store.is_clock_believed();
        let expired = self.store.retention(run);
        RetentionPlan::new(&expired, &self.rules, believed, run == Run::Real)
    }

    /// Takes no more, and waits until everything that it has is kept. Blocks.
    pub fn close(&self) {
        self.store.end_tidying();
        self.queue.close();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store ended by a panic");
            }
        }
    }
}

impl Drop for StoreSink {
    fn drop(&mut self) {
        self.close();
    }
}

fn options(config: &StoreConfig) -> Options {
    let mut options = Options::default();
    options.memory = config.memory.as_u64();
    options.fsync = config.fsync;
    options.retention = config.retention.clone();
    options
}

/// The name by which calls know an agent: it stays the same through connections and restarts.
#[must_use]
pub fn agent_name(address: IpAddr, capture_id: Option<u32>) -> String {
    let address = address.to_canonical();
    match capture_id {
        Some(capture_id) => format!("{address}/{capture_id}"),
        None => address.to_string(),
    }
}

fn agent_of(view: &MessageView<'_>) -> String {
    let envelope = view.envelope();
    agent_name(envelope.origin.peer.ip(), envelope.message.capture_id())
}
