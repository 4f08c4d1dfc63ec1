//! The shipped example, the reference, and what the tables mean.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use bytesize::ByteSize;
use hepcat_net::{Transport, trace::Format};

use super::{reader::Reader, *};

const EXAMPLE: &str = include_str!("../../../../hepcat.example.toml");
const REFERENCE: &str = include_str!("../../../../docs/config.md");

const LISTENER: &str = "[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n";

fn parse(text: &str) -> Config {
    Config::parse(text, "hepcat.toml").unwrap_or_else(|faults| panic!("{faults}"))
}

/// The example with every setting that it comments out.
fn whole_example() -> String {
    EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') || setting.starts_with("  ") => setting,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n")
        // Where whoever runs the tests may write.
        .replace("/var/lib/hepcat", "data")
}

/// A directory with every file that the example names.
fn example_files() -> hepcat_testkit::TestCa {
    let ca = hepcat_testkit::TestCa::new();
    let directory = ca.directory();
    for (name, identity) in [
        ("server", ca.localhost()),
        ("b", ca.server(&["b.example"])),
        ("client", ca.client("hepcat")),
    ] {
        fs::copy(identity.cert, directory.join(format!("{name}.pem"))).unwrap();
        fs::copy(identity.key, directory.join(format!("{name}.key"))).unwrap();
    }
    for name in ["agents-ca.pem", "collector-ca.pem"] {
        fs::copy(ca.ca_file(), directory.join(name)).unwrap();
    }
    for name in ["agent.secret", "collector.secret", "metrics.token"] {
        fs::write(directory.join(name), "hunter2\n").unwrap();
    }
    fs::write(directory.join("routes.lua"), "").unwrap();
    ca
}

#[test]
fn homer5_on_and_homer5_delim_say_how_messages_of_our_own_are_written() {
    let format = |text: &str| {
        let config = parse(&format!("{LISTENER}[hep]\n{text}\n"));
        config.hep.sending.format()
    };
    assert_eq!(format(""), Format::homer5(":"));
    assert_eq!(format("homer5_delim = \"::/\""), Format::homer5("::/"));
    assert_eq!(format("homer5_on = 0"), Format::Homer6);
    assert_eq!(
        format("homer5_on = 0\nhomer5_delim = \"/\""),
        Format::Homer6
    );
}

#[test]
fn a_destination_may_have_another_homer5_on_than_the_rest() {
    let config = parse(&format!(
        "{LISTENER}[hep]\nhomer5_delim = \"/\"\nhep_id = \"[old] 10.0.0.1\"\n\
         [[destination]]\nname = \"new\"\nsocket = \"hep_tcp:10.0.0.2\"\nhomer5_on = 0\n\
         [[destination]]\nname = \"other\"\nsocket = \"hep_tcp:10.0.0.3\"\nhomer5_delim = \"|\"\n"
    ));
    let format = |name: &str| {
        let mut named = config.destinations.iter().filter(|one| *one.name == name);
        named.next().map(|one| one.sending.format())
    };
    assert_eq!(format("old"), Some(Format::homer5("/")));
    assert_eq!(format("new"), Some(Format::Homer6));
    assert_eq!(format("other"), Some(Format::homer5("|")));
}

#[test]
fn the_shipped_example_equals_the_defaults() {
    let builtin = Config::builtin();
    let example = Config {
        file: None,
        // A configuration keeps something only where it says so; one without a file does.
        store: builtin.store.clone(),
        ..parse(EXAMPLE)
    };
    assert_eq!(example, builtin);
    let kept = parse(
        "[node]\ndata_dir = \"data\"\n[store]\n[[listener]]\nsocket = \"hep_udp:127.0.0.1:9060\"",
    );
    assert!(kept.store.is_same_as(&builtin.store));
    assert!(!parse(EXAMPLE).store.enabled);
}

#[test]
fn every_setting_that_the_example_comments_out_is_good() {
    let files = example_files();
    let path = files.directory().join("hepcat.toml");
    fs::write(&path, whole_example()).unwrap();
    let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!((config.listeners.len(), config.destinations.len()), (3, 3));
    assert_eq!(config.routes.len(), 1);
    assert!(config.http.metrics.is_some());
    let KeyPolicy::Replace(key) = &config.destinations[2].key else {
        panic!("{:?}", config.destinations[2].key);
    };
    assert_eq!(key.expose(), b"hunter2");
    let debug = format!("{config:?}");
    assert!(!debug.contains("hunter2"), "{debug}");
}

/// Keys that the reader asks for, as `table.key`.
fn keys() -> BTreeSet<String> {
    let files = example_files();
    let text = whole_example();
    let reader = Reader::new(&text, &files.directory().join("hepcat.toml"));
    reader.read(&text, Config::read);
    let asked = reader.asked();
    let faults = reader.into_faults();
    assert!(
        faults.is_empty(),
        "the example must go everywhere: {faults:?}"
    );
    asked
}

#[test]
fn every_key_stands_in_the_example_and_in_the_reference() {
    let example = whole_example();
    let mut section = String::new();
    let mut title_is_of_a_table = false;
    let mut documented = BTreeSet::new();
    for line in REFERENCE.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            // Tables of the configuration have code for a title; other sections list other things.
            title_is_of_a_table = title.starts_with('`');
            section = title.trim_matches(|c| "`[]".contains(c)).to_owned();
        }
        if title_is_of_a_table && let Some(row) = line.strip_prefix("| `") {
            let key = row.split('`').next().unwrap_or_default();
            documented.insert(format!("{section}.{key}"));
        }
    }
    for key in keys() {
        let (table, name) = key.rsplit_once('.').unwrap();
        // A sending parameter is the same in a destination: the reference says so once.
        let shared = table == "destination" && documented.contains(&format!("hep.{name}"));
        let known = match table {
            "" => REFERENCE.contains(&format!("[{name}]")),
            _ => documented.contains(&key) || shared,
        };
        assert!(known, "docs/config.md has no row for `{name}` of [{table}]");
        assert!(
            shared || example.contains(name),
            "the example does not show `{name}` of [{table}]"
        );
    }
    for key in &documented {
        assert!(
            keys().contains(key),
            "docs/config.md describes `{key}`, which nothing reads"
        );
    }
}

#[test]
fn parameters_of_the_module_take_their_integers_and_typed_strings() {
    let integers = parse(&format!(
        "{LISTENER}[hep]\nhep_send_timeout = 250\nhep_retry_cooldown = 60\nhep_async = 0\n\
         homer5_on = 7\nhep_async_local_write_timeout = 0\n"
    ));
    let strings = parse(&format!(
        "{LISTENER}[hep]\nhep_send_timeout = \"250ms\"\nhep_retry_cooldown = \"1m\"\nhep_async = false\n\
         homer5_on = true\nhep_async_local_write_timeout = \"0ms\"\n"
    ));
    assert_eq!(integers, strings);
    let sending = &integers.hep.sending;
    assert_eq!(sending.hep_send_timeout, Duration::from_millis(250));
    // One of the two parameters alone has the module's default for the other.
    assert_eq!(
        (sending.hep_max_retries, sending.hep_retry_cooldown),
        (Some(5), Some(Duration::from_secs(60)))
    );
}

#[test]
fn chunk_limits_of_zero_and_below_are_none() {
    for (written, limit) in [
        ("8", Some(8)),
        ("0", None),
        ("-1", None),
        ("0x10", Some(16)),
    ] {
        let config = parse(&format!(
            "{LISTENER}[hep]\nhep_max_msg_chunks = {written}\n"
        ));
        assert_eq!(
            config.hep.hep_max_msg_chunks.map(u32::from),
            limit,
            "{written}"
        );
    }
}

#[test]
fn a_listener_without_a_port_has_hep_port() {
    let without = "[[listener]]\nsocket = \"hep_udp:127.0.0.1\"\n";
    assert_eq!(parse(without).listeners[0].socket.port, 5656);
    let with = format!("{without}[hep]\nhep_port = 9063\n");
    assert_eq!(parse(&with).listeners[0].socket.port, 9063);
}

#[test]
fn the_queue_is_the_destinations_then_the_parameters_then_ours() {
    let queue = |hep: &str, destination: &str| {
        let text = format!(
            "{LISTENER}[hep]\n{hep}\n[[destination]]\nname = \"d\"\nsocket = \"hep_tcp:10.0.0.1\"\n{destination}\n"
        );
        let queue = parse(&text).destinations[0].queue;
        (
            queue.frames,
            queue.frames_by_default,
            queue.size,
            queue.when_full,
        )
    };
    let mib16 = Some(ByteSize::mib(16));
    let postponed = "hep_async_max_postponed_chunks = 32";
    assert_eq!(queue("", ""), (10_000, true, mib16, WhenFull::DropOldest));
    assert_eq!(
        queue(postponed, ""),
        (32, false, None, WhenFull::DropOldest)
    );
    assert_eq!(
        queue(postponed, "hep_async_max_postponed_chunks = 64").0,
        64
    );
    assert_eq!(
        queue(
            postponed,
            "queue = { frames = 7, size = \"1MiB\", when_full = \"disconnect\" }"
        ),
        (7, false, Some(ByteSize::mib(1)), WhenFull::Disconnect)
    );
    assert_eq!(queue("hep_async = 0", "").3, WhenFull::Block);
    assert_eq!(
        queue("hep_async = 0", "hep_async = 1").3,
        WhenFull::DropOldest
    );
}

#[test]
fn a_destination_beats_its_counterpart_in_hep() {
    let text = format!(
        "{LISTENER}[hep]\nhep_id = \"[plain] 10.0.0.1\"\nhep_capture_id = 7\nhep_send_timeout = 50\n\
         [[destination]]\nname = \"own\"\nsocket = \"HEP_UDP:[2001:db8::1]\"\nversion = 2\nhep_capture_id = 9\n"
    );
    let config = parse(&text);
    let [plain, own] = config.destinations.as_slice() else {
        panic!("{:?}", config.destinations);
    };
    assert_eq!(
        (*plain.sending.hep_capture_id, *own.sending.hep_capture_id),
        (7, 9)
    );
    assert_eq!(own.sending.hep_send_timeout, Duration::from_millis(50));
    assert_eq!((plain.version_given, own.version_given), (false, true));
    assert_eq!(own.socket.to_string(), "hep_udp:[2001:db8::1]:9060");
    assert_eq!(plain.socket.transport, Transport::Tcp);
    assert_eq!(own.name.mark().line(), Some(8));
}

#[test]
fn a_boolean_capture_id_fix_is_auto_or_off() {
    for (written, fix) in [
        ("true", CaptureIdFix::Auto),
        ("false", CaptureIdFix::Off),
        ("\"off\"", CaptureIdFix::Off),
        ("\"auto\"", CaptureIdFix::Auto),
        ("\"high16\"", CaptureIdFix::High16),
    ] {
        let config = parse(&format!("{LISTENER}capture_id_fix = {written}\n"));
        assert_eq!(config.listeners[0].capture_id_fix, fix, "{written}");
    }
}

#[test]
fn keys_without_meaning_for_a_transport_are_faults() {
    for (transport, key) in [
        ("udp", "on_garbage = \"close\""),
        ("udp", "max_connections = 1"),
        ("udp", "tls = {}"),
        ("tcp", "sockets = 2"),
        ("tcp", "receive_buffer = \"1MiB\""),
        ("tcp", "handshake_timeout = \"1s\""),
    ] {
        let text = format!("[[listener]]\nsocket = \"hep_{transport}:127.0.0.1:0\"\n{key}\n");
        let faults = Config::parse(&text, "x").unwrap_err();
        let name = key.split(' ').next().unwrap();
        let expected = format!("`{name}` means nothing for hep_{transport}");
        assert!(
            faults.iter().any(|fault| fault.message() == expected),
            "{faults}"
        );
    }
}

#[test]
fn relative_paths_start_at_the_file() {
    let text = format!("{LISTENER}[node]\ndata_dir = \"kept\"\n");
    let config = Config::parse(&text, "/etc/hepcat/hepcat.toml").unwrap();
    let kept = config.data_dir().map(|directory| directory.to_path_buf());
    assert_eq!(kept.as_deref(), Some(Path::new("/etc/hepcat/kept")));
}

#[test]
fn only_a_node_without_a_file_keeps_things_where_nobody_said() {
    assert_eq!(parse(LISTENER).data_dir(), None);
    assert!(Config::builtin().data_dir().is_some());
}

#[test]
fn metrics_beyond_loopback_need_a_token() {
    let text = format!("{LISTENER}[http]\nmetrics_listen = \"0.0.0.0:0\"\n");
    let faults = Config::parse(&text, "x").unwrap_err();
    assert!(
        faults
            .to_string()
            .contains("`metrics_token_file` is missing"),
        "{faults}"
    );
}

proptest::proptest! {
    /// Lines of the example in any order and number are a configuration or faults.
    #[test]
    fn any_lines_are_read_or_refused(
        picks in proptest::collection::vec((0usize..200, 0usize..60), 0..40),
    ) {
        let whole = whole_example();
        let lines: Vec<_> = whole.lines().collect();
        let text: String = picks
            .iter()
            .map(|(line, cut)| {
                let line = lines[line % lines.len()];
                let kept: String = line.chars().take(60 - cut).collect();
                kept + "\n"
            })
            .collect();
        if let Err(faults) = Config::parse(&text, "x") {
            proptest::prop_assert!(faults.len() > 0 && !faults.to_string().is_empty());
        }
    }
}
