use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use crate::{ListenerId, Transport, tls::ServerTls};

/// What a listener is to be: where, over what, within which limits.
///
/// Made by [`udp`](Self::udp), [`tcp`](Self::tcp) or [`tls`](Self::tls); every setter has a default.
#[derive(Debug, Clone)]
pub struct ListenerConfig {
    pub(super) id: ListenerId,
    pub(super) addr: SocketAddr,
    pub(super) v6_only: bool,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Udp(UdpOptions),
    Stream(StreamOptions),
}

#[derive(Debug, Clone)]
pub(super) struct UdpOptions {
    pub(super) sockets: NonZeroUsize,
    pub(super) receive_buffer: usize,
}

#[derive(Debug, Clone)]
pub(super) struct StreamOptions {
    pub(super) limits: StreamLimits,
    pub(super) on_bad_magic: OnBadMagic,
    pub(super) tls: Option<ServerTls>,
}

/// Receive buffer that a UDP listener asks for: 16 MiB.
///
/// Each queued datagram of 629 octets (the mean of a SIP mix) is charged about 1.3 KiB, so this holds some
/// 12,000 of them: the tenth of a second that a stop of the process may last at 120,000 per second. The
/// kernel's own default, 208 KiB, is full after 160 datagrams. It is memory only while it is used.
pub const DEFAULT_RECEIVE_BUFFER: usize = 16 << 20;

/// More sockets than this bring nothing: the consumers need the other cores.
const MOST_DEFAULT_SOCKETS: usize = 4;

impl ListenerConfig {
    /// A listener for datagrams: one frame each, HEPv1, v2 and v3.
    ///
    /// Port 0 lets the system choose. The unspecified IPv6 address `[::]` listens on IPv4 as well unless
    /// [`v6_only`](Self::v6_only); a given IPv6 address is IPv6 only. Senders over IPv4 appear with their
    /// IPv4 address either way.
    #[must_use]
    pub fn udp(id: ListenerId, addr: SocketAddr) -> Self {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let most = NonZeroUsize::MIN.saturating_add(MOST_DEFAULT_SOCKETS - 1);
        Self {
            id,
            addr,
            v6_only: false,
            kind: Kind::Udp(UdpOptions {
                sockets: cores.min(most),
                receive_buffer: DEFAULT_RECEIVE_BUFFER,
            }),
        }
    }

    /// A listener for streams of HEPv3 frames over TCP. Addresses as for [`udp`](Self::udp).
    #[must_use]
    pub fn tcp(id: ListenerId, addr: SocketAddr) -> Self {
        Self::stream(id, addr, None)
    }

    /// A listener for streams of HEPv3 frames inside TLS. Addresses as for [`udp`](Self::udp).
    #[must_use]
    pub fn tls(id: ListenerId, addr: SocketAddr, tls: ServerTls) -> Self {
        Self::stream(id, addr, Some(tls))
    }

    fn stream(id: ListenerId, addr: SocketAddr, tls: Option<ServerTls>) -> Self {
        Self {
            id,
            addr,
            v6_only: false,
            kind: Kind::Stream(StreamOptions {
                limits: StreamLimits::default(),
                on_bad_magic: OnBadMagic::default(),
                tls,
            }),
        }
    }

    /// Keeps `[::]` from listening on IPv4, so that `0.0.0.0` can be another listener on the same port.
    #[must_use]
    pub fn v6_only(mut self) -> Self {
        self.v6_only = true;
        self
    }

    /// UDP: how many sockets share the port (`SO_REUSEPORT`), each read by a task of its own. The kernel
    /// chooses the socket by hashing both addresses and ports, so the order of one sender is kept. The
    /// default is the number of cores that the process may use, at most 4. Systems other than Linux always
    /// have one. Ignored by streams.
    #[must_use]
    pub fn sockets(mut self, sockets: NonZeroUsize) -> Self {
        if let Kind::Udp(udp) = &mut self.kind {
            udp.sockets = sockets;
        }
        self
    }

    /// UDP: octets of receive buffer wanted for each socket, [`DEFAULT_RECEIVE_BUFFER`] by default. What the
    /// kernel granted is in the statistics. Ignored by streams, whose window the
    /// kernel tunes by itself.
    #[must_use]
    pub fn receive_buffer(mut self, octets: usize) -> Self {
        if let Kind::Udp(udp) = &mut self.kind {
            udp.receive_buffer = octets;
        }
        self
    }

    /// TCP and TLS: the limits of a connection. Ignored by UDP.
    #[must_use]
    pub fn limits(mut self, limits: StreamLimits) -> Self {
        if let Kind::Stream(stream) = &mut self.kind {
            stream.limits = limits;
        }
        self
    }

    /// TCP and TLS: what happens where a frame should start and does not. Ignored by UDP.
    #[must_use]
    pub fn on_bad_magic(mut self, on_bad_magic: OnBadMagic) -> Self {
        if let Kind::Stream(stream) = &mut self.kind {
            stream.on_bad_magic = on_bad_magic;
        }
        self
    }

    /// Number of the listener.
    #[must_use]
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// Address as configured; port 0 where the system is to choose.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How frames arrive.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match &self.kind {
            Kind::Udp(_) => Transport::Udp,
            Kind::Stream(StreamOptions { tls: None, .. }) => Transport::Tcp,
            Kind::Stream(StreamOptions { tls: Some(_), .. }) => Transport::Tls,
        }
    }
}

/// What a stream listener does with octets that are no frame where a frame should start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnBadMagic {
    /// Closes the connection, as a sender that is out of step has nothing more to say. The default.
    #[default]
    Close,
    /// Discards octets until the next one that looks like a frame. What was lost is counted as one error.
    Resync,
}

/// Limits of the connections of a TCP or TLS listener.
///
/// The defaults are those of OpenSIPS (its core and `proto_hep`), where it has the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamLimits {
    /// `hep_max_msg_chunks`: the read event by which a message must be complete. A message may stay
    /// incomplete after one read less than this; where it is still incomplete after the last, the connection
    /// is closed. `None`: no limit. Default 32, as `proto_hep`.
    ///
    /// A read that completes a message and also brings the beginning of the next one is the first of the next.
    pub max_msg_chunks: Option<NonZeroU32>,
    /// From the read that brings the beginning of a message to its end; later fragments do not prolong it.
    /// Time during which the handler holds the connection back does not count. Zero: no limit. Default 4 s,
    /// as `tcp_max_msg_time`.
    pub message_timeout: Duration,
    /// Without a complete message or a keep-alive. Zero: no limit. Default 120 s, as
    /// `tcp_connection_lifetime`.
    pub idle_timeout: Duration,
    /// From accepting to the end of the TLS handshake. Default 5 s: OpenSIPS has 100 ms, too short for a
    /// peer on another continent that loses one packet (a retransmission takes 1 s).
    pub handshake_timeout: Duration,
    /// Open connections of this listener, those in a handshake included. Default 2,048, as
    /// `tcp_max_connections`.
    pub max_connections: usize,
    /// Open connections from one peer address. Default 256: a proxy opens one for each of its workers, and no
    /// machine that does so has more cores than that.
    pub max_connections_per_peer: usize,
    /// So many frames in a row that are no messages close the connection. `None`: never. Default 16: more than a
    /// sender's defect in single messages, and few enough that a sender of rubbish is soon gone.
    pub max_bad_frames: Option<NonZeroU32>,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            max_msg_chunks: NonZeroU32::new(32),
            message_timeout: Duration::from_secs(4),
            idle_timeout: Duration::from_secs(120),
            handshake_timeout: Duration::from_secs(5),
            max_connections: 2048,
            max_connections_per_peer: 256,
            max_bad_frames: NonZeroU32::new(16),
        }
    }
}
