//! Decoder rules D5, D7 and D29 to D32 of `docs/wire.md`, as far as they are about streams.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod frames;
mod hex;
mod usual;
mod vectors;

use frames::generic;
use hepcat_wire::{Deframer, DeframerConfig, Message, OnGarbage, Sniffed, sniff};
use rstest::rstest;
use usual::USUAL;
use vectors::vector;

/// What a stream gives when it is read so many octets at a time: frames, and reasons in between.
fn events(
    config: DeframerConfig,
    stream: &[u8],
    size: usize,
) -> Vec<Result<Vec<u8>, &'static str>> {
    let mut deframer = Deframer::new(config);
    let mut events = Vec::new();
    for read in stream.chunks(size) {
        deframer.buffer_mut().extend_from_slice(read);
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => events.push(Ok(frame.to_vec())),
                Ok(None) => break,
                Err(error) => {
                    events.push(Err(error.reason()));
                    if deframer.is_closed() {
                        return events;
                    }
                }
            }
        }
    }
    events
}

fn resync() -> DeframerConfig {
    DeframerConfig::default().on_garbage(OnGarbage::Resync)
}

const SIZES: [usize; 8] = [1, 2, 3, 5, 6, 7, 64, usize::MAX];

// The whole corpus of streams and their splits is in `corpus.rs`.
#[rstest]
#[case::after_a_good_message(true)]
#[case::at_the_start(false)]
fn d30_a_bad_magic_closes_at_once_and_costs_no_good_message(#[case] after_good: bool) {
    let good = generic(&USUAL);
    for bad in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"HEP2",
        b"HEX",
        b"X",
        b"EEP2",
        b"HELLO HF!",
    ] {
        let mut expected = vec![];
        let mut stream = vec![];
        if after_good {
            stream.extend_from_slice(&good);
            expected.push(Ok(good.clone()));
        }
        stream.extend_from_slice(bad);
        stream.extend_from_slice(&good);
        expected.push(Err("unknown_format"));
        for size in SIZES {
            assert_eq!(events(DeframerConfig::default(), &stream, size), expected);
        }
    }
}

#[test]
fn d30_a_bad_magic_is_told_by_its_first_wrong_octet() {
    let mut deframer = Deframer::default();
    deframer.buffer_mut().extend_from_slice(b"HEP");
    assert_eq!(deframer.next_frame(), Ok(None));
    deframer.buffer_mut().extend_from_slice(b"4");
    let error = deframer.next_frame().unwrap_err();
    assert_eq!(error.reason(), "unknown_format");
    assert!(deframer.is_closed());
    assert_eq!(deframer.pending(), 0);
    // For good: nothing that comes later is a frame.
    deframer.buffer_mut().extend_from_slice(&generic(&USUAL));
    assert_eq!(deframer.next_frame(), Err(error));
}

/// OpenSIPS stops reading when one to five octets of a header are left over.
#[test]
fn d30_a_header_split_anywhere_between_two_reads_is_put_together() {
    let stream = [generic(&USUAL), generic(&USUAL[..4]), generic(&USUAL)].concat();
    let whole = events(DeframerConfig::default(), &stream, usize::MAX);
    assert_eq!(whole.len(), 3);
    for split in 0..stream.len() {
        let mut deframer = Deframer::default();
        let mut frames = Vec::new();
        for read in [&stream[..split], &stream[split..]] {
            deframer.buffer_mut().extend_from_slice(read);
            while let Some(frame) = deframer.next_frame().unwrap() {
                frames.push(Ok(frame.to_vec()));
            }
        }
        assert_eq!(frames, whole, "split at {split}");
        assert!(!deframer.is_mid_frame());
    }
}

/// OpenSIPS loops for ever on a length of 0, and goes on within the header on 1 to 5.
#[rstest]
fn d05_a_length_below_the_header_closes_as_soon_as_it_is_read(
    #[values(0, 1, 2, 3, 4, 5)] length: u8,
) {
    let good = generic(&USUAL);
    let stream = [&good[..], b"HEP3\0", &[length]].concat();
    for size in SIZES {
        let events = events(DeframerConfig::default(), &stream, size);
        assert_eq!(events, [Ok(good.clone()), Err("bad_total_length")]);
    }
}

#[test]
fn d07_a_message_with_a_bad_chunk_does_not_take_the_next_one_along() {
    let mut bad = generic(&USUAL);
    bad[11] = 3;
    let good = generic(&USUAL);
    let frames = events(DeframerConfig::default(), &[&bad[..], &good].concat(), 10);
    assert_eq!(frames.len(), 2);
    let reason = |frame: &Result<Vec<u8>, _>| {
        let frame = frame.as_ref().unwrap();
        Message::parse_lax(frame)
            .map_err(|error| error.reason())
            .err()
    };
    assert_eq!(reason(&frames[0]), Some("chunk_too_short"));
    assert_eq!(reason(&frames[1]), None);
    // Closing after sixteen in a row is the listener's.
}

#[test]
fn d29_a_stream_of_gzip_members_is_a_bad_magic() {
    let stream = vector("heplify-v3-heptcp-gzip-stream.hex");
    for size in SIZES {
        let events = events(DeframerConfig::default(), &stream, size);
        assert_eq!(events, [Err("unknown_format")]);
    }
}

#[test]
fn d31_a_stream_that_ends_within_a_message_keeps_what_it_delivered() {
    let frame = generic(&USUAL);
    let stream = [&frame[..], &frame].concat();
    for end in 0..=stream.len() {
        let mut deframer = Deframer::default();
        deframer.buffer_mut().extend_from_slice(&stream[..end]);
        let mut delivered = 0;
        while deframer.next_frame().unwrap().is_some() {
            delivered += 1;
        }
        assert_eq!(delivered, end / frame.len());
        assert_eq!(deframer.pending(), end % frame.len());
        assert_eq!(deframer.is_mid_frame(), end % frame.len() != 0);
    }
}

#[test]
fn d32_keep_alives_raise_no_error() {
    let datagrams: [&[u8]; 9] = [
        b"",
        b"\0",
        b"\r\n",
        b"\r\n\r\n",
        b"jaK",
        b"12345",
        b"\0\0\0\0\0\0\0\0",
        b"\r\n\r\n\r\n\r\n",
        b"HELLO HFP",
    ];
    for datagram in datagrams {
        assert_eq!(sniff(datagram), Sniffed::KeepAlive, "{datagram:?}");
    }
    let others: [(&[u8], Sniffed); 8] = [
        (b"HEP3", Sniffed::V3),
        (b"EEP3\0\x06", Sniffed::V3),
        (b"EEP1\0\x06", Sniffed::V3),
        (b"\x01", Sniffed::V1),
        (b"\x02", Sniffed::V2),
        (b"\x08\x02\x10\x11\x1a\x01", Sniffed::Protobuf),
        (b"\x1f\x8b\x08\0\0\0", Sniffed::Gzip),
        (b"INVITE", Sniffed::Unknown),
    ];
    for (datagram, expected) in others {
        assert_eq!(sniff(datagram), expected, "{datagram:?}");
    }
}

#[test]
fn d32_keep_alives_between_the_messages_of_a_stream_are_passed_over() {
    let good = generic(&USUAL);
    let stream = [b"HELLO HFP\r\n", &good[..], b"\r\n\r\n\0", &good, b"\r\n"].concat();
    for size in SIZES {
        let events = events(DeframerConfig::default(), &stream, size);
        assert_eq!(events, [Ok(good.clone()), Ok(good.clone())]);
    }
    let mut deframer = Deframer::default();
    deframer.buffer_mut().extend_from_slice(&stream);
    while deframer.next_frame().unwrap().is_some() {}
    assert_eq!(deframer.keep_alive_octets(), 18);
    assert_eq!(deframer.skipped_octets(), 0);
    assert!(!deframer.is_mid_frame());
}

#[test]
fn a_frame_above_the_limit_is_too_large_as_soon_as_its_header_is_read() {
    let config = DeframerConfig::default().max_frame(100);
    let stream = generic(&USUAL);
    assert_eq!(events(config, &stream[..6], 1), [Err("too_large")]);
    let config = config.max_frame(stream.len());
    assert_eq!(events(config, &stream, 1), [Ok(stream.clone())]);
}

#[test]
fn resynchronising_reports_garbage_once_and_finds_the_next_message() {
    let good = generic(&USUAL);
    let garbage: [(&[u8], &str); 6] = [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "unknown_format"),
        (b"HEP3\0\x05", "bad_total_length"),
        // A magic within some text, then something that starts like a magic.
        (b"so HEP3 is not EEP3 and HEHEP", "unknown_format"),
        (b"HEP3\0\0HEP3\xff\xff\0\0\0\x07\0\0", "bad_total_length"),
        (b"x", "unknown_format"),
        (b"xHEP3\0\x06", "unknown_format"),
    ];
    for (garbage, reason) in garbage {
        let stream = [&good[..], garbage, &good, &good].concat();
        let expected = [
            Ok(good.clone()),
            Err(reason),
            Ok(good.clone()),
            Ok(good.clone()),
        ];
        for size in SIZES {
            assert_eq!(
                events(resync(), &stream, size),
                expected,
                "{garbage:?} by {size}"
            );
        }
    }
}

#[test]
fn while_resynchronising_hardly_anything_is_buffered() {
    let mut deframer = Deframer::new(resync());
    for _ in 0..1000 {
        deframer.buffer_mut().extend_from_slice(&[b'H'; 100]);
        while deframer.next_frame() != Ok(None) {}
        assert!(deframer.pending() < 12);
    }
    assert!(!deframer.is_mid_frame());
    let seen = deframer.skipped_octets() + deframer.pending() as u64;
    assert_eq!(seen, 100_000);
}

#[test]
fn what_stays_buffered_is_less_than_one_frame() {
    let frame = vector("kamailio-v3-ipv4-tcp-44k-message.hex");
    let stream = frame.repeat(20);
    let mut deframer = Deframer::default();
    let mut delivered = 0;
    for read in stream.chunks(10_000) {
        deframer.buffer_mut().extend_from_slice(read);
        while deframer.next_frame().unwrap().is_some() {
            delivered += 1;
        }
        assert!(deframer.pending() < frame.len());
        assert!(deframer.buffer_mut().capacity() <= 2 * 65_536);
    }
    assert_eq!(delivered, 20);
}
