//! Order within a call and per sender, with several workers, under load and through reloads.

mod scripted;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use hepcat_testkit::{FakeAgent, FakeCollector};
use scripted::{ScriptedNode, assert_balanced, config, number, request};

/// Counts in a variable of its own what it was asked about of each call: wrong as soon as two workers see
/// one call, or one worker sees it in another order. The CSeq of every call starts at 1 and grows by 1.
const IN_ORDER: &str = r#"
seen = {}
function request_route()
  local last = seen[msg.call_id] or 0
  local number = tonumber(string.match(msg.method, "%d+"))
  seen[msg.call_id] = number
  if number ~= last + 1 then hep_relay("disorder") end
end"#;

const CALLS: usize = 40;
const ROUNDS: usize = 50;

/// A request whose method tells its place in the call; scripts and tests read it from there.
fn numbered(call: &str, number: usize) -> Vec<u8> {
    request(
        &format!("M{number}"),
        call,
        &format!("z9hG4bK{call}-{number}"),
    )
}

#[test]
fn messages_of_a_call_are_asked_about_in_order_and_leave_in_the_order_of_their_sender() {
    let (all, disorder) = (FakeCollector::tcp(), FakeCollector::tcp());
    let scripted = ScriptedNode::start(
        IN_ORDER,
        &config(
            &[("all", &all), ("disorder", &disorder)],
            "workers = 4\n[[route]]\nto = [\"all\"]\nlua = true\n",
        ),
    );
    let address = scripted.node.listener("stream");
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            thread::spawn(move || {
                let mut agent = FakeAgent::tcp(address);
                for round in 1..=ROUNDS {
                    for call in 0..CALLS {
                        agent.send(&numbered(&format!("s{sender}c{call}"), round));
                    }
                }
                agent.finish();
            })
        })
        .collect();
    for sender in senders {
        sender.join().expect("it sends everything");
    }
    let total = 4 * CALLS * ROUNDS;
    let frames = all.wait_for(total);
    let mut next: HashMap<char, usize> = HashMap::new();
    for frame in &frames {
        let text = String::from_utf8_lossy(frame);
        let call = text.split("Call-ID: s").nth(1).expect("a Call-ID");
        let sender = call.chars().next().expect("a sender");
        let at = next.entry(sender).or_default();
        let expected = numbered(&format!("s{sender}c{}", *at % CALLS), *at / CALLS + 1);
        assert!(*frame == expected, "sender {sender}, message {at}: {text}");
        *at += 1;
    }
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["routed"]) == total as u64 && status["ledger"]["unaccounted"] == 0
    });
    assert_eq!(disorder.count(), 0);
    assert_eq!(status["script"]["runs"], total);
    assert_eq!(status["script"]["queued"], 0);
    assert_balanced(&status);
}

#[test]
fn reloads_under_load_lose_nothing_and_a_bad_script_changes_nothing() {
    let (one, two) = (FakeCollector::tcp(), FakeCollector::tcp());
    let script = |to: &str| format!("function request_route() hep_relay(\"{to}\") end");
    let scripted = ScriptedNode::start(
        &script("one"),
        &config(&[("one", &one), ("two", &two)], "workers = 2\n"),
    );
    let address = scripted.node.listener("stream");
    let over = Arc::new(AtomicBool::new(false));
    let sender = {
        let over = Arc::clone(&over);
        thread::spawn(move || {
            let mut agent = FakeAgent::tcp(address);
            let mut sent = 0;
            while !over.load(Ordering::Relaxed) {
                sent += 1;
                agent.send(&numbered(&format!("c{}", sent % 100), sent));
            }
            agent.finish();
            sent
        })
    };
    for (script, said) in [
        (script("two"), "configuration reloaded"),
        (
            "function request_route( end".to_owned(),
            "configuration not reloaded",
        ),
        (script("one"), "configuration reloaded"),
    ] {
        let before = scripted.node.output().matches(said).count();
        scripted.change_script(&script);
        let _reached = scripted.node.wait_for_status(said, |status| {
            let bound = number(&status["ledger"]["in_flight_bound"]);
            assert!(
                number(&status["ledger"]["unaccounted"]) <= bound,
                "{status:#}"
            );
            scripted.node.output().matches(said).count() > before
        });
    }
    over.store(true, Ordering::Relaxed);
    let sent = sender.join().expect("it sends everything") as u64;
    let status = scripted
        .node
        .wait_for_status("everything delivered", |status| {
            let idle = |name| number(&scripted::sink(status, name)["queued"]) == 0;
            number(&status["ledger"]["routed"]) == sent && idle("one") && idle("two")
        });
    assert_balanced(&status);
    let offered = |name| number(&scripted::sink(&status, name)["offered"]);
    assert_eq!(offered("one") + offered("two"), sent);
    assert!(offered("one") > 0 && offered("two") > 0, "{status:#}");
    // The last script decides.
    let last = request("INVITE", "last", "z9hG4bKlast");
    let before = one.count();
    FakeAgent::udp(scripted.node.listener("in")).send(&last);
    assert_eq!(one.wait_for(before + 1).last(), Some(&last));
}
