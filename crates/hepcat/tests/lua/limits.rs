//! Whatever a script does, its message goes on and the next one finds a working script.

use std::time::{Duration, Instant};

use crate::bench_of::{Bench, sip_frame};
use hepcat::lua::{EntryPoint, ErrorReason, Limits, ScriptOutcome, Verdict};
use rstest::rstest;

const ROUTE: &[EntryPoint] = &[EntryPoint::RequestRoute];

/// Few instructions, so that a debug build passes them soon; much time, so that a loaded machine does not matter.
fn few_instructions() -> Limits {
    Limits {
        instructions: 200_000,
        deadline: Duration::from_secs(120),
        memory: 8 << 20,
    }
}

/// Runs a script that misbehaves for the first message and relays the others; the error of the first.
fn misbehaves(body: &str, limits: Limits, reason: ErrorReason) -> (Bench, ScriptOutcome) {
    let source = format!(
        "function request_route()\n  if table_incr('runs', 'n') > 1 then hep_relay('homer') return end\n  hep_relay('v2')\n{body}\nend"
    );
    let mut bench = Bench::with_limits(&source, limits);
    let first = bench.run(ROUTE, &sip_frame());
    let error = first.error.as_ref().expect("it misbehaves");
    assert_eq!(error.reason(), reason, "{error}");
    assert_eq!(first.verdict, Verdict::Default);
    assert!(first.relay.is_empty() && first.edited.is_none());
    for _ in 0..3 {
        let next = bench.run(ROUTE, &sip_frame());
        assert_eq!(next.error, None, "the worker recovered");
        assert_eq!(next.verdict, Verdict::Relay);
    }
    assert_eq!(bench.shared.reading().errors[reason.label()], 1);
    (bench, first)
}

#[test]
fn an_endless_loop_is_stopped_by_its_instructions() {
    let body = "  while true do end";
    let (_, outcome) = misbehaves(body, few_instructions(), ErrorReason::Instructions);
    assert_eq!(outcome.error.and_then(|error| error.line()), Some(4));
}

#[test]
fn an_endless_loop_is_stopped_by_the_clock() {
    let limits = Limits {
        instructions: u64::MAX,
        deadline: Duration::from_millis(50),
        ..Limits::default()
    };
    let started = Instant::now();
    // The messages behind it do next to nothing, but the machine may be busy.
    let mut bench = Bench::with_limits("function request_route() while true do end end", limits);
    let outcome = bench.run(ROUTE, &sip_frame());
    let error = outcome.error.expect("stopped");
    assert_eq!(error.reason(), ErrorReason::Deadline);
    assert!(started.elapsed() >= limits.deadline);
}

#[rstest]
#[case::a_loop("  while true do pcall(function() while true do end end) end")]
#[case::a_function("  local function f() while true do end end while true do pcall(f) end")]
#[case::a_handler("  local function f() while true do end end while true do xpcall(f, f) end")]
#[case::library_functions("  repeat local ok = pcall(pcall, pcall, error) until false")]
#[case::a_metamethod(
    "  local t = setmetatable({}, {__index = function() while true do end end})\n
      while true do pcall(function() return t.x end) end"
)]
#[case::recursion("  local function again() pcall(again) return again() end again()")]
#[case::closing(
    "  local function f() while true do end end
    while true do pcall(function() local x <close> = setmetatable({}, {__close = f}) f() end) end"
)]
#[case::sorting(
    "  while true do pcall(table.sort, {3, 2, 1, 4}, function() while true do end end) end"
)]
#[case::replacing(
    "  while true do pcall(string.gsub, 'aaa', 'a', function() while true do end end) end"
)]
#[case::text(
    "  local t = setmetatable({}, {__tostring = function() while true do end end})
    while true do pcall(tostring, t) pcall(error, t) end"
)]
fn an_endless_loop_that_catches_every_error_is_stopped(#[case] body: &str) {
    misbehaves(body, few_instructions(), ErrorReason::Instructions);
}

#[test]
fn a_script_that_catches_the_limit_and_returns_has_failed_all_the_same() {
    let body = "  pcall(function() while true do end end) hep_relay('homer')";
    misbehaves(body, few_instructions(), ErrorReason::Instructions);
}

#[test]
fn a_script_that_allocates_without_end_is_stopped() {
    let limits = || Limits {
        instructions: u64::MAX,
        ..few_instructions()
    };
    for body in [
        "  local t = {} while true do t[#t + 1] = 'x' .. #t end",
        "  local s = 'x' while true do s = s .. s end",
        "  keep = {} while true do keep[#keep + 1] = {} end",
        "  local s = msg.payload while true do s = s:gsub('.', '%0%0') end",
    ] {
        misbehaves(body, limits(), ErrorReason::Memory);
    }
}

#[test]
fn what_a_script_asks_for_beside_its_memory_is_bounded() {
    for call in [
        "correlate('homer', 'a', 'x' .. i, 'b', 'y')",
        "correlate('homer', 'a', long .. i, 'b', 'y')",
        "sip_capture('t', long, long)",
        "sip_capture()",
        "report_capture(long, 't')",
        "trace('tid', 'm', 'sip', nil, nil, long)",
        "trace('tid', 'm')",
    ] {
        let body =
            format!("  local long, i = ('x'):rep(60000), 0 while true do i = i + 1 {call} end");
        let (_, outcome) = misbehaves(&body, few_instructions(), ErrorReason::Argument);
        let error = outcome.error.as_ref().expect("stopped").to_string();
        assert!(error.contains("more than 256 KiB"), "{call}: {error}");
        assert!(outcome.originated.is_empty() && outcome.captures.is_empty());
        assert!(outcome.traces.is_empty());
    }
}

#[test]
fn memory_that_a_script_keeps_from_message_to_message_is_given_up_at_the_limit() {
    let limits = Limits {
        instructions: u64::MAX,
        ..few_instructions()
    };
    let source = "keep = {}\nfunction request_route() keep[#keep + 1] = string.rep('x', 1 << 20) .. #keep end";
    let mut bench = Bench::with_limits(source, limits);
    let errors = (0..60).filter(|_| {
        let outcome = bench.run(ROUTE, &sip_frame());
        outcome
            .error
            .is_some_and(|error| error.reason() == ErrorReason::Memory)
    });
    let errors = errors.count();
    assert!((4..=15).contains(&errors), "{errors} of 60");
}

#[test]
fn finalizers_are_refused_because_no_limit_stops_them() {
    let body = "  setmetatable({}, {__gc = function() while true do end end})";
    let (_, outcome) = misbehaves(body, few_instructions(), ErrorReason::Runtime);
    let error = outcome.error.expect("refused");
    assert_eq!(error.message(), "finalizers (__gc) are not allowed");
    assert_eq!(error.line(), Some(4));
}

#[test]
fn one_call_of_a_library_cannot_run_for_ever() {
    misbehaves(
        "  table.move({}, 1, math.maxinteger - 1, 2)",
        few_instructions(),
        ErrorReason::Runtime,
    );
    misbehaves(
        "  table.concat({}, '', 1, 1 << 50)",
        few_instructions(),
        ErrorReason::Runtime,
    );
    misbehaves(
        "  table.unpack({}, 1, 1 << 30)",
        few_instructions(),
        ErrorReason::Runtime,
    );
}

#[test]
fn endless_recursion_is_an_error() {
    let body = "  local function f() return 1 + f() end f()";
    let roomy = Limits {
        memory: 512 << 20,
        instructions: u64::MAX,
        ..few_instructions()
    };
    misbehaves(body, roomy, ErrorReason::Runtime);
    misbehaves(body, few_instructions(), ErrorReason::Memory);
}

#[test]
fn neither_files_nor_processes_nor_code_are_in_reach() {
    let mut bench = Bench::new(
        r#"
        local absent = { "io", "os", "package", "debug", "coroutine", "warn" }
        local refused = { load, loadstring, loadfile, dofile, require, collectgarbage, string.dump, setfenv }
        function request_route()
          for _, name in ipairs(absent) do assert(_G[name] == nil, name) end
          for i = 1, 8 do
            local ok, err = pcall(refused[i], "return 1")
            assert(not ok and err:match("is not available"), err)
          end
          assert(#refused == 8)
          assert(("x").dump == string.dump and getmetatable("").__index == string)
          hep_relay("homer")
        end"#,
    );
    let outcome = bench.run(ROUTE, &sip_frame());
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.verdict, Verdict::Relay);
}

#[test]
fn compiled_code_is_no_script() {
    use hepcat::lua::{Script, ScriptNames};
    let faults = Script::compile("routes.lua", "\u{1b}Lua\0", &ScriptNames::new());
    let faults = faults.expect_err("not text").to_string();
    assert_eq!(
        faults,
        "routes.lua:1:1: the script is compiled code, not text"
    );
}

#[test]
fn errors_that_are_no_texts_do_no_harm() {
    misbehaves(
        "  error({ code = 1 })",
        few_instructions(),
        ErrorReason::Runtime,
    );
    misbehaves("  error(nil)", few_instructions(), ErrorReason::Runtime);
    misbehaves("  error(msg)", few_instructions(), ErrorReason::Runtime);
    misbehaves(
        "  error(setmetatable({}, {__tostring = function() error('again') end}))",
        few_instructions(),
        ErrorReason::Runtime,
    );
}

#[test]
fn what_older_scripts_expect_is_there() {
    let mut bench = Bench::new(
        r#"
        function request_route()
          assert(unpack({ 1, 2 }) == 1 and math.pow(2, 3) == 8 and table.getn({ 1, 2 }) == 2)
          assert(GetHEPProtoType() == 1 and GetHEPSrcIP() == "192.0.2.1" and GetHEPSrcPort() == 5060)
          assert(GetHEPDstIP() == "198.51.100.2" and GetHEPDstPort() == 5070 and GetHEPNodeID() == 2001)
          assert(GetHEPTimeSeconds() == 1700735504 and GetHEPTimeUseconds() == 123456)
          local sip = GetSIPStruct()
          assert(sip.FromUser == "alice" and sip.CallID == msg.call_id and sip.FirstMethod == "INVITE")
          assert(GetHEPStruct().NodeID == 2001)
          SetHEPField("NodeName", "edge-7")
          SetHEPField("SrcPort", "5080")
          SetRawMessage((GetRawMessage():gsub("bob", "carol")))
          Logp("DEBUG", "method", sip.CseqMethod)
          Print("done")
          assert(msg.node_name == "edge-7" and msg.src_port == 5080 and msg.ruri_user == "carol")
          local ok, err = pcall(SetSIPHeader, "FromHost", "x")
          assert(not ok and err:match("SetSIPHeader is not available"), err)
        end"#,
    );
    let outcome = bench.run(ROUTE, &sip_frame());
    assert_eq!(outcome.error, None);
    assert!(outcome.edited.is_some());
}
