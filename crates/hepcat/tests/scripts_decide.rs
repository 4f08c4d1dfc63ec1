//! A script decides where messages go, in the real program: its verdict, its entry points, its mistakes.

mod scripted;

use hepcat_testkit::{FakeAgent, FakeCollector};
use scripted::{
    Live, ScriptedNode, assert_balanced, config, log_line, number, reply, request, sink,
};

const BRANCH: &str = "z9hG4bKone";

#[test]
fn a_script_relays_drops_and_leaves_alone() {
    let (a, b) = (FakeCollector::tcp(), FakeCollector::tcp());
    let scripted = ScriptedNode::start(
        r#"
        function request_route()
          if msg.method == "INVITE" then hep_relay("b")
          elseif msg.method == "OPTIONS" then drop() end
        end"#,
        &config(&[("a", &a), ("b", &b)], ""),
    );
    let node = &scripted.node;
    let invite = request("INVITE", "one", BRANCH);
    let options = request("OPTIONS", "two", BRANCH);
    let message = request("MESSAGE", "three", BRANCH);
    let ringing = reply(180, "INVITE", "one", BRANCH);
    let mut agent = FakeAgent::tcp(node.listener("stream"));
    for frame in [&invite, &options, &message, &ringing] {
        agent.send(frame);
    }
    assert_eq!(a.wait_for(2), [message.clone(), ringing.clone()]);
    assert_eq!(b.wait_for(3), [invite, message, ringing]);
    let status = node.wait_for_status("all settled", |status| {
        status["ledger"]["received"] == 4 && status["ledger"]["unaccounted"] == 0
    });
    assert_eq!(status["ledger"]["skipped"]["script"], 1, "{status:#}");
    assert_balanced(&status);
    // The reply has no entry point, so the script never saw it.
    assert_eq!(status["script"]["runs"], 3);
}

#[test]
fn each_kind_of_message_runs_its_entry_points() {
    let names = ["request", "reply", "failure", "branch", "rest"];
    let collectors = names.map(|_| FakeCollector::tcp());
    let destinations: Vec<_> = names.into_iter().zip(&collectors).collect();
    // Nothing but what an entry point relays: the route itself has no sink.
    let scripted = ScriptedNode::start(
        r#"
        function request_route() hep_relay("request") end
        function onreply_route() hep_relay("reply") end
        function failure_route() hep_relay("failure") end
        function branch_route() hep_relay("branch") end"#,
        &config(&destinations, "[[route]]\nto = [\"rest\"]\nlua = true\n"),
    );
    let frames = [
        request("INVITE", "call", "z9hG4bKa"),
        request("INVITE", "call", "z9hG4bKp0"),
        request("INVITE", "call", "z9hG4bKp1"),
        reply(180, "INVITE", "call", "z9hG4bKp0"),
        reply(486, "INVITE", "call", "z9hG4bKp0"),
        reply(486, "INVITE", "call", "z9hG4bKp0"),
        reply(503, "INVITE", "unknown", "z9hG4bKx"),
        log_line("no SIP"),
    ];
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for frame in &frames {
        agent.send(frame);
    }
    let [request, reply, failure, branch, rest] = &collectors;
    let of = |places: &[usize]| {
        places
            .iter()
            .map(|at| frames[*at].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(request.wait_for(3), of(&[0, 1, 2]));
    assert_eq!(branch.wait_for(2), of(&[1, 2]));
    assert_eq!(reply.wait_for(4), of(&[3, 4, 5, 6]));
    assert_eq!(failure.wait_for(1), of(&[4]));
    assert_eq!(rest.wait_for(1), of(&[7]));
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["routed"]) == 8
    });
    assert_balanced(&status);
}

#[test]
fn hep_route_comes_first_and_resumes_sip_or_not() {
    let (first, sip) = (FakeCollector::tcp(), FakeCollector::tcp());
    let script = |name: &str| {
        format!(
            "function {name}()\n  hep_relay('first')\n  if msg.method == 'INVITE' then hep_resume_sip() end\nend\n\
             function request_route() hep_relay('sip') end"
        )
    };
    let destinations = [("first", &first), ("sip", &sip)];
    let invite = request("INVITE", "one", BRANCH);
    let options = request("OPTIONS", "two", BRANCH);
    let log = log_line("no SIP");
    let mut seen = 0;
    for (name, parameter) in [
        ("hep_route", "sip"),
        ("my_route", "my_route"),
        ("hep_route", "hep_route"),
    ] {
        let text = config(&destinations, "")
            .replace("[hep]\n", &format!("[hep]\nhep_route = \"{parameter}\"\n"));
        let scripted = ScriptedNode::start(&script(name), &text);
        let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
        for frame in [&invite, &options, &log] {
            agent.send(frame);
        }
        seen += 1;
        let firsts = first.wait_for(3 * seen);
        assert_eq!(
            firsts[3 * (seen - 1)..],
            [invite.clone(), options.clone(), log.clone()]
        );
        assert_eq!(sip.wait_for(seen).len(), seen, "{parameter}");
    }
    // None: no script at all.
    let text = config(&destinations, "").replace("[hep]\n", "[hep]\nhep_route = \"NONE\"\n");
    let scripted = ScriptedNode::start(&script("hep_route"), &text);
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    agent.send(&options);
    assert_eq!(sip.wait_for(seen + 1).last(), Some(&options));
    assert_eq!(scripted.node.status()["script"], serde_json::Value::Null);
}

#[test]
fn static_routes_come_first_and_only_those_that_ask_the_script_do() {
    let (a, b) = (FakeCollector::tcp(), FakeCollector::tcp());
    let scripted = ScriptedNode::start(
        r#"function request_route() hep_relay("b") end"#,
        &config(
            &[("a", &a), ("b", &b)],
            "[[route]]\nwhen = \"method:OPTIONS\"\nto = [\"a\"]\n\
             [[route]]\nwhen = \"method:INVITE\"\nto = []\nlua = true\n",
        ),
    );
    let options = request("OPTIONS", "one", BRANCH);
    let invite = request("INVITE", "two", BRANCH);
    let ringing = reply(180, "INVITE", "two", BRANCH);
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for frame in [&options, &invite, &ringing] {
        agent.send(frame);
    }
    assert_eq!(a.wait_for(1), [options]);
    assert_eq!(b.wait_for(1), [invite]);
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["received"]) == 3 && status["ledger"]["unaccounted"] == 0
    });
    assert_eq!(status["script"]["runs"], 1);
    assert_eq!(status["ledger"]["skipped"]["route"], 1);
    assert_balanced(&status);
}

#[test]
fn a_script_that_fails_costs_no_message_and_is_counted() {
    let all = FakeCollector::tcp();
    let scripted = ScriptedNode::start(
        r#"
        function request_route()
          drop()
          local cases = {
            runtime = function() local nothing; return nothing.field end,
            missing = function() hep_relay("no" .. "where") end,
            endless = function() while true do end end,
            memory = function() local t = {}; while true do t[#t + 1] = string.rep("x", 100000) .. #t end end,
          }
          cases[msg.call_id]()
        end"#,
        &config(
            &[("all", &all)],
            // Time is no limit here: a machine under load would meet it before the one that is meant.
            "instructions = 100_000\nmemory = \"8MiB\"\ntime = \"10s\"\nworkers = 2\n",
        ),
    );
    let calls = ["runtime", "missing", "endless", "memory", "runtime"];
    let frames = calls.map(|call| request("INVITE", call, BRANCH));
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for frame in &frames {
        agent.send(frame);
    }
    assert_eq!(all.wait_for(5), frames);
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["routed"]) == 5
    });
    let errors = &status["script"]["errors"];
    for (reason, count) in [
        ("runtime", 2),
        ("argument", 1),
        ("instructions", 1),
        ("memory", 1),
        ("panic", 0),
    ] {
        assert_eq!(errors[reason], count, "{reason}: {errors}");
    }
    assert_balanced(&status);
    let metrics = scripted.node.metrics();
    let line = "hepcat_script_errors_total{reason=\"instructions\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert!(
        metrics.contains("hepcat_script_seconds_total "),
        "{metrics}"
    );
    scripted.node.wait_for_output("script failed");
    let doctor = std::process::Command::new(scripted::HEPCAT)
        .args(["doctor", "--node"])
        .arg(format!("http://{}", scripted.node.http_address()))
        .output()
        .expect("doctor runs");
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("it failed for 5 messages"), "{said}");
    assert_eq!(doctor.status.code(), Some(1));
}

#[test]
fn whatever_a_script_does_wrong_is_said_and_counted_and_its_message_is_kept_and_relayed() {
    let all = FakeCollector::tcp();
    let scripted = ScriptedNode::start(
        r#"
        function request_route()
          local data, port = "a", "src_port"
          hep_set("node_name", "edited")
          drop()
          local cases = {
            name = function() hep_get("no" .. "such") end,
            width = function() hep_set(port, 5060, "uint32") end,
            text = function() hep_set(0x30, data .. "\xff", "utf8-string") end,
            missing = function() hep_relay("no" .. "where") end,
            same = function() correlate("all", data, 1, data, 2) end,
            endless = function() while true do end end,
            memory = function() local t = {}; while true do t[#t + 1] = string.rep("x", 100000) .. #t end end,
          }
          cases[msg.call_id]()
        end"#,
        &config(
            &[("all", &all)],
            "instructions = 100_000\nmemory = \"8MiB\"\ntime = \"10s\"\nworkers = 1\n",
        ),
    );
    let mut live = Live::watch(scripted.node.http_address());
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    let cases = [
        ("name", "argument", "hep_get: unknown chunk name \"nosuch\""),
        ("width", "argument", "src_port (0x0007) takes 2 octets"),
        ("text", "argument", "the text is not UTF-8 at octet 2"),
        ("missing", "argument", "\"nowhere\" is no destination"),
        ("same", "argument", "the types must differ"),
        ("endless", "instructions", "too many instructions"),
        ("memory", "memory", "memory"),
    ];
    for (at, (call, reason, text)) in cases.into_iter().enumerate() {
        let frame = request("INVITE", call, BRANCH);
        agent.send(&frame);
        assert_eq!(
            all.wait_for(at + 1)[at],
            frame,
            "{call}: relayed as it came"
        );
        let shown = live.message();
        assert_eq!(shown["sip"]["call_id"], call);
        assert_eq!(shown["node_name"], serde_json::Value::Null);
        let status = scripted.node.wait_for_status("it is counted", |status| {
            let errors = status["script"]["errors"].as_object().expect("by reason");
            errors.values().map(number).sum::<u64>() == at as u64 + 1
        });
        let so_far = cases[..=at].iter().filter(|case| case.1 == reason).count();
        assert_eq!(status["script"]["errors"][reason], so_far, "{call}");
        let said = status["script"]["last_error"].as_str().expect("an error");
        assert!(said.contains(text), "{call}: {said}");
    }
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["routed"]) == cases.len() as u64
    });
    assert_balanced(&status);
}

#[test]
fn time_ends_a_script_too() {
    let all = FakeCollector::tcp();
    let scripted = ScriptedNode::start(
        "function request_route() drop() while true do end end",
        &config(
            &[("all", &all)],
            "instructions = 1_000_000_000\ntime = \"5ms\"\n",
        ),
    );
    let frame = request("INVITE", "one", BRANCH);
    FakeAgent::udp(scripted.node.listener("in")).send(&frame);
    assert_eq!(all.wait_for(1), [frame]);
    let status = scripted.node.status();
    assert_eq!(status["script"]["errors"]["deadline"], 1, "{status:#}");
}

#[test]
fn a_message_relayed_to_a_group_goes_to_a_member_and_to_the_tail_nowhere() {
    let (a, b) = (FakeCollector::tcp(), FakeCollector::tcp());
    let scripted = ScriptedNode::start(
        r#"
        function request_route()
          if msg.method == "INVITE" then hep_relay("pair") else hep_relay("tail") end
        end"#,
        &config(
            &[("a", &a), ("b", &b)],
            "[[group]]\nname = \"pair\"\nkind = \"all\"\nmembers = [\"a\", \"b\"]\n",
        ),
    );
    let invite = request("INVITE", "one", BRANCH);
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    agent.send(&request("OPTIONS", "two", BRANCH));
    agent.send(&invite);
    for member in [&a, &b] {
        assert_eq!(member.wait_for(1), std::slice::from_ref(&invite));
    }
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["routed"]) == 2
    });
    assert_eq!(sink(&status, "a")["offered"], 1);
    assert_balanced(&status);
}
