//! Where the original's octets are a defect, ours are what was meant.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use hepcat_net::trace::{Format, Mode, PackRequest, Version, pack};
use hepcat_wire::{ChunkType, IpProtocol, Message, Payload, ProtocolType, SizeLimit, VendorId};
use rstest::rstest;

use crate::{
    examples,
    parts::{SEEN, correct, log_line, now, octets, ping, traced_ping},
};

const HOMER5: fn() -> Format = Format::default;
const HOMER6: fn() -> Format = || Format::Homer6;

fn message(frame: &[u8]) -> Message<&[u8]> {
    Message::parse(frame).expect("a strict reader takes it")
}

fn text(octets: Option<&[u8]>) -> &str {
    std::str::from_utf8(octets.expect("it is there")).expect("it is text")
}

fn payload<'a>(message: &'a Message<&[u8]>) -> &'a str {
    text(message.payload().octets())
}

#[rstest]
#[case(Version::V1, examples::E1, 20)]
#[case(Version::V2, examples::E3, 32)]
fn versions_1_and_2_end_with_their_payload(
    #[case] version: Version,
    #[case] original: &str,
    #[case] length: usize,
) {
    let frame = correct(&ping(), version, &Format::default()).unwrap();
    assert_eq!(frame, octets(original)[..length]);
}

#[test]
fn a_frame_says_what_was_asked_for() {
    let frame = correct(&ping().key(b"secret"), Version::V3, &Format::default()).unwrap();
    let message = message(&frame);
    assert_eq!(message.src_ip(), "192.0.2.1".parse().ok());
    assert_eq!(message.dst_ip(), "198.51.100.2".parse().ok());
    assert_eq!(
        (message.src_port(), message.dst_port()),
        (Some(5060), Some(5070))
    );
    assert_eq!(message.ip_protocol(), Some(IpProtocol::UDP));
    assert_eq!(message.protocol_type(), Some(ProtocolType::SIP));
    assert_eq!(message.capture_id(), Some(0x1234));
    assert_eq!(message.auth_key(), Some(&b"secret"[..]));
    assert_eq!(message.time(Duration::ZERO).since_epoch, SEEN);
    assert_eq!(payload(&message), "PING");
}

#[rstest]
fn a_correlation_of_any_type_travels_in_both_formats(
    #[values(HOMER5, HOMER6)] format: fn() -> Format,
) {
    let frame = correct(&traced_ping(), Version::V3, &format()).unwrap();
    let message = message(&frame);
    assert_eq!(text(message.extra_correlations()), r#"{"net":"77"}"#);
    assert_eq!(text(message.correlation_id()), "abc@h");
}

#[rstest]
fn correlated_ids_travel_in_both_formats_with_an_empty_payload(
    #[values(HOMER5, HOMER6)] format: fn() -> Format,
) {
    let request =
        PackRequest::correlate(("correlation-no-1", "aaa"), ("correlation-no-2", "bbb")).unwrap();
    let frame = correct(&request, Version::V3, &format()).unwrap();
    let message = message(&frame);
    let chunk = message.chunk(VendorId::GENERIC, ChunkType(0x0065)).unwrap();
    assert_eq!(
        text(Some(chunk.value())),
        r#"{"correlation-no-1":"aaa","correlation-no-2":"bbb"}"#
    );
    assert_eq!(message.protocol_type(), Some(ProtocolType(0x60)));
    assert_eq!(message.payload(), Payload::Plain(b""));
    assert!(message.check_capture().is_ok());
}

#[rstest]
fn versions_1_and_2_cannot_correlate(#[values(Version::V1, Version::V2)] version: Version) {
    let request = PackRequest::correlate(("a", "1"), ("b", "2")).unwrap();
    let error = correct(&request, version, &Format::default()).unwrap_err();
    assert_eq!(error.reason(), "not_convertible");
}

#[test]
fn correlated_types_must_differ_and_be_there() {
    let same = PackRequest::correlate(("sip", "1"), ("sip", "2")).unwrap_err();
    assert_eq!(same.reason(), "same_type");
    assert_eq!(
        same.to_string(),
        "both correlations are of type `sip`: the types must differ"
    );
    for (a, b) in [(("", "1"), ("b", "2")), (("a", "1"), ("b", ""))] {
        let empty = PackRequest::correlate(a, b).unwrap_err();
        assert_eq!(empty.reason(), "empty_correlation");
    }
}

#[test]
fn a_sip_correlation_stands_in_for_an_absent_correlation_id_in_homer_5() {
    let request = PackRequest::correlate(("rest", "guid"), ("sip", "abc@h")).unwrap();
    let frame = correct(&request, Version::V3, &Format::default()).unwrap();
    assert_eq!(text(message(&frame).correlation_id()), "abc@h");
    let frame = correct(&request, Version::V3, &Format::Homer6).unwrap();
    assert_eq!(message(&frame).correlation_id(), None);
    let own = request.correlation_id(b"guid");
    let frame = correct(&own, Version::V3, &Format::default()).unwrap();
    assert_eq!(text(message(&frame).correlation_id()), "guid");
}

#[rstest]
#[case(Format::default(), "INFO:hi \"x\"\n")]
#[case(Format::homer5(""), "INFOhi \"x\"\n")]
#[case(Format::homer5("::/"), "INFO::/hi \"x\"\n")]
#[case(Format::Homer6, r#"{"Event":"INFO","text":"hi \"x\"\n"}"#)]
fn parts_are_written_as_the_format_says(#[case] format: Format, #[case] expected: &str) {
    let frame = correct(&log_line(), Version::V3, &format).unwrap();
    assert_eq!(payload(&message(&frame)), expected);
}

#[test]
fn homer_6_escapes_everything_that_json_wants_escaped() {
    let value = "\"quoted\" \\ \u{1}\u{0}\u{1f} line\r\n\ttab é \u{10348}";
    let request = ping().part("text", value.as_bytes());
    let frame = correct(&request, Version::V3, &Format::Homer6).unwrap();
    let read: serde_json::Value = serde_json::from_str(payload(&message(&frame))).unwrap();
    assert_eq!(read["text"], value);
}

#[test]
fn homer_6_leaves_a_message_as_it_is_where_json_cannot_hold_it() {
    let request = PackRequest::sip(IpProtocol::UDP, b"MESSAGE sip:a SIP/2.0\r\n\r\n\xff\xfe");
    let frame = correct(&request, Version::V3, &Format::Homer6).unwrap();
    assert_eq!(
        message(&frame).payload().octets(),
        Some(&b"MESSAGE sip:a SIP/2.0\r\n\r\n\xff\xfe"[..])
    );
}

#[test]
fn homer_6_gives_every_part_one_place() {
    let request = ping().part("text", b"one").part("text", b"two");
    let error = correct(&request, Version::V3, &Format::Homer6).unwrap_err();
    assert_eq!(error.reason(), "repeated_name");
}

#[rstest]
fn sip_is_plain_in_versions_1_and_2_in_either_format(
    #[values(HOMER5, HOMER6)] format: fn() -> Format,
    #[values(Version::V1, Version::V2)] version: Version,
) {
    let frame = correct(&traced_ping(), version, &format()).unwrap();
    assert_eq!(payload(&message(&frame)), "PING");
}

#[rstest]
fn what_is_no_sip_is_refused_in_versions_1_and_2(
    #[values(Version::V1, Version::V2)] version: Version,
) {
    let error = correct(&log_line(), version, &Format::default()).unwrap_err();
    assert_eq!(error.reason(), "not_convertible");
}

#[test]
fn absent_ends_are_told_apart() {
    let request = PackRequest::new(IpProtocol::TCP, ProtocolType::LOG).payload(b"x");
    let frame = correct(&request, Version::V3, &Format::default()).unwrap();
    let message = message(&frame);
    assert_eq!(message.src_ip(), "127.0.0.1".parse().ok());
    assert_eq!(message.dst_ip(), "127.0.0.2".parse().ok());
}

#[test]
fn what_does_not_fit_16_bits_is_refused() {
    let long = vec![b'\n'; 40_000];
    let request = PackRequest::sip(IpProtocol::UDP, &long);
    assert!(correct(&request, Version::V3, &Format::default()).is_ok());
    let error = correct(&request, Version::V3, &Format::Homer6).unwrap_err();
    assert_eq!(error.reason(), "too_large");
    let datagram = request.limit(SizeLimit::UdpIpv4).payload(vec![0; 65_500]);
    let error = correct(&datagram, Version::V3, &Format::Homer6).unwrap_err();
    assert_eq!(error.reason(), "too_large");
}

#[test]
fn a_capture_id_is_never_cut() {
    let request = ping().capture_id(0x1_0001);
    let frame = correct(&request, Version::V3, &Format::default()).unwrap();
    assert_eq!(message(&frame).capture_id(), Some(0x1_0001));
    let error = correct(&request, Version::V2, &Format::default()).unwrap_err();
    assert_eq!(error.reason(), "not_convertible");
    assert!(correct(&request, Version::V1, &Format::default()).is_ok());
}

#[test]
fn a_message_keeps_the_time_at_which_it_was_seen() {
    let seen = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let request = ping().time(seen);
    let frame = pack(
        &request,
        Version::V3,
        &Format::default(),
        Mode::Correct,
        now(),
    )
    .unwrap();
    assert_eq!(message(&frame).time_sec(), Some(1_600_000_000));
}

#[test]
fn compression_comes_last_and_loses_nothing() {
    let long = "INVITE sip:bob@example.org SIP/2.0\r\n".repeat(30);
    let request = PackRequest::sip(IpProtocol::UDP, long.as_bytes()).compressed(true);
    for (format, expected) in [
        (Format::default(), long.clone()),
        (
            Format::Homer6,
            format!("{{\"payload\":{}}}", serde_json::Value::from(long.as_str())),
        ),
    ] {
        let frame = correct(&request, Version::V3, &format).unwrap();
        let message = message(&frame);
        assert!(matches!(message.payload(), Payload::Compressed(_)));
        let inflated = message.payload().inflate(Default::default()).unwrap();
        assert_eq!(text(Some(&inflated)), expected);
    }
}

#[test]
fn a_chunk_added_again_takes_the_place_of_the_first() {
    let request = ping()
        .chunk(VendorId(7), ChunkType(1), b"one")
        .chunk(VendorId(7), ChunkType(2), b"two")
        .chunk(VendorId(7), ChunkType(1), b"three");
    let frame = correct(&request, Version::V3, &Format::default()).unwrap();
    let message = message(&frame);
    let own: Vec<_> = message
        .chunks()
        .filter(|chunk| chunk.vendor_id() == VendorId(7))
        .map(|chunk| (chunk.chunk_type().0, chunk.value()))
        .collect();
    assert_eq!(own, [(1, &b"three"[..]), (2, &b"two"[..])]);
}

#[test]
fn a_generic_chunk_sets_the_field_and_the_family_goes_with_the_addresses() {
    let v6: [u8; 16] = "2001:db8::9"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    let request = ping()
        .chunk(VendorId::GENERIC, ChunkType::SRC_IPV6, &v6)
        .chunk(VendorId::GENERIC, ChunkType::DST_IPV6, &v6)
        .chunk(
            VendorId::GENERIC,
            ChunkType::DST_PORT,
            5099_u16.to_be_bytes().to_vec(),
        )
        .chunk(VendorId::GENERIC, ChunkType::IP_PROTOCOL, &[132])
        .chunk(VendorId::GENERIC, ChunkType::PROTOCOL_TYPE, &[100])
        .chunk(
            VendorId::GENERIC,
            ChunkType::CAPTURE_ID,
            70_000_u32.to_be_bytes().to_vec(),
        )
        .chunk(
            VendorId::GENERIC,
            ChunkType::TIME_SEC,
            1_600_000_000_u32.to_be_bytes().to_vec(),
        )
        .chunk(
            VendorId::GENERIC,
            ChunkType::TIME_USEC,
            7_u32.to_be_bytes().to_vec(),
        )
        .chunk(VendorId::GENERIC, ChunkType::AUTH_KEY, b"key")
        .chunk(VendorId::GENERIC, ChunkType::CORRELATION_ID, b"id");
    let frame = correct(&request, Version::V3, &Format::default()).unwrap();
    let message = message(&frame);
    let address: SocketAddr = "[2001:db8::9]:5099".parse().unwrap();
    assert_eq!(message.ip_family(), Some(10));
    assert_eq!(message.src_ip(), Some(address.ip()));
    assert_eq!(
        (message.dst_ip(), message.dst_port()),
        (Some(address.ip()), Some(5099))
    );
    assert_eq!(message.ip_protocol(), Some(IpProtocol::SCTP));
    assert_eq!(message.protocol_type(), Some(ProtocolType::LOG));
    assert_eq!(message.capture_id(), Some(70_000));
    assert_eq!(
        (message.time_sec(), message.time_usec()),
        (Some(1_600_000_000), Some(7))
    );
    assert_eq!(message.auth_key(), Some(&b"key"[..]));
    assert_eq!(message.correlation_id(), Some(&b"id"[..]));
}

#[rstest]
#[case(ChunkType::SRC_PORT, b"\x01", "bad_width")]
#[case(ChunkType::CAPTURE_ID, b"\x01", "bad_width")]
#[case(ChunkType::IP_FAMILY, b"\x02", "derived_chunk")]
#[case(ChunkType::PAYLOAD, b"x", "derived_chunk")]
#[case(ChunkType::VLAN_ID, b"x", "bad_width")]
#[case(ChunkType(0x4242), b"x", "unknown_generic")]
fn a_generic_chunk_that_cannot_be_is_refused(
    #[case] chunk_type: ChunkType,
    #[case] value: &'static [u8],
    #[case] reason: &str,
) {
    let request = ping().chunk(VendorId::GENERIC, chunk_type, value);
    let error = correct(&request, Version::V3, &Format::default()).unwrap_err();
    assert_eq!(error.reason(), reason);
}
