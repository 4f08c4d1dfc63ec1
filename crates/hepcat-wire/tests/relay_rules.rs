//! Relay rules R1 to R6 and decoder rule D35 of `docs/wire.md`, as far as they are the codec's.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod hex;
mod usual;
mod vectors;

use std::time::Duration;

use bytes::Bytes;
use frames::generic;
use hepcat_wire::{
    ChunkType, Deframer, EncodeError, Message, MessageBuilder, Payload, ProtocolType, Rewrite,
    Target, TimeSource, VendorId, Version, convert,
};
use rstest::rstest;
use usual::USUAL;
use vectors::vector;

/// Some hours after the vectors were captured.
const ARRIVAL: Duration = Duration::new(1_795_400_000, 250_000_000);

fn parse(frame: &[u8]) -> Message<&[u8]> {
    Message::parse_lax(frame).unwrap()
}

#[test]
fn d35_a_decoded_message_goes_out_as_it_came_with_order_repeats_and_unknown_chunks() {
    let mut frame = generic(&[
        (0x000f, b"first"),
        (0x0030, b"unknown"),
        (0x0007, &[0, 1]),
        (0x0000, b""),
        (0x0007, &[0, 2]),
        (0x0001, b"wide"),
        (0x000f, b"last"),
    ]);
    frame.extend_from_slice(&[0, 3, 0, 0x11, 0, 8, b'i', b'd']);
    frame[5] += 8;
    let message = Message::parse_lax(Bytes::from(frame.clone())).unwrap();
    assert_eq!(message.as_frame(), frame);
    assert_eq!(message.chunks().count(), 8);
    assert_eq!(Rewrite::new(&message).unwrap().encode().unwrap(), frame);
    assert_eq!(message.into_inner(), frame);
    // `corpus.rs` does the same with every vector.
}

#[test]
fn r1_forwarding_neither_changes_nor_copies_the_octets() {
    let received = Bytes::from(vector("opensips-v3-ipv4-udp-h6-invite.hex"));
    let message = Message::parse_lax(received.clone()).unwrap();
    assert_eq!(message.as_frame().as_ptr(), received.as_ptr());
    assert_eq!(message.inner(), &received);
}

/// The chunks before and after an edit that neither is about, as octets.
fn untouched(message: &Message<&[u8]>, edited: u16) -> Vec<Vec<u8>> {
    message
        .chunks()
        .filter(|chunk| chunk.chunk_type().0 != edited)
        .map(|chunk| chunk.as_octets().to_vec())
        .collect()
}

#[test]
fn r1_a_key_is_stripped_replaced_or_blanked_and_nothing_else_changes() {
    let frame = vector("kamailio-v3-ipv4-udp-corr-invite.hex");
    let message = parse(&frame);
    assert_eq!(message.auth_key(), Some(&b"vectorpw"[..]));
    let key = Target::generic(ChunkType::AUTH_KEY);

    let mut rewrite = Rewrite::new(&message).unwrap();
    assert_eq!(rewrite.remove(key), 1);
    let stripped = rewrite.encode().unwrap();
    assert_eq!(parse(&stripped).auth_key(), None);
    assert_eq!(
        untouched(&parse(&stripped), 0x0e),
        untouched(&message, 0x0e)
    );
    assert_eq!(stripped.len(), frame.len() - 14);

    let mut rewrite = Rewrite::new(&message).unwrap();
    assert_eq!(rewrite.replace(key, &b"ours"[..]), 1);
    let replaced = rewrite.encode().unwrap();
    assert_eq!(parse(&replaced).auth_key(), Some(&b"ours"[..]));
    assert_eq!(
        untouched(&parse(&replaced), 0x0e),
        untouched(&message, 0x0e)
    );
    let place = |message: &Message<&[u8]>| {
        message
            .chunks()
            .position(|chunk| chunk.is_generic(ChunkType::AUTH_KEY))
    };
    assert_eq!(place(&parse(&replaced)), place(&message));

    let mut rewrite = Rewrite::new(&message).unwrap();
    assert_eq!(rewrite.blank(key), 1);
    let blanked = rewrite.encode().unwrap();
    assert_eq!(blanked.len(), frame.len());
    assert_eq!(parse(&blanked).auth_key(), Some(&[0; 8][..]));
    let changed = blanked.iter().zip(&frame).filter(|(new, old)| new != old);
    assert_eq!(changed.count(), 8);
}

#[test]
fn r1_a_new_chunk_goes_before_the_payload_and_an_old_one_keeps_its_place() {
    let frame = generic(&USUAL);
    let message = parse(&frame);
    let mut rewrite = Rewrite::new(&message).unwrap();
    rewrite.set(
        Target::generic(ChunkType::NODE_NAME),
        VendorId::GENERIC,
        ChunkType::NODE_NAME,
        &b"relay-1"[..],
    );
    rewrite.set(
        Target::generic(ChunkType::CAPTURE_ID),
        VendorId::GENERIC,
        ChunkType::CAPTURE_ID,
        2001_u32.to_be_bytes().to_vec(),
    );
    rewrite.append(VendorId::OPENSIPS, ChunkType(0x0021), vec![9]);
    let edited = rewrite.encode().unwrap();
    let edited = parse(&edited);
    let types: Vec<_> = edited.chunks().map(|chunk| chunk.chunk_type().0).collect();
    assert_eq!(types, [1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 0x13, 15, 0x21]);
    assert_eq!(edited.capture_id(), Some(2001));
    assert_eq!(edited.node_name(), Some(&b"relay-1"[..]));
    assert_eq!(edited.payload(), Payload::Plain(b"PING"));
}

/// What the scripts of OpenSIPS do: the first chunk of a type, whoever's it is, and its vendor changes.
#[test]
fn r1_the_first_chunk_of_a_type_can_be_set_or_deleted_whoever_it_belongs_to() {
    let mut frame = generic(&[(0x0011, b"a"), (0x0011, b"b"), (0x000f, b"x")]);
    frame[7] = 8;
    let message = parse(&frame);
    let first = Target::any_vendor(ChunkType::CORRELATION_ID).first();

    let mut rewrite = Rewrite::new(&message).unwrap();
    rewrite.set(
        first,
        VendorId::OPENSIPS,
        ChunkType::CORRELATION_ID,
        &b"new"[..],
    );
    let edited = rewrite.encode().unwrap();
    let chunks: Vec<_> = parse(&edited)
        .chunks()
        .map(|chunk| (chunk.vendor_id().0, chunk.value().to_vec()))
        .collect();
    let expected = [(3, b"new".to_vec()), (0, b"b".to_vec()), (0, b"x".to_vec())];
    assert_eq!(chunks, expected);

    let mut rewrite = Rewrite::new(&message).unwrap();
    assert_eq!(rewrite.remove(first), 1);
    let edited = rewrite.encode().unwrap();
    assert_eq!(parse(&edited).correlation_id(), Some(&b"b"[..]));
    assert_eq!(
        rewrite.remove(Target::vendor(VendorId(8), ChunkType(0x11))),
        0
    );
    assert_eq!(rewrite.remove(Target::any_vendor(ChunkType(0x11))), 1);
    assert_eq!(parse(&rewrite.encode().unwrap()).chunks().count(), 1);
}

#[test]
fn r1_an_edit_that_makes_the_frame_too_large_is_refused() {
    let payload = vec![b'x'; 65_436];
    let mut chunks = USUAL.to_vec();
    chunks[10].1 = &payload;
    let frame = generic(&chunks);
    let message = parse(&frame);
    let mut rewrite = Rewrite::new(&message).unwrap();
    rewrite.append(VendorId::GENERIC, ChunkType::NODE_NAME, &b""[..]);
    assert_eq!(rewrite.encode().unwrap_err().reason(), "too_large");
    let v1 = vector("kamailio-v1-ipv4-udp-invite.hex");
    let error = Rewrite::new(&parse(&v1)).unwrap_err();
    assert_eq!(error.reason(), "not_convertible");
}

#[rstest]
#[case("kamailio-v2-ipv4-udp-invite.hex", &[1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 15])]
#[case("sngrep-v2-ipv6-udp-invite.hex", &[1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 15])]
#[case("kamailio-v1-ipv4-udp-invite.hex", &[1, 2, 3, 4, 7, 8, 9, 10, 11, 15])]
#[case("kamailio-v1-ipv6-udp-invite.hex", &[1, 2, 5, 6, 7, 8, 9, 10, 11, 15])]
fn r2_version_3_of_an_older_frame_says_the_same_and_invents_nothing(
    #[case] file: &str,
    #[case] types: &[u16],
) {
    let frame = vector(file);
    let message = parse(&frame);
    let converted = convert::to_v3(&message, ARRIVAL).unwrap();
    let converted = Message::parse(&converted).unwrap();
    let chunks: Vec<_> = converted
        .chunks()
        .map(|chunk| chunk.chunk_type().0)
        .collect();
    assert_eq!(chunks, types);
    assert_eq!(converted.protocol_type(), Some(ProtocolType::SIP));
    assert_eq!(converted.capture_id(), message.capture_id());
    assert_eq!(converted.src_ip(), message.src_ip());
    assert_eq!(converted.payload(), message.payload());
    // The mark of version 1 is what `time` says of the message as it came.
    let time = message.time(ARRIVAL);
    assert_eq!(
        time.source == TimeSource::Arrival,
        message.version() == Version::V1
    );
    assert_eq!(converted.time(Duration::ZERO).since_epoch, time.since_epoch);
}

#[test]
fn r2_a_frame_of_the_version_asked_for_stays_as_it_is() {
    let v3 = vector("opensips-v3-ipv4-udp-h6-invite.hex");
    assert_eq!(convert::to_v3(&parse(&v3), ARRIVAL).unwrap(), v3);
    let v2 = vector("sngrep-v2-ipv4-udp-invite.hex");
    assert_eq!(convert::to_v2(&parse(&v2), ARRIVAL).unwrap(), v2);
    let v1 = vector("opensips-v1-ipv4-udp-invite.hex");
    assert_eq!(convert::to_v1(&parse(&v1)).unwrap(), v1);
}

#[test]
fn r2_a_payload_that_no_version_3_frame_can_hold_is_refused() {
    let mut frame = vector("kamailio-v1-ipv4-udp-invite.hex");
    frame.resize(65_507, b'x');
    let error = convert::to_v3(&parse(&frame), ARRIVAL).unwrap_err();
    assert_eq!(error.reason(), "too_large");
}

fn usual_but(chunk_type: u16, value: Option<&'static [u8]>) -> Vec<u8> {
    let chunks: Vec<_> = USUAL
        .iter()
        .filter_map(|chunk| match value {
            _ if chunk.0 != chunk_type => Some(*chunk),
            Some(value) => Some((chunk_type, value)),
            None => None,
        })
        .collect();
    generic(&chunks)
}

#[test]
fn r3_version_2_of_a_version_3_frame_says_the_same() {
    let frame = generic(&USUAL);
    let converted = convert::to_v2(&parse(&frame), ARRIVAL).unwrap();
    let expected = MessageBuilder::new()
        .source("192.0.2.1:5060".parse().unwrap())
        .destination("198.51.100.2:5070".parse().unwrap())
        .time(1_700_735_504, 123_456)
        .capture_id(4660)
        .payload(b"PING");
    assert_eq!(converted, expected.encode(Version::V2).unwrap());
    let v1 = convert::to_v1(&parse(&frame)).unwrap();
    assert_eq!(v1, expected.encode(Version::V1).unwrap());
    // There and back again: the frame has nothing that version 2 lacks.
    let back = convert::to_v3(&parse(&converted), ARRIVAL).unwrap();
    assert_eq!(back, frame);
}

#[rstest]
#[case::a_log_line(0x000b, Some(&[100][..]), "protocol type")]
#[case::no_protocol_type(0x000b, None, "protocol type")]
#[case::a_wide_id(0x000c, Some(&[0, 1, 0, 0][..]), "capture agent ID")]
#[case::no_id(0x000c, None, "capture agent ID")]
#[case::no_source(0x0003, None, "source")]
#[case::no_destination_port(0x0008, None, "destination")]
#[case::no_payload(0x000f, None, "payload")]
fn r3_what_version_2_cannot_carry_is_refused(
    #[case] chunk_type: u16,
    #[case] value: Option<&'static [u8]>,
    #[case] field: &str,
) {
    let frame = usual_but(chunk_type, value);
    let message = parse(&frame);
    let error = convert::to_v2(&message, ARRIVAL).unwrap_err();
    assert_eq!(error.reason(), "not_convertible");
    assert_eq!(
        error.to_string(),
        format!("version 2 cannot carry this {field}")
    );
    if chunk_type == 0x000c {
        assert!(convert::to_v1(&message).is_ok());
    } else {
        assert_eq!(
            convert::to_v1(&message).unwrap_err().reason(),
            "not_convertible"
        );
    }
}

#[test]
fn r3_a_version_3_frame_without_a_time_gets_that_of_its_arrival() {
    let frame = usual_but(0x0009, None);
    let converted = convert::to_v2(&parse(&frame), ARRIVAL).unwrap();
    let time = parse(&converted).time(ARRIVAL);
    assert_eq!((time.since_epoch, time.source), (ARRIVAL, TimeSource::Sent));
}

#[test]
fn r3_a_compressed_payload_is_inflated_for_version_2() {
    let text = b"Via: SIP/2.0/UDP 192.0.2.1:5060\r\n".repeat(20);
    let compressed = MessageBuilder::new()
        .source("[2001:db8::1]:5060".parse().unwrap())
        .destination("[2001:db8::2]:5060".parse().unwrap())
        .time(1_700_735_504, 0)
        .capture_id(1)
        .payload(&text)
        .compressed(true)
        .encode(Version::V3)
        .unwrap();
    let converted = convert::to_v2(&parse(&compressed), ARRIVAL).unwrap();
    assert_eq!(parse(&converted).payload(), Payload::Plain(&text));
    let broken = generic(&[&USUAL[..10], &[(0x0010, &[0xff; 40])]].concat());
    let error = convert::to_v2(&parse(&broken), ARRIVAL);
    assert!(matches!(error, Err(EncodeError::NotConvertible { .. })));
}

/// Counters by source are the node's; the names that they count by are fixed here.
#[test]
fn r4_every_error_has_a_short_fixed_name() {
    let named: [(&[u8], &str); 6] = [
        (b"HEP3\0", "too_short"),
        (b"GET / HTTP/1.1", "unknown_format"),
        (b"HEP3\0\x05", "bad_total_length"),
        (b"HEP3\0\x07", "total_exceeds_data"),
        (b"HEP3\0\x08\0\0", "chunk_header_truncated"),
        (b"HEP3\0\x0c\0\0\0\x01\0\x08", "chunk_overrun"),
    ];
    for (octets, name) in named {
        let error = Message::parse_lax(octets).unwrap_err();
        assert_eq!(error.reason(), name);
        let snake = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(error.reason().chars().all(snake));
    }
}

/// Messages in a row with errors, idle time and connections are the listeners' limits; octets per message is ours.
#[test]
fn r5_octets_per_message_are_limited() {
    let config = hepcat_wire::DeframerConfig::default().max_frame(64);
    let mut deframer = Deframer::new(config);
    deframer.buffer_mut().extend_from_slice(&generic(&USUAL));
    let error = deframer.next_frame().unwrap_err();
    assert_eq!(error.reason(), "too_large");
    assert_eq!((error.needed(), error.actual()), (Some(64), Some(103)));
}

/// That sockets are read into buffers of this size is the listeners' part.
#[test]
fn r6_a_message_of_65535_octets_passes_whole() {
    let payload = vec![b'x'; 65_436];
    let frame = generic(&[&USUAL[..10], &[(0x000f, &payload)]].concat());
    assert_eq!(frame.len(), 65_535);
    let mut deframer = Deframer::default();
    let mut frames = Vec::new();
    for read in frame.repeat(2).chunks(9000) {
        deframer.buffer_mut().extend_from_slice(read);
        while let Some(next) = deframer.next_frame().unwrap() {
            frames.push(next);
        }
    }
    assert_eq!(frames, [&frame[..], &frame]);
    let message = Message::parse_lax(frames.remove(0)).unwrap();
    assert_eq!(message.payload(), Payload::Plain(&payload));
}
