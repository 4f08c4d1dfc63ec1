//! What a spool holds outlives the node, a change of its destination, and its destination's removal.

use std::{fs, net::SocketAddr, path::Path};

use hepcat_testkit::{
    FakeAgent, FakeCollector, NodeProcess,
    frame::{sip_options, sip_v3},
};
use serde_json::Value;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

fn config(data_dir: &Path, destination: &str) -> String {
    format!(
        r#"
[node]
data_dir = "{}"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_tcp:127.0.0.1:0"
{destination}
"#,
        data_dir.display()
    )
}

fn homer(collector: SocketAddr, spool: &str) -> String {
    format!(
        "[[destination]]\nname = \"homer\"\nsocket = \"hep_tcp:{collector}\"\nspool = {{ {spool} }}\n"
    )
}

fn send(node: &NodeProcess, numbers: std::ops::Range<usize>) {
    let mut agent = FakeAgent::tcp(node.listener("in"));
    for number in numbers {
        agent.send(&sip_v3(sip_options(&format!("{number:08}@spool"))));
    }
    agent.finish();
}

fn arrived(collector: &FakeCollector, count: usize) -> Vec<usize> {
    let number = |frame: &Vec<u8>| {
        let text = String::from_utf8_lossy(frame);
        let (_, rest) = text.split_once("Call-ID: ")?;
        rest.get(..8)?.parse().ok()
    };
    let frames = collector.wait_for(count);
    frames.iter().filter_map(number).collect()
}

fn sink(status: &Value) -> Value {
    let sinks = status["sinks"].as_array().expect("sinks");
    let homer = sinks.iter().find(|sink| sink["name"] == "homer");
    homer.cloned().unwrap_or_default()
}

fn wait_for_spooled(node: &NodeProcess, frames: u64) -> Value {
    let status = node.wait_for_status("everything is on disk", |status| {
        let homer = sink(status);
        homer["spooled"] == frames && homer["queued"] == 0
    });
    assert_eq!(status["ledger"]["unaccounted"], 0, "{status:#}");
    status
}

fn doctor(node: &NodeProcess) -> String {
    let output = assert_cmd::Command::new(HEPCAT)
        .args(["doctor", "--node"])
        .arg(format!("http://{}", node.http_address()))
        .output()
        .expect("the doctor runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_orderly_end_keeps_what_was_not_delivered_for_the_next_start() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::refusing();
    let text = config(home.path(), &homer(collector.address(), ""));
    let mut node = NodeProcess::start(HEPCAT, &text);
    send(&node, 0..200);
    wait_for_spooled(&node, 200);
    let said = doctor(&node);
    assert!(said.contains("200 frames on disk are kept"), "{said}");
    node.terminate();
    assert!(node.wait_for_exit().success(), "{}", node.output());
    assert!(
        node.output().contains("spool keeps frames"),
        "{}",
        node.output()
    );

    let node = NodeProcess::start(HEPCAT, &text);
    node.wait_for_output("spool carries over frames");
    send(&node, 200..210);
    collector.listen();
    assert_eq!(arrived(&collector, 210), (0..210).collect::<Vec<_>>());
    let status = node.wait_for_status("all is noted", |status| {
        let homer = sink(status);
        homer["delivered"] == 210 && homer["spooled"] == 0
    });
    let homer = sink(&status);
    assert_eq!(
        (&homer["carried_over"], &homer["offered"]),
        (&200.into(), &10.into())
    );
    assert_eq!(homer["destination"]["repeated"], 0);
    assert!(
        node.metrics()
            .contains("hepcat_spool_frames_replayed_total{destination=\"homer\"}")
    );
}

#[test]
fn a_destination_that_changes_keeps_its_spool() {
    let home = tempfile::tempdir().expect("a directory");
    let (first, second) = (FakeCollector::refusing(), FakeCollector::refusing());
    let node = NodeProcess::start(HEPCAT, &config(home.path(), &homer(first.address(), "")));
    send(&node, 0..100);
    wait_for_spooled(&node, 100);
    node.write_config(&config(
        home.path(),
        &homer(second.address(), "mode = \"always\", replay_rate = 50_000"),
    ));
    node.reload();
    node.wait_for_output("configuration reloaded");
    send(&node, 100..150);
    let status = wait_for_spooled(&node, 150);
    let homer = sink(&status);
    assert_eq!(
        (&homer["offered"], &homer["carried_over"]),
        (&150.into(), &0.into())
    );
    second.listen();
    assert_eq!(arrived(&second, 150), (0..150).collect::<Vec<_>>());
    let status = node.wait_for_status("all is noted", |status| sink(status)["spooled"] == 0);
    assert_eq!(sink(&status)["delivered"], 150);
    assert_eq!(status["ledger"]["unaccounted"], 0);
}

#[test]
fn a_destination_that_is_removed_leaves_its_spool_and_says_so() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::refusing();
    let with = config(home.path(), &homer(collector.address(), ""));
    let node = NodeProcess::start(HEPCAT, &with);
    send(&node, 0..100);
    wait_for_spooled(&node, 100);
    node.write_config(&config(home.path(), ""));
    node.reload();
    let line = node.wait_for_output("leaves its spool");
    assert!(line.contains("100"), "{line}");
    assert_eq!(sink(&node.status())["spooled"], 100);

    node.write_config(&with);
    node.reload();
    collector.listen();
    assert_eq!(arrived(&collector, 100), (0..100).collect::<Vec<_>>());
    let status = node.wait_for_status("all is noted", |status| sink(status)["spooled"] == 0);
    let homer = sink(&status);
    assert_eq!(
        (&homer["delivered"], &homer["carried_over"]),
        (&100.into(), &0.into())
    );
    assert_eq!(homer["unaccounted"], 0);
}

#[test]
fn a_foreign_and_a_damaged_file_are_set_aside_and_reported_and_the_node_starts() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::refusing();
    let text = config(home.path(), &homer(collector.address(), ""));
    let mut node = NodeProcess::start(HEPCAT, &text);
    send(&node, 0..100);
    wait_for_spooled(&node, 100);
    node.terminate();
    assert!(node.wait_for_exit().success(), "{}", node.output());
    let spool = home.path().join("spool/homer");
    fs::write(spool.join("00000000000000009999.spool"), "a note").expect("a foreign file");
    fs::write(spool.join("cursor"), "no cursor").expect("a damaged file");

    let node = NodeProcess::start(HEPCAT, &text);
    node.wait_for_output("spool file set aside");
    let status = node.wait_for_status("everything is carried over", |status| {
        sink(status)["carried_over"] == 100
    });
    assert_eq!(
        sink(&status)["destination"]["spool"]["files_set_aside"],
        2,
        "{status:#}"
    );
    let said = doctor(&node);
    assert!(said.contains("`*.damaged`"), "{said}");
    assert!(
        node.metrics()
            .contains("hepcat_spool_files_set_aside_total{destination=\"homer\"} 2")
    );
    collector.listen();
    assert_eq!(arrived(&collector, 100), (0..100).collect::<Vec<_>>());
}

/// A long replay is followed in each of the places that are looked at.
#[test]
fn the_progress_of_a_replay_is_in_the_log_the_metrics_and_the_doctors_words() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = FakeCollector::refusing();
    let text = |rate: &str| config(home.path(), &homer(collector.address(), rate));
    let node = NodeProcess::start(HEPCAT, &text("replay_rate = 10"));
    send(&node, 0..300);
    wait_for_spooled(&node, 300);
    node.wait_for_output("spooling to disk");
    collector.listen();
    node.wait_for_output("replay begins");
    drop(node.wait_for_status("some are delivered", |status| {
        sink(status)["destination"]["spool"]["replayed"].as_u64() > Some(0)
    }));
    let said = doctor(&node);
    assert!(said.contains("frames on disk are being replayed"), "{said}");
    let metrics = node.metrics();
    let replayed = metrics
        .lines()
        .find_map(|line| {
            line.strip_prefix("hepcat_spool_frames_replayed_total{destination=\"homer\"} ")
        })
        .and_then(|value| value.parse().ok());
    assert!((Some(1)..Some(300)).contains(&replayed), "{replayed:?}");
    // The rest need not take half a minute.
    node.write_config(&text("replay_rate = 1_000_000"));
    node.reload();
    node.wait_for_output("spool drained");
    assert_eq!(arrived(&collector, 300), (0..300).collect::<Vec<_>>());
}
