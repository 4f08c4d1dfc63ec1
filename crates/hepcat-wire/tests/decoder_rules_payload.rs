//! Decoder rules D28, D29, D34 and D36 of `docs/wire.md`: compressed payloads and other packings. The bodies are
//! made up unless a vector is named.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod hex;
mod vectors;

use std::{borrow::Cow, io::Write};

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use frames::generic;
use hepcat_wire::{
    ChunkType, InflateLimit, Message, Payload, ProtocolType, Sniffed, from_protobuf, gunzip, sniff,
};
use hex::unhex;
use rstest::rstest;
use vectors::vector;

const SIP: &[u8] =
    b"OPTIONS sip:example.org SIP/2.0\r\nCall-ID: a84b4c76e66710\r\nContent-Length: 0\r\n\r\n";

fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn zlib(octets: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn deflate(octets: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.finish().unwrap()
}

fn inflate(octets: &[u8], limit: InflateLimit) -> Result<Vec<u8>, &'static str> {
    let frame = generic(&[(0x000b, &[1]), (0x0010, octets)]);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.payload(), Payload::Compressed(octets));
    // Whatever comes of it, the octets remain readable.
    let payload = message.payload().inflate(limit);
    payload.map(Cow::into_owned).map_err(|error| {
        assert_eq!(error.chunk_type(), Some(ChunkType::COMPRESSED_PAYLOAD));
        error.reason()
    })
}

#[rstest]
#[case::gzip(gzip)]
#[case::zlib(zlib)]
#[case::raw_deflate(deflate)]
fn d28_a_compressed_payload_inflates_by_its_signature(#[case] pack: fn(&[u8]) -> Vec<u8>) {
    for payload in [SIP, b"", &vec![b'a'; 60_000][..]] {
        let packed = pack(payload);
        assert_eq!(inflate(&packed, InflateLimit::default()).unwrap(), payload);
    }
    // One cut off before its end is no payload, and neither is one with a bit changed in its check sum.
    let packed = pack(SIP);
    for end in 2..packed.len() {
        let cut = inflate(&packed[..end], InflateLimit::default());
        assert_ne!(cut.as_deref(), Ok(SIP), "cut at {end}");
    }
}

#[test]
fn d28_zlib_at_every_level_is_told_by_its_header() {
    for level in 0..=9 {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(SIP).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(inflate(&packed, InflateLimit::default()).unwrap(), SIP);
    }
}

#[test]
fn d28_plain_text_said_to_be_compressed_is_the_payload() {
    let frame = vector("opensips-relay-v3-decompressed-mislabelled.hex");
    let message = Message::parse(&frame).unwrap();
    let payload = message.payload();
    assert!(matches!(payload, Payload::Compressed(_)));
    let text = payload.inflate(InflateLimit::default()).unwrap();
    assert!(matches!(text, Cow::Borrowed(_)));
    assert!(text.starts_with(b"INVITE sip:service@127.0.0.1:5060 SIP/2.0\r\n"));
}

#[test]
fn d28_a_bomb_stops_at_the_limit() {
    let bomb = vec![0; 10_000_000];
    for pack in [gzip, zlib, deflate] {
        let packed = pack(&bomb);
        assert!(packed.len() < 12_000);
        assert_eq!(
            inflate(&packed, InflateLimit::default()),
            Err("bad_compression")
        );
        let by_ratio = InflateLimit::default()
            .max_octets(20_000_000)
            .max_ratio(500);
        assert_eq!(inflate(&packed, by_ratio), Err("bad_compression"));
        let enough = InflateLimit::default()
            .max_octets(10_000_000)
            .max_ratio(2000);
        assert_eq!(inflate(&packed, enough).unwrap().len(), bomb.len());
        let one_short = enough.max_octets(9_999_999);
        assert_eq!(inflate(&packed, one_short), Err("bad_compression"));
    }
}

#[test]
fn d28_garbage_is_bad_compression_and_keeps_its_octets() {
    let garbage: [&[u8]; 5] = [
        &[0x1f, 0x8b, 8, 0, 0],
        &[
            0x1f, 0x8b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ],
        &[0x78, 0x9c, 0xff, 0xff],
        &[0xff; 40],
        &[0x00],
    ];
    for octets in garbage {
        assert_eq!(
            inflate(octets, InflateLimit::default()),
            Err("bad_compression")
        );
    }
    let mut broken = gzip(SIP);
    let checksum = broken.len() - 8;
    broken[checksum] ^= 1;
    assert_eq!(
        inflate(&broken, InflateLimit::default()),
        Err("bad_compression")
    );
}

#[test]
fn d28_of_several_gzip_members_one_is_read() {
    let two = [gzip(SIP), gzip(b"more")].concat();
    assert_eq!(inflate(&two, InflateLimit::default()).unwrap(), SIP);
}

#[test]
fn d28_what_is_not_compressed_needs_no_inflating() {
    let limit = InflateLimit::default().max_octets(1);
    let payload = Payload::Plain(b"longer than the limit")
        .inflate(limit)
        .unwrap();
    assert!(matches!(payload, Cow::Borrowed(b"longer than the limit")));
    assert_eq!(Payload::Absent.inflate(limit).unwrap().len(), 0);
}

#[test]
fn d29_a_whole_message_in_gzip_is_refused_unless_asked_for_and_then_one_level_deep() {
    let datagram = vector("heplify-v3-ipv4-udp-whole-gzip.hex");
    assert_eq!(sniff(&datagram), Sniffed::Gzip);
    let refused = Message::parse_lax(&datagram).unwrap_err();
    assert_eq!(refused.reason(), "unknown_format");

    let frame = gunzip(&datagram, InflateLimit::default()).unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.capture_id(), Some(77));

    let reason = |datagram: &[u8]| {
        let unpacked = gunzip(datagram, InflateLimit::default());
        unpacked.unwrap_err().reason()
    };
    assert_eq!(reason(&gzip(&datagram)), "unknown_format");
    assert_eq!(reason(&gzip(SIP)), "unknown_format");
    assert_eq!(reason(&datagram[..200]), "bad_compression");
    let small = InflateLimit::default().max_octets(frame.len() - 1);
    assert_eq!(
        gunzip(&datagram, small).unwrap_err().reason(),
        "bad_compression"
    );
    // `decoder_rules_streams.rs` shows that on a stream it is a bad magic.
}

/// The fourteen fields of heplify 1.x; the first five octets are those that announce the form.
fn protobuf() -> Vec<u8> {
    let mut datagram = unhex("0802 1011 1a09 3139322e302e322e31 220c 3139382e35312e3130302e32");
    datagram.extend(unhex("28c427 30ce27 3890d4fcaa06 40c0c407 4801 50d10f"));
    datagram.extend_from_slice(b"\x5a\x05myhep\x62\x07INV\xff\xfeTE\x6a\x05abc@h\x70\x09");
    datagram
}

#[test]
fn d34_the_protobuf_form_is_unknown_unless_asked_for() {
    let datagram = protobuf();
    assert_eq!(datagram[..5], [0x08, 0x02, 0x10, 0x11, 0x1a]);
    assert_eq!(sniff(&datagram), Sniffed::Protobuf);
    let refused = Message::parse_lax(&datagram).unwrap_err();
    assert_eq!(refused.reason(), "unknown_format");

    let frame = from_protobuf(&datagram).unwrap();
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.ip_family(), Some(2));
    assert_eq!(message.ip_protocol().unwrap().0, 17);
    assert_eq!(message.src_ip().unwrap().to_string(), "192.0.2.1");
    assert_eq!(message.dst_ip().unwrap().to_string(), "198.51.100.2");
    assert_eq!(message.src_port(), Some(5060));
    assert_eq!(message.dst_port(), Some(5070));
    assert_eq!(message.time_sec(), Some(1_700_735_504));
    assert_eq!(message.time_usec(), Some(123_456));
    assert_eq!(message.protocol_type(), Some(ProtocolType::SIP));
    assert_eq!(message.capture_id(), Some(2001));
    assert_eq!(message.auth_key(), Some(&b"myhep"[..]));
    assert_eq!(message.correlation_id(), Some(&b"abc@h"[..]));
    assert_eq!(message.vlan_id(), Some(9));
    assert_eq!(message.payload(), Payload::Plain(b"INV\xff\xfeTE"));
}

#[test]
fn d34_each_field_of_the_protobuf_form_is_required() {
    let datagram = protobuf();
    let reason = |datagram: &[u8]| from_protobuf(datagram).unwrap_err().reason();
    // Where the fields start, to leave out one at a time.
    let starts = [0, 2, 4, 15, 29, 32, 35, 41, 45, 47, 50, 57, 66, 73, 75];
    assert_eq!(starts[14], datagram.len());
    for field in starts.windows(2) {
        let without = [&datagram[..field[0]], &datagram[field[1]..]].concat();
        assert_eq!(reason(&without), "missing_chunk", "without {field:?}");
    }
    assert_eq!(reason(&datagram[..datagram.len() - 1]), "chunk_overrun");
    let long = [
        &datagram[..],
        b"\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",
    ]
    .concat();
    assert_eq!(reason(&long), "bad_width");
    assert_eq!(reason(&[0x08, 0x02, 0x0b]), "unknown_format");
}

#[test]
fn d34_unknown_protobuf_fields_are_passed_over() {
    let datagram = [
        &protobuf()[..],
        b"\x7a\x01?\x81\x01\x01\x02\x03\x04\x05\x06\x07\x08",
    ]
    .concat();
    assert_eq!(from_protobuf(&datagram), from_protobuf(&protobuf()));
}

#[test]
fn d36_octets_that_are_no_text_survive() {
    let octets: Vec<u8> = (0..=255).rev().collect();
    let frame = generic(&[(0x0011, &octets), (0x0013, &octets), (0x000f, &octets)]);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.payload().octets(), Some(&octets[..]));
    assert_eq!(message.correlation_id(), Some(&octets[..]));
    assert_eq!(message.node_name(), Some(&octets[..]));
}
