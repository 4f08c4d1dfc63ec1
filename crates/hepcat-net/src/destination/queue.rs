//! The queue of one destination: one lock over the frames, the ledger and the link's state, so that
//! every reading of the three is consistent.
//!
//! Producers push whole batches under one lock; the one writer takes whole batches. A frame taken for
//! writing stays `queued` in the ledger until the writer says that it is written, or puts it back.
//! Nobody is woken per frame: the writer only when it had found the queue empty, producers only when
//! they wait and half of the queue is free.
//!
//! With a spool there is a third party, the spooler's thread: `spool.rs` holds what it does here, `spooling.rs` what
//! is decided. Without one nothing of that is more than a look at an `Option`.

mod spool;

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use tokio::{sync::Notify, time::Instant};

use super::{
    DestinationConfig, DropReason, Health, Ledger, SendMode, WhenFull,
    link::{Link, LinkState},
    spooling::{SpoolCounters, Spooling},
    stats::LinkCounters,
};

pub(super) use spool::{Step, View};

/// Most frames that the writer takes at once.
const MAX_FLIGHT: usize = 512;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer: frames after none, a waiting producer, a wish to disconnect or to stop.
    writer: Notify,
    /// Wakes producers that wait for room or for their frames to be written.
    producers: Notify,
    /// Wakes the spooler: frames to write, acknowledged ones, another state of the link.
    spooler: Condvar,
    /// Told when the spool is closed.
    spool_closed: Notify,
    max_frames: usize,
    max_octets: usize,
    max_frame: usize,
    max_flight: usize,
    when_full: WhenFull,
    sync: bool,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Bytes>,
    /// Frames that the writer has taken, and their octets.
    flight: usize,
    flight_octets: usize,
    /// Those in flight are on disk as well.
    flight_spooled: bool,
    /// Octets of the frames that are in memory only.
    octets: usize,
    /// Without `queued` and `spooled`, which are counted from what is held.
    ledger: Ledger,
    spooling: Option<Box<Spooling>>,
    delivered_octets: u64,
    postponed: u64,
    phase: Phase,
    /// The queue overflowed under [`WhenFull::Disconnect`] and the writer does not know yet.
    disconnect: bool,
    /// The writer found nothing and waits.
    writer_parked: bool,
    producers_waiting: usize,
    waiting_since: Option<Instant>,
    /// Frames ever taken in, and of those, frames that have left: written or dropped.
    entered: u64,
    left: u64,
    /// Failed attempts to connect and connections lost.
    failures: u64,
    link: Link,
    counters: LinkCounters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes no more; the writer empties it.
    Draining,
    Closed,
}

/// Where a frame comes from, for the ledger.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    Offered,
    Originated,
}

/// What the writer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Write what it has been given.
    Write,
    /// Wait to be woken.
    Park,
    /// Drop the connection: the queue overflowed.
    Disconnect,
    /// Everything is written and no more comes.
    Drained,
}

/// What a consistent reading of the queue holds.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) ledger: Ledger,
    pub(super) queued_octets: usize,
    pub(super) delivered_octets: u64,
    pub(super) postponed: u64,
    pub(super) counters: LinkCounters,
    pub(super) spool: Option<SpoolCounters>,
}

impl Queue {
    pub(super) fn new(config: &DestinationConfig, now: Instant) -> Self {
        let max_frames = config.queue.max_frames.max(1);
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                flight: 0,
                flight_octets: 0,
                flight_spooled: false,
                octets: 0,
                ledger: Ledger::default(),
                spooling: config
                    .spool
                    .as_ref()
                    .map(|spool| Box::new(Spooling::new(spool))),
                delivered_octets: 0,
                postponed: 0,
                phase: Phase::Open,
                disconnect: false,
                writer_parked: false,
                producers_waiting: 0,
                waiting_since: None,
                entered: 0,
                left: 0,
                failures: 0,
                link: Link::new(config.opens_after(), now),
                counters: LinkCounters::default(),
            }),
            writer: Notify::new(),
            producers: Notify::new(),
            spooler: Condvar::new(),
            spool_closed: Notify::new(),
            max_frames,
            max_octets: config.queue.max_octets.unwrap_or(usize::MAX),
            max_frame: config.max_frame(),
            // The other half stays free to move while a write is stuck: frames in flight are not
            // dropped by any policy but `Disconnect`.
            max_flight: (max_frames / 2).clamp(1, MAX_FLIGHT),
            when_full: config.queue.when_full,
            sync: matches!(config.mode, SendMode::Sync),
        }
    }

    // ---- producers ----

    /// Takes in what it can without waiting. Under [`WhenFull::Block`] what does not fit is dropped.
    pub(super) fn offer(&self, source: Source, frames: impl Iterator<Item = Bytes>) {
        let mut state = self.state.lock();
        for frame in frames {
            if let Err(refused) = self.push(&mut state, source, frame) {
                state.count_in(source);
                state.ledger.dropped.add(DropReason::QueueFullNewest, 1);
                drop(refused);
            }
        }
        self.wake_writer(state);
    }

    /// Takes in all of `frames`, waiting as the policy and the mode say.
    pub(super) async fn offer_wait(&self, frames: impl Iterator<Item = Bytes> + Send) {
        let mut frames = HeldBack::new(frames);
        let mut wait = self.offer_some(&mut frames);
        if matches!(wait, Wait::No) {
            return;
        }
        let _waiting = WaitingProducer::enter(self);
        loop {
            let woken = self.producers.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            wait = match wait {
                Wait::No => return,
                Wait::Room => self.offer_some(&mut frames),
                Wait::Written { .. } => self.still_waits(wait),
            };
            if matches!(wait, Wait::No) {
                return;
            }
            woken.await;
        }
    }

    fn offer_some<I: Iterator<Item = Bytes>>(&self, frames: &mut HeldBack<I>) -> Wait {
        let mut state = self.state.lock();
        while let Some(frame) = frames.next() {
            if let Err(frame) = self.push(&mut state, Source::Offered, frame) {
                frames.hold(frame);
                self.wake_writer(state);
                return Wait::Room;
            }
        }
        let wait = Wait::Written {
            ticket: state.entered,
            failures: state.failures,
        };
        let wait = if self.sync {
            state.wait_for(wait)
        } else {
            Wait::No
        };
        self.wake_writer(state);
        wait
    }

    fn still_waits(&self, wait: Wait) -> Wait {
        self.state.lock().wait_for(wait)
    }

    /// One frame in, or back where the producer has to wait for room.
    fn push(&self, state: &mut State, source: Source, frame: Bytes) -> Result<(), Bytes> {
        let too_large = frame.len() > self.max_frame;
        if too_large || frame.is_empty() || state.phase != Phase::Open {
            state.count_in(source);
            let reason = match (state.phase, too_large) {
                (Phase::Draining | Phase::Closed, _) => DropReason::Shutdown,
                (Phase::Open, true) => DropReason::TooLarge,
                (Phase::Open, false) => DropReason::Refused,
            };
            state.ledger.dropped.add(reason, 1);
            return Ok(());
        }
        if state.spooling.is_some() {
            return self.push_spooling(state, source, frame);
        }
        if !self.fits(state, &frame) {
            match self.when_full {
                WhenFull::Block => return Err(frame),
                WhenFull::DropNewest => {
                    state.count_in(source);
                    state.ledger.dropped.add(DropReason::QueueFullNewest, 1);
                    return Ok(());
                }
                WhenFull::DropOldest => {
                    if !self.fits_beside(state.flight, state.flight_octets, &frame) {
                        state.count_in(source);
                        state.ledger.dropped.add(DropReason::QueueFullNewest, 1);
                        return Ok(());
                    }
                    while !self.fits(state, &frame) && state.drop_oldest() {}
                }
                WhenFull::Disconnect => {
                    state.count_in(source);
                    if state.link.state.is_connected() {
                        state.give_up_waiting(DropReason::Disconnected);
                        state.ledger.dropped.add(DropReason::Disconnected, 1);
                        state.disconnect = true;
                        self.writer.notify_one();
                    } else {
                        state.ledger.dropped.add(DropReason::QueueFullNewest, 1);
                    }
                    return Ok(());
                }
            }
        }
        state.count_in(source);
        if state.link.state != LinkState::Up {
            state.postponed += 1;
        }
        state.octets += frame.len();
        state.entered += 1;
        state.waiting.push_back(frame);
        Ok(())
    }

    fn fits(&self, state: &State, frame: &Bytes) -> bool {
        self.fits_beside(state.held(), state.octets, frame)
    }

    fn fits_beside(&self, frames: usize, octets: usize, frame: &Bytes) -> bool {
        frames == 0
            || (frames < self.max_frames && octets.saturating_add(frame.len()) <= self.max_octets)
    }

    fn wake_writer(&self, mut state: parking_lot::MutexGuard<'_, State>) {
        if state
            .spooling
            .as_ref()
            .is_some_and(|spooling| spooling.wants_writing())
        {
            self.spooler.notify_one();
        }
        if state.writer_parked && state.has_work() {
            state.writer_parked = false;
            drop(state);
            self.writer.notify_one();
        }
    }

    // ---- the writer ----

    /// Fills `flight`, which must be empty, with the frames to write next.
    pub(super) fn next(&self, flight: &mut VecDeque<Bytes>, max_octets: usize) -> Next {
        debug_assert!(
            flight.is_empty(),
            "frames in flight are written or put back first"
        );
        let mut state = self.state.lock();
        state.writer_parked = false;
        if std::mem::take(&mut state.disconnect) {
            return Next::Disconnect;
        }
        // As with frames: half of the bound stays free to move while a write is stuck.
        let max_octets = max_octets.min(self.max_octets / 2);
        let mut octets = 0;
        state.settle_spooling();
        while flight.len() < self.max_flight
            && let Some(frame) = state.waiting.front()
            && (flight.is_empty() || octets + frame.len() <= max_octets)
        {
            octets += frame.len();
            flight.extend(state.waiting.pop_front());
        }
        state.flight_spooled = false;
        if flight.is_empty() {
            octets = state.take_replayed(flight, self.max_flight, max_octets);
            if state
                .spooling
                .as_ref()
                .is_some_and(|spooling| spooling.wants_news())
            {
                self.spooler.notify_one();
            }
        }
        state.flight = flight.len();
        state.flight_octets = octets;
        if !flight.is_empty() {
            return Next::Write;
        }
        if state.phase == Phase::Open || state.is_spooling_tail() {
            state.writer_parked = true;
            return Next::Park;
        }
        Next::Drained
    }

    /// Until there may be something for the writer to do.
    pub(super) async fn woken(&self) {
        self.writer.notified().await;
    }

    /// Has the writer look around.
    pub(super) fn wake(&self) {
        self.writer.notify_one();
    }

    /// The first `frames` frames in flight, of `octets` together, are written.
    pub(super) fn written(&self, frames: usize, octets: usize) {
        if frames == 0 {
            return;
        }
        let mut state = self.state.lock();
        state.ledger.delivered += frames as u64;
        state.delivered_octets += octets as u64;
        state.leave_flight(frames, octets);
        self.wake_spooler(&state);
        self.wake_producers(state);
    }

    /// The first `frames` frames in flight, of `octets` together, cannot be sent.
    pub(super) fn unsendable(&self, reason: DropReason, frames: usize, octets: usize) {
        let mut state = self.state.lock();
        state.ledger.dropped.add(reason, frames as u64);
        state.leave_flight(frames, octets);
        self.wake_spooler(&state);
        self.wake_producers(state);
    }

    /// What is left in flight goes back to the front, to be written whole on the next connection.
    pub(super) fn put_back(&self, flight: &mut VecDeque<Bytes>) {
        let mut state = self.state.lock();
        state.flight = 0;
        state.flight_octets = 0;
        let state = &mut *state;
        while let Some(frame) = flight.pop_back() {
            match &mut state.spooling {
                Some(spooling) if state.flight_spooled => spooling.put_back(frame),
                _ => state.waiting.push_front(frame),
            }
        }
    }

    /// Whether the queue wants the connection dropped.
    pub(super) fn wants_disconnect(&self) -> bool {
        self.state.lock().disconnect
    }

    /// Since when a producer has been waiting for the connection, if one is.
    pub(super) fn producer_waits_since(&self) -> Option<Instant> {
        let state = self.state.lock();
        // With a spool it waits for the disk: giving up the connection, and what is on its way there, would not help.
        let for_disk = state.spooling.as_ref().is_some_and(|one| one.works());
        state.waiting_since.filter(|_| self.sync || !for_disk)
    }

    fn wake_producers(&self, state: parking_lot::MutexGuard<'_, State>) {
        if state.producers_waiting > 0 && (self.sync || self.is_half_free(&state)) {
            drop(state);
            self.producers.notify_waiters();
        }
    }

    fn is_half_free(&self, state: &State) -> bool {
        let held = state.held();
        held == 0
            || (held <= self.max_frames / 2 && state.octets <= self.max_octets / 2)
            || self.is_way_free(state)
    }

    // ---- the link ----

    /// Reads or changes the link's state and its counters.
    pub(super) fn link<T>(&self, change: impl FnOnce(&mut Link, &mut LinkCounters) -> T) -> T {
        let state = &mut *self.state.lock();
        let before = state.link.state;
        let changed = change(&mut state.link, &mut state.counters);
        if state.spooling.is_some() && state.link.state != before {
            self.link_changed(state);
        }
        changed
    }

    /// An attempt to connect, or a connection, has failed: synchronous producers wait no longer.
    pub(super) fn attempt_failed(&self) {
        let mut state = self.state.lock();
        state.failures += 1;
        state.disconnect = false;
        drop(state);
        self.producers.notify_waiters();
    }

    // ---- start, end, readings ----

    pub(super) fn begin_drain(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
        }
        drop(state);
        self.writer.notify_one();
        self.spooler.notify_one();
        self.producers.notify_waiters();
    }

    /// Drops whatever is held and takes no more.
    pub(super) fn close(&self, now: Instant) {
        let mut state = self.state.lock();
        state.phase = Phase::Closed;
        let flight = std::mem::take(&mut state.flight) as u64;
        state.flight_octets = 0;
        if !state.flight_spooled {
            state.ledger.dropped.add(DropReason::Shutdown, flight);
        }
        let dropped = state.give_up_waiting(DropReason::Shutdown);
        state.give_up_spooling();
        state.octets = 0;
        state.link.enter(LinkState::Stopped, now);
        state.link.attempting = false;
        state.link.peer = None;
        drop(state);
        drop(dropped);
        self.spooler.notify_one();
        self.producers.notify_waiters();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.state.lock().phase != Phase::Open
    }

    /// Whether nothing is held and no more comes.
    pub(super) fn is_drained(&self) -> bool {
        let state = self.state.lock();
        state.phase != Phase::Open && state.keeps_nobody()
    }

    pub(super) fn ledger(&self) -> Ledger {
        self.state.lock().ledger()
    }

    /// What somebody needs to know who can choose between destinations.
    pub(super) fn health(&self, now: Instant) -> Health {
        let state = self.state.lock();
        let available = state.link.is_available(now);
        Health {
            available,
            back_for: state.link.back_for(now).filter(|_| available),
            queued: {
                let ledger = state.ledger();
                ledger.queued + ledger.spooled
            },
        }
    }

    /// A consistent reading of the counters and the link.
    pub(super) fn reading<T>(&self, read: impl FnOnce(Reading, &Link) -> T) -> T {
        let state = self.state.lock();
        let reading = Reading {
            ledger: state.ledger(),
            queued_octets: state.octets,
            delivered_octets: state.delivered_octets,
            postponed: state.postponed,
            counters: state.counters,
            spool: state
                .spooling
                .as_ref()
                .map(|spooling| spooling.counters.clone()),
        };
        read(reading, &state.link)
    }
}

impl State {
    fn held(&self) -> usize {
        let flight = if self.flight_spooled { 0 } else { self.flight };
        let spooling = self.spooling.as_ref();
        self.waiting.len() + flight + spooling.map_or(0, |spooling| spooling.held())
    }

    fn ledger(&self) -> Ledger {
        Ledger {
            queued: self.held() as u64,
            spooled: self
                .spooling
                .as_ref()
                .map_or(0, |spooling| spooling.spooled),
            ..self.ledger
        }
    }

    fn count_in(&mut self, source: Source) {
        match source {
            Source::Offered => self.ledger.offered += 1,
            Source::Originated => self.ledger.originated += 1,
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(frame) = self.waiting.pop_front() else {
            return false;
        };
        self.octets -= frame.len();
        self.left += 1;
        self.ledger.dropped.add(DropReason::QueueFullOldest, 1);
        true
    }

    /// The frames given up, so that a long queue can be freed without the lock.
    fn give_up_waiting(&mut self, reason: DropReason) -> VecDeque<Bytes> {
        let frames = std::mem::take(&mut self.waiting);
        self.octets -= frames.iter().map(Bytes::len).sum::<usize>();
        self.left += frames.len() as u64;
        self.ledger.dropped.add(reason, frames.len() as u64);
        frames
    }

    fn leave_flight(&mut self, frames: usize, octets: usize) {
        self.flight -= frames;
        self.flight_octets -= octets;
        if let Some(spooling) = &mut self.spooling
            && self.flight_spooled
        {
            spooling.settled(frames as u64);
            return;
        }
        self.octets -= octets;
        self.left += frames as u64;
    }

    /// Whether a synchronous producer still has something to wait for.
    fn wait_for(&self, wait: Wait) -> Wait {
        let Wait::Written { ticket, failures } = wait else {
            return wait;
        };
        let under_way = self.link.attempting || self.link.state.is_connected();
        let done = self.left >= ticket || self.failures != failures;
        if done || !under_way || self.phase == Phase::Closed {
            Wait::No
        } else {
            wait
        }
    }
}

/// What a producer waits for.
#[derive(Debug, Clone, Copy)]
enum Wait {
    No,
    Room,
    /// For as many frames to have left as had entered with its own, or for a failure.
    Written {
        ticket: u64,
        failures: u64,
    },
}

/// Counts a producer as waiting for as long as it lives, also when its future is dropped.
struct WaitingProducer<'a>(&'a Queue);

impl<'a> WaitingProducer<'a> {
    fn enter(queue: &'a Queue) -> Self {
        let mut state = queue.state.lock();
        state.producers_waiting += 1;
        if state.producers_waiting == 1 {
            state.waiting_since = Some(Instant::now());
            // It writes more willingly now.
            queue.spooler.notify_one();
            drop(state);
            // A stalled writer now has a time limit to keep.
            queue.writer.notify_one();
        }
        Self(queue)
    }
}

impl Drop for WaitingProducer<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.producers_waiting -= 1;
        if state.producers_waiting == 0 {
            state.waiting_since = None;
        }
    }
}

/// An iterator that can take its last frame back.
struct HeldBack<I> {
    held: Option<Bytes>,
    rest: I,
}

impl<I: Iterator<Item = Bytes>> HeldBack<I> {
    fn new(rest: I) -> Self {
        Self { held: None, rest }
    }

    fn next(&mut self) -> Option<Bytes> {
        self.held.take().or_else(|| self.rest.next())
    }

    fn hold(&mut self, frame: Bytes) {
        self.held = Some(frame);
    }
}
