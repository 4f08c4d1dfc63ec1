//! correlate, trace, the two captures, and what scripts remember.

use std::{sync::Arc, time::Duration};

use hepcat::lua::{EntryPoint, ErrorReason, Limits, Script, ScriptOutcome, TraceScope, Worker};
use hepcat_net::trace::{Format, Mode, pack};
use hepcat_wire::{Message, ProtocolType, Version};
use rstest::rstest;

use crate::bench_of::{Bench, builder, names, sip_frame};

fn run(body: &str) -> ScriptOutcome {
    Bench::new(&format!("function request_route()\n{body}\nend")).run(ROUTE, &sip_frame())
}

const ROUTE: &[EntryPoint] = &[EntryPoint::RequestRoute];

/// The message of the error that a body ends in, at its second line.
fn refused(body: &str) -> String {
    let outcome = run(&format!("  -- a line\n  {body}"));
    let error = outcome.error.expect("it is refused");
    assert_eq!(
        (error.line(), error.reason()),
        (Some(3), ErrorReason::Argument),
        "{error}"
    );
    error.message().to_owned()
}

#[test]
fn correlate_tells_a_destination_that_two_ids_belong_together() {
    for entry in EntryPoint::ALL {
        let name = entry.name();
        let source = format!(
            "function {name}() assert(correlate('homer', 'sip', msg.call_id, 'billing', 42)) end"
        );
        let outcome = Bench::new(&source).run(&[entry], &sip_frame());
        assert_eq!(outcome.error, None, "{name}");
        let [told] = outcome.originated.as_slice() else {
            panic!("one message of our own from {name}");
        };
        assert_eq!(&*told.destination, "homer");
        let request = told.correlation.request().expect("it was checked");
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_700_735_504);
        let frame = pack(
            &request,
            Version::V3,
            &Format::default(),
            Mode::Correct,
            now,
        );
        let message = Message::parse(frame.expect("it fits")).expect("a frame");
        assert_eq!(
            message.protocol_type(),
            Some(ProtocolType::OPENSIPS_CONTROL)
        );
        assert_eq!(message.payload().octets(), Some(&b""[..]));
        let extra = message.extra_correlations().map(String::from_utf8_lossy);
        assert_eq!(
            extra.as_deref(),
            Some(r#"{"sip":"a84b4c76e66710@atlanta.example","billing":"42"}"#)
        );
    }
    let outcome = run(
        "correlate{ hep_id = 'homer', type1 = 'a', correlation1 = '1', type2 = 'b', correlation2 = '2' }",
    );
    assert_eq!(outcome.originated.len(), 1);
}

#[rstest]
#[case(
    "correlate('home' .. 'x', 'a', '1', 'b', '2')",
    "correlate: \"homex\" is no destination of the configuration; did you mean \"homer\"?"
)]
#[case(
    "correlate('v' .. 1, 'a', '1', 'b', '2')",
    "correlate: destination \"v1\" takes HEP version 1, which cannot carry correlations"
)]
#[case(
    "correlate('homer', 'a' .. '', '1', 'a', '2')",
    "correlate: both correlations are of type `a`: the types must differ"
)]
#[case(
    "correlate('homer', 'a', '', 'b', '2')",
    "correlate: a correlation needs a type and a value"
)]
#[case(
    "correlate('homer', 'a', '1', 'b')",
    "correlate: correlation2 is missing"
)]
#[case(
    "correlate('homer', 'a', '\\xff', 'b', '2')",
    "correlate: correlation1: the text is not UTF-8 at octet 1; octet-string takes any octets"
)]
#[case(
    "correlate('homer', 'a', '1', 'b', '2', 'c')",
    "correlate: 6 arguments, 5 at most"
)]
#[case(
    "hep_relay('no' .. 'where')",
    "hep_relay: \"nowhere\" is no destination or group of the configuration"
)]
#[case(
    "hep_relay() hep_relay() hep_relay()",
    "hep_relay: the route has no further destination"
)]
#[case(
    "trace('no' .. 'thing')",
    "trace: \"nothing\" is no trace id of the configuration"
)]
#[case("trace('tid', 'x')", "trace: scope \"x\": letters are m, t, d and b")]
#[case(
    "trace('tid', 'm', 'sip|dns')",
    "trace: type \"dns\" is none of sip, xlog and rest"
)]
#[case(
    "trace('tid', 'm', 'sip', nil, 'X')",
    "trace: flag \"X\" is neither C nor c"
)]
#[case(
    "report_capture('id', nil, 'SAP')",
    "report_capture: \"SAP\" is no protocol type"
)]
#[case(
    "count('bad name')",
    "count: \"bad name\" is no name of a counter: a letter, then letters, digits and _, 64 at most"
)]
#[case(
    "count('n', nil, -1)",
    "count: -1 cannot be counted: a whole number from 0"
)]
#[case("hash('x', 0)", "hash: 0 is no number of buckets")]
#[case("ratelimit('x', 0)", "ratelimit: 0 a second is no rate")]
#[case(
    "table_set('t', 'k', {})",
    "table_set: a table cannot be shared: text, number or boolean"
)]
#[case(
    "table_set('t', 'k', 1, 0)",
    "table_set: 0 is no time to live: seconds, up to seven days"
)]
#[case(
    "table_set('t', ('k'):rep(513), 1)",
    "table_set: a key of 513 octets is longer than 512"
)]
#[case(
    "log('loud', 'x')",
    "log: level \"loud\" is none of error, warn, info and debug"
)]
fn wrong_arguments_are_said(#[case] call: &str, #[case] message: &str) {
    assert_eq!(refused(call), message);
}

#[test]
fn trace_asks_for_what_the_original_would_take_in() {
    let outcome = run(r#"
        assert(trace("tid"))
        assert(trace("tid", "mtd", "xlog|sip", nil, "C", "my-id"))
        assert(trace{ trace_id = "tid", scope = "b", flags = "Cc" })"#);
    assert_eq!(outcome.error, None);
    let [plain, full, named] = outcome.traces.as_slice() else {
        panic!("three traces");
    };
    assert_eq!((&*plain.trace_id, plain.scope), ("tid", None));
    assert!(plain.types.sip && !plain.types.xlog && plain.flags.caller && plain.flags.callee);
    assert_eq!(full.scope, Some(TraceScope::Dialog));
    assert!(full.types.sip && full.types.xlog && !full.types.rest);
    assert!(full.flags.caller && !full.flags.callee);
    assert_eq!(full.correlation_id.as_deref(), Some("my-id"));
    assert_eq!(named.scope, Some(TraceScope::Session));
    assert!(named.flags.caller && named.flags.callee);
}

#[test]
fn captures_label_the_message() {
    let outcome = run(
        "assert(sip_capture()) assert(sip_capture('calls', 'a', nil, 3)) assert(sip_capture{ custom_field2 = 'b' })",
    );
    let [plain, full, named] = outcome.captures.as_slice() else {
        panic!("three labels");
    };
    assert_eq!((&plain.table, &plain.report), (&None, &None));
    assert_eq!(full.table.as_deref(), Some("calls"));
    let fields: Vec<_> = full.fields.iter().map(Option::as_deref).collect();
    assert_eq!(fields, [Some("a"), None, Some("3")]);
    assert_eq!(named.fields[1].as_deref(), Some("b"));
}

#[test]
fn what_is_captured_is_text_whatever_stands_in_it() {
    let outcome = run(r#"sip_capture("calls'; DROP TABLE calls; --", "O'Neill", "\\", "%s\"")"#);
    assert_eq!(outcome.error, None);
    let [label] = outcome.captures.as_slice() else {
        panic!("one label");
    };
    assert_eq!(label.table.as_deref(), Some("calls'; DROP TABLE calls; --"));
    let fields: Vec<_> = label.fields.iter().map(Option::as_deref).collect();
    assert_eq!(fields, [Some("O'Neill"), Some("\\"), Some("%s\"")]);
}

#[test]
fn report_capture_needs_no_protocol_type() {
    let outcome = run(
        "assert(report_capture('id-1')) assert(report_capture('id-2', 'reports', 'RTCP')) assert(not report_capture(''))",
    );
    assert_eq!(outcome.error, None);
    let reports: Vec<_> = outcome
        .captures
        .iter()
        .filter_map(|label| label.report.as_ref())
        .collect();
    assert_eq!(
        (reports[0].correlation_id.as_str(), reports[0].protocol_type),
        ("id-1", 1)
    );
    assert_eq!(
        (reports[1].correlation_id.as_str(), reports[1].protocol_type),
        ("id-2", 5)
    );
    assert_eq!(outcome.captures[1].table.as_deref(), Some("reports"));
    assert_eq!(reports.len(), 2);
}

#[test]
fn sip_capture_is_for_sip() {
    let mut bench = Bench::new("function request_route() assert(sip_capture() == false) end");
    let frame = builder(b"{}")
        .protocol_type(ProtocolType::RTCP)
        .encode(Version::V3);
    let outcome = bench.run(ROUTE, &frame.expect("it fits"));
    assert_eq!(outcome.error, None);
    assert!(outcome.captures.is_empty());
}

#[test]
fn counters_outlive_scripts_and_their_labels_are_bounded() {
    let mut bench = Bench::new(
        r#"
        function request_route()
          count("calls") count("methods", msg.method) count("bytes", nil, #msg.payload)
          for i = 1, 1000 do count("users", "user" .. i) end
          count("octets", "\xff") count("status", 200)
        end"#,
    );
    for _ in 0..2 {
        assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    }
    let script = Script::compile(
        "new.lua",
        "function request_route() count('calls') end",
        &names(),
    );
    let shared = Arc::clone(&bench.shared);
    bench.worker =
        Worker::new(&script.expect("fine"), shared, Limits::default()).expect("it starts");
    assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    let reading = bench.shared.reading();
    let value = |name: &str, label: &str| {
        let mut found = reading
            .counters
            .iter()
            .filter(|c| &*c.name == name && &*c.label == label);
        found.next().map(|counter| counter.value)
    };
    assert_eq!(value("calls", ""), Some(3));
    assert_eq!(value("methods", "INVITE"), Some(2));
    assert_eq!(value("octets", "other"), Some(2));
    assert_eq!(value("status", "200"), Some(2));
    let users: Vec<u64> = reading
        .counters
        .iter()
        .filter(|c| &*c.name == "users")
        .map(|c| c.value)
        .collect();
    assert_eq!((users.len(), users.iter().sum::<u64>()), (101, 2_000));
    assert_eq!(reading.runs, 3);
}

#[test]
fn tables_are_shared_by_workers_and_their_entries_end() {
    let source = r#"
        function request_route()
          if table_add("calls", msg.call_id, "first", 10) then count("new") end
          count("seen", table_get("calls", msg.call_id))
          assert(table_incr("n", "k", 2, 10) % 2 == 0)
        end
        function onreply_route()
          assert(table_get("n", "k") == nil and table_get("calls", "none") == nil)
          table_set("t", 1, true) table_set("t", 2, 2.5) table_set("t", 3, "\xff")
          assert(table_get("t", 1) == true and table_get("t", 2) == 2.5 and table_get("t", "3") == "\xff")
          assert(table_del("t", 1) and not table_del("t", 1))
        end"#;
    let mut bench = Bench::new(source);
    let script = Script::compile("routes.lua", source, &names()).expect("fine");
    let other = Worker::new(&script, Arc::clone(&bench.shared), Limits::default());
    assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    bench.worker = other.expect("it starts");
    assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    let counted = |bench: &Bench| {
        let reading = bench.shared.reading();
        let new = reading
            .counters
            .iter()
            .find(|counter| &*counter.name == "new");
        new.map(|counter| counter.value)
    };
    assert_eq!(counted(&bench), Some(1));
    bench.received_at += Duration::from_secs(11);
    assert_eq!(
        bench.run(&[EntryPoint::OnreplyRoute], &sip_frame()).error,
        None
    );
    assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    assert_eq!(counted(&bench), Some(2));
    let sizes: Vec<(String, usize)> = bench
        .shared
        .reading()
        .tables
        .iter()
        .map(|t| (t.name.to_string(), t.entries))
        .collect();
    assert_eq!(
        sizes,
        [
            ("calls".to_owned(), 1),
            ("n".to_owned(), 1),
            ("t".to_owned(), 2)
        ]
    );
}

#[test]
fn a_rate_limit_holds_across_messages() {
    let mut bench = Bench::new(
        r#"
        function request_route()
          if ratelimit("all", 2, 3) then count("all") end
          if ratelimit("each", 1, 1, msg.src_ip) then count("each") end
        end"#,
    );
    for _ in 0..10 {
        assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    }
    bench.received_at += Duration::from_millis(500);
    for _ in 0..10 {
        assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    }
    let reading = bench.shared.reading();
    let values: Vec<u64> = reading
        .counters
        .iter()
        .map(|counter| counter.value)
        .collect();
    assert_eq!(values, [4, 1]);
    assert_eq!(reading.rate_keys, 2);
}

#[test]
fn log_lines_are_limited() {
    let mut bench =
        Bench::new("function request_route() for i = 1, 100 do log('debug', 'line ' .. i) end end");
    assert_eq!(bench.run(ROUTE, &sip_frame()).error, None);
    assert_eq!(bench.shared.reading().log_suppressed, 50);
}

#[test]
fn a_hash_is_the_same_wherever_it_is_made_and_counts_from_1() {
    let outcome = run(r#"
        local seen = {}
        for i = 1, 100 do
          local bucket = hash("call-" .. i, 4)
          assert(bucket >= 1 and bucket <= 4 and math.type(bucket) == "integer" and bucket == hash("call-" .. i, 4))
          seen[bucket] = true
        end
        assert(seen[1] and seen[2] and seen[3] and seen[4] and hash("x", 1) == 1)
        assert(hash("a84b4c76e66710@pc33.atlanta.com", 1000) == 738)"#);
    assert_eq!(outcome.error, None);
}

#[test]
fn a_failed_script_has_told_nobody_anything() {
    let outcome = run(
        "correlate('homer', 'a', '1', 'b', '2') trace('tid') sip_capture() msg.node_name = 'x' error('no')",
    );
    assert_eq!(
        outcome.error.map(|error| error.message().to_owned()),
        Some("no".to_owned())
    );
    assert!(
        outcome.originated.is_empty() && outcome.traces.is_empty() && outcome.captures.is_empty()
    );
    assert_eq!(outcome.edited, None);
}

#[test]
fn a_script_may_catch_an_error_and_gets_its_text() {
    let outcome = run(r#"
        local ok, err = pcall(hep_relay, "nowhere")
        assert(not ok and type(err) == "string", type(err))
        assert(err == 'hep_relay: "nowhere" is no destination or group of the configuration', err)
        local ok, err = pcall(function() local x = nil .. "x" end)
        assert(not ok and err:match("^script:%d+: attempt to concatenate"), err)
        hep_relay("homer")"#);
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.relay.len(), 1);
}
