//! Where the store's memory gets short, live views go first, then searches, and rows last; everybody is told, and
//! everything is counted.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use flate2::{Compression, write::ZlibEncoder};
use hepcat_testkit::{FakeAgent, NodeProcess, frame};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// Frames of one step: a mebibyte of rows.
const STEP: u64 = 16;

/// A small frame with a large payload that is no SIP.
fn large(number: u64) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let payload = format!("{number} {}", "x".repeat(64_000));
    packed.write_all(payload.as_bytes()).expect("packed");
    let mut meta = frame::Meta::default();
    meta.protocol_type = 100;
    meta.correlation_id = Some(format!("{number}@memory").into_bytes());
    let mut chunks = meta.chunks();
    chunks.push(frame::chunk(0, 0x0010, &packed.finish().expect("packed")));
    frame::v3(&chunks)
}

/// Somebody who watches everything, and what he was shown and told.
struct Watcher {
    shown: Arc<AtomicU64>,
    missed: Arc<AtomicU64>,
    reading: Option<JoinHandle<()>>,
    connection: TcpStream,
}

impl Watcher {
    fn new(node: SocketAddr) -> Self {
        let mut connection = TcpStream::connect(node).expect("the node listens");
        // Without chunks: lines are whole.
        write!(
            connection,
            "GET /api/v1/live HTTP/1.0\r\nHost: localhost\r\n\r\n"
        )
        .expect("asked");
        let mut lines = BufReader::new(connection.try_clone().expect("a socket")).lines();
        let first = lines.next().expect("an answer").expect("a line");
        assert!(first.contains("200"), "{first}");
        let (shown, missed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (count_shown, count_missed) = (Arc::clone(&shown), Arc::clone(&missed));
        let reading = std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let Some(data) = line.strip_prefix("data: ") else {
                    continue;
                };
                match data.strip_prefix("{\"missed\":") {
                    Some(number) => {
                        let number = number.trim_end_matches('}').parse().expect("a number");
                        count_missed.fetch_add(number, Ordering::Relaxed);
                    }
                    None => {
                        count_shown.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        Self {
            shown,
            missed,
            reading: Some(reading),
            connection,
        }
    }

    fn counts(&self) -> (u64, u64) {
        (
            self.shown.load(Ordering::Relaxed),
            self.missed.load(Ordering::Relaxed),
        )
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.connection.shutdown(std::net::Shutdown::Both));
        if let Some(reading) = self.reading.take() {
            drop(reading.join());
        }
    }
}

fn sink<'a>(status: &'a Value, name: &str) -> &'a Value {
    let sinks = status["sinks"].as_array().expect("sinks");
    let sink = sinks.iter().find(|sink| sink["name"] == name);
    sink.expect("a sink of this name")
}

fn dropped_for_memory(status: &Value, name: &str) -> u64 {
    sink(status, name)["dropped"]["memory"]
        .as_u64()
        .expect("a number")
}

#[test]
fn live_views_go_first_then_searches_and_rows_last() {
    let directory = tempfile::tempdir().expect("a directory");
    // No disk has so much room: nothing becomes a segment, and memory fills.
    let config = format!(
        r#"
[node]
data_dir = {:?}
[store]
memory = "64MiB"
[store.retention]
min_free = "1PiB"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
"#,
        directory.path()
    );
    let node = NodeProcess::start(HEPCAT, &config);
    let watcher = Watcher::new(node.http_address());
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    let (mut shed_at, mut refused_at) = (None, None);
    let mut sent = 0;
    let dropped_at = loop {
        let frames: Vec<u8> = (sent..sent + STEP).flat_map(large).collect();
        agent.send(&frames);
        sent += STEP;
        let status = node.wait_for_status("the rows are at the store", |status| {
            status["store"]["activity"]["rows_offered"].as_u64() >= Some(sent)
                && sink(status, "tail")["offered"] == sent
        });
        let search = node.get("/api/v1/messages?limit=1&brief=true").0;
        if shed_at.is_none() && dropped_for_memory(&status, "tail") > 0 {
            assert_eq!(status["store"]["activity"]["memory"]["short"], true);
            shed_at = Some(sent);
        }
        match search {
            200 => assert_eq!(refused_at, None, "searched again at {sent}"),
            503 => {
                let _first = *refused_at.get_or_insert(sent);
            }
            other => panic!("{other}"),
        }
        if dropped_for_memory(&status, "store") > 0 {
            break sent;
        }
        assert!(sent < 4_000, "memory has no end");
    };
    let order = [shed_at, refused_at, Some(dropped_at)];
    assert!(
        order.is_sorted_by(|first, then| first.is_some() && first < then),
        "{order:?}"
    );

    // Whoever watches was told of everything.
    let told = node.wait_for_status("the watcher knows", |status| {
        let (shown, missed) = watcher.counts();
        shown + missed == sent && sink(status, "tail")["queued"] == 0
    });
    let (shown, missed) = watcher.counts();
    assert_eq!(sink(&told, "tail")["delivered"], shown);
    assert_eq!(dropped_for_memory(&told, "tail"), missed);
    // One half of the memory is eight steps before three quarters are: they were all shown.
    assert!(shown > 0 && missed > 0, "{shown} shown, {missed} missed");

    let metrics = node.metrics();
    assert!(
        metrics.contains("hepcat_store_memory_short 1\n"),
        "{metrics}"
    );
    let doctor = Command::new(HEPCAT)
        .args([
            "doctor",
            "--node",
            &format!("http://{}", node.http_address()),
        ])
        .output()
        .expect("hepcat runs");
    assert_eq!(doctor.status.code(), Some(1));
    let words = String::from_utf8_lossy(&doctor.stdout);
    for part in [
        "memory is short",
        "`min_free` is 1.0 PiB",
        "searches were refused",
    ] {
        assert!(words.contains(part), "no `{part}` in:\n{words}");
    }
    drop(watcher);
    // What was not dropped is not lost either: it is in the log, or in memory.
    let kept = sent - dropped_for_memory(&node.status(), "store");
    assert!(kept > 600, "{kept}");
}
