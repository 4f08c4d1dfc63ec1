//! The tail: routed frames, live, to whoever watches.
//!
//! Every watcher has a bounded queue of its own and its own query. One that falls behind loses the
//! oldest and is told how many; it never holds anybody up. While nobody watches, nothing is offered.
//!
//! What waits here is a convenience: where memory gets short it is the first to go ([`Tail::shed`]).

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hepcat_net::Arrival;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::SinkLedger;
use crate::{
    pipeline::{Capture, scripts::Labels},
    query::Query,
};

/// Frames kept for a watcher that is not fast enough: about two seconds of a busy proxy, and at most
/// 64 MiB should every frame be of the largest size.
pub const WATCHER_QUEUE: usize = 1024;

/// Watchers at one time; each costs a query per message.
pub const MAX_WATCHERS: usize = 64;

/// What a frame was lost to on its way to a watcher.
const LAGGED: &str = "lagged";
const GONE: &str = "watcher_gone";
const SHORT: &str = "memory";

/// How often a watcher is told what it misses while nothing else comes.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// The sink. Cloning the `Arc` around it is how the pipeline and the API share it.
#[derive(Debug, Default)]
pub struct Tail {
    /// Watchers, readable without the lock: the pipeline asks before every batch.
    watching: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    watchers: Vec<Watcher>,
    ledger: Counts,
    /// Nothing is kept for watchers.
    shedding: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    offered: u64,
    delivered: u64,
    lagged: u64,
    gone: u64,
    short: u64,
}

#[derive(Debug)]
struct Watcher {
    id: u64,
    query: Query,
    queue: VecDeque<Watched>,
    missed: u64,
    /// When it was told last what it missed.
    told_at: Option<Instant>,
    wake: Arc<Notify>,
}

/// What there is for a watcher.
enum Waiting {
    Now(Seen),
    /// Something, after this time, unless more comes before.
    Later(Duration),
    Nothing,
}

/// A frame as watchers get it.
#[derive(Debug, Clone)]
pub struct Watched {
    /// The frame.
    pub arrival: Arrival,
    /// What a script wrote on it.
    pub labels: Option<Arc<Labels>>,
}

/// What a watcher gets.
#[derive(Debug)]
pub enum Seen {
    /// A frame that its query matches.
    Frame(Watched),
    /// So many frames were lost here because the watcher was slow, or memory short.
    Missed(u64),
}

/// There are [`MAX_WATCHERS`] already.
#[derive(Debug, thiserror::Error)]
#[error("{MAX_WATCHERS} are watching already")]
pub struct TooManyWatchers;

impl Tail {
    /// Whether anybody watches. A pipeline that is told no offers nothing.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    /// Offers a frame to each watcher whose query it matches.
    pub fn offer(&self, arrival: &Arrival, capture: &Capture<'_>) {
        self.offer_labelled(arrival, capture, None);
    }

    /// The same with what a script wrote on it.
    pub fn offer_labelled(
        &self,
        arrival: &Arrival,
        capture: &Capture<'_>,
        labels: Option<&Arc<Labels>>,
    ) {
        let mut state = self.state.lock();
        let State {
            watchers,
            ledger,
            shedding,
            ..
        } = &mut *state;
        for watcher in watchers
            .iter_mut()
            .filter(|watcher| watcher.query.matches(capture))
        {
            ledger.offered += 1;
            if *shedding {
                ledger.short += 1;
                watcher.miss(1);
                continue;
            }
            if watcher.queue.len() == WATCHER_QUEUE {
                watcher.queue.pop_front();
                watcher.missed += 1;
                ledger.lagged += 1;
            }
            watcher.queue.push_back(Watched {
                arrival: arrival.clone(),
                labels: labels.cloned(),
            });
            if watcher.queue.len() == 1 {
                watcher.wake.notify_one();
            }
        }
    }

    /// Lets go of everything that waits for watchers and keeps nothing more for them, until it is called with `false`.
    /// They are told how many they miss.
    pub fn shed(&self, memory_is_short: bool) {
        let mut state = self.state.lock();
        if state.shedding == memory_is_short {
            return;
        }
        state.shedding = memory_is_short;
        tracing::debug!(
            shedding = memory_is_short,
            watchers = state.watchers.len(),
            "live views give way to the store where memory is short"
        );
        if !memory_is_short {
            return;
        }
        let State {
            watchers, ledger, ..
        } = &mut *state;
        for watcher in watchers {
            let waiting = std::mem::take(&mut watcher.queue).len() as u64;
            ledger.short += waiting;
            watcher.miss(waiting);
        }
    }

    /// Starts watching.
    ///
    /// # Errors
    /// When [`MAX_WATCHERS`] do already.
    pub fn watch(self: &Arc<Self>, query: Query) -> Result<Watch, TooManyWatchers> {
        let mut state = self.state.lock();
        if state.watchers.len() >= MAX_WATCHERS {
            return Err(TooManyWatchers);
        }
        let id = state.next_id;
        state.next_id += 1;
        let wake = Arc::new(Notify::new());
        state.watchers.push(Watcher {
            id,
            query,
            queue: VecDeque::new(),
            missed: 0,
            told_at: None,
            wake: Arc::clone(&wake),
        });
        self.watching.store(state.watchers.len(), Ordering::Relaxed);
        Ok(Watch {
            tail: Arc::clone(self),
            id,
            wake,
        })
    }

    /// How many watch.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.state.lock().watchers.len()
    }

    /// Its half of the ledger: one entry per frame and watcher.
    #[must_use]
    pub fn ledger(&self) -> SinkLedger {
        let state = self.state.lock();
        SinkLedger {
            offered: state.ledger.offered,
            delivered: state.ledger.delivered,
            queued: state
                .watchers
                .iter()
                .map(|watcher| watcher.queue.len() as u64)
                .sum(),
            dropped: vec![
                (LAGGED, state.ledger.lagged),
                (GONE, state.ledger.gone),
                (SHORT, state.ledger.short),
            ],
            ..SinkLedger::default()
        }
    }
}

/// One watcher's end. Dropping it stops watching.
#[derive(Debug)]
pub struct Watch {
    tail: Arc<Tail>,
    id: u64,
    wake: Arc<Notify>,
}

impl Watch {
    /// The next frame, or how many were missed before it.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> Seen {
        loop {
            match self.take() {
                Waiting::Now(seen) => return seen,
                Waiting::Later(pause) => {
                    // Whichever ends it, there may be something now.
                    let _ended = tokio::time::timeout(pause, self.wake.notified()).await;
                }
                Waiting::Nothing => self.wake.notified().await,
            }
        }
    }

    fn take(&self) -> Waiting {
        let mut state = self.tail.state.lock();
        let State {
            watchers, ledger, ..
        } = &mut *state;
        let Some(watcher) = watchers.iter_mut().find(|watcher| watcher.id == self.id) else {
            return Waiting::Nothing;
        };
        if watcher.missed > 0 {
            let now = Instant::now();
            // While everything is missed, each frame alone would be news.
            let due = watcher.told_at.map(|told| told + TOLD_EVERY);
            if let Some(due) = due.filter(|due| *due > now && watcher.queue.is_empty()) {
                return Waiting::Later(due - now);
            }
            watcher.told_at = Some(now);
            return Waiting::Now(Seen::Missed(std::mem::take(&mut watcher.missed)));
        }
        let Some(watched) = watcher.queue.pop_front() else {
            return Waiting::Nothing;
        };
        ledger.delivered += 1;
        Waiting::Now(Seen::Frame(watched))
    }
}

impl Watcher {
    /// So many frames are not kept for it.
    fn miss(&mut self, frames: u64) {
        if frames > 0 && self.missed == 0 {
            self.wake.notify_one();
        }
        self.missed += frames;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.tail.state.lock();
        if let Some(at) = state
            .watchers
            .iter()
            .position(|watcher| watcher.id == self.id)
        {
            let watcher = state.watchers.swap_remove(at);
            state.ledger.gone += watcher.queue.len() as u64;
        }
        self.tail
            .watching
            .store(state.watchers.len(), Ordering::Relaxed);
    }
}
