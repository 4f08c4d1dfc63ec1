//! The state of a destination's link, why it is so, and which changes deserve a line in the log.
//! Decisions only: the clock is an argument.

use std::{io, net::SocketAddr, time::Duration};

use thiserror::Error;
use tokio::time::Instant;

use super::breaker::{Breaker, STABLE, STALLED};
use crate::tls::{TlsError, TlsFailure};

/// At most one line about going down in this time.
const LOG_PERIOD: Duration = Duration::from_mins(1);

/// Whether a destination takes frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkState {
    /// The first attempt since the start, or since the name led elsewhere, is younger than the local
    /// connect timeout.
    Connecting,
    /// Connected, and writes do not wait for long. A UDP destination is up as soon as its socket is.
    Up,
    /// Connected, but a write has been waiting for longer than the local write timeout.
    Slow,
    /// UDP: the peer's host answers that nobody listens. Datagrams are still sent.
    Refusing,
    /// Not connected; attempts go on with back-off. From the moment that a connection is lost.
    Down,
    /// Not connected, and no attempt is made until the cool-down is over.
    CoolingDown,
    /// Stopped for good.
    Stopped,
}

impl LinkState {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Connecting,
        Self::Up,
        Self::Slow,
        Self::Refusing,
        Self::Down,
        Self::CoolingDown,
        Self::Stopped,
    ];

    /// Fixed label in snake case, for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Up => "up",
            Self::Slow => "slow",
            Self::Refusing => "refusing",
            Self::Down => "down",
            Self::CoolingDown => "cooling_down",
            Self::Stopped => "stopped",
        }
    }

    /// Whether frames offered now are likely to be delivered soon.
    #[must_use]
    pub fn is_available(self) -> bool {
        matches!(self, Self::Connecting | Self::Up | Self::Slow)
    }

    /// Whether there is a socket to write to.
    #[must_use]
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Up | Self::Slow | Self::Refusing)
    }
}

/// Why a destination has no link, or lost it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The name did not resolve.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The resolver did not answer in time.
    #[error("no answer for the name {host} within {limit:?}")]
    ResolveTimeout {
        /// The name.
        host: String,
        /// The limit.
        limit: Duration,
    },
    /// The connection was refused or the host is out of reach.
    #[error("cannot connect to {address}")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Nobody answered.
    #[error("no answer from {address} within {limit:?}")]
    ConnectTimeout {
        /// The last address tried.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// TLS failed, during the handshake or later.
    #[error("tls with {address} failed")]
    Tls {
        /// The address tried.
        address: SocketAddr,
        /// What is wrong.
        source: TlsFailure,
    },
    /// The host's name cannot be the name in a certificate, and no other is configured.
    #[error("cannot verify the certificate of {host}")]
    ServerName {
        /// The host as configured.
        host: String,
        /// What is wrong with it.
        source: TlsError,
    },
    /// The peer accepted the connection but did not finish the TLS handshake.
    #[error("tls handshake with {address} unfinished after {limit:?}")]
    HandshakeTimeout {
        /// The address tried.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// The peer closed the connection.
    #[error("{address} closed the connection")]
    Closed {
        /// The peer.
        address: SocketAddr,
    },
    /// Reading or writing failed.
    #[error("connection to {address} lost")]
    Lost {
        /// The peer.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// UDP: the peer's host says that nobody listens on the port.
    #[error("{address} refuses datagrams")]
    Refused {
        /// The peer.
        address: SocketAddr,
    },
    /// The address took nothing, and the name does not lead there any more.
    #[error("{address} takes nothing, and its name leads elsewhere now")]
    Moved {
        /// The peer.
        address: SocketAddr,
    },
    /// A receiver of HEP has nothing to say; this one says too much.
    #[error("{address} sends data to us: not a hep receiver")]
    Talkative {
        /// The peer.
        address: SocketAddr,
    },
    /// Not writable for the send timeout while a producer waited.
    #[error("{address} took nothing for {limit:?} while a producer waited")]
    SendTimeout {
        /// The peer.
        address: SocketAddr,
        /// The limit.
        limit: Duration,
    },
    /// Given up by [`WhenFull::Disconnect`](super::WhenFull::Disconnect).
    #[error("queue for {address} full, connection given up")]
    QueueFull {
        /// The peer.
        address: SocketAddr,
    },
}

impl LinkError {
    /// Fixed label in snake case, for metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Resolve { .. } => "resolve",
            Self::ResolveTimeout { .. } => "resolve_timeout",
            Self::Connect { .. } => "connect",
            Self::ConnectTimeout { .. } => "connect_timeout",
            Self::Tls { .. } => "tls",
            Self::ServerName { .. } => "server_name",
            Self::HandshakeTimeout { .. } => "handshake_timeout",
            Self::Closed { .. } => "closed",
            Self::Lost { .. } => "lost",
            Self::Refused { .. } => "refused",
            Self::Moved { .. } => "moved",
            Self::Talkative { .. } => "talkative",
            Self::SendTimeout { .. } => "send_timeout",
            Self::QueueFull { .. } => "queue_full",
        }
    }

    /// The error and what caused it, in one line.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            words.push_str(": ");
            words.push_str(&error.to_string());
            cause = error.source();
        }
        words
    }
}

/// The link as the queue's lock guards it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) state: LinkState,
    pub(super) since: Instant,
    pub(super) peer: Option<SocketAddr>,
    /// An attempt to connect is under way.
    pub(super) attempting: bool,
    pub(super) last_error: Option<Failure>,
    /// Failures in a row, until a connection has held.
    failures: u32,
    /// Failures in a row that open the circuit breaker.
    opens_after: u32,
    /// Since when there has been a socket to write to.
    connected_at: Option<Instant>,
    /// When it last came back from being away or stalled.
    back_at: Option<Instant>,
    log: LogGate,
}

/// The last failure, ready to be shown.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) words: String,
    pub(super) reason: &'static str,
    pub(super) at: Instant,
}

impl Link {
    pub(super) fn new(opens_after: u32, now: Instant) -> Self {
        Self {
            state: LinkState::Connecting,
            since: now,
            peer: None,
            // The first one begins as soon as the task runs.
            attempting: true,
            last_error: None,
            failures: 0,
            opens_after,
            connected_at: None,
            back_at: None,
            log: LogGate::default(),
        }
    }

    pub(super) fn enter(&mut self, state: LinkState, now: Instant) {
        if self.state == state {
            return;
        }
        let was_away = match self.state {
            LinkState::Connecting | LinkState::Up => false,
            LinkState::Slow => self.is_stalled(now),
            _ => true,
        };
        if state == LinkState::Up && was_away {
            self.back_at = Some(now);
        }
        if !state.is_connected() {
            self.connected_at = None;
        } else if !self.state.is_connected() {
            self.connected_at = Some(now);
        }
        self.state = state;
        self.since = now;
    }

    fn is_stalled(&self, now: Instant) -> bool {
        self.state == LinkState::Slow && now.duration_since(self.since) >= STALLED
    }

    fn connected_for(&self, now: Instant) -> Option<Duration> {
        self.connected_at
            .map(|at| now.saturating_duration_since(at))
    }

    /// Notes how many failures there were in a row. Whether that opens the breaker.
    pub(super) fn count_failures(&mut self, failures: u32) -> bool {
        let opens = self.failures < self.opens_after && failures >= self.opens_after;
        self.failures = failures;
        opens
    }

    /// Failures in a row: none once a connection has held.
    pub(super) fn failures(&self, now: Instant) -> u32 {
        match self.connected_for(now) {
            Some(age) if age >= STABLE => 0,
            _ => self.failures,
        }
    }

    pub(super) fn breaker(&self, now: Instant) -> Breaker {
        Breaker::of(
            self.failures >= self.opens_after,
            self.state,
            self.attempting,
            self.connected_for(now),
        )
    }

    /// Whether frames offered now are likely to be delivered soon.
    pub(super) fn is_available(&self, now: Instant) -> bool {
        self.state.is_available() && !self.is_stalled(now) && self.breaker(now) == Breaker::Closed
    }

    /// For how long it has been back from being away.
    pub(super) fn back_for(&self, now: Instant) -> Option<Duration> {
        self.back_at.map(|at| now.saturating_duration_since(at))
    }

    /// The link failed. Whether that is to be logged, with the failures passed over in silence.
    pub(super) fn failed(
        &mut self,
        state: LinkState,
        words: String,
        reason: &'static str,
        now: Instant,
    ) -> Option<u64> {
        self.enter(state, now);
        self.attempting = false;
        if !state.is_connected() {
            self.peer = None;
        }
        let line = self.log.departure(reason, now);
        self.last_error = Some(Failure {
            words,
            reason,
            at: now,
        });
        line
    }

    /// The link works. Whether that is to be logged.
    pub(super) fn up(&mut self, peer: SocketAddr, now: Instant) -> bool {
        self.enter(LinkState::Up, now);
        self.attempting = false;
        self.peer = Some(peer);
        self.log.arrival()
    }
}

/// One line when a link goes down, another when the reason changes, never more than one in a minute;
/// one when it is up again after such a line. A collector that flaps for a day costs two lines a
/// minute, one that stays away costs one.
#[derive(Debug, Default)]
struct LogGate {
    last_line: Option<Instant>,
    /// The reason last logged, until the link is up again.
    said: Option<&'static str>,
    said_up: bool,
    silent: u64,
}

impl LogGate {
    fn departure(&mut self, reason: &'static str, now: Instant) -> Option<u64> {
        let open = self
            .last_line
            .is_none_or(|last| now.duration_since(last) >= LOG_PERIOD);
        if self.said == Some(reason) || !open {
            self.silent += 1;
            return None;
        }
        self.last_line = Some(now);
        self.said = Some(reason);
        self.said_up = false;
        Some(std::mem::take(&mut self.silent))
    }

    fn arrival(&mut self) -> bool {
        self.said = None;
        !std::mem::replace(&mut self.said_up, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn peer() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9060))
    }

    #[test]
    fn what_was_never_away_has_not_come_back() {
        let start = Instant::now();
        let mut link = Link::new(5, start);
        assert!(link.is_available(start), "the first attempt has just begun");
        link.up(peer(), start + SECOND);
        assert!(link.is_available(start + SECOND));
        assert_eq!(link.back_for(start + SECOND), None);
        link.enter(LinkState::Slow, start + SECOND);
        link.enter(LinkState::Up, start + SECOND + STALLED / 2);
        assert_eq!(link.back_for(start + 9 * SECOND), None, "a short stall");
    }

    #[test]
    fn a_stalled_link_is_not_available_and_comes_back() {
        let start = Instant::now();
        let mut link = Link::new(5, start);
        link.up(peer(), start);
        link.enter(LinkState::Slow, start);
        assert!(link.is_available(start + STALLED / 2));
        assert!(!link.is_available(start + STALLED));
        link.enter(LinkState::Up, start + STALLED);
        assert!(link.is_available(start + STALLED));
        assert_eq!(link.back_for(start + STALLED + SECOND), Some(SECOND));
    }

    #[test]
    fn flapping_opens_the_breaker_until_a_connection_holds() {
        let start = Instant::now();
        let mut link = Link::new(2, start);
        let mut now = start;
        for failures in 1..=3 {
            now += SECOND;
            link.up(peer(), now);
            assert_eq!(link.is_available(now), failures <= 2, "after {failures}");
            now += SECOND;
            assert_eq!(link.count_failures(failures), failures == 2);
            link.failed(LinkState::Down, "closed".into(), "closed", now);
            assert!(!link.is_available(now));
        }
        assert_eq!(link.breaker(now), Breaker::Open);
        link.up(peer(), now);
        assert_eq!(link.breaker(now), Breaker::HalfOpen);
        assert_eq!(link.failures(now), 3);
        now += STABLE;
        assert_eq!(link.breaker(now), Breaker::Closed);
        assert!(link.is_available(now));
        assert_eq!(link.failures(now), 0);
        assert_eq!(link.back_for(now), Some(STABLE));
    }

    #[test]
    fn a_long_absence_costs_one_line_and_one_for_the_return() {
        let start = Instant::now();
        let mut gate = LogGate::default();
        assert!(gate.arrival());
        assert_eq!(gate.departure("connect", start), Some(0));
        for minute in 1..600 {
            assert_eq!(gate.departure("connect", start + LOG_PERIOD * minute), None);
        }
        assert!(gate.arrival());
        assert!(!gate.arrival());
    }

    #[test]
    fn flapping_every_second_costs_two_lines_a_minute() {
        let start = Instant::now();
        let mut gate = LogGate::default();
        let (mut down, mut up) = (0, 0);
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            down += usize::from(gate.departure("closed", now).is_some());
            up += usize::from(gate.arrival());
        }
        assert_eq!((down, up), (10, 10));
    }

    #[test]
    fn a_new_reason_is_told_once_the_minute_is_over() {
        let start = Instant::now();
        let mut gate = LogGate::default();
        assert_eq!(gate.departure("closed", start), Some(0));
        assert_eq!(gate.departure("connect", start + LOG_PERIOD / 2), None);
        assert_eq!(gate.departure("connect", start + LOG_PERIOD), Some(1));
    }

    #[test]
    fn an_error_says_its_cause_once() {
        let error = LinkError::Resolve {
            host: "homer.example".into(),
            source: io::Error::other("no such name"),
        };
        assert_eq!(
            error.in_words(),
            "cannot resolve homer.example: no such name"
        );
    }
}
