//! A node with a script, and SIP to ask it about.

#![allow(dead_code, reason = "each test file uses its share")]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use hepcat_testkit::{FakeCollector, NodeProcess, frame};
use serde_json::Value;

pub(crate) const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// A running node with a script in a file of its own.
pub(crate) struct ScriptedNode {
    pub(crate) node: NodeProcess,
    pub(crate) script: std::path::PathBuf,
    _directory: tempfile::TempDir,
}

impl ScriptedNode {
    /// A node with that script, whose configuration `{script}` stands for the script's file in.
    pub(crate) fn start(script: &str, config: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("routes.lua");
        fs::write(&file, script).expect("the script is written");
        let text = config.replace("{script}", &file.display().to_string());
        Self {
            node: NodeProcess::start(HEPCAT, &text),
            script: file,
            _directory: directory,
        }
    }

    /// Writes another script and reloads; what it says about that is the caller's to wait for.
    pub(crate) fn change_script(&self, script: &str) {
        fs::write(&self.script, script).expect("the script is written");
        self.node.reload();
    }
}

/// The live stream of a node.
pub(crate) struct Live(BufReader<TcpStream>);

impl Live {
    /// Watches from now on.
    pub(crate) fn watch(http: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(http).expect("the node serves");
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .expect("a socket");
        let request =
            format!("GET /api/v1/live HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut live = Self(BufReader::new(stream));
        // The answer's head comes once the watcher is registered.
        while live.line() != "\r\n" {}
        live
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).expect("the stream goes on");
        assert_ne!(read, 0, "the stream ended");
        line
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Value {
        loop {
            let line = self.line();
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).expect("JSON");
            }
        }
    }
}

/// A configuration with a UDP listener `in`, a TCP listener `stream`, these destinations, and a script.
pub(crate) fn config(destinations: &[(&str, &FakeCollector)], more: &str) -> String {
    let ids: Vec<String> = destinations
        .iter()
        .map(|(name, collector)| format!("\"[{name}] {}\"", collector.address()))
        .collect();
    format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[hep]\nhep_id = [{}]\n[[listener]]\nname = \"in\"\n\
         socket = \"hep_udp:127.0.0.1:0\"\n[[listener]]\nname = \"stream\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n\
         [lua]\nscript = \"{{script}}\"\n{more}",
        ids.join(", ")
    )
}

/// A SIP request in a frame.
pub(crate) fn request(method: &str, call_id: &str, branch: &str) -> Vec<u8> {
    frame::sip_v3(format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// A SIP reply in a frame.
pub(crate) fn reply(status: u16, method: &str, call_id: &str, branch: &str) -> Vec<u8> {
    frame::sip_v3(format!(
        "SIP/2.0 {status} Whatever\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>;tag=b\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// A message that is no SIP.
pub(crate) fn log_line(text: &str) -> Vec<u8> {
    let mut meta = frame::Meta::default();
    meta.protocol_type = 100;
    meta.v3(text.as_bytes())
}

pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

pub(crate) fn sink<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sinks = status["sinks"].as_array().expect("a list");
    let found = sinks.iter().find(|sink| sink["name"] == name);
    found.unwrap_or_else(|| panic!("no sink {name}"))
}

/// Everything received is settled, and every sink's two sides are equal.
pub(crate) fn assert_balanced(status: &Value) {
    assert_eq!(status["ledger"]["unaccounted"], 0, "{status:#}");
    let sum = |reasons: &Value| -> u64 {
        let reasons = reasons.as_object().expect("counts by reason");
        reasons.values().map(number).sum()
    };
    let ledger = &status["ledger"];
    let settled = sum(&ledger["refused"]) + sum(&ledger["skipped"]) + number(&ledger["routed"]);
    assert_eq!(number(&ledger["received"]), settled, "{ledger}");
    for sink in status["sinks"].as_array().expect("a list") {
        let came = ["offered", "originated", "carried_over"].map(|key| number(&sink[key]));
        let went = ["delivered", "queued", "spooled"].map(|key| number(&sink[key]));
        let went = went.iter().sum::<u64>() + sum(&sink["dropped"]);
        assert_eq!(came.iter().sum::<u64>(), went, "{sink}");
    }
}
