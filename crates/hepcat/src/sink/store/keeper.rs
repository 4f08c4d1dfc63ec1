//! The thread that makes rows of messages.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use hepcat_net::Arrival;
use hepcat_store::Store;

use super::{
    Item,
    acknowledge::{self, Pending},
    queue::Queue,
    row::RowWriter,
};
use crate::pipeline::{Capture, Inflated};

/// How long a few frames wait for company: far below what anybody notices, and a batch costs less than rows alone.
const LINGER: Duration = Duration::from_millis(5);
/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(1);
/// Rows that go to the log together at most: what waits for the log to be read is bounded.
const BATCH: usize = 4_096;
/// Batches that wait for the log: with the interval of syncs that is what may be open at a time.
const PENDING: usize = 64;

/// Why a frame is no row.
pub(super) const TOO_LARGE: &str = "too_large";

/// Starts the threads between queue and store. They end once the queue is closed and empty.
pub(super) fn start(store: &Arc<Store>, queue: &Arc<Queue>) -> io::Result<Vec<JoinHandle<()>>> {
    let (sender, pending) = sync_channel(PENDING);
    let waiting = Arc::clone(queue);
    let acknowledging = Builder::new()
        .name("store-acks".to_owned())
        .spawn(move || acknowledge::run(&waiting, &pending))?;
    let mut keeper = Keeper {
        store: Arc::clone(store),
        queue: Arc::clone(queue),
        writer: RowWriter::default(),
        frames: 0,
        pending: sender,
    };
    let keeping = Builder::new()
        .name("store-rows".to_owned())
        .spawn(move || keeper.run());
    match keeping {
        Ok(keeping) => Ok(vec![keeping, acknowledging]),
        Err(error) => {
            queue.close();
            Err(error)
        }
    }
}

/// Makes rows of what the queue has, and hands them to the log.
#[derive(Debug)]
struct Keeper {
    store: Arc<Store>,
    queue: Arc<Queue>,
    writer: RowWriter,
    /// Frames in the batch that is being made.
    frames: u64,
    pending: SyncSender<Pending>,
}

impl Keeper {
    fn run(&mut self) {
        while let Some(items) = self.queue.take(IDLE, LINGER) {
            self.keep(items);
        }
    }

    fn keep(&mut self, items: VecDeque<Item>) {
        for item in items {
            self.add(&item);
            if self.writer.len() >= BATCH || self.writer.is_full() {
                self.append();
            }
        }
        self.append();
    }

    fn add(&mut self, item: &Item) {
        let inflated = Inflated::default();
        let Some(capture) = Capture::new(&item.arrival, &item.listener, Some(&inflated)) else {
            return;
        };
        let added = match (&capture, &item.arrival) {
            (Capture::Message(view), _) => {
                let labels = item.labels.as_deref();
                self.writer
                    .message(view, &item.listener, item.clock, labels)
            }
            (Capture::Unparsable(_), Arrival::Unparsable(unparsable)) => {
                self.writer.unparsable(unparsable, &item.listener)
            }
            _ => return,
        };
        match added {
            Ok(()) => self.frames += 1,
            Err(error) => {
                tracing::debug!(%error, "message not stored");
                self.queue.dropped(TOO_LARGE, 1);
            }
        }
    }

    fn append(&mut self) {
        if self.writer.is_empty() {
            return;
        }
        let frames = std::mem::take(&mut self.frames);
        match self.store.append(self.writer.take()) {
            Ok(ticket) => {
                let pending = Pending { ticket, frames };
                // The other thread ends only after this one.
                if self.pending.send(pending).is_err() {
                    tracing::error!(frames, "nobody waits for the log");
                }
            }
            Err(error) => self.queue.dropped(error.reason(), frames),
        }
    }
}
