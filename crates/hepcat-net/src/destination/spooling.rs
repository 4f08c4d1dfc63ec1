//! The spool's share of a destination's queue: which frames go to disk, which come back, and how that is counted.
//! Decisions only: everything here happens under the queue's lock, and nothing waits.
//!
//! ```text
//!            oldest                                                            newest
//!  sender ◀── waiting ◀── replayed ◀── spool files ◀── writing ◀── tail ◀── producers
//!             (memory)    (both)       (disk)          (memory)   (memory)
//! ```
//!
//! While nothing is diverted, producers push to `waiting` and everything right of it is empty: the plain queue.
//! Diverting begins when the destination is down or half of the queue is in use; it ends when the files are drained,
//! and what stands in the tail then goes straight to the sender. So the order of frames is never changed. With
//! [`SpoolMode::Always`] diverting never ends, unless the disk fails.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{DropReason, Ledger, LinkState};
use crate::spool::{SpoolConfig, SpoolFull, SpoolMode};

/// Most frames, and octets, that are in memory although they are on disk.
const REPLAYED_FRAMES: usize = 4096;
const REPLAYED_OCTETS: usize = 4 << 20;
/// Where there are fewer, more are read.
const FEW_REPLAYED: usize = 1024;
/// So many acknowledged frames are worth waking the spooler for.
const MANY_ACKNOWLEDGED: u64 = 4096;

/// What the lock guards for the spool.
#[derive(Debug)]
pub(super) struct Spooling {
    always: bool,
    full: SpoolFull,
    pub(super) diverting: bool,
    /// Frames on their way to disk, and their octets.
    pub(super) tail: VecDeque<Bytes>,
    pub(super) tail_octets: usize,
    /// Frames that the spooler is writing, and their octets.
    pub(super) writing: usize,
    pub(super) writing_octets: usize,
    /// Frames on disk that are not in memory.
    pub(super) unread: u64,
    /// Frames read back, or written and still here. They are on disk as well.
    pub(super) replayed: VecDeque<Bytes>,
    replayed_octets: usize,
    /// Frames on disk, wherever else they are: `unread`, `replayed` and those of them in flight.
    pub(super) spooled: u64,
    /// Delivered, and the spooler does not know yet.
    pub(super) acknowledged: u64,
    pub(super) phase: SpoolPhase,
    /// The last write failed, and none has succeeded since.
    pub(super) failing: bool,
    /// The spooler sleeps until the tail has so many frames or octets.
    pub(super) wake_at: Option<(usize, usize)>,
    /// In front of all that is on disk: what was in memory when the spool is closed.
    pub(super) head: Vec<Bytes>,
    pub(super) counters: SpoolCounters,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SpoolPhase {
    /// What it holds is not known yet.
    Opening,
    Open,
    /// Everything in memory goes to disk, and then it is closed.
    Closing,
    Closed,
}

/// What is counted about a spool beside the ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct SpoolCounters {
    pub(super) open: bool,
    pub(super) octets: u64,
    pub(super) files: usize,
    /// Milliseconds since 1970.
    pub(super) oldest: Option<u64>,
    pub(super) written: u64,
    pub(super) replayed: u64,
    pub(super) repeated: u64,
    pub(super) bypassed: u64,
    pub(super) write_failures: u64,
    pub(super) sync_failures: u64,
    pub(super) set_aside: u64,
    pub(super) last_error: Option<String>,
}

impl Spooling {
    pub(super) fn new(config: &SpoolConfig) -> Self {
        Self {
            always: config.mode == SpoolMode::Always,
            full: config.when_full,
            // Until it is known that nothing older is on disk.
            diverting: true,
            tail: VecDeque::new(),
            tail_octets: 0,
            writing: 0,
            writing_octets: 0,
            unread: 0,
            replayed: VecDeque::new(),
            replayed_octets: 0,
            spooled: 0,
            acknowledged: 0,
            phase: SpoolPhase::Opening,
            failing: false,
            wake_at: None,
            head: Vec::new(),
            counters: SpoolCounters::default(),
        }
    }

    /// Whether frames for a destination in this state go to disk however few they are.
    pub(super) fn gives_up(link: LinkState) -> bool {
        matches!(
            link,
            LinkState::Down | LinkState::CoolingDown | LinkState::Refusing | LinkState::Stopped
        )
    }

    /// Whether frames get to disk.
    pub(super) fn works(&self) -> bool {
        !self.failing && self.phase != SpoolPhase::Closed
    }

    /// Frames in memory only, beside those that wait for the sender or are in flight.
    pub(super) fn held(&self) -> usize {
        self.tail.len() + self.writing + self.head.len()
    }

    /// From now on frames go to disk, those that wait first.
    pub(super) fn divert(&mut self, waiting: &mut VecDeque<Bytes>) {
        if !self.diverting {
            self.diverting = true;
            self.tail_octets = waiting.iter().map(Bytes::len).sum();
            std::mem::swap(&mut self.tail, waiting);
        }
    }

    /// Frames on their way to disk, and their octets.
    pub(super) fn on_the_way(&self) -> (usize, usize) {
        (
            self.tail.len() + self.writing,
            self.tail_octets + self.writing_octets,
        )
    }

    /// Frames that passed the disk by and were not sent go there after all, where they can still go first.
    pub(super) fn take_back(&mut self, waiting: &mut VecDeque<Bytes>) {
        if self.spooled == 0 && self.writing == 0 {
            while let Some(frame) = waiting.pop_back() {
                self.tail_octets += frame.len();
                self.tail.push_front(frame);
            }
        }
    }

    pub(super) fn push(&mut self, frame: Bytes) {
        self.tail_octets += frame.len();
        self.tail.push_back(frame);
    }

    /// Makes room in the tail where the policy says so: the frame that went.
    pub(super) fn displace(&mut self) -> Option<Bytes> {
        if !self.failing || self.full != SpoolFull::DropOldest {
            return None;
        }
        let frame = self.tail.pop_front()?;
        self.tail_octets -= frame.len();
        Some(frame)
    }

    /// Whether frames of the tail may go straight to the sender: nothing older is on disk or on its way, and
    /// nobody wants them on disk first.
    pub(super) fn is_passed_by(&self) -> bool {
        let drained = self.spooled == 0 && self.writing == 0;
        let allowed = match self.phase {
            SpoolPhase::Opening => self.failing,
            SpoolPhase::Open => self.failing || !self.always,
            SpoolPhase::Closing => false,
            // The spooler died: what it left on disk waits for the next start.
            SpoolPhase::Closed => return true,
        };
        drained && allowed
    }

    /// Ends diverting where that is due. For the sender, with nothing in flight.
    pub(super) fn settle(&mut self, waiting: &mut VecDeque<Bytes>) {
        if !self.diverting || !waiting.is_empty() || !self.is_passed_by() {
            return;
        }
        if self.always || self.phase == SpoolPhase::Opening {
            self.counters.bypassed += self.tail.len() as u64;
        } else {
            self.diverting = false;
        }
        self.tail_octets = 0;
        std::mem::swap(&mut self.tail, waiting);
    }

    /// Whether the sender would find something after [`settle`](Self::settle).
    pub(super) fn has_work(&self, open: bool) -> bool {
        (open && !self.replayed.is_empty()) || (!self.tail.is_empty() && self.is_passed_by())
    }

    pub(super) fn next_replayed(&mut self) -> Option<Bytes> {
        let frame = self.replayed.pop_front()?;
        self.replayed_octets -= frame.len();
        Some(frame)
    }

    pub(super) fn put_back(&mut self, frame: Bytes) {
        self.replayed_octets += frame.len();
        self.replayed.push_front(frame);
    }

    /// Frames of the spool in flight are written, or given up.
    pub(super) fn settled(&mut self, frames: u64) {
        self.spooled -= frames;
        self.acknowledged += frames;
    }

    /// Whether the spooler should hear of acknowledged frames at once.
    pub(super) fn wants_news(&self) -> bool {
        self.acknowledged >= MANY_ACKNOWLEDGED || self.runs_low()
    }

    fn runs_low(&self) -> bool {
        self.unread > 0 && self.replayed.len() < FEW_REPLAYED
    }

    /// Whether the tail has become what the spooler waits for.
    pub(super) fn wants_writing(&self) -> bool {
        self.wake_at
            .is_some_and(|(frames, octets)| self.tail.len() >= frames || self.tail_octets >= octets)
    }

    /// How many frames, and octets, may be read back now.
    pub(super) fn room_for_replay(&self) -> Option<(usize, usize)> {
        let frames = REPLAYED_FRAMES.checked_sub(self.replayed.len())?;
        let octets = REPLAYED_OCTETS.checked_sub(self.replayed_octets)?;
        (self.runs_low() && frames > 0 && octets > 0).then_some((frames, octets))
    }

    /// Takes frames to be written, from the front of the tail.
    pub(super) fn take_batch(&mut self, max_frames: usize, max_octets: usize) -> Vec<Bytes> {
        let mut octets = 0;
        let fitting = self
            .tail
            .iter()
            .take(max_frames)
            .take_while(|frame| {
                octets += frame.len();
                octets <= max_octets
            })
            .count();
        let count = fitting.max(1).min(self.tail.len());
        let batch: Vec<_> = self.tail.drain(..count).collect();
        self.writing = batch.len();
        self.writing_octets = batch.iter().map(Bytes::len).sum();
        self.tail_octets -= self.writing_octets;
        batch
    }

    /// Frames that could not be written go back.
    pub(super) fn return_batch(&mut self, batch: Vec<Bytes>) {
        for frame in batch.into_iter().rev() {
            self.tail_octets += frame.len();
            self.tail.push_front(frame);
        }
        self.writing = 0;
        self.writing_octets = 0;
    }

    /// The batch is on disk. Whether it stays in memory as well, for the sender to take: where nothing else is to
    /// be read before it. Otherwise the frames come back, to be freed.
    pub(super) fn written(&mut self, batch: Vec<Bytes>, keep: bool) -> Option<Vec<Bytes>> {
        self.spooled += batch.len() as u64;
        self.counters.written += batch.len() as u64;
        self.writing = 0;
        self.writing_octets = 0;
        if keep {
            self.replayed_octets += batch.iter().map(Bytes::len).sum::<usize>();
            self.replayed.extend(batch);
            None
        } else {
            self.unread += batch.len() as u64;
            Some(batch)
        }
    }

    /// Whether a batch that is written next may stay in memory.
    pub(super) fn may_keep(&self) -> bool {
        self.unread == 0
            && self.replayed.len() < REPLAYED_FRAMES
            && self.replayed_octets < REPLAYED_OCTETS
    }

    /// Frames came back from disk.
    pub(super) fn replay(&mut self, frames: VecDeque<Bytes>) {
        self.unread -= frames.len() as u64;
        self.replayed_octets += frames.iter().map(Bytes::len).sum::<usize>();
        self.replayed.extend(frames);
    }

    /// Frames on disk that nobody will read are gone.
    pub(super) fn lose(&mut self, reason: DropReason, frames: u64, ledger: &mut Ledger) {
        self.unread -= frames;
        self.spooled -= frames;
        ledger.dropped.add(reason, frames);
    }
}
