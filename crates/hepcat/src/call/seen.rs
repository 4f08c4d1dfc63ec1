//! One observed message, as the tracker and the ladder take it in.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hepcat_sip::Scan;
use hepcat_wire::{ChunkType, Message, ProtocolType, VendorId, trim_nul};

use super::moment::Moment;
use crate::agents::sent_time;

/// What the payload is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Content<'a> {
    /// SIP, as scanned.
    Sip(Scan<'a>),
    /// RTCP, binary or as JSON.
    Rtcp,
    /// A report about quality: RTCP-XR or statistics as JSON.
    Quality,
    /// A line of somebody's log.
    Log,
    /// Ids that belong together, and nothing else (OpenSIPS's `correlate`).
    Correlate,
    /// Any other: most are JSON events.
    Event,
}

impl<'a> Content<'a> {
    /// What `payload` is. SIP is scanned here, and told by its looks as well as by its type: relays rewrite types.
    #[must_use]
    pub fn of(protocol_type: Option<ProtocolType>, payload: &'a [u8]) -> Self {
        Self::by_type(protocol_type)
            .unwrap_or_else(|| hepcat_sip::scan(payload).map_or(Self::Event, Self::Sip))
    }

    /// The same where the payload was scanned already, with what came of it.
    #[must_use]
    pub fn of_scanned(protocol_type: Option<ProtocolType>, sip: Option<Scan<'a>>) -> Self {
        Self::by_type(protocol_type).unwrap_or_else(|| sip.map_or(Self::Event, Self::Sip))
    }

    fn by_type(protocol_type: Option<ProtocolType>) -> Option<Self> {
        match protocol_type?.0 {
            5 | 58 => Some(Self::Rtcp),
            0x20 | 0x22 | 0x23 | 0x63 => Some(Self::Quality),
            0x60 => Some(Self::Correlate),
            100 => Some(Self::Log),
            _ => None,
        }
    }
}

/// One observed message. Borrows everything; made per message, on the stack.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Seen<'a> {
    /// Which row of the store it is, or will be. Only handed on.
    pub row: u64,
    /// When it was received, by our clock.
    pub received: Moment,
    /// When the agent says that it was captured, by its clock.
    pub sent: Option<Moment>,
    /// Who sent it to us: a name that stays the same as long as the agent does.
    pub agent: &'a str,
    /// Where the captured packet came from.
    pub source: Option<SocketAddr>,
    /// Where it went.
    pub destination: Option<SocketAddr>,
    /// What carried it: IP protocol number as HEP has it (22 is TLS, 50 WebSocket).
    pub ip_protocol: Option<u8>,
    /// What was captured, out of its wrappings.
    pub payload: &'a [u8],
    /// What that is.
    pub content: Content<'a>,
    /// HEP chunk 0x0011.
    pub correlation_id: Option<&'a [u8]>,
    /// HEP chunk 0x0065: JSON.
    pub extra_correlation: Option<&'a [u8]>,
}

impl<'a> Seen<'a> {
    /// A message of which nothing is known but this. SIP is told by its looks, anything else is an event.
    #[must_use]
    pub fn new(row: u64, received: Moment, agent: &'a str, payload: &'a [u8]) -> Self {
        Self {
            row,
            received,
            sent: None,
            agent,
            source: None,
            destination: None,
            ip_protocol: None,
            payload,
            content: Content::of(None, payload),
            correlation_id: None,
            extra_correlation: None,
        }
    }

    /// What `message` says, with its payload as `payload`: inflated and unwrapped. `received` is since 1970.
    #[must_use]
    pub fn of_message<B: AsRef<[u8]>>(
        message: &'a Message<B>,
        payload: &'a [u8],
        row: u64,
        received: Duration,
        agent: &'a str,
    ) -> Self {
        let content = Content::of(message.protocol_type(), payload);
        Self::of_content(message, payload, content, row, received, agent)
    }

    /// The same where it is known already that the payload is `content`, as after a scan: [`Content::of_scanned`].
    #[must_use]
    pub fn of_content<B: AsRef<[u8]>>(
        message: &'a Message<B>,
        payload: &'a [u8],
        content: Content<'a>,
        row: u64,
        received: Duration,
        agent: &'a str,
    ) -> Self {
        let address = |ip: Option<IpAddr>, port: Option<u16>| {
            ip.map(|ip| SocketAddr::new(ip, port.unwrap_or(0)))
        };
        // Set from an OpenSIPS script without a vendor, the chunk arrives under OpenSIPS's own number.
        let correlation_id = message.correlation_id().or_else(|| {
            let chunk = message.chunk(VendorId::OPENSIPS, ChunkType::CORRELATION_ID)?;
            Some(chunk.value())
        });
        Self {
            row,
            received: received.into(),
            sent: sent_time(message, received).map(Moment::from),
            agent,
            source: address(message.src_ip(), message.src_port()),
            destination: address(message.dst_ip(), message.dst_port()),
            ip_protocol: message.ip_protocol().map(|ip_protocol| ip_protocol.0),
            payload,
            content,
            correlation_id: correlation_id.map(trim_nul),
            extra_correlation: message.extra_correlations().map(trim_nul),
        }
    }

    /// The same, captured at `sent` by the agent's clock.
    #[must_use]
    pub fn sent_at(mut self, sent: Moment) -> Self {
        self.sent = Some(sent);
        self
    }

    /// The same, captured between these two.
    #[must_use]
    pub fn between(mut self, source: SocketAddr, destination: SocketAddr) -> Self {
        (self.source, self.destination) = (Some(source), Some(destination));
        self
    }

    /// The same with the content told by a HEP protocol type.
    #[must_use]
    pub fn of_type(mut self, protocol_type: ProtocolType) -> Self {
        self.content = Content::of(Some(protocol_type), self.payload);
        self
    }

    /// The same with HEP chunk 0x0011.
    #[must_use]
    pub fn correlated(mut self, correlation_id: &'a [u8]) -> Self {
        self.correlation_id = Some(correlation_id);
        self
    }

    /// The same with HEP chunk 0x0065.
    #[must_use]
    pub fn extra_correlated(mut self, json: &'a [u8]) -> Self {
        self.extra_correlation = Some(json);
        self
    }

    /// The scan, where it is SIP.
    #[must_use]
    pub fn sip(&self) -> Option<&Scan<'a>> {
        match &self.content {
            Content::Sip(scan) => Some(scan),
            _ => None,
        }
    }
}
