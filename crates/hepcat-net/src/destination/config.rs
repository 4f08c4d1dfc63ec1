//! What a destination is: where it listens, how long to wait for it, and what to do when it is too slow.

use std::{sync::Arc, time::Duration};

use super::{Backoff, Resolve, SystemResolver, breaker};
use crate::{Transport, spool::SpoolConfig, tls::ClientTls};

/// Everything about one destination. Made by [`udp`](Self::udp), [`tcp`](Self::tcp) or
/// [`tls`](Self::tls), then adjusted by the setters.
#[derive(Debug, Clone)]
pub struct DestinationConfig {
    pub(super) name: String,
    pub(super) link: LinkKind,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) queue: QueueConfig,
    pub(super) mode: SendMode,
    pub(super) send_timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) peer_timeout: Duration,
    pub(super) probe: Option<Probe>,
    pub(super) backoff: Backoff,
    pub(super) retry_limit: Option<RetryLimit>,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) spool: Option<SpoolConfig>,
}

/// How frames travel, with what only that transport needs.
#[derive(Debug, Clone)]
pub(super) enum LinkKind {
    Udp,
    Tcp,
    Tls(ClientTls),
}

impl DestinationConfig {
    /// A destination that takes one frame per datagram.
    ///
    /// `host` is a name, an IPv4 or an IPv6 address (without brackets).
    #[must_use]
    pub fn udp(name: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self::new(name.into(), LinkKind::Udp, host.into(), port)
    }

    /// A destination that takes a stream of frames over TCP.
    #[must_use]
    pub fn tcp(name: impl Into<String>, host: impl Into<String>, port: u16) -> Self {
        Self::new(name.into(), LinkKind::Tcp, host.into(), port)
    }

    /// A destination that takes a stream of frames over TLS.
    #[must_use]
    pub fn tls(
        name: impl Into<String>,
        host: impl Into<String>,
        port: u16,
        tls: ClientTls,
    ) -> Self {
        Self::new(name.into(), LinkKind::Tls(tls), host.into(), port)
    }

    fn new(name: String, link: LinkKind, host: String, port: u16) -> Self {
        Self {
            name,
            link,
            host,
            port,
            queue: QueueConfig::default(),
            mode: SendMode::default(),
            // hep_send_timeout of the OpenSIPS module.
            send_timeout: Duration::from_millis(100),
            // A SYN is repeated after 1 s and after 3 s: two chances on a lossy path, then the next address.
            connect_timeout: Duration::from_secs(5),
            // Long enough for a failover of the collector's address, short enough to bound what the
            // kernel holds for a peer that is gone.
            peer_timeout: Duration::from_secs(30),
            probe: None,
            backoff: Backoff::default(),
            retry_limit: None,
            resolver: Arc::new(SystemResolver),
            spool: None,
        }
    }

    /// Replaces the queue's bounds and policy.
    #[must_use]
    pub fn queue(mut self, queue: QueueConfig) -> Self {
        self.queue = queue;
        self
    }

    /// Whether producers wait for their frames to be written (`hep_async`). Default
    /// [`SendMode::Async`] with the documented time limits.
    #[must_use]
    pub fn mode(mut self, mode: SendMode) -> Self {
        self.mode = mode;
        self
    }

    /// `hep_send_timeout`, default 100 ms: a connection that takes nothing for this long *while a
    /// producer waits* (in [`SendMode::Sync`], or under [`WhenFull::Block`] with a full queue) is
    /// closed and counted. Frames not wholly written are kept and sent whole on the next connection.
    /// Without a waiting producer a stalled connection is left alone, and so it is with a spool under
    /// [`WhenFull::Block`]: producers then wait for the disk.
    #[must_use]
    pub fn send_timeout(mut self, limit: Duration) -> Self {
        self.send_timeout = limit;
        self
    }

    /// How long resolving the name may take, then how long connecting to one address may take, then
    /// how long the TLS handshake may take. Default 5 s each.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long the peer's host may leave octets unacknowledged, or its window closed, before the
    /// kernel gives the connection up (`TCP_USER_TIMEOUT`); an idle connection is probed so that a
    /// vanished peer is noticed in about the same time. Default 30 s. Streams only.
    #[must_use]
    pub fn peer_timeout(mut self, limit: Duration) -> Self {
        self.peer_timeout = limit;
        self
    }

    /// Asks an idle peer every `interval` whether it is still there, and believes that it is not when
    /// `timeout` passes without an answer. Over TCP and TLS these are the kernel's keep-alive probes (in
    /// whole seconds), and instead of the peer timeout `interval + timeout` bounds how long anything may
    /// stay unacknowledged. HEP has no message that is answered, so over UDP a datagram of four octets
    /// asks, and only a refusal by the peer's host is an answer. Unset by default: streams as the peer
    /// timeout says, over UDP only a peer that refuses is asked.
    #[must_use]
    pub fn probe(mut self, interval: Duration, timeout: Duration) -> Self {
        self.probe = Some(Probe { interval, timeout });
        self
    }

    /// How long a refusal of a datagram may take to come.
    pub(super) fn probe_timeout(&self) -> Duration {
        self.probe
            .map_or(Duration::from_secs(1), |probe| probe.timeout)
    }

    /// The pause between attempts to connect.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// `hep_max_retries` and `hep_retry_cooldown`, counted for this destination alone: after
    /// `max_retries` failures in a row no attempt is made for `cooldown`; then one, and if it fails
    /// the next cool-down starts. Unset by default: back-off alone. Frames are queued all the while.
    /// The same number of failures opens the [`Breaker`](super::Breaker), 5 where it is unset.
    #[must_use]
    pub fn retry_limit(mut self, max_retries: u32, cooldown: Duration) -> Self {
        self.retry_limit = Some(RetryLimit {
            max_retries,
            cooldown,
        });
        self
    }

    /// Who turns the host name into addresses. Default [`SystemResolver`].
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Failures in a row that open the circuit breaker.
    pub(super) fn opens_after(&self) -> u32 {
        self.retry_limit
            .map_or(breaker::OPENS_AFTER, |limit| limit.max_retries.max(1))
    }

    /// Keeps on disk what the destination does not take. Default none.
    ///
    /// The queue's policy then is that frames go to disk once half of its bounds is in use, or the destination is
    /// down; only [`WhenFull::Block`] is heeded beside that: producers wait where the disk is too slow, instead of
    /// losing the newest frames. In [`SendMode::Sync`] they wait until their frames are written or spooled.
    #[must_use]
    pub fn spool(mut self, spool: SpoolConfig) -> Self {
        self.spool = Some(spool);
        self
    }

    /// Name given by whoever configures it; labels logs and metrics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How frames travel.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self.link {
            LinkKind::Udp => Transport::Udp,
            LinkKind::Tcp => Transport::Tcp,
            LinkKind::Tls(_) => Transport::Tls,
        }
    }

    /// Name or address of the peer's host, as configured.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port of the peer.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Largest frame that the transport carries, in octets: 65,507 in a datagram over IPv4 (over IPv6
    /// 20 more would fit; the lower bound holds for both), 65,535 in a stream, the largest that a
    /// HEPv3 length field can say.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        match self.link {
            LinkKind::Udp => 65_507,
            LinkKind::Tcp | LinkKind::Tls(_) => 65_535,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct RetryLimit {
    pub(super) max_retries: u32,
    pub(super) cooldown: Duration,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

/// Bounds of a destination's memory queue.
///
/// The bounds cover every frame that the destination holds, those being written included. A frame
/// always fits an empty queue, however long it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueConfig {
    /// Most frames held (`hep_async_max_postponed_chunks`); 0 counts as 1. Default 10,000: at
    /// 5,000 messages per second the documented 32 is 6 ms of patience, this is 2 s.
    pub max_frames: usize,
    /// Most octets held, `None` for no bound beside `max_frames`. Default 16 MiB, so that full queues
    /// of a few destinations stay a small part of a small machine.
    pub max_octets: Option<usize>,
    /// What happens to a frame for which there is no room. Default [`WhenFull::DropOldest`].
    pub when_full: WhenFull,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            max_frames: 10_000,
            max_octets: Some(16 << 20),
            when_full: WhenFull::DropOldest,
        }
    }
}

impl QueueConfig {
    /// Replaces the bound on frames.
    #[must_use]
    pub fn max_frames(mut self, frames: usize) -> Self {
        self.max_frames = frames;
        self
    }

    /// Replaces the bound on octets.
    #[must_use]
    pub fn max_octets(mut self, octets: Option<usize>) -> Self {
        self.max_octets = octets;
        self
    }

    /// Replaces the policy.
    #[must_use]
    pub fn when_full(mut self, policy: WhenFull) -> Self {
        self.when_full = policy;
        self
    }
}

/// What happens to a frame that finds its destination's queue full. Every frame lost is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// The producer waits for room, as long as it takes.
    Block,
    /// The frames that have waited longest make room. Frames already being written stay; where
    /// nothing else is held, the new frame is the one dropped.
    DropOldest,
    /// The new frame is dropped.
    DropNewest,
    /// What OpenSIPS does: the connection is dropped with everything queued and the new frame. While
    /// there is no connection, the new frame alone is dropped.
    Disconnect,
}

/// `hep_async`: what a producer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendMode {
    /// The producer hands its frames to the queue and goes on ([`WhenFull::Block`] alone makes it
    /// wait). The two limits decide how soon a destination stops counting as healthy.
    Async {
        /// `hep_async_local_connect_timeout`, default 100 ms: a destination whose first attempt to
        /// connect is younger than this is [`Connecting`](super::LinkState::Connecting) and counts
        /// as available; from then on it is [`Down`](super::LinkState::Down) until connected. The
        /// attempt itself goes on up to the connect timeout.
        local_connect_timeout: Duration,
        /// `hep_async_local_write_timeout`, default 10 ms: a write that stays pending for longer
        /// makes the destination [`Slow`](super::LinkState::Slow); what is offered from then on
        /// is counted as postponed, and the queue's bound alone limits it.
        local_write_timeout: Duration,
    },
    /// `hep_async = 0`: [`offer_wait`](super::Destination::offer_wait) returns when its frames are
    /// written, or when an attempt to connect or to write them has failed (the frames then stay
    /// queued). While no attempt is under way, between retries, it does not wait at all.
    Sync,
}

impl SendMode {
    /// Documented default of `hep_async_local_connect_timeout`.
    pub const LOCAL_CONNECT_TIMEOUT: Duration = Duration::from_millis(100);
    /// Documented default of `hep_async_local_write_timeout`.
    pub const LOCAL_WRITE_TIMEOUT: Duration = Duration::from_millis(10);

    /// [`Async`](Self::Async) with these limits.
    #[must_use]
    pub fn asynchronous(local_connect_timeout: Duration, local_write_timeout: Duration) -> Self {
        Self::Async {
            local_connect_timeout,
            local_write_timeout,
        }
    }

    pub(super) fn local_connect_timeout(self) -> Duration {
        match self {
            Self::Async {
                local_connect_timeout,
                ..
            } => local_connect_timeout,
            Self::Sync => Self::LOCAL_CONNECT_TIMEOUT,
        }
    }

    pub(super) fn local_write_timeout(self) -> Duration {
        match self {
            Self::Async {
                local_write_timeout,
                ..
            } => local_write_timeout,
            Self::Sync => Self::LOCAL_WRITE_TIMEOUT,
        }
    }
}

impl Default for SendMode {
    fn default() -> Self {
        Self::Async {
            local_connect_timeout: Self::LOCAL_CONNECT_TIMEOUT,
            local_write_timeout: Self::LOCAL_WRITE_TIMEOUT,
        }
    }
}
