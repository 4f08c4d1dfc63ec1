use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use hepcat_wire::{DecodeError, Message};

use super::counters::{Counters, Tally};
use crate::{Arrival, Batch, Envelope, Handler, Origin, StreamFault, Unparsable};

/// Frames are handed over at the latest when there are so many: enough to make the hand-over cheap, few enough
/// to stay in the cache and to let other tasks in within a fraction of a millisecond.
pub(super) const BATCH: usize = 128;

/// What one reading task gathers between two hand-overs.
#[derive(Debug)]
pub(super) struct Intake<H> {
    pub(super) tally: Tally,
    batch: Batch,
    counters: Arc<Counters>,
    handler: Arc<H>,
}

impl<H: Handler> Intake<H> {
    pub(super) fn new(counters: Arc<Counters>, handler: Arc<H>) -> Self {
        Self {
            tally: Tally::default(),
            batch: Vec::new(),
            counters,
            handler,
        }
    }

    /// Takes one frame in, and says whether it is a message.
    pub(super) fn frame(
        &mut self,
        frame: Bytes,
        origin: &Arc<Origin>,
        received_at: SystemTime,
    ) -> bool {
        match Message::try_parse_lax(frame) {
            Ok(message) => {
                self.tally.message(&message);
                let envelope = Envelope::new(message, Arc::clone(origin), received_at);
                self.batch.push(Arrival::Message(envelope));
                true
            }
            Err((error, frame)) => {
                tracing::debug!(
                    listener = origin.listener.0,
                    peer = %origin.peer,
                    reason = error.reason(),
                    offset = error.offset(),
                    length = frame.len(),
                    "frame does not decode"
                );
                self.tally.unparsable(&error);
                let unparsable = Unparsable::new(frame, error, Arc::clone(origin), received_at);
                self.batch.push(Arrival::Unparsable(unparsable));
                false
            }
        }
    }

    /// Takes note of octets on a stream that are no frame.
    pub(super) fn not_a_frame(&mut self, error: &DecodeError, origin: &Origin) {
        self.tally.not_a_frame(error);
        let fault = StreamFault::OutOfStep(error.reason());
        self.handler
            .stream_fault(origin.listener, origin.peer, fault);
    }

    pub(super) fn is_full(&self) -> bool {
        self.batch.len() >= BATCH
    }

    /// Counts everything, hands over what there is and waits until it is taken.
    pub(super) async fn hand_over(&mut self) {
        self.tally.settle(&self.counters);
        if !self.batch.is_empty() {
            self.handler.handle(&mut self.batch).await;
            self.batch.clear();
        }
    }
}
