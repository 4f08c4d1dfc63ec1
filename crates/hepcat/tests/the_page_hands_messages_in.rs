//! What the page hands in, and what it is told: captures that are imported, test calls, calls as they change.

mod captures;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant, SystemTime},
};

use captures::{A, B, ETHERNET, Tcp, every_second, pcap, pcapng, ping, sip, tcp, udp, udp6};
use hepcat_testkit::{FakeAgent, NodeProcess, frame::Meta};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");
const PATIENCE: Duration = Duration::from_secs(60);

fn node(listener: &str) -> NodeProcess {
    let text = format!(
        "[node]\ndata_dir = \"{{dir}}/data\"\n[store]\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"in\"\nsocket = \"{listener}:127.0.0.1:0\"\n"
    );
    NodeProcess::start(HEPCAT, &text)
}

/// Status and body of the answer to a POST of these octets.
fn post(node: &NodeProcess, path: &str, octets: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(node.http_address()).expect("the node listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        octets.len()
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // What is too much is refused before all of it came.
    stream.write_all(octets).ok();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    (
        status.expect("a status"),
        serde_json::from_str(body).expect("JSON"),
    )
}

/// Waits until so many messages are found.
fn messages(node: &NodeProcess, count: usize) -> Vec<Value> {
    let until = Instant::now() + PATIENCE;
    loop {
        let (status, body) = node.get("/api/v1/messages?limit=100");
        assert_eq!(status, 200, "{body}");
        let answer: Value = serde_json::from_str(&body).expect("JSON");
        let found = answer["messages"].as_array().expect("messages");
        if found.len() >= count {
            return found.clone();
        }
        assert!(Instant::now() < until, "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn of<'a>(messages: &'a [Value], call_id: &str) -> &'a Value {
    let found = messages.iter().find(|one| one["sip"]["call_id"] == call_id);
    found.unwrap_or_else(|| panic!("no {call_id} in {messages:?}"))
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("after 1970").as_secs()
}

#[test]
fn sip_of_a_capture_is_taken_in_as_if_it_were_sent_now() {
    let node = node("hep_tcp");
    let over_tcp = sip("INVITE", "over-tcp", "in two segments");
    let (first, second) = over_tcp.split_at(100);
    let segment = |sequence, flags| Tcp {
        source_port: 40_000,
        destination_port: 5060,
        sequence,
        flags,
    };
    let after = 1_001 + u32::try_from(first.len()).expect("short");
    let file = pcap(
        ETHERNET,
        &every_second(vec![
            udp(5060, 5062, &sip("OPTIONS", "over-udp", "")),
            tcp(&segment(1_000, "S"), b""),
            tcp(&segment(1_001, "A"), first),
            tcp(&segment(after, "A"), second),
            udp6(&sip("OPTIONS", "over-ipv6", "")),
            ping(),
        ]),
    );
    let (status, answer) = post(&node, "/api/v1/import", &file);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["messages"], 3, "{answer}");
    assert_eq!(answer["listener"], "in");
    assert_eq!(answer["fault"], Value::Null);
    assert!(
        answer["moved_seconds"]
            .as_u64()
            .is_some_and(|moved| moved > 0),
        "{answer}"
    );
    let found = messages(&node, 3);
    let (udp, tcp, ipv6) = (
        of(&found, "over-udp"),
        of(&found, "over-tcp"),
        of(&found, "over-ipv6"),
    );
    assert_eq!(
        (&udp["ip_protocol"], &tcp["ip_protocol"]),
        (&17.into(), &6.into()),
        "{found:?}"
    );
    assert_eq!(udp["src_ip"], std::net::Ipv4Addr::from(A).to_string());
    assert_eq!(tcp["dst_ip"], std::net::Ipv4Addr::from(B).to_string());
    assert_eq!(ipv6["src_ip"], "2001:db8::1");
    let sent = |one: &Value| one["time_sec"].as_u64().expect("a time");
    assert!(sent(ipv6) + 120 >= now(), "{ipv6}");
    assert_eq!(sent(ipv6) - sent(udp), 4, "what lay between them stays");
}

#[test]
fn every_version_of_hep_in_a_capture_is_taken_in() {
    let node = node("hep_tcp");
    let mut meta = Meta::default();
    meta.time_sec = u32::try_from(now() - 60).expect("before 2106");
    let hep = |frame: &[u8]| udp(40_000, 9060, frame);
    let file = pcap(
        ETHERNET,
        &every_second(vec![
            hep(&meta.v1(&sip("OPTIONS", "version-1", ""))),
            hep(&meta.v2(&sip("OPTIONS", "version-2", ""))),
            hep(&meta.v3(&sip("OPTIONS", "version-3", ""))),
        ]),
    );
    let (status, answer) = post(&node, "/api/v1/import", &file);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["messages"], 3, "{answer}");
    let found = messages(&node, 3);
    for call_id in ["version-1", "version-2", "version-3"] {
        let one = of(&found, call_id);
        assert_eq!(one["src_ip"], "192.0.2.1", "{one}");
        assert_eq!(one["dst_port"], 5080, "{one}");
    }
    // What has a time of its own keeps it; version 1 has none.
    assert_eq!(of(&found, "version-2")["time_sec"], meta.time_sec);
    assert_eq!(of(&found, "version-3")["time_sec"], meta.time_sec);
    assert_eq!(of(&found, "version-2")["capture_id"], 2001);
    let first = of(&found, "version-1")["time_sec"]
        .as_u64()
        .expect("a time");
    assert!(first + 120 >= now(), "{found:?}");
}

fn packed(octets: &[u8]) -> Vec<u8> {
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packing.write_all(octets).expect("packed");
    packing.finish().expect("packed")
}

/// An INVITE and its refusal, as they go over a wire.
fn refused_call(call_id: &str) -> Vec<Vec<u8>> {
    let message = |start: &str| {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\nFrom: <sip:carol@a.example>;tag=1\r\n\
             To: <sip:dave@b.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    };
    vec![
        udp(
            5060,
            5062,
            message("INVITE sip:dave@b.example SIP/2.0").as_bytes(),
        ),
        udp(5062, 5060, message("SIP/2.0 486 Busy Here").as_bytes()),
    ]
}

#[test]
fn a_call_is_found_whatever_file_it_came_in() {
    let node = node("hep_tcp");
    let of = |call_id: &str| every_second(refused_call(call_id));
    let hep: Vec<u8> = {
        let mut meta = Meta::default();
        meta.time_sec = u32::try_from(now()).expect("before 2106");
        let payloads = ["INVITE sip:dave@b.example SIP/2.0", "SIP/2.0 486 Busy Here"];
        let frames = payloads.map(|start| {
            let rest = "Via: SIP/2.0/UDP h;branch=z9hG4bKd\r\nFrom: <sip:carol@a.example>;tag=1\r\nTo: <sip:dave@b>\r\n\
                        Call-ID: in-dump\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n";
            meta.v3(format!("{start}\r\n{rest}").as_bytes())
        });
        frames.concat()
    };
    let files = [
        ("in-pcap", pcap(ETHERNET, &of("in-pcap"))),
        ("in-pcapng", pcapng(1, &of("in-pcapng"))),
        ("in-packed", packed(&pcap(ETHERNET, &of("in-packed")))),
        ("in-packed-ng", packed(&pcapng(1, &of("in-packed-ng")))),
        ("in-dump", hep),
    ];
    for (call_id, file) in &files {
        let (status, answer) = post(&node, "/api/v1/import", file);
        assert_eq!(
            (status, &answer["messages"]),
            (200, &2.into()),
            "{call_id}: {answer}"
        );
        assert_eq!(answer["fault"], Value::Null, "{call_id}: {answer}");
    }
    messages(&node, 2 * files.len());
    let (status, body) = node.get("/api/v1/calls?q=user%3Acarol%20status%3A486");
    assert_eq!(status, 200, "{body}");
    let found: Value = serde_json::from_str(&body).expect("JSON");
    let found = found["calls"].as_array().expect("calls");
    let mut call_ids: Vec<&str> = (found.iter())
        .filter_map(|call| call["legs"][0]["call_id"].as_str())
        .collect();
    call_ids.sort_unstable();
    let mut wanted = files.each_ref().map(|(call_id, _)| *call_id);
    wanted.sort_unstable();
    assert_eq!(call_ids, wanted, "{body}");
    assert!(found.iter().all(|call| call["state"] == "failed"), "{body}");
}

#[test]
fn what_is_cut_off_is_taken_as_far_as_it_goes() {
    let node = node("hep_tcp");
    let whole = pcap(ETHERNET, &every_second(refused_call("cut-off")));
    let cut = &whole[..whole.len() - 10];
    for (file, taken) in [
        (cut.to_vec(), 1),
        (packed(&whole)[..packed(&whole).len() - 12].to_vec(), 1),
        // A header and nothing in it.
        (whole[..24].to_vec(), 0),
    ] {
        let (status, answer) = post(&node, "/api/v1/import", &file);
        if taken == 0 {
            assert_eq!(
                (status, &answer["title"]),
                (400, &"nothing to import".into())
            );
            continue;
        }
        assert_eq!(status, 200, "{answer}");
        assert!(answer["messages"].as_u64() >= Some(taken), "{answer}");
        assert!(answer["fault"].is_string(), "{answer}");
    }
    // Packets that the capture shortened are none that anybody sent.
    let (_, packet) = &every_second(refused_call("short-1"))[0];
    let mut shortened = captures::pcap_header(ETHERNET);
    shortened.extend(captures::pcap_record(1_000_000, packet, 60));
    shortened.extend(captures::pcap_record(2_000_000, packet, packet.len()));
    let (status, answer) = post(&node, "/api/v1/import", &shortened);
    assert_eq!((status, &answer["messages"]), (200, &1.into()), "{answer}");
    assert_eq!(answer["left_out"]["truncated"], 1, "{answer}");
}

#[test]
fn a_hostile_file_does_nothing_but_be_refused() {
    let node = node("hep_tcp");
    let of = || every_second(refused_call("hostile-1"));
    let files = [
        pcap(ETHERNET, &of()),
        pcapng(1, &of()),
        packed(&pcap(ETHERNET, &of())),
    ];
    // Octets that lie: a length of everything, of nothing, or any other, at each place once.
    let mut seed = 0x9e37_79b9_u32;
    for file in &files {
        for at in (0..file.len()).step_by(5) {
            let mut hostile = file.clone();
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [any, ..] = seed.to_be_bytes();
            hostile[at] = [0, 0xff, any][at % 3];
            if at % 2 == 0 {
                hostile.splice(at..at, [0xff; 4]);
            }
            let (status, answer) = post(&node, "/api/v1/import", &hostile);
            assert!(matches!(status, 200 | 400), "{at}: {status} {answer}");
        }
    }
    // A small file that is a large one: what comes out of it is bounded, and it says so.
    let bomb = packed(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let (status, answer) = post(&node, "/api/v1/import", &bomb);
    assert_eq!(status, 400, "{answer}");
    // A call that says terrible things about itself is a call like any other.
    let (status, answer) = post(&node, "/api/v1/import", &files[0]);
    assert_eq!((status, &answer["messages"]), (200, &2.into()), "{answer}");
    let status = node.wait_for_status("everything is counted", |status| {
        status["ledger"]["unaccounted"] == 0 && status["ledger"]["received"].as_u64() > Some(1)
    });
    assert_eq!(status["ledger"]["unaccounted"], 0);
}

#[test]
fn what_is_no_capture_or_cannot_be_sent_is_said_to_be() {
    let node = node("hep_tcp");
    for octets in [
        &b""[..],
        b"no capture at all, and long enough to look like something",
    ] {
        let (status, answer) = post(&node, "/api/v1/import", octets);
        assert_eq!(status, 400, "{answer}");
        assert!(
            answer["detail"].as_str().is_some_and(|why| !why.is_empty()),
            "{answer}"
        );
    }
    let nothing_in_it = pcap(ETHERNET, &every_second(vec![ping()]));
    let (status, answer) = post(&node, "/api/v1/import", &nothing_in_it);
    assert_eq!(
        (status, &answer["title"]),
        (400, &"nothing to import".into())
    );
    let too_large = vec![0; (32 << 20) + 1];
    let (status, answer) = post(&node, "/api/v1/import", &too_large);
    assert_eq!((status, &answer["title"]), (400, &"file not taken".into()));

    // Datagrams do not say when it is too much.
    let only_udp = self::node("hep_udp");
    let file = pcap(
        ETHERNET,
        &every_second(vec![udp(5060, 5062, &sip("OPTIONS", "a", ""))]),
    );
    let (status, answer) = post(&only_udp, "/api/v1/import", &file);
    assert_eq!(
        (status, &answer["type"]),
        (409, &"/problems/no-listener".into())
    );
}

#[test]
fn a_test_call_is_found_under_the_name_that_it_was_given() {
    for listener in ["hep_tcp", "hep_udp"] {
        let node = node(listener);
        let (status, answer) = post(&node, "/api/v1/test-call", b"");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["listener"], "in");
        let count = answer["messages"].as_u64().expect("a number");
        let found = messages(&node, usize::try_from(count).expect("few"));
        let call_id = answer["call_id"].as_str().expect("a Call-ID");
        of(&found, call_id);
        let (status, body) = node.get(&format!("/api/v1/calls/{call_id}"));
        let call: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(status, 200, "{body}");
        assert_eq!(
            (&call["final_code"], &call["state"]),
            (&486.into(), &"failed".into()),
            "{call}"
        );
    }
}

/// The stream of calls that fit, from its head on.
fn watch(page: SocketAddr, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(page).expect("the node listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    write!(
        stream,
        "GET /api/v1/calls/live?q={query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .expect("sent");
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("text/event-stream"), "{head}");
    stream
}

fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut said = String::new();
    while !said.contains(text) {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).expect("it goes on");
        assert!(length > 0, "{said}");
        said.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    said
}

#[test]
fn calls_are_told_of_as_they_change() {
    let node = node("hep_tcp");
    let mut all = watch(node.http_address(), "");
    let mut of_carol = watch(node.http_address(), "from%3Acarol");
    let mut meta = Meta::default();
    meta.time_sec = u32::try_from(now()).expect("before 2106");
    let message = |start: &str, call_id: &str, from: &str| {
        format!(
            "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}\r\nFrom: <sip:{from}@a.example>;tag=1\r\n\
             To: <sip:bob@b.example>\r\nCall-ID: {call_id}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let mut agent = FakeAgent::tcp(node.listener("in"));
    let invite = "INVITE sip:bob@b.example SIP/2.0";
    agent.send(&meta.v3(message(invite, "of-alice", "alice").as_bytes()));
    let told = read_until(&mut all, "of-alice");
    assert!(told.contains("event: calls"), "{told}");
    agent.send(&meta.v3(message(invite, "of-carol", "carol").as_bytes()));
    let told = read_until(&mut of_carol, "\"of-carol\"");
    assert!(!told.contains("\"of-alice\""), "{told}");
    read_until(&mut all, "of-carol");
    // What becomes of it is told as well.
    agent.send(&meta.v3(message("SIP/2.0 486 Busy Here", "of-carol", "carol").as_bytes()));
    read_until(&mut of_carol, "\"final_code\":486");
    let (status, body) = node.get("/api/v1/calls/live?q=method~%22(%22");
    assert_eq!(status, 400, "{body}");
}
