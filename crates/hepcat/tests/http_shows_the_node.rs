//! What the node says over HTTP, and to whom.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use hepcat_net::destination::DropReason;
use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

const NODE: &str = r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
"#;

/// The whole answer to a request written by hand.
fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address, request);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn connect(address: SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time limit");
    write!(stream, "{request}\r\nConnection: close\r\n\r\n").expect("the request is sent");
    stream
}

#[test]
fn health_and_readiness_answer() {
    let node = NodeProcess::start(HEPCAT, NODE);
    assert_eq!(node.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(node.get("/readyz"), (200, "ready\n".to_owned()));
}

#[test]
fn a_request_for_another_host_is_refused_so_that_no_page_elsewhere_can_ask() {
    let node = NodeProcess::start(HEPCAT, NODE);
    let answer = ask(
        node.http_address(),
        "GET /metrics HTTP/1.1\r\nHost: rebound.example",
    );
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(!answer.contains("hepcat_"), "{answer}");
}

#[test]
fn metrics_show_the_ledger_of_a_listener_its_agent_and_a_sink() {
    let collector = FakeCollector::tcp();
    let text = format!(
        "{NODE}[[destination]]\nname = \"homer\"\nsocket = \"hep_tcp:{}\"\n",
        collector.address()
    );
    let node = NodeProcess::start(HEPCAT, &text);
    let mut meta = frame::Meta::default();
    meta.capture_id = 4321;
    FakeAgent::udp(node.listener("udp")).send(&meta.v3(b"OPTIONS sip:a SIP/2.0\r\n\r\n"));
    assert_eq!(collector.wait_for(1).len(), 1);
    let _delivered =
        node.wait_for_status("delivered", |status| status["sinks"][0]["delivered"] == 1);
    let metrics = node.metrics();
    for line in [
        "hepcat_build_info{version=\"0.1.0\"} 1",
        "hepcat_listener_frames_received_total{listener=\"udp\"} 1",
        "hepcat_listener_frames_received_total{listener=\"tcp\"} 0",
        "hepcat_agent_frames_routed_total{agent=\"127.0.0.1\",capture_id=\"4321\"} 1",
        "hepcat_sink_frames_delivered_total{sink=\"homer\"} 1",
        "hepcat_sink_frames_dropped_total{sink=\"homer\",reason=\"queue_full_oldest\"} 0",
        "hepcat_destination_up{destination=\"homer\"} 1",
        "hepcat_ledger_unaccounted 0",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "no `{line}` in\n{metrics}"
        );
    }
}

#[test]
fn every_metric_is_documented_and_every_documented_one_exists() {
    let names: BTreeSet<&str> = hepcat::metrics::names::ALL
        .iter()
        .map(|metric| metric.name)
        .collect();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let docs = std::fs::read_to_string(docs).expect("docs/metrics.md");
    let documented: BTreeSet<&str> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(documented, names);
    for metric in hepcat::metrics::names::ALL {
        let row = docs
            .lines()
            .find(|line| line.contains(&format!("`{}`", metric.name)));
        for label in metric.labels {
            assert!(
                row.is_some_and(|row| row.contains(label)),
                "{}: label {label}",
                metric.name
            );
        }
    }
}

#[test]
fn every_reason_of_the_ledger_is_documented() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
    let docs = std::fs::read_to_string(docs).expect("docs/config.md");
    let node = NodeProcess::start(HEPCAT, NODE);
    let metrics = node.metrics();
    let shown: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.split_once("reason=\"")?.1.split('"').next())
        .collect();
    let dropped = DropReason::ALL.iter().map(|reason| reason.label());
    assert!(shown.contains("lagged"), "{shown:?}");
    for reason in dropped.chain(shown) {
        assert!(docs.contains(&format!("`{reason}`")), "{reason}");
    }
}

#[test]
fn live_messages_arrive_as_events_for_those_that_the_query_fits() {
    let node = NodeProcess::start(HEPCAT, NODE);
    let stream = connect(
        node.http_address(),
        "GET /api/v1/live?q=call_id:wanted@live HTTP/1.1\r\nHost: localhost",
    );
    let mut lines = BufReader::new(stream)
        .lines()
        .map(|line| line.expect("a line"));
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for call_id in ["other@live", "wanted@live"] {
        agent.send(&frame::sip_v3(frame::sip_options(call_id)));
    }
    let data = lines.find_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    let message: Value = serde_json::from_str(&data.expect("an event")).expect("JSON");
    assert_eq!(message["sip"]["call_id"], "wanted@live", "{message:#}");
    assert_eq!(message["listener"], "tcp");
    assert_eq!(message["agent"], "127.0.0.1");
    let connection = serde_json::json!({
        "proto_family": "AF_INET",
        "proto_id": "hep_tcp",
        "src_ip": "127.0.0.1",
        "src_port": agent.local_address().port(),
        "dst_ip": "127.0.0.1",
        "dst_port": node.listener("tcp").port(),
    });
    assert_eq!(message["hep_net"], connection);
}

#[test]
fn a_query_with_a_fault_is_answered_in_words() {
    let node = NodeProcess::start(HEPCAT, NODE);
    let (code, body) = node.get("/api/v1/live?q=colour:red");
    assert_eq!(code, 400);
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["type"], "/problems/query");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|words| words.contains("colour")),
        "{body}"
    );
}

#[test]
fn every_refusal_of_the_api_is_a_problem_that_says_what_is_wrong() {
    let node = NodeProcess::start(HEPCAT, NODE);
    for (request, status, kind, detail) in [
        // What is wrong with a query, where, and what would be right.
        (
            "GET /api/v1/messages?q=agent:10.0.0.0/8%20metod:INVITE",
            400,
            "/problems/query",
            "unknown field `metod`\n  agent:10.0.0.0/8 metod:INVITE\n                   ^^^^^\n  did you mean `method`?",
        ),
        (
            "GET /api/v1/calls?q=stat:x",
            400,
            "/problems/query",
            "stat:x",
        ),
        (
            "GET /api/v1/live?q=colour:red",
            400,
            "/problems/query",
            "^^^^^^",
        ),
        (
            "GET /api/v1/agents?q=colour:red",
            400,
            "/problems/query",
            "^^^^^^",
        ),
        (
            "GET /api/v1/messages?limit=many",
            400,
            "/problems/request",
            "limit",
        ),
        (
            "GET /api/v1/messages?from=yesterday",
            400,
            "/problems/request",
            "from",
        ),
        ("GET /api/v1/facets", 400, "/problems/request", "field"),
        ("GET /api/v1/calls/%ff", 400, "/problems/request", "UTF-8"),
        (
            "GET /api/v1/call",
            404,
            "/problems/not-served",
            "GET /api/v1/call",
        ),
        (
            "PUT /api/v1/calls",
            405,
            "/problems/method",
            "PUT /api/v1/calls",
        ),
        ("GET /api/v1/calls", 503, "/problems/no-store", "[store]"),
    ] {
        let answer = ask(
            node.http_address(),
            &format!("{request} HTTP/1.1\r\nHost: localhost"),
        );
        let (head, body) = answer.split_once("\r\n\r\n").expect("head and body");
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let head = head.to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/problem+json"),
            "{answer}"
        );
        let problem: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["type"], kind, "{request}");
        assert_eq!(problem["status"], status, "{request}");
        let words = problem["detail"].as_str().expect("words");
        assert!(words.contains(detail), "{request}: {words}");
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert_eq!(
            status == 405,
            head.contains("\nallow: get,head"),
            "{answer}"
        );
    }
}

#[test]
fn metrics_beyond_loopback_want_their_token_and_show_nothing_else() {
    let token = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(token.path(), "scrape-me\n").expect("the token is written");
    let text = NODE.replace(
        "[[listener]]\nname = \"udp\"",
        &format!(
            "metrics_listen = \"127.0.0.1:0\"\nmetrics_token_file = \"{}\"\n[[listener]]\nname = \"udp\"",
            token.path().display()
        ),
    );
    let node = NodeProcess::start(HEPCAT, &text);
    let line = node.wait_for_output("serving metrics beyond loopback");
    let address = line
        .rsplit("address=")
        .next()
        .and_then(|rest| rest.trim().parse().ok());
    let address: SocketAddr = address.unwrap_or_else(|| panic!("no address in: {line}"));
    let get = |path: &str, more: &str| {
        ask(
            address,
            &format!("GET {path} HTTP/1.1\r\nHost: metrics.example{more}"),
        )
    };
    assert!(get("/metrics", "").starts_with("HTTP/1.1 401"));
    assert!(get("/metrics", "\r\nAuthorization: Bearer scrape-m").starts_with("HTTP/1.1 401"));
    let answer = get("/metrics", "\r\nAuthorization: Bearer scrape-me");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("hepcat_build_info"),
        "{answer}"
    );
    assert!(
        get("/api/v1/status", "\r\nAuthorization: Bearer scrape-me").starts_with("HTTP/1.1 404")
    );
}

#[test]
fn doctor_says_in_words_what_is_wrong_and_exits_1() {
    let refusing = FakeCollector::refusing();
    let text = format!(
        "{NODE}[[destination]]\nname = \"homer\"\nsocket = \"hep_tcp:{}\"\n",
        refusing.address()
    );
    let node = NodeProcess::start(HEPCAT, &text);
    FakeAgent::udp(node.listener("udp")).send(&frame::sip_v3(frame::sip_options("x@doctor")));
    let _down = node.wait_for_status("down", |status| {
        status["sinks"][0]["destination"]["last_error"].is_string()
            && status["sinks"][0]["queued"] == 1
    });
    let doctor = Command::new(HEPCAT)
        .args([
            "doctor",
            "--node",
            &format!("http://{}", node.http_address()),
        ])
        .output()
        .expect("hepcat runs");
    let words = String::from_utf8_lossy(&doctor.stdout);
    assert_eq!(doctor.status.code(), Some(1), "{words}");
    for part in [
        "listener udp: 1 frame received",
        "has received nothing",
        "destination homer",
        "refused",
        "1 frame in the queue",
        "ledger: 1 frame received = 1 routed",
    ] {
        assert!(words.contains(part), "no `{part}` in:\n{words}");
    }
}

#[test]
fn doctor_says_that_no_node_answers() {
    let nobody = FakeCollector::refusing();
    let doctor = Command::new(HEPCAT)
        .args(["doctor", "--node", &format!("http://{}", nobody.address())])
        .output()
        .expect("hepcat runs");
    assert_eq!(doctor.status.code(), Some(1));
    let words = String::from_utf8_lossy(&doctor.stderr);
    assert!(words.contains("Is the node running?"), "{words}");
}

#[test]
fn page_and_api_are_not_served_in_the_clear_beyond_loopback() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9080"] {
        let text = NODE.replace(
            "127.0.0.1:0\"\n[[listener]]\nname = \"udp\"",
            &format!("{address}\"\n[[listener]]\nname = \"udp\""),
        );
        assert_ne!(text, NODE);
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("the configuration is written");
        let refused = Command::new(HEPCAT)
            .args(["run", "-c"])
            .arg(file.path())
            .output()
            .expect("hepcat runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(78), "{said}");
        assert!(said.contains("in the clear"), "{said}");
    }
}
