//! A SIP message that HOMER 6 wraps in JSON is routed, watched and decoded as the SIP that it is, and leaves as it came.

use std::process::Command;

use hepcat_testkit::{FakeAgent, FakeCollector, NodeProcess, vectors};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

fn captured(file: &str) -> Vec<u8> {
    let vectors = vectors();
    let vector = vectors.iter().find(|vector| vector.file.contains(file));
    vector.expect("a frame of that name").octets.clone()
}

#[test]
fn a_route_sees_the_sip_and_the_destination_gets_the_frame_as_sent() {
    let (invites, rest) = (FakeCollector::udp(), FakeCollector::udp());
    let node = NodeProcess::start(
        HEPCAT,
        &format!(
            r#"
[http]
listen = "127.0.0.1:0"
[hep]
hep_id = ["[invites] {}; transport=udp", "[rest] {}; transport=udp"]
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
[[route]]
when = "method:INVITE"
to = ["invites"]
[[route]]
to = ["rest"]
"#,
            invites.address(),
            rest.address()
        ),
    );
    let plain = captured("opensips-v3-ipv4-udp-h5-invite");
    let wrapped = captured("opensips-v3-ipv4-udp-h6-invite");
    let other = captured("opensips-v3-ipv4-h6-log");
    let cut = captured("opensips-v3-ipv4-h6-wrapped-payload");
    let mut agent = FakeAgent::udp(node.listener("in"));
    for frame in [&plain, &wrapped, &other, &cut] {
        agent.send(frame);
    }
    assert_eq!(invites.wait_for(2), [plain, wrapped]);
    assert_eq!(rest.wait_for(2), [other, cut]);
}

fn decoded(file: &str, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("frame");
    std::fs::write(&path, captured(file)).expect("the frame is written");
    let output = Command::new(HEPCAT)
        .arg("decode")
        .args(arguments)
        .arg(&path)
        .output()
        .expect("hepcat runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn decode_shows_both_the_json_and_the_sip_in_it() {
    let text = decoded("opensips-v3-ipv4-udp-h6-invite", &[]);
    assert!(text.contains("payload\":"), "{text}");
    assert!(text.contains("wrapped in it (HOMER 6)"), "{text}");
    assert!(text.contains("  | INVITE sip:"), "{text}");

    let line = decoded("opensips-v3-ipv4-udp-h6-invite", &["--json"]);
    let object: Value = serde_json::from_str(&line).expect("an object");
    assert_eq!(object["sip"]["method"], "INVITE");
    let sent = object["payload"].as_str().expect("the payload as sent");
    assert!(sent.starts_with('{'), "{sent}");
    let unwrapped = object["unwrapped_payload"].as_str().expect("the text");
    assert!(unwrapped.starts_with("INVITE sip:"), "{unwrapped}");
    assert!(unwrapped.contains("\r\n"), "{unwrapped}");
}

#[test]
fn a_message_whose_json_was_cut_short_is_still_sip() {
    let line = decoded("opensips-v3-ipv4-h6-wrapped-payload", &["--json"]);
    let object: Value = serde_json::from_str(&line).expect("an object");
    assert!(object["sip"]["call_id"].is_string(), "{object:#}");
}

#[test]
fn json_of_other_types_stands_for_itself() {
    let line = decoded("opensips-v3-ipv4-h6-log", &["--json"]);
    let object: Value = serde_json::from_str(&line).expect("an object");
    assert_eq!(object["unwrapped_payload"], Value::Null);
    assert_eq!(object["sip"], Value::Null);
}
