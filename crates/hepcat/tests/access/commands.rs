//! `hepcat user` beside a node and without one, and what `hepcat check` says of a node that nobody could sign in to.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
};

use hepcat_testkit::TestCa;
use serde_json::Value;
use tempfile::TempDir;

use super::door::Door;

/// `hepcat user` on this directory, with `input` for standard input.
fn user(directory: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hepcat"))
        .arg("user")
        .args(arguments)
        .arg("--data-dir")
        .arg(directory)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that asks for nothing may be over already.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn users_come_from_a_file_or_standard_input_and_go_again() {
    let directory = TempDir::new().expect("a directory");
    let place = directory.path().join("data");
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "correct horse\n").expect("written");
    let secret = secret.to_str().expect("text");

    let added = user(
        &place,
        &["add", "ann", "--role", "admin", "--password-stdin"],
        "correct horse\n",
    );
    assert_eq!(code(&added), 0, "{added:?}");
    let added = user(&place, &["add", "bob", "--password-file", secret], "");
    assert_eq!(code(&added), 0, "{added:?}");
    let listed = user(&place, &["list", "--json"], "");
    let listed: Value = serde_json::from_str(&said(&listed)).expect("JSON");
    let names: Vec<&str> = (listed["users"].as_array().expect("users").iter())
        .filter_map(|user| user["name"].as_str())
        .collect();
    assert_eq!(names, ["ann", "bob"]);
    assert_eq!(listed["users"][1]["role"], "viewer");
    assert!(!said(&user(&place, &["list"], "")).contains("argon2"));

    for (arguments, input, expected) in [
        // There is nobody to ask.
        (&["add", "eve"][..], "", 2),
        (&["add", "eve", "--password-stdin"], "short", 2),
        (&["add", "eve", "--password-stdin"], "", 2),
        (&["add", "ann", "--password-stdin"], "correct horse", 2),
        (&["add", "e v e", "--password-stdin"], "correct horse", 2),
        (
            &["add", "eve", "--role", "root", "--password-stdin"],
            "correct horse",
            2,
        ),
        (&["add", "eve", "--password-file", "/nonexistent"], "", 1),
        (&["remove", "eve"], "", 2),
        (&["role", "eve", "viewer"], "", 2),
        (&["passwd", "eve", "--password-stdin"], "correct horse", 2),
        (&["passwd", "bob", "--password-stdin"], "another horse", 0),
        (&["role", "bob", "metadata"], "", 0),
        (&["remove", "bob"], "", 0),
        (&["remove", "bob"], "", 2),
    ] {
        let output = user(&place, arguments, input);
        assert_eq!(code(&output), expected, "{arguments:?}: {output:?}");
    }
    let log = said(&user(&place, &["audit"], ""));
    for action in ["user_add", "user_passwd", "user_role", "user_remove"] {
        assert!(log.contains(action), "{action} in {log}");
    }
    assert!(!log.contains("horse"), "{log}");
}

/// A shell's command line on a terminal of its own, as `script` (bsdutils, which Debian always has) makes one.
struct Terminal {
    child: Child,
    typing: ChildStdin,
    screen: ChildStdout,
    shown: String,
}

impl Terminal {
    fn run(command: &str) -> Self {
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", command])
            .arg("/dev/null")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script runs");
        let typing = child.stdin.take().expect("a pipe");
        let screen = child.stdout.take().expect("a pipe");
        Self {
            child,
            typing,
            screen,
            shown: String::new(),
        }
    }

    /// Waits until this has been shown since the last time.
    fn wait_for(&mut self, text: &str) {
        let mut since = String::new();
        while !since.contains(text) {
            let mut part = [0; 256];
            let length = self.screen.read(&mut part).expect("read");
            assert!(length > 0, "it ended, and never said {text}: {since}");
            since.push_str(&String::from_utf8_lossy(&part[..length]));
        }
        self.shown.push_str(&since);
    }

    fn type_in(&mut self, text: &str) {
        self.typing.write_all(text.as_bytes()).expect("typed");
    }

    /// Its exit code and everything that was shown.
    fn end(mut self) -> (i32, String) {
        let mut rest = String::new();
        self.screen.read_to_string(&mut rest).expect("text");
        let code = self.child.wait().expect("it ends").code();
        (code.expect("a code"), self.shown + &rest)
    }
}

#[test]
fn the_prompt_does_not_show_what_is_typed() {
    let directory = TempDir::new().expect("a directory");
    let place = directory.path().join("data");
    let on_terminal = |command: &str| {
        Terminal::run(&format!(
            "{} user {command} --data-dir {}",
            env!("CARGO_BIN_EXE_hepcat"),
            place.display()
        ))
    };
    // Another word the second time is no password, and neither is one that is short.
    for (first, second, why) in [
        ("correct horse\n", "correct hoarse\n", "not the same"),
        ("horse\n", "horse\n", "at least 8"),
    ] {
        let mut terminal = on_terminal("add ann --role admin");
        terminal.wait_for("password of ann: ");
        terminal.type_in(first);
        terminal.wait_for("once more: ");
        terminal.type_in(second);
        terminal.wait_for(why);
        let (code, shown) = terminal.end();
        assert_eq!(code, 2, "{shown}");
        assert!(!shown.contains("orse"), "{shown}");
    }
    assert!(!said(&user(&place, &["list", "--json"], "")).contains("\"ann\""));

    let mut terminal = on_terminal("add ann --role admin");
    terminal.wait_for("password of ann: ");
    terminal.type_in("correct horse\n");
    terminal.wait_for("once more: ");
    terminal.type_in("correct horse\n");
    terminal.wait_for("ann is admin");
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("horse"), "{shown}");

    // Another one later, asked for in the same way.
    let mut terminal = on_terminal("passwd ann");
    for prompt in ["password of ann: ", "once more: "] {
        terminal.wait_for(prompt);
        terminal.type_in("another horse\n");
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, 0, "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
}

#[test]
fn whoever_interrupts_the_prompt_has_a_terminal_that_shows_again() {
    let directory = TempDir::new().expect("a directory");
    let command = format!(
        "{} user add ann --data-dir {}; echo ended with $?; stty -a",
        env!("CARGO_BIN_EXE_hepcat"),
        directory.path().join("data").display()
    );
    let mut terminal = Terminal::run(&command);
    terminal.wait_for("password of ann: ");
    terminal.type_in("corr\u{3}");
    terminal.wait_for("ended with 1");
    let (_, shown) = terminal.end();
    assert!(shown.contains("interrupted"), "{shown}");
    let settings: Vec<&str> = shown.split_whitespace().collect();
    assert!(
        settings.contains(&"echo") && settings.contains(&"isig"),
        "{shown}"
    );
    assert!(!shown.contains("corr"), "{shown}");
}

#[test]
fn a_configuration_that_is_faulty_or_keeps_nothing_has_no_users() {
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("hepcat.toml");
    let run = |command: &[&str], text: &str| {
        std::fs::write(&file, text).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_hepcat"))
            .args(command)
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .output();
        output.expect("it runs")
    };
    let listener = "[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n";
    assert_eq!(code(&run(&["user", "list"], "[http]\nlisten = 1\n")), 78);
    assert_eq!(code(&run(&["user", "list"], listener)), 2);
    let kept = format!("[node]\ndata_dir = \"data\"\n{listener}");
    assert_eq!(code(&run(&["user", "list"], &kept)), 0);

    let public = format!("{kept}[http]\ntrusted_proxies = [\"10.0.0.1\"]\n");
    let checked = run(&["check"], &public);
    assert_eq!(code(&checked), 78);
    let complaint = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(complaint.contains("hepcat user add"), "{complaint}");
    let added = user(
        &directory.path().join("data"),
        &["add", "ann", "--password-stdin"],
        "correct horse",
    );
    assert_eq!(code(&added), 0, "{added:?}");
    assert_eq!(code(&run(&["check"], &public)), 0);
}

#[test]
fn a_node_for_others_says_what_to_type_and_starts_when_that_is_done() {
    let (ca, directory) = (TestCa::new(), TempDir::new().expect("a directory"));
    let identity = ca.localhost();
    let file = directory.path().join("hepcat.toml");
    let run = |http: &str| {
        let text = format!(
            "[node]\ndata_dir = \"data\"\n[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n[http]\nlisten = \"0.0.0.0:0\"\n{http}"
        );
        std::fs::write(&file, text).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_hepcat"));
        command.arg("run").arg("-c").arg(&file).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // In the clear, it does not start whoever there is.
    let plain = run("").output().expect("it ends");
    let why = String::from_utf8_lossy(&plain.stderr).into_owned();
    assert_eq!(code(&plain), 78, "{why}");
    assert!(
        why.contains("in the clear") && why.contains("tls = {"),
        "{why}"
    );

    let secure = format!(
        "tls = {{ cert = {:?}, key = {:?} }}\n",
        identity.cert, identity.key
    );
    let nobody = run(&secure).output().expect("it ends");
    let why = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert_eq!(code(&nobody), 78, "{why}");
    let typed = why
        .split("hepcat user add ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let typed = typed.unwrap_or_else(|| panic!("{why}"));
    // What it says, with a name and the file.
    let file = file.to_str().expect("text");
    let typed = typed.replace("NAME", "ann").replace("FILE", file);
    let words: Vec<&str> = typed.split_whitespace().collect();
    let mut child = Command::new(env!("CARGO_BIN_EXE_hepcat"))
        .args(["user", "add", "--password-stdin"])
        .args(&words)
        .stdin(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"correct horse").expect("typed");
    drop(stdin);
    assert!(child.wait().expect("it ends").success(), "{words:?}");

    let mut node = run(&secure).spawn().expect("it runs");
    let mut said = BufReader::new(node.stderr.take().expect("a pipe"));
    let mut lines = String::new();
    while !lines.contains("serving") {
        let length = said.read_line(&mut lines).expect("text");
        assert!(length > 0, "it ended: {lines}");
    }
    assert!(lines.contains("https://0.0.0.0:"), "{lines}");
    node.kill().expect("it runs");
    node.wait().expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_commands_change_holds_for_the_node_that_runs() {
    let door = Door::open(&[], "").await;
    let place = door.directory.path().to_owned();
    assert_eq!(door.ask("GET", "/api/v1/calls", &[], "").await.status, 200);
    let added = user(&place, &["add", "ann", "--password-stdin"], "correct horse");
    assert_eq!(code(&added), 0, "{added:?}");
    assert_eq!(door.ask("GET", "/api/v1/calls", &[], "").await.status, 401);
    let cookie = door.cookie("ann").await;

    let made = user(
        &place,
        &[
            "token",
            "add",
            "ann",
            "--name",
            "script",
            "--scopes",
            "see,metrics",
        ],
        "",
    );
    assert_eq!(code(&made), 0, "{made:?}");
    let bearer = format!("Bearer {}", said(&made).trim());
    let fields = [("Authorization", bearer.as_str())];
    assert_eq!(
        door.ask("GET", "/api/v1/calls", &fields, "").await.status,
        200
    );
    let listed = user(&place, &["token", "list", "--json"], "");
    let listed: Value = serde_json::from_str(&said(&listed)).expect("JSON");
    assert_eq!(
        listed["tokens"][0]["scopes"],
        serde_json::json!(["see", "metrics"])
    );
    assert!(!listed.to_string().contains("hct_"));
    for (arguments, expected) in [
        (
            &["token", "add", "ann", "--name", "script", "--scopes", "see"][..],
            2,
        ),
        (
            &["token", "add", "eve", "--name", "x", "--scopes", "see"],
            2,
        ),
        (
            &["token", "add", "ann", "--name", "x", "--scopes", "all"],
            2,
        ),
        (
            &[
                "token",
                "add",
                "ann",
                "--name",
                "x",
                "--scopes",
                "see",
                "--expires",
                "0s",
            ],
            2,
        ),
        (&["token", "revoke", "ann", "script"], 0),
        (&["token", "revoke", "ann", "script"], 2),
    ] {
        let output = user(&place, arguments, "");
        assert_eq!(code(&output), expected, "{arguments:?}: {output:?}");
    }
    assert_eq!(
        door.ask("GET", "/api/v1/calls", &fields, "").await.status,
        401
    );

    let changed = user(
        &place,
        &["passwd", "ann", "--password-stdin"],
        "another horse",
    );
    assert_eq!(code(&changed), 0, "{changed:?}");
    assert_eq!(door.get_as(&cookie, "/api/v1/calls").await.status, 401);
    assert_eq!(door.sign_in("ann", "another horse").await.status, 200);
    assert_eq!(door.node.stop().await.unaccounted, 0);
}
