//! The thread that makes rows of messages.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::IpAddr,
    sync::{
        Arc,
        mpsc::{SyncSender, sync_channel},
    },
    thread::{Builder, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use hepcat_net::Arrival;
use hepcat_store::{RowBatchBuilder, Store, Ticket};

use super::{
    Item,
    acknowledge::{self, Pending},
    agent_name,
    calls::Calls,
    queue::Queue,
    replay::Replay,
    row::{About, RowWriter},
};
use crate::{
    pipeline::{Capture, Inflated},
    query::MessageView,
};

/// How long a few frames wait for company: far below what anybody notices, and a batch costs less than rows alone.
const LINGER: Duration = Duration::from_millis(20);
/// How long nothing may happen.
const IDLE: Duration = Duration::from_secs(1);
/// How often calls are looked at: what is over waits in memory until then.
const LOOK: Duration = Duration::from_millis(250);
/// Rows that go to the log together at most. More would save nothing more, and leave the processor's cache while they are
/// collected.
const BATCH: usize = 1_024;
/// Batches that wait for the log: with the interval of syncs that is what may be open at a time.
const PENDING: usize = 64;

/// Why a frame is no row.
pub(super) const TOO_LARGE: &str = "too_large";

/// Starts the threads between queue and store. They end once the queue is closed and empty.
pub(super) fn start(
    store: &Arc<Store>,
    queue: &Arc<Queue>,
    calls: Calls,
    mark: Option<i64>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (sender, pending) = sync_channel(PENDING);
    let waiting = Arc::clone(queue);
    let acknowledging = Builder::new()
        .name("store-acks".to_owned())
        .spawn(move || acknowledge::run(&waiting, &pending))?;
    let mut keeper = Keeper {
        store: Arc::clone(store),
        queue: Arc::clone(queue),
        writer: RowWriter::default(),
        agents: AgentNames::default(),
        frames: 0,
        pending: sender,
        calls,
        replay: None,
        looked_at: Instant::now(),
        last: None,
    };
    let keeping = Builder::new()
        .name("store-rows".to_owned())
        .spawn(move || keeper.run(mark));
    match keeping {
        Ok(keeping) => Ok(vec![keeping, acknowledging]),
        Err(error) => {
            queue.close();
            Err(error)
        }
    }
}

/// Names of agents, each written once.
#[derive(Debug, Default)]
struct AgentNames {
    names: HashMap<(IpAddr, Option<u32>), String, foldhash::fast::RandomState>,
}

impl AgentNames {
    /// More are forgotten, all together: an agent may send whatever capture id it likes.
    const MOST: usize = 1_024;

    fn name_of(&mut self, view: &MessageView<'_>) -> &str {
        let envelope = view.envelope();
        let (ip, id) = (envelope.origin.peer.ip(), envelope.message.capture_id());
        if self.names.len() >= Self::MOST && !self.names.contains_key(&(ip, id)) {
            self.names.clear();
        }
        self.names
            .entry((ip, id))
            .or_insert_with(|| agent_name(ip, id))
    }
}

/// Makes rows of what the queue has, and hands them to the log.
#[derive(Debug)]
struct Keeper {
    store: Arc<Store>,
    queue: Arc<Queue>,
    writer: RowWriter,
    agents: AgentNames,
    /// Frames in the batch that is being made.
    frames: u64,
    pending: SyncSender<Pending>,
    calls: Calls,
    /// What the tracker is still to be shown of an earlier run.
    replay: Option<Replay>,
    /// When calls were looked at last.
    looked_at: Instant,
    /// The last batch of messages.
    last: Option<Ticket>,
}

impl Keeper {
    fn run(&mut self, mark: Option<i64>) {
        self.begin_replay(mark);
        loop {
            let (limit, linger) = match self.replay {
                Some(_) => (Duration::ZERO, Duration::ZERO),
                None => (IDLE, LINGER),
            };
            let Some(items) = self.queue.take(limit, linger) else {
                break;
            };
            self.keep(items);
            self.go_on_with_replay();
            self.look_after_calls(false);
        }
        self.look_after_calls(true);
    }

    fn begin_replay(&mut self, mark: Option<i64>) {
        match Replay::after(&self.store, mark) {
            Ok(replay) => self.replay = Some(replay),
            Err(error) => {
                tracing::error!(%error, "calls that were open are followed from here on only");
            }
        }
    }

    fn go_on_with_replay(&mut self) {
        let Some(replay) = &mut self.replay else {
            return;
        };
        match replay.step(&self.store, &self.calls) {
            Ok(true) => {}
            Ok(false) => self.replay = None,
            Err(error) => tracing::error!(%error, "messages of open calls are missing in them"),
        }
    }

    /// Writes calls that are over, and what is open to its file, each in its time. Not while an earlier run is
    /// caught up with: calls would end before they were whole.
    fn look_after_calls(&mut self, at_the_end: bool) {
        if self.replay.is_some() || (self.looked_at.elapsed() < LOOK && !at_the_end) {
            return;
        }
        self.looked_at = Instant::now();
        let mut records = RowBatchBuilder::default();
        self.calls.close_and_write(SystemTime::now(), &mut records);
        self.store.set_beside(self.calls.memory() as u64);
        if !records.is_empty()
            && let Err(error) = self.store.append(records)
        {
            tracing::error!(%error, "calls that are over are not kept");
        }
        if at_the_end || self.calls.is_to_be_saved() {
            self.save_calls();
        }
    }

    fn save_calls(&mut self) {
        // What the file says must be kept before it says so.
        let Some(Ok(kept)) = self.last.take().map(|ticket| ticket.wait()) else {
            return;
        };
        let mark = kept.first.get() + i64::from(kept.rows) - 1;
        self.calls.save(mark);
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
                let attachment = self.calls.see(view, self.agents.name_of(view));
                let about = About {
                    listener: &item.listener,
                    clock: item.clock,
                    labels: item.labels.as_deref(),
                    attached: (attachment.as_ref())
                        .map(|attachment| (&*attachment.call_id, attachment.by.label())),
                };
                self.writer.message(view, &about)
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
                self.last = Some(ticket.clone());
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
