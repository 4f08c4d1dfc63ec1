//! Decoder rules D2 to D11 of `docs/wire.md`: lengths that lie. The frames are made up.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod hex;
mod usual;
mod vectors;

use frames::generic;
use hepcat_wire::{ChunkType, DecodeError, Defect, Message, Payload};
use proptest::prelude::*;
use rstest::rstest;
use usual::USUAL;
use vectors::vector;

fn reason(octets: &[u8]) -> &'static str {
    Message::parse_lax(octets).unwrap_err().reason()
}

fn strict(octets: &[u8]) -> DecodeError {
    Message::parse(octets).unwrap_err()
}

proptest! {
    #[test]
    fn d02_no_octets_make_the_decoder_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        hepcat_wire::fuzz_bodies::parse(&octets);
    }

    #[test]
    fn d02_no_chunks_make_the_decoder_panic(
        mut octets in proptest::collection::vec(any::<u8>(), 0..300),
        types in proptest::collection::vec((0_u16..0x70, 0_u16..24), 0..12),
    ) {
        let mut frame = b"HEP3\0\0".to_vec();
        for (chunk_type, length) in types {
            frame.extend_from_slice(&[0, 0]);
            frame.extend_from_slice(&chunk_type.to_be_bytes());
            frame.extend_from_slice(&length.to_be_bytes());
            let value = octets.len().min(usize::from(length.saturating_sub(6)));
            frame.extend(octets.drain(..value));
        }
        let total = u16::try_from(frame.len()).unwrap();
        frame[4..6].copy_from_slice(&total.to_be_bytes());
        hepcat_wire::fuzz_bodies::parse(&frame);
    }
}

#[rstest]
#[case("kamailio-v3-ipv4-udp-invite.hex")]
#[case("opensips-v3-ipv4-udp-h6-invite.hex")]
#[case("kamailio-v3-ipv6-udp-invite.hex")]
fn d03_a_frame_cut_anywhere_is_an_error(#[case] file: &str) {
    let frame = vector(file);
    for end in 0..frame.len() {
        assert!(Message::parse_lax(&frame[..end]).is_err(), "cut at {end}");
        assert!(Message::parse(&frame[..end]).is_err(), "cut at {end}");
    }
}

#[test]
fn d04_a_frame_without_chunks_is_an_empty_message_that_cannot_be_captured() {
    let message = Message::parse(b"HEP3\0\x06").unwrap();
    assert_eq!(message.chunks().count(), 0);
    assert_eq!(message.payload(), Payload::Absent);
    assert_eq!(message.protocol_type(), None);
    let error = message.check_capture().unwrap_err();
    assert_eq!(error.reason(), "missing_chunk");
    assert_eq!(error.chunk_type(), Some(ChunkType::PROTOCOL_TYPE));
}

#[test]
fn d04_a_correlation_event_without_payload_can_be_captured_if_it_correlates() {
    let control: (u16, &[u8]) = (0x000b, &[0x60]);
    let sip: (u16, &[u8]) = (0x000b, &[0x01]);
    let can = |chunks: &[(u16, &[u8])]| {
        let frame = generic(chunks);
        let checked = Message::parse(&frame).unwrap().check_capture();
        checked.map_err(|error| error.chunk_type())
    };
    assert_eq!(can(&[control, (0x0011, b"id")]), Ok(()));
    assert_eq!(can(&[control, (0x0065, b"{}")]), Ok(()));
    assert_eq!(can(&[control]), Err(Some(ChunkType::PAYLOAD)));
    assert_eq!(can(&[sip, (0x0011, b"id")]), Err(Some(ChunkType::PAYLOAD)));
    assert_eq!(can(&[sip, (0x0010, b"")]), Ok(()));
    // What OpenSIPS sends by default has nothing to correlate.
    let frame = vector("opensips-v3-h5-correlate-equal-types.hex");
    let error = Message::parse(&frame).unwrap().check_capture().unwrap_err();
    assert_eq!(error.reason(), "missing_chunk");
}

#[rstest]
fn d05_a_total_below_the_header_is_a_bad_total_length(#[values(0, 1, 2, 3, 4, 5)] total: u8) {
    let mut frame = generic(&USUAL);
    frame[4..6].copy_from_slice(&[0, total]);
    let error = Message::parse_lax(&frame).unwrap_err();
    assert_eq!(error.reason(), "bad_total_length");
    assert_eq!(error.actual(), Some(usize::from(total)));
    assert_eq!(error.needed(), Some(6));
    // `d05` of the stream tests shows that a connection ends there; counting is the node's.
}

#[test]
fn d06_a_total_beyond_the_datagram_is_an_error() {
    let mut frame = generic(&USUAL);
    let length = frame.len();
    frame.truncate(length - 1);
    let error = strict(&frame);
    assert_eq!(error.reason(), "total_exceeds_data");
    assert_eq!(error.needed(), Some(length));
    assert_eq!(error.actual(), Some(length - 1));
    assert_eq!(reason(&frame), "total_exceeds_data");
}

#[test]
fn d06_of_a_longer_datagram_the_declared_part_decodes_unless_strict() {
    let frame = generic(&USUAL);
    let mut datagram = frame.clone();
    datagram.extend_from_slice(b"HEP3");
    let message = Message::parse_lax(&datagram).unwrap();
    assert_eq!(message.as_frame(), frame);
    assert_eq!(message.as_received(), datagram);
    assert!(message.defects().contains(Defect::TrailingData));
    assert_eq!(message.payload().octets(), Some(&b"PING"[..]));
    assert_eq!(strict(&datagram).reason(), "trailing_data");
}

#[rstest]
fn d07_a_chunk_length_below_its_header_is_too_short(#[values(0, 1, 2, 3, 4, 5)] length: u8) {
    let mut frame = generic(&USUAL);
    frame[10..12].copy_from_slice(&[0, length]);
    let error = Message::parse_lax(&frame).unwrap_err();
    assert_eq!(error.reason(), "chunk_too_short");
    assert_eq!(error.chunk_type(), Some(ChunkType::IP_FAMILY));
    assert_eq!(error.offset(), 6);
    assert_eq!(error.actual(), Some(usize::from(length)));
    assert_eq!(
        error.to_string(),
        format!("chunk length {length} is below the 6-octet header in chunk 0x0001 at octet 6")
    );
}

#[test]
fn d08_a_chunk_one_octet_beyond_the_end_is_an_overrun() {
    let mut frame = generic(&USUAL);
    let payload_at = frame.len() - 10;
    frame[payload_at + 5] += 1;
    let error = Message::parse_lax(&frame).unwrap_err();
    assert_eq!(error.reason(), "chunk_overrun");
    assert_eq!(error.offset(), payload_at);
    assert_eq!(error.chunk_type(), Some(ChunkType::PAYLOAD));
    assert_eq!((error.needed(), error.actual()), (Some(11), Some(10)));
}

#[rstest]
fn d08_one_to_five_octets_left_over_are_a_cut_chunk_header(#[values(1, 2, 3, 4, 5)] left: u8) {
    let mut frame = generic(&USUAL);
    let end = frame.len();
    frame.extend(std::iter::repeat_n(0, left.into()));
    frame[5] += left;
    let error = Message::parse_lax(&frame).unwrap_err();
    assert_eq!(error.reason(), "chunk_header_truncated");
    assert_eq!(error.offset(), end);
    assert_eq!(error.actual(), Some(left.into()));
}

#[test]
fn d09_an_empty_payload_is_present_and_empty() {
    let frame = generic(&[(0x000b, &[1]), (0x000f, b""), (0x0011, b"")]);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.payload(), Payload::Plain(b""));
    assert_eq!(message.correlation_id(), Some(&b""[..]));
    assert_eq!(message.check_capture(), Ok(()));
}

#[test]
fn d10_lengths_above_32767_are_unsigned() {
    let frame = vector("kamailio-v3-ipv4-tcp-44k-message.hex");
    assert!(frame.len() > 32_767);
    let message = Message::parse(&frame).unwrap();
    assert!(message.payload().octets().unwrap().len() > 32_767);
}

#[test]
fn d11_the_largest_frame_with_the_largest_chunk_decodes() {
    let payload = vec![b'x'; 65_523];
    let frame = generic(&[(0x000f, &payload)]);
    assert_eq!(frame.len(), 65_535);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.payload(), Payload::Plain(&payload));
    let chunk = message.chunks().next().unwrap();
    assert_eq!(chunk.as_octets().len(), 65_529);
}

#[test]
fn d11_an_empty_chunk_at_the_very_end_of_the_largest_frame_is_present() {
    let payload = vec![b'x'; 65_517];
    let frame = generic(&[(0x000f, &payload), (0x0011, b"")]);
    assert_eq!(frame.len(), 65_535);
    let message = Message::parse(&frame).unwrap();
    assert_eq!(message.correlation_id(), Some(&b""[..]));
    assert_eq!(message.node_name(), None);
    assert_eq!(message.payload(), Payload::Plain(&payload));
}

#[test]
fn d06_octets_after_the_declared_total_are_never_taken_for_fields() {
    let mut datagram = generic(&[(0x000f, b"x")]);
    datagram.resize(140_000, 1);
    let message = Message::parse_lax(&datagram).unwrap();
    assert_eq!(message.as_frame().len(), 13);
    assert_eq!(message.src_port(), None);
    assert_eq!(message.time_sec(), None);
    assert_eq!(message.src_mac(), None);
    assert_eq!(message.ip_family(), None);
    assert_eq!(message.auth_key(), None);
}
