//! Fidelity and conservation, end to end: the real program, real sockets, frames of real agents.

use hepcat_testkit::{Behaviour, FakeAgent, FakeCollector, NodeProcess, TestCa, frame, vectors};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// A message that is no SIP.
fn log_line() -> Vec<u8> {
    let mut meta = frame::Meta::default();
    meta.protocol_type = 100;
    meta.v3(b"a log line")
}

/// The ledger of one status adds up, and nothing is open.
fn assert_balanced(status: &Value) {
    assert_eq!(status["ledger"]["unaccounted"], 0, "{status:#}");
    for side in ["listeners", "agents"]
        .into_iter()
        .flat_map(|key| status[key].as_array().expect("a list"))
        .map(|one| &one["ledger"])
        .chain([&status["ledger"]])
    {
        let settled = sum(&side["refused"]) + sum(&side["skipped"]) + number(&side["routed"]);
        assert_eq!(number(&side["received"]), settled, "{side}");
    }
    for sink in status["sinks"].as_array().expect("a list") {
        let came = ["offered", "originated", "carried_over"].map(|key| number(&sink[key]));
        let went = ["delivered", "queued", "spooled"].map(|key| number(&sink[key]));
        assert_eq!(
            came.iter().sum::<u64>(),
            went.iter().sum::<u64>() + sum(&sink["dropped"]),
            "{sink}"
        );
    }
}

fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

fn sum(reasons: &Value) -> u64 {
    reasons
        .as_object()
        .expect("counts by reason")
        .values()
        .map(number)
        .sum()
}

fn sink<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sinks = status["sinks"].as_array().expect("a list");
    sinks
        .iter()
        .find(|sink| sink["name"] == name)
        .unwrap_or_else(|| panic!("no sink {name}"))
}

#[test]
fn every_captured_v3_frame_leaves_octet_for_octet_over_udp_tcp_and_tls() {
    let ca = TestCa::new();
    let server = ca.localhost();
    let (udp, tcp) = (FakeCollector::udp(), FakeCollector::tcp());
    let tls = FakeCollector::tls(ca.server_config(&server));
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
[[destination]]
name = "udp"
socket = "hep_udp:{}"
[[destination]]
name = "tcp"
socket = "hep_tcp:{}"
[[destination]]
name = "tls"
socket = "hep_tls:{}"
tls = {{ ca = "{}", server_name = "localhost" }}
"#,
            udp.address(),
            tcp.address(),
            tls.address(),
            ca.ca_file().display()
        ),
    );
    let frames: Vec<Vec<u8>> = vectors()
        .into_iter()
        .filter(|vector| {
            !vector.is_stream()
                && vector.octets.starts_with(b"HEP3")
                && hepcat_wire::Message::parse_lax(vector.octets.as_slice())
                    .is_ok_and(|message| message.check_capture().is_ok())
        })
        .map(|vector| vector.octets)
        .collect();
    assert!(frames.len() > 60, "only {} frames", frames.len());
    let mut agent = FakeAgent::udp(node.listener("in"));
    for frame in &frames {
        agent.send(frame);
    }
    for collector in [&udp, &tcp, &tls] {
        assert_eq!(collector.wait_for(frames.len()), frames);
    }
    let status = node.wait_for_status("everything delivered", |status| {
        number(&sink(status, "tls")["delivered"]) == frames.len() as u64
    });
    assert_balanced(&status);
    assert_eq!(status["ledger"]["routed"], frames.len());
}

#[test]
fn versions_1_and_2_keep_their_octets_over_udp_and_become_version_3_on_a_stream() {
    let (udp, tcp) = (FakeCollector::udp(), FakeCollector::tcp());
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = ["[udp] {}; transport=udp", "[tcp] {}"]
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
"#,
            udp.address(),
            tcp.address()
        ),
    );
    let sip = frame::sip_options("one@relay");
    let frames = [frame::sip_v1(&sip), frame::sip_v2(&sip)];
    let mut agent = FakeAgent::udp(node.listener("in"));
    for frame in &frames {
        agent.send(frame);
    }
    assert_eq!(udp.wait_for(2), frames);
    for converted in tcp.wait_for(2) {
        let message = hepcat_wire::Message::parse(converted.as_slice()).expect("version 3");
        assert_eq!(message.version(), hepcat_wire::Version::V3);
        assert_eq!(message.payload().octets(), Some(sip.as_bytes()));
    }
}

#[test]
fn a_message_that_its_destination_cannot_carry_is_counted_and_reaches_the_others() {
    let (old, new) = (FakeCollector::udp(), FakeCollector::udp());
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = ["[old] {}; version=2", "[new] {}; transport=udp"]
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
"#,
            old.address(),
            new.address()
        ),
    );
    let log = log_line();
    let sip = frame::sip_v3(frame::sip_options("two@relay"));
    let mut agent = FakeAgent::udp(node.listener("in"));
    agent.send(&log);
    agent.send(&sip);
    assert_eq!(new.wait_for(2), [log, sip]);
    assert_eq!(old.wait_for(1).len(), 1);
    let status = node.wait_for_status("both decided", |status| {
        number(&sink(status, "old")["offered"]) == 2
    });
    assert_eq!(sink(&status, "old")["dropped"]["not_convertible"], 1);
    assert_balanced(&status);
}

#[test]
fn what_does_not_decode_goes_to_no_destination_and_costs_no_good_frame_beside_it() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = "[all] {}"
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
"#,
            collector.address()
        ),
    );
    let good = frame::sip_v3(frame::sip_options("three@relay"));
    // A chunk that says it is 5 octets long: the frame around it is intact.
    let bad = b"HEP3\0\x0d\0\0\0\x01\0\x05\x02";
    let mut stream = FakeAgent::tcp(node.listener("tcp"));
    let mut datagrams = FakeAgent::udp(node.listener("udp"));
    for part in [good.as_slice(), bad, good.as_slice()] {
        stream.send(part);
        datagrams.send(part);
    }
    assert_eq!(collector.wait_for(4), vec![good; 4]);
    let status = node.wait_for_status("all six received", |status| {
        status["ledger"]["received"] == 6
    });
    assert_balanced(&status);
    for listener in status["listeners"].as_array().expect("a list") {
        assert_eq!(
            listener["decode_errors"]["chunk_too_short"], 1,
            "{listener}"
        );
    }
    assert_eq!(sink(&status, "all")["offered"], 4);
    let agents = status["agents"].as_array().expect("a list");
    let reasons: u64 = agents
        .iter()
        .filter_map(|agent| agent["unparsable"]["chunk_too_short"].as_u64())
        .sum();
    assert_eq!(reasons, 2, "by source and reason: {agents:#?}");
}

#[test]
fn undecodable_octets_beyond_the_cap_are_refused_and_counted() {
    let node = NodeProcess::start(
        HEPCAT,
        r#"
[http]
listen = "127.0.0.1:0"
[unparsable]
max_per_second = "0B"
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
"#,
    );
    let mut agent = FakeAgent::udp(node.listener("in"));
    agent.send(b"this is not HEP at all");
    let status = node.wait_for_status("received", |status| status["ledger"]["received"] == 1);
    assert_eq!(status["ledger"]["refused"]["unparsable_rate"], 1);
    assert_balanced(&status);
}

#[test]
fn routes_decide_and_a_route_to_nowhere_is_a_counted_skip() {
    let (sip, rest) = (FakeCollector::tcp(), FakeCollector::tcp());
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = ["[sip] {}", "[rest] {}"]
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
[[route]]
when = "method:OPTIONS"
to = []
[[route]]
when = "type:sip"
to = ["sip"]
[[route]]
to = ["rest"]
"#,
            sip.address(),
            rest.address()
        ),
    );
    let options = frame::sip_v3(frame::sip_options("four@relay"));
    let invite = frame::sip_v3(frame::sip_options("five@relay").replace("OPTIONS", "INVITE"));
    let log = log_line();
    let mut agent = FakeAgent::tcp(node.listener("in"));
    agent.send(&[options, invite.clone(), log.clone()].concat());
    assert_eq!(sip.wait_for(1), [invite]);
    assert_eq!(rest.wait_for(1), [log]);
    let status = node.wait_for_status("settled", |status| {
        status["ledger"]["skipped"]["route"] == 1
    });
    assert_eq!(status["ledger"]["routed"], 2);
    assert_balanced(&status);
}

#[test]
fn the_authenticate_key_is_kept_stripped_or_replaced_as_configured() {
    let [kept, stripped, replaced] = [(); 3].map(|()| FakeCollector::tcp());
    let key_file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(key_file.path(), "new-key\n").expect("the key is written");
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
[[destination]]
name = "kept"
socket = "hep_tcp:{}"
[[destination]]
name = "stripped"
socket = "hep_tcp:{}"
key = "strip"
[[destination]]
name = "replaced"
socket = "hep_tcp:{}"
key = "replace"
key_file = "{}"
"#,
            kept.address(),
            stripped.address(),
            replaced.address(),
            key_file.path().display()
        ),
    );
    let meta = frame::Meta::default();
    let mut chunks = meta.chunks();
    chunks.push(frame::chunk(0, 0x000e, b"myhep"));
    chunks.push(frame::chunk(0, 0x000f, b"OPTIONS sip:a SIP/2.0\r\n\r\n"));
    let frame = frame::v3(&chunks);
    FakeAgent::udp(node.listener("in")).send(&frame);
    let key = |collector: &FakeCollector| {
        let frames = collector.wait_for(1);
        let message = hepcat_wire::Message::parse(frames[0].as_slice()).expect("version 3");
        message.auth_key().map(<[u8]>::to_vec)
    };
    assert_eq!(kept.wait_for(1), [frame]);
    assert_eq!(key(&stripped), None);
    assert_eq!(key(&replaced).as_deref(), Some(b"new-key".as_slice()));
}

#[test]
fn a_message_without_payload_and_correlation_is_kept_from_destinations_and_counted() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = "[all] {}"
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
"#,
            collector.address()
        ),
    );
    let mut agent = FakeAgent::udp(node.listener("in"));
    agent.send(&frame::v3(&frame::Meta::default().chunks()));
    let good = frame::sip_v3(frame::sip_options("six@relay"));
    agent.send(&good);
    assert_eq!(collector.wait_for(1), [good]);
    let status = node.wait_for_status("both received", |status| status["ledger"]["received"] == 2);
    assert_eq!(status["listeners"][0]["decode_errors"]["missing_chunk"], 1);
    assert_balanced(&status);
}

#[test]
fn while_frames_pass_the_ledger_leaves_no_more_open_than_it_says_it_may() {
    const FRAMES: u64 = 40_000;
    let (fast, slow) = (FakeCollector::tcp(), FakeCollector::tcp());
    slow.set_behaviour(Behaviour::NeverRead);
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
[[destination]]
name = "fast"
socket = "hep_tcp:{}"
queue = {{ frames = 10_000, when_full = "block" }}
[[destination]]
name = "slow"
socket = "hep_tcp:{}"
queue = {{ frames = 100, when_full = "drop_oldest" }}
"#,
            fast.address(),
            slow.address()
        ),
    );
    let address = node.listener("in");
    let sender = std::thread::spawn(move || {
        let mut agent = FakeAgent::tcp(address);
        let frame = frame::sip_v3(frame::sip_options("load@relay"));
        let many = frame.repeat(100);
        for _ in 0..FRAMES / 100 {
            agent.send(&many);
        }
    });
    let status = node.wait_for_status("all delivered", |status| {
        let open = number(&status["ledger"]["unaccounted"]);
        assert!(
            open <= number(&status["ledger"]["in_flight_bound"]),
            "{status:#}"
        );
        for sink in status["sinks"].as_array().expect("a list") {
            assert_eq!(sink["unaccounted"], 0, "{sink}");
        }
        number(&sink(status, "fast")["delivered"]) == FRAMES
            && number(&sink(status, "slow")["offered"]) == FRAMES
            && open == 0
    });
    sender.join().expect("the sender");
    assert_balanced(&status);
    assert_eq!(
        fast.wait_for(usize::try_from(FRAMES).expect("fits")).len() as u64,
        FRAMES
    );
    assert!(number(&sink(&status, "slow")["dropped"]["queue_full_oldest"]) > 0);
}

#[test]
fn a_route_looks_into_a_compressed_payload_and_the_frame_leaves_as_it_came() {
    let (options, rest) = (FakeCollector::tcp(), FakeCollector::tcp());
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = ["[options] {}", "[rest] {}"]
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
[[route]]
when = "method:OPTIONS"
to = ["options"]
[[route]]
to = ["rest"]
"#,
            options.address(),
            rest.address()
        ),
    );
    let compressed = hepcat_wire::MessageBuilder::new()
        .source(([192, 0, 2, 1], 5060).into())
        .destination(([192, 0, 2, 2], 5060).into())
        .time(1_795_390_673, 0)
        .capture_id(7)
        .payload(frame::sip_options(&"z".repeat(400)).as_bytes())
        .compressed(true)
        .encode(hepcat_wire::Version::V3)
        .expect("a frame");
    let message = hepcat_wire::Message::parse(compressed.as_slice()).expect("version 3");
    assert!(matches!(
        message.payload(),
        hepcat_wire::Payload::Compressed(_)
    ));
    FakeAgent::udp(node.listener("in")).send(&compressed);
    assert_eq!(options.wait_for(1), [compressed]);
}
