//! Open sets of the wire: what the payload is, and how it had travelled when it was captured.

use std::fmt;

/// Protocol type of the payload (generic chunk `0x000b`): any value is legal, the known ones have names.
///
/// Numbers from HEP3 rev. 37 and, where it is silent, from what programs send.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "one octet on the wire, never more"
)]
pub struct ProtocolType(pub u8);

impl ProtocolType {
    /// Session Initiation Protocol: all that versions 1 and 2 carry.
    pub const SIP: Self = Self(0x01);
    /// Session Description Protocol.
    pub const SDP: Self = Self(0x03);
    /// Real-time Transport Protocol.
    pub const RTP: Self = Self(0x04);
    /// RTCP, as JSON.
    pub const RTCP: Self = Self(0x05);
    /// DNS, as JSON.
    pub const DNS_JSON: Self = Self(0x35);
    /// Verto in HEP3 rev. 37; rtpengine's control protocol in the field.
    pub const CONTROL_OR_VERTO: Self = Self(0x3d);
    /// Management interface of OpenSIPS.
    pub const OPENSIPS_MI: Self = Self(0x57);
    /// REST client of OpenSIPS.
    pub const OPENSIPS_REST: Self = Self(0x58);
    /// Transport events of OpenSIPS.
    pub const OPENSIPS_NET: Self = Self(0x59);
    /// Correlation events of OpenSIPS, which may have no payload.
    pub const OPENSIPS_CONTROL: Self = Self(0x60);
    /// Quality report.
    pub const QOS: Self = Self(0x63);
    /// Log line.
    pub const LOG: Self = Self(0x64);

    /// Snake-case name of a known value.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x01 => "sip",
            0x02 => "xmpp",
            0x03 => "sdp",
            0x04 => "rtp",
            0x05 => "rtcp",
            0x06 => "mgcp",
            0x07 => "megaco",
            0x08 => "m2ua",
            0x09 => "m3ua",
            0x0a => "iax",
            0x0b => "h322",
            0x0c => "h321",
            0x0d => "m2pa",
            0x14 => "webrtc",
            0x20 => "qos_json",
            0x22 => "mos_full",
            0x23 => "mos_short",
            0x26 => "ipfix_json",
            0x32 => "sip_json",
            0x35 => "dns_json",
            0x36 => "m3ua_json",
            0x37 => "rtsp_json",
            0x38 => "diameter_json",
            0x39 => "gsm_map_json",
            0x3a => "rtcp_pion",
            0x3c => "cdr",
            0x3d => "verto_or_rtpengine",
            0x57 => "opensips_mi",
            0x58 => "opensips_rest",
            0x59 => "opensips_net",
            0x60 => "opensips_control",
            0x63 => "qos",
            0x64 => "log",
            0x65 => "json",
            _ => return None,
        })
    }
}

impl fmt::Debug for ProtocolType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "ProtocolType({:#04x} {name})", self.0),
            None => write!(f, "ProtocolType({:#04x})", self.0),
        }
    }
}

/// IP protocol ID (generic chunk `0x0002`): how the payload had travelled. Any value is legal.
///
/// Two numbers are stand-ins: 22 says TLS and 50 says WebSocket, though IANA gave them to others.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "one octet on the wire, never more"
)]
pub struct IpProtocol(pub u8);

impl IpProtocol {
    /// TCP; from some senders also TLS and WebSocket.
    pub const TCP: Self = Self(6);
    /// UDP; also what senders write that do not know.
    pub const UDP: Self = Self(17);
    /// TLS from Kamailio, OpenSIPS and sofia-sip; Kamailio writes it for WebSocket too.
    pub const TLS: Self = Self(22);
    /// WebSocket, plain or secure, from OpenSIPS.
    pub const WS: Self = Self(50);
    /// SCTP.
    pub const SCTP: Self = Self(132);

    /// Lower-case name of the transport that the number stands for.
    #[must_use]
    pub const fn transport_name(self) -> Option<&'static str> {
        Some(match self {
            Self::TCP => "tcp",
            Self::UDP => "udp",
            Self::TLS => "tls",
            Self::WS => "ws",
            Self::SCTP => "sctp",
            _ => return None,
        })
    }
}

impl fmt::Debug for IpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transport_name() {
            Some(name) => write!(f, "IpProtocol({} {name})", self.0),
            None => write!(f, "IpProtocol({})", self.0),
        }
    }
}
