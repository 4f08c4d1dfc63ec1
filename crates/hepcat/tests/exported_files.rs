//! What is exported can be read again: by our own reader of captures, packet by packet, line by line.

use std::{
    collections::HashMap,
    io::{Cursor, Write as _},
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use etherparse::{LaxNetSlice, LaxSlicedPacket, SlicedPacket, TransportSlice};
use flate2::{Compression, write::GzEncoder};
use hepcat::{
    agents::ClockBounds,
    capfile::{Carrier, Content, Input, InputKind, Item},
    export::{self, Format, Report},
    pipeline::{Capture, Inflated, content},
    search::StoredMessage,
    sink::store::row::{About, RowWriter},
};
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport, Unparsable};
use hepcat_store::RowId;
use hepcat_testkit::{
    frame::{Meta, chunk, v3},
    vectors,
};
use hepcat_wire::{Message, ProtocolType, Version, trim_nul};
use pcap_parser::{Block, PcapBlockOwned, PcapNGReader, traits::PcapReaderIterator};
use proptest::prelude::*;

/// What a test frame's sent time is taken from when nothing else is said.
const RECEIVED: u64 = 1_700_000_001_000_000;

/// Believes every clock.
fn trusting() -> ClockBounds {
    let century = Duration::from_hours(24 * 365 * 100);
    ClockBounds::new(century, century)
}

/// The messages that the store gives back of these frames, numbered from 1.
fn stored(frames: &[Vec<u8>]) -> Vec<StoredMessage> {
    stored_from("192.0.2.7:33000", frames)
}

fn stored_from(peer: &str, frames: &[Vec<u8>]) -> Vec<StoredMessage> {
    let peer: SocketAddr = peer.parse().expect("an address");
    let local: SocketAddr = "198.51.100.1:9061".parse().expect("an address");
    let origin = Arc::new(Origin::new(ListenerId(1), Transport::Tcp, peer, local));
    let received = SystemTime::UNIX_EPOCH + Duration::from_micros(RECEIVED);
    let mut writer = RowWriter::default();
    for octets in frames {
        let octets = Bytes::copy_from_slice(octets);
        let arrival = match Message::try_parse_lax(octets.clone()) {
            Ok(message) => match message.check_capture() {
                Ok(()) => Arrival::Message(Envelope::new(message, Arc::clone(&origin), received)),
                Err(error) => unparsable(octets, error, &origin, received),
            },
            Err((error, octets)) => unparsable(octets, error, &origin, received),
        };
        let inflated = Inflated::default();
        match (
            Capture::new(&arrival, "edge", Some(&inflated)).expect("a capture"),
            &arrival,
        ) {
            (Capture::Message(view), _) => {
                let about = About {
                    listener: "edge",
                    clock: trusting(),
                    ..About::default()
                };
                writer.message(&view, &about)
            }
            (_, Arrival::Unparsable(unparsable)) => writer.unparsable(unparsable, "edge"),
            _ => panic!("an arrival of a third kind"),
        }
        .expect("it is not too large");
    }
    let batch = writer.take().finish();
    let rows = (0..frames.len()).map(|n| batch.rows().get(n).expect("a row"));
    rows.zip(1..)
        .map(|(row, id)| {
            let mut message = StoredMessage::from_row(&row).expect("it has a frame");
            message.id = RowId::from_number(id);
            message
        })
        .collect()
}

fn unparsable(
    octets: Bytes,
    error: hepcat_wire::DecodeError,
    origin: &Arc<Origin>,
    received: SystemTime,
) -> Arrival {
    Arrival::Unparsable(Unparsable::new(octets, error, Arc::clone(origin), received))
}

fn export(messages: &[StoredMessage], format: Format, clock: ClockBounds) -> (Vec<u8>, Report) {
    let mut file = Vec::new();
    let report = export::write(messages, format, clock, &mut file).expect("a Vec takes all");
    (file, report)
}

fn pcapng(messages: &[StoredMessage]) -> (Vec<u8>, Report) {
    export(messages, Format::Pcapng, trusting())
}

/// What our own reader finds in a file.
fn items(file: &[u8]) -> (Vec<Item>, hepcat::capfile::Report) {
    let mut input = Input::from_reader(Cursor::new(file.to_vec())).expect("it opens");
    assert_eq!(input.kind(), InputKind::Pcapng);
    let items: Vec<_> = input.by_ref().collect();
    assert_eq!(input.fault(), None);
    (items, input.report().clone())
}

/// A packet of a file.
#[derive(Debug)]
struct Packet {
    interface: u32,
    micros: u64,
    octets: Vec<u8>,
    original_length: usize,
    comment: String,
}

/// Names of the interfaces, and the packets.
fn packets(file: &[u8]) -> (Vec<String>, Vec<Packet>) {
    let mut reader = PcapNGReader::new(1 << 20, Cursor::new(file)).expect("it opens");
    let (mut interfaces, mut packets) = (Vec::new(), Vec::new());
    loop {
        match reader.next() {
            Ok((length, PcapBlockOwned::NG(block))) => {
                match block {
                    Block::InterfaceDescription(block) => {
                        assert_eq!(block.if_tsresol, 6);
                        let name = block.options[0].as_str().expect("text");
                        interfaces.push(name.to_owned());
                    }
                    Block::EnhancedPacket(block) => packets.push(Packet {
                        interface: block.if_id,
                        micros: u64::from(block.ts_high) << 32 | u64::from(block.ts_low),
                        octets: block.data[..block.caplen as usize].to_vec(),
                        original_length: block.origlen as usize,
                        comment: block.options[0].as_str().expect("text").to_owned(),
                    }),
                    _ => {}
                }
                reader.consume(length);
            }
            Ok((length, _)) => reader.consume(length),
            Err(pcap_parser::PcapError::Eof) => return (interfaces, packets),
            Err(pcap_parser::PcapError::Incomplete(_)) => reader.refill().expect("it reads"),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// All checksums that a whole packet has.
fn assert_checksums(packet: &Packet) {
    let sliced = SlicedPacket::from_ip(&packet.octets).expect("a packet");
    let Some(etherparse::NetSlice::Ipv4(ip)) = &sliced.net else {
        let Some(etherparse::NetSlice::Ipv6(ip)) = &sliced.net else {
            panic!("no IP: {packet:?}");
        };
        let header = ip.header();
        match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                let sum = tcp.calc_checksum_ipv6(header.source(), header.destination());
                assert_eq!(sum, Ok(tcp.checksum()));
            }
            Some(TransportSlice::Udp(udp)) => {
                let sum = udp.to_header().calc_checksum_ipv6_raw(
                    header.source(),
                    header.destination(),
                    udp.payload(),
                );
                assert_eq!(sum, Ok(udp.checksum()));
                assert_ne!(udp.checksum(), 0, "IPv6 wants one");
            }
            _ => {}
        }
        return;
    };
    let header = ip.header();
    let sum = header.to_header().calc_header_checksum();
    assert_eq!(header.header_checksum(), sum);
    match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let sum = tcp.calc_checksum_ipv4(header.source(), header.destination());
            assert_eq!(sum, Ok(tcp.checksum()));
        }
        Some(TransportSlice::Udp(udp)) => {
            let sum = udp.to_header().calc_checksum_ipv4_raw(
                header.source(),
                header.destination(),
                udp.payload(),
            );
            assert_eq!(sum, Ok(udp.checksum()));
        }
        _ => {}
    }
}

/// The usual message with something changed.
fn meta(change: impl FnOnce(&mut Meta)) -> Meta {
    let mut meta = Meta::default();
    change(&mut meta);
    meta
}

fn sip(call_id: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "MESSAGE sip:b@example.org SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 MESSAGE\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    message
}

/// Between two fixed ends over TCP, this many microseconds after the usual time.
fn over_tcp(is_answer: bool, micros: u32, payload: &[u8]) -> Vec<u8> {
    let ends = ["192.0.2.1:40000", "192.0.2.2:5060"].map(|end| end.parse().expect("an address"));
    let [mut source, mut destination]: [SocketAddr; 2] = ends;
    if is_answer {
        std::mem::swap(&mut source, &mut destination);
    }
    meta(|meta| {
        meta.source = source;
        meta.destination = destination;
        meta.ip_protocol = 6;
        meta.time_usec = micros;
    })
    .v3(payload)
}

/// The payload as it travelled: inflated and unwrapped, without the zeros that version 1 and 2 senders add.
fn captured(message: &Message<Bytes>) -> Vec<u8> {
    let payload = content(message).expect("it inflates");
    match message.version() {
        Version::V1 | Version::V2 => trim_nul(&payload).to_vec(),
        _ => payload.into_owned(),
    }
}

#[test]
fn every_vector_comes_back_with_its_addresses_time_and_payload() {
    let (mut udp, mut tcp, mut v6, mut rtcp, mut frames) = (0, 0, 0, 0, 0);
    for vector in vectors().into_iter().filter(|vector| !vector.is_stream()) {
        let file = &vector.file;
        let messages = stored(std::slice::from_ref(&vector.octets));
        let (octets, report) = pcapng(&messages);
        assert_eq!((report.messages, report.packets), (1, 1), "{file}");
        for packet in packets(&octets).1.iter().filter(|_| report.cut == 0) {
            assert_checksums(packet);
        }
        let (items, read) = items(&octets);
        let message = messages[0].message();
        let is_traffic = message.is_some_and(|m| {
            matches!(
                m.protocol_type(),
                Some(ProtocolType::SIP | ProtocolType::RTCP)
            ) && m.src_ip().is_some()
                && m.dst_ip().is_some()
                && m.payload()
                    .octets()
                    .is_some_and(|p| !trim_nul(p).is_empty())
        });
        assert_eq!(report.as_hep_total() == 0, is_traffic, "{file}: {report:?}");
        if report.cut == 1 {
            // The agent had cut it: our reader says so, and gives out no half of a message.
            assert_eq!(items.len(), 0, "{file}");
            assert_eq!(read.skipped.get("truncated"), Some(&1), "{file}: {read:?}");
            continue;
        }
        let [item] = &items[..] else {
            panic!("{file}: {items:?} {read:?}");
        };
        let seen = item.seen.expect("it was in a packet");
        let Some(message) = message.filter(|_| is_traffic) else {
            frames += 1;
            // Our reader unpacks what one agent packs as a whole.
            assert!(item.gzipped || item.octets == messages[0].frame(), "{file}");
            assert_eq!(seen.source, "192.0.2.7:33000".parse().expect("an address"));
            assert_eq!(seen.destination.to_string(), "198.51.100.1:9060");
            continue;
        };
        assert_eq!(item.octets, captured(message), "{file}");
        assert_eq!(Some(seen.source.ip()), message.src_ip(), "{file}");
        assert_eq!(Some(seen.destination.ip()), message.dst_ip(), "{file}");
        let ports = (seen.source.port(), seen.destination.port());
        let expected = (message.src_port(), message.dst_port());
        assert_eq!(ports, (expected.0.unwrap_or(0), expected.1.unwrap_or(0)));
        assert_eq!(seen.tos, message.ip_tos().unwrap_or(0), "{file}");
        let number = |key: &str| vector.expect()[key].as_u64();
        let time = match (number("time_sec"), number("time_usec")) {
            (Some(seconds), Some(micros)) => seconds * 1_000_000 + micros,
            _ => RECEIVED,
        };
        assert_eq!(seen.time, Some(Duration::from_micros(time)), "{file}");
        let is_udp = message
            .ip_protocol()
            .is_some_and(|protocol| protocol.0 == 17);
        assert_eq!(seen.carrier == Carrier::Udp, is_udp, "{file}");
        udp += usize::from(is_udp);
        tcp += usize::from(!is_udp);
        v6 += usize::from(seen.source.is_ipv6());
        rtcp += usize::from(message.protocol_type() == Some(ProtocolType::RTCP));
    }
    let seen = (udp, tcp, v6, rtcp, frames);
    assert!(
        udp > 30 && tcp > 10 && v6 > 5 && rtcp > 3 && frames > 5,
        "{seen:?}"
    );
}

#[test]
fn all_vectors_together_are_in_the_order_of_time() {
    let frames: Vec<_> = vectors()
        .into_iter()
        .filter(|vector| !vector.is_stream())
        .map(|vector| vector.octets)
        .collect();
    let messages = stored(&frames);
    let (file, report) = pcapng(&messages);
    assert_eq!(report.messages, frames.len() as u64);
    let (interfaces, packets) = packets(&file);
    assert_eq!(packets.len() as u64, report.packets);
    assert!(packets.is_sorted_by_key(|packet| packet.micros));
    assert!(interfaces.len() > 5, "agents have different ids and names");
    assert!(interfaces.iter().all(|name| name.starts_with("192.0.2.7")));
    assert!(
        packets
            .iter()
            .all(|p| (p.interface as usize) < interfaces.len())
    );
    // Twice the same messages make the same file, whatever order they are given in.
    let mut turned = messages;
    turned.reverse();
    assert!(pcapng(&turned).0 == file);
}

#[test]
fn both_sides_of_a_connection_acknowledge_each_other() {
    let payloads = [
        sip("1", b"one"),
        sip("2", &[b'x'; 3_000]),
        sip("3", b""),
        sip("4", b"4"),
    ];
    let answers = [false, true, false, true];
    let frames: Vec<_> = (0..)
        .zip(&payloads)
        .zip(answers)
        .map(|((micros, payload), is_answer)| over_tcp(is_answer, micros, payload))
        .collect();
    let (file, report) = pcapng(&stored(&frames));
    assert_eq!((report.packets, report.cut), (4, 0));
    let mut sent = [1_u32, 1];
    for (packet, is_answer) in packets(&file).1.iter().zip(answers) {
        assert_checksums(packet);
        let sliced = SlicedPacket::from_ip(&packet.octets).expect("a packet");
        let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
            panic!("no TCP");
        };
        let (mine, other) = (usize::from(is_answer), usize::from(!is_answer));
        assert_eq!(tcp.sequence_number(), sent[mine]);
        assert_eq!(tcp.acknowledgment_number(), sent[other]);
        assert!(tcp.ack() && tcp.psh() && !tcp.syn() && !tcp.fin());
        sent[mine] += u32::try_from(tcp.payload().len()).expect("a segment");
    }
    let (items, read) = items(&file);
    let octets: Vec<_> = items.iter().map(|item| &item.octets).collect();
    assert_eq!(octets, payloads.iter().collect::<Vec<_>>());
    assert_eq!(read.skipped_total(), 0, "{read:?}");
}

#[test]
fn a_message_that_was_cut_does_not_swallow_the_next() {
    let whole = sip("whole", b"body");
    for damaged in [
        // Without its body, or part of it.
        sip("cut", &[b'y'; 500])[..200].to_vec(),
        // Inside its headers.
        b"INVITE sip:b@example.org SIP/2.0\r\nCall-ID: cut\r\nVia: SIP/2".to_vec(),
        b"INVITE sip:b@example.org SIP/2.0\r\nContent-Length: 4294967295\r\n\r\n".to_vec(),
    ] {
        let frames = [
            over_tcp(false, 1, &damaged),
            over_tcp(false, 2, &whole),
            over_tcp(false, 3, &damaged),
        ];
        let (file, report) = pcapng(&stored(&frames));
        assert_eq!((report.packets, report.cut), (3, 2), "{damaged:?}");
        let (_, packets) = packets(&file);
        assert!(packets[0].original_length > packets[0].octets.len());
        assert!(packets[0].comment.ends_with("end missing"));
        assert_eq!(packets[1].original_length, packets[1].octets.len());
        let (items, _) = items(&file);
        let last = items.iter().find(|item| item.octets == whole);
        let seen = last
            .and_then(|item| item.seen)
            .expect("the whole one is there");
        let sent = Duration::from_micros(1_700_000_000_000_002);
        assert_eq!(seen.time, Some(sent));
    }
}

#[test]
fn what_stands_behind_a_message_is_apart_from_it() {
    let (long, whole) = (sip("long", b"body"), sip("whole", b""));
    let padded = [&long[..], b"\0"].concat();
    let frames = [over_tcp(false, 1, &padded), over_tcp(false, 2, &whole)];
    let (file, report) = pcapng(&stored(&frames));
    assert_eq!((report.messages, report.packets, report.cut), (2, 3, 1));
    let (_, packets) = packets(&file);
    assert!(packets[0].octets.ends_with(&long));
    assert_eq!(packets[0].original_length, packets[0].octets.len());
    assert!(packets[1].octets.ends_with(b"\0"));
    assert!(packets[1].comment.ends_with("piece 2 of 2; end missing"));
    let found: Vec<_> = items(&file).0.into_iter().map(|i| i.octets).collect();
    assert_eq!(found, [long, whole]);
}

#[test]
fn what_fits_no_packet_is_there_all_the_same() {
    let body = vec![b'z'; 65_000];
    let big = sip("big", &body);
    let fill = 65_535 - big.len();
    let big = [&big[..], &vec![b' '; fill]].concat();
    let big = String::from_utf8(big).expect("text");
    let big = big.replace(
        "Content-Length: 65000",
        &format!("Content-Length: {}", 65_000 + fill),
    );
    assert_eq!(big.len(), 65_535);
    let compressed = |ip_protocol: u8| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(big.as_bytes()).expect("a Vec takes all");
        let meta = meta(|meta| {
            meta.ip_protocol = ip_protocol;
        });
        let mut chunks = meta.chunks();
        chunks.push(chunk(0, 0x0010, &encoder.finish().expect("it ends")));
        v3(&chunks)
    };
    // A stream takes it in two pieces.
    let (file, report) = pcapng(&stored(&[compressed(6)]));
    assert_eq!((report.messages, report.packets, report.cut), (1, 2, 0));
    let comments = packets(&file).1;
    assert!(comments[0].comment.ends_with("piece 1 of 2"));
    assert!(comments[1].comment.ends_with("piece 2 of 2"));
    let (found, _) = items(&file);
    assert_eq!(found.len(), 1);
    assert!(found[0].octets == big.as_bytes());
    // A datagram does not.
    let frame = compressed(17);
    let (file, report) = pcapng(&stored(std::slice::from_ref(&frame)));
    assert_eq!(report.as_hep.get("too_large"), Some(&1));
    let (found, _) = items(&file);
    assert_eq!((found[0].content, &found[0].octets), (Content::Hep, &frame));
    // Nor does it take a frame of 65,535 octets, which is a log here.
    let meta = meta(|meta| {
        meta.protocol_type = 100;
    });
    let room = 65_535 - meta.v3(b"").len();
    let frame = meta.v3(&vec![b'l'; room]);
    let (file, report) = pcapng(&stored(std::slice::from_ref(&frame)));
    assert_eq!((report.packets, report.as_hep["not_traffic"]), (2, 1));
    let (found, _) = items(&file);
    let seen = found[0].seen.expect("it was in a packet");
    assert_eq!((found.len(), seen.carrier), (1, Carrier::Tcp));
    assert!(found[0].octets == frame);
}

#[test]
fn sctp_is_sctp() {
    let meta = meta(|meta| {
        meta.ip_protocol = 132;
    });
    let payload = sip("sctp", b"odd");
    let (file, report) = pcapng(&stored(&[meta.v3(&payload), meta.v3(&payload)]));
    assert_eq!((report.packets, report.as_hep_total()), (2, 0));
    for (transmission, packet) in (1_u32..).zip(packets(&file).1) {
        let sliced = LaxSlicedPacket::from_ip(&packet.octets).expect("a packet");
        let Some(LaxNetSlice::Ipv4(ip)) = sliced.net else {
            panic!("no IPv4");
        };
        assert_eq!(ip.payload().ip_number.0, 132);
        let sctp = ip.payload().payload;
        assert_eq!(sctp[..4], [0x13, 0xc4, 0x13, 0xd8], "ports");
        assert_eq!(sctp[12..14], [0, 3], "a chunk of data, whole");
        let length = usize::from(u16::from_be_bytes([sctp[14], sctp[15]]));
        assert_eq!(sctp[16..20], transmission.to_be_bytes());
        assert_eq!(sctp[28..12 + length], payload);
        assert_eq!(sctp.len() % 4, 0);
    }
}

#[test]
fn the_comment_names_who_saw_it_and_when() {
    let mut chunks = Meta::default().chunks();
    chunks.push(chunk(0, 0x0013, b"sbc\x1b[31m-1"));
    chunks.push(chunk(0, 0x0011, b"corr-7"));
    chunks.push(chunk(0, 0x000f, &sip("1", b"")));
    let messages = stored(&[v3(&chunks)]);
    let (file, _) = pcapng(&messages);
    let (interfaces, found) = packets(&file);
    assert_eq!(interfaces, ["192.0.2.7 (sbc\\x1b[31m-1)"]);
    assert_eq!(
        found[0].comment,
        "agent 192.0.2.7:33000 over tcp; listener edge; capture id 2001; node sbc\\x1b[31m-1; \
         received 2023-11-14T22:13:21.000000Z; correlation corr-7; id 1"
    );
    assert_eq!(found[0].micros, 1_700_000_000_123_456);
    // Half a second is more than this clock is believed.
    let strict = ClockBounds::new(Duration::ZERO, Duration::from_millis(500));
    let (file, _) = export(&messages, Format::Pcapng, strict);
    let (_, found) = packets(&file);
    assert_eq!(found[0].micros, RECEIVED);
    let claimed = "; claimed 2023-11-14T22:13:20.123456Z (behind, not believed); ";
    assert!(found[0].comment.contains(claimed), "{}", found[0].comment);
}

#[test]
fn senders_cannot_make_interfaces_without_end() {
    let frames: Vec<_> = (0..4_200)
        .map(|capture_id| {
            let meta = meta(|meta| {
                meta.capture_id = capture_id;
            });
            meta.v3(&sip("1", b""))
        })
        .collect();
    let (file, report) = pcapng(&stored(&frames));
    assert_eq!(report.packets, 4_200);
    let (interfaces, packets) = packets(&file);
    assert_eq!(interfaces.len(), 4_097);
    assert_eq!(interfaces[4_096], "other agents");
    assert_eq!(packets[4_095].interface, 4_095);
    assert!(
        packets[4_096..]
            .iter()
            .all(|packet| packet.interface == 4_096)
    );
}

#[test]
fn no_key_is_exported() {
    let meta = |protocol_type| {
        meta(|meta| {
            meta.protocol_type = protocol_type;
            meta.auth_key = Some(b"s3cret-of-an-agent".to_vec());
        })
    };
    let mut broken = meta(1).v3(b"payload");
    let length = broken.len();
    broken.truncate(length - 3);
    broken[4..6].copy_from_slice(&u16::try_from(length - 3).expect("short").to_be_bytes());
    let messages = stored(&[meta(1).v3(&sip("1", b"")), meta(100).v3(b"a log"), broken]);
    for format in Format::ALL {
        let (file, report) = export(&messages, format, trusting());
        assert_eq!(report.messages, 3);
        assert!(
            memchr::memmem::find(&file, b"s3cret").is_none(),
            "{format:?}"
        );
    }
}

#[test]
fn text_keeps_lines_and_nothing_that_acts() {
    let payload = b"OPTIONS sip:b SIP/2.0\r\nSubject: \x1b[31mred\xe9\r\n\r\nbody\rmore\nend";
    let log = meta(|meta| {
        meta.protocol_type = 100;
        meta.time_usec = 0;
    });
    let mut broken = Meta::default().v3(b"payload");
    broken[10..12].copy_from_slice(&2_u16.to_be_bytes());
    let messages = stored(&[
        Meta::default().v3(payload),
        log.v3(b"a log\n"),
        broken.clone(),
    ]);
    let (file, _) = export(&messages, Format::Text, trusting());
    let text = String::from_utf8(file).expect("text");
    let expected = "\
2023-11-14T22:13:20.000000Z  192.0.2.1:5060 -> 192.0.2.2:5080  udp  log  agent 192.0.2.7  listener edge  6 octets
a log

2023-11-14T22:13:20.123456Z  192.0.2.1:5060 -> 192.0.2.2:5080  udp  sip  agent 192.0.2.7  listener edge  58 octets
OPTIONS sip:b SIP/2.0\r
Subject: \\x1b[31mred\\xe9\r
\r
body\\rmore
end

2023-11-14T22:13:21.000000Z~  unparsable chunk_too_short at octet ";
    assert!(text.starts_with(expected), "{text}");
    let tail = format!(
        "  agent 192.0.2.7  listener edge  {} octets\nHEP3\\x00j\\x00",
        broken.len()
    );
    assert!(text.contains(&tail), "{text}");
    assert!(text.ends_with("\\x0f\\x00\\rpayload\n\n"), "{text}");
    // A frame is no text: it has no lines.
    assert_eq!(text.lines().count(), 3 + 1 + 3 + 5 + 1);
}

#[test]
fn json_lines_are_the_objects_of_the_messages() {
    let frames: Vec<_> = [3, 1, 2]
        .map(|micros| over_tcp(false, micros, &sip(&micros.to_string(), b"")))
        .to_vec();
    let messages = stored(&frames);
    let (file, _) = export(&messages, Format::Json, trusting());
    let lines: Vec<serde_json::Value> = std::str::from_utf8(&file)
        .expect("text")
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    let call_ids: Vec<_> = lines.iter().map(|line| &line["sip"]["call_id"]).collect();
    assert_eq!(call_ids, ["1", "2", "3"]);
    let all = hepcat::render::Contents::ALL;
    assert_eq!(lines[0], messages[1].json(trusting(), all));
}

#[test]
fn messages_of_one_time_are_in_the_order_of_their_ids() {
    let frames = ["a", "b", "c"].map(|id| over_tcp(false, 7, &sip(id, b"")));
    let mut messages = stored(&frames);
    messages.rotate_left(1);
    let (file, _) = pcapng(&messages);
    let found = items(&file).0;
    let ids: Vec<_> = found.iter().map(|item| item.octets.clone()).collect();
    assert_eq!(ids, ["a", "b", "c"].map(|id| sip(id, b"")));
}

#[test]
fn nothing_makes_a_file_without_packets() {
    let (file, report) = pcapng(&[]);
    assert_eq!(report, Report::default());
    assert_eq!(packets(&file).1.len(), 0);
    for format in [Format::Text, Format::Json] {
        assert_eq!(export(&[], format, trusting()).0.len(), 0);
    }
    for format in Format::ALL {
        assert_eq!(Format::from_name(format.name()), Some(format));
    }
    assert_eq!(Format::from_name("pcap"), None);
}

/// Messages as agents report them: whole, or in the pieces in which TCP carried them.
#[derive(Debug, Clone)]
struct Said {
    connection: u16,
    is_answer: bool,
    body: Vec<u8>,
    pieces: usize,
}

fn said() -> impl Strategy<Value = Said> {
    let size = prop_oneof![4 => 0..2_000_usize, 1 => 2_000..65_000_usize];
    let body = (size, any::<u8>()).prop_map(|(size, seed)| {
        let octet = |n: usize| n.wrapping_mul(31).to_le_bytes()[0] ^ seed;
        (0..size).map(octet).collect()
    });
    (0..3_u16, any::<bool>(), body, 1..5_usize).prop_map(|(connection, is_answer, body, pieces)| {
        Said {
            connection,
            is_answer,
            body,
            pieces,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn payloads_of_any_size_and_order_come_out_of_their_streams(
        said in prop::collection::vec(said(), 1..20),
        is_v6 in any::<bool>(),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 0..100),
    ) {
        let ends = |connection: u16, is_answer: bool| {
            let ip = |n: u8| match is_v6 {
                true => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(n)]),
                false => IpAddr::from([192, 0, 2, n]),
            };
            let (caller, callee) = ((ip(1), 40_000 + connection).into(), (ip(2), 5060).into());
            if is_answer { (callee, caller) } else { (caller, callee) }
        };
        let mut expected: HashMap<(SocketAddr, SocketAddr), Vec<Vec<u8>>> = HashMap::new();
        let mut queues: HashMap<_, Vec<Vec<u8>>> = HashMap::new();
        for (number, said) in said.iter().enumerate() {
            let direction = ends(said.connection, said.is_answer);
            let message = sip(&number.to_string(), &said.body);
            let size = message.len().div_ceil(said.pieces);
            let queue = queues.entry(direction).or_default();
            queue.extend(message.chunks(size).map(<[u8]>::to_vec));
            expected.entry(direction).or_default().push(message);
        }
        // The directions take turns as chance will have it.
        let mut queues: Vec<_> = queues.into_iter().map(|(d, q)| (d, q.into_iter())).collect();
        queues.sort_by_key(|(direction, _)| *direction);
        let mut turns = turns.into_iter();
        let mut frames = Vec::new();
        while !queues.is_empty() {
            let at = turns.next().map_or(0, |turn| turn.index(queues.len()));
            let ((source, destination), queue) = &mut queues[at];
            let Some(payload) = queue.next() else {
                queues.swap_remove(at);
                continue;
            };
            let meta = meta(|meta| { meta.source = *source; meta.destination = *destination; meta.ip_protocol = 6; meta.time_usec = u32::try_from(frames.len()).expect("few"); });
            frames.push(meta.v3(&payload));
        }
        let (file, report) = pcapng(&stored(&frames));
        prop_assert_eq!(report.messages, frames.len() as u64);
        prop_assert_eq!((report.cut, report.as_hep_total()), (0, 0));
        for packet in packets(&file).1 {
            assert_checksums(&packet);
        }
        let (items, read) = items(&file);
        prop_assert_eq!(read.skipped_total(), 0, "{:?}", read);
        let mut found: HashMap<_, Vec<Vec<u8>>> = HashMap::new();
        for item in items {
            let seen = item.seen.expect("it was in a packet");
            found.entry((seen.source, seen.destination)).or_default().push(item.octets);
        }
        prop_assert!(found == expected);
    }
}
