//! Wireshark reads what is exported: every SIP message with its Call-ID, addresses, time and comment, over whatever it
//! went, without a word of complaint.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hepcat::{
    agents::ClockBounds,
    export::{self, Format},
    pipeline::{Capture, Inflated},
    search::StoredMessage,
    sink::store::row::{About, RowWriter},
};
use hepcat_interop::Dissected;
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport};
use hepcat_testkit::frame::{Meta, chunk, v3};
use hepcat_wire::Message;

/// What is asked of every packet.
const FIELDS: &[&str] = &[
    "frame.time_epoch",
    "frame.comment",
    "frame.interface_name",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "tcp.srcport",
    "tcp.dstport",
    "sctp.srcport",
    "sctp.dstport",
    "ip.checksum.status",
    "tcp.checksum.status",
    "udp.checksum.status",
    "sctp.checksum.status",
    "tcp.analysis.flags",
    "_ws.malformed",
    "sip.Method",
    "sip.Call-ID",
    "sip.CSeq",
    "data.len",
    "data.data",
];

/// In `tshark`'s words.
const GOOD: &str = "1";

fn end(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn sip(method: &str, call_id: &str, body: usize) -> Vec<u8> {
    format!(
        "{method} sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK-{call_id}\r\n\
         From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\nContent-Type: text/plain\r\nContent-Length: {body}\r\n\r\n{}",
        "x".repeat(body)
    )
    .into_bytes()
}

/// The usual message with something changed.
fn meta(change: impl FnOnce(&mut Meta)) -> Meta {
    let mut meta = Meta::default();
    change(&mut meta);
    meta
}

/// A message, `micros` after the usual time.
fn message(protocol: u8, from: &str, to: &str, micros: u32, payload: &[u8]) -> Vec<u8> {
    let meta = meta(|meta| {
        meta.source = end(from);
        meta.destination = end(to);
        meta.ip_protocol = protocol;
        meta.time_usec = micros;
    });
    let mut chunks = meta.chunks();
    chunks.push(chunk(0, 0x0013, b"sbc-1"));
    chunks.push(chunk(0, 0x000f, payload));
    v3(&chunks)
}

/// The file that the messages of these frames become.
fn exported(frames: &[Vec<u8>]) -> Vec<u8> {
    let (peer, local) = (end("198.51.100.7:33000"), end("198.51.100.1:9060"));
    let origin = Arc::new(Origin::new(ListenerId(1), Transport::Udp, peer, local));
    let received = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_001);
    let mut writer = RowWriter::default();
    for octets in frames {
        let decoded = Message::parse(Bytes::copy_from_slice(octets)).expect("it decodes");
        let arrival = Arrival::Message(Envelope::new(decoded, Arc::clone(&origin), received));
        let inflated = Inflated::default();
        let capture = Capture::new(&arrival, "edge", Some(&inflated)).expect("a capture");
        let Capture::Message(view) = capture else {
            panic!("no message");
        };
        let about = About {
            listener: "edge",
            ..About::default()
        };
        writer.message(&view, &about).expect("it is not too large");
    }
    let batch = writer.take().finish();
    let rows = (0..frames.len()).map(|n| batch.rows().get(n).expect("a row"));
    let messages: Vec<_> = rows
        .map(|row| StoredMessage::from_row(&row).expect("a message"))
        .collect();
    let mut file = Vec::new();
    let clock = ClockBounds::default();
    let report =
        export::write(&messages, Format::Pcapng, clock, &mut file).expect("a Vec takes all");
    assert_eq!(report.messages, frames.len() as u64);
    file
}

fn assert_sound(dissected: &Dissected) {
    for layer in ["ip", "tcp", "udp", "sctp"] {
        let found = dissected.all(&format!("{layer}.checksum.status"));
        assert!(
            found.iter().all(|f| f.is_empty() || *f == GOOD),
            "{layer}: {found:?}"
        );
    }
    for complaint in ["tcp.analysis.flags", "_ws.malformed"] {
        let found = dissected.all(complaint);
        assert!(found.iter().all(|f| f.is_empty()), "{complaint}: {found:?}");
    }
}

#[test]
fn every_sip_message_is_found_whatever_it_went_over() {
    let (a4, b4) = ("192.0.2.1:40000", "192.0.2.2:5060");
    let (a6, b6) = ("[2001:db8::1]:40000", "[2001:db8::2]:5060");
    let (tls, odd) = ("192.0.2.2:5061", "192.0.2.2:15060");
    // Over what, from where to where, with how large a body.
    let said = [
        (17, a4, b4, 0),
        (17, b4, a4, 1_400),
        (17, a6, b6, 30_000),
        (6, a4, b4, 0),
        (6, b4, a4, 10),
        (6, a4, b4, 60_000),
        (6, a6, b6, 10),
        (6, b6, a6, 40_000),
        (6, b4, a4, 2_000),
        (22, a4, tls, 100),
        (22, tls, a4, 100),
        (50, a4, odd, 100),
        (50, odd, a4, 100),
        (132, a4, b4, 101),
        (132, b4, a4, 5_000),
    ];
    let numbered = || (0..).zip(said);
    let call_id = |number: u32| format!("call-{number}@wireshark");
    let frames: Vec<_> = numbered()
        .map(|(n, (protocol, from, to, body))| {
            message(
                protocol,
                from,
                to,
                1_000 + n,
                &sip("MESSAGE", &call_id(n), body),
            )
        })
        .collect();
    let Some(dissected) = Dissected::of(&exported(&frames), FIELDS) else {
        return;
    };
    assert_eq!(dissected.len(), said.len(), "a packet for each");
    assert_sound(&dissected);
    let call_ids: Vec<_> = numbered().map(|(n, _)| call_id(n)).collect();
    assert_eq!(dissected.all("sip.Call-ID"), call_ids);
    assert!(
        dissected
            .all("sip.CSeq")
            .iter()
            .all(|cseq| *cseq == "1 MESSAGE")
    );
    let times = numbered().map(|(n, _)| format!("1700000000.{:06}000", 1_000 + n));
    assert_eq!(dissected.all("frame.time_epoch"), times.collect::<Vec<_>>());
    for comment in dissected.all("frame.comment") {
        let start = "agent 198.51.100.7:33000 over udp; listener edge; capture id 2001; node sbc-1; \
                     received 2023-11-14T22:13:21.000000Z";
        assert!(comment.starts_with(start), "{comment}");
    }
    let names = dissected.all("frame.interface_name");
    assert!(
        names.iter().all(|name| *name == "198.51.100.7 (sbc-1)"),
        "{names:?}"
    );
    for (n, (protocol, from, to, _)) in (0_usize..).zip(said) {
        let layer = match protocol {
            17 => "udp",
            132 => "sctp",
            _ => "tcp",
        };
        for (end_text, side, port) in [(from, "src", "srcport"), (to, "dst", "dstport")] {
            let end = end(end_text);
            let ip = if end.is_ipv4() { "ip" } else { "ipv6" };
            let address = dissected.all(&format!("{ip}.{side}"))[n];
            assert_eq!(address, end.ip().to_string());
            assert_eq!(
                dissected.all(&format!("{layer}.{port}"))[n],
                end.port().to_string()
            );
        }
    }
}

#[test]
fn a_message_that_an_agent_cut_does_not_hide_the_next() {
    let (a, b) = ("192.0.2.1:40000", "192.0.2.2:5060");
    let whole = |n: u32| sip("MESSAGE", &format!("whole-{n}"), 50);
    let payloads = [
        // Without the end of its body.
        sip("MESSAGE", "cut-1", 3_000)[..1_000].to_vec(),
        whole(1),
        // More than it says, as a zero.
        [sip("MESSAGE", "long-2", 0), vec![0]].concat(),
        whole(2),
        // In the pieces in which TCP carried it.
        sip("MESSAGE", "pieces-3", 500)[..400].to_vec(),
        sip("MESSAGE", "pieces-3", 500)[400..].to_vec(),
        whole(3),
        // A length that cannot be.
        b"MESSAGE sip:b SIP/2.0\r\nCall-ID: lie-4\r\nContent-Length: 4294967295\r\n\r\n".to_vec(),
        whole(4),
    ];
    let frames: Vec<_> = (1..)
        .zip(&payloads)
        .map(|(micros, payload)| message(6, a, b, micros, payload))
        .collect();
    let Some(dissected) = Dissected::of(&exported(&frames), FIELDS) else {
        return;
    };
    let found = dissected.all("sip.Call-ID");
    // What was cut is SIP up to its first line, behind which Wireshark stops: it would not look for what lacks.
    let expected = [
        "", "whole-1", "long-2", "", "whole-2", "", "pieces-3", "whole-3", "", "whole-4",
    ];
    assert_eq!(found, expected);
    let methods = dissected.all("sip.Method");
    assert_eq!((methods[0], methods[8]), ("MESSAGE", "MESSAGE"));
    let analysis = dissected.all("tcp.analysis.flags");
    assert!(
        analysis.iter().all(|flags| flags.is_empty()),
        "{analysis:?}"
    );
}

#[test]
fn rtcp_and_logs_are_there_too() {
    let report = br#"{"sender_information":{"packets":12},"ssrc":1,"type":200}"#;
    let meta = |protocol_type| {
        meta(|meta| {
            meta.source = end("192.0.2.1:4001");
            meta.destination = end("192.0.2.2:6001");
            meta.protocol_type = protocol_type;
        })
    };
    let frames = [meta(5).v3(report), meta(100).v3(b"a log line")];
    let Some(dissected) = Dissected::of(&exported(&frames), FIELDS) else {
        return;
    };
    assert_sound(&dissected);
    assert_eq!(dissected.all("udp.srcport"), ["4001", "33000"]);
    assert_eq!(dissected.all("udp.dstport"), ["6001", "9060"]);
    let hex = |octets: &[u8]| {
        octets
            .iter()
            .map(|o| format!("{o:02x}"))
            .collect::<String>()
    };
    assert_eq!(dissected.all("data.data"), [hex(report), hex(&frames[1])]);
    let comments = dissected.all("frame.comment");
    assert!(
        comments[1].ends_with("HEP frame (not_traffic)"),
        "{comments:?}"
    );
}
