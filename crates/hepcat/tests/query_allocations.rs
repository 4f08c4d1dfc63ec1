//! Holding a query against a message, and deciding about one by routes, allocates nothing.
#![expect(unsafe_code, reason = "a counting allocator cannot be had without")]
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    hint::black_box,
    net::SocketAddr,
    sync::Arc,
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use hepcat::{
    query::{FIELDS, MessageView, Query, Scope},
    route::{Route, Routes, SinkId, Verdict},
};
use hepcat_net::{Envelope, ListenerId, Origin, Transport};
use hepcat_wire::Message;

struct Counting;

thread_local! {
    /// Of this thread only: the test runner has threads of its own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

fn envelopes() -> Vec<Envelope> {
    let peer: SocketAddr = "10.1.2.3:40000".parse().unwrap();
    let origin = Arc::new(Origin::new(ListenerId(0), Transport::Udp, peer, peer));
    let envelopes: Vec<_> = hepcat_testkit::vectors()
        .into_iter()
        .filter(|vector| !vector.is_stream())
        .filter_map(|vector| Message::parse_lax(Bytes::from(vector.octets)).ok())
        .map(|message| Envelope::new(message, Arc::clone(&origin), UNIX_EPOCH))
        .collect();
    assert!(envelopes.len() > 80);
    envelopes
}

#[test]
fn matching_allocates_nothing() {
    let mut texts = vec![
        "agent:10.1.0.0/16 type:sip NOT method:OPTIONS".to_owned(),
        "user:33* OR from:*@127.0.0.2 OR user:*s?pp*".to_owned(),
        "from~\"^\\+?33[0-9]{9}$\"".to_owned(),
        "payload~\"^Contact: .*;expires=0\" OR payload~\"(a|b)*c\"".to_owned(),
        "\"temporarily unavailable\" OR J\u{fc}rgen".to_owned(),
        "header.Subject:perf*".to_owned(),
        "src:127.0.0.0/8 dst:5060 status:(2xx, 400..)".to_owned(),
    ];
    for entry in FIELDS.iter().filter(|entry| entry.scope == Scope::Message) {
        texts.push(format!("{}:*", entry.name));
    }
    let envelopes = envelopes();
    for text in texts {
        let query = Query::parse(&text).unwrap();
        let ask_all = || {
            for envelope in &envelopes {
                black_box(query.matches(&MessageView::new(envelope, "edge")));
            }
        };
        // An expression's machine makes its cache when it is first run, on each thread.
        ask_all();
        assert_eq!(allocations(ask_all), 0, "{text}");
    }
}

#[test]
fn deciding_allocates_nothing() {
    let route = |text: &str, sinks: &[u16]| {
        let to = sinks.iter().copied().map(SinkId).collect();
        Route::new(Query::parse(text).unwrap(), to)
    };
    let routes = Routes::new(
        vec![
            route("type:log", &[]),
            route("method:INVITE", &[1, 300]).then_continue(true),
            route("agent:10.1.0.0/16 type:sip NOT method:OPTIONS", &[2, 70]),
        ],
        [SinkId(0), SinkId(150)].into_iter().collect(),
    );
    let envelopes = envelopes();
    let mut verdict = Verdict::default();
    let mut decide_all = || {
        for envelope in &envelopes {
            routes.decide(&MessageView::new(envelope, "edge"), &mut verdict);
            black_box(verdict.sinks.iter().count());
        }
    };
    decide_all();
    assert_eq!(allocations(decide_all), 0);
}
