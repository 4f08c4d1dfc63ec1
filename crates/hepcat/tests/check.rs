//! `hepcat check` says what is wrong with a file, and nothing but "ok" and a summary when nothing is.

use std::{fs, path::Path};

use assert_cmd::Command;
use tempfile::TempDir;

const GOOD: &str = r#"
[node]
name = "sbc-paris-1"
data_dir = "/var/lib/hepcat"

[hep]
hep_id = "[homer] 10.0.0.9:9061; transport=tls"

[[listener]]
name = "edge"
socket = "hep_udp:127.0.0.1:9060"

[[listener]]
socket = "hep_tcp:[::1]"

[[destination]]
name = "lab"
socket = "hep_tls:collector.example.net"
tls = { insecure = true }
queue = { frames = 64 }

[[route]]
when = "method:INVITE"
to = ["lab", "tail"]
"#;

const BAD: &str = r#"
[[listener]]
socket = "hep_udp:127.0.0.1:x"

[[route]]
when = "agent:10.1.0.0/16 metod:INVITE"
to = []
"#;

fn file(text: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("temporary directory");
    fs::write(directory.path().join("hepcat.toml"), text).expect("write the file");
    directory
}

/// Exit code, standard output and standard error of `hepcat check` in `directory`.
fn check(directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hepcat"))
        .current_dir(directory)
        .args(["check", "-c", "hepcat.toml"])
        .args(arguments)
        .output()
        .expect("run hepcat");
    let text = |octets| String::from_utf8(octets).expect("output is UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_good_file_is_ok_and_summed_up() {
    let directory = file(GOOD);
    let (code, out, err) = check(directory.path(), &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out);
}

#[test]
fn scripts_and_traces_are_summed_up_too() {
    for (hep_route, called) in [("sip", "request_route, onreply_route"), ("none", "nothing")] {
        let text = format!(
            "[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n[hep]\nhep_id = \"[homer] 10.0.0.9\"\n\
             hep_route = \"{hep_route}\"\n[lua]\nscript = \"routes.lua\"\n\
             [[trace]]\ntrace_id = \"[tid]uri=hep:homer\"\non = false\n"
        );
        let directory = file(&text);
        let script = "function onreply_route() end\nrequest_route = onreply_route";
        fs::write(directory.path().join("routes.lua"), script).expect("write the script");
        let (code, out, err) = check(directory.path(), &[]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(
            out.contains(&format!("  script       routes.lua: {called}\n")),
            "{out}"
        );
        assert!(out.contains("  trace        tid to homer, off\n"), "{out}");
        let (_, out, _) = check(directory.path(), &["--json"]);
        let value: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        let names = value["script"]["entry_points"].as_array().expect("a list");
        assert_eq!(names.len(), if hep_route == "sip" { 2 } else { 0 });
        assert_eq!(value["traces"][0]["to"][0], "homer");
    }
}

#[test]
fn a_bad_file_is_every_fault_and_exit_code_78() {
    let directory = file(BAD);
    let (code, out, err) = check(directory.path(), &[]);
    assert_eq!((code, out.as_str()), (Some(78), ""));
    insta::assert_snapshot!(err);
}

#[test]
fn both_are_one_json_object_on_request() {
    let good = file(GOOD);
    let (code, out, err) = check(good.path(), &["--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["ok"], true);
    assert_eq!(
        value["destinations"][1]["socket"],
        "hep_tls:collector.example.net:9060"
    );
    assert_eq!(value["listeners"][1]["socket"], "hep_tcp:[::1]:5656");

    let bad = file(BAD);
    let (code, out, err) = check(bad.path(), &["--json"]);
    assert_eq!((code, err.as_str()), (Some(78), ""));
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    insta::assert_json_snapshot!(value);
}

#[test]
fn a_file_that_is_not_there_is_a_fault_too() {
    let directory = tempfile::tempdir().unwrap();
    let (code, _, err) = check(directory.path(), &[]);
    assert_eq!(code, Some(78));
    assert!(
        err.contains("cannot read the configuration") && err.contains("hepcat.toml"),
        "{err}"
    );
}
