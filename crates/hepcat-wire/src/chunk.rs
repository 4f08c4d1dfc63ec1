//! Chunks of HEPv3: vendor, type, value.

use std::fmt;

/// Octets of a chunk header: vendor ID, chunk type and chunk length, each a big-endian `u16` (HEP3 rev. 37).
pub(crate) const CHUNK_HEADER: u16 = 6;
/// Octets of the header of a version 3 frame: magic and total length (HEP3 rev. 37).
pub(crate) const FRAME_HEADER: u16 = 6;

/// Who gave a chunk type its meaning. `0` is the specification itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two octets on the wire, never more"
)]
pub struct VendorId(pub u16);

impl VendorId {
    /// No vendor: the chunk types of the specification.
    pub const GENERIC: Self = Self(0x0000);
    /// OpenSIPS; what its scripts set gets this ID.
    pub const OPENSIPS: Self = Self(0x0003);
    /// Genesys.
    pub const GENESYS: Self = Self(0x0008);
}

/// Type of a chunk. It has meaning only together with the [`VendorId`]; the constants are the generic ones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two octets on the wire, never more"
)]
pub struct ChunkType(pub u16);

macro_rules! generic_chunks {
    ($($(#[$doc:meta])* $name:ident = $number:literal $text:literal,)*) => {
        impl ChunkType {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Snake-case name of a generic type, in the words of HEP3 rev. 37.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

generic_chunks! {
    /// IP protocol family, 1 octet: 2 is IPv4, 10 is IPv6, other numbers of IPv6 occur.
    IP_FAMILY = 0x0001 "ip_family",
    /// IP protocol ID, 1 octet.
    IP_PROTOCOL = 0x0002 "ip_protocol",
    /// IPv4 source address, 4 octets; an IPv4-mapped one of 16 occurs.
    SRC_IPV4 = 0x0003 "src_ipv4",
    /// IPv4 destination address, as above.
    DST_IPV4 = 0x0004 "dst_ipv4",
    /// IPv6 source address, 16 octets.
    SRC_IPV6 = 0x0005 "src_ipv6",
    /// IPv6 destination address, 16 octets.
    DST_IPV6 = 0x0006 "dst_ipv6",
    /// Source port, 2 octets.
    SRC_PORT = 0x0007 "src_port",
    /// Destination port, 2 octets.
    DST_PORT = 0x0008 "dst_port",
    /// Seconds since 1970, 4 octets, unsigned.
    TIME_SEC = 0x0009 "time_sec",
    /// Microseconds to add to the seconds, 4 octets.
    TIME_USEC = 0x000a "time_usec",
    /// Protocol type of the payload, 1 octet.
    PROTOCOL_TYPE = 0x000b "protocol_type",
    /// Capture agent ID, 4 octets.
    CAPTURE_ID = 0x000c "capture_id",
    /// Keep-alive time, 2 octets, seconds.
    KEEP_ALIVE = 0x000d "keep_alive",
    /// Authenticate key, octets.
    AUTH_KEY = 0x000e "auth_key",
    /// Captured payload, octets.
    PAYLOAD = 0x000f "payload",
    /// Captured payload, compressed.
    COMPRESSED_PAYLOAD = 0x0010 "compressed_payload",
    /// Internal correlation ID, octets; usually the Call-ID.
    CORRELATION_ID = 0x0011 "correlation_id",
    /// VLAN ID, 2 octets.
    VLAN_ID = 0x0012 "vlan_id",
    /// Node name of the capture agent, text. Older revisions had the group ID here.
    NODE_NAME = 0x0013 "node_name",
    /// Source MAC address, 8 octets with the address in the lower six; 6 octets are accepted.
    SRC_MAC = 0x0014 "src_mac",
    /// Destination MAC address, as above.
    DST_MAC = 0x0015 "dst_mac",
    /// Ethernet type, 2 octets.
    ETHERNET_TYPE = 0x0016 "ethernet_type",
    /// TCP flags, 1 octet, bits of the TCP header.
    TCP_FLAGS = 0x0017 "tcp_flags",
    /// IP type of service or traffic class, 1 octet.
    IP_TOS = 0x0018 "ip_tos",
    /// Mean opinion score, 2 octets; scale not specified, heplify sends it times 100.
    MOS = 0x0020 "mos",
    /// R-factor, 2 octets; scale not specified.
    R_FACTOR = 0x0021 "r_factor",
    /// Geographic location, octets; format not specified.
    GEO_LOCATION = 0x0022 "geo_location",
    /// Jitter, 4 octets; unit not specified.
    JITTER = 0x0023 "jitter",
    /// Transaction type, text: `call`, `registration`.
    TRANSACTION_TYPE = 0x0024 "transaction_type",
    /// Keys of a JSON payload, octets.
    PAYLOAD_JSON_KEYS = 0x0025 "payload_json_keys",
    /// Values of tags, octets.
    TAG_VALUES = 0x0026 "tag_values",
    /// Type of tag, 2 octets.
    TAG_TYPE = 0x0027 "tag_type",
    /// Event type, 2 octets: 1 recording, 2 recording for lawful interception.
    EVENT_TYPE = 0x0028 "event_type",
    /// Group ID, text.
    GROUP_ID = 0x0029 "group_id",
    /// Extra correlations of OpenSIPS, a JSON object. Not in the specification, yet sent under vendor 0.
    EXTRA_CORRELATIONS = 0x0065 "extra_correlations",
}

impl fmt::Debug for ChunkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChunkType({:#06x})", self.0)
    }
}

impl fmt::Display for ChunkType {
    /// Four hexadecimal digits: `0x000b`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// One chunk of a version 3 frame, borrowed from it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    vendor_id: VendorId,
    chunk_type: ChunkType,
    offset: u16,
    octets: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Whose chunk type it is.
    #[must_use]
    pub const fn vendor_id(&self) -> VendorId {
        self.vendor_id
    }

    /// The chunk type.
    #[must_use]
    pub const fn chunk_type(&self) -> ChunkType {
        self.chunk_type
    }

    /// The octets after the chunk header; may be empty.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.octets
            .get(usize::from(CHUNK_HEADER)..)
            .unwrap_or_default()
    }

    /// The value without the NULs that C programs leave at the end of texts.
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        trim_nul(self.value())
    }

    /// Where the chunk header starts, in octets from the start of the frame.
    #[must_use]
    pub fn offset(&self) -> usize {
        usize::from(self.offset)
    }

    /// Header and value, as they stand in the frame.
    #[must_use]
    pub const fn as_octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Whether the chunk is the generic one of this type.
    #[must_use]
    pub fn is_generic(&self, chunk_type: ChunkType) -> bool {
        self.vendor_id == VendorId::GENERIC && self.chunk_type == chunk_type
    }
}

impl fmt::Debug for Chunk<'_> {
    /// Names the chunk and its size, never its value: that may be a key or somebody's number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("vendor_id", &self.vendor_id.0)
            .field("chunk_type", &self.chunk_type)
            .field("offset", &self.offset)
            .field("length", &self.octets.len())
            .finish()
    }
}

/// The value without NULs at its end: C programs send them after texts, and OpenSIPS after payloads.
#[must_use]
pub fn trim_nul(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|octet| *octet != 0);
    end.and_then(|last| value.get(..=last)).unwrap_or_default()
}

/// The chunks of a frame in wire order, known or not.
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    rest: &'a [u8],
    offset: u16,
}

impl<'a> Chunks<'a> {
    /// Over the octets behind the header of a version 3 frame.
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            offset: FRAME_HEADER,
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let &[v1, v2, t1, t2, l1, l2] = self.rest.first_chunk::<6>()?;
        let length = u16::from_be_bytes([l1, l2]);
        // A message was decoded before it was iterated, so this holds; a lie would end the iteration.
        if length < CHUNK_HEADER {
            return None;
        }
        let (octets, rest) = self.rest.split_at_checked(usize::from(length))?;
        let chunk = Chunk {
            vendor_id: VendorId(u16::from_be_bytes([v1, v2])),
            chunk_type: ChunkType(u16::from_be_bytes([t1, t2])),
            offset: self.offset,
            octets,
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(length);
        Some(chunk)
    }
}
