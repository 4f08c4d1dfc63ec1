//! What happened while a file was read: everything that did not become an item is in here with a reason.

use std::collections::BTreeMap;

/// Counts of one reading.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Packets in the capture file, whatever they held.
    pub packets: u64,
    /// Things that were left out, by reason: packets, or pieces of a reassembled stream.
    pub skipped: BTreeMap<&'static str, u64>,
    /// TCP segments that held nothing new.
    pub tcp_retransmissions: u64,
    /// TCP segments that came before their turn.
    pub tcp_out_of_order: u64,
    /// Octets that a TCP stream lacks because the capture does.
    pub tcp_gap_octets: u64,
    /// TCP flows given up because a limit was reached.
    pub flows_evicted: u64,
    /// IP datagrams of which fragments are missing, or that were given up because a limit was reached.
    pub fragments_evicted: u64,
}

impl Report {
    pub(super) fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    /// Sum over all reasons.
    #[must_use]
    pub fn skipped_total(&self) -> u64 {
        self.skipped.values().sum()
    }
}
