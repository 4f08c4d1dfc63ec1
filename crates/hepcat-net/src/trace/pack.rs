//! Packing: a request becomes a frame.

use std::{borrow::Cow, time::SystemTime};

use hepcat_wire::{MessageBuilder, ProtocolType, Version};

use super::{
    Format, Mode, PackError, PackRequest, compat, json,
    request::{ABSENT_DESTINATION, ABSENT_SOURCE, Part},
};

/// Packs a message for a destination that speaks `version` and reads `format`. `now` is the time of a message that
/// has none of its own.
///
/// What a version has no place for is said in the errors, with one exception that loses nothing: correlations of a SIP
/// message are left out of versions 1 and 2, as its Call-ID is in the message. Such a message is the SIP text
/// itself there, in either format.
///
/// # Errors
/// Where the version cannot carry the message, it is too large, or it contradicts itself.
pub fn pack(
    request: &PackRequest<'_>,
    version: Version,
    format: &Format,
    mode: Mode,
    now: SystemTime,
) -> Result<Vec<u8>, PackError> {
    if let Some(fault) = &request.fault {
        return Err(fault.clone());
    }
    let time = request.time.unwrap_or(now);
    match mode {
        Mode::OpenSipsCompatible => compat::pack(request, version, format, time),
        Mode::Correct => pack_correct(request, version, format, time),
    }
}

fn pack_correct(
    request: &PackRequest<'_>,
    version: Version,
    format: &Format,
    time: SystemTime,
) -> Result<Vec<u8>, PackError> {
    let payload = payload(request, version, format)?;
    let extra = if request.extra.is_empty() {
        Vec::new()
    } else {
        json::object(&request.extra)?
    };
    let builder = MessageBuilder::new()
        .source(request.source.unwrap_or(ABSENT_SOURCE))
        .destination(request.destination.unwrap_or(ABSENT_DESTINATION))
        .ip_protocol(request.ip_protocol)
        .protocol_type(request.protocol_type)
        .time_at(time)
        .capture_id(request.capture_id.unwrap_or_default())
        .auth_key(&request.key)
        .correlation_id(correlation_id(request, format))
        .extra_correlations(&extra)
        .payload(&payload)
        .compressed(request.compressed)
        .limit(request.limit);
    let builder = request
        .chunks
        .iter()
        .fold(builder, |builder, (vendor_id, chunk_type, value)| {
            builder.chunk(*vendor_id, *chunk_type, value)
        });
    Ok(builder.encode(version)?)
}

/// The payload as the format writes it; empty where there is none, so that strict readers find the chunk.
fn payload<'r>(
    request: &'r PackRequest<'_>,
    version: Version,
    format: &Format,
) -> Result<Cow<'r, [u8]>, PackError> {
    match (request.parts.as_slice(), format) {
        ([], _) => Ok(Cow::Borrowed(
            request.payload.as_deref().unwrap_or_default(),
        )),
        ([(_, only)], Format::Homer5 { .. }) => Ok(Cow::Borrowed(only)),
        ([(_, only)], Format::Homer6) if is_best_plain(request, version, only) => {
            Ok(Cow::Borrowed(only))
        }
        (parts, Format::Homer5 { delimiter }) => Ok(Cow::Owned(join(parts, delimiter))),
        (parts, Format::Homer6) => json::object(parts).map(Cow::Owned),
    }
}

/// Whether the only part stays as it is although parts are written as JSON: versions 1 and 2 hold nothing but SIP, and
/// JSON cannot hold octets that are no UTF-8 (sniffing the first octet, as readers of HOMER 6 must, tells both apart).
fn is_best_plain(request: &PackRequest<'_>, version: Version, only: &[u8]) -> bool {
    request.protocol_type == ProtocolType::SIP
        && (version != Version::V3 || std::str::from_utf8(only).is_err())
}

/// The values with the delimiter between them. It is not escaped where a value holds it: no reader would undo that.
pub(super) fn join(parts: &[Part<'_>], delimiter: &str) -> Vec<u8> {
    let values: Vec<&[u8]> = parts.iter().map(|(_, value)| &**value).collect();
    values.join(delimiter.as_bytes())
}

/// The internal correlation ID. Readers of HOMER 5 know only this one, so a correlation of type `sip` stands in for it
/// where none is given.
fn correlation_id<'r>(request: &'r PackRequest<'_>, format: &Format) -> &'r [u8] {
    if !request.correlation_id.is_empty() || *format == Format::Homer6 {
        return &request.correlation_id;
    }
    let sip = request.extra.iter().find(|(kind, _)| kind == "sip");
    sip.map_or(&[], |(_, id)| id)
}
