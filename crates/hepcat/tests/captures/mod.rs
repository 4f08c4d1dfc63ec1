//! Capture files made in memory.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::unwrap_used,
    reason = "each test file uses its own part of this module, and what fails here fails the test"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header,
    LinuxSllPacketType, PacketBuilder, VlanId,
};

pub(crate) const ETHERNET: u32 = 1;
pub(crate) const NULL: u32 = 0;
pub(crate) const RAW: u32 = 101;
pub(crate) const LOOP: u32 = 108;
pub(crate) const SLL: u32 = 113;
pub(crate) const SLL2: u32 = 276;

/// 2026-11-23 00:00:00 UTC.
pub(crate) const START: u64 = 1_795_392_000;

pub(crate) const A: [u8; 4] = [192, 0, 2, 1];
pub(crate) const B: [u8; 4] = [198, 51, 100, 2];

pub(crate) fn a6() -> [u8; 16] {
    "2001:db8::1".parse::<Ipv6Addr>().unwrap().octets()
}

pub(crate) fn b6() -> [u8; 16] {
    "2001:db8::2".parse::<Ipv6Addr>().unwrap().octets()
}

pub(crate) fn sip(method: &str, call_id: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} sip:bob@example.net SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK-{call_id}\r\n\
         From: \"Alice\" <sip:alice@example.org>;tag=a1\r\n\
         To: <sip:bob@example.net>\r\n\
         Call-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn ethernet() -> etherparse::PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
}

pub(crate) fn udp(source_port: u16, destination_port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ethernet()
        .ipv4(A, B, 64)
        .udp(source_port, destination_port)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

pub(crate) fn udp6(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ethernet()
        .ipv6(a6(), b6(), 64)
        .udp(5060, 5062)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

pub(crate) fn udp_in_vlan(vlans: &[u16], payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let id = |n: u16| VlanId::try_new(n).unwrap();
    let tagged = match vlans {
        [one] => ethernet().single_vlan(id(*one)),
        [outer, inner] => ethernet().double_vlan(id(*outer), id(*inner)),
        _ => panic!("one or two tags"),
    };
    tagged
        .ipv4(A, B, 64)
        .udp(5060, 5062)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

/// Without a link header.
pub(crate) fn udp_raw(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv4(A, B, 64)
        .udp(5060, 5062)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

pub(crate) fn udp_raw6(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::ipv6(a6(), b6(), 64)
        .udp(5060, 5062)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

pub(crate) fn udp_cooked(payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    PacketBuilder::linux_sll(LinuxSllPacketType::OTHERHOST, 6, [2, 0, 0, 0, 0, 1, 0, 0])
        .ipv4(A, B, 64)
        .udp(5060, 5062)
        .write(&mut packet, payload)
        .unwrap();
    packet
}

/// `LINKTYPE_LINUX_SLL2` as tcpdump's page lays it out.
pub(crate) fn udp_cooked2(payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x08, 0x00, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6];
    packet.extend_from_slice(&[2, 0, 0, 0, 0, 1, 0, 0]);
    packet.extend_from_slice(&udp_raw(payload));
    packet
}

pub(crate) struct Tcp {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) sequence: u32,
    pub(crate) flags: &'static str,
}

pub(crate) fn tcp(segment: &Tcp, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    let mut step = ethernet().ipv4(A, B, 64).tcp(
        segment.source_port,
        segment.destination_port,
        segment.sequence,
        65_000,
    );
    for flag in segment.flags.chars() {
        step = match flag {
            'S' => step.syn(),
            'F' => step.fin(),
            'R' => step.rst(),
            'A' => step.ack(1),
            other => panic!("no flag {other}"),
        };
    }
    step.write(&mut packet, payload).unwrap();
    packet
}

/// The UDP datagram with this payload in IPv4 fragments that carry `size` octets each.
pub(crate) fn fragments(identification: u16, size: usize, payload: &[u8]) -> Vec<Vec<u8>> {
    let whole = udp_raw(payload);
    let pieces: Vec<_> = whole[20..].chunks(size).collect();
    let last = pieces.len() - 1;
    pieces
        .iter()
        .enumerate()
        .map(|(n, piece)| {
            let length = u16::try_from(piece.len()).unwrap();
            let mut header = Ipv4Header::new(length, 64, IpNumber::UDP, A, B).unwrap();
            header.identification = identification;
            header.more_fragments = n < last;
            let offset = u16::try_from(n * size / 8).unwrap();
            header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
            header.header_checksum = header.calc_header_checksum();
            let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
            header.write(&mut packet).unwrap();
            packet.extend_from_slice(piece);
            packet
        })
        .collect()
}

/// The same over IPv6 with fragment headers.
pub(crate) fn fragments6(identification: u32, size: usize, payload: &[u8]) -> Vec<Vec<u8>> {
    let whole = udp_raw6(payload);
    let pieces: Vec<_> = whole[40..].chunks(size).collect();
    let last = pieces.len() - 1;
    pieces
        .iter()
        .enumerate()
        .map(|(n, piece)| {
            let offset = u16::try_from(n * size / 8).unwrap();
            let fragment = Ipv6FragmentHeader::new(
                IpNumber::UDP,
                IpFragOffset::try_new(offset).unwrap(),
                n < last,
                identification,
            );
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: u16::try_from(8 + piece.len()).unwrap(),
                next_header: IpNumber::IPV6_FRAGMENTATION_HEADER,
                hop_limit: 64,
                source: a6(),
                destination: b6(),
            };
            let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
            header.write(&mut packet).unwrap();
            fragment.write(&mut packet).unwrap();
            packet.extend_from_slice(piece);
            packet
        })
        .collect()
}

/// UDP over IPv6 behind hop-by-hop and destination options.
pub(crate) fn udp6_with_extensions(payload: &[u8]) -> Vec<u8> {
    let plain = udp_raw6(payload);
    let mut packet = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
    let options = [60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0];
    packet.extend_from_slice(&plain[..40]);
    let length = u16::try_from(plain.len() - 40 + options.len()).unwrap();
    packet[18..20].copy_from_slice(&length.to_be_bytes());
    packet[20] = 0;
    packet.extend_from_slice(&options);
    packet.extend_from_slice(&plain[40..]);
    packet
}

/// An ICMP packet, which is nothing for us.
pub(crate) fn ping() -> Vec<u8> {
    let mut packet = Vec::new();
    ethernet()
        .ip(IpHeaders::Ipv4(
            Ipv4Header::new(8, 64, IpNumber::ICMP, A, B).unwrap(),
            Default::default(),
        ))
        .icmpv4_echo_request(1, 1)
        .write(&mut packet, &[])
        .unwrap();
    packet
}

/// A pcap file: each packet with its time in microseconds after [`START`].
pub(crate) fn pcap(link: u32, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = pcap_header(link);
    for (micros, packet) in packets {
        file.extend_from_slice(&pcap_record(*micros, packet, packet.len()));
    }
    file
}

pub(crate) fn pcap_header(link: u32) -> Vec<u8> {
    let mut file = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    file.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend_from_slice(&262_144_u32.to_le_bytes());
    file.extend_from_slice(&link.to_le_bytes());
    file
}

/// One packet of which `kept` octets were captured.
pub(crate) fn pcap_record(micros: u64, packet: &[u8], kept: usize) -> Vec<u8> {
    let seconds = u32::try_from(START + micros / 1_000_000).unwrap();
    let part = u32::try_from(micros % 1_000_000).unwrap();
    let mut record = Vec::new();
    for field in [
        seconds,
        part,
        u32::try_from(kept).unwrap(),
        u32::try_from(packet.len()).unwrap(),
    ] {
        record.extend_from_slice(&field.to_le_bytes());
    }
    record.extend_from_slice(&packet[..kept]);
    record
}

/// Packets one second apart.
pub(crate) fn every_second(packets: Vec<Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
    (0..).map(|n| n * 1_000_000).zip(packets).collect()
}

/// A pcapng file with one interface whose time stamps are in nanoseconds, written big-endian.
pub(crate) fn pcapng(link: u16, packets: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = block(
        0x0a0d_0d0a,
        &[
            0x1a2b_3c4d_u32.to_be_bytes().as_slice(),
            &[0, 1, 0, 0],
            &[0xff; 8],
        ],
    );
    // if_tsresol 9, end of options.
    let options = [0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0];
    file.extend(block(
        1,
        &[&link.to_be_bytes(), &[0, 0], &[0, 4, 0, 0], &options],
    ));
    // A block of a kind that nobody knows is passed over.
    file.extend(block(0x7fff_0001, &[&[1, 2, 3, 4]]));
    for (micros, packet) in packets {
        let stamp = (START * 1_000_000 + micros) * 1_000;
        let length = u32::try_from(packet.len()).unwrap().to_be_bytes();
        let padding = vec![0; packet.len().next_multiple_of(4) - packet.len()];
        file.extend(block(
            6,
            &[
                &[0; 4],
                &stamp.to_be_bytes(),
                &length,
                &length,
                packet,
                &padding,
            ],
        ));
    }
    file
}

fn block(kind: u32, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 12).unwrap().to_be_bytes();
    let kind = kind.to_be_bytes();
    [&kind[..], &length, &body, &length].concat()
}

pub(crate) fn v4(octets: [u8; 4], port: u16) -> std::net::SocketAddr {
    (Ipv4Addr::from(octets), port).into()
}
