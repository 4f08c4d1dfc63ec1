//! What a destination tells about itself.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Breaker, Ledger, LinkState, spooling::SpoolCounters};
use crate::{Transport, spool::SpoolConfig};

/// One consistent reading of a destination.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DestinationStats {
    /// Its configured name.
    pub name: String,
    /// How frames travel.
    pub transport: Transport,
    /// Whether it takes frames.
    pub state: LinkState,
    /// For how long it has been in that state.
    pub state_for: Duration,
    /// Whether it has failed too often to be relied upon.
    pub breaker: Breaker,
    /// Whether frames offered now are likely to be delivered soon: what groups go by.
    pub available: bool,
    /// Failures in a row; 0 once a connection has held for 5 s.
    pub failures: u32,
    /// Address of the peer, while connected.
    pub peer: Option<SocketAddr>,
    /// What went wrong last, kept after recovery.
    pub last_error: Option<LastError>,
    /// Where the frames are.
    pub ledger: Ledger,
    /// Octets of the queued frames.
    pub queued_octets: usize,
    /// Octets of the delivered frames.
    pub delivered_octets: u64,
    /// Frames taken in while the link was anything but [`LinkState::Up`]: late, but not lost.
    pub postponed: u64,
    /// What happened to the link.
    pub link: LinkCounters,
    /// What its spool does, where it has one. The frames in it are in the ledger.
    pub spool: Option<SpoolStats>,
}

/// What a destination's spool does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolStats {
    /// Whether it is open: until then what it holds is not known, nor in the ledger.
    pub open: bool,
    /// Octets of its files.
    pub octets: u64,
    /// Octets that they may have.
    pub max_octets: u64,
    /// How many files there are.
    pub files: u64,
    /// When the oldest of them was begun.
    pub oldest: Option<SystemTime>,
    /// Frames written to disk since the start.
    pub written: u64,
    /// Frames delivered that were on disk.
    pub replayed: u64,
    /// Of those, frames that an earlier process may have delivered as well.
    pub repeated: u64,
    /// Frames sent from memory that should have been on disk first, because it failed.
    pub bypassed: u64,
    /// Writes that failed.
    pub write_failures: u64,
    /// Syncs that failed: a loss of power may cost more than the configuration says.
    pub sync_failures: u64,
    /// Files that were no spool files and have been renamed.
    pub files_set_aside: u64,
    /// Why nothing can be written now, in words.
    pub failing: Option<String>,
}

impl SpoolStats {
    pub(super) fn new(counters: SpoolCounters, config: &SpoolConfig) -> Self {
        Self {
            open: counters.open,
            octets: counters.octets,
            max_octets: config.max_octets,
            files: counters.files as u64,
            oldest: counters
                .oldest
                .and_then(|millis| UNIX_EPOCH.checked_add(Duration::from_millis(millis))),
            written: counters.written,
            replayed: counters.replayed,
            repeated: counters.repeated,
            bypassed: counters.bypassed,
            write_failures: counters.write_failures,
            sync_failures: counters.sync_failures,
            files_set_aside: counters.set_aside,
            failing: counters.last_error,
        }
    }
}

/// The last failure of a destination's link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastError {
    /// What failed and why, for a person.
    pub words: String,
    /// [`LinkError::reason`](super::LinkError::reason).
    pub reason: &'static str,
    /// How long ago.
    pub age: Duration,
}

/// Counters of a destination's link since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkCounters {
    /// Connections made (UDP: sockets opened).
    pub connects: u64,
    /// Attempts that ended without a connection.
    pub connect_failures: u64,
    /// Connections lost or given up.
    pub disconnects: u64,
    /// Of those, connections closed by the send timeout.
    pub send_timeouts: u64,
    /// Writes that stayed pending for longer than the local write timeout.
    pub slow_writes: u64,
    /// UDP: times that the peer's host said that nobody listens.
    pub refusals: u64,
    /// Frames sent again over TLS that may have arrived with the connection before.
    pub repeats: u64,
    /// Octets that the peer sent to us, discarded.
    pub peer_octets: u64,
    /// Cool-downs begun.
    pub cooldowns: u64,
    /// Connections given up because the name led elsewhere.
    pub moves: u64,
    /// Times that the circuit breaker opened.
    pub breaker_opened: u64,
}
