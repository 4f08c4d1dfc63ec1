//! Scripts between static routes and sinks.
//!
//! ```text
//!  batch ── static routes ──┬─ no script wants it ────────────────────┐
//!                           └─ hash of the Call-ID ─▶ worker 0 (Lua) ─┤
//!                                                  ─▶ worker 1 (Lua) ─┴▶ in the batch's order: sinks
//! ```
//!
//! Each worker is a thread with a Lua of its own, so one script runs on several cores. Messages of one
//! Call-ID meet the same worker, in the order in which they arrived. A handler waits until its batch is
//! answered and then goes on in the batch's own order: whatever a sender's messages meet on their way,
//! they leave in the order in which they came, and a sender over TCP or TLS is held up when scripts are
//! slow. Queues are bounded, and hold no more than the batches that handlers hold anyway.

mod asker;
mod labels;
mod setup;
mod state;
mod transactions;
mod worker;

use std::{
    fmt,
    hash::BuildHasher,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub use asker::{Asker, Wants};
pub use labels::Labels;
pub use setup::ScriptSetup;
pub use state::{NotSent, ScriptReading, ScriptState};
pub use transactions::SeenTransactions;
pub(super) use worker::{Answer, Extras, Ruling, Task};
use worker::{Done, Job, Worker};

use crate::lua::ScriptError;

/// Jobs that wait for one worker; a job is the share of one batch. Handlers wait for room.
const QUEUE_JOBS: usize = 16;

/// The workers of one topology. They end when it is dropped.
pub struct Scripts {
    queues: Vec<mpsc::Sender<Job>>,
    setup: Arc<ScriptSetup>,
    state: Arc<ScriptState>,
    wants: Wants,
    hasher: foldhash::fast::RandomState,
}

/// Workers that are ready to start.
#[derive(Debug)]
pub struct IdleScripts {
    workers: Vec<Worker>,
    setup: Arc<ScriptSetup>,
    state: Arc<ScriptState>,
    wants: Wants,
}

impl IdleScripts {
    /// Makes a Lua for each worker and executes the script in it.
    ///
    /// # Errors
    /// What keeps the script from being executed within its limits.
    pub fn new(setup: ScriptSetup, state: &Arc<ScriptState>) -> Result<Self, ScriptError> {
        let setup = Arc::new(setup);
        let workers = (0..setup.workers.get()).map(|_| Worker::new(&setup, state));
        Ok(Self {
            workers: workers.collect::<Result<_, _>>()?,
            wants: Wants::new(setup.script.entries()),
            setup,
            state: Arc::clone(state),
        })
    }

    /// Starts a thread for each worker.
    #[must_use]
    pub fn start(self, tasks: &TaskTracker) -> Scripts {
        let queues = self.workers.into_iter().map(|worker| {
            let (queue, jobs) = mpsc::channel(QUEUE_JOBS);
            tasks.spawn_blocking(move || worker.work(jobs));
            queue
        });
        Scripts {
            queues: queues.collect(),
            setup: self.setup,
            state: self.state,
            wants: self.wants,
            hasher: foldhash::fast::RandomState::default(),
        }
    }
}

impl Scripts {
    /// What the script wants to see.
    #[must_use]
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// What the script runs with.
    #[must_use]
    pub fn setup(&self) -> &ScriptSetup {
        &self.setup
    }

    /// What is counted.
    #[must_use]
    pub fn state(&self) -> &Arc<ScriptState> {
        &self.state
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.queues.len()
    }

    /// Its name, and the functions that it defines.
    #[must_use]
    pub fn script(&self) -> &crate::lua::Script {
        &self.setup.script
    }

    /// The worker of a message: that of its call, or of its sender where it belongs to none.
    pub(super) fn worker_of(&self, call: Option<&[u8]>, peer: SocketAddr) -> usize {
        let hash = match call {
            Some(call) => self.hasher.hash_one(call),
            None => self.hasher.hash_one(peer),
        };
        let workers = self.queues.len().max(1) as u64;
        usize::try_from(hash % workers).unwrap_or_default()
    }

    /// Asks all workers about their shares of a batch, each in its order, and gathers the answers. A share
    /// whose worker is gone is answered by nothing, which is as if the script had said nothing.
    pub(super) async fn ask(&self, shares: &mut [Vec<Task>], answers: &mut Vec<Answer>) {
        let mut waiting: Vec<(usize, oneshot::Receiver<Done>)> = Vec::with_capacity(shares.len());
        for (worker, share) in shares.iter_mut().enumerate() {
            let Some(queue) = self.queues.get(worker).filter(|_| !share.is_empty()) else {
                continue;
            };
            let (reply, done) = oneshot::channel();
            let count = share.len() as u64;
            let job = Job {
                tasks: std::mem::take(share),
                answers: Vec::with_capacity(share.len()),
                reply,
            };
            self.state.queued.fetch_add(count, Ordering::Relaxed);
            if queue.send(job).await.is_ok() {
                waiting.push((worker, done));
            } else {
                self.state.queued.fetch_sub(count, Ordering::Relaxed);
            }
        }
        for (worker, done) in waiting {
            if let Ok(Done {
                tasks,
                answers: mut some,
            }) = done.await
            {
                answers.append(&mut some);
                if let Some(share) = shares.get_mut(worker) {
                    *share = tasks;
                }
            }
        }
    }
}

impl fmt::Debug for Scripts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripts")
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}
