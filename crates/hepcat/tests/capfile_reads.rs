//! Capture files give the SIP and HEP that is in them, whatever lies around it.

mod captures;

use std::{io::Cursor, time::Duration};

use captures::{
    ETHERNET, LOOP, NULL, RAW, SLL, SLL2, START, Tcp, every_second, fragments, fragments6, pcap,
    pcap_header, pcap_record, pcapng, ping, sip, tcp, udp, udp_cooked, udp_cooked2, udp_in_vlan,
    udp_raw, udp_raw6, udp6, udp6_with_extensions, v4,
};
use hepcat::capfile::{Carrier, Content, Input, InputKind, Item};

fn read(file: Vec<u8>) -> (Vec<Item>, Input) {
    let mut input = Input::from_reader(Cursor::new(file)).expect("a file in memory can be read");
    let items = input.by_ref().collect();
    (items, input)
}

fn sip_of(items: &[Item]) -> Vec<&[u8]> {
    items
        .iter()
        .filter(|i| i.content == Content::Sip)
        .map(|i| i.octets.as_slice())
        .collect()
}

#[test]
fn sip_in_udp_is_found_on_any_port_with_time_and_addresses() {
    let message = sip("INVITE", "one", "v=0");
    let file = pcap(ETHERNET, &[(1_500_000, udp(40_000, 9, &message))]);
    let (items, input) = read(file);
    assert_eq!(input.kind(), InputKind::Pcap);
    assert_eq!(sip_of(&items), [message.as_slice()]);
    let seen = items[0].seen.unwrap();
    assert_eq!(seen.packet, 1);
    assert_eq!(
        seen.time,
        Some(Duration::from_millis(START * 1_000 + 1_500))
    );
    assert_eq!(seen.source, v4(captures::A, 40_000));
    assert_eq!(seen.destination, v4(captures::B, 9));
    assert_eq!(seen.carrier, Carrier::Udp);
    assert!(!seen.cut);
    assert_eq!(input.fault(), None);
}

#[test]
fn every_link_type_leads_to_the_same_message() {
    let message = sip("OPTIONS", "links", "");
    let null = |family: [u8; 4], packet: Vec<u8>| [family.to_vec(), packet].concat();
    let cases = [
        (ETHERNET, udp(5060, 5062, &message)),
        (ETHERNET, udp6(&message)),
        (ETHERNET, udp6_with_extensions(&message)),
        (ETHERNET, udp_in_vlan(&[7], &message)),
        (ETHERNET, udp_in_vlan(&[7, 42], &message)),
        (SLL, udp_cooked(&message)),
        (SLL2, udp_cooked2(&message)),
        (RAW, udp_raw(&message)),
        (RAW, udp_raw6(&message)),
        (NULL, null([2, 0, 0, 0], udp_raw(&message))),
        (NULL, null([0, 0, 0, 2], udp_raw(&message))),
        (NULL, null([30, 0, 0, 0], udp_raw6(&message))),
        (LOOP, null([0, 0, 0, 2], udp_raw(&message))),
    ];
    for (n, (link, packet)) in cases.into_iter().enumerate() {
        for file in [
            pcap(link, &[(0, packet.clone())]),
            pcapng(u16::try_from(link).unwrap(), &[(0, packet.clone())]),
        ] {
            let (items, input) = read(file);
            assert_eq!(sip_of(&items), [message.as_slice()], "case {n}: {input:?}");
        }
    }
}

#[test]
fn the_innermost_vlan_is_the_one_given() {
    let message = sip("OPTIONS", "vlan", "");
    for (tags, expected) in [(vec![7], 7), (vec![7, 42], 42)] {
        let (items, _) = read(pcap(ETHERNET, &[(0, udp_in_vlan(&tags, &message))]));
        assert_eq!(items[0].seen.unwrap().vlan, Some(expected));
    }
}

#[test]
fn pcapng_times_are_read_at_their_resolution() {
    let (items, input) = read(pcapng(
        1,
        &[(1_234_567, udp(5060, 5060, &sip("BYE", "ng", "")))],
    ));
    assert_eq!(input.kind(), InputKind::Pcapng);
    let time = items[0].seen.unwrap().time.unwrap();
    assert_eq!(time, Duration::from_micros(START * 1_000_000 + 1_234_567));
}

#[test]
fn fragments_in_any_order_make_the_datagram() {
    let message = sip("INVITE", "frag", &"x".repeat(4_000));
    for mut packets in [
        fragments(1, 1_000, &message),
        fragments6(1, 1_000, &message),
    ] {
        assert!(packets.len() >= 4);
        packets.reverse();
        packets.insert(1, ping());
        let (items, input) = read(pcap(ETHERNET, &every_second(packets.clone())));
        assert_eq!(sip_of(&items), [message.as_slice()]);
        assert_eq!(input.report().fragments_evicted, 0);

        packets.remove(0);
        let (items, input) = read(pcap(ETHERNET, &every_second(packets)));
        assert!(items.is_empty());
        assert_eq!(input.report().fragments_evicted, 1);
    }
}

#[test]
fn fragments_that_never_become_whole_cost_bounded_memory() {
    let message = sip("INVITE", "frag", &"x".repeat(3_000));
    let packets = (0..2_000).map(|id| (0, fragments(id, 1_000, &message).remove(0)));
    let (items, input) = read(pcap(ETHERNET, &packets.collect::<Vec<_>>()));
    assert!(items.is_empty());
    assert_eq!(input.report().fragments_evicted, 2_000);
}

fn segment(sequence: u32, flags: &'static str) -> Tcp {
    Tcp {
        source_port: 33_333,
        destination_port: 5060,
        sequence,
        flags,
    }
}

#[test]
fn sip_over_tcp_is_put_together_from_split_reordered_and_repeated_segments() {
    let one = sip("INVITE", "t1", &"a".repeat(900));
    let two = sip("ACK", "t1", "");
    let three = sip("BYE", "t1", "");
    let stream = [one.as_slice(), b"\r\n\r\n", &two, &three].concat();
    let piece = |from: usize, to: usize| {
        let sequence = u32::MAX - 499 + u32::try_from(from).unwrap() % 500;
        let sequence = if from >= 500 {
            u32::try_from(from - 500).unwrap().wrapping_add(1)
        } else {
            sequence.wrapping_add(1)
        };
        tcp(&segment(sequence, "A"), &stream[from..to.min(stream.len())])
    };
    let packets = vec![
        tcp(&segment(u32::MAX - 499, "S"), b""),
        piece(700, 1_200),
        piece(0, 300),
        piece(0, 300),
        piece(250, 700),
        ping(),
        piece(1_200, 5_000),
        tcp(&segment(9, "A"), b""),
    ];
    let (items, input) = read(pcap(ETHERNET, &every_second(packets)));
    assert_eq!(
        sip_of(&items),
        [one.as_slice(), two.as_slice(), three.as_slice()],
        "{input:?}"
    );
    let seen = items[0].seen.unwrap();
    assert_eq!(seen.carrier, Carrier::Tcp);
    // The first message was whole when the hole before its end had been filled: with the segment that had
    // waited, which came as the second packet.
    assert_eq!(seen.packet, 2);
    assert_eq!(input.report().tcp_retransmissions, 1);
    assert_eq!(input.report().tcp_out_of_order, 1);
    assert_eq!(input.report().tcp_gap_octets, 0);
}

#[test]
fn a_hole_in_a_stream_costs_the_message_that_it_cuts_and_no_other() {
    let one = sip("INVITE", "gap", &"a".repeat(900));
    let two = sip("ACK", "gap", "");
    let stream = [one.as_slice(), &two].concat();
    let packets = vec![
        tcp(&segment(0, "S"), b""),
        tcp(&segment(1, "A"), &stream[..400]),
        tcp(&segment(501, "A"), &stream[500..]),
        tcp(&segment(1 + u32::try_from(stream.len()).unwrap(), "F"), b""),
    ];
    let (items, input) = read(pcap(ETHERNET, &every_second(packets)));
    assert_eq!(sip_of(&items), [two.as_slice()]);
    assert_eq!(input.report().tcp_gap_octets, 100);
    assert_eq!(input.report().skipped.get("tcp_gap"), Some(&1));
    assert_eq!(input.report().skipped.get("tcp_unfinished"), Some(&1));
}

#[test]
fn a_stream_without_its_beginning_is_joined_at_the_next_message() {
    let one = sip("INVITE", "mid", "");
    let packets = vec![
        tcp(&segment(1_000, "A"), b"tail of something\r\na=b\r\n"),
        tcp(&segment(1_024, "A"), &one),
    ];
    let (items, input) = read(pcap(ETHERNET, &every_second(packets)));
    assert_eq!(sip_of(&items), [one.as_slice()]);
    assert_eq!(input.report().skipped.get("tcp_other"), Some(&1));
}

#[test]
fn more_flows_than_the_table_holds_are_evicted_and_counted() {
    let mut packets = Vec::new();
    for n in 0..20_000_u32 {
        let port = u16::try_from(n + 10_000).unwrap();
        let start = Tcp {
            source_port: port,
            ..segment(1, "A")
        };
        packets.push((0, tcp(&start, b"INVITE sip:never-ends")));
    }
    let (items, input) = read(pcap(ETHERNET, &packets));
    assert!(items.is_empty());
    assert!(input.report().flows_evicted >= 3_616, "{input:?}");
    assert_eq!(input.report().skipped.get("tcp_unfinished"), Some(&20_000));
}

#[test]
fn hep_is_recognised_in_udp_and_tcp_whole_or_split() {
    let frame = hepcat_testkit::frame::v3(&[hepcat_testkit::frame::chunk(0, 15, b"payload")]);
    let stream = [frame.as_slice(), &frame, b"\0\0", &frame].concat();
    let packets = vec![
        udp(9060, 1, &frame),
        tcp(&segment(1, "A"), &stream[..10]),
        tcp(&segment(11, "A"), &stream[10..30]),
        tcp(&segment(31, "A"), &stream[30..]),
    ];
    let (items, _) = read(pcap(ETHERNET, &every_second(packets)));
    assert_eq!(items.len(), 4);
    for item in &items {
        assert_eq!(item.content, Content::Hep);
        assert_eq!(item.octets, frame);
    }
}

#[test]
fn what_is_neither_is_named_and_not_lost() {
    let rtcp = [0x80, 200, 0, 6, 0, 0, 0, 1];
    let packets = vec![
        udp(1, 2, &rtcp),
        udp(1, 2, &[0x80, 0, 0, 1, 0, 0, 0, 1]),
        udp(1, 2, b"\r\n\r\n"),
        udp(1, 2, b"GET / HTTP/1.1\r\n"),
        ping(),
    ];
    let (items, input) = read(pcap(ETHERNET, &every_second(packets)));
    let kinds: Vec<_> = items.iter().map(|i| i.content).collect();
    let other = ["rtcp", "rtp", "keep_alive", "other"].map(Content::Other);
    assert_eq!(kinds, other);
    assert_eq!(input.report().skipped.get("not_udp_or_tcp"), Some(&1));
    assert_eq!(input.report().packets, 5);
}

#[test]
fn a_capture_that_breaks_off_gives_what_it_has_and_says_where() {
    let message = sip("OPTIONS", "cut", "");
    let packet = udp(5060, 5060, &message);
    let whole = pcap(ETHERNET, &[(0, packet.clone()), (1, packet.clone())]);
    let first_ends = 24 + 16 + packet.len();
    for length in first_ends..whole.len() {
        let (items, input) = read(whole[..length].to_vec());
        assert_eq!(sip_of(&items).len(), 1);
        match input.fault() {
            None => assert_eq!(length, first_ends),
            Some(fault) => {
                assert_eq!(fault.reason, "truncated", "{length}");
                assert_eq!(fault.offset, first_ends as u64);
            }
        }
    }
    let (_, input) = read(whole[..10].to_vec());
    assert_eq!(input.fault().unwrap().reason, "truncated");
    let (_, input) = read(Vec::new());
    assert_eq!(input.fault().unwrap().reason, "empty");
}

#[test]
fn a_packet_cut_by_the_capture_is_marked() {
    let packet = udp(5060, 5060, &sip("INVITE", "snap", &"x".repeat(500)));
    let file = [pcap_header(ETHERNET), pcap_record(0, &packet, 400)].concat();
    let (items, _) = read(file);
    assert_eq!(items.len(), 1);
    assert!(items[0].seen.unwrap().cut);
}

#[test]
fn a_packet_that_declares_gigabytes_is_a_fault_and_no_allocation() {
    let packet = udp(5060, 5060, &sip("INVITE", "big", ""));
    let mut file = pcap(ETHERNET, &[(0, packet)]);
    let good = file.len();
    file.extend_from_slice(&[0; 8]);
    file.extend_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    file.extend_from_slice(&[0; 300_000]);
    let (items, input) = read(file);
    assert_eq!(items.len(), 1);
    assert_eq!(input.fault().unwrap().offset, good as u64);
}

#[test]
fn gzipped_captures_are_unpacked_on_the_way() {
    use std::io::Write;
    let message = sip("OPTIONS", "gz", "");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer
        .write_all(&pcap(ETHERNET, &[(0, udp(5060, 5060, &message))]))
        .unwrap();
    let (items, input) = read(packer.finish().unwrap());
    assert_eq!(input.kind(), InputKind::Pcap);
    assert_eq!(sip_of(&items), [message.as_slice()]);
}

#[test]
fn hex_text_and_raw_frames_are_told_apart_and_read() {
    let frame = hepcat_testkit::frame::v3(&[hepcat_testkit::frame::chunk(0, 15, b"payload")]);
    let digits: String = frame.iter().map(|o| format!("{o:02x}")).collect();
    let (items, input) = read(format!("{digits}\n\n{digits}{digits}\n").into_bytes());
    assert_eq!(input.kind(), InputKind::Hex);
    let offsets: Vec<_> = items.iter().map(|i| i.offset.unwrap()).collect();
    let length = frame.len() as u64;
    assert_eq!(offsets, [0, length, 2 * length]);

    let (items, input) = read([frame.as_slice(), &frame].concat());
    assert_eq!(input.kind(), InputKind::Frames);
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|i| i.octets == frame));
}

#[test]
fn streams_of_real_senders_come_out_frame_by_frame_from_disordered_segments() {
    let vectors = hepcat_testkit::vectors();
    let streams: Vec<_> = vectors.iter().filter(|v| v.is_stream()).collect();
    assert!(streams.len() >= 4);
    for vector in streams {
        let mut packets = vec![tcp(&segment(u32::MAX - 700, "S"), b"")];
        let first = (u32::MAX - 700).wrapping_add(1);
        let mut sequence = first;
        for piece in vector.octets.chunks(333) {
            packets.push(tcp(&segment(sequence, "A"), piece));
            sequence = sequence.wrapping_add(u32::try_from(piece.len()).unwrap());
        }
        // Neighbours change places, and every fifth packet comes twice.
        let (_, rest) = packets.split_at_mut(1);
        rest.chunks_mut(2).for_each(<[_]>::reverse);
        let packets = packets
            .iter()
            .enumerate()
            .flat_map(|(n, packet)| vec![packet.clone(); if n % 5 == 4 { 2 } else { 1 }]);
        let (items, input) = read(pcap(ETHERNET, &every_second(packets.collect())));
        let messages = vector.entry["messages"].as_array().unwrap();
        assert_eq!(items.len(), messages.len(), "{}: {input:?}", vector.file);
        for (item, message) in items.iter().zip(messages) {
            let length = message["inner_bytes"]
                .as_u64()
                .or_else(|| message["length"].as_u64());
            assert_eq!(Some(item.octets.len() as u64), length);
            assert_eq!(item.gzipped, message.get("inner_bytes").is_some());
        }
        assert_eq!(input.report().tcp_gap_octets, 0);
    }
}

#[test]
fn what_flows_hold_back_together_is_bounded() {
    // Each flow has a hole in front of 60,000 octets.
    let payload = vec![b'x'; 60_000];
    let packets = (0..2_000_u16).flat_map(|n| {
        let at = |sequence| Tcp {
            source_port: 10_000 + n,
            ..segment(sequence, "A")
        };
        [
            (0, tcp(&at(1), b"INVITE sip:a SIP/2.0\r\n")),
            (0, tcp(&at(1_000), &payload)),
        ]
    });
    let mut file = pcap_header(ETHERNET);
    for (micros, packet) in packets {
        file.extend_from_slice(&pcap_record(micros, &packet, packet.len()));
    }
    let (_, input) = read(file);
    // 120 MB were offered to be held; 64 MiB may be.
    assert!(input.report().flows_evicted > 0, "{input:?}");
}
