//! What became of the messages.

use std::collections::BTreeMap;

/// Counts of one export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Messages, all of which are in the file.
    pub messages: u64,
    /// Packets (pcapng only): more than messages where one did not fit into a packet.
    pub packets: u64,
    /// Messages that stand in the pcapng file as HEP frames, by reason: `unparsable`, `not_traffic` (a log, an event, a
    /// report), `no_payload`, `bad_compression`, `no_addresses`, `mixed_families`, `unknown_transport`,
    /// `too_large` (for a datagram).
    pub as_hep: BTreeMap<&'static str, u64>,
    /// Packets marked as cut: what they hold ends inside a SIP message, or is none, and no other message goes on with it.
    pub cut: u64,
}

impl Report {
    /// Sum over all reasons.
    #[must_use]
    pub fn as_hep_total(&self) -> u64 {
        self.as_hep.values().sum()
    }
}
