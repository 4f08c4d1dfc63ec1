//! In the mode named for it, frames are those of OpenSIPS, defects and all.

use hepcat_net::trace::{Format, PackRequest, Version};
use hepcat_wire::{ChunkType, IpProtocol, ProtocolType, VendorId};

use crate::{
    examples,
    parts::{between, compatible, log_line, octets, ping, traced_ping},
};

fn ping_v6(ip_protocol: IpProtocol) -> PackRequest<'static> {
    between(
        PackRequest::new(ip_protocol, ProtocolType::SIP).payload(b"PING"),
        "[2001:db8::1]:5060",
        "[2001:db8::2]:5070",
    )
}

#[track_caller]
fn assert_packs(request: &PackRequest<'_>, version: Version, format: &Format, expected: &str) {
    let frame = compatible(request, version, format).expect("it is packed");
    assert_eq!(frame, octets(expected));
}

#[test]
fn e1_version_1_has_8_zero_octets_behind_the_payload() {
    assert_packs(&ping(), Version::V1, &Format::default(), examples::E1);
}

#[test]
fn e2_version_1_over_ipv6_has_32_zero_octets_behind_the_payload() {
    let request = ping_v6(IpProtocol::UDP);
    assert_packs(&request, Version::V1, &Format::default(), examples::E2);
}

#[test]
fn e3_version_2_has_a_little_endian_time_block_that_the_header_length_leaves_out() {
    assert_packs(&ping(), Version::V2, &Format::default(), examples::E3);
}

#[test]
fn e4_version_3_has_its_chunks_in_the_original_order() {
    assert_packs(&ping(), Version::V3, &Format::default(), examples::E4);
}

#[test]
fn e5_version_3_over_ipv6_and_tls() {
    let request = ping_v6(IpProtocol::TLS);
    assert_packs(&request, Version::V3, &Format::default(), examples::E5);
}

#[test]
fn e6_homer_5_loses_a_correlation_of_another_type_than_sip() {
    assert_packs(
        &traced_ping(),
        Version::V3,
        &Format::default(),
        examples::E6,
    );
}

#[test]
fn e7_homer_6_wraps_sip_and_keeps_the_correlation() {
    assert_packs(&traced_ping(), Version::V3, &Format::Homer6, examples::E7);
}

#[test]
fn e8_a_log_line_is_joined_in_homer_5() {
    assert_packs(&log_line(), Version::V3, &Format::default(), examples::E8);
}

#[test]
fn e8_a_log_line_is_an_object_in_homer_6() {
    let frame = compatible(&log_line(), Version::V3, &Format::Homer6).unwrap();
    assert_eq!(frame.len(), 178);
    let message = hepcat_wire::Message::parse(&frame).unwrap();
    assert_eq!(
        message.payload().octets(),
        Some(&b"{\n\t\"Event\":\t\"INFO\",\n\t\"text\":\t\"hi \\\"x\\\"\\n\"\n}"[..])
    );
    assert_eq!(
        message.extra_correlations(),
        Some(&b"{\n\t\"sip\":\t\"abc@h\"\n}"[..])
    );
}

fn correlated() -> PackRequest<'static> {
    PackRequest::correlate(("correlation-no-1", "aaa"), ("correlation-no-2", "bbb"))
        .expect("the types differ")
        .capture_id(0x1234)
}

#[test]
fn e9_correlated_ids_travel_without_payload_in_homer_6() {
    assert_packs(&correlated(), Version::V3, &Format::Homer6, examples::E9);
}

#[test]
fn e9_correlated_ids_are_lost_in_homer_5() {
    let mut expected = octets(examples::E9);
    expected.truncate(93);
    expected[5] = 0x5d;
    let frame = compatible(&correlated(), Version::V3, &Format::default()).unwrap();
    assert_eq!(frame, expected);
}

#[test]
fn e10_added_chunks_leave_in_reverse_order() {
    let request = ping()
        .chunk(VendorId::GENERIC, ChunkType::CORRELATION_ID, b"abc@h")
        .chunk(VendorId::GENERIC, ChunkType::VLAN_ID, &[0, 9])
        .chunk(VendorId::OPENSIPS, ChunkType(32), &[0, 0, 0, 7]);
    assert_packs(&request, Version::V3, &Format::default(), examples::E10);
}

#[test]
fn messages_that_are_no_sip_leave_empty_in_versions_1_and_2() {
    let frame = compatible(&log_line(), Version::V1, &Format::default()).unwrap();
    assert_eq!(frame.len(), 16 + 8);
    assert!(frame[16..].iter().all(|octet| *octet == 0));
}

#[test]
fn a_text_that_is_json_ends_at_a_nul_and_keeps_octets_that_are_no_utf_8() {
    let request = ping().part("text", b"caf\xe9\x01\0lost");
    let frame = compatible(&request, Version::V3, &Format::Homer6).unwrap();
    let message = hepcat_wire::Message::parse(&frame).unwrap();
    assert_eq!(
        message.payload().octets(),
        Some(&b"{\n\t\"text\":\t\"caf\xe9\\u0001\"\n}"[..])
    );
}

#[test]
fn a_length_that_wraps_is_refused_all_the_same() {
    let long = vec![b'\n'; 40_000];
    let request = PackRequest::sip(IpProtocol::UDP, &long);
    let error = compatible(&request, Version::V3, &Format::Homer6).unwrap_err();
    assert_eq!(error.reason(), "too_large");
}
