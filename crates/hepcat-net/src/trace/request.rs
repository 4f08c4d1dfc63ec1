//! What goes into a frame of our own.

use std::{
    borrow::Cow,
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use hepcat_wire::{ChunkType, IpProtocol, ProtocolType, SizeLimit, VendorId};

use super::PackError;

/// Octets of the caller's, or the request's own.
pub(super) type Octets<'a> = Cow<'a, [u8]>;

/// A name and its value.
pub(super) type Part<'a> = (Cow<'a, str>, Octets<'a>);

/// One message to be packed: the ends, what it is, its payload and whatever else is said about it.
///
/// It is borrowed where it can be (`PackRequest<'static>` owns everything), knows no version, no format and no
/// clock, and can be packed any number of times: once for each destination that wants something else.
///
/// ```
/// use hepcat_net::trace::{Format, Mode, PackRequest, Version, pack};
/// use hepcat_wire::IpProtocol;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let invite = b"INVITE sip:bob@example.org SIP/2.0\r\nCall-ID: a84b4c\r\n\r\n";
/// let request = PackRequest::sip(IpProtocol::TCP, invite)
///     .source("192.0.2.1:5060".parse()?)
///     .destination("198.51.100.2:5060".parse()?)
///     .correlation_id(b"a84b4c")
///     .capture_id(2001);
/// let now = std::time::SystemTime::now();
/// let frame = pack(&request, Version::V3, &Format::default(), Mode::Correct, now)?;
/// assert_eq!(hepcat_wire::Message::parse(&frame)?.payload().octets(), Some(&invite[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct PackRequest<'a> {
    pub(super) source: Option<SocketAddr>,
    pub(super) destination: Option<SocketAddr>,
    pub(super) ip_protocol: IpProtocol,
    pub(super) protocol_type: ProtocolType,
    pub(super) time: Option<SystemTime>,
    pub(super) payload: Option<Octets<'a>>,
    pub(super) parts: Vec<Part<'a>>,
    pub(super) extra: Vec<Part<'a>>,
    pub(super) correlation_id: Octets<'a>,
    pub(super) key: Octets<'a>,
    pub(super) capture_id: Option<u32>,
    pub(super) chunks: Vec<(VendorId, ChunkType, Octets<'a>)>,
    pub(super) compressed: bool,
    pub(super) limit: SizeLimit,
    pub(super) fault: Option<PackError>,
}

impl<'a> PackRequest<'a> {
    /// A message of this type that had travelled over this IP protocol, without any content yet.
    pub fn new(ip_protocol: IpProtocol, protocol_type: ProtocolType) -> Self {
        Self {
            source: None,
            destination: None,
            ip_protocol,
            protocol_type,
            time: None,
            payload: None,
            parts: Vec::new(),
            extra: Vec::new(),
            correlation_id: Cow::Borrowed(&[]),
            key: Cow::Borrowed(&[]),
            capture_id: None,
            chunks: Vec::new(),
            compressed: false,
            limit: SizeLimit::Stream,
            fault: None,
        }
    }

    /// A SIP message as the original's tracer makes it: the text alone in HOMER 5, `{"payload": text}` in HOMER 6.
    pub fn sip(ip_protocol: IpProtocol, message: impl Into<Octets<'a>>) -> Self {
        let message = message.into();
        Self::new(ip_protocol, ProtocolType::SIP)
            .payload(message.clone())
            .part("payload", message)
    }

    /// A message without payload that says that two ids belong together (`correlate`): type 0x60, both ids in chunk
    /// 0x0065. Versions 1 and 2 cannot carry it, and packing it for them fails.
    ///
    /// # Errors
    /// [`PackError::SameType`] where both are of one type, [`PackError::EmptyCorrelation`] where a type or an id is
    /// empty.
    pub fn correlate(
        (type1, id1): (&'a str, &'a str),
        (type2, id2): (&'a str, &'a str),
    ) -> Result<Self, PackError> {
        if [type1, id1, type2, id2].iter().any(|text| text.is_empty()) {
            return Err(PackError::EmptyCorrelation);
        }
        if type1 == type2 {
            return Err(PackError::SameType {
                kind: type1.to_owned(),
            });
        }
        Ok(Self::new(IpProtocol::TCP, ProtocolType::OPENSIPS_CONTROL)
            .extra_correlation(type1, id1.as_bytes())
            .extra_correlation(type2, id2.as_bytes()))
    }

    /// Where the message came from; 127.0.0.1 port 0 unless set.
    pub fn source(mut self, source: SocketAddr) -> Self {
        self.source = Some(source);
        self
    }

    /// Where the message went; 127.0.0.2 port 0 unless set.
    pub fn destination(mut self, destination: SocketAddr) -> Self {
        self.destination = Some(destination);
        self
    }

    /// When the message was seen, as it was seen and not as it was packed; the `now` of [`pack`](super::pack) unless
    /// set.
    pub fn time(mut self, time: SystemTime) -> Self {
        self.time = Some(time);
        self
    }

    /// The payload as it stands, in either format. [`Parts`](Self::part), where there are any, take its place.
    pub fn payload(mut self, payload: impl Into<Octets<'a>>) -> Self {
        self.payload = Some(payload.into());
        self
    }

    /// Adds a part of the payload. HOMER 5 joins the values and drops the names; HOMER 6 writes a JSON object. No
    /// part has the name of another.
    pub fn part(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Octets<'a>>) -> Self {
        self.parts.push((name.into(), value.into()));
        self
    }

    /// Adds a correlation of a type: chunk 0x0065 (vendor 0) holds all of them as one JSON object, in either format.
    pub fn extra_correlation(
        mut self,
        kind: impl Into<Cow<'a, str>>,
        id: impl Into<Octets<'a>>,
    ) -> Self {
        self.extra.push((kind.into(), id.into()));
        self
    }

    /// Internal correlation ID (chunk 0x0011), usually the Call-ID.
    pub fn correlation_id(mut self, id: impl Into<Octets<'a>>) -> Self {
        self.correlation_id = id.into();
        self
    }

    /// Capture agent ID, that of the [`HepId`](super::HepId) or else 0 unless set: 32 bits in version 3, 16 in version 2, none in version 1.
    pub fn capture_id(mut self, capture_id: u32) -> Self {
        self.capture_id = Some(capture_id);
        self
    }

    /// Authenticate key (chunk 0x000e).
    pub fn key(mut self, key: impl Into<Octets<'a>>) -> Self {
        self.key = key.into();
        self
    }

    /// Whether the payload is sent as gzip where that is smaller; off unless set.
    pub fn compressed(mut self, compressed: bool) -> Self {
        self.compressed = compressed;
        self
    }

    /// Most octets that the frame may have; what the length field can say unless set.
    pub fn limit(mut self, limit: SizeLimit) -> Self {
        self.limit = limit;
        self
    }

    /// Adds a chunk, whose value is on the wire as given: numbers are big-endian. One with vendor and type of an
    /// earlier one takes its place. A generic chunk that every frame has sets the field itself: addresses change the
    /// family with them, and a value of the wrong width makes packing fail.
    pub fn chunk(
        mut self,
        vendor_id: VendorId,
        chunk_type: ChunkType,
        value: impl Into<Octets<'a>>,
    ) -> Self {
        let value = value.into();
        let is_field =
            chunk_type.0 <= ChunkType::CORRELATION_ID.0 && chunk_type != ChunkType::KEEP_ALIVE;
        if vendor_id == VendorId::GENERIC && is_field {
            self.set_field(chunk_type, value);
            return self;
        }
        let place = self
            .chunks
            .iter_mut()
            .find(|(vendor, kind, _)| (*vendor, *kind) == (vendor_id, chunk_type));
        match place {
            Some((_, _, old)) => *old = value,
            None => self.chunks.push((vendor_id, chunk_type, value)),
        }
        self
    }

    fn set_field(&mut self, chunk_type: ChunkType, value: Octets<'a>) {
        match chunk_type {
            ChunkType::IP_PROTOCOL => {
                if let Some([number]) = self.fixed(chunk_type, &value) {
                    self.ip_protocol = IpProtocol(number);
                }
            }
            ChunkType::PROTOCOL_TYPE => {
                if let Some([number]) = self.fixed(chunk_type, &value) {
                    self.protocol_type = ProtocolType(number);
                }
            }
            ChunkType::SRC_PORT | ChunkType::DST_PORT => {
                if let Some(port) = self.fixed(chunk_type, &value) {
                    self.end(chunk_type).set_port(u16::from_be_bytes(port));
                }
            }
            ChunkType::SRC_IPV4 | ChunkType::DST_IPV4 => {
                if let Some(address) = self.fixed::<4>(chunk_type, &value) {
                    self.end(chunk_type).set_ip(IpAddr::from(address));
                }
            }
            ChunkType::SRC_IPV6 | ChunkType::DST_IPV6 => {
                if let Some(address) = self.fixed::<16>(chunk_type, &value) {
                    self.end(chunk_type).set_ip(IpAddr::from(address));
                }
            }
            ChunkType::TIME_SEC | ChunkType::TIME_USEC => {
                if let Some(number) = self.fixed(chunk_type, &value) {
                    self.set_time(chunk_type, u32::from_be_bytes(number));
                }
            }
            ChunkType::CAPTURE_ID => {
                if let Some(number) = self.fixed(chunk_type, &value) {
                    self.capture_id = Some(u32::from_be_bytes(number));
                }
            }
            ChunkType::AUTH_KEY => self.key = value,
            ChunkType::CORRELATION_ID => self.correlation_id = value,
            // The family follows the addresses, and the payload has methods of its own.
            _ => self.refuse(PackError::Derived { chunk_type }),
        }
    }

    /// The end that a chunk is about; the substitute of an absent one becomes its address.
    fn end(&mut self, chunk_type: ChunkType) -> &mut SocketAddr {
        match chunk_type {
            ChunkType::SRC_PORT | ChunkType::SRC_IPV4 | ChunkType::SRC_IPV6 => {
                self.source.get_or_insert(ABSENT_SOURCE)
            }
            _ => self.destination.get_or_insert(ABSENT_DESTINATION),
        }
    }

    fn set_time(&mut self, chunk_type: ChunkType, number: u32) {
        let since_epoch = self
            .time
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .unwrap_or_default();
        let changed = if chunk_type == ChunkType::TIME_SEC {
            Duration::new(u64::from(number), since_epoch.subsec_nanos())
        } else {
            Duration::from_secs(since_epoch.as_secs()) + Duration::from_micros(u64::from(number))
        };
        self.time = Some(SystemTime::UNIX_EPOCH + changed);
    }

    fn fixed<const N: usize>(&mut self, chunk_type: ChunkType, value: &[u8]) -> Option<[u8; N]> {
        let octets = value.try_into().ok();
        if octets.is_none() {
            let actual = value.len();
            self.refuse(PackError::BadWidth {
                chunk_type,
                needed: N,
                actual,
            });
        }
        octets
    }

    fn refuse(&mut self, fault: PackError) {
        self.fault.get_or_insert(fault);
    }
}

/// What stands for an unknown source: distinct from the other, so that the two ends are told apart.
pub(super) const ABSENT_SOURCE: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 0);
/// What stands for an unknown destination.
pub(super) const ABSENT_DESTINATION: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

impl fmt::Debug for PackRequest<'_> {
    /// Names the message by its ends; payload, ids and key stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackRequest")
            .field("source", &self.source)
            .field("destination", &self.destination)
            .field("ip_protocol", &self.ip_protocol)
            .field("protocol_type", &self.protocol_type)
            .finish_non_exhaustive()
    }
}
