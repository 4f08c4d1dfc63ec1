//! What every fault is put through: a real node, a good destination beside the bad one, a sender that times its
//! writes, and what must hold afterwards whatever happened.

use std::{
    fs,
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use hepcat_testkit::{
    FakeAgent, FakeCollector, NodeProcess, frame,
    load::{Histogram, usage},
};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// How long the sender sends, in seconds; `cargo xtask long faults` gives more.
const SECONDS: &str = "HEPCAT_FAULT_SECONDS";

/// The pause between two writes of the sender: 500 messages per second.
const PACE: Duration = Duration::from_millis(2);

/// Microseconds after which a write counts as one that had to wait.
const SLOW: u128 = 10_000;

/// One that waits for a collector, and not for a processor, takes longer than this.
const PATIENT: Duration = Duration::from_millis(500);

/// Octets of padding in each message, so that stalled connections fill within the short form.
const PADDING: usize = 2000;

/// What a fault may cost in memory beside the frames that wait, of which an allocator makes at most half as much again.
const SPARE_MEMORY: u64 = 8 << 20;

/// How much more it may be once a queue has been full.
const GROWTH: u64 = 4 << 20;

/// Descriptors that connections in the making, HTTP and timers may take for a moment.
const SPARE_DESCRIPTORS: usize = 8;

pub(crate) struct Rig {
    pub(crate) node: NodeProcess,
    pub(crate) good: FakeCollector,
    name: &'static str,
}

/// What was sent, and the last reading of the node.
pub(crate) struct Outcome {
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) status: Value,
}

impl Rig {
    /// A node with destinations `good` and those of `more`, and whatever else that says. `name` is the fault's, as
    /// the report calls it.
    pub(crate) fn start(name: &'static str, more: &str) -> Self {
        let good = FakeCollector::tcp();
        let node = NodeProcess::start(
            HEPCAT,
            &format!(
                r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
[[destination]]
name = "good"
socket = "hep_tcp:{}"
{more}
"#,
                good.address()
            ),
        );
        drop(node.wait_for_status("good is up", |status| {
            destination(status, "good")["state"] == "up"
        }));
        Self { node, good, name }
    }

    /// Sends at a steady pace, and calls `disturb` twenty times in between with the number of the call. Then
    /// checks what holds under every fault.
    #[expect(
        clippy::print_stdout,
        reason = "the figures are what the long form is run for"
    )]
    pub(crate) fn endure(&self, mut disturb: impl FnMut(usize)) -> Outcome {
        let duration = std::env::var(SECONDS)
            .ok()
            .and_then(|text| text.parse().ok());
        let duration = Duration::from_secs(duration.unwrap_or(2));
        let mut agent = FakeAgent::tcp(self.node.listener("in"));
        let mut writes = Histogram::default();
        let mut sent = Vec::new();
        let mut slow = 0;
        let mut most_descriptors = 0;
        let descriptors = self.descriptors();
        let mut memory = Memory::new(self.memory());
        let started = Instant::now();
        for step in 0..20_usize {
            disturb(step);
            let until = duration * u32::try_from(step + 1).expect("twenty") / 20;
            while started.elapsed() < until {
                let octets = message(self.name, sent.len());
                let before = Instant::now();
                agent.send(&octets);
                let took = before.elapsed().as_micros();
                writes.record(u64::try_from(took).unwrap_or(u64::MAX));
                slow += u64::from(took > SLOW);
                sent.push(octets);
                thread::sleep(PACE);
            }
            most_descriptors = most_descriptors.max(self.descriptors());
            memory.look(self.memory(), &self.node.status());
        }
        let received = self.good.wait_for(sent.len());
        assert!(
            received == sent,
            "the good destination gets everything in order"
        );
        let status = self.node.wait_for_status("all is decided", |status| {
            status["ledger"]["routed"] == sent.len() && status["ledger"]["unaccounted"] == 0
        });
        assert_balanced(&status);
        assert!(
            most_descriptors <= descriptors + SPARE_DESCRIPTORS,
            "{descriptors} descriptors became {most_descriptors}"
        );
        memory.assert_bounded();
        assert!(
            writes.quantile(990) <= PATIENT,
            "99 of 100 writes took up to {:?}",
            writes.quantile(990)
        );
        self.assert_quiet(duration);
        // `cargo xtask long faults` makes a table of these.
        println!(
            "fault\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{descriptors}\t{most_descriptors}\t{:.1}\t{:.1}\t{:.1}",
            self.name,
            writes.count(),
            writes.quantile(500).as_micros(),
            writes.quantile(990).as_micros(),
            writes.quantile(999).as_micros(),
            writes.max().as_micros(),
            slow,
            memory.before as f64 / f64::from(1 << 20),
            memory.most as f64 / f64::from(1 << 20),
            memory.most_queued as f64 / f64::from(1 << 20),
        );
        Outcome { sent, status }
    }

    fn memory(&self) -> u64 {
        usage(self.node.id()).expect("the node runs").resident
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.node.id())).map_or(0, Iterator::count)
    }

    /// At most one line about the bad destination for each change of its state and each minute.
    fn assert_quiet(&self, duration: Duration) {
        let output = self.node.output();
        let minutes = usize::try_from(duration.as_secs() / 60).expect("a short test") + 1;
        for (what, each) in [
            ("destination down", 1),
            ("destination up", 1),
            ("name does not", 1),
            ("spooling to disk", 1),
            ("replay begins", 1),
            ("spool drained", 1),
            ("spool can", 1),
        ] {
            let about = |line: &&str| line.contains(what) && !line.contains("\"good\"");
            let lines = output.lines().filter(about).count();
            // The first comes at once, so a run that ends within a minute may have one at each end of it.
            assert!(
                lines <= (minutes + 1) * each,
                "{lines} lines of \"{what}\":\n{output}"
            );
        }
    }
}

/// Octets of memory that a node has, from look to look.
struct Memory {
    before: u64,
    most: u64,
    /// Most octets of frames that waited.
    most_queued: u64,
    /// The most until a queue was full for the first time.
    full: Option<u64>,
}

impl Memory {
    fn new(before: u64) -> Self {
        Self {
            before,
            most: before,
            most_queued: 0,
            full: None,
        }
    }

    fn look(&mut self, resident: u64, status: &Value) {
        let sinks = status["sinks"].as_array().expect("a list");
        let queued = sinks
            .iter()
            .map(|sink| sink["destination"]["queued_octets"].as_u64());
        self.most_queued = self.most_queued.max(queued.flatten().sum());
        self.most = self.most.max(resident);
        let is_full = |sink: &Value| sink["dropped"]["queue_full_oldest"].as_u64() > Some(0);
        if self.full.is_none() && sinks.iter().any(is_full) {
            self.full = Some(self.most);
        }
    }

    /// It is what waits, and no more once a queue is full.
    fn assert_bounded(&self) {
        let Self {
            before,
            most,
            most_queued,
            full,
        } = self;
        assert!(
            *most <= before + most_queued * 3 / 2 + SPARE_MEMORY,
            "{before} octets of memory became {most} while at most {most_queued} were queued"
        );
        if let Some(full) = full {
            assert!(
                *most <= full + GROWTH,
                "a queue was full with {full} octets of memory, and it became {most}"
            );
        }
    }
}

/// A message that says which it is.
pub(crate) fn message(fault: &str, number: usize) -> Vec<u8> {
    let mut sip = frame::sip_options(&format!("{number:08}@{}", fault.replace(' ', "-")));
    sip.push_str(&"x".repeat(PADDING));
    frame::sip_v3(sip)
}

/// A TCP destination of that name.
pub(crate) fn tcp(name: &str, address: SocketAddr) -> String {
    format!("[[destination]]\nname = \"{name}\"\nsocket = \"hep_tcp:{address}\"\n")
}

/// A sink of a status, by name.
pub(crate) fn sink<'s>(status: &'s Value, name: &str) -> &'s Value {
    let sinks = status["sinks"].as_array().expect("a list");
    let sink = sinks.iter().find(|sink| sink["name"] == name);
    sink.unwrap_or_else(|| panic!("no sink {name} in {status:#}"))
}

/// What is said about the link of a destination.
pub(crate) fn destination<'s>(status: &'s Value, name: &str) -> &'s Value {
    &sink(status, name)["destination"]
}

pub(crate) fn number(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value} is no count"))
}

/// Frames of a sink given up, for whatever reason.
pub(crate) fn dropped(status: &Value, name: &str) -> u64 {
    let reasons = sink(status, name)["dropped"]
        .as_object()
        .expect("by reason");
    reasons.values().map(number).sum()
}

fn assert_balanced(status: &Value) {
    for one in status["sinks"].as_array().expect("a list") {
        let name = one["name"].as_str().expect("a name");
        let came = ["offered", "originated", "carried_over"].map(|key| number(&one[key]));
        let went = ["delivered", "queued", "spooled"].map(|key| number(&one[key]));
        assert_eq!(
            came.iter().sum::<u64>(),
            went.iter().sum::<u64>() + dropped(status, name),
            "{one:#}"
        );
    }
}

impl Outcome {
    /// The bad destination was offered everything, and what it was not given up is waiting or delivered.
    pub(crate) fn offered_all(&self, name: &str) {
        assert_eq!(
            number(&sink(&self.status, name)["offered"]),
            self.sent.len() as u64
        );
    }
}

/// Everything that was not dropped arrives, in order, once the collector is well again.
pub(crate) fn all_arrives(rig: &Rig, outcome: &Outcome, name: &str, collector: &FakeCollector) {
    outcome.offered_all(name);
    let status = rig.node.wait_for_status("everything is written", |status| {
        number(&sink(status, name)["queued"]) == 0
    });
    let lost = usize::try_from(dropped(&status, name)).expect("a count");
    let wanted = outcome.sent.len() - lost;
    let got = collector.wait_for(wanted);
    assert_eq!(got.len(), wanted);
    if lost == 0 {
        assert!(got == outcome.sent, "in order, each once");
    }
}
