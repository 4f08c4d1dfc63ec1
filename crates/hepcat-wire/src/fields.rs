//! The fields of a message: what the generic chunks of HEP3 rev. 37 say, or the headers of versions 1 and 2.

use std::net::IpAddr;

use crate::{
    chunk::ChunkType,
    field_map::{AddressFamily, slot},
    message::Message,
    protocol_type::{IpProtocol, ProtocolType},
    time::ByteOrder,
    version::Version,
};

/// Fields. Each is as sent, and `None` where it is absent or has the wrong width.
impl<B: AsRef<[u8]>> Message<B> {
    /// Address family of source and destination, by the addresses that are there rather than by what the family
    /// field says of them.
    #[must_use]
    pub const fn address_family(&self) -> Option<AddressFamily> {
        self.map.addresses
    }

    /// IP protocol family as the sender's system numbers it; where the chunk is absent 2 or 10, by the addresses.
    #[inline]
    #[must_use]
    pub fn ip_family(&self) -> Option<u8> {
        self.octet(ChunkType::IP_FAMILY)
            .or_else(|| self.map.addresses.map(AddressFamily::to_wire))
    }

    /// IP protocol ID: how the payload had travelled.
    #[inline]
    #[must_use]
    pub fn ip_protocol(&self) -> Option<IpProtocol> {
        self.octet(ChunkType::IP_PROTOCOL).map(IpProtocol)
    }

    /// Source address as sent: an IPv4-mapped IPv6 address stays one.
    #[inline]
    #[must_use]
    pub fn src_ip(&self) -> Option<IpAddr> {
        self.address(ChunkType::SRC_IPV4, ChunkType::SRC_IPV6)
    }

    /// Destination address as sent: an IPv4-mapped IPv6 address stays one.
    #[inline]
    #[must_use]
    pub fn dst_ip(&self) -> Option<IpAddr> {
        self.address(ChunkType::DST_IPV4, ChunkType::DST_IPV6)
    }

    /// Source address, an IPv4-mapped one as IPv4.
    #[must_use]
    pub fn canonical_src_ip(&self) -> Option<IpAddr> {
        self.src_ip().map(|address| address.to_canonical())
    }

    /// Destination address, an IPv4-mapped one as IPv4.
    #[must_use]
    pub fn canonical_dst_ip(&self) -> Option<IpAddr> {
        self.dst_ip().map(|address| address.to_canonical())
    }

    /// Source port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> Option<u16> {
        self.number_u16(ChunkType::SRC_PORT)
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> Option<u16> {
        self.number_u16(ChunkType::DST_PORT)
    }

    /// Seconds since 1970, as sent; [`time`](Self::time) says whether they can be believed.
    #[inline]
    #[must_use]
    pub fn time_sec(&self) -> Option<u32> {
        self.number_u32_in_block(ChunkType::TIME_SEC)
    }

    /// Microseconds to add to the seconds, as sent: a million and more occur.
    #[inline]
    #[must_use]
    pub fn time_usec(&self) -> Option<u32> {
        self.number_u32_in_block(ChunkType::TIME_USEC)
    }

    /// Protocol type of the payload; SIP in versions 1 and 2, which carry nothing else.
    #[inline]
    #[must_use]
    pub fn protocol_type(&self) -> Option<ProtocolType> {
        match self.map.version {
            Version::V3 => self.octet(ChunkType::PROTOCOL_TYPE).map(ProtocolType),
            Version::V1 | Version::V2 => Some(ProtocolType::SIP),
        }
    }

    /// Capture agent ID, the literal value: see [`CaptureIdFix`](crate::CaptureIdFix). 16 bits in version 2.
    #[inline]
    #[must_use]
    pub fn capture_id(&self) -> Option<u32> {
        if self.map.version == Version::V2 {
            let octets = self.fixed(ChunkType::CAPTURE_ID)?;
            return Some(u32::from(match self.map.byte_order {
                ByteOrder::Little => u16::from_le_bytes(octets),
                ByteOrder::Big => u16::from_be_bytes(octets),
            }));
        }
        self.fixed(ChunkType::CAPTURE_ID).map(u32::from_be_bytes)
    }

    /// Keep-alive time in seconds. No studied program sends it.
    #[inline]
    #[must_use]
    pub fn keep_alive(&self) -> Option<u16> {
        self.number_u16(ChunkType::KEEP_ALIVE)
    }

    /// Authenticate key, the last if there are several. To compare it use [`AuthKeys`](crate::AuthKeys).
    #[inline]
    #[must_use]
    pub fn auth_key(&self) -> Option<&[u8]> {
        self.value(ChunkType::AUTH_KEY)
    }

    /// Internal correlation ID; of SIP it is usually the Call-ID.
    #[inline]
    #[must_use]
    pub fn correlation_id(&self) -> Option<&[u8]> {
        self.value(ChunkType::CORRELATION_ID)
    }

    /// VLAN ID; 0 says none.
    #[inline]
    #[must_use]
    pub fn vlan_id(&self) -> Option<u16> {
        self.number_u16(ChunkType::VLAN_ID)
    }

    /// Node name of the capture agent.
    #[inline]
    #[must_use]
    pub fn node_name(&self) -> Option<&[u8]> {
        self.value(ChunkType::NODE_NAME)
    }

    /// Source MAC address.
    #[inline]
    #[must_use]
    pub fn src_mac(&self) -> Option<[u8; 6]> {
        self.mac(ChunkType::SRC_MAC)
    }

    /// Destination MAC address.
    #[inline]
    #[must_use]
    pub fn dst_mac(&self) -> Option<[u8; 6]> {
        self.mac(ChunkType::DST_MAC)
    }

    /// Ethernet type.
    #[inline]
    #[must_use]
    pub fn ethernet_type(&self) -> Option<u16> {
        self.number_u16(ChunkType::ETHERNET_TYPE)
    }

    /// TCP flags, bits of the TCP header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
    #[inline]
    #[must_use]
    pub fn tcp_flags(&self) -> Option<u8> {
        self.octet(ChunkType::TCP_FLAGS)
    }

    /// IP type of service or traffic class.
    #[inline]
    #[must_use]
    pub fn ip_tos(&self) -> Option<u8> {
        self.octet(ChunkType::IP_TOS)
    }

    /// Mean opinion score; the specification gives no scale, heplify sends it times 100.
    #[inline]
    #[must_use]
    pub fn mos(&self) -> Option<u16> {
        self.number_u16(ChunkType::MOS)
    }

    /// R-factor; the specification gives no scale.
    #[inline]
    #[must_use]
    pub fn r_factor(&self) -> Option<u16> {
        self.number_u16(ChunkType::R_FACTOR)
    }

    /// Geographic location; the specification gives no format.
    #[inline]
    #[must_use]
    pub fn geo_location(&self) -> Option<&[u8]> {
        self.value(ChunkType::GEO_LOCATION)
    }

    /// Jitter; the specification gives no unit.
    #[inline]
    #[must_use]
    pub fn jitter(&self) -> Option<u32> {
        self.fixed(ChunkType::JITTER).map(u32::from_be_bytes)
    }

    /// Transaction type: `call`, `registration`.
    #[inline]
    #[must_use]
    pub fn transaction_type(&self) -> Option<&[u8]> {
        self.value(ChunkType::TRANSACTION_TYPE)
    }

    /// Keys of a JSON payload.
    #[inline]
    #[must_use]
    pub fn payload_json_keys(&self) -> Option<&[u8]> {
        self.value(ChunkType::PAYLOAD_JSON_KEYS)
    }

    /// Values of tags.
    #[inline]
    #[must_use]
    pub fn tag_values(&self) -> Option<&[u8]> {
        self.value(ChunkType::TAG_VALUES)
    }

    /// Type of tag.
    #[inline]
    #[must_use]
    pub fn tag_type(&self) -> Option<u16> {
        self.number_u16(ChunkType::TAG_TYPE)
    }

    /// Event type: 1 recording, 2 recording for lawful interception.
    #[inline]
    #[must_use]
    pub fn event_type(&self) -> Option<u16> {
        self.number_u16(ChunkType::EVENT_TYPE)
    }

    /// Group ID.
    #[inline]
    #[must_use]
    pub fn group_id(&self) -> Option<&[u8]> {
        self.value(ChunkType::GROUP_ID)
    }

    /// Extra correlations of OpenSIPS: a JSON object, or what it takes for one.
    #[inline]
    #[must_use]
    pub fn extra_correlations(&self) -> Option<&[u8]> {
        self.value(ChunkType::EXTRA_CORRELATIONS)
    }

    /// A field whose width was checked when it was noted.
    #[inline]
    fn fixed<const N: usize>(&self, chunk_type: ChunkType) -> Option<[u8; N]> {
        let at = self.map.value_at(slot(chunk_type));
        self.as_frame().get(at..at + N)?.try_into().ok()
    }

    #[inline]
    fn octet(&self, chunk_type: ChunkType) -> Option<u8> {
        self.fixed(chunk_type).map(|[octet]: [u8; 1]| octet)
    }

    #[inline]
    fn number_u16(&self, chunk_type: ChunkType) -> Option<u16> {
        self.fixed(chunk_type).map(u16::from_be_bytes)
    }

    /// A number that version 2 has in its time block, where it is in the sender's octet order.
    #[inline]
    fn number_u32_in_block(&self, chunk_type: ChunkType) -> Option<u32> {
        let octets = self.fixed(chunk_type)?;
        Some(match self.map.byte_order {
            ByteOrder::Little => u32::from_le_bytes(octets),
            ByteOrder::Big => u32::from_be_bytes(octets),
        })
    }

    #[inline]
    fn address(&self, v4: ChunkType, v6: ChunkType) -> Option<IpAddr> {
        match self.map.addresses? {
            AddressFamily::V4 => self.fixed::<4>(v4).map(IpAddr::from),
            AddressFamily::V6 => self.fixed::<16>(v6).map(IpAddr::from),
        }
    }

    /// The low 48 bits of the eight octets of the specification, or all of the six that some would send.
    #[inline]
    fn mac(&self, chunk_type: ChunkType) -> Option<[u8; 6]> {
        let [_, _, m1, m2, m3, m4, m5, m6] = self.fixed::<8>(chunk_type)?;
        Some([m1, m2, m3, m4, m5, m6])
    }

    /// A field of any width: to the end of its chunk.
    #[inline]
    pub(crate) fn value(&self, chunk_type: ChunkType) -> Option<&[u8]> {
        let at = self.map.place(slot(chunk_type));
        let &[l1, l2] = self.as_frame().get(at..at + 2)? else {
            return None;
        };
        let value = at + 2;
        let length = usize::from(u16::from_be_bytes([l1, l2]));
        self.as_frame().get(value..value + length.checked_sub(6)?)
    }
}
