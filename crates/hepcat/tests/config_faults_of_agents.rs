//! Each fault of what is asked of agents is reported with its place and a remedy, wherever it is written.

use hepcat::config::{Config, Fault};
use rstest::rstest;

const LISTENER: &str = "[[listener]]\nsocket = \"hep_udp:127.0.0.1:0\"\n";

/// Line and column of the only fault, its message and its remedy.
#[track_caller]
fn only_fault(text: &str) -> (usize, usize, String, String) {
    let faults = Config::parse(text, "hepcat.toml").expect_err("it has a fault");
    let faults: Vec<&Fault> = faults.iter().collect();
    let [fault] = faults[..] else {
        panic!("not one fault: {faults:#?}");
    };
    (
        fault.line().expect("a line"),
        fault.column().expect("a column"),
        fault.message().to_owned(),
        fault.remedy().to_owned(),
    )
}

#[rstest]
#[case::address(
    "allow = [\"10.0.0.0/8\", \"10.0.0\"]",
    24,
    "`10.0.0` is no address and no network",
    "10.0.0.0/8"
)]
#[case::prefix_too_long(
    "allow = [\"10.0.0.0/33\"]",
    10,
    "`10.0.0.0/33` is no address and no network",
    "single address"
)]
#[case::name(
    "allow = [\"sbc.example.net\"]",
    10,
    "`sbc.example.net` is no address and no network",
    "single address"
)]
#[case::no_text("allow = [10]", 10, "`allow`", "")]
#[case::key_of_nothing("keys = [{}]", 9, "a key without `file`", "agent.key")]
#[case::empty_key("keys = [{ secret = \"\" }]", 20, "`secret` is empty", "agent.key")]
#[case::missing_file(
    "keys = [{ file = \"/nowhere/agent.key\" }]",
    18,
    "cannot use `/nowhere/agent.key`",
    "a file that the user running hepcat can read"
)]
#[case::both(
    "keys = [{ file = \"/proc/version\", secret = \"x\" }]",
    9,
    "not both",
    "agent.key"
)]
#[case::bare_key("keys = [\"open sesame\"]", 9, "`keys`", "")]
#[case::unknown_key_of_a_key("keys = [{ secret = \"x\", sercet = \"y\" }]", 25, "`sercet`", "")]
#[case::unknown_choice(
    "unknown_agents = \"quarantaine\"",
    18,
    "cannot be \"quarantaine\"",
    "quarantine"
)]
#[case::no_choice("unknown_agents = true", 18, "`unknown_agents`", "")]
#[case::subjects_without_tls(
    "subjects = [\"CN=sbc-1\"]",
    1,
    "`subjects` wants certificates",
    "subjects = []"
)]
fn a_fault_of_who_may_send_is_reported_at_a_listener_and_for_all(
    #[case] line: &str,
    #[case] column: usize,
    #[case] message: &str,
    #[case] remedy: &str,
    #[values(true, false)] at_listener: bool,
) {
    let (text, expected_line) = if at_listener {
        (format!("{LISTENER}{line}\n"), 3)
    } else {
        (format!("[agents]\n{line}\n{LISTENER}"), 2)
    };
    let (at, in_line, said, advice) = only_fault(&text);
    assert_eq!((at, in_line), (expected_line, column), "{said}");
    assert!(said.contains(message), "{said}");
    assert!(!advice.is_empty() && advice.contains(remedy), "{advice}");
}

#[rstest]
#[case::no_messages("messages_per_second = 0", 23, "`messages_per_second`")]
#[case::too_many_messages("messages_per_second = 100_000_001", 23, "`messages_per_second`")]
#[case::messages_as_text("messages_per_second = \"1000\"", 23, "`messages_per_second`")]
#[case::octets_below_a_frame("octets_per_second = \"1KiB\"", 21, "`octets_per_second`")]
#[case::octets_without_a_unit("octets_per_second = 1_000_000", 21, "`octets_per_second`")]
#[case::burst_of_nothing("burst = \"0s\"", 9, "`burst`")]
#[case::burst_without_a_unit("burst = 2", 9, "`burst`")]
#[case::bad_frames_below_none("bad_frames = -1", 14, "`bad_frames`")]
#[case::mute_of_nothing("mute = \"1ms\"", 8, "`mute`")]
#[case::clock_ahead_of_nothing("clock_ahead = \"0s\"", 15, "`clock_ahead`")]
#[case::clock_behind_without_a_unit("clock_behind = 7", 16, "`clock_behind`")]
#[case::unknown("message_per_second = 1", 1, "`message_per_second`")]
fn a_fault_of_a_limit_is_reported(
    #[case] line: &str,
    #[case] column: usize,
    #[case] message: &str,
) {
    let (at, in_line, said, advice) = only_fault(&format!("[agents]\n{line}\n{LISTENER}"));
    assert_eq!((at, in_line), (2, column), "{said}");
    assert!(said.contains(message), "{said}");
    assert!(!advice.is_empty());
}

#[test]
fn limits_belong_to_an_address_and_not_to_a_listener() {
    let (line, _, said, _) = only_fault(&format!("{LISTENER}messages_per_second = 10\n"));
    assert_eq!(line, 3);
    assert!(said.contains("`messages_per_second`"), "{said}");
}

#[test]
fn faults_of_agents_are_all_reported_at_once() {
    let text = format!(
        "[agents]\nallow = [\"a\", \"b\"]\nkeys = [{{}}, {{ secret = \"\" }}]\nunknown_agents = \"?\"\nburst = 1\n{LISTENER}"
    );
    let faults = Config::parse(&text, "hepcat.toml").expect_err("it has faults");
    let lines: Vec<_> = faults.iter().filter_map(Fault::line).collect();
    assert_eq!(lines, [2, 2, 3, 3, 4, 5]);
}
