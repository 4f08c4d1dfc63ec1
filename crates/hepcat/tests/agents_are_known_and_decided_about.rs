//! Quarantine, decisions, records, limits and clocks of agents, with the real program.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

const PATIENCE: Duration = Duration::from_secs(20);

/// A node with a UDP listener on every address of loopback and a TCP listener.
fn node_text(collector: &FakeCollector, agents: &str) -> String {
    format!(
        r#"
[node]
data_dir = "{{dir}}/data"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = "[homer] {}"
[agents]
{agents}
[[listener]]
name = "udp"
socket = "hep_udp:0.0.0.0:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
"#,
        collector.address()
    )
}

/// An agent on an address of loopback of its own, over UDP.
struct Agent {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Agent {
    fn new(node: &NodeProcess, last: u8) -> Self {
        let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        Self {
            socket: UdpSocket::bind((address, 0)).expect("an address of loopback"),
            to: SocketAddr::from((Ipv4Addr::LOCALHOST, node.listener("udp").port())),
        }
    }

    fn send(&self, octets: &[u8]) {
        self.socket.send_to(octets, self.to).expect("sent");
    }
}

fn message(call_id: &str) -> Vec<u8> {
    frame::sip_v3(frame::sip_options(call_id))
}

/// A message that says when it was sent, and who its sender is.
fn told(sent: SystemTime, node_name: &str) -> Vec<u8> {
    let since = sent
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("after 1970");
    let mut meta = frame::Meta::default();
    meta.time_sec = u32::try_from(since.as_secs()).expect("before 2106");
    meta.time_usec = since.subsec_micros();
    let mut chunks = meta.chunks();
    chunks.push(frame::chunk(0, 0x0013, node_name.as_bytes()));
    chunks.push(frame::chunk(
        0,
        0x000f,
        frame::sip_options("x@x").as_bytes(),
    ));
    frame::v3(&chunks)
}

fn settled(node: &NodeProcess, received: u64) -> Value {
    node.wait_for_status("everything decided", |status| {
        status["ledger"]["received"] == received && status["ledger"]["unaccounted"] == 0
    })
}

fn agents(node: &NodeProcess, query: &str) -> Vec<Value> {
    let (code, body) = node.get(&format!("/api/v1/agents?q={query}"));
    assert_eq!(code, 200, "{body}");
    let listing: Value = serde_json::from_str(&body).expect("JSON");
    listing["agents"].as_array().expect("a list").clone()
}

fn agent(node: &NodeProcess, address: &str) -> Value {
    let mut found = agents(node, &format!("agent:{address}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

fn hepcat(node: &NodeProcess, arguments: &[&str]) -> Output {
    Command::new(HEPCAT)
        .args(arguments)
        .args(["--node", &format!("http://{}", node.http_address())])
        .env("NO_COLOR", "1")
        .output()
        .expect("hepcat runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn post(node: &NodeProcess, path: &str, more: &str) -> String {
    let mut stream = TcpStream::connect(node.http_address()).expect("the node listens");
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nConnection: close\r\n{more}\r\n",
        node.http_address()
    )
    .expect("the request is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn an_unknown_agent_waits_in_quarantine_until_one_command_lets_it_in() {
    let collector = FakeCollector::tcp();
    let text = node_text(&collector, "unknown_agents = \"quarantine\"");
    let node = NodeProcess::start(HEPCAT, &text);
    let (known, other) = (Agent::new(&node, 2), Agent::new(&node, 3));
    for number in 0..40 {
        known.send(&message(&format!("{number}@waits")));
    }
    other.send(&message("other@waits"));
    let status = settled(&node, 41);
    assert_eq!(
        status["listeners"][0]["ledger"]["refused"]["quarantine"],
        41
    );
    assert_eq!(agent(&node, "127.0.0.2")["state"], "quarantined");
    node.wait_for_output("unknown agent in quarantine");
    let listed = said(&hepcat(&node, &["agents", "--state", "quarantined"]));
    assert!(
        listed.contains("127.0.0.2") && listed.contains("127.0.0.3"),
        "{listed}"
    );
    // What it sent last can be looked at.
    let shown = said(&hepcat(&node, &["agents", "show", "127.0.0.2"]));
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let kept = shown["quarantined"].as_array().expect("a list");
    assert_eq!(kept.len(), 32);
    assert_eq!(kept[31]["sip"]["call_id"], "39@waits");
    let doctor = hepcat(&node, &["doctor"]);
    let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(
        doctor.contains("2 addresses wait in quarantine"),
        "{doctor}"
    );

    let words = said(&hepcat(&node, &["agents", "accept", "127.0.0.2"]));
    assert_eq!(words, "127.0.0.2 is accepted\n");
    known.send(&message("in@now"));
    other.send(&message("still@waits"));
    assert_eq!(collector.wait_for(1), [message("in@now")]);
    let status = settled(&node, 43);
    assert_eq!(status["ledger"]["routed"], 1);
    assert_eq!(agent(&node, "127.0.0.2")["state"], "accepted");
    let shown = said(&hepcat(&node, &["agents", "show", "127.0.0.2"]));
    assert!(shown.contains("\"quarantined\": []"), "{shown}");

    // And refused again, and forgotten.
    assert_eq!(
        said(&hepcat(&node, &["agents", "refuse", "127.0.0.2"])),
        "127.0.0.2 is refused\n"
    );
    known.send(&message("out@again"));
    let status = settled(&node, 44);
    assert_eq!(status["listeners"][0]["ledger"]["refused"]["agent"], 1);
    let words = said(&hepcat(&node, &["agents", "forget", "127.0.0.2"]));
    assert_eq!(words, "nothing is decided about 127.0.0.2\n");
    // It stands where strangers do, without having to send first.
    assert_eq!(agent(&node, "127.0.0.2")["state"], "quarantined");
    known.send(&message("waits@again"));
    let status = settled(&node, 45);
    assert_eq!(
        status["listeners"][0]["ledger"]["refused"]["quarantine"],
        43
    );
}

#[test]
fn decisions_and_records_outlive_the_process() {
    let collector = FakeCollector::tcp();
    let home = tempfile::tempdir().expect("a directory");
    let text = node_text(&collector, "unknown_agents = \"refuse\"")
        .replace("{dir}", &home.path().display().to_string());
    let first_seen = {
        let mut node = NodeProcess::start(HEPCAT, &text);
        for (action, address) in [("accept", "127.0.0.2"), ("refuse", "127.0.0.4")] {
            said(&hepcat(&node, &["agents", action, address]));
        }
        Agent::new(&node, 2).send(&told(SystemTime::now(), "sbc-1"));
        Agent::new(&node, 3).send(&message("nobody@knows"));
        let status = settled(&node, 2);
        assert_eq!(status["listeners"][0]["ledger"]["refused"]["unknown"], 1);
        let first = agent(&node, "127.0.0.2")["first_seen"].clone();
        node.terminate();
        assert!(node.wait_for_exit().success());
        first
    };
    let node = NodeProcess::start(HEPCAT, &text);
    let remembered = agent(&node, "127.0.0.2");
    assert_eq!(remembered["state"], "silent");
    assert_eq!(remembered["node_names"][0], "sbc-1");
    assert_eq!(remembered["decision"], "accepted");
    assert!(
        agents(&node, "agent:127.0.0.3").is_empty(),
        "strangers are not kept"
    );
    let listed = said(&hepcat(&node, &["agents"]));
    assert!(
        listed.contains("127.0.0.4 is refused and not listed above"),
        "{listed}"
    );
    Agent::new(&node, 2).send(&told(SystemTime::now(), "sbc-1"));
    assert_eq!(collector.wait_for(2).len(), 2);
    let now = agent(&node, "127.0.0.2");
    assert_eq!(
        (&now["state"], &now["frames_ever"]),
        (&"accepted".into(), &2.into())
    );
    // It is kept to the microsecond.
    let (kept, first_seen) = (now["first_seen"].as_str(), first_seen.as_str());
    let kept = kept.expect("a time").trim_end_matches('Z');
    assert!(
        first_seen.expect("a time").starts_with(kept),
        "{kept} {first_seen:?}"
    );
}

#[test]
fn an_agent_is_recorded_with_what_it_says_of_itself() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(HEPCAT, &node_text(&collector, ""));
    let sbc = Agent::new(&node, 2);
    sbc.send(&told(SystemTime::now(), "sbc-old"));
    let _first = settled(&node, 1);
    sbc.send(&told(SystemTime::now(), "sbc-1"));
    sbc.send(&frame::sip_v2(frame::sip_options("v2@x")));
    sbc.send(b"rubbish");
    Agent::new(&node, 3).send(&told(SystemTime::now(), "sbc-2"));
    let _all = settled(&node, 5);
    let of_sbc = agents(&node, "agent:127.0.0.2");
    let with_id = of_sbc
        .iter()
        .find(|one| one["capture_id"] == 2001)
        .expect("its ID");
    assert_eq!(
        with_id["node_names"],
        serde_json::json!(["sbc-old", "sbc-1"])
    );
    assert_eq!(with_id["versions"], serde_json::json!([2, 3]));
    assert_eq!(
        (&with_id["transport"], &with_id["listener"]),
        (&"udp".into(), &"udp".into())
    );
    let without = of_sbc
        .iter()
        .find(|one| one["capture_id"].is_null())
        .expect("the rubbish");
    assert_eq!(without["unparsable"].as_object().expect("reasons").len(), 1);
    // By the query language, by state, by name.
    assert_eq!(agents(&node, "node:sbc-*").len(), 2);
    assert_eq!(agents(&node, "sbc-2").len(), 1);
    assert_eq!(agents(&node, "version:2").len(), 1);
    assert_eq!(
        said(&hepcat(&node, &["agents", "refuse", "sbc-2"])),
        "127.0.0.3 is refused\n"
    );
    let sorted = said(&hepcat(&node, &["agents", "--sort", "received", "--json"]));
    let sorted: Value = serde_json::from_str(&sorted).expect("JSON");
    assert_eq!(sorted["agents"][0]["ledger"]["received"], 3, "{sorted:#}");
    let nobody = hepcat(&node, &["agents", "accept", "no-such-name"]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&nobody.stderr).contains("no agent is called"),
        "{nobody:?}"
    );
    // Two addresses that claim one name are not confused.
    Agent::new(&node, 4).send(&told(SystemTime::now(), "sbc-1"));
    let _all = settled(&node, 6);
    let several = hepcat(&node, &["agents", "accept", "sbc-1"]);
    let words = String::from_utf8_lossy(&several.stderr).into_owned();
    assert!(words.contains("127.0.0.2, 127.0.0.4"), "{words}");
}

#[test]
fn a_page_elsewhere_cannot_let_an_agent_in() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(HEPCAT, &node_text(&collector, ""));
    let path = "/api/v1/agents/127.0.0.9/refuse";
    let answer = post(&node, path, "Origin: http://evil.example\r\n");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let (code, _) = node.get("/api/v1/agents/127.0.0.9");
    assert_eq!(code, 404);
    assert!(post(&node, path, "").starts_with("HTTP/1.1 200"));
    let (code, body) = node.get("/api/v1/agents/127.0.0.9");
    assert_eq!(code, 200);
    assert!(body.contains("\"decision\":\"refused\""), "{body}");
    // A connection from there is refused at the door; that of another address is not.
    assert!(post(&node, "/api/v1/agents/127.0.0.1/refuse", "").starts_with("HTTP/1.1 200"));
    assert!(FakeAgent::tcp(node.listener("tcp")).closed_by_peer(PATIENCE));
    let refused = agent(&node, "127.0.0.1");
    assert_eq!(
        (&refused["state"], &refused["connections_refused"]),
        (&"refused".into(), &1.into())
    );
}

#[test]
fn one_hostile_agent_never_affects_another() {
    let collector = FakeCollector::tcp();
    let text = node_text(
        &collector,
        "messages_per_second = 50\nburst = \"2s\"\nbad_frames = 8\nmute = \"1h\"",
    );
    let text = format!("{text}\n[unparsable]\nmax_per_second = \"4KiB\"\n");
    let node = NodeProcess::start(HEPCAT, &text);
    let (flood, rubbish, good) = (
        Agent::new(&node, 2),
        Agent::new(&node, 3),
        Agent::new(&node, 4),
    );
    for number in 0..300 {
        flood.send(&message(&format!("{number}@flood")));
        rubbish.send(&[b'x'; 400]);
        if number % 10 == 0 {
            good.send(&message(&format!("{number}@good")));
        }
    }
    // The rubbish has not used up what others may send that does not decode.
    good.send(b"what the good one cannot spell");
    let status = settled(&node, 631);
    let listener = &status["listeners"][0]["ledger"]["refused"];
    assert_eq!(listener["muted"], 300 - 7, "{listener}");
    let of = |address: &str| agents(&node, &format!("agent:{address}"));
    let flooded = &of("127.0.0.2")[0]["ledger"];
    // The burst, and what a slow machine earned meanwhile.
    let taken = flooded["routed"].as_u64().expect("a count");
    assert!((100..300).contains(&taken), "{flooded}");
    assert_eq!(flooded["refused"]["rate"], 300 - taken);
    for one in of("127.0.0.4") {
        let refused = one["ledger"]["refused"].as_object().expect("reasons");
        assert!(refused.values().all(|frames| frames == 0), "{one:#}");
    }
    let arrived = collector.wait_for(usize::try_from(taken).expect("few") + 30);
    let good = |frame: &&Vec<u8>| String::from_utf8_lossy(frame).contains("@good");
    assert_eq!(arrived.iter().filter(good).count(), 30);
    // The log says it once of each, and does not repeat it.
    let output = node.output();
    assert_eq!(output.matches("agent is muted").count(), 1, "{output}");
    assert_eq!(
        output.matches("frames of this agent are refused").count(),
        1,
        "{output}"
    );
    // A message that decodes is taken all the same, and ends the silence.
    rubbish.send(&message("better@now"));
    rubbish.send(b"once more");
    let status = settled(&node, 633);
    assert_eq!(
        status["listeners"][0]["ledger"]["refused"]["muted"],
        300 - 7
    );
}

#[test]
fn octets_are_limited_where_messages_are_few() {
    let collector = FakeCollector::tcp();
    let limits = "octets_per_second = \"64KiB\"\nburst = \"2s\"";
    let node = NodeProcess::start(HEPCAT, &node_text(&collector, limits));
    let (large, small) = (Agent::new(&node, 2), Agent::new(&node, 3));
    let long = |number: usize| {
        let call_id = format!("{number}@large-{}", "x".repeat(8_000));
        frame::sip_v3(frame::sip_options(&call_id))
    };
    for number in 0..60 {
        large.send(&long(number));
        small.send(&message(&format!("{number}@small")));
    }
    let status = settled(&node, 120);
    let of_large = &agent(&node, "127.0.0.2")["ledger"];
    // Two seconds' worth of them, and a slow machine earns some meanwhile.
    let burst = 2 * 64 * 1_024 / long(0).len() as u64;
    let taken = of_large["routed"].as_u64().expect("a count");
    assert!((burst..60).contains(&taken), "{of_large}");
    assert_eq!(of_large["refused"]["rate"], 60 - taken);
    assert_eq!(agent(&node, "127.0.0.3")["ledger"]["routed"], 60);
    let refused = &status["listeners"][0]["ledger"]["refused"];
    assert_eq!(refused["rate"], 60 - taken);
}

#[test]
fn invented_agents_do_not_flood_the_log() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(
        HEPCAT,
        &node_text(&collector, "unknown_agents = \"refuse\""),
    );
    let to = Agent::new(&node, 2).to;
    for last in 2..=250 {
        let address = IpAddr::from(Ipv4Addr::new(127, 0, 0, last));
        let socket = UdpSocket::bind((address, 0)).expect("an address of loopback");
        Agent { socket, to }.send(&message("one@each"));
    }
    let _all = settled(&node, 249);
    let output = node.output();
    let lines = output.matches("frames of this agent are refused").count();
    assert!((1..=12).contains(&lines), "{lines} lines:\n{output}");
}

#[test]
fn a_clock_out_of_bounds_is_marked_and_decides_nothing() {
    let collector = FakeCollector::tcp();
    let node = NodeProcess::start(HEPCAT, &node_text(&collector, "clock_ahead = \"1h\""));
    let now = SystemTime::now();
    const DAY: Duration = Duration::from_secs(86_400);
    let clocks = [
        (2, now + Duration::from_secs(7_000), "ahead"),
        (3, now - 8 * DAY, "behind"),
        (4, now - 6 * DAY, ""),
    ];
    let watch = live(&node, "clock:*");
    let sent: Vec<_> = clocks
        .iter()
        .map(|(last, clock, _)| {
            let octets = told(*clock, "x");
            Agent::new(&node, *last).send(&octets);
            octets
        })
        .collect();
    let mut arrived = collector.wait_for(3);
    arrived.sort();
    let mut expected = sent.clone();
    expected.sort();
    assert_eq!(arrived, expected, "all are relayed as they came");
    let _all = settled(&node, 3);
    for (last, clock, side) in clocks {
        let one = agent(&node, &format!("127.0.0.{last}"));
        let counted = |name: &str| one["clock"][name] == u64::from(name == side);
        assert!(counted("ahead") && counted("behind"), "{one:#}");
        let offset = one["clock"]["offset_micros"].as_i64().expect("an estimate");
        let expected = match clock.duration_since(now) {
            Ok(ahead) => i64::try_from(ahead.as_micros()).expect("fits"),
            Err(behind) => -i64::try_from(behind.duration().as_micros()).expect("fits"),
        };
        // The way here, on a machine with other things to do.
        assert!(
            (expected - 20_000_000..=expected).contains(&offset),
            "{offset} {expected}"
        );
    }
    let marks = watch.collect(2);
    assert_eq!(marks, ["ahead", "behind"]);
    let metrics = node.metrics();
    let line = "hepcat_agent_clock_out_of_bounds_total{agent=\"127.0.0.2\",capture_id=\"2001\",clock=\"ahead\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(
        metrics.contains("hepcat_agent_clock_offset_seconds{agent=\"127.0.0.3\""),
        "{metrics}"
    );
    let table = said(&hepcat(&node, &["agents", "agent:127.0.0.3"]));
    assert!(table.contains("-8 d"), "{table}");
}

/// A live stream of messages that a query fits.
struct Live(std::io::BufReader<TcpStream>);

fn live(node: &NodeProcess, query: &str) -> Live {
    let mut stream = TcpStream::connect(node.http_address()).expect("the node listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    write!(
        stream,
        "GET /api/v1/live?q={query} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .expect("sent");
    let mut live = Live(std::io::BufReader::new(stream));
    // The head of the answer: from here on the node watches.
    assert!(live.line().starts_with("HTTP/1.1 200"));
    live
}

impl Live {
    fn line(&mut self) -> String {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut self.0, &mut line).expect("a line");
        line
    }

    /// The marks of the clock of the next messages, sorted.
    fn collect(mut self, count: usize) -> Vec<String> {
        let mut marks = Vec::new();
        while marks.len() < count {
            let line = self.line();
            let Some(data) = line.strip_prefix("data: ") else {
                continue;
            };
            let message: Value = serde_json::from_str(data).expect("JSON");
            marks.push(message["clock"].as_str().expect("a mark").to_owned());
        }
        marks.sort();
        marks
    }
}
