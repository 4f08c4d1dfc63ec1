//! Encoder rules E1 to E14 of `docs/wire.md`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hex;

use std::{
    net::SocketAddr,
    time::{Duration, UNIX_EPOCH},
};

use hepcat_wire::{
    ChunkType, ChunkWriter, EncodeError, InflateLimit, IpProtocol, Message, MessageBuilder,
    MixedFamilies, Payload, ProtocolType, SizeLimit, VendorId, Version, fixed_width,
};
use hex::unhex;
use rstest::rstest;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn ipv4<'a>() -> MessageBuilder<'a> {
    MessageBuilder::new()
        .source(address("192.0.2.1:5060"))
        .destination(address("198.51.100.2:5070"))
        .time(1_700_735_504, 123_456)
        .capture_id(4660)
        .payload(b"PING")
}

fn ipv6<'a>() -> MessageBuilder<'a> {
    ipv4()
        .source(address("[2001:db8::1]:5060"))
        .destination(address("[2001:db8::2]:5070"))
}

fn types(frame: &[u8]) -> Vec<u16> {
    let message = Message::parse(frame).unwrap();
    message.chunks().map(|chunk| chunk.chunk_type().0).collect()
}

fn refusal(builder: &MessageBuilder<'_>, version: Version) -> &'static str {
    builder.encode(version).unwrap_err().reason()
}

#[test]
fn e01_one_magic_one_total_and_chunks_back_to_back() {
    let frame = ipv4().encode(Version::V3).unwrap();
    let golden = "
        484550330067 0000000100 0702 0000000200 0711
        0000000300 0ac0000201 0000000400 0ac6336402
        0000000700 0813c4 0000000800 0813ce
        0000000900 0a655f2a10 0000000a00 0a0001e240
        0000000b00 0701 0000000c00 0a00001234 0000000f00 0a50494e47";
    assert_eq!(frame, unhex(golden));
    // Appending to a vector leaves what stood there, and a failure leaves nothing.
    let mut out = b"before".to_vec();
    ipv4().encode_into(Version::V3, &mut out).unwrap();
    assert_eq!(out, [b"before", &frame[..]].concat());
    let big = vec![0; 65_535];
    let mut out = b"before".to_vec();
    ipv4()
        .payload(&big)
        .encode_into(Version::V3, &mut out)
        .unwrap_err();
    ipv4()
        .payload(&big)
        .encode_into(Version::V1, &mut out)
        .unwrap_err();
    assert_eq!(out, b"before");
}

#[rstest]
#[case::ipv4(ipv4(), SizeLimit::Stream, 65_436)]
#[case::ipv6(ipv6(), SizeLimit::Stream, 65_412)]
#[case::ipv4_in_a_datagram(ipv4(), SizeLimit::UdpIpv4, 65_408)]
#[case::ipv6_in_a_datagram(ipv6(), SizeLimit::UdpIpv4, 65_384)]
#[case::ipv4_in_an_ipv6_datagram(ipv4(), SizeLimit::UdpIpv6, 65_428)]
fn e02_what_does_not_fit_is_refused_and_never_wrapped(
    #[case] builder: MessageBuilder<'static>,
    #[case] limit: SizeLimit,
    #[case] most: usize,
) {
    let payload = vec![b'x'; most + 1];
    let builder = builder.limit(limit);
    let fits = builder
        .clone()
        .payload(&payload[1..])
        .encode(Version::V3)
        .unwrap();
    assert_eq!(fits.len(), limit.octets());
    assert_eq!(Message::parse(&fits).unwrap().as_frame().len(), fits.len());
    let error = builder.payload(&payload).encode(Version::V3).unwrap_err();
    assert_eq!(error.reason(), "too_large");
    assert_eq!(
        error.to_string(),
        format!(
            "frame of {} octets exceeds the limit of {}",
            limit.octets() + 1,
            limit.octets()
        )
    );
}

#[test]
fn e02_a_chunk_that_does_not_fit_is_refused_wherever_it_stands() {
    let text = vec![b'x'; 65_530];
    assert_eq!(refusal(&ipv4().node_name(&text), Version::V3), "too_large");
    assert_eq!(refusal(&ipv4().auth_key(&text), Version::V3), "too_large");
    let longer = vec![b'x'; 70_000];
    assert_eq!(
        refusal(&ipv4().correlation_id(&longer), Version::V3),
        "too_large"
    );
    assert_eq!(refusal(&ipv4().payload(&longer), Version::V2), "too_large");
    let exact = vec![b'x'; 65_507 - 28];
    assert!(ipv4().payload(&exact).encode(Version::V2).is_ok());
    let over = vec![b'x'; 65_507 - 27];
    assert_eq!(refusal(&ipv4().payload(&over), Version::V2), "too_large");
}

/// All optional fields, given in an order that is not the one on the wire.
fn full<'a>() -> MessageBuilder<'a> {
    ipv4()
        .chunk(VendorId(0x0008), ChunkType(0x0080), b"conversation")
        .extra_correlations(b"{}")
        .group_id(b"group")
        .event_type(1)
        .tag_type(3)
        .tag_values(b"x=1")
        .payload_json_keys(b"a")
        .transaction_type(b"call")
        .jitter(7)
        .geo_location(b"here")
        .r_factor(93)
        .mos(450)
        .ip_tos(104)
        .tcp_flags(18)
        .ethernet_type(0x86dd)
        .dst_mac([7, 8, 9, 10, 11, 12])
        .src_mac([1, 2, 3, 4, 5, 6])
        .node_name(b"edge")
        .vlan_id(100)
        .keep_alive(30)
        .correlation_id(b"abc@h")
        .auth_key(b"myhep")
        .forced_generic_chunk(ChunkType(0x0030), b"?")
        .chunk(VendorId(0x0003), ChunkType(0x0001), b"x")
}

#[test]
fn e03_metadata_comes_first_the_payload_last_and_the_rest_by_type() {
    let frame = full().encode(Version::V3).unwrap();
    let order = [
        0x01, 0x02, 0x03, 0x04, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, // what every frame has
        0x0e, 0x11, // key, correlation ID
        0x0d, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26,
        0x27, 0x28, 0x29, 0x65, // ascending
        0x80, 0x30, 0x01, // as they were added
        0x0f,
    ];
    assert_eq!(types(&frame), order);
    let compressed = full()
        .compressed(true)
        .payload(&[b'a'; 500])
        .encode(Version::V3)
        .unwrap();
    assert_eq!(types(&compressed).last(), Some(&0x10));
}

#[test]
fn e04_the_family_says_what_the_addresses_are() {
    let frame = ipv6().encode(Version::V3).unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.ip_family(), Some(10));
    assert_eq!(types(&frame)[2..4], [0x05, 0x06]);
    // Addresses that are mapped for no reason are written as what they are.
    let mapped = ipv4()
        .source(address("[::ffff:192.0.2.1]:5060"))
        .destination(address("[::ffff:198.51.100.2]:5070"));
    assert_eq!(mapped.encode(Version::V3), ipv4().encode(Version::V3));
    assert_eq!(mapped.encode(Version::V2), ipv4().encode(Version::V2));
}

#[test]
fn e04_addresses_of_two_families_are_mapped_or_refused() {
    let mixed = ipv4().destination(address("[2001:db8::2]:5070"));
    let frame = mixed.encode(Version::V3).unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.ip_family(), Some(10));
    assert_eq!(message.src_ip().unwrap().to_string(), "::ffff:192.0.2.1");
    assert_eq!(message.canonical_src_ip().unwrap().to_string(), "192.0.2.1");
    assert_eq!(types(&frame)[2..4], [0x05, 0x06]);
    for version in [Version::V1, Version::V2] {
        let frame = mixed.encode(version).unwrap();
        assert_eq!(frame[1..3], [40, 10]);
    }
    let strictly = mixed.mixed_families(MixedFamilies::Refuse);
    assert_eq!(
        strictly.encode(Version::V3),
        Err(EncodeError::MixedFamilies)
    );
}

#[test]
fn e05_every_fixed_chunk_has_its_width() {
    let frame = full().encode(Version::V3).unwrap();
    let message = Message::parse(&frame).unwrap();
    let mut fixed = 0;
    for chunk in message.chunks().filter(|chunk| chunk.vendor_id().0 == 0) {
        if let Some(width) = fixed_width(chunk.chunk_type()) {
            assert_eq!(chunk.value().len(), width, "{}", chunk.chunk_type());
            fixed += 1;
        }
    }
    assert_eq!(fixed, 10 + 2 + 2 + 8);
    let mac = message
        .chunk(VendorId::GENERIC, ChunkType::SRC_MAC)
        .unwrap();
    assert_eq!(mac.value(), [0, 0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(message.dst_mac(), Some([7, 8, 9, 10, 11, 12]));
}

#[test]
fn e06_the_capture_id_is_written_whole_and_big_endian() {
    for (id, octets) in [(2001, [0, 0, 0x07, 0xd1]), (u32::MAX, [0xff; 4])] {
        let frame = ipv4().capture_id(id).encode(Version::V3).unwrap();
        let message = Message::parse(&frame).unwrap();
        let chunk = message
            .chunk(VendorId::GENERIC, ChunkType::CAPTURE_ID)
            .unwrap();
        assert_eq!(chunk.value(), octets);
        assert_eq!(message.capture_id(), Some(id));
    }
}

#[test]
fn e07_microseconds_stay_below_a_million() {
    let frame = ipv4().time(10, 2_500_000).encode(Version::V3).unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(
        (message.time_sec(), message.time_usec()),
        (Some(12), Some(500_000))
    );
}

#[test]
fn e07_times_before_1970_and_after_2106_are_refused() {
    let last = Duration::new(u32::MAX.into(), 999_999_999);
    let builder = ipv4().time_at(UNIX_EPOCH + last);
    let frame = builder.encode(Version::V3).unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.time_sec(), Some(u32::MAX));
    assert_eq!(message.time_usec(), Some(999_999));
    let refused = [
        ipv4().time_at(UNIX_EPOCH - Duration::from_nanos(1)),
        ipv4().time_at(UNIX_EPOCH + last + Duration::from_nanos(1)),
        ipv4().time_since_epoch(Duration::MAX),
        ipv4().time(u32::MAX, 1_000_000),
    ];
    for builder in refused {
        assert_eq!(
            builder.encode(Version::V3),
            Err(EncodeError::TimeOutOfRange)
        );
    }
}

#[test]
fn e08_optional_chunks_are_absent_rather_than_empty_or_zero() {
    let nothing = ipv4()
        .auth_key(b"")
        .correlation_id(b"")
        .vlan_id(0)
        .node_name(b"")
        .mos(0)
        .src_mac([0; 6])
        .group_id(b"")
        .chunk(VendorId::GENERIC, ChunkType::VLAN_ID, &[0, 0]);
    assert_eq!(nothing.encode(Version::V3), ipv4().encode(Version::V3));
}

#[test]
fn e09_texts_have_no_terminator_and_an_empty_key_is_none() {
    let frame = ipv4()
        .auth_key(b"myhep")
        .node_name(b"edge")
        .encode(Version::V3)
        .unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.auth_key(), Some(&b"myhep"[..]));
    assert_eq!(message.node_name(), Some(&b"edge"[..]));
    let frame = ipv4().auth_key(b"").encode(Version::V3).unwrap();
    assert_eq!(Message::parse(&frame).unwrap().auth_key(), None);
}

#[test]
fn e10_versions_1_and_2_are_written_little_endian_and_clean() {
    let v2 = ipv4().encode(Version::V2).unwrap();
    let golden = "02100211 13c413ce c0000201 c6336402 102a5f65 40e20100 3412 0000 50494e47";
    assert_eq!(v2, unhex(golden));
    let v1 = ipv4().encode(Version::V1).unwrap();
    assert_eq!(v1, unhex("01100211 13c413ce c0000201 c6336402 50494e47"));
    let v1 = ipv6()
        .ip_protocol(IpProtocol::TLS)
        .encode(Version::V1)
        .unwrap();
    assert_eq!(v1[..4], [1, 40, 10, 22]);
    assert_eq!(v1.len(), 44);
    assert_eq!(ipv6().encode(Version::V2).unwrap().len(), 56);
}

#[test]
fn e10_versions_1_and_2_refuse_what_they_cannot_carry() {
    let wide = ipv4().capture_id(65_536);
    assert_eq!(refusal(&wide, Version::V2), "not_convertible");
    assert!(
        wide.encode(Version::V1).is_ok(),
        "version 1 has no capture agent ID"
    );
    assert!(ipv4().capture_id(65_535).encode(Version::V2).is_ok());
    let log = ipv4().protocol_type(ProtocolType::LOG);
    for version in [Version::V1, Version::V2] {
        assert_eq!(refusal(&log, version), "not_convertible");
    }
    // That they go over UDP only is a matter of destinations, which the node checks.
}

#[test]
fn e11_compression_is_gzip_on_request_and_only_if_smaller() {
    let text = b"Via: SIP/2.0/UDP 192.0.2.1:5060\r\n".repeat(20);
    let frame = ipv4()
        .payload(&text)
        .compressed(true)
        .encode(Version::V3)
        .unwrap();
    let message = Message::parse(&frame).unwrap();
    let Payload::Compressed(packed) = message.payload() else {
        panic!("not compressed")
    };
    assert!(packed.starts_with(&[0x1f, 0x8b]) && packed.len() < text.len());
    assert_eq!(
        message.payload().inflate(InflateLimit::default()).unwrap(),
        text
    );
    assert!(!types(&frame).contains(&0x0f), "never both");

    let plain = ipv4().payload(&text).encode(Version::V3).unwrap();
    assert_eq!(
        Message::parse(&plain).unwrap().payload(),
        Payload::Plain(&text)
    );
    let short = ipv4().compressed(true).encode(Version::V3);
    assert_eq!(short, ipv4().encode(Version::V3));
    // What does not fit plainly may fit compressed.
    let large = vec![b'x'; 70_000];
    assert!(
        ipv4()
            .payload(&large)
            .compressed(true)
            .encode(Version::V3)
            .is_ok()
    );
}

#[test]
fn e12_generic_types_without_a_meaning_must_be_forced() {
    for unknown in [0x0000, 0x0019, 0x002a, 0x0064, 0xffff] {
        let builder = ipv4().chunk(VendorId::GENERIC, ChunkType(unknown), b"?");
        assert_eq!(refusal(&builder, Version::V3), "unknown_generic");
        let forced = ipv4().forced_generic_chunk(ChunkType(unknown), b"?");
        assert!(types(&forced.encode(Version::V3).unwrap()).contains(&unknown));
        let vendor = ipv4().chunk(VendorId::GENESYS, ChunkType(unknown), b"?");
        assert!(vendor.encode(Version::V3).is_ok());
    }
    // The eleven that every frame has are the builder's, and fixed widths hold for chunks given as octets too.
    let port = ipv4().chunk(VendorId::GENERIC, ChunkType::SRC_PORT, &[0, 1]);
    assert_eq!(refusal(&port, Version::V3), "repeated_chunk");
    let narrow = ipv4().chunk(VendorId::GENERIC, ChunkType::VLAN_ID, &[1]);
    assert_eq!(refusal(&narrow, Version::V3), "bad_width");
    let known = ipv4().chunk(VendorId::GENERIC, ChunkType::VLAN_ID, &[0, 9]);
    assert_eq!(
        known.encode(Version::V3),
        ipv4().vlan_id(9).encode(Version::V3)
    );
}

#[test]
fn e12_every_optional_generic_type_can_be_given_as_octets() {
    let frame = full().encode(Version::V3).unwrap();
    let message = Message::parse(&frame).unwrap();
    let mut again = ipv4();
    for chunk in message.chunks() {
        let (vendor_id, chunk_type) = (chunk.vendor_id(), chunk.chunk_type());
        if vendor_id != VendorId::GENERIC {
            again = again.chunk(vendor_id, chunk_type, chunk.value());
        } else if chunk_type.name().is_none() {
            again = again.forced_generic_chunk(chunk_type, chunk.value());
        } else if chunk_type.0 > 0x0010 || matches!(chunk_type.0, 0x0d | 0x0e) {
            again = again.chunk(vendor_id, chunk_type, chunk.value());
        }
    }
    assert_eq!(again.encode(Version::V3).unwrap(), frame);
}

/// The strictest receivers: Kamailio counts at least nine of the chunks 1 to 12 and 15 and wants both addresses,
/// heplify-server wants exact widths and totals, OpenSIPS a payload.
#[test]
fn e13_what_is_written_passes_the_strictest_receivers() {
    for builder in [ipv4(), ipv6(), full(), ipv4().payload(b"")] {
        let frame = builder.encode(Version::V3).unwrap();
        let message = Message::parse(&frame).unwrap();
        assert!(
            message
                .defects()
                .iter()
                .all(|defect| defect.reason() == "unknown_chunk"),
            "{:?}",
            message.defects()
        );
        let generic = || message.chunks().filter(|chunk| chunk.vendor_id().0 == 0);
        let counted = generic().filter(|chunk| matches!(chunk.chunk_type().0, 1..=12 | 15));
        assert_eq!(counted.count(), 11);
        assert!(message.src_ip().is_some() && message.dst_ip().is_some());
        assert_eq!(message.check_capture(), Ok(()));
        assert!(generic().all(|chunk| chunk.chunk_type().0 != 0));
    }
}

#[test]
fn e13_a_message_that_lacks_what_every_frame_has_is_refused() {
    let lacking = [
        ("source", MessageBuilder::new()),
        (
            "destination",
            MessageBuilder::new().source(address("192.0.2.1:1")),
        ),
    ];
    for (field, builder) in lacking {
        let error = builder.encode(Version::V3).unwrap_err();
        assert_eq!(error.to_string(), format!("{field} is missing"));
        assert_eq!(error.reason(), "missing_field");
    }
    let ends = MessageBuilder::new()
        .source(address("192.0.2.1:1"))
        .destination(address("192.0.2.2:2"))
        .payload(b"x");
    assert_eq!(refusal(&ends, Version::V3), "missing_field");
    assert_eq!(
        refusal(&ends.clone().time(1, 0), Version::V3),
        "missing_field"
    );
    assert_eq!(refusal(&ends, Version::V2), "missing_field");
    assert!(ends.encode(Version::V1).is_ok());
}

/// Writing whole messages is the destinations' part; that two frames written back to back are two again is ours.
#[test]
fn e14_frames_written_back_to_back_are_a_stream() {
    let mut stream = Vec::new();
    ipv4().encode_into(Version::V3, &mut stream).unwrap();
    full().encode_into(Version::V3, &mut stream).unwrap();
    let mut deframer = hepcat_wire::Deframer::default();
    deframer.buffer_mut().extend_from_slice(&stream);
    let first = deframer.next_frame().unwrap().unwrap();
    assert_eq!(first, ipv4().encode(Version::V3).unwrap());
    let second = deframer.next_frame().unwrap().unwrap();
    assert_eq!(second, full().encode(Version::V3).unwrap());
    assert!(!deframer.is_mid_frame());
}

/// OpenSIPS has an order of its own; whoever must reproduce its octets writes chunk by chunk.
#[test]
fn the_chunk_writer_keeps_the_order_it_is_given() {
    let golden = unhex(
        "48455033 0067 0000000100 0702 0000000200 0711 0000000700 0813c4 0000000800 0813ce
         0000000900 0a655f2a10 0000000a00 0a0001e240 0000000b00 0701 0000000c00 0a00001234
         0000000300 0ac0000201 0000000400 0ac6336402 0000000f00 0a50494e47",
    );
    let message = Message::parse(&golden).unwrap();
    let mut frame = Vec::new();
    let mut writer = ChunkWriter::new(&mut frame);
    for chunk in message.chunks() {
        writer
            .chunk(chunk.vendor_id(), chunk.chunk_type(), chunk.value())
            .unwrap();
    }
    assert_eq!(writer.len(), 103);
    writer.finish().unwrap();
    assert_eq!(frame, golden);

    let mut frame = Vec::new();
    let mut writer = ChunkWriter::new(&mut frame).limit(16);
    assert!(writer.is_empty());
    writer
        .chunk(VendorId::GENERIC, ChunkType::PAYLOAD, b"1234")
        .unwrap();
    let error = writer
        .chunk(VendorId::GENERIC, ChunkType::PAYLOAD, b"")
        .unwrap_err();
    assert_eq!(error.reason(), "too_large");
}
