//! The wall clock of the node's machine is set, forwards and back, under load: it is written down, and decides nothing.

use std::time::SystemTime;

use hepcat_interop::WallClock;
use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, frame, hepcat_binary};
use serde_json::Value;

/// Messages between two jumps.
const MESSAGES: usize = 100;

/// Days from the true time.
const JUMPS: [i64; 6] = [0, 10, -10, 400, -3_000, 0];

fn sink<'s>(status: &'s Value, name: &str) -> &'s Value {
    let mut sinks = status["sinks"].as_array().expect("a list").iter();
    sinks.find(|sink| sink["name"] == name).expect("the sink")
}

/// A message of an agent whose clock is right.
fn message(call_id: &str) -> Vec<u8> {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("it is after 1970");
    let mut meta = frame::Meta::default();
    meta.time_sec = u32::try_from(now.as_secs()).expect("before 2106");
    meta.v3(frame::sip_options(call_id).as_bytes())
}

#[test]
fn a_clock_that_jumps_loses_nothing_delays_nothing_and_changes_no_order() {
    let Some(clock) = WallClock::start() else {
        return;
    };
    let (good, away) = (FakeCollector::tcp(), FakeCollector::refusing());
    let binary = clock.run_with(&hepcat_binary());
    let mut node = NodeProcess::start(
        binary,
        &format!(
            r#"
[node]
data_dir = "{{dir}}/data"
[http]
listen = "127.0.0.1:0"
[agents]
messages_per_second = 100_000
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
message_timeout = "20s"
[[destination]]
name = "good"
socket = "hep_tcp:{}"
[[destination]]
name = "away"
socket = "hep_tcp:{}"
spool = {{ mode = "always", max_age = "7d" }}
"#,
            good.address(),
            away.address()
        ),
    );
    let mut agent = FakeAgent::tcp(node.listener("in"));
    let mut sent = Vec::new();
    for (turn, days) in JUMPS.into_iter().enumerate() {
        clock.set(days * 86_400);
        for number in 0..MESSAGES {
            let octets = message(&format!("{turn}-{number}@clock"));
            agent.send(&octets);
            sent.push(octets);
        }
        assert_eq!(good.wait_for(sent.len()), sent, "{days} days");
        let status = node.wait_for_status("all is decided about", |status| {
            status["ledger"]["unaccounted"] == 0
        });
        assert_eq!(status["ledger"]["routed"], sent.len(), "{status:#}");
        assert_eq!(status["listeners"][0]["connections"]["open"], 1);
    }
    // Attempts to connect go on in their time, and nothing has grown old on disk.
    away.listen();
    assert_eq!(away.wait_for(sent.len()), sent);
    let status = node.wait_for_status("delivered", |status| {
        sink(status, "away")["delivered"] == sent.len()
    });
    for name in ["good", "away"] {
        let sink = sink(&status, name);
        let dropped = sink["dropped"].as_object().expect("by reason");
        assert!(dropped.values().all(|count| *count == 0), "{sink:#}");
    }
    // What the agent said is far from a clock that jumped: marked, and not believed.
    let (code, agents) = node.get("/api/v1/agents");
    assert_eq!(code, 200, "{agents}");
    let agents: Value = serde_json::from_str(&agents).expect("JSON");
    let (clock, marked) = (&agents["agents"][0]["clock"], 2 * MESSAGES);
    assert_eq!(clock["behind"], marked, "{agents:#}");
    assert_eq!(clock["ahead"], marked, "{agents:#}");
    node.terminate();
    assert!(node.wait_for_exit().success());
}
