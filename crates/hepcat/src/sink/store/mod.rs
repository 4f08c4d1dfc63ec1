//! The store as a sink: what routes give it becomes rows.
//!
//! ```text
//!   handlers ── Queue ──> thread store-rows: messages to rows, calls followed ──> log ──> thread store-acks:
//!               bounded                                                                   delivered, or dropped
//! ```

mod acknowledge;
pub mod class;
mod keeper;
mod octets;
mod queue;
pub mod row;

use std::{io, path::Path, sync::Arc, thread::JoinHandle};

use hepcat_net::Arrival;
use hepcat_store::{OpenError, Options, Store};

use super::SinkLedger;
use crate::{agents::ClockBounds, config::StoreConfig, pipeline::scripts::Labels};
use queue::Queue;

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
    queue: Arc<Queue>,
    threads: parking_lot::Mutex<Vec<JoinHandle<()>>>,
}

impl StoreSink {
    /// Opens the store in `directory` and begins to take frames.
    ///
    /// # Errors
    /// When it does not open, as when another node has it.
    pub fn open(directory: &Path, config: &StoreConfig) -> Result<Self, StoreSinkError> {
        let store = Arc::new(Store::open(directory, options(config))?);
        let queue = Arc::new(Queue::default());
        let threads = keeper::start(&store, &queue).map_err(StoreSinkError::Thread)?;
        Ok(Self {
            store,
            queue,
            threads: parking_lot::Mutex::new(threads),
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

    /// Its half of the ledger.
    #[must_use]
    pub fn ledger(&self) -> SinkLedger {
        self.queue.ledger()
    }

    /// Takes no more, and waits until everything that it has is kept. Blocks.
    pub fn close(&self) {
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
