//! Address ranges, keys and certificates: who may send, with the real program.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::Duration,
};

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, TestCa, frame};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

const PATIENCE: Duration = Duration::from_secs(20);

fn node_text(collector: &FakeCollector, more: &str) -> String {
    format!(
        r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = "[homer] {}"
{more}
"#,
        collector.address()
    )
}

fn keyed(key: Option<&[u8]>, call_id: &str) -> Vec<u8> {
    let mut meta = frame::Meta::default();
    meta.auth_key = key.map(<[u8]>::to_vec);
    meta.v3(frame::sip_options(call_id).as_bytes())
}

fn call_ids(frames: &[Vec<u8>]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| {
            let text = String::from_utf8_lossy(frame);
            let (_, rest) = text.split_once("Call-ID: ").expect("a Call-ID");
            rest.split("\r\n").next().unwrap_or_default().to_owned()
        })
        .collect()
}

fn refused<'a>(status: &'a Value, list: &str, name: &str) -> &'a Value {
    let all = status[list].as_array().expect("a list");
    let one = all
        .iter()
        .find(|one| one["name"] == name || one["agent"] == name)
        .unwrap_or_else(|| panic!("no {name} in {status:#}"));
    &one["ledger"]["refused"]
}

/// A sender on another address of loopback.
fn udp_from(last: u8) -> UdpSocket {
    let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
    UdpSocket::bind((address, 0)).expect("an address of loopback")
}

fn settled(node: &NodeProcess, received: u64) -> Value {
    node.wait_for_status("everything decided", |status| {
        status["ledger"]["received"] == received && status["ledger"]["unaccounted"] == 0
    })
}

#[test]
fn a_password_that_is_configured_is_enforced() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(
        HEPCAT,
        &node_text(
            &collector,
            r#"
[agents]
keys = [{ secret = "the old one" }, { file = "{dir}/new.key" }]
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
"#
            .replace("{dir}/new.key", &new_key().display().to_string())
            .as_str(),
        ),
    );
    let mut agent = FakeAgent::udp(node.listener("in"));
    agent.send(&keyed(None, "none@x"));
    agent.send(&keyed(Some(b"guess"), "guess@x"));
    agent.send(&keyed(Some(b"the old on"), "prefix@x"));
    agent.send(&keyed(Some(b"the old one\0"), "nul@x"));
    agent.send(&keyed(Some(b"the old one"), "old@x"));
    agent.send(&keyed(Some(b"the new one"), "new@x"));
    let sip = frame::sip_options("v1@x");
    agent.send(&frame::sip_v1(&sip));
    agent.send(&frame::sip_v2(&sip));
    // What does not decode shows no key either.
    agent.send(b"HEP3\x00\x0ajunk");
    assert_eq!(call_ids(&collector.wait_for(2)), ["old@x", "new@x"]);
    let status = settled(&node, 9);
    assert_eq!(status["ledger"]["routed"], 2);
    assert_eq!(refused(&status, "listeners", "in")["key"], 7);
    assert_eq!(status["sinks"][0]["offered"], 2);
    // Said once, and the keys nowhere.
    let line = node.wait_for_output("refused");
    assert!(
        line.contains("reason=\"key\"") && line.contains("127.0.0.1"),
        "{line}"
    );
    let output = node.output();
    assert!(
        output.matches("frames of this agent are refused").count() <= 3,
        "{output}"
    );
    for secret in ["the old one", "the new one", "guess"] {
        assert!(!output.contains(secret), "{output}");
    }
}

/// A file with the newer of two keys, in a directory that stays until the end of the process.
fn new_key() -> std::path::PathBuf {
    let directory = tempfile::tempdir().expect("a directory").keep();
    let file = directory.join("new.key");
    fs::write(&file, "the new one\n").expect("a key is written");
    file
}

#[test]
fn a_key_is_changed_without_losing_a_connection_or_a_message() {
    let collector = FakeCollector::tcp();
    let with_keys = |keys: &str| {
        node_text(
            &collector,
            &format!(
                "[[listener]]\nname = \"in\"\nsocket = \"hep_tcp:127.0.0.1:0\"\nkeys = [{keys}]\n"
            ),
        )
    };
    let node = NodeProcess::start(HEPCAT, &with_keys("{ secret = \"one\" }"));
    let mut agent = FakeAgent::tcp(node.listener("in"));
    let mut sent = 0;
    let mut send = |agent: &mut FakeAgent, key: &str| {
        sent += 1;
        agent.send(&keyed(Some(key.as_bytes()), &format!("{sent}@{key}")));
    };
    send(&mut agent, "one");
    assert_eq!(collector.wait_for(1).len(), 1);
    let reload = |keys: &str, times: usize| {
        node.write_config(&with_keys(keys));
        node.reload();
        let until = std::time::Instant::now() + PATIENCE;
        while node.output().matches("configuration reloaded").count() < times {
            assert!(std::time::Instant::now() < until, "{}", node.output());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    reload("{ secret = \"one\" }, { secret = \"two\" }", 1);
    send(&mut agent, "one");
    send(&mut agent, "two");
    assert_eq!(collector.wait_for(3).len(), 3);
    reload("{ secret = \"two\" }", 2);
    send(&mut agent, "one");
    send(&mut agent, "two");
    assert_eq!(collector.wait_for(4).len(), 4);
    let status = settled(&node, 5);
    assert_eq!(refused(&status, "listeners", "in")["key"], 1);
    let connections = &status["listeners"][0]["connections"];
    assert_eq!(
        (&connections["accepted"], &connections["open"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn an_address_outside_of_the_ranges_is_refused_frame_by_frame_or_at_the_door() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(
        HEPCAT,
        &node_text(
            &collector,
            r#"
[agents]
allow = ["127.0.0.2", "2001:db8::/32"]
[[listener]]
name = "udp"
socket = "hep_udp:0.0.0.0:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
[[listener]]
name = "open"
socket = "hep_udp:127.0.0.1:0"
allow = []
"#,
        ),
    );
    let port = node.listener("udp").port();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    udp_from(3)
        .send_to(&frame::sip_v3(frame::sip_options("3@x")), to)
        .expect("sent");
    udp_from(3).send_to(b"rubbish", to).expect("sent");
    udp_from(2)
        .send_to(&frame::sip_v3(frame::sip_options("2@x")), to)
        .expect("sent");
    assert_eq!(call_ids(&collector.wait_for(1)), ["2@x"]);
    FakeAgent::udp(node.listener("open")).send(&frame::sip_v3(frame::sip_options("1@x")));
    assert_eq!(call_ids(&collector.wait_for(2)), ["2@x", "1@x"]);
    let mut stranger = FakeAgent::tcp(node.listener("tcp"));
    assert!(stranger.closed_by_peer(PATIENCE));
    let status = settled(&node, 4);
    assert_eq!(refused(&status, "listeners", "udp")["address"], 2);
    assert_eq!(refused(&status, "agents", "127.0.0.2")["address"], 0);
    assert_eq!(
        status["listeners"][1]["connections"]["refused"]["address"],
        1
    );
    assert_eq!(status["listeners"][1]["connections"]["accepted"], 0);
    let metrics = node.metrics();
    let expected = "hepcat_listener_frames_refused_total{listener=\"udp\",reason=\"address\"} 2";
    assert!(metrics.contains(expected), "{metrics}");
}

#[test]
fn a_certificate_whose_subject_may_not_send_is_turned_away() {
    let ca = TestCa::new();
    let server = ca.localhost();
    let collector = FakeCollector::tcp();
    let text = format!(
        r#"
[[listener]]
name = "in"
socket = "hep_tls:127.0.0.1:0"
subjects = ["CN=edge-1"]
tls = {{ cert = "{}", key = "{}", client_auth = "optional", ca = "{}" }}
"#,
        server.cert.display(),
        server.key.display(),
        ca.ca_file().display()
    );
    let node = NodeProcess::start(HEPCAT, &node_text(&collector, &text));
    let (edge, other) = (ca.client("edge-1"), ca.client("edge-2"));
    for identity in [None, Some(&other)] {
        let config = ca.client_config(identity);
        let mut agent =
            FakeAgent::tls(node.listener("in"), config, "localhost").expect("a handshake");
        assert!(agent.closed_by_peer(PATIENCE));
    }
    let config = ca.client_config(Some(&edge));
    let mut agent = FakeAgent::tls(node.listener("in"), config, "localhost").expect("a handshake");
    agent.send(&frame::sip_v3(frame::sip_options("edge@x")));
    assert_eq!(call_ids(&collector.wait_for(1)), ["edge@x"]);
    let status = node.wait_for_status("both closed", |status| {
        status["listeners"][0]["connections"]["closed"]["refused"] == 2
    });
    assert_eq!(
        status["listeners"][0]["connections"]["refused"]["certificate"],
        2
    );
    assert_eq!(status["ledger"]["received"], 1);
    // Whoever has to find out why reads it in the log, by name.
    let line = node.wait_for_output("connections of this agent are refused");
    for part in ["127.0.0.1", "listener=\"in\"", "reason=\"certificate\""] {
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn who_speaks_something_else_than_hep_or_tls_is_named() {
    let ca = TestCa::new();
    let server = ca.localhost();
    let collector = FakeCollector::tcp();
    let text = format!(
        r#"
[[listener]]
name = "plain"
socket = "hep_tcp:127.0.0.1:0"
[[listener]]
name = "secure"
socket = "hep_tls:127.0.0.1:0"
tls = {{ cert = "{}", key = "{}" }}
"#,
        server.cert.display(),
        server.key.display()
    );
    let node = NodeProcess::start(HEPCAT, &node_text(&collector, &text));
    for listener in ["plain", "secure"] {
        for _ in 0..3 {
            let mut agent = FakeAgent::tcp(node.listener(listener));
            agent.send(b"GET / HTTP/1.1\r\n\r\n");
            assert!(agent.closed_by_peer(PATIENCE));
        }
    }
    let status = node.wait_for_status("all refused", |status| {
        status["listeners"][0]["decode_errors"]["unknown_format"] == 3
            && status["listeners"][1]["connections"]["handshakes_failed"]["not_tls"] == 3
    });
    let agent = &status["agents"][0];
    assert_eq!(agent["agent"], "127.0.0.1");
    assert_eq!(agent["unparsable"]["unknown_format"], 3);
    assert_eq!(status["ledger"]["received"], 0);
    // Once each, with the name of the listener.
    let line = node.wait_for_output("is no HEP version 3");
    assert!(
        line.contains("listener=\"plain\"") && line.contains("127.0.0.1"),
        "{line}"
    );
    let line = node.wait_for_output("TLS handshakes of this agent fail");
    assert!(
        line.contains("listener=\"secure\"") && line.contains("not_tls"),
        "{line}"
    );
    let output = node.output();
    assert_eq!(output.matches("agent=127.0.0.1").count(), 2, "{output}");
    let doctor = std::process::Command::new(HEPCAT)
        .args(["doctor", "--node"])
        .arg(format!("http://{}", node.http_address()))
        .output()
        .expect("hepcat runs");
    let words = String::from_utf8_lossy(&doctor.stdout).into_owned();
    let sentence = "agent 127.0.0.1: 3 pieces of what it sent did not decode (unknown_format 3)";
    assert!(words.contains(sentence), "{words}");
}
