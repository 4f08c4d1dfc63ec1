//! What `hepcat demo` plays is what it says: every scenario decodes and amounts to the call that it promises.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    process::Command,
    time::{Duration, UNIX_EPOCH},
};

use hepcat::{
    call::{CallRecord, Change, Flag, Limits, Moment, RegistrationRecord, Rules, Seen, Tracker},
    demo::{self, Programme, Scenario},
};
use hepcat_testkit::NodeProcess;
use hepcat_wire::{Message, Version};
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");
/// When calls begin here: 2023-11-14 22:13:20 UTC.
const BEGINNING: Duration = Duration::from_secs(1_700_000_000);

fn scenarios() -> Vec<Scenario> {
    demo::scenarios().expect("the scenarios make sense")
}

/// What the tracker makes of one call, through frames as agents send them.
struct Followed {
    calls: Vec<CallRecord>,
    registrations: Vec<RegistrationRecord>,
    unparsable: usize,
}

fn follow(scenario: &Scenario, number: u64) -> Followed {
    let mut tracker = Tracker::new(Limits::default(), Rules::default(), 7);
    let mut unparsable = 0;
    for (row, sighting) in (1..).zip(scenario.play(number)) {
        let agent = &scenario.agents()[sighting.agent];
        let time = BEGINNING + sighting.at;
        let frame = sighting
            .frame(agent, UNIX_EPOCH + time)
            .expect("the agent's version carries it");
        match Message::parse(frame) {
            Ok(message) => {
                assert_eq!(message.version(), agent.version, "{}", scenario.name());
                let payload = message.payload().trimmed().unwrap_or_default().to_vec();
                tracker.ingest(&Seen::of_message(
                    &message,
                    &payload,
                    row,
                    time,
                    &agent.name,
                ));
            }
            Err(_) => unparsable += 1,
        }
    }
    let (mut calls, mut registrations) = (Vec::new(), Vec::new());
    for change in tracker.take_changes() {
        match change {
            Change::Call(call) => calls.push(*call),
            Change::Registration(registration) => registrations.push(registration),
            _ => {}
        }
    }
    // A call that nobody responded to is one when nothing more is expected of it.
    let wait = BEGINNING + Duration::from_secs(3_600);
    tracker.expire(Moment::from_micros(
        i64::try_from(wait.as_micros()).expect("a time"),
    ));
    for change in tracker.take_changes() {
        if let Change::Call(call) = change
            && let Some(known) = calls.iter_mut().find(|known| known.id == call.id)
        {
            known.flags = known.flags.union(call.flags);
        }
    }
    Followed {
        calls,
        registrations: registrations.into_iter().map(|one| *one).collect(),
        unparsable,
    }
}

fn fact(call: &CallRecord, name: &str) -> String {
    let text = |text: Option<&str>| text.unwrap_or("none").to_owned();
    match name {
        "kind" => call.kind.label().to_owned(),
        "state" => call.state.label().to_owned(),
        "code" => call
            .final_code
            .map_or_else(|| "none".to_owned(), |code| code.to_string()),
        "released_by" => text(call.released_by.map(hepcat::call::Side::label)),
        "codec" => text(call.codec.as_deref()),
        "legs" => call.legs.len().to_string(),
        other => panic!("nothing is known about `{other}`"),
    }
}

#[test]
fn every_scenario_amounts_to_what_it_promises() {
    let mut faults = Vec::new();
    for scenario in scenarios() {
        for number in [1, 2, 17] {
            let name = format!("{} {number}", scenario.name());
            let followed = follow(&scenario, number);
            let expected = scenario.expectation();
            if expected.unparsable {
                if followed.unparsable == 0 || !followed.calls.is_empty() {
                    faults.push(format!("{name}: it decodes"));
                }
                continue;
            }
            for (fact_name, value) in &expected.facts {
                if fact_name == "nothing" {
                    if !followed.calls.is_empty() {
                        faults.push(format!("{name}: there is a call"));
                    }
                    continue;
                }
                let [call] = followed.calls.as_slice() else {
                    faults.push(format!("{name}: {} calls", followed.calls.len()));
                    break;
                };
                let found = match fact_name.as_str() {
                    "flag" => {
                        let flags: Vec<_> = call.flags.iter().map(Flag::label).collect();
                        if flags.contains(&value.as_str()) {
                            value.clone()
                        } else {
                            format!("{flags:?}")
                        }
                    }
                    "registration" => {
                        let mut states = followed.registrations.iter().map(|one| one.state.label());
                        states.next_back().unwrap_or("none").to_owned()
                    }
                    other => fact(call, other),
                };
                if found != *value {
                    faults.push(format!("{name}: {fact_name} is {found}, not {value}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_same_number_is_the_same_call_and_another_one_another() {
    for scenario in scenarios() {
        assert_eq!(scenario.play(3), scenario.play(3));
        let payloads = |number| -> Vec<Vec<u8>> {
            let played = scenario.play(number);
            played.iter().map(|one| one.payload().to_vec()).collect()
        };
        if !matches!(scenario.name(), "unparsable" | "garbage") {
            assert_ne!(payloads(3), payloads(4), "{}", scenario.name());
        }
    }
}

#[test]
fn a_programme_has_two_hundred_calls_of_twenty_kinds_in_every_version() {
    let scenarios = scenarios();
    let programme = Programme::new(&scenarios, 1);
    assert!(programme.calls >= 200, "{}", programme.calls);
    let kinds: BTreeSet<usize> = programme.sightings.iter().map(|one| one.scenario).collect();
    assert!(kinds.len() >= 20, "{}", kinds.len());
    assert!(programme.sightings.is_sorted_by_key(|one| one.at));
    let versions: BTreeSet<u8> = scenarios
        .iter()
        .flat_map(|scenario| scenario.agents().iter().map(|agent| agent.version.number()))
        .collect();
    assert_eq!(
        versions,
        BTreeSet::from([
            Version::V1.number(),
            Version::V2.number(),
            Version::V3.number()
        ])
    );
}

#[test]
fn a_node_that_was_shown_the_demonstration_lists_its_calls() {
    let directory = TempDir::new().expect("a directory");
    let config = format!(
        "[node]\ndata_dir = {:?}\n[store]\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"udp\"\nsocket = \"hep_udp:127.0.0.1:0\"\n\
         [[listener]]\nname = \"tcp\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n",
        directory.path()
    );
    let node = NodeProcess::start(HEPCAT, &config);
    let to = |name: &str, address: SocketAddr| format!("--to=hep_{name}:{address}");
    let output = Command::new(HEPCAT)
        .args(["demo", "--json", "--seed=1", "--speed=600x"])
        .arg(to("udp", node.listener("udp")))
        .arg(to("tcp", node.listener("tcp")))
        .output()
        .expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let summary: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let sent = summary["messages"].as_u64().expect("a number");
    let _status = node.wait_for_status("everything is kept", |status| {
        let sinks = status["sinks"].as_array().expect("sinks");
        let store = sinks.iter().find(|sink| sink["name"] == "store");
        store.is_some_and(|store| store["delivered"] == sent)
    });
    let (code, body) = node.get("/api/v1/calls?limit=1000");
    assert_eq!(code, 200, "{body}");
    let found: Value = serde_json::from_str(&body).expect("JSON");
    let calls = found["calls"].as_array().expect("calls");
    let of = |state: &str| calls.iter().filter(|call| call["state"] == state).count();
    assert!(calls.len() > 180, "{}", calls.len());
    for state in ["ended", "failed", "cancelled", "redirected", "in_call"] {
        assert!(of(state) > 0, "no call is {state}");
    }
}

#[test]
fn where_nobody_listens_it_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let free = free.expect("a port that is free again");
    let output = Command::new(HEPCAT)
        .args([
            "demo",
            "--speed=600x",
            &format!("--to=hep_tcp:{free}"),
            &format!("--to=hep_udp:{free}"),
        ])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("hepcat run"), "{said}");
}

#[test]
fn what_nobody_can_carry_is_said_before_anything_is_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let output = Command::new(HEPCAT)
        .args(["demo", "--speed=600x", &format!("--to=hep_tcp:{address}")])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("--to hep_udp:HOST:PORT"), "{said}");
    listener.set_nonblocking(true).expect("set");
    let nobody = listener.accept().expect_err("nobody came");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}
