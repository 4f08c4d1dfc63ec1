//! `hepcat convert`: configurations of OpenSIPS, each with what it must become, and what it must become is accepted by
//! the check that every configuration passes.
//!
//! `HEPCAT_WRITE_GOLDEN=1` writes the expected files anew, to be read before they are committed.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use hepcat::{
    config::Config,
    opensips::{self, Conversion, ReadError},
};
use hepcat_testkit::TestCa;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/opensips")
        .join(name)
}

/// Converts `opensips.cfg` of a directory; what it includes is looked for there.
fn convert(name: &str) -> Result<Conversion, ReadError> {
    let directory = directory(name);
    let load = |path: &Path| fs::read_to_string(directory.join(path));
    let file = Path::new("opensips.cfg");
    opensips::convert(file, load(file).expect("opensips.cfg"), "hepcat.lua", &load)
}

/// Compares with a file of the directory; `None` is that there must be none.
fn compare(name: &str, file: &str, text: Option<&str>) {
    let path = directory(name).join(file);
    if std::env::var_os("HEPCAT_WRITE_GOLDEN").is_some() {
        match text {
            Some(text) => fs::write(&path, text).expect("files"),
            None => drop(fs::remove_file(&path)),
        }
    }
    match (text, fs::read_to_string(&path)) {
        (Some(text), Ok(expected)) => {
            if text != expected {
                let differs = text.lines().zip(expected.lines()).position(|(a, b)| a != b);
                panic!(
                    "{} differs from line {differs:?} on:\n{text}",
                    path.display()
                );
            }
        }
        (None, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        (text, expected) => panic!("{}: {text:?} instead of {expected:?}", path.display()),
    }
}

/// Writes the result where the certificates that it names are; tells where the configuration is.
fn write(conversion: &Conversion, ca: &TestCa) -> PathBuf {
    let tls = ca.directory();
    for (name, identity) in [("server", ca.localhost()), ("b", ca.server(&["b.example"]))] {
        fs::copy(identity.cert, tls.join(format!("{name}.pem"))).expect("files");
        fs::copy(identity.key, tls.join(format!("{name}.key"))).expect("files");
    }
    let place = tls.to_str().expect("files").to_owned();
    let toml = conversion.toml.replace("/etc/opensips/tls", &place);
    let file = tls.join("hepcat.toml");
    fs::write(&file, toml).expect("files");
    if let Some(script) = &conversion.script {
        fs::write(tls.join("hepcat.lua"), script).expect("files");
    }
    file
}

fn checked(conversion: &Conversion) -> Result<Config, String> {
    let ca = TestCa::new();
    Config::load(write(conversion, &ca)).map_err(|faults| faults.to_string())
}

#[rstest]
#[case::three_listeners("three_listeners")]
#[case::capture_node("capture_node")]
#[case::proxy_two_collectors("proxy_two_collectors")]
#[case::tls_sni("tls_sni")]
#[case::listen_odd_quoting("listen_odd_quoting")]
#[case::ranges_ipv6("ranges_ipv6")]
#[case::homer6_correlate("homer6_correlate")]
#[case::load_split("load_split")]
#[case::large_proxy("large_proxy")]
fn a_configuration_becomes_what_its_directory_says(#[case] name: &str) {
    let conversion = convert(name).unwrap_or_else(|error| panic!("{error}"));
    compare(name, "hepcat.toml", Some(&conversion.toml));
    compare(name, "hepcat.lua", conversion.script.as_deref());
    if let Err(faults) = checked(&conversion) {
        panic!("{}\n{faults}", conversion.toml);
    }
}

/// Every frame of the collection, each as hexadecimal text, with an empty line behind it.
fn every_vector() -> String {
    let mut hex = String::new();
    for vector in hepcat_testkit::vectors() {
        for octet in vector.octets {
            write!(hex, "{octet:02x}").expect("a string");
        }
        hex.push_str("\n\n");
    }
    hex
}

#[rstest]
#[case::three_listeners("three_listeners", &["hep_route"])]
#[case::capture_node("capture_node", &["hep_route", "request_route", "onreply_route"])]
#[case::proxy_two_collectors("proxy_two_collectors", &["request_route"])]
#[case::listen_odd_quoting("listen_odd_quoting", &["request_route"])]
#[case::ranges_ipv6("ranges_ipv6", &["request_route"])]
#[case::homer6_correlate("homer6_correlate", &["request_route", "branch_route"])]
#[case::load_split("load_split", &["hep_route"])]
#[case::large_proxy("large_proxy", &["request_route"])]
fn a_converted_script_runs_over_every_captured_frame_without_an_error(
    #[case] name: &str,
    #[case] entry_points: &[&str],
) {
    let ca = TestCa::new();
    let conversion = convert(name).unwrap_or_else(|error| panic!("{error}"));
    let config = write(&conversion, &ca);
    let frames = ca.directory().join("frames.hex");
    fs::write(&frames, every_vector()).expect("files");
    let output = Command::new(env!("CARGO_BIN_EXE_hepcat"))
        .args(["route", "test", "--json", "-c"])
        .args([&config, &config.with_extension("lua"), &frames])
        .output()
        .expect("hepcat runs");
    let said = String::from_utf8(output.stdout).expect("JSON");
    let mut ran = BTreeSet::new();
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        // A frame that does not decode is not asked about.
        if line["asked"] == true {
            assert_eq!(line["error"], Value::Null, "{line}");
            let points = line["entry_points"].as_array().into_iter().flatten();
            ran.extend(points.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    for point in entry_points {
        assert!(ran.contains(*point), "{point} did not run, only {ran:?}");
    }
}

#[rstest]
#[case::broken_string("broken_string")]
#[case::not_opensips("not_opensips")]
fn what_cannot_be_read_is_an_error_with_its_place(#[case] name: &str) {
    let error = convert(name).unwrap_err();
    compare(name, "error.txt", Some(&format!("{error}\n")));
}

fn refused(text: &str) -> ReadError {
    let absent = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    opensips::convert(Path::new("a.cfg"), text.to_owned(), "hepcat.lua", &absent)
        .expect_err("it is refused")
}

#[test]
fn each_error_names_line_and_column() {
    for (text, line, column, message) in [
        ("", 1, 1, "no configuration of OpenSIPS"),
        ("hello world\n", 1, 1, "`hello` begins no statement"),
        ("log_level=3\n", 1, 1, "no configuration of OpenSIPS"),
        ("loadmodule \"tm.so\"\n", 1, 1, "there is no HEP"),
        ("#!KAMAILIO\nloadmodule \"tm.so\"\n", 1, 1, "Kamailio"),
        ("a=1\n  /* b", 2, 3, "comment does not end"),
        ("loadmodule proto_hep\n", 1, 12, "a string is missing"),
        (
            "modparam(\"proto_hep\" \"x\", 1)\n",
            1,
            27,
            "a string is missing",
        ),
        (
            "modparam(\"proto_hep\", \"x\", y z)",
            1,
            28,
            "neither a string nor a number",
        ),
        (
            "modparam(\"proto_hep\", \"x\", \"a\\\nb\")",
            1,
            30,
            "backslash before a line break",
        ),
        ("route {\n  exit\n}\n", 2, 3, "no `;` at its end"),
        ("route {\n  if (x {\n", 2, 6, "parenthesis is not closed"),
        ("route[a {\n}\n", 1, 6, "bracket of the route's name"),
        ("route {\n  trace(\"x\");\n", 1, 7, "brace is not closed"),
        ("route x\n", 1, 7, "`{` is missing"),
        ("socket=", 1, 1, "has no value"),
        ("include_file \"b.cfg\"\n", 1, 1, "cannot read b.cfg"),
    ] {
        let error = refused(text);
        assert_eq!(
            (error.line(), error.column()),
            (line, column),
            "{text}: {error}"
        );
        assert!(error.message().contains(message), "{text}: {error}");
        assert!(
            error
                .to_string()
                .starts_with(&format!("a.cfg:{line}:{column}: "))
        );
    }
}

#[test]
fn a_file_that_includes_itself_ends() {
    let load = |_: &Path| Ok("include_file \"a.cfg\"\n".to_owned());
    let text = load(Path::new("")).unwrap();
    let error = opensips::convert(Path::new("a.cfg"), text, "hepcat.lua", &load).unwrap_err();
    assert!(error.message().contains("more than 10 deep"), "{error}");
}

#[test]
fn the_command_writes_both_files_and_sums_up() {
    let place = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hepcat"));
        command
            .current_dir(place.path())
            .arg("convert")
            .args(arguments);
        command.output().unwrap()
    };
    let source = directory("three_listeners").join("opensips.cfg");
    let source = source.to_str().unwrap();

    let output = run(&[source, "-o", "node.toml"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(" lines converted, ") && said.contains(" commented"),
        "{said}"
    );
    assert!(said.contains("node.lua"), "{said}");
    let toml = fs::read_to_string(place.path().join("node.toml")).unwrap();
    assert!(toml.contains("script = \"node.lua\""), "{toml}");
    Config::load(place.path().join("node.toml")).unwrap_or_else(|faults| panic!("{faults}"));

    // What it wrote itself it writes again, anything else only where it is told to.
    assert!(run(&[source, "-o", "node.toml"]).status.success());
    fs::write(place.path().join("node.lua"), "-- mine\n").unwrap();
    assert_eq!(run(&[source, "-o", "node.toml"]).status.code(), Some(1));
    let named = run(&[source, "-o", "node.toml", "--script-out", "node.lua"]);
    assert!(named.status.success());

    let output = run(&[source]);
    let (out, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(
        out.contains("[[listener]]") && said.contains("--script-out"),
        "{said}"
    );

    let broken = directory("broken_string").join("opensips.cfg");
    let output = run(&[broken.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        output.stdout.is_empty() && said.contains("opensips.cfg:3:"),
        "{said}"
    );
    assert_eq!(run(&["nowhere.cfg"]).status.code(), Some(1));
}

/// Pieces of the language, so that arbitrary texts get past the first token.
fn piece() -> impl Strategy<Value = String> {
    let known = [
        "socket=hep_udp:",
        "listen=hep_tls:",
        "10.0.0.1",
        ":9060",
        "[::1]",
        "-9070",
        " as ",
        "\n",
        "loadmodule ",
        "\"proto_hep.so\"",
        "modparam(",
        "\"proto_hep\"",
        "\"sipcapture\"",
        "\"tracer\"",
        "\"tls_mgm\"",
        ",",
        ")",
        "\"hep_id\"",
        "\"[h] 10.0.0.1; transport=tls\"",
        "\"hep_route\"",
        "\"trace_id\"",
        "\"[t]uri=hep:h\"",
        "\"server_domain\"",
        "\"d\"",
        "\"certificate\"",
        "\"[d]a\"",
        "1",
        "0x",
        "yes",
        "route",
        "[a]",
        "{",
        "}",
        ";",
        "if (",
        "else ",
        "$var(a)",
        "$du",
        " = ",
        "=~",
        "\"^a$\"",
        "hep_get(",
        "hep_relay()",
        "sip_capture(",
        "trace(\"t\")",
        "exit",
        "drop",
        "switch (",
        "while (",
        "xlog(\"$ci\")",
        "/*",
        "*/",
        "#",
        "\\",
        "(",
        "!",
        "&&",
        "include_file \"x\"",
        "onreply_route",
        "request_route",
        "$(",
        "é",
        "\u{0}",
        "'",
    ];
    prop_oneof![
        8 => proptest::sample::select(known.to_vec()).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        1 => any::<String>(),
    ]
}

#[test]
fn control_characters_of_the_source_do_not_break_comments() {
    opensips::fuzz(b"socket=hep_udp:switch (\0socket=hep_udp:");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_converted_or_refused(octets in prop::collection::vec(any::<u8>(), 0..512)) {
        opensips::fuzz(&octets);
    }

    #[test]
    fn any_pieces_are_converted_or_refused(pieces in prop::collection::vec(piece(), 0..80)) {
        opensips::fuzz(pieces.concat().as_bytes());
    }
}

#[test]
fn nesting_without_end_costs_no_stack() {
    for (open, count) in [("{", 100_000), ("if (1) ", 100_000), ("$(", 100_000)] {
        opensips::fuzz(format!("route {{ {}", open.repeat(count)).as_bytes());
    }
    for body in [
        format!("x({});", "(".repeat(50_000) + &")".repeat(50_000)),
        format!("if ({}1) trace(\"t\");", "!".repeat(50_000)),
        format!("$var(a) = 1{};", " + 1".repeat(50_000)),
    ] {
        opensips::fuzz(format!("socket=hep_udp:a\nroute {{ {body} }}").as_bytes());
    }
}
