//! What a query and a list of routes cost per message: `cargo bench -p hepcat --bench query`. That nothing is allocated
//! is the test `query_allocations`.

use std::{hint::black_box, net::SocketAddr, sync::Arc, time::UNIX_EPOCH};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use hepcat::{
    query::{MessageView, Query},
    route::{Route, Routes, SinkId, Verdict},
};
use hepcat_net::{Envelope, ListenerId, Origin, Transport};
use hepcat_wire::Message;

const QUERIES: [(&str, &str); 8] = [
    ("route", "agent:10.1.0.0/16 type:sip NOT method:OPTIONS"),
    (
        "other agent",
        "agent:10.2.0.0/16 type:sip NOT method:OPTIONS",
    ),
    ("addresses", "src:127.0.0.0/8 dst:5060"),
    ("user prefix", "user:33*"),
    ("regex on user", "from~\"^\\+?33[0-9]{9}$\""),
    ("regex on payload", "payload~\"^Contact: .*;expires=0\""),
    ("text", "\"temporarily unavailable\""),
    ("header", "header.X-Foo:*"),
];

fn envelope() -> Envelope {
    let frame = hepcat_testkit::vectors()
        .into_iter()
        .find(|vector| vector.file == "kamailio-v3-ipv4-udp-invite.hex")
        .map(|vector| Bytes::from(vector.octets))
        .expect("it is in testdata");
    let peer: SocketAddr = "10.1.2.3:40000".parse().expect("a literal");
    let origin = Origin::new(ListenerId(0), Transport::Udp, peer, peer);
    let message = Message::parse_lax(frame).expect("it decodes");
    Envelope::new(message, Arc::new(origin), UNIX_EPOCH)
}

fn per_message(c: &mut Criterion) {
    let envelope = envelope();
    let mut group = c.benchmark_group("query");
    for (name, text) in QUERIES {
        let query = Query::parse(text).expect("well formed");
        group.bench_function(name, |b| {
            b.iter(|| query.matches(&MessageView::new(black_box(&envelope), "edge")));
        });
        if query.needs_sip() {
            let scan = envelope
                .message
                .payload()
                .octets()
                .and_then(hepcat_sip::scan);
            group.bench_function(format!("{name}, scanned before"), |b| {
                b.iter(|| {
                    let view = MessageView::new(black_box(&envelope), "edge").with_scan(scan);
                    query.matches(&view)
                });
            });
        }
    }
    group.bench_function("parse the route", |b| {
        b.iter(|| Query::parse(black_box(QUERIES[0].1)));
    });

    let route = |text, sink| {
        let query = Query::parse(text).expect("well formed");
        Route::new(query, [SinkId(sink)].into_iter().collect())
    };
    let routes = Routes::new(
        (0..10)
            .map(|n| route("agent:10.2.0.0/16 method:REGISTER", n))
            .chain([route(QUERIES[0].1, 10)])
            .collect(),
        [SinkId(0)].into_iter().collect(),
    );
    let mut verdict = Verdict::default();
    group.bench_function("eleven routes", |b| {
        b.iter(|| {
            routes.decide(
                &MessageView::new(black_box(&envelope), "edge"),
                &mut verdict,
            );
            verdict.sinks.contains(SinkId(10))
        });
    });
    group.finish();
}

criterion_group!(benches, per_message);
criterion_main!(benches);
