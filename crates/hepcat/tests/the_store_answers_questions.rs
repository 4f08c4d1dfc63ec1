//! What a node keeps is exported, found by what only messages know, and counted: over HTTP, and by commands.

use std::{
    io::{Cursor, Read as _, Write as _},
    net::TcpStream,
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use hepcat::capfile::Input;
use hepcat_testkit::{FakeAgent, NodeProcess, frame::Meta};
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");
const KEY: &str = "never-shown-to-anybody";

/// A node with a store, and an agent that sends to it.
struct Kept {
    node: NodeProcess,
    agent: FakeAgent,
    frames: u64,
    _directory: TempDir,
}

/// One message on its way.
struct Sent<'a> {
    call_id: &'a str,
    /// Start line and CSeq.
    line: (&'a str, &'a str),
    /// Header fields beyond the usual ones, each with its line end.
    more: &'a str,
    /// Seconds since 1970.
    at: u32,
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("after 1970")
        .as_secs()
        .try_into()
        .expect("before 2106")
}

impl Kept {
    fn start() -> Self {
        let directory = TempDir::new().expect("a directory");
        let config = format!(
            r#"
[node]
data_dir = {:?}
[store]
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "edge"
socket = "hep_tcp:127.0.0.1:0"
"#,
            directory.path()
        );
        let node = NodeProcess::start(HEPCAT, &config);
        let agent = FakeAgent::tcp(node.listener("edge"));
        Self {
            node,
            agent,
            frames: 0,
            _directory: directory,
        }
    }

    fn send(&mut self, sent: &Sent<'_>) {
        let Sent {
            call_id,
            line: (line, cseq),
            more,
            at,
        } = sent;
        let tag = if line.starts_with("INVITE") {
            ""
        } else {
            ";tag=b"
        };
        let text = format!(
            "{line}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}{call_id}\r\n\
             From: <sip:alice@a.example>;tag=a\r\nTo: <sip:bob@b.example>{tag}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq}\r\n{more}Content-Length: 0\r\n\r\n",
            cseq.replace(' ', "")
        );
        let mut meta = Meta::default();
        meta.time_sec = *at;
        meta.auth_key = Some(KEY.into());
        if line.starts_with("SIP/") {
            std::mem::swap(&mut meta.source, &mut meta.destination);
        }
        self.agent.send(&meta.v3(text.as_bytes()));
        self.frames += 1;
    }

    /// INVITE, 180, the final response, ACK; with 200, BYE and its response too.
    fn call(&mut self, call_id: &str, code: u16, more: &str, at: u32) {
        let last = format!("SIP/2.0 {code} Whatever");
        let mut lines = vec![
            (("INVITE sip:bob@b.example SIP/2.0", "1 INVITE"), more),
            (("SIP/2.0 180 Ringing", "1 INVITE"), ""),
            ((&*last, "1 INVITE"), ""),
            (("ACK sip:bob@b.example SIP/2.0", "1 ACK"), ""),
        ];
        if code == 200 {
            lines.push((("BYE sip:bob@b.example SIP/2.0", "2 BYE"), ""));
            lines.push((("SIP/2.0 200 OK", "2 BYE"), ""));
        }
        for (line, more) in lines {
            self.send(&Sent {
                call_id,
                line,
                more,
                at,
            });
        }
    }

    fn wait(&self) {
        let _kept = self.node.wait_for_status("everything is kept", |status| {
            let sinks = status["sinks"].as_array().expect("sinks");
            let store = sinks.iter().find(|sink| sink["name"] == "store");
            store.is_some_and(|store| store["delivered"] == self.frames)
        });
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.node.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    fn refused(&self, path: &str) -> String {
        let (status, body) = self.node.get(path);
        assert_eq!(status, 400, "{path}: {body}");
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        problem["detail"].as_str().expect("a reason").to_owned()
    }

    fn file(&self, path: &str) -> Exported {
        let mut stream = TcpStream::connect(self.node.http_address()).expect("the node listens");
        let limit = Some(Duration::from_secs(30));
        stream.set_read_timeout(limit).expect("a time limit");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("it is sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("a head");
        let body = answer.split_off(end + 4);
        let head = String::from_utf8(answer).expect("text").to_lowercase();
        assert!(head.starts_with("http/1.0 200"), "{head}");
        Exported { head, body }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let (command, rest) = arguments.split_first().expect("a command");
        Command::new(HEPCAT)
            .arg(command)
            .args(["--node", &format!("http://{}", self.node.http_address())])
            .args(rest)
            .env("NO_COLOR", "1")
            .output()
            .expect("hepcat runs")
    }
}

/// A file that came over HTTP.
struct Exported {
    head: String,
    body: Vec<u8>,
}

impl Exported {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// First lines of the SIP in a pcapng file, and the times in seconds.
fn sip_in(file: &[u8]) -> Vec<(String, u64)> {
    let mut input = Input::from_reader(Cursor::new(file.to_vec())).expect("it opens");
    let items: Vec<_> = input.by_ref().collect();
    assert_eq!(input.fault(), None);
    let line = |item: &hepcat::capfile::Item| {
        let text = String::from_utf8_lossy(&item.octets).into_owned();
        let time = item.seen.and_then(|seen| seen.time).unwrap_or_default();
        (
            text.lines().next().unwrap_or_default().to_owned(),
            time.as_secs(),
        )
    };
    items.iter().map(line).collect()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn call_ids(answer: &Value) -> Vec<&str> {
    let calls = answer["calls"].as_array().expect("calls");
    let ids = calls.iter().map(|call| call["legs"][0]["call_id"].as_str());
    ids.map(|id| id.expect("a Call-ID")).collect()
}

#[test]
fn a_call_is_exported_as_packets_text_and_json() {
    let mut kept = Kept::start();
    let at = now() - 100;
    kept.call("one@export", 200, "", at);
    kept.call("two@export", 486, "", at);
    kept.wait();
    let packets = kept.file("/api/v1/calls/one@export/export");
    assert_eq!(packets.header("content-type"), Some("application/x-pcapng"));
    let name = packets.header("content-disposition").expect("a name");
    assert!(name.starts_with("attachment; filename=\"call-"), "{name}");
    assert!(name.ends_with(".pcapng\""), "{name}");
    assert_eq!(packets.header("hepcat-messages"), Some("6"));
    assert_eq!(packets.header("hepcat-left-out"), None);
    let sip = sip_in(&packets.body);
    assert_eq!(sip.len(), 6, "{sip:?}");
    assert_eq!(sip[0].0, "INVITE sip:bob@b.example SIP/2.0");
    assert!(
        sip.iter().all(|(_, time)| *time == u64::from(at)),
        "{sip:?}"
    );

    let json = kept.file("/api/v1/calls/one@export/export?format=jsonl");
    assert_eq!(json.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = (json.text().lines())
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[5]["sip"]["call_id"], "one@export");

    let text = kept.file("/api/v1/calls/one@export/export?format=text");
    assert_eq!(text.text().matches("Call-ID: one@export").count(), 6);
    assert!(!text.text().contains("two@export"));
    for file in [&packets, &json, &text] {
        let is_key = |part: &[u8]| part == KEY.as_bytes();
        assert!(!file.body.windows(KEY.len()).any(is_key), "a key is shown");
    }
    assert!(
        kept.refused("/api/v1/calls/one@export/export?format=doc")
            .contains("pcapng")
    );
    assert_eq!(kept.node.get("/api/v1/calls/nobody/export").0, 404);
}

#[test]
fn what_is_left_out_of_a_file_is_said_and_can_be_fetched() {
    let mut kept = Kept::start();
    for number in 0..5 {
        kept.call(&format!("{number}@part"), 486, "", now());
    }
    kept.agent.send(b"HEP3\x00\x0cbroken");
    kept.frames += 1;
    kept.wait();
    let whole = kept.file("/api/v1/messages/export?format=text");
    assert_eq!(whole.header("hepcat-messages"), Some("21"));
    assert!(whole.text().contains("unparsable"));
    assert_eq!(whole.text().matches("Call-ID: ").count(), 20);

    let broken = kept.file("/api/v1/messages/export?q=type:unparsable&format=pcapng");
    assert_eq!(broken.header("hepcat-messages"), Some("1"));

    let (mut messages, mut parts, mut cursor) = (0, 0, String::new());
    loop {
        let path = format!("/api/v1/messages/export?q=type:sip&limit=8&format=json{cursor}");
        let part = kept.file(&path);
        parts += 1;
        let left_out = part.header("hepcat-left-out").is_some();
        let lines = part.text().lines().count();
        messages += lines - usize::from(left_out);
        let last: Value =
            serde_json::from_str(part.text().lines().last().expect("a line")).expect("JSON");
        assert_eq!(last["left_out"].is_string(), left_out, "{last}");
        match part.header("hepcat-next") {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!((messages, parts), (20, 3));
    let first = kept.file("/api/v1/messages/export?limit=8&format=text");
    assert!(
        first
            .text()
            .starts_with("# older messages are left out: there are more than 8")
    );
}

#[test]
fn the_command_writes_files_and_says_what_is_missing() {
    let mut kept = Kept::start();
    kept.call("one@command", 200, "", now());
    kept.call("two@command", 486, "", now());
    kept.wait();
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("one.pcapng");
    let name = file.to_str().expect("UTF-8");
    let done = kept.run(&["export", "one@command", "-o", name]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(err(&done).contains("6 messages"), "{}", err(&done));
    assert_eq!(sip_in(&std::fs::read(&file).expect("a file")).len(), 6);

    // A pipe takes packets too.
    let piped = kept.run(&["export", "two@command"]);
    assert_eq!(sip_in(&piped.stdout).len(), 4);

    let json = kept.run(&[
        "export",
        "--query",
        "method:BYE",
        "--last",
        "2h",
        "-f",
        "json",
    ]);
    assert_eq!(out(&json).lines().count(), 2, "{}", err(&json));
    let part = kept.run(&["export", "-q", "", "-n", "3", "-f", "text"]);
    assert_eq!(part.status.code(), Some(0));
    assert!(err(&part).contains("--before "), "{}", err(&part));

    assert_eq!(
        kept.run(&["export", "nobody@command", "-f", "text"])
            .status
            .code(),
        Some(1)
    );
    let faulty = kept.run(&["export", "-q", "metod:BYE", "-f", "text"]);
    assert_eq!(faulty.status.code(), Some(2));
    assert!(err(&faulty).contains("did you mean"), "{}", err(&faulty));
    assert_eq!(kept.run(&["export"]).status.code(), Some(2));
    assert_eq!(
        kept.run(&["export", "a@b", "-q", ""]).status.code(),
        Some(2)
    );
}

#[test]
fn calls_are_found_by_what_only_their_messages_know() {
    let mut kept = Kept::start();
    kept.call("one@through", 200, "X-Tenant: red\r\n", now());
    kept.call("two@through", 486, "X-Tenant: blue\r\n", now());
    kept.call("three@through", 200, "X-Tenant: red\r\n", now());
    kept.wait();
    let found = |query: &str| {
        let answer = kept.get(&format!("/api/v1/calls?q={query}"));
        call_ids(&answer)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found("header.X-Tenant:red"),
        ["three@through", "one@through"]
    );
    assert_eq!(found("%22x-tenant:%20blue%22"), ["two@through"]);
    assert_eq!(found("header.X-Tenant:*%20status:486"), ["two@through"]);
    assert_eq!(
        found("method:BYE%20src:192.0.2.1"),
        ["three@through", "one@through"]
    );
    assert_eq!(found("header.X-Tenant:green"), [""; 0]);
    let first = kept.get("/api/v1/calls?q=header.X-Tenant:red&limit=1");
    assert_eq!(call_ids(&first), ["three@through"]);
    let next = first["next"].as_str().expect("there is more");
    let second = kept.get(&format!(
        "/api/v1/calls?q=header.X-Tenant:red&limit=1&cursor={next}"
    ));
    assert_eq!(call_ids(&second), ["one@through"]);
    let mixed = kept.refused("/api/v1/calls?q=user:alice%20OR%20header.X-Tenant:red");
    assert!(mixed.contains("user"), "{mixed}");

    let table = kept.run(&["search", "header.X-Tenant:red"]);
    let lines = out(&table);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{}", err(&table));
    assert!(lines[0].starts_with("STARTED"), "{}", lines[0]);
    assert!(lines[1].contains("ended") && lines[1].ends_with("three@through"));
    assert!(lines[2].contains("alice") && lines[2].ends_with("one@through"));
    assert!(err(&table).contains("searched since"), "{}", err(&table));
    let since = kept.run(&[
        "search",
        "--from=yesterday",
        "--to=2100-01-01",
        "header.X-Tenant:red",
    ]);
    assert_eq!(out(&since).lines().count(), 3, "{}", err(&since));
    let never = kept.run(&["search", "--from=someday", "header.X-Tenant:red"]);
    assert_eq!(never.status.code(), Some(2));
    assert!(
        err(&never).contains("2026-11-23T10:00+01:00"),
        "{}",
        err(&never)
    );
    // Behind a query it would be taken for a part of it.
    let late = kept.run(&["search", "header.X-Tenant:red", "-n", "1"]);
    assert_eq!(late.status.code(), Some(2));
    assert!(err(&late).contains("options come first"), "{}", err(&late));
    let json = kept.run(&["search", "--json", "-n", "1", "header.X-Tenant:red"]);
    assert_eq!(out(&json).lines().count(), 1);
    let call: Value = serde_json::from_str(&out(&json)).expect("JSON");
    assert_eq!(call["legs"][0]["call_id"], "three@through");
}

#[test]
fn payloads_are_searched_of_the_last_hour_unless_somebody_says_since_when() {
    let mut kept = Kept::start();
    kept.call("old@hour", 486, "X-Age: old\r\n", now() - 3 * 3_600);
    kept.call("new@hour", 486, "X-Age: new\r\n", now());
    kept.wait();
    let count = |answer: &Value| answer["messages"].as_array().expect("messages").len();
    let cut = kept.get("/api/v1/messages?q=header.X-Age:*");
    assert_eq!(count(&cut), 1);
    assert_eq!(cut["searched"]["by_default"], true);
    let from = cut["searched"]["from"].as_str().expect("a time");
    let from: jiff::Timestamp = from.parse().expect("RFC 3339");
    let ago = i64::from(now()) - from.as_second();
    assert!((3_590..3_700).contains(&ago), "{ago}");

    for range in ["from=2020-01-01T00:00:00Z", "q=last:1d%20header.X-Age:*"] {
        let query = if range.starts_with('q') {
            ""
        } else {
            "q=header.X-Age:*&"
        };
        let all = kept.get(&format!("/api/v1/messages?{query}{range}"));
        assert_eq!(count(&all), 2, "{range}");
        assert_eq!(all["searched"]["by_default"], false);
    }
    // What columns say is not cut.
    let all = kept.get("/api/v1/messages?q=method:INVITE");
    assert_eq!(count(&all), 6);
    assert_eq!(all["searched"]["from"], Value::Null);
    let calls = kept.get("/api/v1/calls?q=header.X-Age:*");
    assert_eq!(call_ids(&calls), ["new@hour"]);
    assert_eq!(calls["searched"]["by_default"], true);
    let calls = kept.get("/api/v1/calls?q=last:1d%20header.X-Age:*");
    assert_eq!(calls["calls"].as_array().map(Vec::len), Some(2));
}

#[test]
fn messages_and_calls_are_counted_over_time() {
    let mut kept = Kept::start();
    // At the beginning of a minute, some minutes ago.
    let at = (now() - 600) / 60 * 60;
    kept.call("one@time", 200, "", at);
    kept.call("two@time", 486, "", at + 30);
    kept.call("three@time", 487, "", at + 61);
    kept.call("four@time", 302, "", at + 200);
    kept.send(&Sent {
        call_id: "five@time",
        line: ("INVITE sip:bob@b.example SIP/2.0", "1 INVITE"),
        more: "",
        at: at + 239,
    });
    kept.wait();
    let time = |seconds: u32| {
        let time = jiff::Timestamp::from_second(i64::from(seconds)).expect("a time");
        time.to_string()
    };
    let path = format!(
        "/api/v1/histogram?from={}&to={}&bucket=1m",
        time(at),
        time(at + 240)
    );
    let minutes = kept.get(&path);
    assert_eq!(minutes["bucket_us"], 60_000_000);
    let buckets = minutes["buckets"].as_array().expect("buckets");
    let messages: Vec<u64> = buckets
        .iter()
        .filter_map(|one| one["messages"].as_u64())
        .collect();
    assert_eq!(messages, [10, 4, 0, 5]);
    assert_eq!(buckets[1]["from"], time(at + 60));
    let outcome = |bucket: usize, name: &str| buckets[bucket]["calls"][name].as_u64();
    assert_eq!(outcome(0, "answered"), Some(1));
    assert_eq!(outcome(0, "failed"), Some(1));
    assert_eq!(outcome(1, "cancelled"), Some(1));
    assert_eq!(outcome(3, "redirected"), Some(1));
    assert_eq!(outcome(3, "unanswered"), Some(1));
    assert_eq!(outcome(2, "answered"), Some(0));

    // What calls and messages each know counts both; what only one knows leaves the other out.
    let answered = kept.get(&format!("{path}&q=state:ended"));
    assert_eq!(answered["buckets"][0]["messages"], Value::Null);
    assert_eq!(answered["buckets"][0]["calls"]["answered"], 1);
    assert_eq!(answered["buckets"][0]["calls"]["failed"], 0);
    let byes = kept.get(&format!("{path}&q=method:BYE"));
    assert_eq!(byes["buckets"][0]["messages"], 2);
    assert_eq!(byes["buckets"][0]["calls"], Value::Null);

    let all = kept.get("/api/v1/histogram");
    let buckets = all["buckets"].as_array().expect("buckets");
    assert!(
        buckets.len() > 10 && buckets.len() <= 500,
        "{}",
        buckets.len()
    );
    let sum: u64 = buckets
        .iter()
        .filter_map(|one| one["messages"].as_u64())
        .sum();
    assert_eq!((sum, kept.frames), (19, 19));
    assert_eq!(all["ended_by"], Value::Null);
    let detail = kept.refused(&format!("/api/v1/histogram?from={}&bucket=10ms", time(at)));
    assert!(detail.contains("10000"), "{detail}");
    assert!(
        kept.refused("/api/v1/histogram?bucket=7")
            .contains("no unit")
    );
}

#[test]
fn values_are_counted_the_most_frequent_first() {
    let mut kept = Kept::start();
    for number in 0..3 {
        kept.call(
            &format!("{number}@facet"),
            200,
            "User-Agent: phone/1\r\n",
            now(),
        );
    }
    kept.call("busy@facet", 486, "User-Agent: desk/2\r\n", now());
    kept.agent.send(&Meta::default().v3(b"no SIP at all"));
    kept.frames += 1;
    kept.wait();
    let values = |facet: &Value| -> Vec<(String, u64)> {
        let values = facet["values"].as_array().expect("values").iter();
        let pair = |one: &Value| Some((one["value"].as_str()?.to_owned(), one["count"].as_u64()?));
        values.filter_map(pair).collect()
    };
    let pair = |value: &str, count: u64| (value.to_owned(), count);
    let methods = kept.get("/api/v1/facets?field=method");
    assert_eq!(
        values(&methods),
        [pair("INVITE", 12), pair("BYE", 6), pair("ACK", 4)]
    );
    assert_eq!(
        (&methods["of"], &methods["missing"]),
        (&"messages".into(), &1.into())
    );
    assert_eq!(methods["is_exact"], true);
    let few = kept.get("/api/v1/facets?field=status&limit=1&q=method:INVITE");
    assert_eq!(values(&few), [pair("180", 4)]);
    assert_eq!((&few["different"], &few["others"]), (&3.into(), &4.into()));
    let sources = kept.get("/api/v1/facets?field=src&q=status:*");
    assert_eq!(values(&sources), [pair("192.0.2.2", 11)]);
    let agents = kept.get("/api/v1/facets?field=user_agent");
    assert_eq!(values(&agents), [pair("phone/1", 3), pair("desk/2", 1)]);
    let states = kept.get("/api/v1/facets?field=state");
    assert_eq!(values(&states), [pair("ended", 3), pair("failed", 1)]);
    assert_eq!(states["of"], "calls");
    let of_calls = kept.get("/api/v1/facets?field=ua&of=calls&q=status:486");
    assert_eq!(values(&of_calls), [pair("desk/2", 1)]);
    let from = kept.get("/api/v1/facets?field=from&q=state:ended");
    assert_eq!(
        (values(&from), &from["of"]),
        (vec![pair("alice", 3)], &"calls".into())
    );
    for (query, said) in [
        ("field=nothing", "no field"),
        ("field=payload", "method"),
        ("field=setup", "state"),
        ("field=state&q=header.X:1", "messages"),
    ] {
        let detail = kept.refused(&format!("/api/v1/facets?{query}"));
        assert!(detail.contains(said), "{query}: {detail}");
    }
}

#[test]
fn a_search_ends_when_the_client_goes() {
    let mut kept = Kept::start();
    for number in 0..3_000 {
        kept.call(&format!("{number}@gone"), 486, "", now());
    }
    kept.wait();
    // Each payload is read, and none fits.
    let request = "GET /api/v1/messages?q=header.X-None:* HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let _cancelled = kept.node.wait_for_status("a search that ended early", |_| {
        let mut client = TcpStream::connect(kept.node.http_address()).expect("connected");
        client.write_all(request.as_bytes()).expect("sent");
        drop(client);
        kept.get("/api/v1/store")["activity"]["searches_cancelled"] != 0
    });
    // Nothing of any of them stays behind.
    let _freed = kept
        .node
        .wait_for_status("memory of searches to be free", |_| {
            kept.get("/api/v1/store")["activity"]["memory"]["by_use"]["search"] == 0
        });
}
