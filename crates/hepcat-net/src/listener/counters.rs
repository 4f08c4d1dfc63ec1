use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use hepcat_wire::{DecodeError, Message};
use parking_lot::Mutex;

use super::stats::{ByReason, ByVersion, CloseReason, ListenerStats, slot};

/// What all tasks of a listener count into.
#[derive(Debug, Default)]
pub(super) struct Counters {
    datagrams: AtomicU64,
    octets: AtomicU64,
    messages: [AtomicU64; 3],
    unparsable: AtomicU64,
    keep_alives: AtomicU64,
    truncated: AtomicU64,
    decode_errors: Labels,
    defects: Labels,
    pub(super) receive_errors: Labels,
    accepted: AtomicU64,
    pub(super) refused: Labels,
    closed: Labels,
    pub(super) accept_errors: Labels,
    handshakes: AtomicU64,
    pub(super) handshake_failures: Labels,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
    reload_error: Mutex<Option<Arc<str>>>,
}

impl Counters {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self, reason: CloseReason) {
        self.closed.add(reason.name());
    }

    pub(super) fn truncated(&self) {
        self.truncated.fetch_add(1, Relaxed);
    }

    pub(super) fn handshake(&self) {
        self.handshakes.fetch_add(1, Relaxed);
    }

    pub(super) fn reloaded(&self) {
        self.reloads.fetch_add(1, Relaxed);
        *self.reload_error.lock() = None;
    }

    pub(super) fn reload_failed(&self, error: &str) {
        self.reload_failures.fetch_add(1, Relaxed);
        *self.reload_error.lock() = Some(Arc::from(error));
    }

    /// Everything that is counted here; what belongs to sockets is left at its default.
    pub(super) fn snapshot(&self) -> ListenerStats {
        ListenerStats {
            datagrams: self.datagrams.load(Relaxed),
            octets: self.octets.load(Relaxed),
            messages: ByVersion([
                self.messages[0].load(Relaxed),
                self.messages[1].load(Relaxed),
                self.messages[2].load(Relaxed),
            ]),
            unparsable: self.unparsable.load(Relaxed),
            decode_errors: self.decode_errors.snapshot(),
            defects: self.defects.snapshot(),
            keep_alives: self.keep_alives.load(Relaxed),
            truncated: self.truncated.load(Relaxed),
            receive_errors: self.receive_errors.snapshot(),
            connections_accepted: self.accepted.load(Relaxed),
            connections_refused: self.refused.snapshot(),
            connections_closed: self.closed.snapshot(),
            accept_errors: self.accept_errors.snapshot(),
            tls_handshakes: self.handshakes.load(Relaxed),
            tls_handshake_failures: self.handshake_failures.snapshot(),
            tls_reloads: self.reloads.load(Relaxed),
            tls_reload_failures: self.reload_failures.load(Relaxed),
            tls_reload_error: self.reload_error.lock().clone(),
            ..ListenerStats::default()
        }
    }
}

/// Counts of things that are rare: a lock is taken for each.
#[derive(Debug, Default)]
pub(super) struct Labels(Mutex<ByReason>);

impl Labels {
    pub(super) fn add(&self, label: &'static str) {
        self.0.lock().add(label, 1);
    }

    fn snapshot(&self) -> ByReason {
        self.0.lock().clone()
    }
}

/// What one task has counted since it last handed over: added to the counters once for many frames, because
/// atomics shared by several cores cost as much as decoding.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) datagrams: u64,
    pub(super) octets: u64,
    pub(super) keep_alives: u64,
    messages: [u64; 3],
    unparsable: u64,
    errors: ByReason,
    defects: ByReason,
}

impl Tally {
    pub(super) fn message<B: AsRef<[u8]>>(&mut self, message: &Message<B>) {
        self.messages[slot(message.version())] += 1;
        let defects = message.defects();
        if !defects.is_empty() {
            for defect in defects.iter() {
                self.defects.add(defect.reason(), 1);
            }
        }
    }

    pub(super) fn unparsable(&mut self, error: &DecodeError) {
        self.unparsable += 1;
        self.errors.add(error.reason(), 1);
    }

    /// A stream is out of step: an error without a frame to show for it.
    pub(super) fn not_a_frame(&mut self, error: &DecodeError) {
        self.errors.add(error.reason(), 1);
    }

    /// Adds everything to the counters and starts at zero again.
    pub(super) fn settle(&mut self, counters: &Counters) {
        settle(&mut self.datagrams, &counters.datagrams);
        settle(&mut self.octets, &counters.octets);
        settle(&mut self.keep_alives, &counters.keep_alives);
        settle(&mut self.unparsable, &counters.unparsable);
        for (own, shared) in self.messages.iter_mut().zip(&counters.messages) {
            settle(own, shared);
        }
        settle_labels(&mut self.errors, &counters.decode_errors);
        settle_labels(&mut self.defects, &counters.defects);
    }
}

fn settle(own: &mut u64, shared: &AtomicU64) {
    if *own != 0 {
        shared.fetch_add(std::mem::take(own), Relaxed);
    }
}

fn settle_labels(own: &mut ByReason, shared: &Labels) {
    if own.0.is_empty() {
        return;
    }
    let mut shared = shared.0.lock();
    for (label, count) in own.0.drain(..) {
        shared.add(label, count);
    }
}
