//! `hepcat store`: of a running node, and of a directory that no node has open.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use hepcat_testkit::{FakeAgent, NodeProcess, frame};
use serde_json::Value;
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

fn config(directory: &Path, more: &str) -> String {
    format!(
        r#"
[node]
data_dir = {directory:?}
[store]
{more}
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
"#
    )
}

fn run(arguments: &[&str]) -> Output {
    Command::new(HEPCAT)
        .arg("store")
        .args(arguments)
        .env_remove("HEPCAT_NODE")
        .output()
        .expect("hepcat runs")
}

/// What it prints where it succeeds.
fn succeed(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(arguments)).expect("JSON")
}

/// What it complains about, and its exit code.
fn fail(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(arguments);
    let all = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&all).into_owned(),
    )
}

/// OPTIONS and noise, which takes as much room as it has octets.
fn send(node: &NodeProcess, options: u64, noise: u64) {
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for number in 0..options {
        agent.send(&frame::sip_v3(frame::sip_options(&format!(
            "{number}@store"
        ))));
    }
    for number in 0..noise {
        let mut random = fastrand::Rng::with_seed(number);
        let payload: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
            .take(60_000)
            .collect();
        let mut meta = frame::Meta::default();
        meta.protocol_type = 100;
        agent.send(&meta.v3(&payload));
    }
    let _kept = node.wait_for_status("everything is kept", |status| {
        let sinks = status["sinks"].as_array().expect("sinks");
        let store = sinks.iter().find(|sink| sink["name"] == "store");
        store.is_some_and(|store| store["delivered"] == options + noise)
    });
}

/// A directory in which a node kept something and ended.
fn closed(options: u64, noise: u64) -> TempDir {
    let directory = TempDir::new().expect("a directory");
    let mut node = NodeProcess::start(HEPCAT, &config(directory.path(), ""));
    send(&node, options, noise);
    node.terminate();
    assert!(node.wait_for_exit().success());
    directory
}

fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.join("store/segments")];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("readable") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_running_store_says_what_it_has_and_that_it_holds() {
    let directory = closed(20, 0);
    let node = NodeProcess::start(HEPCAT, &config(directory.path(), ""));
    send(&node, 5, 0);
    let url = format!("http://{}", node.http_address());
    let stats = json(&["stats", "--node", &url, "--json"]);
    // Messages, and what was written about them.
    let rows = stats["rows"].as_u64().expect("a number");
    assert!(rows >= 25, "{stats:#}");
    let classes = stats["classes"].as_array().expect("classes");
    let options = classes.iter().find(|class| class["class"] == "options");
    assert_eq!(options.expect("OPTIONS were kept")["rows"], 20);
    let by_hour = |key: &str| -> u64 {
        let hours = stats["hours"].as_array().expect("hours");
        hours.iter().filter_map(|hour| hour[key].as_u64()).sum()
    };
    let in_memory = stats["rows_in_memory"].as_u64().expect("a number");
    assert_eq!(by_hour("rows") + in_memory, rows);
    assert_eq!(
        by_hour("octets"),
        stats["octets"].as_u64().expect("a number")
    );
    assert_eq!(stats["retention"]["max_age_seconds"], 30 * 86_400);
    assert_eq!(stats["activity"]["memory"]["limit"], 256 << 20);
    assert_eq!(node.status()["store"]["segments"], stats["segments"]);
    let text = succeed(&["stats", "--node", &url]);
    for part in [
        "rows",
        "30 d, 1.0 GiB stay free",
        "CLASS",
        "options",
        "HOUR",
        "256.0 MiB",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }

    let check = json(&["check", "--node", &url, "--json"]);
    assert_eq!(check["damaged"], serde_json::json!([]));
    assert_eq!(check["rows"], by_hour("rows"));
    assert!(check["log_rows"].as_u64() >= Some(5), "{check:#}");
    assert_eq!(succeed(&["compact", "--node", &url]), "nothing was due\n");
    let plan = json(&["retention", "--dry-run", "--node", &url, "--json"]);
    assert_eq!((&plan["done"], &plan["rows"]), (&false.into(), &0.into()));
    let done = json(&["retention", "--node", &url, "--json"]);
    assert_eq!((&done["done"], &done["rows"]), (&true.into(), &0.into()));
    assert_eq!(node.get("/api/v1/retention").0, 200);

    let metrics = node.metrics();
    for line in [
        format!("hepcat_store_rows{{place=\"memory\"}} {in_memory}"),
        "hepcat_store_damaged_total{what=\"segment\"} 0".to_owned(),
        "hepcat_store_clock_believed 1".to_owned(),
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "no `{line}` in\n{metrics}"
        );
    }
}

#[test]
fn a_directory_in_use_is_refused_with_who_holds_it() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().to_str().expect("UTF-8");
    let (code, said) = fail(&["check", "--data-dir", path]);
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no store in"), "{said}");
    let node = NodeProcess::start(HEPCAT, &config(directory.path(), ""));
    for command in [&["check"][..], &["stats"], &["retention", "--dry-run"]] {
        let (code, said) = fail(&[command, &["--data-dir", path]].concat());
        assert_eq!(code, Some(1));
        let expected = format!(
            "{path} belongs to another running node (process {})",
            node.id()
        );
        assert!(said.contains(&expected), "{said}");
    }
    let (code, said) = fail(&["retention", "--data-dir", path]);
    assert_eq!(code, Some(2));
    assert!(said.contains("--dry-run"), "{said}");
}

#[test]
fn damage_is_named_with_file_and_reason_and_the_exit_code_is_1() {
    let directory = closed(30, 0);
    let path = directory.path().to_str().expect("UTF-8");
    let good = json(&["check", "--data-dir", path, "--json"]);
    assert_eq!(good["damaged"], serde_json::json!([]));
    let victim = segments(directory.path())
        .into_iter()
        .find(|file| file.to_string_lossy().contains("/options-"))
        .expect("a segment");
    let mut octets = std::fs::read(&victim).expect("readable");
    octets[500] ^= 4;
    std::fs::write(&victim, octets).expect("written");
    let name = victim.to_str().expect("UTF-8");
    let (code, said) = fail(&["check", "--data-dir", path]);
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("DAMAGED {name}, 30 rows: ")),
        "{said}"
    );
    assert!(victim.exists());

    // A node that runs sets it aside, and the doctor says so.
    let node = NodeProcess::start(HEPCAT, &config(directory.path(), ""));
    let url = format!("http://{}", node.http_address());
    let (code, said) = fail(&["check", "--json", "--node", &url]);
    assert_eq!(code, Some(1));
    let report: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(report["damaged"][0]["file"], name);
    assert!(
        report["damaged"][0]["reason"]
            .as_str()
            .is_some_and(|why| !why.is_empty())
    );
    assert_eq!(report["aside"]["files"], 1);
    assert!(!victim.exists());
    let doctor = Command::new(HEPCAT)
        .args(["doctor", "--node", &url])
        .output()
        .expect("hepcat runs");
    assert_eq!(doctor.status.code(), Some(1));
    let words = String::from_utf8_lossy(&doctor.stdout);
    assert!(
        words.contains("found damaged since the start (segment 1)"),
        "{words}"
    );
    let _again = succeed(&["check", "--node", &url]);
}

#[test]
fn retention_says_which_rule_takes_what_and_takes_it() {
    let directory = closed(10, 30);
    let path = directory.path().to_str().expect("UTF-8");
    let rules = directory.path().join("rules.toml");
    let small = config(
        directory.path(),
        "retention = { max_size = \"1MiB\", min_free = \"1MiB\" }",
    );
    std::fs::write(&rules, &small).expect("written");
    let dry = ["retention", "--dry-run", "--data-dir", path];
    assert!(succeed(&dry).contains("nothing would go"));
    let with_rules = [&dry[..], &["-c", rules.to_str().expect("UTF-8")]].concat();
    let plan = json(&[&with_rules[..], &["--json"]].concat());
    let noise = plan["segments"]
        .as_array()
        .and_then(|segments| segments.iter().find(|segment| segment["class"] == "log"))
        .expect("the noise goes");
    assert_eq!(
        (&noise["rule"], &noise["rows"]),
        (&"size".into(), &30.into())
    );
    let text = succeed(&with_rules);
    assert!(
        text.contains("at most 1.0 MiB") && text.contains("would go"),
        "{text}"
    );

    // By itself, or because it is asked to.
    let node = NodeProcess::start(HEPCAT, &small);
    let url = format!("http://{}", node.http_address());
    let _done = succeed(&["retention", "--node", &url]);
    let status = node.status();
    assert!(
        status["store"]["octets"].as_u64() <= Some(1 << 20),
        "{status:#}"
    );
    assert!(status["store"]["activity"]["expired_rows"].as_u64() >= Some(30));
}

#[test]
fn destinations_and_ledger_have_the_shapes_of_the_status() {
    let directory = TempDir::new().expect("a directory");
    let text = config(directory.path(), "enabled = false");
    let text = format!(
        "{text}[[destination]]\nname = \"homer\"\nsocket = \"hep_udp:127.0.0.1:9\"\n[[group]]\nname = \"all\"\n\
         kind = \"all\"\nmembers = [\"homer\"]\n"
    );
    let node = NodeProcess::start(HEPCAT, &text);
    let get = |path: &str| -> Value {
        let (code, body) = node.get(path);
        assert_eq!(code, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    };
    let (destinations, ledger) = (get("/api/v1/destinations"), get("/api/v1/ledger"));
    let status = node.status();
    let keys = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(keys(&destinations), ["destinations", "groups"]);
    let found = destinations["destinations"]
        .as_array()
        .expect("destinations");
    assert_eq!(found.len(), 1);
    assert_eq!(keys(&found[0]), keys(&status["sinks"][0]));
    assert_eq!(keys(&destinations["groups"][0]), keys(&status["groups"][0]));
    assert_eq!(ledger["ledger"], status["ledger"]);
    assert_eq!(
        ledger["listeners"][0]["ledger"],
        status["listeners"][0]["ledger"]
    );
    assert_eq!(ledger["sinks"].as_array().map(Vec::len), Some(2));
    let (code, body) = node.get("/api/v1/store");
    assert_eq!(code, 503, "{body}");
    let refused = run(&[
        "stats",
        "--node",
        &format!("http://{}", node.http_address()),
    ]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("this node has no store"));
}
