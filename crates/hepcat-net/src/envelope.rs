//! What a listener hands over: a decoded message, or octets that did not decode, with where they came from.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use bytes::Bytes;
use hepcat_wire::{DecodeError, Message};

/// Number of a listener, given by whoever configures it; unique within one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u16);

/// How HEP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Transport {
    /// One frame per datagram.
    Udp,
    /// A stream of HEPv3 frames.
    Tcp,
    /// The same stream inside TLS.
    Tls,
}

impl Transport {
    /// Lower-case name: `udp`, `tcp`, `tls`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

/// Who a TLS peer proved to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsIdentity {
    /// Subject of the client certificate in RFC 4514 form, `None` where the peer presented none.
    pub subject: Option<String>,
    /// Server name that the peer asked for.
    pub server_name: Option<String>,
}

impl TlsIdentity {
    /// An identity from its two parts.
    #[must_use]
    pub fn new(subject: Option<String>, server_name: Option<String>) -> Self {
        Self {
            subject,
            server_name,
        }
    }
}

/// Where frames come from: one value per connection, or per peer of a datagram listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The listener that received the frame.
    pub listener: ListenerId,
    /// How it arrived.
    pub transport: Transport,
    /// Address of the sender (an IPv4-mapped address is given as IPv4).
    pub peer: SocketAddr,
    /// Address of ours that it was sent to, as far as the socket knows.
    pub local: SocketAddr,
    /// Set for TLS.
    pub tls: Option<TlsIdentity>,
}

impl Origin {
    /// An origin without TLS identity.
    #[must_use]
    pub fn new(
        listener: ListenerId,
        transport: Transport,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Self {
        Self {
            listener,
            transport,
            peer,
            local,
            tls: None,
        }
    }
}

/// A decoded message and how it came. Cloning is two reference counts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Envelope {
    /// The message over its own octets.
    pub message: Message<Bytes>,
    /// Where it came from.
    pub origin: Arc<Origin>,
    /// When it was read from the socket: the only clock reading of its life.
    pub received_at: SystemTime,
}

impl Envelope {
    /// An envelope from its parts.
    #[must_use]
    pub fn new(message: Message<Bytes>, origin: Arc<Origin>, received_at: SystemTime) -> Self {
        Self {
            message,
            origin,
            received_at,
        }
    }
}

/// Octets that are one frame (a datagram, or one framed piece of a stream) but no message.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unparsable {
    /// The octets as received.
    pub frame: Bytes,
    /// Why they did not decode: the evidence.
    pub error: DecodeError,
    /// Where they came from.
    pub origin: Arc<Origin>,
    /// When they were read from the socket.
    pub received_at: SystemTime,
}

impl Unparsable {
    /// An unparsable frame from its parts.
    #[must_use]
    pub fn new(
        frame: Bytes,
        error: DecodeError,
        origin: Arc<Origin>,
        received_at: SystemTime,
    ) -> Self {
        Self {
            frame,
            error,
            origin,
            received_at,
        }
    }
}

/// One frame of a [`Batch`](crate::Batch).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Arrival {
    /// It decoded.
    Message(Envelope),
    /// It did not.
    Unparsable(Unparsable),
}
