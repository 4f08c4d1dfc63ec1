//! Decoder rules D12 to D22 of `docs/wire.md`: chunks and the fields that they make. Frames are made up unless a
//! vector is named.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod hex;
mod usual;
mod vectors;

use std::{net::IpAddr, time::Duration};

use frames::generic;
use hepcat_wire::{
    AddressFamily, CaptureIdFix, ChunkType, ChunkWriter, Defect, IpProtocol, Message, Payload,
    ProtocolType, TimeSource, VendorId, fixed_width,
};
use proptest::{prelude::*, sample::subsequence};
use rstest::rstest;
use usual::USUAL;
use vectors::vector;

const ARRIVAL: Duration = Duration::from_secs(1_800_000_000);
const V4_1: [u8; 4] = [192, 0, 2, 1];
const V4_2: [u8; 4] = [198, 51, 100, 2];
const V6_1: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const V6_2: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];

fn lax(frame: &[u8]) -> Message<&[u8]> {
    Message::parse_lax(frame).unwrap()
}

/// Everything that a message says, to compare two of them.
fn fields(message: &Message<&[u8]>) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        (message.ip_family(), message.ip_protocol()),
        (message.src_ip(), message.dst_ip()),
        (message.src_port(), message.dst_port()),
        (message.time_sec(), message.time_usec()),
        (message.protocol_type(), message.capture_id()),
        (message.auth_key().map(<[u8]>::to_vec), message.vlan_id()),
        message.correlation_id().map(<[u8]>::to_vec),
        message.payload().octets().map(<[u8]>::to_vec),
        message.defects(),
    )
}

#[test]
fn d12_a_vendor_chunk_is_never_taken_for_the_generic_one_of_its_type() {
    for file in [
        "opensips-relay-v3-vendor3-type7.hex",
        "opensips-relay-v3-set-correlation.hex",
    ] {
        let frame = vector(file);
        let message = lax(&frame);
        let vendor = message
            .chunks()
            .find(|chunk| chunk.vendor_id().0 == 3)
            .unwrap();
        assert!(message.defects().contains(Defect::UnknownChunk));
        assert!(!vendor.is_generic(vendor.chunk_type()));
        // Its value is whatever it is; the field of that number comes from the generic chunk alone.
        let generic = message.chunk(VendorId::GENERIC, vendor.chunk_type());
        assert_eq!(
            message.src_port().is_some(),
            message
                .chunk(VendorId::GENERIC, ChunkType::SRC_PORT)
                .is_some(),
            "{file}"
        );
        assert_eq!(generic, None, "{file}");
    }
    let mut frame = generic(&[(0x0001, &[2])]);
    frame.extend_from_slice(&[0, 3, 0, 1, 0, 9, 10, 10, 10]);
    frame[5] += 9;
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.ip_family(), Some(2));
    let kept = message
        .chunk(VendorId::OPENSIPS, ChunkType::IP_FAMILY)
        .unwrap();
    assert_eq!(kept.value(), [10, 10, 10]);
    assert_eq!(kept.offset(), 13);
}

#[rstest]
fn d13_unknown_generic_types_are_kept_and_passed_over(
    #[values(0x0000, 0x0019, 0x001f, 0x002a, 0x0030, 0x0064, 0x0066, 0xffff)] chunk_type: u16,
) {
    let frame = generic(&[
        (0x0007, &[0x13, 0xc4]),
        (chunk_type, b"?"),
        (0x0008, &[0, 7]),
    ]);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.src_port(), Some(5060));
    assert_eq!(message.dst_port(), Some(7));
    assert!(message.defects().contains(Defect::UnknownChunk));
    let kept = message
        .chunk(VendorId::GENERIC, ChunkType(chunk_type))
        .unwrap();
    assert_eq!(kept.value(), b"?");
    assert_eq!(ChunkType(chunk_type).name(), None);
}

proptest! {
    #[test]
    fn d14_the_order_of_chunks_does_not_matter(
        chunks in Just([&USUAL[..], &[(0x000e, b"key"), (0x0011, b"id"), (0x0012, &[0, 9])]].concat())
            .prop_shuffle()
    ) {
        let frame = generic(&chunks);
        let mut ordered = chunks.clone();
        ordered.sort_unstable();
        let usual = generic(&ordered);
        prop_assert_eq!(fields(&lax(&frame)), fields(&lax(&usual)));
    }

    #[test]
    fn d18_a_field_is_present_exactly_if_its_chunk_is(chunks in subsequence(USUAL.to_vec(), 0..=11)) {
        let frame = generic(&chunks);
        let message = lax(&frame);
        let has = |chunk_type| chunks.iter().any(|chunk| chunk.0 == chunk_type);
        prop_assert_eq!(message.ip_protocol().is_some(), has(0x0002));
        prop_assert_eq!(message.src_ip().is_some(), has(0x0003));
        prop_assert_eq!(message.dst_ip().is_some(), has(0x0004));
        prop_assert_eq!(message.src_port().is_some(), has(0x0007));
        prop_assert_eq!(message.time_sec().is_some(), has(0x0009));
        prop_assert_eq!(message.capture_id().is_some(), has(0x000c));
        prop_assert_eq!(message.payload() != Payload::Absent, has(0x000f));
    }
}

#[test]
fn d15_of_a_repeated_chunk_the_last_counts() {
    let frame = generic(&[
        (0x0007, &[0, 1]),
        (0x000f, b"first"),
        (0x0007, &[0, 2]),
        (0x000f, b"last"),
    ]);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.src_port(), Some(2));
    assert_eq!(message.payload(), Payload::Plain(b"last"));
    assert!(message.defects().contains(Defect::RepeatedChunk));
    assert_eq!(message.chunks().count(), 4);
    let last = message
        .chunk(VendorId::GENERIC, ChunkType::SRC_PORT)
        .unwrap();
    assert_eq!(last.value(), [0, 2]);
}

#[test]
fn d15_a_plain_payload_wins_over_a_compressed_one_in_either_order() {
    for chunks in [
        [(0x000f, &b"plain"[..]), (0x0010, b"packed")],
        [(0x0010, b"packed"), (0x000f, b"plain")],
    ] {
        let frame = generic(&chunks);
        assert_eq!(lax(&frame).payload(), Payload::Plain(b"plain"));
    }
}

/// Every generic type of fixed width, and what tells that its field is there.
fn fixed_types() -> Vec<(ChunkType, usize)> {
    (0..=0x0065)
        .map(ChunkType)
        .filter_map(|chunk_type| Some((chunk_type, fixed_width(chunk_type)?)))
        .collect()
}

fn is_present(message: &Message<&[u8]>, chunk_type: ChunkType) -> bool {
    match chunk_type {
        ChunkType::IP_FAMILY => message.ip_family().is_some(),
        ChunkType::IP_PROTOCOL => message.ip_protocol().is_some(),
        ChunkType::SRC_IPV4 | ChunkType::SRC_IPV6 => message.src_ip().is_some(),
        ChunkType::DST_IPV4 | ChunkType::DST_IPV6 => message.dst_ip().is_some(),
        ChunkType::SRC_PORT => message.src_port().is_some(),
        ChunkType::DST_PORT => message.dst_port().is_some(),
        ChunkType::TIME_SEC => message.time_sec().is_some(),
        ChunkType::TIME_USEC => message.time_usec().is_some(),
        ChunkType::PROTOCOL_TYPE => message.protocol_type().is_some(),
        ChunkType::CAPTURE_ID => message.capture_id().is_some(),
        ChunkType::KEEP_ALIVE => message.keep_alive().is_some(),
        ChunkType::VLAN_ID => message.vlan_id().is_some(),
        ChunkType::SRC_MAC => message.src_mac().is_some(),
        ChunkType::DST_MAC => message.dst_mac().is_some(),
        ChunkType::ETHERNET_TYPE => message.ethernet_type().is_some(),
        ChunkType::TCP_FLAGS => message.tcp_flags().is_some(),
        ChunkType::IP_TOS => message.ip_tos().is_some(),
        ChunkType::MOS => message.mos().is_some(),
        ChunkType::R_FACTOR => message.r_factor().is_some(),
        ChunkType::JITTER => message.jitter().is_some(),
        ChunkType::TAG_TYPE => message.tag_type().is_some(),
        ChunkType::EVENT_TYPE => message.event_type().is_some(),
        other => panic!("{other} has no fixed width"),
    }
}

#[test]
fn d16_a_chunk_of_the_wrong_width_is_ignored_and_strictly_refused() {
    let types = fixed_types();
    assert_eq!(types.len(), 24);
    for (chunk_type, width) in types {
        let frame = generic(&[(chunk_type.0, &vec![1; width]), (0x000f, b"PING")]);
        assert!(is_present(&lax(&frame), chunk_type), "{chunk_type}");
        for wrong in [0, width - 1, width + 1] {
            if wrong == 6 {
                continue; // a MAC address may have six
            }
            let frame = generic(&[(chunk_type.0, &vec![1; wrong]), (0x000f, b"PING")]);
            let message = lax(&frame);
            assert!(!is_present(&message, chunk_type), "{chunk_type} of {wrong}");
            assert!(message.defects().contains(Defect::BadWidth));
            assert_eq!(message.payload(), Payload::Plain(b"PING"));
            assert_eq!(message.chunks().count(), 2);

            let error = Message::parse(&frame[..]).unwrap_err();
            assert_eq!(error.reason(), "bad_width");
            assert_eq!(error.chunk_type(), Some(chunk_type));
            assert_eq!((error.needed(), error.actual()), (Some(width), Some(wrong)));
            assert_eq!(error.offset(), 6);
        }
    }
}

#[test]
fn d16_a_repeated_chunk_of_the_wrong_width_does_not_hide_the_good_one() {
    let frame = generic(&[(0x0007, &[0, 7]), (0x0007, &[9])]);
    assert_eq!(lax(&frame).src_port(), Some(7));
}

#[test]
fn d16_an_ipv4_mapped_address_in_an_ipv4_chunk_gives_the_ipv4_address() {
    let frame = generic(&[(0x0001, &[2]), (0x0003, &MAPPED), (0x0004, &MAPPED)]);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.src_ip(), Some(IpAddr::from(V4_1)));
    assert_eq!(message.dst_ip(), Some(IpAddr::from(V4_1)));
    assert!(message.defects().is_empty());
    // Any other 16 octets there are the wrong width.
    let frame = vector("opensips-relay-v3-set-ipv6-corrupt.hex");
    let message = lax(&frame);
    assert_eq!(message.src_ip(), None);
    assert!(message.defects().contains(Defect::BadWidth));
}

#[test]
fn d16_a_mac_address_may_have_six_octets_or_eight() {
    let frame = generic(&[
        (0x0014, &[0, 0, 1, 2, 3, 4, 5, 6]),
        (0x0015, &[7, 8, 9, 10, 11, 12]),
    ]);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.src_mac(), Some([1, 2, 3, 4, 5, 6]));
    assert_eq!(message.dst_mac(), Some([7, 8, 9, 10, 11, 12]));
    assert!(message.defects().is_empty());
}

#[rstest]
fn d17_every_number_of_ipv6_is_ipv6(#[values(10, 23, 24, 26, 28, 30)] family: u8) {
    let frame = generic(&[(0x0001, &[family]), (0x0005, &V6_1), (0x0006, &V6_2)]);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.address_family(), Some(AddressFamily::V6));
    assert_eq!(message.src_ip(), Some(IpAddr::from(V6_1)));
    assert_eq!(message.dst_ip(), Some(IpAddr::from(V6_2)));
    assert_eq!(message.ip_family(), Some(family));
    assert!(message.defects().is_empty());
}

#[test]
fn d17_addresses_are_believed_over_the_family() {
    let frame = generic(&[(0x0001, &[2]), (0x0005, &V6_1), (0x0006, &V6_2)]);
    let message = lax(&frame);
    assert_eq!(message.src_ip(), Some(IpAddr::from(V6_1)));
    assert_eq!(message.address_family(), Some(AddressFamily::V6));
    assert!(message.defects().contains(Defect::FamilyMismatch));

    let frame = generic(&[(0x0001, &[10]), (0x0003, &V4_1), (0x0004, &V4_2)]);
    let message = lax(&frame);
    assert_eq!(message.src_ip(), Some(IpAddr::from(V4_1)));
    assert!(message.defects().contains(Defect::FamilyMismatch));
}

#[test]
fn d17_of_two_pairs_of_addresses_the_family_chooses() {
    let pairs: [(u16, &[u8]); 4] = [
        (0x0003, &V4_1),
        (0x0004, &V4_2),
        (0x0005, &V6_1),
        (0x0006, &V6_2),
    ];
    let source = |family: Option<u8>, pairs: &[(u16, &[u8])]| {
        let family = family.map(|family| [family]);
        let mut chunks = pairs.to_vec();
        chunks.extend(family.as_ref().map(|family| (0x0001, &family[..])));
        let frame = generic(&chunks);
        lax(&frame).src_ip().unwrap()
    };
    assert_eq!(source(Some(2), &pairs), IpAddr::from(V4_1));
    assert_eq!(source(Some(30), &pairs), IpAddr::from(V6_1));
    assert_eq!(source(None, &pairs), IpAddr::from(V6_1));
    // Without a family IPv6 must be whole.
    assert_eq!(source(None, &pairs[..3]), IpAddr::from(V4_1));
}

#[test]
fn d18_without_family_it_is_inferred_and_without_addresses_they_are_absent() {
    let frame = generic(&[(0x0005, &V6_1), (0x0006, &V6_2)]);
    let message = lax(&frame);
    assert_eq!(message.address_family(), Some(AddressFamily::V6));
    assert_eq!(message.ip_family(), Some(10));
    assert_eq!(message.dst_ip(), Some(IpAddr::from(V6_2)));
    assert!(message.defects().is_empty());

    let frame = generic(&[(0x0001, &[2]), (0x000b, &[1])]);
    let message = lax(&frame);
    assert_eq!(message.src_ip(), None);
    assert_eq!(message.dst_ip(), None);
    assert_eq!(message.address_family(), None);
    assert_eq!(message.src_port(), None);
    assert_eq!(message.capture_id(), None);
}

#[test]
fn d19_a_mapped_address_is_reported_as_sent_and_as_ipv4_when_asked() {
    let frame = generic(&[(0x0001, &[10]), (0x0005, &MAPPED), (0x0006, &V6_2)]);
    let message = lax(&frame);
    assert_eq!(message.src_ip(), Some(IpAddr::from(MAPPED)));
    assert_eq!(message.canonical_src_ip(), Some(IpAddr::from(V4_1)));
    assert_eq!(message.canonical_dst_ip(), Some(IpAddr::from(V6_2)));
}

#[test]
fn d20_known_ip_protocols_have_names_and_others_keep_their_numbers() {
    let named = [
        (6, "tcp"),
        (17, "udp"),
        (22, "tls"),
        (50, "ws"),
        (132, "sctp"),
    ];
    for (number, name) in named {
        assert_eq!(IpProtocol(number).transport_name(), Some(name));
    }
    let frame = generic(&[(0x0002, &[1])]);
    let message = lax(&frame);
    assert_eq!(message.ip_protocol(), Some(IpProtocol(1)));
    assert_eq!(message.ip_protocol().unwrap().transport_name(), None);
    for file in [
        "kamailio-v3-ipv4-tls-register.hex",
        "kamailio-v3-ipv4-ws-register.hex",
    ] {
        let frame = vector(file);
        assert_eq!(lax(&frame).ip_protocol(), Some(IpProtocol::TLS));
    }
}

#[test]
fn d21_capture_ids_are_literal_unless_a_fix_is_asked_for() {
    let id = |file: &str| lax(&vector(file)).capture_id().unwrap();
    assert_eq!(id("kamailio-v3-ipv6-udp-invite.hex"), u32::MAX);
    let shifted = id("sngrep-v3-ipv4-udp-invite.hex");
    assert_eq!(shifted, 0x07d1_0000);
    assert_eq!(CaptureIdFix::default().apply(shifted), 0x07d1_0000);
    assert_eq!(CaptureIdFix::Auto.apply(shifted), 2001);
    assert_eq!(CaptureIdFix::High16.apply(shifted), 2001);
    assert_eq!(CaptureIdFix::Off.apply(65_536), 65_536);
    assert_eq!(CaptureIdFix::Auto.apply(65_537), 65_537);
    assert_eq!(CaptureIdFix::Auto.apply(0), 0);
    assert_eq!(CaptureIdFix::High16.apply(65_537), 1);
}

#[test]
fn d22_a_million_microseconds_carry_and_the_last_second_does_not_overflow() {
    let time = |seconds: u32, microseconds: u32| {
        let (seconds, microseconds) = (seconds.to_be_bytes(), microseconds.to_be_bytes());
        let frame = generic(&[(0x0009, &seconds), (0x000a, &microseconds)]);
        lax(&frame).time(ARRIVAL)
    };
    assert_eq!(
        time(10, 1_500_000).since_epoch,
        Duration::from_millis(11_500)
    );
    assert_eq!(time(10, 1_500_000).source, TimeSource::Sent);
    let last = time(u32::MAX, u32::MAX).since_epoch;
    let expected = Duration::from_secs(u32::MAX.into()) + Duration::from_micros(u32::MAX.into());
    assert_eq!(last, expected);
}

#[test]
fn d22_no_time_or_zero_time_is_the_time_of_arrival_and_says_so() {
    let zero = generic(&[(0x0009, &[0; 4]), (0x000a, &[0; 4])]);
    let none = generic(&[(0x000a, &[0, 0, 0, 1])]);
    for frame in [zero, none] {
        let time = lax(&frame).time(ARRIVAL);
        assert_eq!(time.since_epoch, ARRIVAL);
        assert_eq!(time.source, TimeSource::Arrival);
    }
    // The ping of HFP sends the second of the minute: odd, but sent.
    let frame = generic(&[(0x0009, &[0, 0, 0, 42])]);
    assert_eq!(
        lax(&frame).time(ARRIVAL).since_epoch,
        Duration::from_secs(42)
    );
}

#[test]
fn every_other_generic_field_reads_as_it_was_sent() {
    let frame = generic(&[
        (0x000d, &[0, 30]),
        (0x000e, b"myhep"),
        (0x0011, b"a84b4c76e66710"),
        (0x0012, &[0, 100]),
        (0x0013, b"edge\0"),
        (0x0016, &[0x86, 0xdd]),
        (0x0017, &[18]),
        (0x0018, &[104]),
        (0x0020, &[1, 194]),
        (0x0021, &[0, 93]),
        (0x0022, b"52.5,13.4"),
        (0x0023, &[0, 0, 1, 0]),
        (0x0024, b"call"),
        (0x0025, b"a,b"),
        (0x0026, b"x=1"),
        (0x0027, &[0, 3]),
        (0x0028, &[0, 1]),
        (0x0029, b"group"),
        (0x0065, b"{}"),
    ]);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.keep_alive(), Some(30));
    assert_eq!(message.auth_key(), Some(&b"myhep"[..]));
    assert_eq!(message.correlation_id(), Some(&b"a84b4c76e66710"[..]));
    assert_eq!(message.vlan_id(), Some(100));
    assert_eq!(message.node_name(), Some(&b"edge\0"[..]));
    let name = message
        .chunk(VendorId::GENERIC, ChunkType::NODE_NAME)
        .unwrap();
    assert_eq!(name.text(), b"edge");
    assert_eq!(message.ethernet_type(), Some(0x86dd));
    assert_eq!(message.tcp_flags(), Some(18));
    assert_eq!(message.ip_tos(), Some(104));
    assert_eq!(message.mos(), Some(450));
    assert_eq!(message.r_factor(), Some(93));
    assert_eq!(message.geo_location(), Some(&b"52.5,13.4"[..]));
    assert_eq!(message.jitter(), Some(256));
    assert_eq!(message.transaction_type(), Some(&b"call"[..]));
    assert_eq!(message.payload_json_keys(), Some(&b"a,b"[..]));
    assert_eq!(message.tag_values(), Some(&b"x=1"[..]));
    assert_eq!(message.tag_type(), Some(3));
    assert_eq!(message.event_type(), Some(1));
    assert_eq!(message.group_id(), Some(&b"group"[..]));
    assert_eq!(message.extra_correlations(), Some(&b"{}"[..]));
    assert!(message.defects().is_empty());
    assert_eq!(ProtocolType::SIP.name(), Some("sip"));
}

#[test]
fn the_other_names_of_version_3_decode_and_keep_their_magic() {
    for magic in [b"EEP3", b"EEP1"] {
        let mut frame = Vec::new();
        let mut writer = ChunkWriter::new(&mut frame);
        writer
            .chunk(VendorId::GENERIC, ChunkType::PAYLOAD, b"x")
            .unwrap();
        writer.finish().unwrap();
        frame[..4].copy_from_slice(magic);
        let message = Message::parse(&frame[..]).unwrap();
        assert_eq!(message.version().number(), 3);
        assert_eq!(message.as_frame(), frame);
    }
}
