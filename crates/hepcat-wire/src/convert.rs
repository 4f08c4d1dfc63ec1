//! From one version to another: exactly what the frame says, in another layout.

use std::{borrow::Cow, net::IpAddr, net::SocketAddr, time::Duration};

use crate::{
    chunk::{ChunkType, VendorId},
    encode::MessageBuilder,
    encode_error::EncodeError,
    message::Message,
    payload::{InflateLimit, Payload},
    protocol_type::ProtocolType,
    time::TimeSource,
    version::Version,
    writer::ChunkWriter,
};

/// The message as version 3. A version 3 frame stays as it is, octet by octet.
///
/// Protocol type becomes SIP, capture agent ID stays, and no field is invented: what version 1 does not have is
/// absent. Only the time of version 1, or one of version 2 that cannot be, is `arrival` (since 1970).
///
/// # Errors
/// [`EncodeError::TooLarge`] where the frame would pass 65,535 octets, and [`EncodeError::TimeOutOfRange`] for an
/// arrival after 2106.
pub fn to_v3<B: AsRef<[u8]>>(
    message: &Message<B>,
    arrival: Duration,
) -> Result<Vec<u8>, EncodeError> {
    if message.version() == Version::V3 {
        return Ok(message.as_frame().to_vec());
    }
    let time = message.time(arrival).since_epoch;
    let seconds = u32::try_from(time.as_secs()).map_err(|_| EncodeError::TimeOutOfRange)?;
    let capture_id = message
        .time_block(arrival)
        .map(|block| u32::from(block.capture_id));
    let payload = message.payload().octets().unwrap_or_default();

    let mut frame = Vec::with_capacity(160 + payload.len());
    let mut writer = ChunkWriter::new(&mut frame);
    let mut put = |chunk_type, value: &[u8]| writer.chunk(VendorId::GENERIC, chunk_type, value);
    if let Some(family) = message.address_family() {
        put(ChunkType::IP_FAMILY, &[family.to_wire()])?;
    }
    if let Some(ip_protocol) = message.ip_protocol() {
        put(ChunkType::IP_PROTOCOL, &[ip_protocol.0])?;
    }
    match message.src_ip() {
        Some(IpAddr::V4(address)) => put(ChunkType::SRC_IPV4, &address.octets())?,
        Some(IpAddr::V6(address)) => put(ChunkType::SRC_IPV6, &address.octets())?,
        None => {}
    }
    match message.dst_ip() {
        Some(IpAddr::V4(address)) => put(ChunkType::DST_IPV4, &address.octets())?,
        Some(IpAddr::V6(address)) => put(ChunkType::DST_IPV6, &address.octets())?,
        None => {}
    }
    for (chunk_type, port) in [
        (ChunkType::SRC_PORT, message.src_port()),
        (ChunkType::DST_PORT, message.dst_port()),
    ] {
        if let Some(port) = port {
            put(chunk_type, &port.to_be_bytes())?;
        }
    }
    put(ChunkType::TIME_SEC, &seconds.to_be_bytes())?;
    put(ChunkType::TIME_USEC, &time.subsec_micros().to_be_bytes())?;
    put(ChunkType::PROTOCOL_TYPE, &[ProtocolType::SIP.0])?;
    if let Some(capture_id) = capture_id {
        put(ChunkType::CAPTURE_ID, &capture_id.to_be_bytes())?;
    }
    put(ChunkType::PAYLOAD, payload)?;
    writer.finish()?;
    Ok(frame)
}

/// The message as version 2. A version 2 frame stays as it is, octet by octet.
///
/// Of version 3 only SIP can be carried, with both ends, a capture agent ID of 16 bits and a payload, which is
/// inflated; correlation ID, node name, key and the like have no place and are left behind. A frame without a time
/// gets `arrival` (since 1970). Version 1 has no capture agent ID, and none is invented.
///
/// # Errors
/// [`EncodeError::NotConvertible`] with the field that version 2 cannot carry, or cannot do without.
pub fn to_v2<B: AsRef<[u8]>>(
    message: &Message<B>,
    arrival: Duration,
) -> Result<Vec<u8>, EncodeError> {
    if message.version() == Version::V2 {
        return Ok(message.as_frame().to_vec());
    }
    let capture_id = message.capture_id().ok_or(EncodeError::NotConvertible {
        version: Version::V2,
        field: "capture agent ID",
    })?;
    let time = message.time(arrival);
    let time = match time.source {
        TimeSource::Sent => time.since_epoch,
        TimeSource::Arrival => arrival,
    };
    down(message, Version::V2, |builder| {
        builder.time_since_epoch(time).capture_id(capture_id)
    })
}

/// The message as version 1. A version 1 frame stays as it is, octet by octet. Time and capture agent ID are lost, and
/// what [`to_v2`] leaves behind.
///
/// # Errors
/// As [`to_v2`], but for the capture agent ID.
pub fn to_v1<B: AsRef<[u8]>>(message: &Message<B>) -> Result<Vec<u8>, EncodeError> {
    if message.version() == Version::V1 {
        return Ok(message.as_frame().to_vec());
    }
    down(message, Version::V1, |builder| builder)
}

fn down<B: AsRef<[u8]>>(
    message: &Message<B>,
    version: Version,
    more: impl FnOnce(MessageBuilder<'_>) -> MessageBuilder<'_>,
) -> Result<Vec<u8>, EncodeError> {
    let refuse = |field| EncodeError::NotConvertible { version, field };
    if message.protocol_type() != Some(ProtocolType::SIP) {
        return Err(refuse("protocol type"));
    }
    let ip_protocol = message.ip_protocol().ok_or_else(|| refuse("IP protocol"))?;
    let end = |address: Option<IpAddr>, port: Option<u16>| Some(SocketAddr::new(address?, port?));
    let source = end(message.src_ip(), message.src_port()).ok_or_else(|| refuse("source"))?;
    let destination =
        end(message.dst_ip(), message.dst_port()).ok_or_else(|| refuse("destination"))?;
    let payload = match message.payload() {
        Payload::Absent => return Err(refuse("payload")),
        Payload::Plain(octets) => Cow::Borrowed(octets),
        compressed @ Payload::Compressed(_) => compressed
            .inflate(InflateLimit::default())
            .map_err(|_| refuse("compressed payload"))?,
    };
    let builder = MessageBuilder::new()
        .ip_protocol(ip_protocol)
        .source(source)
        .destination(destination)
        .protocol_type(ProtocolType::SIP);
    more(builder.payload(&payload)).encode(version)
}
