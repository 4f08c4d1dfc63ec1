//! What a destination tells about itself.

use std::{net::SocketAddr, time::Duration};

use super::{Breaker, Ledger, LinkState};
use crate::Transport;

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
    /// Octets that the peer sent to us, discarded.
    pub peer_octets: u64,
    /// Cool-downs begun.
    pub cooldowns: u64,
    /// Connections given up because the name led elsewhere.
    pub moves: u64,
    /// Times that the circuit breaker opened.
    pub breaker_opened: u64,
}
