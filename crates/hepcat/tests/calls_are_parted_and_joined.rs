//! Operators part calls and join them, open ones and those that are rows already.

use std::sync::Arc;

use hepcat::{
    call::{CallRecord, Moment, Rules, Seen, Whole, ladder::LaneBy},
    config::Config,
    node::{Node, RelinkError},
};
use hepcat_testkit::{
    FakeAgent, NodeProcess, frame,
    scene::{Leg, START_US, Scene, Sip},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const HEPCAT: &str = env!("CARGO_BIN_EXE_hepcat");

fn config(directory: &TempDir) -> String {
    format!(
        "[node]\ndata_dir = {:?}\n[store]\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [[listener]]\nname = \"tcp\"\nsocket = \"hep_tcp:127.0.0.1:0\"\n",
        directory.path()
    )
}

/// An INVITE; `x_cid` names another leg.
fn invite(call_id: &str, x_cid: &str) -> String {
    format!(
        "INVITE sip:bob@b.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{call_id}\r\n\
         From: <sip:alice@a.example>;tag={call_id}\r\nTo: <sip:bob@b.example>\r\nCall-ID: {call_id}\r\n\
         CSeq: 1 INVITE\r\nX-CID: {x_cid}\r\nContent-Length: 0\r\n\r\n"
    )
}

fn calls(node: &NodeProcess) -> Vec<Value> {
    let (status, body) = node.get("/api/v1/calls");
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).expect("JSON");
    answer["calls"].as_array().expect("calls").clone()
}

#[test]
fn an_open_call_is_parted_and_joined_again() {
    let directory = TempDir::new().expect("a directory");
    let node = NodeProcess::start(HEPCAT, &config(&directory));
    let mut agent = FakeAgent::tcp(node.listener("tcp"));
    for (call_id, x_cid) in [("a", "none"), ("b", "a")] {
        agent.send(&frame::sip_v3(invite(call_id, x_cid)));
    }
    let joined = |node: &NodeProcess| {
        let calls = calls(node);
        calls.len() == 1 && calls[0]["legs"].as_array().map(Vec::len) == Some(2)
    };
    let _one = node.wait_for_status("the legs are one call", |_| joined(&node));
    let call = calls(&node).remove(0);
    let link = call["links"].as_array().expect("links")[0].clone();
    assert_eq!(link["rule"], "x_cid");
    let told = |line: &str| {
        let (status, flow) = node.get("/api/v1/calls/b/flow?explain=true");
        assert_eq!(status, 200, "{flow}");
        assert!(
            flow.lines().any(|one| one == line),
            "no `{line}` in:\n{flow}"
        );
    };
    told(" = b with a: x_cid, 95 of 100: a");
    let body = json!({ "leg": link["from"], "key": link["key"] });
    let (status, answer) = node.post("/api/v1/calls/a/unlink", &body);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(calls(&node).len(), 2);
    let other = link["to"].as_str().expect("a leg");
    told(&format!(
        " x a with leg {other} of another call: x_cid, 95 of 100, parted by an operator: a"
    ));
    assert_eq!(node.post("/api/v1/calls/a/unlink", &body).0, 404);
    let (status, answer) = node.post("/api/v1/calls/a/link", &json!({ "with": "b" }));
    assert_eq!(status, 200, "{answer}");
    assert!(joined(&node));
    assert_eq!(
        node.post("/api/v1/calls/a/link", &json!({ "with": "b" })).0,
        409
    );
    assert_eq!(
        node.post("/api/v1/calls/a/link", &json!({ "with": "z" })).0,
        404
    );
    assert_eq!(
        node.post("/api/v1/calls/a/unlink", &json!({ "leg": 1 })).0,
        422
    );
}

/// The closed call of two legs that X-CID holds together.
fn closed_call() -> CallRecord {
    let mut scene = Scene::new();
    for (call_id, x_cid, at) in [("a", "none", 0), ("b", "a", 10)] {
        let leg = Leg::new(call_id, "alice", "bob");
        let sip = Sip::request("INVITE", &leg, 1).header("X-CID", x_cid);
        scene.add("edge", at, "10.0.0.1:5060", "10.0.0.9:5060", &sip);
    }
    let seen = (1..).zip(&scene.observations).map(|(row, one)| {
        Seen::new(
            row,
            Moment::from_micros(one.received_us),
            "edge",
            &one.payload,
        )
    });
    let seen: Vec<Seen<'_>> = seen.collect();
    let late = Moment::from_micros(START_US + 86_400_000_000);
    let mut calls = Whole::gather(&seen, &Rules::default(), late, LaneBy::Address).calls;
    assert_eq!(calls.len(), 1);
    calls.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_a_row_is_parted_and_joined_also_for_the_next_run() {
    let directory = TempDir::new().expect("a directory");
    let start = || {
        let config = Config::parse(&config(&directory), "x").expect("it is good");
        Node::start(config)
    };
    let node = start().await.expect("it starts");
    let store = Arc::clone(node.store().expect("a store"));
    let call = closed_call();
    store.keep_calls(std::slice::from_ref(&call)).expect("kept");
    let ids = |node: &Node| {
        let store = node.store().expect("a store");
        let search = hepcat::search::CallSearch::default();
        let everything = hepcat_store::Filter::All(Vec::new());
        let page = hepcat::search::calls(store, &search, everything, |_| true).expect("a page");
        let legs = |call: &CallRecord| {
            let legs = call.legs.iter().map(|leg| leg.call_id.to_string());
            legs.collect::<Vec<_>>().join("+")
        };
        let mut ids: Vec<String> = page.calls.iter().map(legs).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids(&node), ["a+b"]);
    let link = call.links[0].clone();
    let parted = node.unlink_call("b".to_owned(), link.from, link.key).await;
    assert_eq!(parted.expect("parted").len(), 2);
    assert_eq!(ids(&node), ["a", "b"]);
    let again = node.unlink_call("b".to_owned(), link.from, link.key).await;
    assert!(matches!(again, Err(RelinkError::NoLink)), "{again:?}");
    drop(store);
    let _report = node.stop().await;
    drop(node);

    let node = start().await.expect("it starts again");
    assert_eq!(ids(&node), ["a", "b"]);
    let joined = node.link_calls("a".to_owned(), "b".to_owned()).await;
    assert_eq!(joined.expect("joined").len(), 1);
    assert_eq!(ids(&node), ["a+b"]);
    let store = Arc::clone(node.store().expect("a store"));
    let found = hepcat::search::call(&store, "b").expect("asked");
    assert_eq!(found.map(|call| call.legs.len()), Some(2));
    let nobody = node.link_calls("a".to_owned(), "nobody".to_owned()).await;
    assert!(matches!(nobody, Err(RelinkError::NoCall(_))), "{nobody:?}");
    drop(store);
    let _report = node.stop().await;
}
