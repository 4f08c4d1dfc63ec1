//! How each message travels in the file: as the packet that was captured, or as the HEP frame that we received.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use bytes::Bytes;
use hepcat_wire::{IpProtocol, Message, Payload, ProtocolType, Version};

use crate::{pipeline::content, search::StoredMessage};

/// Where HEP frames are addressed to: the port that dissectors of HEP know, whatever that of the listener was.
const HEP_PORT: u16 = 9060;

/// Octets of payload that a UDP datagram takes: 65,535 less the header of UDP, and over IPv4 less that of IP.
const MAX_DATAGRAM_V4: usize = 65_507;
const MAX_DATAGRAM_V6: usize = 65_527;

/// What octets travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    Udp,
    /// TCP, and what runs on top of it: TLS and WebSocket, whose payloads are captured in the clear.
    Tcp,
    Sctp,
}

/// Octets with the addresses that they travel between; both of one family.
#[derive(Debug)]
pub(super) struct Parcel<'a> {
    pub(super) carrier: Carrier,
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// Type of service or traffic class.
    pub(super) tos: u8,
    pub(super) payload: Cow<'a, [u8]>,
    /// The payload is said to be SIP.
    pub(super) is_sip: bool,
    /// Why it is the HEP frame and not what was captured.
    pub(super) as_hep: Option<&'static str>,
}

impl<'a> Parcel<'a> {
    pub(super) fn of(stored: &'a StoredMessage) -> Self {
        let captured = match stored.message() {
            Some(message) => captured(message),
            None => Err("unparsable"),
        };
        captured.unwrap_or_else(|reason| as_hep(stored, reason))
    }

    /// One side of its connection.
    pub(super) fn direction(&self) -> (SocketAddr, SocketAddr) {
        (self.source, self.destination)
    }
}

/// The packet that was captured; else the reason why it cannot be written.
fn captured(message: &Message<Bytes>) -> Result<Parcel<'_>, &'static str> {
    let kind = message.protocol_type().filter(|kind| is_traffic(*kind));
    let kind = kind.ok_or("not_traffic")?;
    let payload = payload(message)?;
    let (Some(source), Some(destination)) = (message.src_ip(), message.dst_ip()) else {
        return Err("no_addresses");
    };
    if source.is_ipv4() != destination.is_ipv4() {
        return Err("mixed_families");
    }
    let carrier = match message.ip_protocol() {
        Some(IpProtocol::UDP) => Carrier::Udp,
        Some(IpProtocol::TCP | IpProtocol::TLS | IpProtocol::WS) => Carrier::Tcp,
        Some(IpProtocol::SCTP) => Carrier::Sctp,
        _ => return Err("unknown_transport"),
    };
    if carrier == Carrier::Udp && payload.len() > max_datagram(source) {
        return Err("too_large");
    }
    // A port that is not said is 0: what was captured is worth more than the one that is missing.
    Ok(Parcel {
        carrier,
        source: SocketAddr::new(source, message.src_port().unwrap_or(0)),
        destination: SocketAddr::new(destination, message.dst_port().unwrap_or(0)),
        tos: message.ip_tos().unwrap_or(0),
        payload,
        is_sip: kind == ProtocolType::SIP,
        as_hep: None,
    })
}

/// Whether payloads of this type went over the network between the addresses. The rest (logs, events, reports, JSON
/// about something else) is written by the agent.
fn is_traffic(kind: ProtocolType) -> bool {
    /// The first of the signalling protocols and the last; SDP among them is no protocol of its own.
    const PROTOCOLS: std::ops::RangeInclusive<u8> = 0x01..=0x0d;
    PROTOCOLS.contains(&kind.0) && kind != ProtocolType::SDP
}

/// What was captured, out of its wrappings; never empty.
fn payload(message: &Message<Bytes>) -> Result<Cow<'_, [u8]>, &'static str> {
    let payload = match (message.version(), message.payload()) {
        // Surplus zeros are a habit of senders of these versions, and would stand between messages in a stream.
        (Version::V1 | Version::V2, payload @ Payload::Plain(_)) => {
            Cow::Borrowed(payload.trimmed().unwrap_or_default())
        }
        _ => content(message).map_err(|_| "bad_compression")?,
    };
    if payload.is_empty() {
        return Err("no_payload");
    }
    Ok(payload)
}

/// The frame between the agent and us: a datagram, or a piece of a stream where no datagram takes it.
fn as_hep<'a>(stored: &'a StoredMessage, reason: &'static str) -> Parcel<'a> {
    let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let (peer, local) = stored
        .origin()
        .map_or((unknown, unknown), |origin| (origin.peer, origin.local));
    let source = peer.ip().to_canonical();
    // A socket for both families says `::` where the agent is of the older one.
    let destination = match (source, local.ip().to_canonical()) {
        (IpAddr::V4(_), IpAddr::V6(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (IpAddr::V6(_), IpAddr::V4(_)) => Ipv6Addr::UNSPECIFIED.into(),
        (_, local) => local,
    };
    let frame = stored.frame();
    Parcel {
        carrier: if frame.len() > max_datagram(source) {
            Carrier::Tcp
        } else {
            Carrier::Udp
        },
        source: SocketAddr::new(source, peer.port()),
        destination: SocketAddr::new(destination, HEP_PORT),
        tos: 0,
        payload: Cow::Borrowed(frame),
        is_sip: false,
        as_hep: Some(reason),
    }
}

fn max_datagram(family: IpAddr) -> usize {
    if family.is_ipv4() {
        MAX_DATAGRAM_V4
    } else {
        MAX_DATAGRAM_V6
    }
}
