//! Building frames.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    chunk::{ChunkType, VendorId},
    encode_error::EncodeError,
    field_map::AddressFamily,
    limits::{MixedFamilies, SizeLimit},
    optional::Optional,
    payload::gzip_if_smaller,
    protocol_type::{IpProtocol, ProtocolType},
    v3::fixed_width,
    v12,
    version::Version,
    writer::ChunkWriter,
};

const MICROS_PER_SECOND: u32 = 1_000_000;

/// Everything that goes into a frame, borrowed from the caller.
///
/// A frame needs source, destination and payload; version 2 also time and capture agent ID, and so does version 3. IP
/// protocol and protocol type are UDP and SIP unless said otherwise. Optional fields that are empty or zero are
/// left out, as no reader tells them from absent ones. Versions 1 and 2 carry what their headers have; of the rest
/// nothing is written.
///
/// ```
/// use hepcat_wire::{Message, MessageBuilder, Version};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let frame = MessageBuilder::new()
///     .source("192.0.2.1:5060".parse()?)
///     .destination("198.51.100.2:5070".parse()?)
///     .time(1_700_735_504, 123_456)
///     .capture_id(2001)
///     .correlation_id(b"a84b4c76e66710")
///     .payload(b"OPTIONS sip:example.org SIP/2.0\r\n\r\n")
///     .encode(Version::V3)?;
/// assert_eq!(Message::parse(frame)?.capture_id(), Some(2001));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct MessageBuilder<'a> {
    ip_protocol: Option<IpProtocol>,
    source: Option<SocketAddr>,
    destination: Option<SocketAddr>,
    time: Option<(u32, u32)>,
    protocol_type: Option<ProtocolType>,
    capture_id: Option<u32>,
    payload: Option<&'a [u8]>,
    compressed: bool,
    auth_key: &'a [u8],
    correlation_id: &'a [u8],
    optional: Optional<'a>,
    other: Vec<(VendorId, ChunkType, &'a [u8])>,
    limit: SizeLimit,
    mixed_families: MixedFamilies,
    fault: Option<EncodeError>,
}

impl<'a> MessageBuilder<'a> {
    /// A message without any field.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the payload had travelled; UDP unless set.
    pub const fn ip_protocol(mut self, ip_protocol: IpProtocol) -> Self {
        self.ip_protocol = Some(ip_protocol);
        self
    }

    /// Where the payload came from.
    pub const fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Where the payload went.
    pub const fn destination(mut self, destination: SocketAddr) -> Self {
        self.destination = Some(destination);
        self
    }

    /// When it was captured: seconds since 1970 and microseconds, of which a million and more carry.
    pub const fn time(mut self, seconds: u32, microseconds: u32) -> Self {
        match seconds.checked_add(microseconds / MICROS_PER_SECOND) {
            Some(seconds) => self.time = Some((seconds, microseconds % MICROS_PER_SECOND)),
            None => self.fault = Some(EncodeError::TimeOutOfRange),
        }
        self
    }

    /// When it was captured; what is finer than a microsecond is cut off. Times before 1970 and after 2106 are
    /// refused when the frame is encoded.
    pub fn time_at(self, time: SystemTime) -> Self {
        match time.duration_since(UNIX_EPOCH) {
            Ok(since_epoch) => self.time_since_epoch(since_epoch),
            Err(_) => self.fault(EncodeError::TimeOutOfRange),
        }
    }

    /// As [`time_at`](Self::time_at), for a time since 1970.
    pub fn time_since_epoch(self, since_epoch: Duration) -> Self {
        match u32::try_from(since_epoch.as_secs()) {
            Ok(seconds) => self.time(seconds, since_epoch.subsec_micros()),
            Err(_) => self.fault(EncodeError::TimeOutOfRange),
        }
    }

    /// What the payload is; SIP unless set, and always in versions 1 and 2.
    pub const fn protocol_type(mut self, protocol_type: ProtocolType) -> Self {
        self.protocol_type = Some(protocol_type);
        self
    }

    /// Capture agent ID: 32 bits in version 3, 16 in version 2, none in version 1.
    pub const fn capture_id(mut self, capture_id: u32) -> Self {
        self.capture_id = Some(capture_id);
        self
    }

    /// Captured payload, which may be empty.
    pub const fn payload(mut self, payload: &'a [u8]) -> Self {
        self.payload = Some(payload);
        self
    }

    /// Whether to send the payload as gzip where that is smaller; off unless set. Many readers know no compressed
    /// payload and lose it.
    pub const fn compressed(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }

    /// Authenticate key.
    pub const fn auth_key(mut self, auth_key: &'a [u8]) -> Self {
        self.auth_key = auth_key;
        self
    }

    /// Internal correlation ID.
    pub const fn correlation_id(mut self, correlation_id: &'a [u8]) -> Self {
        self.correlation_id = correlation_id;
        self
    }

    /// Keep-alive time in seconds.
    pub const fn keep_alive(mut self, seconds: u16) -> Self {
        self.optional.keep_alive = seconds;
        self
    }

    /// VLAN ID.
    pub const fn vlan_id(mut self, vlan_id: u16) -> Self {
        self.optional.vlan_id = vlan_id;
        self
    }

    /// Node name of the capture agent.
    pub const fn node_name(mut self, node_name: &'a [u8]) -> Self {
        self.optional.node_name = node_name;
        self
    }

    /// Source MAC address.
    pub const fn src_mac(mut self, src_mac: [u8; 6]) -> Self {
        self.optional.src_mac = src_mac;
        self
    }

    /// Destination MAC address.
    pub const fn dst_mac(mut self, dst_mac: [u8; 6]) -> Self {
        self.optional.dst_mac = dst_mac;
        self
    }

    /// Ethernet type.
    pub const fn ethernet_type(mut self, ethernet_type: u16) -> Self {
        self.optional.ethernet_type = ethernet_type;
        self
    }

    /// TCP flags, bits of the TCP header.
    pub const fn tcp_flags(mut self, tcp_flags: u8) -> Self {
        self.optional.tcp_flags = tcp_flags;
        self
    }

    /// IP type of service or traffic class.
    pub const fn ip_tos(mut self, ip_tos: u8) -> Self {
        self.optional.ip_tos = ip_tos;
        self
    }

    /// Mean opinion score, in a scale of the caller's; others send it times 100.
    pub const fn mos(mut self, mos: u16) -> Self {
        self.optional.mos = mos;
        self
    }

    /// R-factor, in a scale of the caller's.
    pub const fn r_factor(mut self, r_factor: u16) -> Self {
        self.optional.r_factor = r_factor;
        self
    }

    /// Geographic location, in a format of the caller's.
    pub const fn geo_location(mut self, geo_location: &'a [u8]) -> Self {
        self.optional.geo_location = geo_location;
        self
    }

    /// Jitter, in a unit of the caller's.
    pub const fn jitter(mut self, jitter: u32) -> Self {
        self.optional.jitter = jitter;
        self
    }

    /// Transaction type: `call`, `registration`.
    pub const fn transaction_type(mut self, transaction_type: &'a [u8]) -> Self {
        self.optional.transaction_type = transaction_type;
        self
    }

    /// Keys of a JSON payload.
    pub const fn payload_json_keys(mut self, payload_json_keys: &'a [u8]) -> Self {
        self.optional.payload_json_keys = payload_json_keys;
        self
    }

    /// Values of tags.
    pub const fn tag_values(mut self, tag_values: &'a [u8]) -> Self {
        self.optional.tag_values = tag_values;
        self
    }

    /// Type of tag.
    pub const fn tag_type(mut self, tag_type: u16) -> Self {
        self.optional.tag_type = tag_type;
        self
    }

    /// Event type: 1 recording, 2 recording for lawful interception.
    pub const fn event_type(mut self, event_type: u16) -> Self {
        self.optional.event_type = event_type;
        self
    }

    /// Group ID.
    pub const fn group_id(mut self, group_id: &'a [u8]) -> Self {
        self.optional.group_id = group_id;
        self
    }

    /// Extra correlations: the text of a JSON object.
    pub const fn extra_correlations(mut self, json: &'a [u8]) -> Self {
        self.optional.extra_correlations = json;
        self
    }

    /// Any chunk that is not one of the eleven that every frame has. A known generic one sets the field of that name
    /// and must have its width; the others follow in the order in which they were given. Under
    /// [`VendorId::GENERIC`] only known types are accepted.
    pub fn chunk(self, vendor_id: VendorId, chunk_type: ChunkType, value: &'a [u8]) -> Self {
        if vendor_id == VendorId::GENERIC {
            return self.generic_chunk(chunk_type, value);
        }
        self.push(vendor_id, chunk_type, value)
    }

    /// A chunk of a generic type that has no meaning: for tests of readers, and for types younger than this code.
    pub fn forced_generic_chunk(self, chunk_type: ChunkType, value: &'a [u8]) -> Self {
        self.push(VendorId::GENERIC, chunk_type, value)
    }

    /// Most octets that the frame may have.
    pub const fn limit(mut self, limit: SizeLimit) -> Self {
        self.limit = limit;
        self
    }

    /// What to do where source and destination are of different address families.
    pub const fn mixed_families(mut self, mixed_families: MixedFamilies) -> Self {
        self.mixed_families = mixed_families;
        self
    }

    /// Encodes the frame.
    ///
    /// # Errors
    /// Where a field is missing, or the version cannot carry the message as it is.
    pub fn encode(&self, version: Version) -> Result<Vec<u8>, EncodeError> {
        let mut frame = Vec::with_capacity(160 + self.payload.map_or(0, <[u8]>::len));
        self.encode_into(version, &mut frame)?;
        Ok(frame)
    }

    /// Encodes the frame at the end of a vector, which is as before where that fails.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_into(&self, version: Version, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let start = frame.len();
        let written = match version {
            Version::V3 => self.write_v3(frame),
            Version::V1 | Version::V2 => self.write_v12(version, frame),
        };
        if written.is_err() {
            frame.truncate(start);
        }
        written
    }

    /// The metadata stands before the payload, because some readers stop early.
    fn write_v3(&self, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let ends = self.ends()?;
        let (seconds, microseconds) = self.time.ok_or(missing("time"))?;
        let capture_id = self.capture_id.ok_or(missing("capture agent ID"))?;
        let payload = self.payload.ok_or(missing("payload"))?;

        let mut writer = ChunkWriter::new(frame).limit(self.limit.octets());
        let mut put = |chunk_type, value: &[u8]| writer.chunk(VendorId::GENERIC, chunk_type, value);
        put(ChunkType::IP_FAMILY, &[ends.family.to_wire()])?;
        put(ChunkType::IP_PROTOCOL, &[self.ip_protocol_or_udp().0])?;
        match (ends.source, ends.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                put(ChunkType::SRC_IPV4, &source.octets())?;
                put(ChunkType::DST_IPV4, &destination.octets())?;
            }
            (source, destination) => {
                put(ChunkType::SRC_IPV6, &mapped(source).octets())?;
                put(ChunkType::DST_IPV6, &mapped(destination).octets())?;
            }
        }
        put(ChunkType::SRC_PORT, &ends.src_port.to_be_bytes())?;
        put(ChunkType::DST_PORT, &ends.dst_port.to_be_bytes())?;
        put(ChunkType::TIME_SEC, &seconds.to_be_bytes())?;
        put(ChunkType::TIME_USEC, &microseconds.to_be_bytes())?;
        put(ChunkType::PROTOCOL_TYPE, &[self.protocol_type_or_sip().0])?;
        put(ChunkType::CAPTURE_ID, &capture_id.to_be_bytes())?;
        if !self.auth_key.is_empty() {
            put(ChunkType::AUTH_KEY, self.auth_key)?;
        }
        if !self.correlation_id.is_empty() {
            put(ChunkType::CORRELATION_ID, self.correlation_id)?;
        }
        self.optional.write(&mut put)?;
        for (vendor_id, chunk_type, value) in &self.other {
            writer.chunk(*vendor_id, *chunk_type, value)?;
        }
        match self.compressed.then(|| gzip_if_smaller(payload)).flatten() {
            Some(smaller) => {
                writer.chunk(VendorId::GENERIC, ChunkType::COMPRESSED_PAYLOAD, &smaller)?
            }
            None => writer.chunk(VendorId::GENERIC, ChunkType::PAYLOAD, payload)?,
        }
        writer.finish()
    }

    fn write_v12(&self, version: Version, frame: &mut Vec<u8>) -> Result<(), EncodeError> {
        let refuse = |field| EncodeError::NotConvertible { version, field };
        let ends = self.ends()?;
        let payload = self.payload.ok_or(missing("payload"))?;
        if self.protocol_type_or_sip() != ProtocolType::SIP {
            return Err(refuse("protocol type"));
        }
        let start = frame.len();
        let [header_length, _] = v12::addresses_end(ends.family).to_le_bytes();
        frame.extend_from_slice(&[
            version.number(),
            header_length,
            ends.family.to_wire(),
            self.ip_protocol_or_udp().0,
        ]);
        frame.extend_from_slice(&ends.src_port.to_be_bytes());
        frame.extend_from_slice(&ends.dst_port.to_be_bytes());
        for address in [ends.source, ends.destination] {
            match address {
                IpAddr::V4(address) if ends.family == AddressFamily::V4 => {
                    frame.extend_from_slice(&address.octets());
                }
                other => frame.extend_from_slice(&mapped(other).octets()),
            }
        }
        if version == Version::V2 {
            let (seconds, microseconds) = self.time.ok_or(missing("time"))?;
            let capture_id = self.capture_id.ok_or(missing("capture agent ID"))?;
            let capture_id = u16::try_from(capture_id).map_err(|_| refuse("capture agent ID"))?;
            frame.extend_from_slice(&seconds.to_le_bytes());
            frame.extend_from_slice(&microseconds.to_le_bytes());
            frame.extend_from_slice(&capture_id.to_le_bytes());
            frame.extend_from_slice(&[0, 0]);
        }
        frame.extend_from_slice(payload);
        let octets = frame.len() - start;
        let limit = match self.limit {
            SizeLimit::Stream => SizeLimit::UdpIpv4.octets(),
            datagram => datagram.octets(),
        };
        if octets > limit {
            return Err(EncodeError::TooLarge { octets, limit });
        }
        Ok(())
    }

    fn ends(&self) -> Result<Ends, EncodeError> {
        let source = self.source.ok_or(missing("source"))?;
        let destination = self.destination.ok_or(missing("destination"))?;
        let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
        if from.is_ipv4() != to.is_ipv4() && self.mixed_families == MixedFamilies::Refuse {
            return Err(EncodeError::MixedFamilies);
        }
        Ok(Ends {
            family: if from.is_ipv4() && to.is_ipv4() {
                AddressFamily::V4
            } else {
                AddressFamily::V6
            },
            source: from,
            destination: to,
            src_port: source.port(),
            dst_port: destination.port(),
        })
    }

    fn ip_protocol_or_udp(&self) -> IpProtocol {
        self.ip_protocol.unwrap_or(IpProtocol::UDP)
    }

    fn protocol_type_or_sip(&self) -> ProtocolType {
        self.protocol_type.unwrap_or(ProtocolType::SIP)
    }

    fn generic_chunk(self, chunk_type: ChunkType, value: &'a [u8]) -> Self {
        if chunk_type.name().is_none() {
            return self.fault(EncodeError::UnknownGeneric { chunk_type });
        }
        if let Some(needed) = fixed_width(chunk_type)
            && needed != value.len()
        {
            let actual = value.len();
            return self.fault(EncodeError::BadWidth {
                chunk_type,
                needed,
                actual,
            });
        }
        match chunk_type {
            ChunkType::KEEP_ALIVE => self.keep_alive(number_u16(value)),
            ChunkType::AUTH_KEY => self.auth_key(value),
            ChunkType::CORRELATION_ID => self.correlation_id(value),
            ChunkType::VLAN_ID => self.vlan_id(number_u16(value)),
            ChunkType::NODE_NAME => self.node_name(value),
            ChunkType::SRC_MAC => self.src_mac(value.last_chunk().copied().unwrap_or_default()),
            ChunkType::DST_MAC => self.dst_mac(value.last_chunk().copied().unwrap_or_default()),
            ChunkType::ETHERNET_TYPE => self.ethernet_type(number_u16(value)),
            ChunkType::TCP_FLAGS => self.tcp_flags(value.first().copied().unwrap_or_default()),
            ChunkType::IP_TOS => self.ip_tos(value.first().copied().unwrap_or_default()),
            ChunkType::MOS => self.mos(number_u16(value)),
            ChunkType::R_FACTOR => self.r_factor(number_u16(value)),
            ChunkType::GEO_LOCATION => self.geo_location(value),
            ChunkType::JITTER => {
                self.jitter(value.first_chunk().map_or(0, |v| u32::from_be_bytes(*v)))
            }
            ChunkType::TRANSACTION_TYPE => self.transaction_type(value),
            ChunkType::PAYLOAD_JSON_KEYS => self.payload_json_keys(value),
            ChunkType::TAG_VALUES => self.tag_values(value),
            ChunkType::TAG_TYPE => self.tag_type(number_u16(value)),
            ChunkType::EVENT_TYPE => self.event_type(number_u16(value)),
            ChunkType::GROUP_ID => self.group_id(value),
            ChunkType::EXTRA_CORRELATIONS => self.extra_correlations(value),
            _ => self.fault(EncodeError::RepeatedChunk { chunk_type }),
        }
    }

    fn push(mut self, vendor_id: VendorId, chunk_type: ChunkType, value: &'a [u8]) -> Self {
        self.other.push((vendor_id, chunk_type, value));
        self
    }

    fn fault(mut self, fault: EncodeError) -> Self {
        self.fault = self.fault.or(Some(fault));
        self
    }
}

impl std::fmt::Debug for MessageBuilder<'_> {
    /// Names the message by its ends; payload and key stay out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageBuilder")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("time", &self.time)
            .field("protocol_type", &self.protocol_type)
            .finish_non_exhaustive()
    }
}

struct Ends {
    family: AddressFamily,
    source: IpAddr,
    destination: IpAddr,
    src_port: u16,
    dst_port: u16,
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn number_u16(value: &[u8]) -> u16 {
    value
        .first_chunk()
        .map_or(0, |value| u16::from_be_bytes(*value))
}

const fn missing(field: &'static str) -> EncodeError {
    EncodeError::MissingField { field }
}
