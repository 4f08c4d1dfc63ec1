//! `hepcat route test` runs a script over a capture and says message by message what it decided; `hepcat check`
//! finds what is wrong with one.

mod scripted;

use std::{fmt::Write as _, fs, path::Path, process::Output};

use scripted::{HEPCAT, log_line, reply, request};
use serde_json::Value;
use tempfile::TempDir;

const SCRIPT: &str = r#"
function hep_route()
  if msg.call_id == nil then drop() else hep_resume_sip() end
end
function request_route()
  if msg.method == "INVITE" then hep_relay("b") elseif msg.method == "OPTIONS" then error("no options") end
end
function failure_route() hep_relay("a") skip() end
"#;

const CONFIG: &str = r#"
[hep]
hep_id = ["[a] 127.0.0.1", "[b] 127.0.0.1:9061"]
[[listener]]
socket = "hep_udp:127.0.0.1:0"
[lua]
script = "routes.lua"
[[route]]
when = "method:MESSAGE"
to = ["a"]
[[route]]
to = ["a", "b"]
lua = true
"#;

fn frames() -> [Vec<u8>; 6] {
    [
        request("INVITE", "one", "z9hG4bKa"),
        reply(180, "INVITE", "one", "z9hG4bKa"),
        reply(486, "INVITE", "one", "z9hG4bKa"),
        request("OPTIONS", "two", "z9hG4bKb"),
        request("MESSAGE", "three", "z9hG4bKc"),
        log_line("no SIP"),
    ]
}

/// A directory with a script, a configuration and frames as hexadecimal text.
fn files(script: &str, config: &str, frames: &[Vec<u8>]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut hex = String::new();
    for frame in frames {
        for octet in frame {
            write!(hex, "{octet:02x}").expect("a string");
        }
        hex.push_str("\n\n");
    }
    for (name, text) in [
        ("routes.lua", script),
        ("hepcat.toml", config),
        ("frames.hex", &hex),
    ] {
        fs::write(directory.path().join(name), text).expect("the file is written");
    }
    directory
}

fn hepcat(directory: &Path, arguments: &[&str]) -> Output {
    std::process::Command::new(HEPCAT)
        .current_dir(directory)
        .args(arguments)
        .env_remove("HEPCAT_CONFIG")
        .output()
        .expect("hepcat runs")
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn each_message_has_a_line_that_says_what_ran_and_where_it_goes() {
    let directory = files(SCRIPT, CONFIG, &frames());
    let arguments = [
        "route",
        "test",
        "routes.lua",
        "frames.hex",
        "-c",
        "hepcat.toml",
    ];
    let output = hepcat(directory.path(), &arguments);
    insta::assert_snapshot!(text(&output.stdout), @r"
    1  INVITE one  hep_route, request_route: relayed to b
    2  180 INVITE one  hep_route: left to its route, route 2 to a, b
    3  486 INVITE one  hep_route, failure_route: relayed to a; later entry points skipped
    4  OPTIONS two  hep_route, request_route: left to its route, route 2 to a, b
         failed (runtime): line 6: no options
    5  MESSAGE three  not asked: route 1 to a
    6  type 100  hep_route: dropped
    ");
    assert_eq!(output.status.code(), Some(1), "the script failed once");
}

#[test]
fn as_json_every_line_is_an_object() {
    let directory = files(SCRIPT, CONFIG, &frames());
    let arguments = [
        "route",
        "test",
        "routes.lua",
        "frames.hex",
        "-c",
        "hepcat.toml",
        "--json",
    ];
    let output = hepcat(directory.path(), &arguments);
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let decisions: Vec<_> = lines.iter().map(|line| line["decision"].clone()).collect();
    assert_eq!(
        decisions,
        ["relay", "route", "relay", "route", "route", "drop"]
    );
    assert_eq!(
        lines[2]["entry_points"],
        serde_json::json!(["hep_route", "failure_route"])
    );
    assert_eq!(lines[2]["to"], serde_json::json!(["a"]));
    assert_eq!(lines[2]["frame"], 3);
    assert_eq!(lines[2]["message"]["sip"]["status_code"], 486);
    assert_eq!(lines[3]["error"]["line"], 6);
    assert_eq!(lines[4]["asked"], false);
}

#[test]
fn without_a_configuration_the_script_sees_everything() {
    let script = "function request_route() drop() end";
    let mut frames = frames().to_vec();
    frames.push(b"HEP3\0\x0d\0\0\0\x01\0\x05\x02".to_vec());
    let directory = files(script, "", &frames);
    let output = hepcat(
        directory.path(),
        &["route", "test", "routes.lua", "frames.hex"],
    );
    let shown = text(&output.stdout);
    assert!(
        shown.contains("5  MESSAGE three  request_route: dropped\n"),
        "{shown}"
    );
    assert!(
        shown.contains("6  type 100  not asked: to store\n"),
        "{shown}"
    );
    assert!(shown.contains("7  not asked about: chunk"), "{shown}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn faults_of_a_script_show_file_line_and_column_and_the_code_is_78() {
    for (script, place, words) in [
        (
            "function request_route()\n  drop(\nend\n",
            "routes.lua:3:",
            "unexpected symbol",
        ),
        ("function other() end\n", "routes.lua:1:1", "no route"),
        (
            "function request_route() end\nlocal x = nil .. 'a'\n",
            "routes.lua:2:",
            "concatenate",
        ),
    ] {
        let directory = files(script, CONFIG, &frames());
        let test = [
            "route",
            "test",
            "routes.lua",
            "frames.hex",
            "-c",
            "hepcat.toml",
        ];
        for arguments in [&["check", "-c", "hepcat.toml"][..], &test] {
            let output = hepcat(directory.path(), arguments);
            let said = text(&output.stderr);
            assert!(said.contains(place), "no `{place}` in:\n{said}");
            assert!(said.contains(words), "no `{words}` in:\n{said}");
            assert_eq!(output.status.code(), Some(78), "{said}");
        }
    }
}

#[test]
fn a_hep_route_that_the_script_does_not_define_is_a_fault() {
    let named = CONFIG.replace("[hep]\n", "[hep]\nhep_route = \"my_route\"\n");
    let directory = files(SCRIPT, &named, &frames());
    let output = hepcat(directory.path(), &["check", "-c", "hepcat.toml"]);
    let said = text(&output.stderr);
    assert!(said.contains("no function my_route"), "{said}");
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn a_route_that_asks_without_a_script_and_a_script_that_nobody_asks_are_said() {
    let asks = CONFIG.replace("[lua]\nscript = \"routes.lua\"\n", "");
    let directory = files(SCRIPT, &asks, &frames());
    let output = hepcat(directory.path(), &["check", "-c", "hepcat.toml"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("asks the script, and there is none"),
        "{said}"
    );

    let directory = files(
        SCRIPT,
        &CONFIG.replace("lua = true", "lua = false"),
        &frames(),
    );
    let output = hepcat(directory.path(), &["check", "-c", "hepcat.toml"]);
    let said = text(&output.stdout);
    assert!(said.contains("no [[route]] asks"), "{said}");
    assert_eq!(output.status.code(), Some(0));

    let directory = files(SCRIPT, &CONFIG.replace("routes.lua", "none.lua"), &frames());
    let output = hepcat(directory.path(), &["check", "-c", "hepcat.toml"]);
    let said = text(&output.stderr);
    assert!(said.contains("cannot read the script"), "{said}");
    assert!(said.contains("1 fault in"), "{said}");
}
