//! Which time a message has, and the order that follows from it.

use std::time::{Duration, SystemTime};

use hepcat_net::Arrival;

use crate::{
    agents::{ClockBounds, ClockFault, sent_time},
    search::StoredMessage,
};

/// A message with its times, all since 1970.
#[derive(Debug)]
pub(super) struct Timed<'a> {
    pub(super) message: &'a StoredMessage,
    /// When it was sent, or, where that is not known or not believed, received.
    pub(super) at: Duration,
    pub(super) received: Duration,
    /// `at` is what the agent said.
    pub(super) is_sent: bool,
    /// What the agent said and is not believed, with what is wrong with it.
    pub(super) claimed: Option<(Duration, ClockFault)>,
}

/// The messages by time, then by id.
pub(super) fn in_order<'a>(
    messages: impl IntoIterator<Item = &'a StoredMessage>,
    clock: ClockBounds,
) -> Vec<Timed<'a>> {
    let mut timed: Vec<_> = messages
        .into_iter()
        .map(|message| Timed::new(message, clock))
        .collect();
    timed.sort_by_key(|timed| (timed.at, timed.message.id));
    timed
}

impl<'a> Timed<'a> {
    fn new(message: &'a StoredMessage, clock: ClockBounds) -> Self {
        let received = message
            .received_at()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let sent = match &message.arrival {
            Arrival::Message(envelope) => sent_time(&envelope.message, received),
            _ => None,
        };
        let fault = sent.and_then(|sent| Some((sent, clock.judge(sent, received)?)));
        let believed = sent.filter(|_| fault.is_none());
        Self {
            message,
            at: believed.unwrap_or(received),
            received,
            is_sent: believed.is_some(),
            claimed: fault,
        }
    }
}
