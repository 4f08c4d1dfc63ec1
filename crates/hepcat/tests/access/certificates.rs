//! The page over TLS: certificates are served, and others take their place under everybody who is connected.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use super::door::{Answer, Door, EVERYBODY, PASSWORD, add_users, ask_over, configured};
use hepcat::{
    access::{Right, Rights},
    node::Node,
};
use hepcat_testkit::{FakeAgent, Identity, NodeProcess, TestCa, frame};
use rustls::{ClientConnection, StreamOwned, pki_types::ServerName};
use serde_json::json;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(60);

/// A connection that is kept for one request after the other.
struct Kept(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Kept {
    /// Connects, where `ca` vouches for what is shown.
    fn connect(page: SocketAddr, ca: &TestCa) -> std::io::Result<Self> {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(ca.client_config(None), name).expect("a client");
        let stream = TcpStream::connect(page)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(tls, stream);
        stream.conn.complete_io(&mut stream.sock)?;
        Ok(Self(BufReader::new(stream)))
    }

    fn send(&mut self, method: &str, path: &str, fields: &str, body: &str) -> String {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let stream = self.0.get_mut();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.0.read_line(&mut head).expect("an answer");
            assert!(read > 0, "it was cut: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        head.to_ascii_lowercase()
    }

    /// Asks and reads the whole answer; gives its head.
    fn ask(&mut self, method: &str, path: &str, fields: &str, body: &str) -> String {
        let head = self.send(method, path, fields, body);
        let (_, length) = head.split_once("content-length: ").expect("a length");
        let digits = length.split("\r\n").next().expect("a line");
        let mut body = vec![0; digits.parse().expect("a number")];
        self.0.read_exact(&mut body).expect("a body");
        head
    }

    /// Reads on until this was said.
    fn read_until(&mut self, text: &str) {
        let mut said = String::new();
        while !said.contains(text) {
            let read = self.0.read_line(&mut said).expect("it goes on");
            assert!(read > 0, "it was cut: {said}");
        }
    }
}

/// Puts new files in the place of old ones, as a renewal does it.
fn replace(served: &Identity, with: &Identity) {
    for (served, with) in [(&served.cert, &with.cert), (&served.key, &with.key)] {
        let beside = served.with_extension("new");
        fs::copy(with, &beside).expect("a copy");
        fs::rename(&beside, served).expect("a rename");
    }
}

/// Ends the requests also when the test fails, for otherwise their thread would be waited for in vain.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn nobody_who_is_connected_notices_that_certificates_are_renewed() {
    const TIMES: usize = 4;
    let (old, new) = (TestCa::new(), TestCa::new());
    let served = old.localhost();
    let directory = TempDir::new().expect("a directory");
    add_users(&directory, &EVERYBODY);
    let node = NodeProcess::start(
        env!("CARGO_BIN_EXE_hepcat"),
        &format!(
            "[node]\ndata_dir = {:?}\n[store]\n[[listener]]\nname = \"in\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n\
             [http]\nlisten = \"127.0.0.1:0\"\ntls = {{ cert = {:?}, key = {:?} }}\n",
            directory.path(),
            served.cert,
            served.key
        ),
    );
    let page = node.http_address();
    let mut first = Kept::connect(page, &old).expect("the certificate");
    let body = json!({ "user": "admin", "password": PASSWORD }).to_string();
    let head = first.ask("POST", "/api/v1/session", "", &body);
    let (_, cookie) = head.split_once("set-cookie: ").expect("a cookie");
    let cookie = cookie.split(';').next().expect("a pair");
    let cookie = format!("Cookie: {cookie}\r\n");
    let mut watching = Kept::connect(page, &old).expect("the certificate");
    watching.send("GET", "/api/v1/live", &cookie, "");
    let over = AtomicBool::new(false);
    let asked = AtomicUsize::new(0);
    thread::scope(|scope| {
        let _ends = Ends(&over);
        let mut busy = Kept::connect(page, &old).expect("the certificate");
        let (over, asked, as_admin) = (&over, &asked, &cookie);
        scope.spawn(move || {
            while !over.load(SeqCst) {
                busy.ask("GET", "/api/v1/status", as_admin, "");
                asked.fetch_add(1, SeqCst);
            }
        });
        let mut now = (&old, &new);
        for turn in 1..=TIMES {
            now = (now.1, now.0);
            replace(&served, &now.0.localhost());
            node.reload();
            let until = Instant::now() + PATIENCE;
            while node.output().matches("configuration reloaded").count() < turn {
                assert!(Instant::now() < until, "{}", node.output());
                thread::sleep(Duration::from_millis(5));
            }
            let mut fresh = Kept::connect(page, now.0).expect("the new certificate");
            fresh.ask("GET", "/healthz", "", "");
            assert!(Kept::connect(page, now.1).is_err(), "the old certificate");
            // Who was connected goes on.
            first.ask("GET", "/healthz", "", "");
            let before = asked.load(SeqCst);
            while asked.load(SeqCst) == before {
                assert!(Instant::now() < until, "requests stand still");
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    // A certificate that is none changes nothing, and is said.
    fs::write(&served.cert, "no certificate").expect("written");
    node.reload();
    node.wait_for_output("holds no certificate");
    Kept::connect(page, &old).expect("the last good certificate");
    let mut agent = FakeAgent::tcp(listener(&mut first, &cookie));
    agent.send(&frame::sip_v3(frame::sip_options("through-renewals")));
    watching.read_until("through-renewals");
}

/// Where the node takes HEP.
fn listener(asking: &mut Kept, cookie: &str) -> SocketAddr {
    asking.send("GET", "/api/v1/status", cookie, "");
    let mut said = String::new();
    loop {
        let mut part = [0; 1];
        asking.0.read_exact(&mut part).expect("a body");
        said.push(char::from(part[0]));
        let address = said.split("\"address\":\"").nth(1);
        if let Some((address, _)) = address.and_then(|rest| rest.split_once('"')) {
            return address.parse().expect("an address");
        }
    }
}

/// What the node says over TLS to who trusts `ca`.
async fn ask_securely(door: &Door, ca: &TestCa, path: &'static str, body: String) -> Answer {
    let (page, config) = (door.page, ca.client_config(None));
    let asked = tokio::task::spawn_blocking(move || {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config, name).expect("a client");
        let stream = TcpStream::connect(page).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a limit");
        let method = if body.is_empty() { "GET" } else { "POST" };
        ask_over(StreamOwned::new(tls, stream), method, path, &[], &body)
    });
    asked.await.expect("asked")
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_served_and_read_again() {
    let (first, second) = (TestCa::new(), TestCa::new());
    let directory = TempDir::new().expect("a directory");
    let put = |ca: &TestCa| {
        let identity = ca.localhost();
        fs::copy(&identity.cert, directory.path().join("cert.pem")).expect("copied");
        fs::copy(&identity.key, directory.path().join("key.pem")).expect("copied");
    };
    put(&first);
    add_users(&directory, &EVERYBODY);
    let http = "tls = { cert = \"cert.pem\", key = \"key.pem\" }";
    let node = Node::start(configured(&directory, http, ""))
        .await
        .expect("it starts");
    let mut door = Door {
        page: node.page_address().expect("a page"),
        node,
        directory,
    };
    let body = json!({ "user": "admin", "password": PASSWORD }).to_string();
    let answer = ask_securely(&door, &first, "/api/v1/session", body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer
            .field("set-cookie")
            .is_some_and(|set| set.contains("; Secure"))
    );
    // Whoever speaks no TLS gets nothing.
    let plain = tokio::task::spawn_blocking({
        let page = door.page;
        move || {
            let mut stream = TcpStream::connect(page).expect("connect");
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .ok();
            let mut said = Vec::new();
            stream.read_to_end(&mut said).ok();
            said
        }
    });
    let said = plain.await.expect("asked");
    assert!(!said.starts_with(b"HTTP"), "{said:?}");

    // The commands verify the node by the authority that they are given.
    let token = door.token(
        "viewer",
        Rights::of(&[Right::See]),
        Duration::from_secs(600),
    );
    let run = |ca: PathBuf| {
        let (token, port) = (token.clone(), door.page.port());
        tokio::task::spawn_blocking(move || {
            Command::new(env!("CARGO_BIN_EXE_hepcat"))
                .args([
                    "search",
                    "--node",
                    &format!("https://localhost:{port}"),
                    "--ca",
                ])
                .arg(ca)
                .env("HEPCAT_TOKEN", token)
                .output()
                .expect("it runs")
        })
    };
    let trusted = run(first.ca_file().to_owned()).await.expect("it runs");
    assert!(trusted.status.success(), "{trusted:?}");
    let not_trusted = run(second.ca_file().to_owned()).await.expect("it runs");
    assert_eq!(not_trusted.status.code(), Some(1), "{not_trusted:?}");

    let identity = second.localhost();
    fs::copy(&identity.cert, door.directory.path().join("cert.pem")).expect("copied");
    fs::copy(&identity.key, door.directory.path().join("key.pem")).expect("copied");
    let node = Arc::clone(&door.node);
    node.reload(configured(&door.directory, http, ""))
        .await
        .expect("it reloads");
    door.page = node.page_address().expect("a page");
    let answer = ask_securely(&door, &second, "/healthz", String::new()).await;
    assert_eq!(answer.status, 200);
    assert!(door.node.status().access.refused["handshake"] >= 1);
}
