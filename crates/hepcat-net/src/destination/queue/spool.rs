//! What the spooler's thread and the queue have to do with each other.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use parking_lot::MutexGuard;

use super::{Phase, Queue, Source, State};
use crate::destination::{
    DropReason, Ledger, LinkState, WhenFull,
    spooling::{SpoolPhase, Spooling},
};

/// What the spooler sees and changes under the lock.
#[derive(Debug)]
pub(in crate::destination) struct View<'a> {
    pub(in crate::destination) spooling: &'a mut Spooling,
    pub(in crate::destination) ledger: &'a mut Ledger,
    /// State of the link.
    pub(in crate::destination) link: LinkState,
    /// Whether frames are still taken in.
    pub(in crate::destination) open: bool,
    /// Bounds of the memory queue.
    pub(in crate::destination) max_frames: usize,
    pub(in crate::destination) max_octets: usize,
    /// Whether producers wait for room rather than lose frames.
    pub(in crate::destination) producers_wait: bool,
    /// Whether one does now.
    pub(in crate::destination) producer_waits: bool,
    octets: &'a mut usize,
    left: &'a mut u64,
}

impl View<'_> {
    /// So many frames, of so many octets, are not in memory only any more.
    pub(in crate::destination) fn left_memory(&mut self, frames: usize, octets: usize) {
        *self.octets -= octets;
        *self.left += frames as u64;
    }
}

/// What the spooler does after a look.
#[derive(Debug)]
pub(in crate::destination) enum Step<T> {
    Do(T),
    /// Look again after so long, or when there is news; `None`: only then.
    Wait(Option<Duration>),
}

impl Queue {
    /// One frame in, where there is a spool; or back, where the producer has to wait for room.
    pub(super) fn push_spooling(
        &self,
        state: &mut State,
        source: Source,
        frame: Bytes,
    ) -> Result<(), Bytes> {
        let half_full =
            state.held() >= self.max_frames.div_ceil(2) || state.octets >= self.max_octets / 2;
        if half_full || Spooling::gives_up(state.link.state) {
            state.divert();
        }
        while !self.fits(state, &frame) && !self.fits_way(state, &frame) {
            if self.when_full == WhenFull::Block {
                return Err(frame);
            }
            if !state.displace() {
                state.count_in(source);
                let reason = state.overrun_reason();
                state.ledger.dropped.add(reason, 1);
                return Ok(());
            }
        }
        state.count_in(source);
        if state.link.state != LinkState::Up {
            state.postponed += 1;
        }
        state.octets += frame.len();
        state.entered += 1;
        match &mut state.spooling {
            Some(spooling) if spooling.diverting => spooling.push(frame),
            _ => state.waiting.push_back(frame),
        }
        Ok(())
    }

    /// Whether a frame fits on the way to disk. What is in memory before that way, for a destination that takes
    /// nothing, may be all that is allowed, and shall not keep frames from the disk for as long.
    fn fits_way(&self, state: &State, frame: &Bytes) -> bool {
        state.spooling.as_ref().is_some_and(|spooling| {
            let (frames, octets) = spooling.on_the_way();
            let octets = octets.saturating_add(frame.len());
            let in_bounds = frames < self.max_frames / 2 && octets <= self.max_octets / 2;
            spooling.diverting && (frames == 0 || in_bounds)
        })
    }

    /// Whether so much of it is free that waiting producers are to use it.
    pub(super) fn is_way_free(&self, state: &State) -> bool {
        state.spooling.as_ref().is_some_and(|spooling| {
            let (frames, octets) = spooling.on_the_way();
            let in_bounds = frames <= self.max_frames / 4 && octets <= self.max_octets / 4;
            spooling.diverting && (frames == 0 || in_bounds)
        })
    }

    pub(super) fn wake_spooler(&self, state: &State) {
        if let Some(spooling) = &state.spooling
            && spooling.wants_news()
        {
            self.spooler.notify_one();
        }
    }

    pub(super) fn link_changed(&self, state: &mut State) {
        let is_stuck = state.link.state == LinkState::Slow && state.producers_waiting > 0;
        if is_stuck || Spooling::gives_up(state.link.state) {
            state.divert();
            if let Some(spooling) = &mut state.spooling {
                spooling.take_back(&mut state.waiting);
            }
        }
        self.spooler.notify_one();
    }

    /// Lets the spooler look until it finds something to do, waiting for news in between.
    pub(in crate::destination) fn spooler<T>(
        &self,
        mut look: impl FnMut(&mut View<'_>) -> Step<T>,
    ) -> T {
        let mut state = self.state.lock();
        loop {
            match self.view(&mut state, &mut look) {
                Some(Step::Do(what)) => return what,
                Some(Step::Wait(Some(limit))) => {
                    self.spooler.wait_for(&mut state, limit);
                }
                Some(Step::Wait(None)) | None => self.spooler.wait(&mut state),
            }
        }
    }

    /// Lets the spooler change something, and tells those whom it may concern.
    pub(in crate::destination) fn spooled<T: Default>(
        &self,
        change: impl FnOnce(&mut View<'_>) -> T,
    ) -> T {
        let mut state = self.state.lock();
        let changed = self.view(&mut state, change).unwrap_or_default();
        let draining = state.phase != Phase::Open;
        if state.writer_parked && (draining || state.has_work()) {
            state.writer_parked = false;
            self.writer.notify_one();
        } else if draining {
            self.writer.notify_one();
        }
        self.wake_producers(state);
        changed
    }

    fn view<T>(
        &self,
        state: &mut MutexGuard<'_, State>,
        look: impl FnOnce(&mut View<'_>) -> T,
    ) -> Option<T> {
        let state = &mut **state;
        let spooling = state.spooling.as_deref_mut()?;
        Some(look(&mut View {
            spooling,
            ledger: &mut state.ledger,
            link: state.link.state,
            open: state.phase == Phase::Open,
            max_frames: self.max_frames,
            max_octets: self.max_octets,
            producers_wait: self.when_full == WhenFull::Block,
            producer_waits: state.producers_waiting > 0,
            octets: &mut state.octets,
            left: &mut state.left,
        }))
    }

    /// Whatever is in memory goes to disk now. Nothing is in flight any more, and no more comes.
    pub(in crate::destination) fn begin_closing_spool(&self) {
        let mut state = self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
        }
        state.divert();
        let state = &mut *state;
        if let Some(spooling) = &mut state.spooling
            && spooling.phase != SpoolPhase::Closed
        {
            spooling.phase = SpoolPhase::Closing;
            spooling.take_back(&mut state.waiting);
            // Older than what is on disk.
            spooling.head.extend(state.waiting.drain(..));
        }
        self.spooler.notify_one();
    }

    /// Until the spool is closed; at once where there is none.
    pub(in crate::destination) async fn spool_closed(&self) {
        loop {
            let closed = self.spool_closed.notified();
            tokio::pin!(closed);
            closed.as_mut().enable();
            let is_closed = {
                let state = self.state.lock();
                state
                    .spooling
                    .as_ref()
                    .is_none_or(|spooling| spooling.phase == SpoolPhase::Closed)
            };
            if is_closed {
                return;
            }
            closed.await;
        }
    }

    /// The spooler has ended.
    pub(in crate::destination) fn spooler_ended(&self) {
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(spooling) = &mut state.spooling {
            spooling.phase = SpoolPhase::Closed;
            // It died while it wrote them.
            let frames = std::mem::take(&mut spooling.writing);
            state
                .ledger
                .dropped
                .add(DropReason::SpoolFailed, frames as u64);
            state.octets -= std::mem::take(&mut spooling.writing_octets);
            state.left += frames as u64;
        }
        self.spool_closed.notify_waiters();
        // From now on it is a queue without a spool.
        self.writer.notify_one();
        self.producers.notify_waiters();
    }
}

impl State {
    /// Whether the writer would find something.
    pub(super) fn has_work(&self) -> bool {
        !self.waiting.is_empty()
            || self
                .spooling
                .as_ref()
                .is_some_and(|spooling| spooling.has_work(self.phase == Phase::Open))
    }

    pub(super) fn divert(&mut self) {
        if let Some(spooling) = &mut self.spooling {
            spooling.divert(&mut self.waiting);
        }
    }

    pub(super) fn settle_spooling(&mut self) {
        if let Some(spooling) = &mut self.spooling {
            spooling.settle(&mut self.waiting);
        }
    }

    /// Fills `flight` with frames that came back from disk; how many octets. None while the destination ends.
    pub(super) fn take_replayed(
        &mut self,
        flight: &mut VecDeque<Bytes>,
        max_frames: usize,
        max_octets: usize,
    ) -> usize {
        let mut octets = 0;
        let Some(spooling) = &mut self.spooling else {
            return octets;
        };
        self.flight_spooled = true;
        while self.phase == Phase::Open
            && flight.len() < max_frames
            && let Some(frame) = spooling.replayed.front()
            && (flight.is_empty() || octets + frame.len() <= max_octets)
        {
            octets += frame.len();
            flight.extend(spooling.next_replayed());
        }
        octets
    }

    /// Whether frames are still on their way to disk.
    pub(super) fn is_spooling_tail(&self) -> bool {
        self.spooling
            .as_ref()
            .is_some_and(|spooling| spooling.held() > 0)
    }

    /// Whether nothing is held that would be lost now: what a spool can still take is not.
    pub(super) fn keeps_nobody(&self) -> bool {
        match &self.spooling {
            None => self.held() == 0,
            Some(spooling) => spooling.held() == 0 && (self.flight_spooled || self.flight == 0),
        }
    }

    fn displace(&mut self) -> bool {
        let Some(frame) = self.spooling.as_mut().and_then(|one| one.displace()) else {
            return false;
        };
        self.octets -= frame.len();
        self.left += 1;
        self.ledger.dropped.add(DropReason::SpoolFailed, 1);
        true
    }

    /// Why a frame finds no room in memory on its way to disk.
    fn overrun_reason(&self) -> DropReason {
        match &self.spooling {
            Some(spooling) if spooling.failing => DropReason::SpoolFailed,
            _ => DropReason::QueueFullNewest,
        }
    }

    /// Drops what did not make it to disk.
    pub(super) fn give_up_spooling(&mut self) {
        let Some(spooling) = &mut self.spooling else {
            return;
        };
        let held = spooling.held() as u64;
        self.ledger.dropped.add(DropReason::Shutdown, held);
        self.left += held;
        spooling.tail = VecDeque::new();
        spooling.tail_octets = 0;
        spooling.head = Vec::new();
        spooling.writing = 0;
        spooling.writing_octets = 0;
        spooling.phase = SpoolPhase::Closed;
    }
}
