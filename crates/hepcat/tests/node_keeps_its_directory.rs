//! A data directory belongs to one node, and a node to its data directory.

use std::{fs, path::Path};

use assert_cmd::Command;
use hepcat_testkit::NodeProcess;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

const REST: &str = r#"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "in"
socket = "hep_udp:127.0.0.1:0"
"#;

fn config(directory: &Path) -> String {
    format!("[node]\ndata_dir = \"{}\"\n{REST}", directory.display())
}

/// What `hepcat run` says when it refuses that configuration.
fn refusal(text: &str) -> String {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("hepcat.toml");
    fs::write(&file, text).expect("written");
    let refused = Command::new(HEPCAT)
        .args(["run", "-c"])
        .arg(&file)
        .timeout(std::time::Duration::from_secs(60))
        .assert()
        .code(78);
    String::from_utf8_lossy(&refused.get_output().stderr).into_owned()
}

#[test]
fn two_nodes_on_one_directory_are_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let mut first = NodeProcess::start(HEPCAT, &config(home.path()));
    let said = refusal(&config(home.path()));
    let expected = format!(
        "{} belongs to another running node (process {})",
        home.path().display(),
        first.id()
    );
    assert!(said.contains(&expected), "{said}");
    // It points at the line.
    assert!(said.contains("hepcat.toml:2:"), "{said}");
    assert_eq!(
        first.status()["state"]["data_dir"],
        home.path().display().to_string()
    );

    // The end of the first makes room.
    first.terminate();
    assert!(first.wait_for_exit().success());
    let next = NodeProcess::start(HEPCAT, &config(home.path()));
    assert!(next.status()["ready"].as_bool().expect("a flag"));
}

#[test]
fn what_is_wrong_with_the_directory_is_said_with_the_rest() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("file");
    fs::write(&file, "").expect("written");
    let text = config(&file.join("below"));
    let text = text.replace("hep_udp:127.0.0.1:0", "hep_udp:192.0.2.1:0");
    let said = refusal(&text);
    assert!(said.contains("cannot use"), "{said}");
    assert!(said.contains("2 faults in the configuration"), "{said}");
}

#[test]
fn a_reload_does_not_change_the_directory() {
    let (home, other) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let node = NodeProcess::start(HEPCAT, &config(home.path()));
    for text in [config(other.path()), REST.to_owned()] {
        node.write_config(&text);
        node.reload();
        node.wait_for_output("the data directory cannot change while the node runs");
    }
    assert!(!other.path().join("state.sqlite").exists());
    node.write_config(&config(home.path()));
    node.reload();
    node.wait_for_output("configuration reloaded");
}

#[test]
fn a_node_without_a_directory_writes_nothing() {
    let node = NodeProcess::start(HEPCAT, REST);
    assert!(node.status()["state"]["data_dir"].is_null());
    let names = fs::read_dir(node.directory())
        .expect("its directory")
        .map(|entry| entry.expect("an entry").file_name());
    assert!(!names.into_iter().any(|name| name == "state.sqlite"));
}

#[test]
fn a_damaged_file_is_reported_by_the_doctor() {
    let home = tempfile::tempdir().expect("a directory");
    fs::write(home.path().join("state.sqlite"), "no database".repeat(99)).expect("written");
    let node = NodeProcess::start(HEPCAT, &config(home.path()));
    let doctor = Command::new(HEPCAT)
        .args(["doctor", "--node"])
        .arg(format!("http://{}", node.http_address()))
        .assert()
        .code(1);
    let said = String::from_utf8_lossy(&doctor.get_output().stdout).into_owned();
    assert!(said.contains("the state file was damaged"), "{said}");
}
