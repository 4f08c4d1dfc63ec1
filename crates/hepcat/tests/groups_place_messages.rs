//! Groups, end to end: the real program, real sockets, members that go and return.

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

/// A node with three TCP destinations `a`, `b` and `c`, and what follows.
fn node(collectors: [&FakeCollector; 3], more: &str) -> NodeProcess {
    let destinations = ["a", "b", "c"].iter().zip(collectors);
    let destinations: String = destinations
        .map(|(name, collector)| {
            let address = collector.address();
            format!("[[destination]]\nname = \"{name}\"\nsocket = \"hep_tcp:{address}\"\n")
        })
        .collect();
    NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
{destinations}
{more}
"#
        ),
    )
}

fn available(status: &Value, destination: &str) -> bool {
    let sinks = status["sinks"].as_array().expect("a list");
    let sink = sinks.iter().find(|sink| sink["name"] == destination);
    sink.expect("a sink")["destination"]["available"] == true
}

fn delivered(status: &Value) -> u64 {
    let sinks = status["sinks"].as_array().expect("a list");
    let sums = sinks.iter().filter(|sink| sink["kind"] == "destination");
    sums.map(|sink| sink["delivered"].as_u64().expect("a count"))
        .sum()
}

fn call_id(frame: &[u8]) -> String {
    let message = hepcat_wire::Message::parse(frame).expect("version 3");
    let payload = message.payload().octets().expect("a payload").to_vec();
    let scan = hepcat_sip::scan(&payload).expect("SIP");
    String::from_utf8(scan.call_id().expect("a Call-ID").to_vec()).expect("text")
}

#[test]
fn without_routes_groups_and_ungrouped_destinations_get_everything_once() {
    let (a, b, c) = (
        FakeCollector::tcp(),
        FakeCollector::tcp(),
        FakeCollector::tcp(),
    );
    let group = "[[group]]\nname = \"g\"\nkind = \"failover\"\nmembers = [\"a\", \"b\"]";
    let node = node([&a, &b, &c], group);
    let sent: Vec<_> = (0..20)
        .map(|n| frame::sip_v3(frame::sip_options(&format!("{n}@groups"))))
        .collect();
    let mut agent = FakeAgent::tcp(node.listener("in"));
    sent.iter().for_each(|frame| agent.send(frame));
    assert_eq!(a.wait_for(20), sent);
    assert_eq!(c.wait_for(20), sent);
    assert_eq!(b.count(), 0);
    let status = node.status();
    assert_eq!(status["groups"][0]["active"], "a");
    assert_eq!(status["groups"][0]["members"][0]["placed"], 20);
}

#[test]
fn failover_moves_on_when_the_first_goes_and_returns_after_the_hold() {
    let (a, b, c) = (
        FakeCollector::tcp(),
        FakeCollector::tcp(),
        FakeCollector::tcp(),
    );
    let group = "[[group]]\nname = \"g\"\nkind = \"failover\"\nmembers = [{ name = \"b\", priority = 2 }, \
                 { name = \"a\", priority = 1 }]\nhold = \"300ms\"";
    let node = node([&a, &b, &c], group);
    let mut agent = FakeAgent::tcp(node.listener("in"));
    let mut number = 0;
    let mut send = |count: usize| {
        for _ in 0..count {
            number += 1;
            agent.send(&frame::sip_v3(frame::sip_options(&format!(
                "{number}@groups"
            ))));
        }
        assert!(c.wait_for(number).len() >= number);
    };
    send(5);
    assert_eq!(a.wait_for(5).len(), 5);
    a.refuse();
    a.close_connections();
    drop(node.wait_for_status("a is down", |status| !available(status, "a")));
    send(5);
    assert_eq!(b.wait_for(5).len(), 5);
    assert_eq!(a.count(), 5);
    a.listen();
    drop(node.wait_for_status("a is up", |status| available(status, "a")));
    // It is up for less than the hold now, or just that long: either may get these.
    while a.count() == 5 {
        send(1);
    }
    let status = node.wait_for_status("all is delivered", |status| {
        delivered(status) == 2 * u64::try_from(c.count()).expect("a count")
    });
    assert_eq!(status["groups"][0]["active"], "a");
    assert_eq!(status["groups"][0]["switches"], 2);
    assert_eq!(a.count() + b.count(), c.count());
}

#[test]
fn balance_keeps_calls_together_and_agrees_with_itself_after_a_restart() {
    let collectors = || {
        [
            FakeCollector::tcp(),
            FakeCollector::tcp(),
            FakeCollector::tcp(),
        ]
    };
    let group = "[[group]]\nname = \"g\"\nkind = \"balance\"\nmembers = [\"a\", \"b\", { name = \"c\", weight = 2 }]";
    let mut placed = Vec::new();
    for _ in 0..2 {
        let [a, b, c] = collectors();
        let node = node([&a, &b, &c], group);
        let mut agents = [
            FakeAgent::tcp(node.listener("in")),
            FakeAgent::tcp(node.listener("in")),
        ];
        for n in 0..120 {
            let sip = frame::sip_options(&format!("{}@groups", n % 40));
            agents[n % 2].send(&frame::sip_v3(sip));
        }
        let status = node.wait_for_status("all is delivered", |status| delivered(status) == 120);
        assert_eq!(status["ledger"]["unaccounted"], 0);
        let calls = [&a, &b, &c].map(|collector| {
            let mut calls: Vec<_> = collector.frames().iter().map(|f| call_id(f)).collect();
            calls.sort();
            calls
        });
        for calls in &calls {
            assert!(!calls.is_empty());
            let whole = calls.chunk_by(|one, next| one == next);
            assert!(whole.into_iter().all(|call| call.len() == 3), "{calls:?}");
        }
        placed.push(calls);
    }
    assert_eq!(placed[0], placed[1]);
}

#[test]
fn a_call_without_anybody_up_waits_where_it_belongs() {
    let (a, b, c) = (
        FakeCollector::refusing(),
        FakeCollector::refusing(),
        FakeCollector::tcp(),
    );
    let more = r#"
[[group]]
name = "g"
kind = "balance"
members = ["a", "b"]
[[route]]
to = ["g"]
"#;
    let node = node([&a, &b, &c], more);
    let mut agent = FakeAgent::tcp(node.listener("in"));
    for n in 0..50 {
        agent.send(&frame::sip_v3(frame::sip_options(&format!("{n}@groups"))));
    }
    let status = node.wait_for_status("all is routed", |status| status["ledger"]["routed"] == 50);
    let queued = |name: &str| {
        let sinks = status["sinks"].as_array().expect("a list");
        let sink = sinks.iter().find(|sink| sink["name"] == name);
        sink.expect("a sink")["queued"].as_u64().expect("a count")
    };
    assert_eq!(queued("a") + queued("b"), 50);
    assert!(queued("a") > 0 && queued("b") > 0);
    a.listen();
    b.listen();
    let (at_a, at_b) = (queued("a"), queued("b"));
    assert_eq!(
        a.wait_for(usize::try_from(at_a).expect("a count")).len() as u64,
        at_a
    );
    assert_eq!(
        b.wait_for(usize::try_from(at_b).expect("a count")).len() as u64,
        at_b
    );
    assert_eq!(c.count(), 0);
}

#[test]
fn a_group_goes_on_through_a_reload() {
    let (a, b, c) = (
        FakeCollector::refusing(),
        FakeCollector::tcp(),
        FakeCollector::tcp(),
    );
    let group =
        "[[group]]\nname = \"g\"\nkind = \"failover\"\nmembers = [\"a\", \"b\"]\nhold = \"1h\"";
    let node = node([&a, &b, &c], group);
    let mut agent = FakeAgent::tcp(node.listener("in"));
    drop(node.wait_for_status("a is down", |status| {
        !available(status, "a") && available(status, "b")
    }));
    agent.send(&frame::sip_v3(frame::sip_options("1@groups")));
    assert_eq!(b.wait_for(1).len(), 1);
    a.listen();
    drop(node.wait_for_status("a is up", |status| available(status, "a")));
    node.reload();
    node.wait_for_output("reloaded");
    agent.send(&frame::sip_v3(frame::sip_options("2@groups")));
    assert_eq!(b.wait_for(2).len(), 2);
    assert_eq!(node.status()["groups"][0]["active"], "b");
}

#[test]
fn the_command_shows_destinations_and_groups() {
    let (a, b, c) = (
        FakeCollector::refusing(),
        FakeCollector::tcp(),
        FakeCollector::tcp(),
    );
    let group = "[[group]]\nname = \"homers\"\nkind = \"all\"\nmembers = [\"a\", \"b\"]";
    let node = node([&a, &b, &c], group);
    drop(node.wait_for_status("settled", |status| {
        !available(status, "a") && available(status, "b") && available(status, "c")
    }));
    let url = format!("http://{}", node.http_address());
    let run = |more: &[&str]| {
        let output = assert_cmd::Command::new(HEPCAT)
            .args(["destinations", "--node", &url])
            .args(more)
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    let table = run(&[]);
    let line = |name: &str| {
        let found = table.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("no line {name} in\n{table}"))
    };
    assert!(line("a ").contains("cannot connect"), "{table}");
    assert!(line("b ").contains(" up "), "{table}");
    assert!(line("homers ").contains("all"), "{table}");
    let json: Value = serde_json::from_str(&run(&["--json"])).expect("JSON");
    assert_eq!(json["destinations"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["groups"][0]["members"][1]["available"], true);
}
