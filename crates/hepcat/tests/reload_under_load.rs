//! Many reloads while senders push over UDP, TCP and TLS: nothing is lost that had arrived, and order is kept.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, TestCa, frame};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

const RELOADS: usize = 30;

/// Between two messages of a sender: the pace of the load, nothing waits for it.
const PACE: Duration = Duration::from_millis(1);

/// Sends numbered messages until it is told to end; gives how many.
fn send(name: &'static str, mut agent: FakeAgent, over: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let over = Arc::clone(over);
    thread::spawn(move || {
        let mut number = 0_u64;
        while !over.load(Ordering::Relaxed) {
            let call_id = format!("{number:08}@{name}");
            agent.send(&frame::sip_v3(frame::sip_options(&call_id)));
            number += 1;
            thread::sleep(PACE);
        }
        agent.finish();
        number
    })
}

/// Sender and number of a message.
fn read(frame: &[u8]) -> (String, u64) {
    let text = String::from_utf8_lossy(frame);
    let call_id = text.split("Call-ID: ").nth(1).expect("a message of ours");
    let call_id = call_id.split("\r\n").next().expect("the line ends");
    let (number, name) = call_id.split_once('@').expect("number and sender");
    (name.to_owned(), number.parse().expect("a number"))
}

/// What each sender's messages look like at a collector, in order of arrival.
fn by_sender(frames: &[Vec<u8>]) -> HashMap<String, Vec<u64>> {
    let mut numbers: HashMap<String, Vec<u64>> = HashMap::new();
    for (name, number) in frames.iter().map(|frame| read(frame)) {
        numbers.entry(name).or_default().push(number);
    }
    numbers
}

fn named<'s>(list: &'s Value, name: &str) -> &'s Value {
    let mut all = list.as_array().expect("a list").iter();
    all.find(|one| one["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

fn count(value: &Value) -> u64 {
    value
        .as_u64()
        .unwrap_or_else(|| panic!("{value}: no count"))
}

/// At every reading: no more open than handlers can hold, and each sink's half closes.
fn assert_adds_up(status: &Value) {
    let ledger = &status["ledger"];
    assert!(
        count(&ledger["unaccounted"]) <= count(&ledger["in_flight_bound"]),
        "{ledger:#}"
    );
    for sink in status["sinks"].as_array().expect("a list") {
        assert_eq!(sink["unaccounted"], 0, "{sink:#}");
    }
}

fn assert_in_order(whose: &str, numbers: &[u64], node: &NodeProcess) {
    if let Some(at) = numbers.windows(2).position(|two| two[0] >= two[1]) {
        let around = &numbers[at.saturating_sub(3)..numbers.len().min(at + 6)];
        panic!("{whose}: {around:?}\n{}", node.output());
    }
}

struct Plan {
    steady: FakeCollector,
    guest: FakeCollector,
    fixed: String,
}

impl Plan {
    fn new(ca: &TestCa) -> Self {
        let identity = ca.localhost();
        let (steady, guest) = (FakeCollector::tcp(), FakeCollector::tcp());
        let fixed = format!(
            r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
[[listener]]
name = "tls"
socket = "hep_tls:127.0.0.1:0"
tls = {{ cert = "{}", key = "{}" }}
[[destination]]
name = "steady"
socket = "hep_tcp:{}"
queue = {{ frames = 1_000_000 }}
"#,
            identity.cert.display(),
            identity.key.display(),
            steady.address()
        );
        Self {
            steady,
            guest,
            fixed,
        }
    }

    /// One configuration after the other: a destination that comes, changes and goes, a listener that does, routes that
    /// say the same in other words, and one that is faulty.
    fn config(&self, step: usize) -> String {
        let mut text = self.fixed.clone();
        let address = self.guest.address();
        if !step.is_multiple_of(3) {
            let frames = 1000 + step % 2;
            text += &format!(
                "[[destination]]\nname = \"guest\"\nsocket = \"hep_tcp:{address}\"\n\
                 queue = {{ frames = {frames} }}\n"
            );
        }
        if step % 4 == 1 {
            text += "[[listener]]\nname = \"extra\"\nsocket = \"hep_udp:127.0.0.1:0\"\n";
        }
        if step % 2 == 1 {
            text += "[[route]]\nwhen = \"method:OPTIONS\"\nto = [\"steady\"]\n";
        }
        if step % 5 == 4 {
            text += "[[route]]\nto = [\"nobody\"]\n";
        }
        text
    }
}

#[test]
fn nothing_is_lost_and_order_is_kept_while_the_configuration_changes_under_load() {
    let ca = TestCa::new();
    let plan = Plan::new(&ca);
    let node = NodeProcess::start(HEPCAT, &plan.config(0));
    let over = Arc::new(AtomicBool::new(false));
    let tls = |_| FakeAgent::tls(node.listener("tls"), ca.client_config(None), "localhost");
    let senders = [
        ("udp-1", FakeAgent::udp(node.listener("udp"))),
        ("udp-2", FakeAgent::udp(node.listener("udp"))),
        ("tcp-1", FakeAgent::tcp(node.listener("tcp"))),
        ("tcp-2", FakeAgent::tcp(node.listener("tcp"))),
        ("tls-1", tls(1).expect("a handshake")),
        ("tls-2", tls(2).expect("a handshake")),
    ];
    let senders = senders.map(|(name, agent)| (name, send(name, agent, &over)));
    for step in 1..=RELOADS {
        let before = node.status();
        assert_adds_up(&before);
        node.write_config(&plan.config(step));
        node.reload();
        // The next one comes when some messages have: sometimes before this one is done.
        let received = count(&before["ledger"]["received"]);
        assert_adds_up(&node.wait_for_status("messages between reloads", |status| {
            count(&status["ledger"]["received"]) >= received + 200
        }));
    }
    over.store(true, Ordering::Relaxed);
    let sent = senders.map(|(name, sender)| (name, sender.join().expect("never cut off")));
    let sum = |transport: &str| -> u64 {
        let of = sent.iter().filter(|(name, _)| name.starts_with(transport));
        of.map(|(_, sent)| sent).sum()
    };
    let (datagrams, streamed) = (sum("udp"), sum("tcp") + sum("tls"));
    let status = node.wait_for_status("everything received and delivered", |status| {
        let udp = named(&status["listeners"], "udp");
        let dropped = count(&udp["datagrams"]["kernel_drops"]);
        let received = count(&status["ledger"]["received"]);
        received + dropped == datagrams + streamed
            && status["ledger"]["unaccounted"] == 0
            && named(&status["sinks"], "steady")["delivered"] == received
    });
    assert_adds_up(&status);
    assert_eq!(status["ledger"]["routed"], status["ledger"]["received"]);
    let received = count(&status["ledger"]["received"]);
    let frames = plan
        .steady
        .wait_for(usize::try_from(received).expect("a count"));
    assert_eq!(frames.len() as u64, received, "each once");
    let arrived = by_sender(&frames);
    for (name, sent) in sent {
        let numbers = &arrived[name];
        if name.starts_with("udp") {
            assert_in_order(name, numbers, &node);
        } else {
            assert!(numbers.iter().copied().eq(0..sent), "{name}");
        }
    }
    // Some of the changes were seen, and some were refused.
    for line in ["configuration reloaded", "not reloaded"] {
        assert!(node.output().contains(line), "never `{line}`");
    }
    for (name, numbers) in by_sender(&plan.guest.frames()) {
        assert_in_order(&format!("{name} at the guest"), &numbers, &node);
    }
}
