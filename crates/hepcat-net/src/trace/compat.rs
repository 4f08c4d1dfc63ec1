//! Frames as OpenSIPS 3.5 to 4.1 write them, defects and all: the source of every order and number here is what
//! their packing code emits.

use std::{
    borrow::Cow,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{SystemTime, UNIX_EPOCH},
};

use hepcat_wire::{
    ChunkType, ChunkWriter, EncodeError, MessageBuilder, ProtocolType, VendorId, Version,
};

use super::{
    Format, PackError, PackRequest, json,
    pack::join,
    request::{ABSENT_DESTINATION, ABSENT_SOURCE, Part},
};

/// Packs as the original does.
pub(super) fn pack(
    request: &PackRequest<'_>,
    version: Version,
    format: &Format,
    time: SystemTime,
) -> Result<Vec<u8>, PackError> {
    match version {
        Version::V1 | Version::V2 => pack_v12(request, version, time),
        _ => pack_v3(request, format, time),
    }
}

/// Parts are left out, other types than SIP go out as SIP, the capture agent ID is cut to 16 bits, and as many zero
/// octets follow as the addresses have.
fn pack_v12(
    request: &PackRequest<'_>,
    version: Version,
    time: SystemTime,
) -> Result<Vec<u8>, PackError> {
    let (source, destination) = ends(request);
    let payload = request
        .payload
        .as_deref()
        .filter(|_| carries_payload(request));
    let mut frame = MessageBuilder::new()
        .source(source)
        .destination(destination)
        .ip_protocol(request.ip_protocol)
        .time_at(time)
        .capture_id(request.capture_id.unwrap_or_default() & 0xffff)
        .payload(payload.unwrap_or_default())
        .limit(request.limit)
        .encode(version)?;
    let surplus = match (source.ip().to_canonical(), destination.ip().to_canonical()) {
        (IpAddr::V4(_), IpAddr::V4(_)) => 8,
        _ => 32,
    };
    frame.resize(frame.len() + surplus, 0);
    Ok(frame)
}

/// The original's emitters give the payload of a SIP message when they create it, and those of others as parts, which
/// come too late for these versions.
fn carries_payload(request: &PackRequest<'_>) -> bool {
    request.protocol_type == ProtocolType::SIP || request.parts.is_empty()
}

fn pack_v3(
    request: &PackRequest<'_>,
    format: &Format,
    time: SystemTime,
) -> Result<Vec<u8>, PackError> {
    let (source, destination) = ends(request);
    let since_epoch = time
        .duration_since(UNIX_EPOCH)
        .map_err(|_| EncodeError::TimeOutOfRange)?;
    let seconds = u32::try_from(since_epoch.as_secs()).map_err(|_| EncodeError::TimeOutOfRange)?;

    let mut frame = Vec::with_capacity(160);
    let mut writer = ChunkWriter::new(&mut frame).limit(request.limit.octets());
    let mut put = |chunk_type, value: &[u8]| writer.chunk(VendorId::GENERIC, chunk_type, value);
    let addresses = Addresses::of(source, destination);
    put(ChunkType::IP_FAMILY, &[addresses.family()])?;
    put(ChunkType::IP_PROTOCOL, &[request.ip_protocol.0])?;
    put(ChunkType::SRC_PORT, &source.port().to_be_bytes())?;
    put(ChunkType::DST_PORT, &destination.port().to_be_bytes())?;
    put(ChunkType::TIME_SEC, &seconds.to_be_bytes())?;
    put(
        ChunkType::TIME_USEC,
        &since_epoch.subsec_micros().to_be_bytes(),
    )?;
    put(ChunkType::PROTOCOL_TYPE, &[request.protocol_type.0])?;
    let capture_id = request.capture_id.unwrap_or_default();
    put(ChunkType::CAPTURE_ID, &capture_id.to_be_bytes())?;
    match addresses {
        Addresses::V4(source, destination) => {
            put(ChunkType::SRC_IPV4, &source)?;
            put(ChunkType::DST_IPV4, &destination)?;
        }
        Addresses::V6(source, destination) => {
            put(ChunkType::SRC_IPV6, &source)?;
            put(ChunkType::DST_IPV6, &destination)?;
        }
    }
    if let Some(payload) = payload(request, format) {
        put(ChunkType::PAYLOAD, &payload)?;
    }
    if *format == Format::Homer6 && !request.extra.is_empty() {
        let text = json::opensips_object(&request.extra);
        put(ChunkType::EXTRA_CORRELATIONS, &text)?;
    }
    for (vendor_id, chunk_type, value) in added_chunks(request, format).iter().rev() {
        writer.chunk(*vendor_id, *chunk_type, value)?;
    }
    writer.finish()?;
    Ok(frame)
}

/// `None` leaves the chunk out.
fn payload<'r>(request: &'r PackRequest<'_>, format: &Format) -> Option<Cow<'r, [u8]>> {
    // An empty part is refused with a line in the log, and the rest goes on.
    let parts: Vec<Part<'_>> = request
        .parts
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .cloned()
        .collect();
    if parts.is_empty() {
        return request.payload.as_deref().map(Cow::Borrowed);
    }
    Some(Cow::Owned(match format {
        Format::Homer5 { delimiter } => join(&parts, delimiter),
        Format::Homer6 => json::opensips_object(&parts),
    }))
}

type Added<'r> = (VendorId, ChunkType, &'r [u8]);

/// The chunks that callers add, in the order of adding. In HOMER 5 the last correlation whose type begins with `sip`
/// takes the place of the internal correlation ID, and all others are lost.
fn added_chunks<'r>(request: &'r PackRequest<'_>, format: &Format) -> Vec<Added<'r>> {
    let sip = request
        .extra
        .iter()
        .rev()
        .find(|(kind, _)| *format != Format::Homer6 && kind.starts_with("sip"));
    let correlation_id = sip.map_or(&*request.correlation_id, |(_, id)| id);
    let fields = [
        (VendorId::GENERIC, ChunkType::CORRELATION_ID, correlation_id),
        (VendorId::GENERIC, ChunkType::AUTH_KEY, &*request.key),
    ];
    let given = request.chunks.iter();
    fields
        .into_iter()
        .filter(|(_, _, value)| !value.is_empty())
        .chain(given.map(|(vendor, kind, value)| (*vendor, *kind, &**value)))
        .collect()
}

/// One absent end has a substitute of its own; two share one.
fn ends(request: &PackRequest<'_>) -> (SocketAddr, SocketAddr) {
    match (request.source, request.destination) {
        (None, None) => (ABSENT_DESTINATION, ABSENT_DESTINATION),
        (source, destination) => (
            source.unwrap_or(ABSENT_SOURCE),
            destination.unwrap_or(ABSENT_DESTINATION),
        ),
    }
}

enum Addresses {
    V4([u8; 4], [u8; 4]),
    V6([u8; 16], [u8; 16]),
}

impl Addresses {
    fn of(source: SocketAddr, destination: SocketAddr) -> Self {
        match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                Self::V4(source.octets(), destination.octets())
            }
            (source, destination) => Self::V6(wide(source).octets(), wide(destination).octets()),
        }
    }

    /// As Linux numbers the families, which is where the original runs.
    fn family(&self) -> u8 {
        match self {
            Self::V4(..) => 2,
            Self::V6(..) => 10,
        }
    }
}

fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
