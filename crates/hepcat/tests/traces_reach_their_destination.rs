//! Traces of the real node, from the command line to the collector.

use std::{net::SocketAddr, time::Duration};

use assert_cmd::Command;
use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame::Meta};
use hepcat_wire::Message;
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// A node that relays nothing, so that whatever the collector gets was traced.
fn config(home: &TempDir, collector: SocketAddr) -> String {
    format!(
        r#"
[node]
data_dir = "{}"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = "[homer] {collector}"
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
[[route]]
to = ["tail"]
[[trace]]
trace_id = "[tid]uri=hep:homer"
"#,
        home.path().display()
    )
}

/// The frame of one message of a call.
fn frame(first_line: &str, caller: &str, call_id: &str, cseq: &str, answered: bool) -> Vec<u8> {
    let tag = if answered { ";tag=to" } else { "" };
    let sip = format!(
        "{first_line}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{call_id}{}\r\n\
         From: <sip:{caller}@example.com>;tag=from\r\nTo: <sip:bob@example.com>{tag}\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n",
        cseq.replace(' ', "")
    );
    let mut meta = Meta::default();
    meta.correlation_id = Some(call_id.as_bytes().to_vec());
    meta.v3(sip.as_bytes())
}

fn call(caller: &str, call_id: &str) -> Vec<Vec<u8>> {
    let invite = "INVITE sip:bob@example.com SIP/2.0";
    let bye = "BYE sip:bob@example.com SIP/2.0";
    vec![
        frame(invite, caller, call_id, "1 INVITE", false),
        frame("SIP/2.0 180 Ringing", caller, call_id, "1 INVITE", true),
        frame("SIP/2.0 200 OK", caller, call_id, "1 INVITE", true),
        frame(
            "ACK sip:bob@example.com SIP/2.0",
            caller,
            call_id,
            "1 ACK",
            true,
        ),
        frame(bye, caller, call_id, "2 BYE", true),
        frame("SIP/2.0 200 OK", caller, call_id, "2 BYE", true),
    ]
}

fn hepcat(node: &NodeProcess, arguments: &[&str]) -> assert_cmd::assert::Assert {
    Command::new(HEPCAT)
        .args(arguments)
        .arg("--node")
        .arg(format!("http://{}", node.http_address()))
        .timeout(Duration::from_secs(60))
        .assert()
}

fn said(assert: &assert_cmd::assert::Assert) -> String {
    let output = assert.get_output();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn json(assert: &assert_cmd::assert::Assert) -> Value {
    serde_json::from_slice(&assert.get_output().stdout).expect("JSON")
}

fn received(node: &NodeProcess, frames: usize) -> Value {
    node.wait_for_status("everything settled", |status| {
        status["ledger"]["received"] == frames && status["ledger"]["unaccounted"] == 0
    })
}

fn homer(status: &Value) -> &Value {
    let sinks = status["sinks"].as_array().expect("a list");
    let homer = sinks.iter().find(|sink| sink["name"] == "homer");
    homer.expect("the destination")
}

fn send(node: &NodeProcess, frames: &[Vec<u8>]) {
    let mut agent = FakeAgent::udp(node.listener("in"));
    for frame in frames {
        agent.send(frame);
    }
}

#[test]
fn a_trace_started_by_caller_sends_the_whole_dialog_and_survives_a_restart() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::tcp();
    let text = config(&home, collector.address());
    let mut node = NodeProcess::start(HEPCAT, &text);
    let alice = call("alice", "one@x");
    let carol = call("carol", "two@x");

    // Nothing is traced before, and the trace_id waits for a script.
    send(&node, &alice);
    received(&node, 6);
    let started = hepcat(
        &node,
        &[
            "trace",
            "start",
            "complaint",
            "--caller",
            "alice@example.com",
        ],
    )
    .success();
    assert!(
        said(&started).contains("caller alice@example.com"),
        "{}",
        said(&started)
    );
    let mixed: Vec<_> = alice
        .iter()
        .zip(&carol)
        .flat_map(|(a, c)| [a.clone(), c.clone()])
        .collect();
    send(&node, &mixed);
    // Octet for octet, in their order, and nothing of anybody else's.
    assert_eq!(collector.wait_for(6), alice);
    let status = received(&node, 18);
    assert_eq!(homer(&status)["originated"], 6);
    assert_eq!(homer(&status)["offered"], 0);
    assert_eq!(homer(&status)["unaccounted"], 0);

    node.terminate();
    assert!(node.wait_for_exit().success());
    let node = NodeProcess::start(HEPCAT, &text);
    let list = json(&hepcat(&node, &["trace", "list", "--json"]).success());
    assert_eq!(list["durable"], true);
    let kept = list["traces"].as_array().expect("a list");
    assert_eq!(kept.len(), 2, "{list:#}");
    assert_eq!(
        (&kept[1]["id"], &kept[1]["traced"]),
        (&Value::from("complaint"), &Value::from(6))
    );
    send(&node, &carol);
    send(&node, &alice);
    assert_eq!(collector.wait_for(12)[6..], alice);

    let stopped = json(&hepcat(&node, &["trace", "stop", "complaint", "--json"]).success());
    assert_eq!(stopped["traced"], 12);
    send(&node, &alice);
    received(&node, 18);
    assert_eq!(collector.count(), 12);
    let unknown = hepcat(&node, &["trace", "stop", "complaint"]).code(1);
    assert!(
        said(&unknown).contains("there is no trace `complaint`"),
        "{}",
        said(&unknown)
    );
    let configured = hepcat(&node, &["trace", "stop", "tid"]).code(1);
    assert!(
        said(&configured).contains("is configured"),
        "{}",
        said(&configured)
    );
}

#[test]
fn a_message_without_correlation_gets_its_call_id_and_old_versions_stay_as_they_are() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::udp();
    let node = NodeProcess::start(
        HEPCAT,
        &config(&home, collector.address()).replace(
            &format!("[homer] {}", collector.address()),
            &format!("[homer] {}; transport=udp", collector.address()),
        ),
    );
    hepcat(
        &node,
        &[
            "trace",
            "start",
            "--address",
            "192.0.2.0/24",
            "--scope",
            "message",
        ],
    )
    .success();
    let sip = hepcat_testkit::frame::sip_options("one@x");
    let meta = Meta::default();
    send(&node, &[meta.v3(sip.as_bytes())]);
    let traced = collector.wait_for(1);
    let message = Message::parse(traced[0].as_slice()).expect("well formed");
    assert_eq!(message.correlation_id(), Some(&b"one@x"[..]));
    assert_eq!(message.payload().octets(), Some(sip.as_bytes()));
    assert_eq!(message.time_usec(), Some(meta.time_usec));
}

#[test]
fn a_limit_and_a_rate_hold_and_are_counted() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(HEPCAT, &config(&home, collector.address()));
    let frames = call("alice", "one@x");
    hepcat(
        &node,
        &[
            "trace", "start", "short", "--caller", "alice", "--limit", "4",
        ],
    )
    .success();
    send(&node, &frames);
    assert_eq!(collector.wait_for(4), frames[..4]);
    received(&node, 6);
    let list = json(&hepcat(&node, &["trace", "list", "--json"]).success());
    let short = &list["traces"][1];
    assert_eq!(
        (&short["state"], &short["ended"]),
        (&Value::from("ended"), &Value::from("limit"))
    );
    let table = said(&hepcat(&node, &["trace", "list"]).success());
    assert!(
        table.contains("ended (limit)") && table.contains("4 of 4"),
        "{table}"
    );

    hepcat(
        &node,
        &[
            "trace",
            "start",
            "slow",
            "--when",
            "from:carol",
            "--scope",
            "message",
            "--rate",
            "1",
        ],
    )
    .success();
    let carol = vec![
        frame(
            "OPTIONS sip:x SIP/2.0",
            "carol",
            "two@x",
            "1 OPTIONS",
            false
        );
        50
    ];
    send(&node, &carol);
    received(&node, 56);
    let metrics = node.metrics();
    let value = |name: &str| -> u64 {
        let line = metrics.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {metrics}"));
        line.rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok())
            .expect("a count")
    };
    let traced = value("hepcat_trace_messages_total{kind=\"started\"}");
    let held_back = value("hepcat_trace_rate_limited_total{kind=\"started\"}");
    assert_eq!(traced + held_back, 54);
    // All 50 came within a few seconds at most.
    assert!((5..=34).contains(&traced), "{traced} traced");
    let copies = collector.wait_for(usize::try_from(traced).expect("few"));
    assert!(copies[4..].iter().all(|copy| *copy == carol[0]));
}

#[test]
fn what_is_not_understood_starts_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(HEPCAT, &config(&home, collector.address()));
    for (arguments, expected) in [
        (&[][..], "needs a filter"),
        (&["--address", "10.0.0.1/8"], "bits beyond its prefix"),
        (
            &["--address", "everything"],
            "write an IPv4 or IPv6 address",
        ),
        (&["--caller", ""], "caller"),
        (&["--when", "metod:INVITE"], "unknown field"),
        (
            &["--caller", "alice", "--to", "nowhere"],
            "neither a destination nor a group",
        ),
        (&["--caller", "alice", "--for", "soon"], "for"),
    ] {
        let refused = hepcat(&node, &[&["trace", "start"], arguments].concat()).code(2);
        assert!(said(&refused).contains(expected), "{}", said(&refused));
    }
    let list = json(&hepcat(&node, &["trace", "list", "--json"]).success());
    assert_eq!(list["traces"].as_array().map(Vec::len), Some(1), "{list:#}");
}

#[test]
fn capturing_is_switched_off_and_on_and_stays_as_it_was_left() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::tcp();
    let text = config(&home, collector.address()).replace("to = [\"tail\"]", "to = [\"homer\"]");
    let mut node = NodeProcess::start(HEPCAT, &text);
    let frames = call("alice", "one@x");
    let off = hepcat(&node, &["capture", "off"]).success();
    assert!(said(&off).contains("capturing is off"), "{}", said(&off));
    send(&node, &frames);
    let status = received(&node, 6);
    assert_eq!(status["ledger"]["skipped"]["capture_off"], 6);
    assert_eq!(status["capture_on"], false);
    let doctor = hepcat(&node, &["doctor"]);
    assert!(
        said(&doctor).contains("hepcat capture on"),
        "{}",
        said(&doctor)
    );

    node.terminate();
    assert!(node.wait_for_exit().success());
    let node = NodeProcess::start(HEPCAT, &text);
    assert!(said(&hepcat(&node, &["capture"]).success()).contains("capturing is off"));
    assert_eq!(
        json(&hepcat(&node, &["capture", "on", "--json"]).success()),
        serde_json::json!({"on": true})
    );
    send(&node, &frames);
    assert_eq!(collector.wait_for(6), frames);
}

#[test]
fn the_configuration_says_whether_capturing_begins() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::tcp();
    let on = config(&home, collector.address()).replace("to = [\"tail\"]", "to = [\"homer\"]");
    let off = on.replace("[hep]", "[hep]\ncapture_on = 0");
    let node = NodeProcess::start(HEPCAT, &off);
    let frames = call("alice", "one@x");
    send(&node, &frames);
    assert_eq!(received(&node, 6)["ledger"]["skipped"]["capture_off"], 6);
    node.write_config(&on);
    node.reload();
    node.wait_for_output("configuration reloaded");
    send(&node, &frames);
    assert_eq!(collector.wait_for(6), frames);
}

#[test]
fn a_reload_keeps_started_traces_and_says_what_they_lost() {
    let home = tempfile::tempdir().expect("a directory");
    let (first, second) = (FakeCollector::tcp(), FakeCollector::tcp());
    let text = config(&home, first.address());
    let node = NodeProcess::start(HEPCAT, &text);
    hepcat(
        &node,
        &[
            "trace", "start", "one", "--caller", "alice", "--to", "homer",
        ],
    )
    .success();
    let frames = call("alice", "one@x");
    send(&node, &frames[..1]);
    assert_eq!(first.wait_for(1), frames[..1]);
    // The same destination elsewhere: what is followed goes there from now on.
    node.write_config(&config(&home, second.address()));
    node.reload();
    node.wait_for_output("configuration reloaded");
    send(&node, &frames[1..]);
    assert_eq!(second.wait_for(5), frames[1..]);

    let renamed = text
        .replace("[homer]", "[other]")
        .replace("hep:homer", "hep:other");
    node.write_config(&renamed);
    node.reload();
    let status = node.wait_for_status("the new destination", |status| {
        let sinks = status["sinks"].as_array().expect("a list");
        sinks.iter().any(|sink| sink["name"] == "other")
    });
    assert_eq!(status["ready"], true);
    let table = said(&hepcat(&node, &["trace", "list"]).success());
    assert!(table.contains("homer (not configured)"), "{table}");
}

#[test]
fn only_this_host_and_only_json_start_traces() {
    use std::io::{Read as _, Write as _};
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(HEPCAT, &config(&home, collector.address()));
    let body = r#"{"caller":"alice"}"#;
    let post = |host: &str, kind: &str| {
        let mut stream = std::net::TcpStream::connect(node.http_address()).expect("connects");
        write!(
            stream,
            "POST /api/v1/traces HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .expect("writes");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        answer
    };
    for (host, kind, status) in [
        ("evil.example", "application/json", "403"),
        ("localhost", "text/plain", "415"),
        ("localhost", "application/json", "201"),
    ] {
        let answer = post(host, kind);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
}
