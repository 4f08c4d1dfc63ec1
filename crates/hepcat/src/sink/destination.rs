//! A destination as the pipeline sees it: a queue, a form, and its half of the ledger.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use hepcat_net::Destination;

use super::SinkLedger;
use crate::{config, pipeline::Form};

/// Why a frame was not sent: its destination's HEP version cannot carry it.
const NOT_CONVERTIBLE: &str = "not_convertible";

/// One configured destination, running.
#[derive(Debug)]
pub struct DestinationSink {
    spec: config::Destination,
    form: Form,
    destination: Arc<Destination>,
    /// Frames offered and dropped at once; one number, so it keeps both sides of the ledger equal.
    not_convertible: AtomicU64,
    /// The same of messages of our own.
    originated_not_convertible: AtomicU64,
}

impl DestinationSink {
    /// The adapter around a running destination.
    #[must_use]
    pub fn new(spec: config::Destination, destination: Arc<Destination>) -> Self {
        let form = Form::wanted_by(&spec);
        Self {
            spec,
            form,
            destination,
            not_convertible: AtomicU64::new(0),
            originated_not_convertible: AtomicU64::new(0),
        }
    }

    /// As configured.
    #[must_use]
    pub fn spec(&self) -> &config::Destination {
        &self.spec
    }

    /// The form it wants frames in.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The running destination.
    #[must_use]
    pub fn destination(&self) -> &Arc<Destination> {
        &self.destination
    }

    /// Whether handing over may wait for the destination.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.spec.queue.when_full == config::WhenFull::Block || !self.spec.sending.hep_async
    }

    /// Hands over frames in its form, and says how many more it could not have. Waits only where the
    /// configuration says so.
    pub async fn offer(&self, frames: &mut Vec<Bytes>, not_convertible: u64) {
        if not_convertible > 0 {
            self.not_convertible
                .fetch_add(not_convertible, Ordering::Relaxed);
        }
        if !frames.is_empty() {
            self.destination.offer_wait(frames.drain(..)).await;
        }
    }

    /// Hands over messages of our own in its form, and says how many more it could not have. Never waits:
    /// what finds no room is dropped and counted as the queue's policy says.
    pub fn originate(&self, frames: &mut Vec<Bytes>, not_convertible: u64) {
        if not_convertible > 0 {
            self.originated_not_convertible
                .fetch_add(not_convertible, Ordering::Relaxed);
        }
        for frame in frames.drain(..) {
            self.destination.originate(frame);
        }
    }

    /// Its half of the ledger.
    #[must_use]
    pub fn ledger(&self) -> SinkLedger {
        let ledger = self.destination.ledger();
        let not_convertible = self.not_convertible.load(Ordering::Relaxed);
        let own_not_convertible = self.originated_not_convertible.load(Ordering::Relaxed);
        let dropped = ledger
            .dropped
            .iter()
            .map(|(reason, frames)| (reason.label(), frames));
        SinkLedger {
            offered: ledger.offered + not_convertible,
            originated: ledger.originated + own_not_convertible,
            carried_over: ledger.carried_over,
            delivered: ledger.delivered,
            queued: ledger.queued,
            spooled: ledger.spooled,
            dropped: dropped
                .chain([(NOT_CONVERTIBLE, not_convertible + own_not_convertible)])
                .collect(),
        }
    }
}
