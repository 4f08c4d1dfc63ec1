//! Queries about calls: what calls answer themselves, what is left to their messages, and that the record of every call
//! that fits passes the conditions on columns.

use std::time::Duration;

use hepcat::{
    call::CallRecord,
    query::{Query, Scope},
    search::Asked,
};
use hepcat_store::{Class, Fsync, Options, Row, RowBatchBuilder, Store};
use rstest::rstest;

use crate::{feed, scenes};

fn calls() -> Vec<CallRecord> {
    let mut calls = feed::closed_calls(&scenes::basic("1@a"));
    calls.extend(feed::closed_calls(&scenes::refused(486, "Busy Here")));
    assert_eq!(calls.len(), 2);
    calls
}

fn query(text: &str) -> Query {
    Query::parse_in(Scope::Call, text).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

#[rstest]
#[case::call_id("call_id:1@a", &[true, false])]
#[case::user("user:alice", &[true, true])]
#[case::user_at_host("from:alice@* to:bob@*", &[true, true])]
#[case::user_of_the_other_side("from:bob", &[false, false])]
#[case::state("state:ended", &[true, false])]
#[case::states("state:(failed, cancelled)", &[false, true])]
#[case::status("status:2xx OR status:486", &[true, true])]
#[case::refused("status:4xx", &[false, true])]
#[case::released_by("released_by:caller", &[true, false])]
#[case::no_flag("-flag:retransmission", &[true, true])]
#[case::early("flag:early_media", &[false, false])]
#[case::setup("setup>1s", &[true, false])]
#[case::setup_to_the_microsecond("setup:2s", &[true, false])]
#[case::ring("ring:3s", &[true, false])]
#[case::talk("talk:1m", &[true, false])]
#[case::talk_in_a_range("talk:59s..2m", &[true, false])]
#[case::short("duration<5s", &[false, true])]
#[case::long("duration>=65s", &[true, false])]
#[case::user_agent("ua:phone* -ua:desk*", &[false, true])]
#[case::user_agent_in_any_case("ua:\"DESK/2\"", &[true, false])]
#[case::codec("codec:pcma", &[true, true])]
#[case::media("media:10.0.0.9:6000", &[true, false])]
#[case::reason("reason:\"busy here\"", &[false, true])]
#[case::source("src:10.0.0.1:5060 dst:10.0.0.0/24", &[true, true])]
#[case::legs("legs:1", &[true, true])]
#[case::messages("messages>5", &[true, false])]
#[case::class("class:call -class:registration", &[true, true])]
#[case::talk_is_there("talk:*", &[true, false])]
fn a_call_answers(#[case] text: &str, #[case] expected: &[bool]) {
    let query = query(text);
    let fitting: Vec<_> = calls().iter().map(|call| query.matches(call)).collect();
    assert_eq!(fitting, expected, "{text}");
    assert_eq!(found(&query), expected, "{text}");
}

/// Which calls have records that pass the filter and, looked at, fit.
fn found(query: &Query) -> Vec<bool> {
    let directory = tempfile::tempdir().expect("a directory");
    let mut options = Options::default();
    options.memory = 64 << 20;
    options.fsync = Fsync::Never;
    options.maintenance = Duration::ZERO;
    let store = Store::open(directory.path(), options).expect("a store");
    let calls = calls();
    let mut rows = RowBatchBuilder::default();
    for call in &calls {
        let micros = |span: Duration| i64::try_from(span.as_micros()).expect("a short span");
        let content = serde_json::to_vec(call).expect("JSON");
        let mut row = Row::default();
        row.class = Class::Record;
        row.record = Some("call");
        row.received_at = call.last.as_micros();
        row.sent_at = Some(call.started.as_micros());
        row.status = call.final_code.map(i32::from);
        row.setup_us = call.setup.map(micros);
        row.duration_us = call.talk.or(call.duration).map(micros);
        row.payload = &content;
        rows.push(&row).expect("a small row");
    }
    let kept = store.append(rows).expect("room").wait();
    assert!(kept.is_ok(), "{kept:?}");
    let mut found = vec![false; calls.len()];
    let asked = Asked::of_calls(query).search();
    for batch in store.search(asked).expect("it begins") {
        for row in batch.expect("rows").rows().iter() {
            let call: CallRecord = serde_json::from_slice(row.payload).expect("a call");
            let place = calls.iter().position(|one| one.id == call.id);
            found[place.expect("one of them")] = query.matches(&call);
        }
    }
    found
}

#[test]
fn what_calls_do_not_know_is_asked_of_their_messages() {
    let whole = query("user:alice header.X-Foo:bar (method:INFO OR \"busy\") duration<5s");
    let (of_calls, of_messages) = whole.split_calls().unwrap();
    assert_eq!(of_calls.to_string(), "user:alice duration<5s");
    assert_eq!(
        of_messages.to_string(),
        "header.X-Foo:bar (method:INFO OR \"busy\")"
    );
    let (of_calls, of_messages) = query("user:alice").split_calls().unwrap();
    assert_eq!(of_calls, query("user:alice"));
    assert_eq!(of_messages, Query::everything());
    let fault = query("user:alice OR header.X-Foo:bar")
        .split_calls()
        .unwrap_err();
    assert!(fault.to_string().contains("`user`"), "{fault}");
    assert!(fault.to_string().contains("`header.X-Foo`"), "{fault}");
}
