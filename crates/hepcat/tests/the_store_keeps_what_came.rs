//! A node with a store: what came is found again, at once and after the next start.

use hepcat_testkit::{FakeAgent, NodeProcess, frame};
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

fn config(directory: &TempDir, more: &str) -> String {
    format!(
        r#"
[node]
data_dir = {:?}
[store]
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
{more}"#,
        directory.path()
    )
}

fn search(node: &NodeProcess, query: &str) -> Value {
    let (status, body) = node.get(&format!("/api/v1/messages?{query}"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

fn call_ids(answer: &Value) -> Vec<String> {
    let messages = answer["messages"].as_array().expect("messages");
    let call_id = |message: &Value| message["sip"]["call_id"].as_str().map(str::to_owned);
    messages.iter().filter_map(call_id).collect()
}

fn wait_for_kept(node: &NodeProcess, frames: u64) -> Value {
    node.wait_for_status("everything is kept", |status| {
        let sinks = status["sinks"].as_array().expect("sinks");
        let store = sinks.iter().find(|sink| sink["name"] == "store");
        store.is_some_and(|store| store["delivered"] == frames)
    })
}

#[test]
fn what_came_is_found_newest_first_page_by_page_and_after_a_restart() {
    let directory = TempDir::new().expect("a directory");
    let mut node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for number in 0..5 {
        agent.send(&frame::sip_v3(frame::sip_options(&format!(
            "{number}@kept"
        ))));
    }
    wait_for_kept(&node, 5);
    let all = search(&node, "");
    let expected: Vec<_> = (0..5)
        .rev()
        .map(|number| format!("{number}@kept"))
        .collect();
    assert_eq!(call_ids(&all), expected);
    assert_eq!(all["next"], Value::Null);

    let first = search(&node, "limit=2");
    assert_eq!(call_ids(&first), expected[..2]);
    let next = first["next"].as_str().expect("there is more");
    let second = search(&node, &format!("limit=2&cursor={next}"));
    assert_eq!(call_ids(&second), expected[2..4]);

    let one = search(&node, "q=call_id:3@kept");
    assert_eq!(call_ids(&one), ["3@kept"]);
    let id = one["messages"][0]["id"].as_str().expect("an id");
    let (status, body) = node.get(&format!("/api/v1/messages/{id}"));
    assert_eq!(status, 200);
    let shown: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(shown["sip"]["call_id"], "3@kept");
    assert_eq!(node.get("/api/v1/messages/1").0, 404);
    assert_eq!(node.get("/api/v1/messages/x").0, 400);
    assert_eq!(node.get("/api/v1/messages?cursor=x").0, 400);

    node.terminate();
    assert!(node.wait_for_exit().success());
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    assert_eq!(call_ids(&search(&node, "")), expected);
}

#[test]
fn routes_say_what_is_kept_and_what_does_not_decode_is_kept_in_any_case() {
    let directory = TempDir::new().expect("a directory");
    let routes = r#"
[[route]]
when = "call_id:kept*"
to = ["store"]
[[route]]
when = "call_id:watched*"
to = ["tail"]
[[route]]
to = []
"#;
    let node = NodeProcess::start(HEPCAT, &config(&directory, routes));
    let mut agent = FakeAgent::udp(node.listener("udp"));
    for call_id in ["watched@a", "skipped@a", "kept@a"] {
        agent.send(&frame::sip_v3(frame::sip_options(call_id)));
    }
    agent.send(b"HEP3\x00\x0cbroken");
    wait_for_kept(&node, 2);
    let all = search(&node, "");
    assert_eq!(call_ids(&all), ["kept@a"]);
    let broken = search(&node, "q=type:unparsable");
    assert_eq!(broken["messages"].as_array().map(Vec::len), Some(1));
    assert!(broken["messages"][0]["error"]["reason"].is_string());
}

#[test]
fn a_second_node_on_the_same_directory_is_refused() {
    let directory = TempDir::new().expect("a directory");
    let first = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let file = directory.path().join("second.toml");
    std::fs::write(&file, config(&directory, "")).expect("a file");
    let second = std::process::Command::new(HEPCAT)
        .args(["run", "-c"])
        .arg(&file)
        .output()
        .expect("it runs");
    assert_eq!(second.status.code(), Some(78));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another running node"), "{said}");
    drop(first);
}

#[test]
fn what_a_script_captures_is_kept_with_its_labels_although_it_is_dropped() {
    let directory = TempDir::new().expect("a directory");
    let script = directory.path().join("routes.lua");
    let text = r#"function request_route() sip_capture("noise", "one", "two", "three") drop() end"#;
    std::fs::write(&script, text).expect("a script");
    let more = format!("[lua]\nscript = {script:?}\n");
    let node = NodeProcess::start(HEPCAT, &config(&directory, &more));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    agent.send(&frame::sip_v3(frame::sip_options("labelled@kept")));
    wait_for_kept(&node, 1);
    let found = search(&node, "");
    assert_eq!(call_ids(&found), ["labelled@kept"]);
    let label = &found["messages"][0]["labels"][0];
    assert_eq!(
        (&label["table"], &label["f1"], &label["f3"]),
        (&"noise".into(), &"one".into(), &"three".into())
    );
}

/// A request, its answer and the end of a call.
fn call(call_id: &str) -> Vec<Vec<u8>> {
    let scene = [
        ("INVITE sip:bob@b.example SIP/2.0", "1 INVITE"),
        ("SIP/2.0 180 Ringing", "1 INVITE"),
        ("SIP/2.0 200 OK", "1 INVITE"),
        ("ACK sip:bob@b.example SIP/2.0", "1 ACK"),
        ("BYE sip:bob@b.example SIP/2.0", "2 BYE"),
        ("SIP/2.0 200 OK", "2 BYE"),
    ];
    let message = |(line, cseq): (&str, &str)| {
        let branch = cseq.replace(' ', "");
        let tag = if line.starts_with("INVITE") {
            ""
        } else {
            ";tag=b"
        };
        let text = format!(
            "{line}\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{branch}{call_id}\r\nFrom: <sip:alice@a.example>;tag=a\r\n\
             To: <sip:bob@b.example>{tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\nContent-Length: 0\r\n\r\n"
        );
        frame::sip_v3(text)
    };
    scene.into_iter().map(message).collect()
}

fn get(node: &NodeProcess, path: &str) -> Value {
    let (status, body) = node.get(path);
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

#[test]
fn a_call_is_one_row_and_one_ladder_also_after_a_kill() {
    let directory = TempDir::new().expect("a directory");
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    let (first, last): (Vec<_>, Vec<_>) = (call("one@calls"), call("two@calls"));
    for octets in first.iter().chain(&last[..4]) {
        agent.send(octets);
    }
    wait_for_kept(&node, 10);
    let states = |node: &NodeProcess| {
        let calls = get(node, "/api/v1/calls")["calls"].clone();
        let mut states: Vec<(String, String)> = calls
            .as_array()
            .expect("calls")
            .iter()
            .map(|call| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                (text(&call["legs"][0]["call_id"]), text(&call["state"]))
            })
            .collect();
        states.sort();
        states
    };
    let pair = |call_id: &str, state: &str| (call_id.to_owned(), state.to_owned());
    assert_eq!(
        states(&node),
        [pair("one@calls", "ended"), pair("two@calls", "in_call")]
    );
    // Dropped, it is killed.
    drop(node);
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for octets in &last[4..] {
        agent.send(octets);
    }
    wait_for_kept(&node, 2);
    let over = [pair("one@calls", "ended"), pair("two@calls", "ended")];
    let _reached = node.wait_for_status("both calls are over", |_| states(&node) == over);
    let two = get(&node, "/api/v1/calls/two@calls");
    assert_eq!(two["messages"], 6);
    assert_eq!(two["from"]["user"], "alice");
    let ladder = get(&node, "/api/v1/calls/two@calls/ladder");
    let labels: Vec<&str> = ladder["arrows"]
        .as_array()
        .expect("arrows")
        .iter()
        .filter_map(|arrow| arrow["label"].as_str())
        .collect();
    assert_eq!(
        labels,
        ["INVITE", "180 Ringing", "200 OK", "ACK", "BYE", "200 OK"]
    );
    assert_eq!(node.get("/api/v1/calls/nobody").0, 404);
    let drawn = |option: &str, environment: &str| {
        let output = std::process::Command::new(HEPCAT)
            .args(["flow", "--node", &format!("http://{}", node.http_address())])
            .args([option, "two@calls"])
            .env_remove("NO_COLOR")
            .env(environment, "1")
            .output()
            .expect("hepcat runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let plain = drawn("--times=both", "NO_COLOR");
    assert!(!plain.contains('\x1b') && plain.contains("+0."), "{plain}");
    // One leg: the colours are those of kinds; a request is yellow.
    let coloured = drawn("--times=absolute", "CLICOLOR_FORCE");
    assert!(coloured.contains("\x1b[33m──"), "{coloured}");
    let by_leg = drawn("--colours=call-id", "CLICOLOR_FORCE");
    assert!(by_leg.contains("\x1b[36ma: Call-ID two@calls"), "{by_leg}");
}

#[test]
fn what_is_not_sip_is_found_with_its_call_and_says_why() {
    let directory = TempDir::new().expect("a directory");
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    let sdp = "v=0\r\nc=IN IP4 198.51.100.9\r\nm=audio 4000 RTP/AVP 8\r\n";
    agent.send(&frame::sip_v3(format!(
        "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@a.example>;tag=a\r\n\
         To: <sip:bob@b.example>\r\nCall-ID: reported@calls\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )));
    let other = |protocol_type, source: &str, correlation: Option<&str>, payload: &[u8]| {
        let mut meta = frame::Meta::default();
        meta.protocol_type = protocol_type;
        meta.source = source.parse().expect("an address");
        meta.correlation_id = correlation.map(|id| id.as_bytes().to_vec());
        meta.v3(payload)
    };
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    for octets in [
        other(5, "198.51.100.9:4001", None, &report),
        other(
            100,
            "192.0.2.9:9",
            None,
            b"call <reported@calls> has no route",
        ),
        other(100, "192.0.2.9:9", Some("reported@calls"), b"something"),
        other(5, "192.0.2.9:9", None, &report),
    ] {
        agent.send(&octets);
    }
    wait_for_kept(&node, 5);
    let answer = get(&node, "/api/v1/calls/reported@calls/messages");
    let said: Vec<_> = (answer["messages"].as_array().expect("messages").iter())
        .map(|message| {
            (
                message["attached_to"].as_str(),
                message["attached_by"].as_str(),
            )
        })
        .collect();
    let by = |why| (Some("reported@calls"), Some(why));
    assert_eq!(
        said,
        [
            (None, None),
            by("media_address"),
            by("call_id_in_payload"),
            by("correlation_id"),
        ]
    );
}

/// A REGISTER and its answer.
fn registration(user: &str, code: &str) -> [Vec<u8>; 2] {
    ["REGISTER sip:a.example SIP/2.0", code].map(|line| {
        frame::sip_v3(format!(
            "{line}\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{user}\r\nFrom: <sip:{user}@a.example>;tag=a\r\n\
             To: <sip:{user}@a.example>\r\nCall-ID: {user}@phone\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:{user}@10.0.0.1:5062>;expires=600\r\nContent-Length: 0\r\n\r\n"
        ))
    })
}

#[test]
fn registrations_are_listed_page_by_page_also_after_a_restart() {
    let directory = TempDir::new().expect("a directory");
    let mut node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    let users = ["alice", "bob", "carol"];
    for (user, code) in users.iter().zip(["200 OK", "403 Forbidden", "200 OK"]) {
        for octets in registration(user, &format!("SIP/2.0 {code}")) {
            agent.send(&octets);
        }
    }
    wait_for_kept(&node, 6);
    let list = |node: &NodeProcess, query: &str| {
        let answer = get(node, &format!("/api/v1/registrations?{query}"));
        let list = answer["registrations"].as_array().expect("a list").clone();
        let names = list.iter().map(|one| {
            let name = one["address_of_record"].as_str().unwrap_or_default();
            (
                name.to_owned(),
                one["state"].as_str().unwrap_or_default().to_owned(),
            )
        });
        (
            names.collect::<Vec<_>>(),
            answer["next"].as_str().map(str::to_owned),
        )
    };
    let row = |name: &str, state: &str| (format!("{name}@a.example"), state.to_owned());
    let all = [
        row("alice", "registered"),
        row("bob", "failed"),
        row("carol", "registered"),
    ];
    // Received together they may have been heard of in one microsecond: their order is not said.
    let sorted = |mut list: Vec<(String, String)>| {
        list.sort_unstable();
        list
    };
    let (listed, next) = list(&node, "");
    assert_eq!((sorted(listed), next), (all.to_vec(), None));
    let (mut pages, next) = list(&node, "limit=2");
    assert_eq!(pages.len(), 2);
    let (second, next) = list(&node, &format!("limit=2&cursor={}", next.expect("more")));
    pages.extend(second);
    assert_eq!((sorted(pages), next), (all.to_vec(), None));
    assert_eq!(list(&node, "state=failed").0, all[1..2]);
    assert_eq!(list(&node, "text=CAROL").0, all[2..]);
    assert_eq!(node.get("/api/v1/registrations?cursor=x").0, 400);

    node.terminate();
    assert!(node.wait_for_exit().success());
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    assert_eq!(sorted(list(&node, "").0), all);
}

#[test]
fn calls_come_page_by_page_the_open_ones_first() {
    let directory = TempDir::new().expect("a directory");
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for number in 0..5 {
        agent.send(&call(&format!("{number}@pages"))[0]);
    }
    wait_for_kept(&node, 5);
    let mut pages = Vec::new();
    let mut more = String::new();
    loop {
        let page = get(&node, &format!("/api/v1/calls?limit=2{more}"));
        let calls = page["calls"].as_array().expect("calls").clone();
        let call_id = |call: &Value| call["legs"][0]["call_id"].as_str().map(str::to_owned);
        pages.push(calls.iter().filter_map(call_id).collect::<Vec<_>>());
        match page["next"].as_str() {
            Some(next) => more = format!("&cursor={next}"),
            None => break,
        }
    }
    // Received together they may have begun in one microsecond: their order is not said.
    let mut all: Vec<String> = pages.concat();
    all.sort_unstable();
    let expected: Vec<String> = (0..5).map(|number| format!("{number}@pages")).collect();
    assert_eq!(all, expected);
    assert!(pages.iter().all(|page| page.len() <= 2), "{pages:?}");
}
