//! Where the log goes must never decide whether messages go on: a reader that is stuck or gone, a full disk, a file
//! that is cut.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame};
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// With a line for each, more than a pipe holds and than waits in memory.
const CONNECTIONS: usize = 4000;

/// Far above any delay of a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn config(collector: &FakeCollector) -> String {
    format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n\
         [[destination]]\nname = \"c\"\nsocket = \"hep_tcp:{}\"\nqueue = {{ frames = 1_000_000 }}\n\
         [[listener]]\nname = \"in\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n",
        collector.address()
    )
}

/// A node that logs each connection.
fn chatty(collector: &FakeCollector) -> NodeProcess {
    let binary = HEPCAT.as_ref();
    NodeProcess::try_start_with(binary, &config(collector), &["-v"]).expect("it starts")
}

/// One message on each of so many connections, each of which is a line in the log; waits until they have arrived, some
/// at a time, so that no more connections are open at once than one address may have.
fn send(node: &NodeProcess, collector: &FakeCollector, count: usize) {
    let (listener, before) = (node.listener("in"), collector.count());
    for number in 1..=count {
        let octets = frame::sip_v3(frame::sip_options(&format!("{number}@log")));
        FakeAgent::tcp(listener).send(&octets);
        if number % 50 == 0 {
            let arrived = collector.wait_for(before + number).len();
            assert_eq!(arrived, before + number);
        }
    }
}

#[test]
fn a_reader_of_the_log_that_is_stuck_holds_up_nobody_and_is_told_what_it_missed() {
    let collector = FakeCollector::tcp();
    let mut node = chatty(&collector);
    node.pause_output();
    send(&node, &collector, CONNECTIONS);
    let status = node.wait_for_status("idle", |status| status["ledger"]["unaccounted"] == 0);
    assert_eq!(status["ledger"]["routed"], CONNECTIONS);
    // A reload has things to say as well.
    let renamed = config(&collector).replace("name = \"c\"", "name = \"renamed\"");
    node.write_config(&renamed);
    node.reload();
    drop(node.wait_for_status("reloaded", |status| {
        let sinks = status["sinks"].as_array().expect("a list");
        sinks.iter().any(|sink| sink["name"] == "renamed")
    }));
    node.resume_output();
    node.wait_for_output("log lines lost");
    // It ends as if nothing had been, with the last line read.
    node.terminate();
    assert!(node.wait_for_exit().success());
    node.wait_for_output("stopped");
}

#[test]
fn a_node_whose_log_is_stuck_ends_when_it_is_told() {
    let collector = FakeCollector::tcp();
    let mut node = chatty(&collector);
    node.pause_output();
    send(&node, &collector, CONNECTIONS);
    node.terminate();
    assert!(node.wait_for_exit().success());
}

#[test]
fn a_reader_of_the_log_that_goes_away_takes_nobody_with_it() {
    let collector = FakeCollector::tcp();
    let mut node = chatty(&collector);
    let good = config(&collector);
    node.close_output();
    send(&node, &collector, 50);
    // A faulty configuration is said in the log as well.
    node.write_config("nonsense");
    node.reload();
    send(&node, &collector, 50);
    node.write_config(&good);
    node.reload();
    send(&node, &collector, 50);
    node.terminate();
    assert!(node.wait_for_exit().success());
}

/// A node whose standard error is a file; killed when dropped.
struct Filed {
    child: Child,
    _directory: TempDir,
}

impl Filed {
    fn start(collector: &FakeCollector, log: File) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let file = directory.path().join("hepcat.toml");
        // Its output is not ours to read, so its sockets are looked at: the page's is on another address.
        let text =
            config(collector).replace("listen = \"127.0.0.1:0\"", "listen = \"127.0.0.2:0\"");
        fs::write(&file, text).expect("the configuration is written");
        let child = Command::new(HEPCAT)
            .args(["run", "-v", "-c"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("hepcat runs");
        Self {
            child,
            _directory: directory,
        }
    }

    /// Sends so many messages, as soon as it listens.
    fn send(&self, count: usize) {
        let until = Instant::now() + PATIENCE;
        let port = loop {
            if let Some(port) = listening_port(self.child.id()) {
                break port;
            }
            assert!(Instant::now() < until, "it never listens");
            thread::sleep(Duration::from_millis(5));
        };
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        for number in 0..count {
            let octets = frame::sip_v3(frame::sip_options(&format!("{number}@file")));
            stream.write_all(&octets).expect("it takes octets");
        }
    }
}

impl Drop for Filed {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The TCP port of 127.0.0.1 that a process listens on (`man 5 proc`, `/proc/net/tcp`).
fn listening_port(process: u32) -> Option<u16> {
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let own: Vec<String> = descriptors
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?;
            Some(inode.strip_suffix(']')?.to_owned())
        })
        .collect();
    let sockets = fs::read_to_string(format!("/proc/{process}/net/tcp")).ok()?;
    sockets.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // State 0A is LISTEN; the address is in the order of the machine's octets, the port is not.
        let port = words.get(1)?.strip_prefix("0100007F:")?;
        let ours = words.get(3) == Some(&"0A") && own.iter().any(|inode| inode == words[9]);
        ours.then(|| u16::from_str_radix(port, 16).ok()).flatten()
    })
}

#[test]
fn a_log_on_a_full_disk_holds_up_nobody() {
    let collector = FakeCollector::tcp();
    let full = OpenOptions::new().write(true).open("/dev/full");
    let mut node = Filed::start(&collector, full.expect("Linux has it"));
    node.send(1000);
    assert_eq!(collector.wait_for(1000).len(), 1000);
    assert!(node.child.try_wait().expect("a child").is_none());
}

/// What `copytruncate` of logrotate does to a file that is appended to.
#[test]
fn a_log_file_that_is_cut_while_it_is_written_goes_on_from_its_beginning() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("hepcat.log");
    let open = || OpenOptions::new().create(true).append(true).open(&path);
    let collector = FakeCollector::tcp();
    let node = Filed::start(&collector, open().expect("a file"));
    let mut cut = 0;
    for round in 1..=5 {
        node.send(1000);
        assert_eq!(collector.wait_for(round * 1000).len(), round * 1000);
        let file = open().expect("it is still there");
        cut += file.metadata().expect("a file").len();
        file.set_len(0).expect("it is cut");
    }
    assert!(cut > 0, "nothing was ever logged");
    node.send(1000);
    let until = Instant::now() + PATIENCE;
    while fs::metadata(&path).expect("a file").len() == 0 {
        assert!(Instant::now() < until, "it logs no more");
        thread::sleep(Duration::from_millis(5));
    }
    let log = fs::read(&path).expect("it can be read");
    assert!(!log.contains(&0), "a hole where the log was cut");
}
