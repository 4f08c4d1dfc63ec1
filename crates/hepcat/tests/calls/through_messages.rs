//! Calls that are found by what only their messages know: each once, page by page, those first whose newest fitting
//! message came last.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{collections::BTreeMap, time::Duration};

use hepcat::{
    agents::ClockBounds,
    call::{CallId, CallRecord, Flag, Kind},
    config::{CallsConfig, StoreConfig},
    query::{Query, Scope},
    search::{self, Asked, CallPage, CallSearch, calls_through_messages},
    sink::store::StoreSink,
};
use hepcat_store::{Class, Filter, Row, RowBatchBuilder, Run, Store};
use hepcat_testkit::scene::{Leg, START_US, Scene, Sip};
use proptest::prelude::*;

use crate::feed::{self, CALLEE, CALLER};

/// A sink without messages of its own: everything is in rows.
fn sink(directory: &tempfile::TempDir) -> StoreSink {
    let mut config = StoreConfig::default();
    config.memory = bytesize::ByteSize::mib(64);
    sink_with(directory, &config)
}

fn sink_with(directory: &tempfile::TempDir, config: &StoreConfig) -> StoreSink {
    StoreSink::open(
        directory.path(),
        config,
        &CallsConfig::default(),
        ClockBounds::default(),
    )
    .unwrap()
}

/// The record of a call whose messages came at these seconds.
fn call(call_id: &str, seconds: &[u8]) -> CallRecord {
    let leg = Leg::new(call_id, "alice", "bob");
    let mut scene = Scene::new();
    for second in seconds {
        let sip = Sip::request("INVITE", &leg, u32::from(*second) + 1);
        scene.add("edge", i64::from(*second) * 1_000, CALLER, CALLEE, &sip);
    }
    feed::closed_calls(&scene).remove(0)
}

fn keep_call(rows: &mut RowBatchBuilder, call: &CallRecord) {
    let content = serde_json::to_vec(call).unwrap();
    let id = call.id.to_string();
    for (number, leg) in call.legs.iter().enumerate() {
        let mut row = Row::default();
        row.class = Class::Record;
        row.received_at = call.last.as_micros() + 60_000_000;
        row.correlation_id = Some(&id);
        row.call_id = Some(&leg.call_id);
        row.record = Some("leg");
        row.sent_at = Some(leg.started.as_micros());
        if number == 0 {
            row.record = Some("call");
            row.sent_at = Some(call.started.as_micros());
            row.transaction_type = Some(call.kind.label());
            row.payload = &content;
        }
        rows.push(&row).unwrap();
    }
}

fn keep_message(rows: &mut RowBatchBuilder, call_id: &str, second: u8, payload: &str) {
    let mut row = Row::default();
    row.class = Class::Call;
    row.received_at = START_US + i64::from(second) * 1_000_000 + 1_000;
    row.call_id = Some(call_id);
    row.payload = payload.as_bytes();
    rows.push(&row).unwrap();
}

fn append(store: &Store, rows: RowBatchBuilder) {
    store.append(rows).unwrap().wait().unwrap();
}

fn ask(sink: &StoreSink, text: &str, limit: usize) -> (Vec<String>, usize) {
    let query = Query::parse_in(Scope::Call, text).unwrap();
    let (of_calls, of_messages) = query.split_calls().unwrap();
    let asked = Asked::of_messages(&of_messages);
    let mut search = CallSearch::default();
    search.limit = limit;
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let fits = |call: &CallRecord| of_calls.matches(call);
        let page: CallPage = calls_through_messages(sink, &search, &asked, fits).unwrap();
        assert_eq!(page.ended_by, None);
        assert!(page.calls.len() <= limit);
        let call_ids = page.calls.iter().map(|call| &*call.legs[0].call_id);
        found.extend(call_ids.map(str::to_owned));
        pages += 1;
        search.after = page.next;
        if search.after.is_none() {
            return (found, pages);
        }
        assert!(pages < 1_000, "it ends");
    }
}

/// Seconds of a call's messages, and whether each of them fits.
type Messages = Vec<(u8, bool)>;

/// What is found by looking at everything.
fn plain(calls: &[Messages]) -> Vec<String> {
    let mut newest: Vec<(u8, usize)> = calls
        .iter()
        .enumerate()
        .filter_map(|(number, messages)| {
            let fitting = messages.iter().filter(|(_, fits)| *fits);
            Some((fitting.map(|(second, _)| *second).max()?, number))
        })
        .collect();
    newest.sort_unstable();
    newest.reverse();
    newest
        .iter()
        .map(|(_, number)| format!("{number}@x"))
        .collect()
}

/// A second is that of one message only, so that there is one order.
fn scenes() -> impl Strategy<Value = Vec<Messages>> {
    let seconds: Vec<u8> = (0..120).collect();
    (
        Just(seconds).prop_shuffle(),
        proptest::collection::vec((0..12_usize, any::<bool>()), 0..80),
    )
        .prop_map(|(seconds, messages)| {
            let mut calls: BTreeMap<usize, Messages> = BTreeMap::new();
            for (second, (call, fits)) in seconds.into_iter().zip(messages) {
                calls.entry(call).or_default().push((second, fits));
            }
            calls.into_values().collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn each_call_is_found_once_where_its_newest_fitting_message_is(
        calls in scenes(),
        limit in 1_usize..6,
        is_flushed: bool,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let sink = sink(&directory);
        let mut rows = RowBatchBuilder::default();
        for (number, messages) in calls.iter().enumerate() {
            let call_id = format!("{number}@x");
            let mut seconds: Vec<u8> = messages.iter().map(|(second, _)| *second).collect();
            seconds.sort_unstable();
            keep_call(&mut rows, &call(&call_id, &seconds));
            for (second, fits) in messages {
                keep_message(&mut rows, &call_id, *second, if *fits { "a needle" } else { "hay" });
            }
        }
        append(sink.store(), rows);
        if is_flushed {
            prop_assert!(sink.store().flush(Duration::from_secs(60)));
        }
        let expected = plain(&calls);
        let (found, pages) = ask(&sink, "NEEDLE", limit);
        prop_assert_eq!(&found, &expected);
        prop_assert!(pages >= expected.len() / limit);
    }
}

#[test]
fn what_is_asked_of_calls_holds_as_well_and_legs_lead_to_their_call() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(&directory);
    let mut rows = RowBatchBuilder::default();
    let mut two = call("first@x", &[1, 2]);
    let second = call("second@x", &[3]);
    two.legs.extend(second.legs);
    keep_call(&mut rows, &two);
    keep_call(&mut rows, &call("alone@x", &[4]));
    keep_message(&mut rows, "second@x", 3, "a needle");
    keep_message(&mut rows, "alone@x", 4, "a needle");
    keep_message(&mut rows, "nobody@x", 5, "a needle");
    append(sink.store(), rows);
    assert_eq!(ask(&sink, "needle", 10).0, ["alone@x", "first@x"]);
    assert_eq!(ask(&sink, "needle legs>1", 10).0, ["first@x"]);
    assert_eq!(ask(&sink, "needle from:alice", 1).0, ["alone@x", "first@x"]);
    assert_eq!(ask(&sink, "needle from:bob", 10).0, [""; 0]);
    assert_eq!(two.kind, Kind::Call);
}

#[test]
fn a_call_id_that_came_again_is_two_calls_and_each_has_its_messages() {
    let directory = tempfile::tempdir().unwrap();
    let sink = sink(&directory);
    let mut rows = RowBatchBuilder::default();
    let (before, again) = (call("same@x", &[1, 2]), call("same@x", &[90, 91]));
    assert_ne!(before.id, again.id);
    keep_call(&mut rows, &before);
    keep_call(&mut rows, &again);
    keep_message(&mut rows, "same@x", 1, "a needle");
    keep_message(&mut rows, "same@x", 90, "a needle");
    append(sink.store(), rows);
    for limit in [1, 10] {
        assert_eq!(
            ask(&sink, "needle", limit).0,
            ["same@x", "same@x"],
            "{limit}"
        );
    }
}

#[test]
fn a_call_says_what_retention_took_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = StoreConfig::default();
    config.retention.max_age = None;
    config.retention.classes.insert(Class::Call, Duration::ZERO);
    let sink = sink_with(&directory, &config);
    let old = call("old@x", &[1]);
    let mut rows = RowBatchBuilder::default();
    keep_call(&mut rows, &old);
    keep_message(&mut rows, "old@x", 1, "INVITE");
    append(sink.store(), rows);
    assert!(sink.store().flush(Duration::from_mins(1)));
    let flag = Flag::PartitionRemoved;
    let told = |sink: &StoreSink, name: &str| search::call(sink, name).unwrap().unwrap();
    assert!(!told(&sink, "old@x").flags.has(flag));
    assert_eq!(sink.store().retention(Run::Real).len(), 1);
    let mut rows = RowBatchBuilder::default();
    keep_call(&mut rows, &call("new@x", &[90]));
    append(sink.store(), rows);
    let check = |sink: &StoreSink| {
        assert!(told(sink, "old@x").flags.has(flag));
        assert!(!told(sink, "new@x").flags.has(flag));
        let marked = |call: &CallRecord| call.flags.has(flag);
        let page = search::calls(sink, &CallSearch::default(), Filter::default(), marked).unwrap();
        let ids: Vec<CallId> = page.calls.iter().map(|call| call.id).collect();
        assert_eq!(ids, [old.id], "and it is found by that");
    };
    check(&sink);
    drop(sink);
    // It is known after a restart too.
    check(&sink_with(&directory, &StoreConfig::default()));
}
