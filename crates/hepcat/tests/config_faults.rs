//! Every fault of a configuration is reported at once, with its place and a remedy.

use hepcat::config::{Config, Fault, Faults};
use hepcat_testkit::TestCa;

fn faults(text: &str) -> Faults {
    Config::parse(text, "hepcat.toml").expect_err("it has faults")
}

/// `line:column message` of each fault.
fn places(text: &str) -> Vec<String> {
    let place = |fault: &Fault| {
        format!(
            "{}:{} {}",
            fault.line().unwrap_or_default(),
            fault.column().unwrap_or_default(),
            fault.message()
        )
    };
    faults(text).iter().map(place).collect()
}

const LISTENER: &str = "[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n";

#[test]
fn ten_faults_are_ten_reports() {
    let text = r#"[node]
nmae = "sbc-paris-1"

[hep]
hep_id = ["[homer] 10.0.0.9:9061; transport=tls; version=2", '[spare] 10.0.0.10:90600']
hep_port = 70000
hep_send_timeout = "100"
hep_async = "yes"

[[listener]]
name = "edge"
socket = "hep_tcp:0.0.0.0:9060"
on_garbage = "resinc"

[[listener]]
name = "edge"
socket = "hep_tls:0.0.0.0:9060"

[[destination]]
name = "standby"
socket = "hep_tcp:collector.example.net"
version = 1

[[route]]
when = "method:INVITE"
to = ["standbye", "store"]

[http]
listen = "0.0.0.0:9080"
"#;
    insta::assert_snapshot!(faults(text));
}

#[test]
fn what_is_no_toml_is_reported_with_the_rest() {
    let text = format!("{LISTENER}[hep]\nhomer5_on = yes\nhep_asink = 1\n[hep]\nhep_port = 1\n");
    insta::assert_snapshot!(faults(&text));
}

#[test]
fn a_file_that_cannot_be_read_is_a_fault() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none.toml");
    let error = Config::load(&missing).unwrap_err();
    let fault = error.iter().next().unwrap();
    assert_eq!(
        (fault.file(), fault.line()),
        (Some(missing.as_path()), None)
    );
    assert!(fault.message().contains("cannot read"), "{fault}");

    let latin1 = directory.path().join("latin1.toml");
    std::fs::write(&latin1, b"[node]\nname = \"caf\xe9\"\n").unwrap();
    let error = Config::load(&latin1).unwrap_err();
    assert!(
        error.to_string().contains("octet 18 is no UTF-8"),
        "{error}"
    );
}

#[test]
fn a_file_without_a_listener_is_a_fault() {
    assert_eq!(
        places(""),
        ["0:0 there is no [[listener]]: nothing could be received"]
    );
}

#[test]
fn a_broken_table_header_is_one_fault_not_the_lack_of_the_table_too() {
    let found = places("[[listener]\nsocket = \"hep_udp:127.0.0.1:0\"\n");
    assert!(
        found.iter().all(|fault| fault.starts_with("1:")),
        "{found:?}"
    );
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn a_hep_id_fault_points_into_its_text_whatever_the_quotes() {
    for text in [
        r#"[hep]
hep_id = "[h] 10.0.0.1; transport=sctp""#,
        r#"[hep]
hep_id = '[h] 10.0.0.1; transport=sctp'"#,
    ] {
        assert!(places(text).contains(&"2:35 `hep_id`: `sctp` is no transport".to_owned()));
    }
    let array = "[hep]\nhep_id = [\n  \"[a] 10.0.0.1\",\n  \"\\u005bb] 10.0.0.1:x\",\n]";
    assert!(places(array).contains(&"4:22 `hep_id`: `x` is no port".to_owned()));
}

#[test]
fn parameters_are_range_checked() {
    for (line, what) in [
        ("hep_port = 0", "`hep_port` is out of range at 0"),
        ("hep_port = 65536", "`hep_port` is out of range at 65536"),
        ("hep_port = \"9060\"", "`hep_port` is a string"),
        (
            "hep_port = 99999999999999999999",
            "`hep_port` is out of range at 99999999999999999999",
        ),
        (
            "hep_send_timeout = 0",
            "`hep_send_timeout` is out of range at 0ms",
        ),
        (
            "hep_send_timeout = -1",
            "`hep_send_timeout` is out of range at -1",
        ),
        (
            "hep_send_timeout = \"2m\"",
            "`hep_send_timeout` is out of range at 2m",
        ),
        (
            "hep_send_timeout = \"100\"",
            "`hep_send_timeout`: `100` has no unit",
        ),
        ("hep_send_timeout = 0.5", "`hep_send_timeout` is a float"),
        ("hep_async = 2", "`hep_async` is out of range at 2"),
        (
            "hep_async_max_postponed_chunks = 0",
            "`hep_async_max_postponed_chunks` is out of range at 0",
        ),
        (
            "hep_async_local_connect_timeout = 60001",
            "`hep_async_local_connect_timeout` is out of range at 60001ms",
        ),
        (
            "hep_async_local_write_timeout = \"soon\"",
            "`hep_async_local_write_timeout`: `soon` is not a duration",
        ),
        (
            "hep_max_msg_chunks = 4294967296",
            "`hep_max_msg_chunks` is out of range at 4294967296",
        ),
        (
            "hep_capture_id = 4294967296",
            "`hep_capture_id` is out of range at 4294967296",
        ),
        (
            "hep_capture_id = -1",
            "`hep_capture_id` is out of range at -1",
        ),
        (
            "hep_max_retries = 0",
            "`hep_max_retries` is out of range at 0",
        ),
        (
            "hep_retry_cooldown = 0",
            "`hep_retry_cooldown` is out of range at 0ms",
        ),
        ("homer5_on = \"no\"", "`homer5_on` is a string"),
        ("homer5_delim = 58", "`homer5_delim` is an integer"),
        (
            "compressed_payload = 7",
            "`compressed_payload` is out of range at 7",
        ),
        ("hep_route = \"\"", "`hep_route` cannot be \"\""),
    ] {
        let found = places(&format!("{LISTENER}[hep]\n{line}\n"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(
            found[0].starts_with("4:") && found[0].contains(what),
            "{line}: {found:?}"
        );
    }
}

#[test]
fn a_capture_id_must_fit_each_version_2_destination() {
    let fault = "`hep_capture_id` 65536 does not fit destination `old`: version 2 carries 16 bits";
    let text =
        format!("{LISTENER}[hep]\nhep_capture_id = 65536\nhep_id = \"[old] 10.0.0.1; version=2\"");
    assert_eq!(places(&text), [format!("4:18 {fault}")]);

    let own = format!(
        "{LISTENER}[hep]\nhep_id = \"[new] 10.0.0.1\"\n[[destination]]\nname = \"old\"\n\
         socket = \"hep_udp:10.0.0.1\"\nversion = 2\nhep_capture_id = 65536\n"
    );
    assert_eq!(places(&own), [format!("9:18 {fault}")]);

    let fits = format!(
        "{LISTENER}[hep]\nhep_capture_id = 4294967295\nhep_id = \"[new] 10.0.0.1\"\n\
         [[destination]]\nname = \"old\"\nsocket = \"hep_udp:10.0.0.1\"\nversion = 2\nhep_capture_id = 65535\n"
    );
    assert!(Config::parse(&fits, "x").is_ok());
}

#[test]
fn names_and_sockets_are_each_used_once() {
    let text = r#"
[hep]
hep_id = ["[a] 10.0.0.1", "[a] 10.0.0.2"]
[[listener]]
socket = "hep_udp:127.0.0.1:9060"
[[listener]]
socket = "hep_tcp:127.0.0.1:9060"
[[listener]]
socket = "hep_tls:127.0.0.1:9060"
name = "hep_udp:127.0.0.1:9060"
tls = {}
[[destination]]
name = "store"
socket = "hep_udp:10.0.0.1"
[[destination]]
name = "a"
socket = "hep_udp:10.0.0.1"
[http]
listen = "127.0.0.1:9060"
"#;
    assert_eq!(
        places(text),
        [
            "3:27 two destinations are called `a`",
            "9:10 TCP 127.0.0.1:9060 is listened on twice",
            "10:8 two listeners are called `hep_udp:127.0.0.1:9060`",
            "11:7 `cert` is missing in [listener.tls]",
            "11:7 `key` is missing in [listener.tls]",
            "13:8 a destination cannot be called `store`",
            "16:8 two destinations are called `a`",
            "19:10 TCP 127.0.0.1:9060 is listened on twice",
        ]
    );
}

#[test]
fn ports_that_the_system_chooses_do_not_clash() {
    let text = format!("{LISTENER}name = \"first\"\n{LISTENER}");
    assert_eq!(Config::parse(&text, "x").unwrap().listeners.len(), 2);
}

#[test]
fn both_wildcards_on_one_port_divide_the_families() {
    let text = r#"
[[listener]]
socket = "hep_udp:[::]:9060"
[[listener]]
socket = "hep_udp:0.0.0.0:9060"
[[listener]]
socket = "hep_tcp:[::]:9060"
"#;
    let config = Config::parse(text, "x").unwrap();
    let v6_only: Vec<_> = config
        .listeners
        .iter()
        .map(|listener| listener.v6_only)
        .collect();
    assert_eq!(v6_only, [true, false, false]);
}

#[test]
fn certificates_are_tried_before_anything_is_bound() {
    let ca = TestCa::new();
    let directory = ca.directory();
    for (identity, name) in [(ca.localhost(), "one"), (ca.client("agent"), "two")] {
        std::fs::rename(identity.cert, directory.join(format!("{name}.crt"))).unwrap();
        std::fs::rename(identity.key, directory.join(format!("{name}.key"))).unwrap();
    }
    std::fs::write(directory.join("empty.pem"), "").unwrap();
    let text = r#"
[[listener]]
socket = "hep_tls:127.0.0.1:0"
tls = { cert = "one.crt", key = "two.key", client_auth = "required", ca = "none.pem" }
[[listener]]
name = "second"
socket = "hep_tls:127.0.0.1:0"
tls = { cert = "one.crt", key = "one.key", client_auth = "required", domains = [
    { name = "a.example", cert = "empty.pem", key = "one.key" },
    { name = "A.example", cert = "one.crt", key = "empty.pem" },
    { name = "b example", cert = "one.crt", key = "one.key" },
] }
[[destination]]
name = "d"
socket = "hep_tls:127.0.0.1"
tls = { cert = "one.crt", ca = "one.key", server_name = "collector:9060" }
"#;
    let file = directory.join("hepcat.toml");
    let faults = Config::parse(text, &file).unwrap_err();
    let found: Vec<_> = faults
        .iter()
        .map(|fault| {
            let message = fault
                .message()
                .replace(&format!("{}/", directory.display()), "");
            format!("{} {message}", fault.line().unwrap_or_default())
        })
        .collect();
    insta::assert_snapshot!(found.join("\n"));
}

#[test]
fn a_later_fault_can_point_at_a_value_too() {
    let config = Config::parse(LISTENER, "hepcat.toml").unwrap();
    let fault = Fault::at(
        &config.listeners[0].socket,
        "the port is taken",
        "stop the other program",
    );
    assert_eq!((fault.line(), fault.column()), (Some(2), Some(10)));
    assert!(fault.to_string().contains("hepcat.toml:2:10"), "{fault}");
}

#[test]
fn groups_that_cannot_be_meant_are_faults_at_their_place() {
    let text = r#"[[listener]]
socket = "hep_udp:127.0.0.1:0"
[hep]
hep_id = ["[a] 192.0.2.1", "[b] 192.0.2.2", "[broken] 192.0.2.3:0"]
[[group]]
name = "a"
kind = "all"
members = ["b"]
[[group]]
name = "tail"
kind = "failover"
members = []
[[group]]
name = "g"
kind = "failovr"
members = ["a"]
[[group]]
name = "h"
kind = "any"
hold = "1s"
members = ["a", "a", "c", "broken", "h", { name = "b", weight = 2, priority = 1 }, { weight = 1 }]
[[route]]
to = ["g", "h", "b", "hh"]
"#;
    insta::assert_snapshot!(places(text).join("\n"));
}

#[test]
fn two_groups_that_get_the_same_message_share_no_member() {
    let groups = r#"
[hep]
hep_id = ["[a] 192.0.2.1", "[b] 192.0.2.2", "[spare] 192.0.2.3"]
[[group]]
name = "one"
kind = "failover"
members = ["a", "spare"]
[[group]]
name = "two"
kind = "failover"
members = ["b", "spare"]
"#;
    let text = format!("{LISTENER}{groups}");
    let messages = |text: &str| -> Vec<_> {
        let faults = faults(text);
        faults
            .iter()
            .map(|fault| fault.message().to_owned())
            .collect()
    };
    assert_eq!(
        messages(&text),
        ["`spare` is in groups `one` and `two`, and what no route matches goes to both"]
    );
    let apart = "[[route]]\nwhen = \"type:sip\"\nto = [\"one\"]\n[[route]]\nto = [\"two\"]\n";
    let apart = Config::parse(&format!("{text}{apart}"), "hepcat.toml");
    assert_eq!(apart.expect("no fault").groups.len(), 2);
    let together = format!("{text}[[route]]\nto = [\"one\", \"two\"]\n");
    assert_eq!(
        messages(&together),
        ["`spare` is in groups `one` and `two`, which this route names both"]
    );
}

#[test]
fn a_spool_that_cannot_be_kept_or_contradicts_itself_is_a_fault() {
    let destination = |more: &str| {
        format!(
            "{LISTENER}[[destination]]\nname = \"homer\"\nsocket = \"hep_tcp:127.0.0.1:9060\"\n{more}"
        )
    };
    let home = tempfile::tempdir().expect("a directory");
    std::fs::write(home.path().join("file"), "").expect("written");
    let kept = |more: &str| {
        format!(
            "[node]\ndata_dir = \"{}\"\n{}",
            home.path().display(),
            destination(more)
        )
    };
    for (text, fault) in [
        (
            destination("spool = {}"),
            "there is a spool, and no directory to keep it in",
        ),
        (
            kept("spool = {}").replacen("\"\n[[listener", "/file\"\n[[listener", 1),
            "the spool cannot be kept in",
        ),
        (
            destination("queue = { when_full = \"spool\" }"),
            "`when_full` is \"spool\", and there is no spool",
        ),
        (
            kept("queue = { when_full = \"drop_oldest\" }\nspool = {}"),
            "with a spool a full queue goes to disk",
        ),
        (
            kept("spool = { fsync = \"sometimes\" }"),
            "`fsync`: `sometimes` is not a duration",
        ),
        (
            kept("spool = { fsync = \"5ms\" }"),
            "`fsync`: `5ms` is out of range",
        ),
        (kept("spool = { max_size = \"4KiB\" }"), "`max_size`"),
        (kept("spool = { replay_rate = 0 }"), "`replay_rate`"),
        (
            kept("spool = { mode = \"allways\" }"),
            "`mode` cannot be \"allways\"",
        ),
    ] {
        let places = places(&text);
        assert_eq!(places.len(), 1, "{places:?}");
        assert!(places[0].contains(fault), "{places:?}");
    }
    let good =
        kept("queue = { when_full = \"block\" }\nspool = { mode = \"always\", fsync = \"never\" }");
    Config::parse(&good, "hepcat.toml").expect("nothing is wrong with it");
}
