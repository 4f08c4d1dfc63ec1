//! `hepcat send` replays what files hold, as HEP, at the pace asked for, and says what it did.

mod captures;

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

use assert_cmd::Command;
use captures::{
    A, B, ETHERNET, START, Tcp, every_second, pcap, pcapng, ping, sip, tcp, udp, udp_in_vlan, v4,
};
use hepcat_testkit::{FakeCollector, TestCa, frame::Meta, vectors};
use hepcat_wire::{Message, Version};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

fn file(octets: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), octets).expect("room on the disk");
    file
}

struct Sent {
    code: i32,
    summary: Value,
    err: String,
}

/// Runs it with `--json`.
fn send(to: &str, files: &[&Path], arguments: &[&str]) -> Sent {
    let mut command = Command::cargo_bin("hepcat").expect("the binary is built");
    command.arg("send").args(files).args(["--to", to, "--json"]);
    let output = command.args(arguments).output().expect("it runs");
    Sent {
        code: output.status.code().expect("it exits"),
        summary: serde_json::from_slice(&output.stdout).unwrap_or(Value::Null),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn to(scheme: &str, collector: &FakeCollector) -> String {
    format!("{scheme}:{}", collector.address())
}

/// SIP over UDP, in a VLAN, over TCP, and things that are no SIP.
fn mixed() -> Vec<u8> {
    let segment = |sequence| Tcp {
        source_port: 50_000,
        destination_port: 5070,
        sequence,
        flags: "A",
    };
    let by_tcp = sip("REGISTER", "tcp", "");
    pcap(
        ETHERNET,
        &every_second(vec![
            udp(5062, 5063, &sip("INVITE", "udp", "v=0")),
            udp(30_000, 30_001, &[0x80, 200, 0, 6, 0, 0, 0, 1]),
            udp_in_vlan(&[42], &sip("OPTIONS", "vlan", "")),
            ping(),
            tcp(&segment(1), &by_tcp[..50]),
            tcp(&segment(51), &by_tcp[50..]),
        ]),
    )
}

#[test]
fn sip_of_a_capture_arrives_as_hep_over_each_transport() {
    let capture = file(&mixed());
    let ca = TestCa::new();
    let tls = ca.server_config(&ca.localhost());
    let ca_file = ca.ca_file().to_str().expect("a path").to_owned();
    let cases = [
        ("hep_udp", FakeCollector::udp(), vec![]),
        ("hep_tcp", FakeCollector::tcp(), vec![]),
        (
            "hep_tls",
            FakeCollector::tls(tls),
            vec!["--ca", &ca_file, "--server-name", "localhost"],
        ),
    ];
    for (scheme, collector, mut arguments) in cases {
        arguments.extend(["--flat-out", "--time", "recorded", "--capture-id", "70001"]);
        let sent = send(&to(scheme, &collector), &[capture.path()], &arguments);
        assert_eq!((sent.code, sent.err.as_str()), (0, ""), "{scheme}");
        assert_eq!(sent.summary["messages"], 3);
        assert_eq!(
            sent.summary["skipped"],
            json!({"not_udp_or_tcp": 1, "rtcp": 1})
        );
        assert_eq!(sent.summary["dropped"], json!({}));

        let frames = collector.wait_for(3);
        let octets: usize = frames.iter().map(Vec::len).sum();
        assert_eq!(sent.summary["octets"], octets);
        let messages: Vec<_> = frames
            .iter()
            .map(|f| Message::parse(f.as_slice()).expect("strictly right"))
            .collect();
        let [by_udp, in_vlan, by_tcp] = &messages[..] else {
            panic!("three messages");
        };
        assert_eq!(by_udp.src_ip(), Some(v4(A, 0).ip()));
        assert_eq!(by_udp.dst_ip(), Some(v4(B, 0).ip()));
        assert_eq!(
            (by_udp.src_port(), by_udp.dst_port()),
            (Some(5062), Some(5063))
        );
        assert_eq!(by_udp.ip_protocol().map(|p| p.0), Some(17));
        assert_eq!(by_udp.time_sec().map(u64::from), Some(START));
        assert_eq!(by_udp.capture_id(), Some(70_001));
        assert_eq!(by_udp.protocol_type().map(|t| t.0), Some(1));
        assert_eq!(
            by_udp.payload().octets(),
            Some(sip("INVITE", "udp", "v=0").as_slice())
        );
        assert_eq!(by_udp.vlan_id(), None);
        assert_eq!(in_vlan.vlan_id(), Some(42));
        assert_eq!(by_tcp.ip_protocol().map(|p| p.0), Some(6));
        assert_eq!(
            by_tcp.payload().octets(),
            Some(sip("REGISTER", "tcp", "").as_slice())
        );
        assert_eq!(by_tcp.time_sec().map(u64::from), Some(START + 5));
    }
}

#[test]
fn the_time_is_that_of_sending_unless_the_recorded_one_is_asked_for() {
    let capture = file(&pcapng(1, &[(0, udp(1, 2, &sip("BYE", "now", "")))]));
    let collector = FakeCollector::udp();
    let before = SystemTime::now();
    send(&to("hep_udp", &collector), &[capture.path()], &[]);
    let frame = collector.wait_for(1).remove(0);
    let time = Message::parse(frame.as_slice())
        .expect("right")
        .time(Duration::ZERO);
    let before = before
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let sent = time.since_epoch + Duration::from_micros(1);
    assert!(sent >= before && sent < before + Duration::from_secs(60));
}

#[test]
fn hep_is_sent_as_it_is() {
    let all = vectors();
    let wanted: Vec<&Vec<u8>> = all
        .iter()
        .filter(|v| !v.is_stream() && v.entry.get("whole_message_gzip").is_none())
        .map(|v| &v.octets)
        .collect();
    let text: Vec<String> = wanted
        .iter()
        .map(|octets| octets.iter().map(|o| format!("{o:02x}")).collect())
        .collect();
    let packets = wanted
        .iter()
        .map(|octets| udp(9999, 9060, octets))
        .collect();
    for input in [
        file(text.join("\n\n").as_bytes()),
        file(&pcap(ETHERNET, &every_second(packets))),
    ] {
        let collector = FakeCollector::udp();
        let arguments = ["--rate", "2000", "--time", "now"];
        let sent = send(&to("hep_udp", &collector), &[input.path()], &arguments);
        assert_eq!((sent.code, sent.err.as_str()), (0, ""));
        let frames = collector.wait_for(wanted.len());
        assert_eq!(frames.iter().collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn only_whole_frames_of_version_3_go_into_a_stream() {
    let meta = Meta::default();
    let mut longer = meta.v3(b"with a tail");
    let whole = longer.clone();
    longer.extend_from_slice(b"\x07tail");
    let mut lies = meta.v3(b"says more than there is");
    lies[4] = 0xff;
    let text: Vec<String> = [
        meta.v1(&sip("ACK", "1", "")),
        meta.v2(&sip("ACK", "2", "")),
        longer,
        lies,
    ]
    .iter()
    .map(|octets| octets.iter().map(|o| format!("{o:02x}")).collect())
    .collect();
    let input = file(text.join("\n\n").as_bytes());
    let collector = FakeCollector::tcp();
    let sent = send(&to("hep_tcp", &collector), &[input.path()], &["--flat-out"]);
    assert_eq!(sent.code, 0);
    assert_eq!(
        sent.summary["skipped"],
        json!({"not_for_a_stream": 2, "total_exceeds_data": 1})
    );
    assert_eq!(collector.wait_for(1), [whole]);

    // Asked for version 3, the older ones are converted.
    let collector = FakeCollector::tcp();
    let arguments = ["--flat-out", "--version", "3"];
    let sent = send(&to("hep_tcp", &collector), &[input.path()], &arguments);
    assert_eq!(sent.summary["messages"], 3);
    for frame in collector.wait_for(3) {
        let message = Message::parse(frame.as_slice()).expect("right");
        assert_eq!(message.version(), Version::V3);
    }
}

#[test]
fn sip_becomes_the_version_that_is_asked_for() {
    let capture = file(&pcap(
        ETHERNET,
        &[(7, udp(5060, 5061, &sip("BYE", "v", "")))],
    ));
    for (text, version) in [("1", Version::V1), ("2", Version::V2), ("3", Version::V3)] {
        let collector = FakeCollector::udp();
        let arguments = ["--version", text, "--capture-id", "9", "--time", "recorded"];
        let sent = send(&to("hep_udp", &collector), &[capture.path()], &arguments);
        assert_eq!((sent.code, sent.err.as_str()), (0, ""));
        let frame = collector.wait_for(1).remove(0);
        let message = Message::parse(frame.as_slice()).expect("right");
        assert_eq!(message.version(), version);
        assert_eq!(
            message.payload().octets(),
            Some(sip("BYE", "v", "").as_slice())
        );
        if version != Version::V1 {
            assert_eq!(message.capture_id(), Some(9));
            assert_eq!(message.time_usec(), Some(7));
        }
    }
}

#[test]
fn the_pace_is_the_one_asked_for() {
    let packets = (0..5).map(|n| (n * 100_000, udp(1, 2, &sip("BYE", "p", ""))));
    let capture = file(&pcap(ETHERNET, &packets.collect::<Vec<_>>()));
    let seconds = |arguments: &[&str]| {
        let collector = FakeCollector::udp();
        let sent = send(&to("hep_udp", &collector), &[capture.path()], arguments);
        assert_eq!(sent.summary["messages"], 5);
        sent.summary["seconds"].as_f64().expect("a number")
    };
    // Lower bounds only: how much later it is depends on what else the machine does.
    assert!(seconds(&[]) >= 0.4);
    assert!(seconds(&["--speed", "0.5x"]) >= 0.8);
    assert!(seconds(&["--rate", "10"]) >= 0.4);
    assert!(seconds(&["--rate", "1000"]) >= 0.004);
}

#[test]
fn twenty_thousand_messages_flat_out_arrive_all_and_in_order() {
    let messages: Vec<_> = (0..20_000_u64)
        .map(|n| {
            (
                n * 1_000_000,
                udp(5060, 5061, &sip("OPTIONS", &format!("n{n}"), "")),
            )
        })
        .collect();
    let capture = file(&pcap(ETHERNET, &messages));
    let collector = FakeCollector::tcp();
    let sent = send(
        &to("hep_tcp", &collector),
        &[capture.path()],
        &["--flat-out"],
    );
    assert_eq!((sent.code, sent.err.as_str()), (0, ""));
    for (n, frame) in collector.wait_for(20_000).iter().enumerate() {
        let message = Message::parse(frame.as_slice()).expect("right");
        let scan = hepcat_sip::scan(message.payload().octets().expect("a payload")).expect("SIP");
        assert_eq!(scan.call_id(), Some(format!("n{n}").as_bytes()));
    }
}

#[test]
fn files_are_repeated_and_limited() {
    let one = file(&pcap(ETHERNET, &[(0, udp(1, 2, &sip("BYE", "one", "")))]));
    let two = file(&pcap(ETHERNET, &[(0, udp(1, 2, &sip("BYE", "two", "")))]));
    let files = [one.path(), two.path()];
    let collector = FakeCollector::tcp();
    let sent = send(&to("hep_tcp", &collector), &files, &["--repeat", "3"]);
    assert_eq!((sent.code, &sent.summary["messages"]), (0, &json!(6)));
    let calls: Vec<bool> = collector
        .wait_for(6)
        .iter()
        .map(|f| String::from_utf8_lossy(f).contains("Call-ID: one"))
        .collect();
    assert_eq!(calls, [true, false, true, false, true, false]);

    let collector = FakeCollector::tcp();
    let arguments = ["--loop", "--limit", "7", "--flat-out"];
    let sent = send(&to("hep_tcp", &collector), &files, &arguments);
    assert_eq!((sent.code, &sent.summary["messages"]), (0, &json!(7)));
    assert_eq!(collector.wait_for(7).len(), 7);
}

#[test]
fn a_loop_ends_with_its_summary_when_interrupted() {
    let capture = file(&pcap(ETHERNET, &[(0, udp(1, 2, &sip("BYE", "l", "")))]));
    let collector = FakeCollector::tcp();
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("hepcat"))
        .args([
            "send",
            "--loop",
            "--rate",
            "200",
            "--to",
            &to("hep_tcp", &collector),
        ])
        .arg(capture.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    assert!(collector.wait_for(5).len() >= 5);
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(killed.expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(
        out.starts_with("sent ") && out.contains(" messages ("),
        "{out}"
    );
    assert_eq!(output.stderr, b"");
}

#[test]
fn a_destination_that_is_away_is_given_up_in_words() {
    let capture = file(&pcap(ETHERNET, &[(0, udp(1, 2, &sip("BYE", "away", "")))]));
    let collector = FakeCollector::refusing();
    let arguments = ["--wait", "200ms"];
    let sent = send(&to("hep_tcp", &collector), &[capture.path()], &arguments);
    assert_eq!(sent.code, 1);
    assert_eq!(sent.summary["messages"], 0);
    assert_eq!(sent.summary["dropped"], json!({"shutdown": 1}));
    assert!(sent.err.contains("refused"), "{}", sent.err);
}

#[test]
fn a_certificate_that_does_not_hold_is_said() {
    let capture = file(&pcap(ETHERNET, &[(0, udp(1, 2, &sip("BYE", "tls", "")))]));
    let (ours, other) = (TestCa::new(), TestCa::new());
    let collector = FakeCollector::tls(other.server_config(&other.localhost()));
    let ca = ours.ca_file().to_str().expect("a path").to_owned();
    let arguments = ["--wait", "200ms", "--ca", &ca, "--server-name", "localhost"];
    let sent = send(&to("hep_tls", &collector), &[capture.path()], &arguments);
    assert_eq!((sent.code, &sent.summary["messages"]), (1, &json!(0)));
    assert!(sent.err.contains("certificate"), "{}", sent.err);
}

#[test]
fn a_file_that_breaks_off_is_sent_as_far_as_it_goes() {
    let mut broken = pcap(
        ETHERNET,
        &every_second(vec![udp(1, 2, &sip("BYE", "b", "")); 2]),
    );
    broken.truncate(broken.len() - 10);
    let (broken, good) = (
        file(&broken),
        file(&pcap(ETHERNET, &[(0, udp(1, 2, &sip("BYE", "g", "")))])),
    );
    let collector = FakeCollector::tcp();
    let sent = send(
        &to("hep_tcp", &collector),
        &[broken.path(), good.path()],
        &[],
    );
    assert_eq!((sent.code, &sent.summary["messages"]), (1, &json!(2)));
    assert!(
        sent.err.contains("the file ends inside a block (octet "),
        "{}",
        sent.err
    );
    assert_eq!(collector.wait_for(2).len(), 2);
}

#[test]
fn misuse_is_told_from_failure() {
    let capture = file(&pcap(ETHERNET, &[(0, ping())]));
    let path = capture.path();
    let udp = "hep_udp:127.0.0.1:9";
    let cases: [(&str, &[&str], i32); 13] = [
        (udp, &["--rate", "0"], 2),
        (udp, &["--speed", "fast"], 2),
        (udp, &["--rate", "1", "--flat-out"], 2),
        (udp, &["--loop", "--repeat", "2"], 2),
        (udp, &["--version", "4"], 2),
        (udp, &["--version", "2", "--capture-id", "65536"], 2),
        (udp, &["--ca", "/x"], 2),
        (udp, &["--cert", "/x"], 2),
        (udp, &["-", "--repeat", "2"], 2),
        ("hep_tcp:127.0.0.1:9", &["--version", "1"], 2),
        ("127.0.0.1:9", &[], 2),
        ("hep_tls:127.0.0.1:9", &["--ca", "/no/such/file"], 1),
        // Nothing in it to send.
        (udp, &[], 1),
    ];
    for (to, arguments, code) in cases {
        let sent = send(to, &[path], arguments);
        assert_eq!(sent.code, code, "{to} {arguments:?}: {}", sent.err);
        assert!(!sent.err.is_empty());
    }
    assert_eq!(send(udp, &[Path::new("/no/such/file")], &[]).code, 1);
    assert_eq!(send(udp, &[], &[]).code, 2);
}
