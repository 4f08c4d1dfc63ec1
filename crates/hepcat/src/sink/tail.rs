//! The tail: routed frames, live, to whoever watches.
//!
//! Every watcher has a bounded queue of its own and its own query. One that falls behind loses the
//! oldest and is told how many; it never holds anybody up. While nobody watches, nothing is offered.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hepcat_net::Arrival;
use parking_lot::Mutex;
use tokio::sync::Notify;

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
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    offered: u64,
    delivered: u64,
    lagged: u64,
    gone: u64,
}

#[derive(Debug)]
struct Watcher {
    id: u64,
    query: Query,
    queue: VecDeque<Watched>,
    missed: u64,
    wake: Arc<Notify>,
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
    /// So many frames were lost here because the watcher was slow.
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
            watchers, ledger, ..
        } = &mut *state;
        for watcher in watchers
            .iter_mut()
            .filter(|watcher| watcher.query.matches(capture))
        {
            ledger.offered += 1;
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
            dropped: vec![(LAGGED, state.ledger.lagged), (GONE, state.ledger.gone)],
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
            if let Some(seen) = self.take() {
                return seen;
            }
            self.wake.notified().await;
        }
    }

    fn take(&self) -> Option<Seen> {
        let mut state = self.tail.state.lock();
        let State {
            watchers, ledger, ..
        } = &mut *state;
        let watcher = watchers.iter_mut().find(|watcher| watcher.id == self.id)?;
        if watcher.missed > 0 {
            return Some(Seen::Missed(std::mem::take(&mut watcher.missed)));
        }
        let watched = watcher.queue.pop_front()?;
        ledger.delivered += 1;
        Some(Seen::Frame(watched))
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
