//! The inputs that the worked examples have in common.

use std::time::{Duration, SystemTime};

use hepcat_net::trace::{Format, Mode, PackError, PackRequest, Version, pack};
use hepcat_wire::{IpProtocol, ProtocolType};

pub(crate) const SEEN: Duration = Duration::from_micros(1_700_735_504_123_456);

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + SEEN
}

pub(crate) fn compatible(
    request: &PackRequest<'_>,
    version: Version,
    format: &Format,
) -> Result<Vec<u8>, PackError> {
    pack(request, version, format, Mode::OpenSipsCompatible, now())
}

pub(crate) fn correct(
    request: &PackRequest<'_>,
    version: Version,
    format: &Format,
) -> Result<Vec<u8>, PackError> {
    pack(request, version, format, Mode::Correct, now())
}

/// `PING` as a capture without parts.
pub(crate) fn ping() -> PackRequest<'static> {
    between(
        PackRequest::new(IpProtocol::UDP, ProtocolType::SIP).payload(b"PING"),
        "192.0.2.1:5060",
        "198.51.100.2:5070",
    )
}

/// `PING` as the tracer captures it.
pub(crate) fn traced_ping() -> PackRequest<'static> {
    between(
        PackRequest::sip(IpProtocol::UDP, b"PING"),
        "192.0.2.1:5060",
        "198.51.100.2:5070",
    )
    .extra_correlation("net", b"77")
    .correlation_id(b"abc@h")
}

pub(crate) fn log_line() -> PackRequest<'static> {
    between(
        PackRequest::new(IpProtocol::TCP, ProtocolType::LOG),
        "192.0.2.1:5060",
        "192.0.2.1:5060",
    )
    .part("Event", b"INFO")
    .part("text", b"hi \"x\"\n")
    .extra_correlation("sip", b"abc@h")
    .correlation_id(b"abc@h")
}

pub(crate) fn between<'a>(request: PackRequest<'a>, from: &str, to: &str) -> PackRequest<'a> {
    request
        .source(from.parse().expect("an address"))
        .destination(to.parse().expect("an address"))
        .capture_id(0x1234)
}

pub(crate) fn octets(hex: &str) -> Vec<u8> {
    let digit = |octet: &str| u8::from_str_radix(octet, 16).expect("hex digits");
    hex.split_whitespace().map(digit).collect()
}
