//! Faults of a script are found before it runs, with their line and column, all that can be found at once.

use hepcat::lua::{EntryPoint, Script};
use rstest::rstest;

use crate::bench_of::names;

fn faults(source: &str) -> String {
    match Script::compile("routes.lua", source, &names()) {
        Ok(_) => String::new(),
        Err(faults) => faults.to_string(),
    }
}

/// A route with one line.
fn faults_of(line: &str) -> String {
    faults(&format!("function request_route()\n  {line}\nend"))
}

#[rstest]
#[case::word("x = = 1", "routes.lua:2:7: unexpected symbol near '='")]
#[case::repeated_word("local a, b, b, = 1", "routes.lua:2:18: <name> expected near '='")]
#[case::second_of_two("x = 1 x x", "routes.lua:2:11: syntax error near 'x'")]
#[case::quote("local s = 'abc", "routes.lua:2:13: unfinished string near ''abc'")]
#[case::non_ascii("--é\n  é = 1", "routes.lua:3:3: unexpected symbol near '<\\195>'")]
#[case::number("local n = 12ab", "routes.lua:2:13: malformed number near '12ab'")]
#[case::goto(
    "goto nowhere",
    "routes.lua:2:8: no visible label 'nowhere' for <goto> at line 2"
)]
#[case::break_outside("break", "routes.lua:2:3: break outside loop at line 2")]
fn syntax(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(faults_of(line), expected);
}

#[test]
fn an_unfinished_script_is_at_fault_where_it_ends() {
    let found = faults("function request_route()\n  hep_relay('homer')\n");
    assert_eq!(
        found,
        "routes.lua:2:21: 'end' expected (to close 'function' at line 1) near <eof>"
    );
}

#[rstest]
#[case(
    "hep_relay('home')",
    "2:13: hep_relay: \"home\" is no destination or group of the configuration; did you mean \"homer\"?"
)]
#[case(
    "hep_relay 'nowhere'",
    "2:13: hep_relay: \"nowhere\" is no destination or group of the configuration"
)]
#[case(
    "hep_relay{destination = \"nowhere\"}",
    "2:27: hep_relay: \"nowhere\" is no destination or group of the configuration"
)]
#[case(
    "correlate('homre', 'a', id, 'b', id)",
    "2:13: correlate: \"homre\" is no destination of the configuration; did you mean \"homer\"?"
)]
#[case(
    "correlate('v1', 'a', '1', 'b', '2')",
    "2:13: correlate: destination \"v1\" takes HEP version 1, which cannot carry correlations"
)]
#[case(
    "correlate([[v2]], tostring(1, 2), {3}, 'b', '2')",
    "2:13: correlate: destination \"v2\" takes HEP version 2, which cannot carry correlations"
)]
#[case(
    "correlate('pair', 'a', '1', 'b', '2')",
    "2:13: correlate: \"pair\" is a group, and correlations go to one destination"
)]
#[case(
    "correlate('homer', 'sip', msg.call_id, 'sip', x)",
    "2:42: correlate: both correlations have the type \"sip\"; they must differ"
)]
#[case(
    "correlate{hep_id = 'homer', type1 = 'a', type2 = 'a'}",
    "2:52: correlate: both correlations have the type \"a\"; they must differ"
)]
#[case(
    "trace('tidy')",
    "2:9: trace: \"tidy\" is no trace id of the configuration; did you mean \"tid\"?"
)]
#[case(
    "local x = hep_get('srcport')",
    "2:21: hep_get: unknown chunk name \"srcport\"; did you mean \"src_port\"?"
)]
#[case("hep_get('uint8', 'src')", "2:20: hep_get: unknown chunk name \"src\"")]
#[case(
    "hep_set('node_name', 'x', 'utf8')",
    "2:29: hep_set: unknown data type \"utf8\""
)]
#[case(
    "hep_set{chunk = 'x', data = 1}",
    "2:19: hep_set: unknown chunk name \"x\""
)]
#[case(
    "hep_del('0x10000')",
    "2:11: hep_del: 65536 is no chunk type: 1 to 65535"
)]
#[case(
    "hep_realy()",
    "2:3: unknown function hep_realy; did you mean \"hep_relay\"?"
)]
fn literals(#[case] line: &str, #[case] expected: &str) {
    assert_eq!(faults_of(line), format!("routes.lua:{expected}"));
}

#[test]
fn all_faults_are_told_at_once() {
    let found = faults(
        "function request_route()\n  hep_relay('x')\n  trace('y') local = 1\nend\nfunction onreply_route() hep_get('z') end",
    );
    let expected = [
        "routes.lua:2:13: hep_relay: \"x\" is no destination or group of the configuration",
        "routes.lua:3:9: trace: \"y\" is no trace id of the configuration",
        "routes.lua:3:20: <name> expected near '='",
        "routes.lua:5:34: hep_get: unknown chunk name \"z\"",
    ];
    assert_eq!(found, expected.join("\n"));
}

#[test]
fn what_is_not_a_literal_call_is_left_to_the_run() {
    let source = r#"
        -- hep_relay("nowhere")
        --[[ correlate("v1", "a", "1", "a", "2") ]]
        local own = {}
        function own.hep_relay(name) return name end
        function own:trace(name) return name end
        local function helper(callback) return callback("x") end
        local text = "hep_relay('nowhere')" .. [==[ trace('no') ]==]
        local target = "home" .. "r"
        function request_route()
          own.hep_relay("nowhere") own:trace("nothing")
          hep_relay(target) hep_relay("home" .. "r") hep_relay((("homer")))
          helper(function(x) return x end)
          hep_set(0x31, "nothing", "utf8-string", "3") hep_set("utf8-string", 0x31, "x")
          hep_get("uint8", 0x31) hep_get(("src"):rep(1) .. "_ip")
        end"#;
    assert_eq!(faults(source), "");
}

#[test]
fn a_script_without_a_route_and_one_that_fails_at_once_are_faults() {
    let found = faults("function requestroute() end");
    assert!(
        found.starts_with("routes.lua:1:1: no route: the script defines none of hep_route"),
        "{found}"
    );
    assert_eq!(
        faults("\nlocal x = nil + 1\nfunction hep_route() end"),
        "routes.lua:2:1: attempt to perform arithmetic on a nil value"
    );
    assert_eq!(
        faults("request_route = 'x'"),
        "routes.lua:1:1: request_route is a string, not a function"
    );
    assert_eq!(
        faults("function hep_route() end\nhep_relay('homer')"),
        "routes.lua:2:1: hep_relay: there is no message yet: this is only possible inside a route"
    );
    assert_eq!(
        faults("local m = msg.method function hep_route() end"),
        "routes.lua:1:1: msg: there is no message yet: this is only possible inside a route"
    );
    let endless = faults("function hep_route() end\nwhile true do end");
    assert!(
        endless.starts_with("routes.lua:2:1: the script was stopped: too many"),
        "{endless}"
    );
}

#[test]
fn a_script_knows_its_entry_points() {
    let source =
        "function onreply_route() end local function branch_route() end function hep_route() end";
    let script = Script::compile("routes.lua", source, &names()).expect("no fault");
    assert_eq!(script.name(), "routes.lua");
    let entries: Vec<EntryPoint> = script.entries().iter().collect();
    assert_eq!(entries, [EntryPoint::HepRoute, EntryPoint::OnreplyRoute]);
}
