//! What scripts write: edits, labels, messages of our own; and the shipped example.

mod scripted;

use std::{fs, path::Path};

use hepcat_testkit::{FakeAgent, FakeCollector, TestCa, frame};
use hepcat_wire::Message;
use scripted::{Live, ScriptedNode, assert_balanced, config, number, reply, request, sink};
use serde_json::{Value, json};

const BRANCH: &str = "z9hG4bKone";

#[test]
fn only_an_edited_message_is_written_anew_and_everybody_gets_it_as_edited() {
    let all = FakeCollector::tcp();
    let scripted = ScriptedNode::start(
        r#"
        function request_route()
          if msg.method == "INVITE" then hep_set("captagent_id", 4711) end
        end"#,
        &config(&[("all", &all)], ""),
    );
    let mut live = Live::watch(scripted.node.http_address());
    let (invite, options) = (
        request("INVITE", "one", BRANCH),
        request("OPTIONS", "two", BRANCH),
    );
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    agent.send(&invite);
    agent.send(&options);
    let frames = all.wait_for(2);
    let (before, after) = (
        Message::parse(invite.as_slice()).expect("a frame"),
        Message::parse(frames[0].as_slice()).expect("a frame"),
    );
    assert_eq!(after.capture_id(), Some(4711));
    assert_ne!(before.capture_id(), after.capture_id());
    assert_eq!(after.payload().octets(), before.payload().octets());
    assert_eq!(frames[1], options);
    assert_eq!(live.message()["capture_id"], 4711);
    assert_eq!(live.message()["sip"]["method"], "OPTIONS");
}

#[test]
fn labels_of_captures_are_seen_in_the_tail_as_homer_5_and_homer_6_name_them() {
    for (homer5_on, report) in [
        (1, json!({"correlation_id": "call-1", "type": 5})),
        (
            0,
            json!({
                "transaction_id": "call-1", "type": 5, "correlation_id": "", "payload_len": 21,
                "capture_ip": "127.0.0.1", "capt_id": 7, "event": "E_RTCP",
            }),
        ),
    ] {
        let text = config(&[], "").replace("[hep]\n", &format!("[hep]\nhomer5_on = {homer5_on}\n"));
        let scripted = ScriptedNode::start(
            r#"
            function hep_route()
              if msg.is_sip then hep_resume_sip() end
              report_capture("call-1")
              drop()
            end
            function request_route()
              sip_capture("calls", "first", nil, "third")
              sip_capture()
            end"#,
            &text,
        );
        let mut live = Live::watch(scripted.node.http_address());
        let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
        agent.send(&request("INVITE", "one", BRANCH));
        agent.send(&reply(200, "INVITE", "one", BRANCH));
        let mut meta = frame::Meta::default();
        meta.protocol_type = 5;
        meta.capture_id = 7;
        agent.send(&meta.v3(br#"{"Event":"E_RTCP" }  "#));
        let sip_labels = json!([
            {"table": "calls", "f1": "first", "f3": "third"},
            {"table": "sip_capture"},
        ]);
        assert_eq!(live.message()["labels"], sip_labels);
        assert_eq!(live.message()["labels"], Value::Null);
        let report = json!([{"table": "rtcp_capture", "report": report}]);
        assert_eq!(live.message()["labels"], report);
        let status = scripted.node.wait_for_status("all settled", |status| {
            number(&status["ledger"]["received"]) == 3 && status["ledger"]["unaccounted"] == 0
        });
        assert_eq!(status["ledger"]["skipped"]["script"], 1);
        assert_balanced(&status);
    }
}

#[test]
fn correlations_are_sent_as_messages_of_our_own_and_local_route_sees_them() {
    for (local_route, sent) in [
        ("", 2),
        (
            "function local_route() if msg.protocol_type ~= 0x60 then error('what?') end hep_set('captagent_id', 9) end",
            2,
        ),
        ("function local_route() drop() end", 1),
    ] {
        let homer = FakeCollector::tcp();
        let text =
            config(&[("homer", &homer)], "").replace("[hep]\n", "[hep]\nhep_capture_id = 2001\n");
        let scripted = ScriptedNode::start(
            &format!(
                "function request_route() correlate('homer', 'sip', msg.call_id, 'billing', 42) end\n{local_route}"
            ),
            &text,
        );
        let invite = request("INVITE", "one", BRANCH);
        FakeAgent::tcp(scripted.node.listener("stream")).send(&invite);
        let frames = homer.wait_for(sent);
        assert!(frames.contains(&invite));
        if let Some(own) = frames.iter().find(|frame| **frame != invite) {
            let message = Message::parse(own.as_slice()).expect("a strict reader takes it");
            assert_eq!(message.protocol_type().map(|kind| kind.0), Some(0x60));
            let id = if local_route.is_empty() { 2001 } else { 9 };
            assert_eq!(message.capture_id(), Some(id));
            let pairs = message.extra_correlations().map(String::from_utf8_lossy);
            assert_eq!(pairs.as_deref(), Some(r#"{"sip":"one","billing":"42"}"#));
        }
        let status = scripted.node.wait_for_status("all delivered", |status| {
            number(&sink(status, "homer")["delivered"]) == sent as u64
        });
        assert_eq!(sink(&status, "homer")["originated"], sent - 1);
        assert_eq!(status["script"]["not_sent"]["local_route"], 2 - sent);
        assert_balanced(&status);
    }
}

#[test]
fn local_route_correlates_as_well_and_is_not_asked_about_that() {
    let homer = FakeCollector::tcp();
    let text = config(
        &[("homer", &homer)],
        "[[route]]\nto = [\"tail\"]\nlua = true\n",
    );
    let scripted = ScriptedNode::start(
        "function request_route() correlate('homer', 'sip', msg.call_id, 'billing', 42) end\n\
         function local_route() drop() correlate('homer', 'billing', 42, 'account', 'a-7') end",
        &text,
    );
    FakeAgent::tcp(scripted.node.listener("stream")).send(&request("INVITE", "one", BRANCH));
    let status = scripted.node.wait_for_status("all delivered", |status| {
        number(&sink(status, "homer")["delivered"]) == 1
    });
    let frames = homer.wait_for(1);
    let message = Message::parse(frames[0].as_slice()).expect("a strict reader takes it");
    let pairs = message.extra_correlations().map(String::from_utf8_lossy);
    let expected = r#"{"billing":"42","account":"a-7"}"#;
    assert_eq!(pairs.as_deref(), Some(expected));
    assert_eq!(sink(&status, "homer")["originated"], 1);
    assert_eq!(status["script"]["not_sent"]["local_route"], 1);
    assert_balanced(&status);
}

#[test]
fn homer5_on_of_each_destination_says_how_it_is_told() {
    let (old, new) = (FakeCollector::tcp(), FakeCollector::tcp());
    // HOMER 5 knows chunk 0x0011 alone, so a SIP correlation stands there too.
    for (of_all, of_new, told) in [(1, 0, [true, false]), (0, 1, [false, true])] {
        let text = config(&[("old", &old)], "")
            .replace("[hep]\n", &format!("[hep]\nhomer5_on = {of_all}\n"));
        let destination = format!(
            "[[destination]]\nname = \"new\"\nsocket = \"hep_tcp:{}\"\nhomer5_on = {of_new}\n",
            new.address()
        );
        let scripted = ScriptedNode::start(
            r#"
            function request_route()
              correlate("old", "sip", msg.call_id, "billing", 42)
              correlate("new", "sip", msg.call_id, "billing", 42)
              drop()
            end"#,
            &format!("{text}{destination}"),
        );
        let (before_old, before_new) = (old.frames().len(), new.frames().len());
        let invite = request("INVITE", "one", BRANCH);
        FakeAgent::tcp(scripted.node.listener("stream")).send(&invite);
        let frames = [
            old.wait_for(before_old + 1).pop().expect("one more"),
            new.wait_for(before_new + 1).pop().expect("one more"),
        ];
        for (frame, in_chunk_0x0011) in frames.iter().zip(told) {
            let message = Message::parse(frame.as_slice()).expect("a strict reader takes it");
            let expected = in_chunk_0x0011.then_some(&b"one"[..]);
            assert_eq!(message.correlation_id(), expected);
            let pairs = message.extra_correlations().map(String::from_utf8_lossy);
            assert_eq!(pairs.as_deref(), Some(r#"{"sip":"one","billing":"42"}"#));
            assert_eq!(message.payload().octets(), Some(&b""[..]));
        }
    }
}

#[test]
fn a_trace_that_a_script_asks_for_arrives_at_its_destination() {
    let homer = FakeCollector::tcp();
    for homer5_on in [1, 0] {
        let before = homer.frames().len();
        let text = config(
            &[("homer", &homer)],
            "[[route]]\nto = [\"tail\"]\nlua = true\n[[trace]]\ntrace_id = \"[tid]uri=hep:homer\"\n",
        )
        .replace("[hep]\n", &format!("[hep]\nhomer5_on = {homer5_on}\n"));
        let scripted = ScriptedNode::start(
            r#"
            function request_route()
              if msg.method == "INVITE" and msg.call_id == "one" then trace("tid", "d") end
              if msg.method == "OPTIONS" then trace("tid", "m", "sip", nil, nil, "of its own") end
            end"#,
            &text,
        );
        let frames = [
            request("INVITE", "other", BRANCH),
            request("INVITE", "one", BRANCH),
            reply(180, "INVITE", "other", BRANCH),
            reply(180, "INVITE", "one", BRANCH),
            request("OPTIONS", "two", BRANCH),
        ];
        let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
        for frame in &frames {
            agent.send(frame);
        }
        let traced = homer.wait_for(before + 3).split_off(before);
        let expected = [(1, "one"), (3, "one"), (4, "of its own")];
        for (frame, (of, correlation_id)) in traced.iter().zip(expected) {
            let (sent, message) = (
                Message::parse(frames[of].as_slice()).expect("a frame"),
                Message::parse(frame.as_slice()).expect("a frame"),
            );
            assert_eq!(message.payload().octets(), sent.payload().octets());
            assert_eq!(message.time_sec(), sent.time_sec());
            let id = message.correlation_id().map(String::from_utf8_lossy);
            assert_eq!(id.as_deref(), Some(correlation_id));
        }
        let status = scripted.node.wait_for_status("all settled", |status| {
            number(&status["ledger"]["received"]) == 5
                && number(&sink(status, "homer")["delivered"]) == 3
        });
        assert_eq!(sink(&status, "homer")["originated"], 3);
        assert_eq!(sink(&status, "homer")["offered"], 0);
        assert_balanced(&status);
    }
}

#[test]
fn a_trace_of_a_session_follows_its_dialog() {
    let homer = FakeCollector::tcp();
    let text = config(
        &[("homer", &homer)],
        "[[route]]\nto = [\"tail\"]\nlua = true\n[[trace]]\ntrace_id = \"[tid]uri=hep:homer\"\n",
    );
    let script = "function request_route() if msg.call_id == 'one' then trace('tid', 'mb') end end";
    let scripted = ScriptedNode::start(script, &text);
    let frames = [
        request("INVITE", "one", BRANCH),
        request("INVITE", "other", BRANCH),
        reply(180, "INVITE", "one", BRANCH),
        reply(200, "INVITE", "other", BRANCH),
        reply(200, "INVITE", "one", BRANCH),
    ];
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for frame in &frames {
        agent.send(frame);
    }
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["received"]) == 5
            && number(&sink(status, "homer")["delivered"]) == 3
    });
    assert_eq!(sink(&status, "homer")["originated"], 3);
    let traced = homer.wait_for(3);
    for (copy, of) in traced.iter().zip([0, 2, 4]) {
        let payload = |frame: &[u8]| {
            let message = Message::parse(frame).expect("a frame");
            message.payload().octets().map(<[u8]>::to_vec)
        };
        assert_eq!(payload(copy), payload(&frames[of]));
    }
}

#[test]
fn a_script_relays_over_udp_tcp_and_tls() {
    let ca = TestCa::new();
    let collectors = [
        ("udp", FakeCollector::udp()),
        ("tcp", FakeCollector::tcp()),
        ("tls", FakeCollector::tls(ca.server_config(&ca.localhost()))),
    ];
    let destinations: String = collectors
        .iter()
        .map(|(transport, collector)| {
            let tls = match *transport {
                "tls" => format!("tls = {{ ca = \"{}\" }}\n", ca.ca_file().display()),
                _ => String::new(),
            };
            let port = collector.address().port();
            format!("[[destination]]\nname = \"{transport}\"\nsocket = \"hep_{transport}:localhost:{port}\"\n{tls}")
        })
        .collect();
    let scripted = ScriptedNode::start(
        "function request_route() hep_relay(msg.call_id) end",
        &config(&[], &destinations).replace("hep_id = []\n", ""),
    );
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for (transport, collector) in &collectors {
        let frame = request("INVITE", transport, BRANCH);
        agent.send(&frame);
        assert_eq!(collector.wait_for(1), [frame]);
    }
}

#[test]
fn a_balance_by_hash_keeps_calls_together_and_uses_every_destination() {
    let (a, b) = (FakeCollector::tcp(), FakeCollector::tcp());
    let script = r#"
        local to = { "a", "b" }
        function request_route() hep_relay(to[hash(msg.call_id, #to)]) end
        onreply_route = request_route"#;
    let scripted = ScriptedNode::start(script, &config(&[("a", &a), ("b", &b)], ""));
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for call in 0..50 {
        let call = format!("call-{call}");
        agent.send(&request("INVITE", &call, BRANCH));
        agent.send(&reply(200, "INVITE", &call, BRANCH));
    }
    let status = scripted.node.wait_for_status("all delivered", |status| {
        let delivered = |name| number(&sink(status, name)["delivered"]);
        delivered("a") + delivered("b") == 100
    });
    assert_balanced(&status);
    for (name, collector) in [("a", &a), ("b", &b)] {
        let count = number(&sink(&status, name)["delivered"]);
        let frames = collector.wait_for(usize::try_from(count).expect("few"));
        assert!(
            frames.len() > 10,
            "one destination has only {}",
            frames.len()
        );
        for pair in frames.chunks(2) {
            let call = |frame: &[u8]| {
                let text = String::from_utf8_lossy(frame).into_owned();
                let after = text.split("Call-ID: ").nth(1).map(str::to_owned);
                after.and_then(|text| text.lines().next().map(str::to_owned))
            };
            assert_eq!(call(&pair[0]), call(&pair[1]));
        }
    }
}

#[test]
fn the_shipped_example_does_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let script = fs::read_to_string(root.join("examples/routes.lua")).expect("it is shipped");
    let collectors = ["homer-1", "homer-2", "fraud"].map(|name| (name, FakeCollector::tcp()));
    let destinations: Vec<_> = collectors.iter().map(|(name, one)| (*name, one)).collect();
    let scripted = ScriptedNode::start(&script, &config(&destinations, ""));
    let scan = request("OPTIONS", "scan", BRANCH);
    let scan = String::from_utf8_lossy(
        Message::parse(scan.as_slice())
            .expect("a frame")
            .payload()
            .octets()
            .expect("SIP"),
    )
    .replace(
        "Content-Length",
        "User-Agent: friendly-scanner\r\nContent-Length",
    );
    let mut agent = FakeAgent::tcp(scripted.node.listener("stream"));
    for frame in [
        request("INVITE", "one", BRANCH),
        reply(403, "INVITE", "one", BRANCH),
        frame::sip_v3(scan),
        scripted::log_line("no SIP"),
    ] {
        agent.send(&frame);
    }
    assert_eq!(
        collectors[2].1.wait_for(1),
        [reply(403, "INVITE", "one", BRANCH)]
    );
    let status = scripted.node.wait_for_status("all settled", |status| {
        number(&status["ledger"]["received"]) == 4 && status["ledger"]["unaccounted"] == 0
    });
    assert_eq!(status["ledger"]["skipped"]["script"], 1, "{status:#}");
    assert_eq!(status["script"]["last_error"], Value::Null, "{status:#}");
    let counters = status["script"]["counters"].as_array().expect("a list");
    let failures = json!({"name": "failures", "label": "403", "value": 1});
    assert!(counters.contains(&failures), "{counters:?}");
    let metrics = scripted.node.metrics();
    let line = "hepcat_script_counter_total{name=\"requests\",label=\"INVITE\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    assert_balanced(&status);
}
