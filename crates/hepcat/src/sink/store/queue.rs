//! Frames that wait to become rows, and what became of those that did.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use hepcat_net::Arrival;
use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::Item;
use crate::sink::SinkLedger;

/// Octets that wait at most, beside what else a message takes: a third of a second of 50,000 messages.
const MAX_OCTETS: usize = 16 << 20;
/// Octets of a message in the queue beside its frame.
const OVERHEAD: usize = 256;
/// A store that has taken nothing for so long is stuck: nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Frames that are worth waking up for; fewer wait a moment for company.
pub(super) const COMPANY: usize = 512;

/// Why a frame did not become a row before the store was asked.
const QUEUE_FULL: &str = "queue_full";
const CLOSED: &str = "closed";
/// Every reason that there is, so that each is shown as zero before anything happened; the last three are the store's.
const REASONS: [&str; 6] = [
    QUEUE_FULL,
    CLOSED,
    super::keeper::TOO_LARGE,
    "memory",
    "disk_full",
    "log",
];

/// The queue between handlers and the thread that makes rows.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Rung when there is something for the thread that makes rows.
    arrived: Condvar,
    /// Rung when there is room again.
    room: Notify,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    octets: usize,
    closed: bool,
    /// When items were taken last, or there were none.
    moved_at: Instant,
    offered: u64,
    delivered: u64,
    dropped: Vec<(&'static str, u64)>,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                octets: 0,
                closed: false,
                moved_at: Instant::now(),
                offered: 0,
                delivered: 0,
                dropped: REASONS.map(|reason| (reason, 0)).into(),
            }),
            arrived: Condvar::new(),
            room: Notify::new(),
        }
    }
}

impl Queue {
    /// Puts items in, in their order. Waits for room while the other side gets on; then drops and counts.
    pub(super) async fn offer(&self, items: &mut Vec<Item>) {
        if items.is_empty() {
            return;
        }
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            // Before looking: what rings in between is heard.
            room.as_mut().enable();
            let patience = self.put(items);
            if items.is_empty() {
                return;
            }
            // Whatever comes of it, the queue is looked at again.
            let _rung = tokio::time::timeout(patience, room).await;
        }
    }

    /// Puts in what there is room for, and says how long to wait for more; drops the rest where that is not at all.
    fn put(&self, items: &mut Vec<Item>) -> Duration {
        let mut state = self.state.lock();
        if state.items.is_empty() {
            state.moved_at = Instant::now();
        }
        let fits = items
            .iter()
            .scan(state.octets, |octets, item| {
                *octets += octets_of(item);
                Some(*octets)
            })
            .take_while(|octets| *octets <= MAX_OCTETS)
            .count();
        let before = state.items.len();
        if !state.closed {
            for item in items.drain(..fits) {
                state.octets += octets_of(&item);
                state.offered += 1;
                state.items.push_back(item);
            }
        }
        let after = state.items.len();
        if (before == 0 && after > 0) || (before < COMPANY && after >= COMPANY) {
            self.arrived.notify_one();
        }
        let patience = PATIENCE.saturating_sub(state.moved_at.elapsed());
        if state.closed || patience.is_zero() {
            let reason = if state.closed { CLOSED } else { QUEUE_FULL };
            let frames = items.drain(..).count() as u64;
            state.offered += frames;
            state.drop_frames(reason, frames);
        }
        patience
    }

    /// Takes everything, waiting for it no longer than `limit`; `None` once the queue is closed and empty.
    /// A few items wait `linger` for company.
    pub(super) fn take(&self, limit: Duration, linger: Duration) -> Option<VecDeque<Item>> {
        let mut state = self.state.lock();
        if state.items.is_empty() && !state.closed {
            self.arrived.wait_for(&mut state, limit);
        }
        if !state.items.is_empty() && state.items.len() < COMPANY && !state.closed {
            self.arrived.wait_for(&mut state, linger);
        }
        if state.items.is_empty() && state.closed {
            return None;
        }
        state.octets = 0;
        state.moved_at = Instant::now();
        let items = std::mem::take(&mut state.items);
        drop(state);
        self.room.notify_waiters();
        Some(items)
    }

    /// Lets nothing more in.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_one();
        self.room.notify_waiters();
    }

    /// So many frames are kept.
    pub(super) fn delivered(&self, frames: u64) {
        self.state.lock().delivered += frames;
    }

    /// So many are not, and why.
    pub(super) fn dropped(&self, reason: &'static str, frames: u64) {
        self.state.lock().drop_frames(reason, frames);
    }

    /// The store's half of the ledger: what is neither kept nor dropped is queued.
    pub(super) fn ledger(&self) -> SinkLedger {
        let state = self.state.lock();
        let dropped: u64 = state.dropped.iter().map(|(_, frames)| frames).sum();
        SinkLedger {
            offered: state.offered,
            delivered: state.delivered,
            queued: state.offered - state.delivered - dropped,
            dropped: state.dropped.clone(),
            ..SinkLedger::default()
        }
    }
}

impl State {
    fn drop_frames(&mut self, reason: &'static str, frames: u64) {
        if frames == 0 {
            return;
        }
        match self.dropped.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, sum)) => *sum += frames,
            None => self.dropped.push((reason, frames)),
        }
    }
}

fn octets_of(item: &Item) -> usize {
    let frame = match &item.arrival {
        Arrival::Message(envelope) => envelope.message.as_received().len(),
        Arrival::Unparsable(unparsable) => unparsable.frame.len(),
        _ => 0,
    };
    frame + OVERHEAD
}
