//! `hepcat tail` shows what a node streams, comes back after a broken connection, and says in words why it cannot.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use hepcat_testkit::NodeProcess;

/// A node that is only a socket: the test answers for it.
struct Node {
    socket: TcpListener,
    address: SocketAddr,
}

impl Node {
    fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        // A command that never connects fails its test instead of holding it.
        socket2::SockRef::from(&socket)
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket");
        Self { socket, address }
    }

    /// The next request's head, and the connection.
    fn accept(&self) -> (String, TcpStream) {
        let (connection, _) = self.socket.accept().expect("a connection");
        let mut head = String::new();
        let mut reader = BufReader::new(&connection);
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).expect("a request"), 0);
        }
        (head, connection)
    }

    fn tail(&self, arguments: &[&str]) -> Child {
        tail(&format!("http://{}", self.address), arguments)
    }
}

fn tail(node: &str, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_hepcat"))
        .args(["tail", "--node", node])
        .args(arguments)
        .env("TZ", "UTC")
        .env_remove("HEPCAT_TOKEN")
        .env_remove("HEPCAT_NODE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

fn stream(connection: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    connection.write_all(head.as_bytes()).expect("it reads");
}

fn refuse(connection: &mut TcpStream, status: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(answer.as_bytes()).expect("it reads");
}

fn message(call_id: &str) -> String {
    format!(
        r#"{{"version":3,"time":"2026-11-23T05:00:00.000001Z","time_source":"sent","listener":"edge","agent":"10.1.2.3","src_ip":"192.0.2.1","src_port":5060,"dst_ip":"192.0.2.2","dst_port":5070,"ip_protocol":17,"transport":"udp","protocol_type":1,"payload_length":300,"sip":{{"kind":"request","method":"INVITE","call_id":"{call_id}","from":{{"user":"alice"}},"to":{{"user":"bob"}}}}}}"#
    )
}

fn event(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill runs");
    assert!(sent.success());
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let stdout = child.stdout.take().expect("it is piped");
    BufReader::new(stdout)
        .lines()
        .map(|line| line.expect("UTF-8"))
}

fn texts(output: &Output) -> (String, String) {
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn messages_are_lines_and_an_interrupt_is_a_good_end() {
    let node = Node::new();
    let mut child = node.tail(&["-method:OPTIONS", "user:a*&b"]);
    let (head, mut connection) = node.accept();
    assert!(
        head.starts_with("GET /api/v1/live?q=-method%3AOPTIONS+user%3Aa*%26b HTTP/1.1\r\n"),
        "{head}"
    );
    stream(&mut connection);
    let text = event("message", &message("first\\u001b[2J@a"))
        + ": still here\n\n"
        + &event("missed", r#"{"missed":7}"#)
        + &event("invented-later", "{}")
        + &event("message", &message("second@a"));
    // Cut in the middle of an event: nothing depends on how it travels.
    let (one, two) = text.split_at(40);
    connection.write_all(one.as_bytes()).expect("it reads");
    connection.flush().expect("it reads");
    connection.write_all(two.as_bytes()).expect("it reads");

    let mut lines = lines(&mut child);
    let first = lines.next().expect("a line");
    for part in [
        "05:00:00.000001",
        "edge",
        "10.1.2.3",
        "192.0.2.1:5060 -> 192.0.2.2:5070",
        "INVITE",
        "first",
        "@a",
        "alice -> bob",
    ] {
        assert!(first.contains(part), "{part} in {first}");
    }
    assert!(!first.contains('\u{1b}'), "a pipe gets no colours: {first}");
    assert_eq!(lines.next().as_deref(), Some("… 7 messages not shown"));
    assert!(lines.next().expect("a line").contains("second@a"));

    interrupt(&child);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn a_broken_connection_is_made_again() {
    let node = Node::new();
    let mut child = node.tail(&["--json", "-ua:x"]);
    let mut lines = lines(&mut child);
    for call_id in ["one", "two"] {
        let (head, mut connection) = node.accept();
        assert!(
            head.starts_with("GET /api/v1/live?q=-ua%3Ax HTTP/1.1\r\n"),
            "{head}"
        );
        stream(&mut connection);
        let text = event("message", &message(call_id)) + &event("missed", r#"{"missed":1}"#);
        connection.write_all(text.as_bytes()).expect("it reads");
        let line = lines.next().expect("a line");
        let value: serde_json::Value = serde_json::from_str(&line).expect("one object a line");
        assert_eq!(value["sip"]["call_id"], call_id);
        assert_eq!(lines.next().as_deref(), Some(r#"{"missed":1}"#));
    }
    // While the node restarts it may refuse for a moment.
    let (_, mut busy) = node.accept();
    refuse(&mut busy, "503 Service Unavailable", "{}");
    let (_, mut connection) = node.accept();
    stream(&mut connection);
    let text = event("message", &message("three"));
    connection.write_all(text.as_bytes()).expect("it reads");
    assert!(lines.next().expect("a line").contains("three"));

    interrupt(&child);
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut said).expect("UTF-8");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    assert!(
        said.contains("the node closed the connection; trying to get back"),
        "{said}"
    );
    assert_eq!(said.matches("watching again").count(), 2, "{said}");
}

#[test]
fn a_faulty_query_is_found_before_any_connection_is_made() {
    let node = Node::new();
    node.socket.set_nonblocking(true).expect("a socket");
    let child = node.tail(&["agent:10.1.0.0/16 metod:INVITE"]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(2));
    let (out, err) = texts(&output);
    assert_eq!(out, "");
    assert!(
        err.ends_with(
            "unknown field `metod`\n  agent:10.1.0.0/16 metod:INVITE\n                    ^^^^^\n  \
             did you mean `method`? to look for the text itself, put it in quotes\n"
        ),
        "{err}"
    );
    assert!(node.socket.accept().is_err(), "it connected");
}

#[test]
fn an_option_misspelt_or_too_late_is_no_filter() {
    for arguments in [["--jsn", "x"], ["-ua:x", "--json"]] {
        let node = Node::new();
        let output = node.tail(&arguments).wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(2));
        let (_, err) = texts(&output);
        assert!(
            err.contains("` is no option, or stands behind the query"),
            "{err}"
        );
    }
}

#[test]
fn a_node_that_is_not_running_is_said_in_plain_words() {
    let node = Node::new();
    let address = node.address;
    drop(node);
    let child = tail(&format!("http://{address}"), &[]);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let (_, err) = texts(&output);
    assert!(
        err.contains(&format!(
            "no node answers at http://{address}/ (Connection refused"
        )),
        "{err}"
    );
    assert!(err.contains("`hepcat run` starts one"), "{err}");
}

#[test]
fn refusals_are_said_with_their_reason() {
    let cases = [
        (
            "400 Bad Request",
            r#"{"detail":"unknown field `colour`"}"#,
            2,
            "the node refuses the query: unknown field `colour`",
        ),
        (
            "401 Unauthorized",
            r#"{"detail":"send a token"}"#,
            1,
            "the node does not let us watch: send a token (a token goes into HEPCAT_TOKEN",
        ),
        (
            "404 Not Found",
            "not json",
            1,
            "this is no hepcat node, or an older one",
        ),
        (
            "503 Service Unavailable",
            r#"{"detail":"64 are watching already"}"#,
            1,
            "cannot serve us now (503 Service Unavailable): 64 are watching already",
        ),
        ("302 Found", "{}", 1, "the node answers 302 Found"),
    ];
    for (status, body, code, words) in cases {
        let node = Node::new();
        let child = node.tail(&[]);
        let (_, mut connection) = node.accept();
        refuse(&mut connection, status, body);
        let output = child.wait_with_output().expect("it ends");
        let (_, err) = texts(&output);
        assert_eq!(output.status.code(), Some(code), "{status}: {err}");
        assert!(err.contains(words), "{status}: {err}");
    }
}

#[test]
fn a_token_is_shown_to_the_node() {
    let node = Node::new();
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("token");
    std::fs::write(&file, "from-a-file\n").expect("it is written");
    let file = file.to_str().expect("UTF-8");
    let child = node.tail(&["--token-file", file]);
    let (head, mut connection) = node.accept();
    assert!(
        head.to_ascii_lowercase()
            .contains("authorization: bearer from-a-file\r\n"),
        "{head}"
    );
    refuse(&mut connection, "404 Not Found", "{}");
    child.wait_with_output().expect("it ends");
}

#[test]
fn it_ends_when_nobody_reads_any_more() {
    let node = Node::new();
    let mut child = node.tail(&[]);
    let (_, mut connection) = node.accept();
    stream(&mut connection);
    drop(child.stdout.take());
    let text = event("message", &message("unread"));
    connection.write_all(text.as_bytes()).expect("it reads");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Nothing says when a watcher has been taken in, so the message is sent until it is seen.
#[test]
fn what_is_sent_to_a_node_is_shown_by_a_tail_of_it() {
    let node = NodeProcess::start(
        env!("CARGO_BIN_EXE_hepcat"),
        "[http]\nlisten = \"127.0.0.1:0\"\n[[listener]]\nname = \"edge\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n",
    );
    let url = format!("http://{}", node.http_address());
    let mut child = tail(&url, &["--json", "method:INVITE"]);
    let (to_us, seen) = mpsc::sync_channel(1024);
    let lines = lines(&mut child);
    let reader = thread::spawn(move || {
        for line in lines {
            to_us.send(line).ok();
        }
    });

    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testdata/kamailio-v3-ipv4-udp-invite.hex"
    );
    let to = format!("hep_tcp:{}", node.listener("edge"));
    let until = Instant::now() + Duration::from_secs(30);
    let line = loop {
        let sent = Command::new(env!("CARGO_BIN_EXE_hepcat"))
            .args(["send", file, "--to", &to])
            .output()
            .expect("it runs");
        assert!(sent.status.success(), "{}", texts(&sent).1);
        match seen.recv_timeout(Duration::from_millis(100)) {
            Ok(line) => break line,
            Err(RecvTimeoutError::Timeout) => assert!(Instant::now() < until, "nothing is shown"),
            Err(RecvTimeoutError::Disconnected) => panic!("the tail has ended"),
        }
    };
    let message: serde_json::Value = serde_json::from_str(&line).expect("one object a line");
    assert_eq!(message["sip"]["method"], "INVITE", "{message:#}");
    assert_eq!(message["listener"], "edge");
    assert_eq!(message["agent"], "127.0.0.1");

    interrupt(&child);
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(0), "{status}");
    reader.join().expect("it only reads");
}
