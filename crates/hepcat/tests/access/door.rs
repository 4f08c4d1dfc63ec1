//! A node in the test's own process, its users, and questions over HTTP with any header fields.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::{Duration, SystemTime},
};

use hepcat::{
    access::{Hashed, PassKind, Rights, Role},
    config::Config,
    node::Node,
    state::{self, passes, passes::Pass, users},
};
use serde_json::Value;
use tempfile::TempDir;

pub(super) const PASSWORD: &str = "correct horse";
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
    pub(super) octets: Vec<u8>,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines();
        let mut pairs = lines.filter_map(|line| line.split_once(": "));
        let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// `name=value` of the cookie that came along.
    pub(super) fn cookie(&self) -> String {
        let cookie = self.field("set-cookie").expect("a cookie");
        cookie.split(';').next().expect("a pair").to_owned()
    }
}

/// Asks over a stream, and reads until the node closes it.
pub(super) fn ask_over(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !fields
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"))
    {
        head.push_str("Host: localhost\r\n");
    }
    if !body.is_empty() {
        head.push_str("Content-Type: application/json\r\n");
    }
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("send");
    let mut octets = Vec::new();
    // An end without a close_notify is an end as well.
    stream.read_to_end(&mut octets).ok();
    let at = octets
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer to {method} {path}"));
    let head = String::from_utf8_lossy(&octets[..at]).into_owned();
    let octets = unchunked(&head, &octets[at + 4..]);
    Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .expect("a status"),
        head,
        body: String::from_utf8_lossy(&octets).into_owned(),
        octets,
    }
}

fn unchunked(head: &str, mut body: &[u8]) -> Vec<u8> {
    if !head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        return body.to_vec();
    }
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[..end]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        let Some(part) = body.get(end + 2..end + 2 + size) else {
            break;
        };
        whole.extend_from_slice(part);
        body = body.get(end + 4 + size..).unwrap_or_default();
    }
    whole
}

/// A node, its directory, and whoever is to ask it.
pub(super) struct Door {
    pub(super) node: Arc<Node>,
    pub(super) directory: TempDir,
    pub(super) page: SocketAddr,
}

/// The configuration of a node in this directory, with more in `[http]` and after it.
pub(super) fn configured(directory: &TempDir, http: &str, more: &str) -> Config {
    let text = format!(
        "[node]\ndata_dir = {:?}\n[store]\n{more}\n[[listener]]\nname = \"edge\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n{http}\n",
        directory.path()
    );
    Config::parse(&text, directory.path().join("hepcat.toml")).expect("a good configuration")
}

impl Door {
    pub(super) async fn open(users: &[(&str, Role)], http: &str) -> Self {
        let directory = TempDir::new().expect("a directory");
        add_users(&directory, users);
        let config = configured(&directory, http, "");
        let node = Node::start(config).await.expect("it starts");
        let page = node.page_address().expect("a page");
        Self {
            node,
            directory,
            page,
        }
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (page, method, path) = (self.page, method.to_owned(), path.to_owned());
        let fields: Vec<(String, String)> = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let body = body.to_owned();
        let asked = tokio::task::spawn_blocking(move || {
            let stream = TcpStream::connect(page).expect("connect");
            stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
            let fields: Vec<(&str, &str)> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            ask_over(stream, &method, &path, &fields, &body)
        });
        asked.await.expect("asked")
    }

    pub(super) async fn sign_in(&self, user: &str, password: &str) -> Answer {
        let body = serde_json::json!({ "user": user, "password": password }).to_string();
        self.ask("POST", "/api/v1/session", &[], &body).await
    }

    /// The cookie of a user who has signed in.
    pub(super) async fn cookie(&self, user: &str) -> String {
        let answer = self.sign_in(user, PASSWORD).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.cookie()
    }

    pub(super) async fn get_as(&self, cookie: &str, path: &str) -> Answer {
        self.ask("GET", path, &[("Cookie", cookie)], "").await
    }

    /// A token of a user, made beside the node as the command does.
    pub(super) fn token(&self, user: &str, rights: Rights, lifetime: Duration) -> String {
        self.pass(PassKind::Token, user, rights, lifetime)
    }

    /// A pass of a user for as long as no configuration allows.
    pub(super) fn pass(
        &self,
        kind: PassKind,
        user: &str,
        rights: Rights,
        lifetime: Duration,
    ) -> String {
        let mut state = state::open_beside(self.directory.path()).expect("the state");
        let now = SystemTime::now();
        let key = users::key(&state).expect("readable").expect("a key");
        let (text, digest) = key.issue(kind, now + lifetime).expect("a token");
        let pass = Pass {
            id: digest.id(),
            kind,
            user: user.to_owned(),
            name: "test".to_owned(),
            rights,
            call: None,
            created_at: now,
            expires_at: now + lifetime,
        };
        passes::add(&mut state, &digest, &pass, now).expect("kept");
        text
    }
}

/// Adds users as the command does, all with [`PASSWORD`].
pub(super) fn add_users(directory: &TempDir, users: &[(&str, Role)]) {
    if users.is_empty() {
        return;
    }
    let state = state::open_beside(directory.path()).expect("the state");
    let hash = Hashed::new(PASSWORD.as_bytes()).expect("a password");
    for (name, role) in users {
        let added = users::add(&state, name, *role, &hash, SystemTime::now());
        assert!(added.expect("kept"), "{name}");
    }
}

/// One of each role, called as it is.
pub(super) const EVERYBODY: [(&str, Role); 4] = [
    ("metadata", Role::Metadata),
    ("viewer", Role::Viewer),
    ("operator", Role::Operator),
    ("admin", Role::Admin),
];
