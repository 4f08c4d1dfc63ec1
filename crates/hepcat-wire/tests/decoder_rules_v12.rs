//! Decoder rules D23 to D27 of `docs/wire.md`: versions 1 and 2.

mod hex;
mod vectors;

use std::{net::IpAddr, time::Duration};

use hepcat_wire::{ByteOrder, Defect, Message, Payload, ProtocolType, TimeSource, Version};
use rstest::rstest;
use vectors::vector;

/// Some hours after the vectors were captured.
const ARRIVAL: Duration = Duration::from_secs(1_795_400_000);

fn header(version: u8, length: u8, family: u8) -> Vec<u8> {
    let addresses = if family == 2 { 8 } else { 32 };
    let mut frame = vec![version, length, family, 17, 0x13, 0xd8, 0x13, 0xc4];
    frame.extend((1..=addresses).collect::<Vec<u8>>());
    frame
}

fn v2(length: u8, family: u8, block: [u8; 10], padding: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let parts = [&header(2, length, family)[..], &block, &padding, payload];
    parts.concat()
}

const LITTLE: [u8; 10] = [0xd6, 0x7c, 0x03, 0x6b, 0xf4, 0xec, 0x06, 0x00, 0xd2, 0x07];
const BIG: [u8; 10] = [0x6b, 0x03, 0x7c, 0xd6, 0x00, 0x06, 0xec, 0xf4, 0x07, 0xd2];

#[rstest]
#[case("kamailio-v1-ipv4-udp-invite.hex", 16)]
#[case("kamailio-v1-ipv6-udp-invite.hex", 40)]
fn d23_version_1_has_neither_time_nor_id(#[case] file: &str, #[case] payload_at: usize) {
    let frame = vector(file);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.version(), Version::V1);
    assert_eq!((message.time_sec(), message.time_usec()), (None, None));
    assert_eq!(message.capture_id(), None);
    assert_eq!(message.time_block(ARRIVAL), None);
    let time = message.time(ARRIVAL);
    assert_eq!(
        (time.since_epoch, time.source),
        (ARRIVAL, TimeSource::Arrival)
    );
    assert_eq!(message.payload(), Payload::Plain(&frame[payload_at..]));
    assert_eq!(message.protocol_type(), Some(ProtocolType::SIP));
    assert_eq!(message.chunks().count(), 0);
    assert_eq!(message.check_capture(), Ok(()));
    assert_eq!(message.auth_key(), None);
    assert_eq!(message.correlation_id(), None);
}

#[rstest]
#[case("sngrep-v2-ipv4-udp-invite.hex", 28)]
#[case("sngrep-v2-ipv6-udp-invite.hex", 52)]
fn d24_version_2_is_little_endian_whatever_length_byte_and_padding_say(
    #[case] file: &str,
    #[case] payload_at: usize,
) {
    let frame = vector(file);
    let message = Message::parse(&frame[..]).unwrap();
    let header = message.header_v12().unwrap();
    assert!(header.header_length_byte < 16);
    assert_ne!(header.padding, Some([0, 0]));
    assert_eq!(header.payload_offset, payload_at);
    assert!(message.defects().contains(Defect::OddHeaderLength));
    assert_eq!(message.payload(), Payload::Plain(&frame[payload_at..]));
    assert_eq!(message.capture_id(), Some(2001));
    let time = message.time(ARRIVAL);
    assert_eq!(time.source, TimeSource::Sent);
    assert!(time.since_epoch < ARRIVAL);
}

#[rstest]
#[case(2, 28, 28)]
#[case(10, 52, 52)]
#[case(2, 16, 28)]
#[case(10, 40, 52)]
fn d24_both_ways_to_count_the_header_are_normal(
    #[case] family: u8,
    #[case] length: u8,
    #[case] payload_at: usize,
) {
    let frame = v2(length, family, LITTLE, [0, 0], b"INVITE");
    let message = Message::parse(&frame[..]).unwrap();
    assert!(message.defects().is_empty());
    assert_eq!(message.header_v12().unwrap().payload_offset, payload_at);
    assert_eq!(message.payload(), Payload::Plain(b"INVITE"));
}

#[test]
fn d25_a_big_endian_sender_is_understood() {
    let little = v2(16, 2, LITTLE, [0, 0], b"INVITE");
    let big = v2(16, 2, BIG, [0, 0], b"INVITE");
    let (little, big) = (
        Message::parse(&little[..]).unwrap(),
        Message::parse(&big[..]).unwrap(),
    );
    assert_eq!(little.time_sec(), Some(0x6b03_7cd6));
    assert_eq!(little.time_usec(), Some(453_876));
    assert_eq!(little.capture_id(), Some(2002));
    assert_eq!(big.time_sec(), little.time_sec());
    assert_eq!(big.time_usec(), little.time_usec());
    assert_eq!(big.capture_id(), little.capture_id());
    assert_eq!(big.time(ARRIVAL), little.time(ARRIVAL));
    assert_eq!(big.time_block(ARRIVAL).unwrap().byte_order, ByteOrder::Big);
    assert_eq!(
        little.time_block(ARRIVAL).unwrap().byte_order,
        ByteOrder::Little
    );
}

#[test]
fn d25_the_arrival_tells_octet_orders_apart_that_the_block_alone_does_not() {
    // 0x6b037ca1 seconds one way, which is in 2026, and 0xa17c036b the other, in 2055.
    let block = [0x6b, 0x03, 0x7c, 0xa1, 0, 0, 0, 0, 0x07, 0xd2];
    let frame = v2(16, 2, block, [0, 0], b"");
    let message = Message::parse(&frame[..]).unwrap();
    let read = message.time_block(ARRIVAL).unwrap();
    assert_eq!(read.byte_order, ByteOrder::Big);
    assert_eq!(read.seconds, 0x6b03_7ca1);
    assert_eq!(read.capture_id, 2002);
    assert_eq!(message.time(ARRIVAL).since_epoch.as_secs(), 0x6b03_7ca1);
    // Arriving later than that day it is little-endian again.
    let later = Duration::from_secs(0xa17c_036b);
    assert_eq!(
        message.time_block(later).unwrap().byte_order,
        ByteOrder::Little
    );
}

#[test]
fn d25_a_time_that_cannot_be_in_either_order_is_the_time_of_arrival() {
    let block = [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xd2, 0x07];
    let frame = v2(16, 2, block, [0, 0], b"");
    let message = Message::parse(&frame[..]).unwrap();
    let time = message.time(ARRIVAL);
    assert_eq!(
        (time.since_epoch, time.source),
        (ARRIVAL, TimeSource::Arrival)
    );
    assert!(time.implausible);
    assert_eq!(message.capture_id(), Some(2002));
}

#[test]
fn d25_no_message_is_older_than_2000() {
    let source = |seconds: u32| {
        let mut block = [0; 10];
        block[..4].copy_from_slice(&seconds.to_le_bytes());
        let frame = v2(16, 2, block, [0, 0], b"");
        let message = Message::parse(&frame[..]).unwrap();
        let time = message.time(ARRIVAL);
        assert_eq!(time.implausible, time.source == TimeSource::Arrival);
        time.source
    };
    let year_2000 = 946_684_800;
    assert_eq!(source(year_2000), TimeSource::Sent);
    assert_eq!(source(year_2000 - 1), TimeSource::Arrival);
    assert_eq!(source(0), TimeSource::Arrival);
}

#[test]
fn d25_a_clock_may_be_a_day_ahead_and_no_more() {
    let frame = v2(16, 2, LITTLE, [0, 0], b"");
    let message = Message::parse(&frame[..]).unwrap();
    let sent = message.time(ARRIVAL).since_epoch;
    let day = Duration::from_secs(86_400);
    assert_eq!(message.time(sent - day).source, TimeSource::Sent);
    let before = message.time(sent - day - Duration::from_micros(1));
    assert_eq!(before.source, TimeSource::Arrival);
}

#[rstest]
#[case(1, 2, 16)]
#[case(1, 10, 40)]
#[case(2, 2, 28)]
#[case(2, 10, 52)]
fn d26_one_octet_short_of_the_header_is_too_short_and_the_header_alone_is_a_message(
    #[case] version: u8,
    #[case] family: u8,
    #[case] least: usize,
) {
    let mut frame = header(version, 16, family);
    frame.resize(least, 0);
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.payload(), Payload::Plain(b""));
    for short in 1..least {
        let error = Message::parse_lax(&frame[..short]).unwrap_err();
        assert_eq!(error.reason(), "too_short", "{short} octets");
        assert_eq!(error.actual(), Some(short));
    }
}

#[test]
fn d26_a_family_that_nobody_sends_is_unknown() {
    for version in [1, 2] {
        let mut frame = header(version, 16, 10);
        frame.resize(60, 0);
        for family in [0, 1, 3, 16, 255] {
            frame[2] = family;
            let error = Message::parse_lax(&frame[..]).unwrap_err();
            assert_eq!(error.reason(), "unknown_family");
            assert_eq!(error.offset(), 2);
        }
        for family in [10, 23, 24, 26, 28, 30] {
            frame[2] = family;
            let message = Message::parse(&frame[..]).unwrap();
            assert!(matches!(message.src_ip(), Some(IpAddr::V6(_))));
            assert_eq!(message.ip_family(), Some(family));
        }
    }
}

#[rstest]
#[case("opensips-v1-ipv4-udp-invite.hex", 8)]
#[case("opensips-v1-ipv6-udp-invite.hex", 32)]
#[case("opensips-v2-ipv4-udp-invite.hex", 8)]
#[case("opensips-v2-ipv6-udp-invite.hex", 32)]
fn d27_surplus_zeros_stay_in_the_payload_and_are_trimmed_from_its_view(
    #[case] file: &str,
    #[case] zeros: usize,
) {
    let frame = vector(file);
    let message = Message::parse(&frame[..]).unwrap();
    let payload = message.payload();
    let (raw, trimmed) = (payload.octets().unwrap(), payload.trimmed().unwrap());
    assert_eq!(raw.len() - trimmed.len(), zeros);
    assert!(raw.ends_with(&vec![0; zeros]));
    assert_ne!(trimmed.last(), Some(&0));
}

#[test]
fn d27_a_payload_of_nothing_but_zeros_trims_to_nothing() {
    let frame = vector("opensips-v1-ipv4-log-empty.hex");
    let message = Message::parse(&frame[..]).unwrap();
    assert_eq!(message.payload().octets(), Some(&[0; 8][..]));
    assert_eq!(message.payload().trimmed(), Some(&b""[..]));
}

#[test]
fn a_datagram_longer_than_any_is_too_large() {
    let mut frame = header(1, 16, 2);
    frame.resize(65_536, b'x');
    let error = Message::parse_lax(&frame[..]).unwrap_err();
    assert_eq!(error.reason(), "too_large");
    frame.truncate(65_535);
    assert!(Message::parse(&frame[..]).is_ok());
}
