//! `[calls]`: by what legs become one call, and what is wrong with it.

use std::time::Duration;

use bytesize::ByteSize;
use hepcat::{
    call::{Affix, Limits, Rule, Rules},
    config::Config,
};
use hepcat_testkit::{FakeAgent, NodeProcess, frame};
use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");
const LISTENER: &str = "[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n";

fn parse(calls: &str) -> Result<Config, String> {
    let text = format!("{LISTENER}[calls]\n{calls}\n");
    Config::parse(&text, "x").map_err(|faults| faults.to_string())
}

#[test]
fn nothing_has_to_be_written() {
    let config = Config::parse(LISTENER, "x").expect("it is good");
    assert_eq!(config.calls.rules, Rules::default());
    assert_eq!(
        config.calls.limits(ByteSize::mib(256)),
        Limits::beside(256 << 20)
    );
}

#[test]
fn everything_can_be_written() {
    let config = parse(
        r##"
join_at = 60
headers = ["X-Session", { name = "X-Trunk-Call", confidence = 55 }]
prefixes = "leg#-"
suffixes = [".b"]
media_window = "1s"
refer_window = "5s"
confidence = { media = 0, header = 80 }
memory = "16MiB"
"##,
    )
    .expect("it is good");
    let rules = &config.calls.rules;
    assert_eq!(rules.join_at, 60);
    let headers: Vec<_> = rules
        .headers
        .iter()
        .map(|rule| (rule.name.as_str(), rule.confidence))
        .collect();
    assert_eq!(headers, [("X-Session", 80), ("X-Trunk-Call", 55)]);
    assert_eq!(rules.affixes, [Affix::prefix("leg#-"), Affix::suffix(".b")]);
    assert_eq!(rules.media_window, Duration::from_secs(1));
    assert_eq!(rules.refer_window, Duration::from_secs(5));
    assert_eq!(rules.confidence(Rule::Media), None);
    assert_eq!(
        config.calls.limits(ByteSize::mib(256)),
        Limits::within(16 << 20)
    );
}

#[test]
fn calls_have_half_of_the_memory_of_a_store_at_most() {
    let parse = |calls: &str| {
        let text = format!(
            "{LISTENER}[node]\ndata_dir = \"/x\"\n[store]\nmemory = \"256MiB\"\n[calls]\nmemory = \"{calls}\"\n"
        );
        Config::parse(&text, "x").map_err(|faults| faults.to_string())
    };
    let limits = |config: Config| config.calls.limits(config.store.memory);
    assert_eq!(parse("128MiB").map(limits), Ok(Limits::within(128 << 20)));
    let faults = parse("129MiB").expect_err("too much");
    assert!(
        faults.contains("more than half of the store's memory"),
        "{faults}"
    );
}

#[rstest]
#[case("headers = [\"X Session\"]", "no name of a header field")]
#[case("headers = [{ confidence = 5 }]", "`name` is missing")]
#[case("suffixes = [\"\"]", "`suffixes` has an empty one")]
#[case("join_at = 0", "`join_at`")]
#[case("confidence = { media = 101 }", "`media`")]
#[case("confidence = { medium = 1 }", "`medium`")]
#[case("memory = \"1KiB\"", "`memory`")]
fn what_is_wrong_is_said(#[case] calls: &str, #[case] said: &str) {
    let faults = parse(calls).expect_err("it has a fault");
    assert!(faults.contains(said), "{faults}");
}

fn config(directory: &TempDir, calls: &str) -> String {
    format!(
        "[node]\ndata_dir = {:?}\n[store]\n[calls]\n{calls}\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"tcp\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n",
        directory.path()
    )
}

/// An INVITE with a header field of an installation's own.
fn invite(call_id: &str, session: &str) -> Vec<u8> {
    frame::sip_v3(format!(
        "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{call_id}\r\n\
         From: <sip:alice@a.example>;tag={call_id}\r\nTo: <sip:bob@b.example>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nX-Session: {session}\r\nContent-Length: 0\r\n\r\n"
    ))
}

/// How many legs the calls have, the most first.
fn legs(node: &NodeProcess) -> Vec<usize> {
    let (status, body) = node.get("/api/v1/calls");
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    let calls = answer["calls"].as_array().expect("calls");
    let count = |call: &Value| call["legs"].as_array().map_or(0, Vec::len);
    let mut legs: Vec<_> = calls.iter().map(count).collect();
    legs.sort_unstable_by_key(|legs| std::cmp::Reverse(*legs));
    legs
}

fn wait_for_calls(node: &NodeProcess, legs_of_calls: &[usize]) {
    let _reached = node.wait_for_status("the calls are there", |_| legs(node) == legs_of_calls);
}

#[test]
fn a_header_field_of_the_installation_joins_legs_also_when_it_is_taught_later() {
    let directory = TempDir::new().expect("a directory");
    let node = NodeProcess::start(HEPCAT, &config(&directory, ""));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for call_id in ["a1", "a2"] {
        agent.send(&invite(call_id, "one"));
    }
    wait_for_calls(&node, &[1, 1]);
    node.write_config(&config(&directory, "headers = [\"X-Session\"]"));
    node.reload();
    let _said = node.wait_for_output("configuration reloaded");
    for call_id in ["b1", "b2"] {
        agent.send(&invite(call_id, "two"));
    }
    wait_for_calls(&node, &[2, 1, 1]);
}
