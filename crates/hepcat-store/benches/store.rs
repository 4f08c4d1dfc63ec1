//! From append to durable, and searches over what is in memory and in segments, by criterion.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hepcat_store::{Column, Filter, Fsync, Options, Row, RowBatchBuilder, Search, Store, TextTest};
use hepcat_testkit::traffic::{SipMessage, Traffic};

const BEGIN: i64 = 1_795_392_000_000_000;

fn messages(count: usize) -> Vec<SipMessage> {
    Traffic::new(10_000.0, BEGIN, 1).take(count).collect()
}

fn rows(messages: &[SipMessage]) -> RowBatchBuilder {
    let mut rows = RowBatchBuilder::with_capacity(messages.len());
    for message in messages {
        let mut row = Row::default();
        row.received_at = message.at;
        row.sent_at = Some(message.at);
        row.call_id = Some(&message.call_id);
        row.method = message.method;
        row.status = message.status.map(Into::into);
        row.from_user = Some(&message.from_user);
        row.to_user = Some(&message.to_user);
        row.src_ip = Some(&message.source.0);
        row.payload = &message.payload;
        rows.push(&row).expect("small enough");
    }
    rows
}

fn store(directory: &std::path::Path) -> Store {
    let mut options = Options::default();
    options.fsync = Fsync::Never;
    options.maintenance = Duration::ZERO;
    Store::open(directory, options).expect("the store opens")
}

fn append(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store(directory.path());
    let messages = messages(1_000);
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1_000));
    group.bench_function("fields to columns", |bench| {
        bench.iter(|| rows(black_box(&messages)).finish());
    });
    group.bench_function("to written, segments meanwhile", |bench| {
        bench.iter_batched(
            || rows(&messages),
            |rows| store.append(rows).expect("appended").wait().expect("kept"),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn search(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = store(directory.path());
    let messages = messages(100_000);
    for chunk in messages.chunks(1_000) {
        store
            .append(rows(chunk))
            .expect("appended")
            .wait()
            .expect("kept");
    }
    let call = &messages[50_000].call_id;
    let user = TextTest::contains("12345", false).expect("a text");
    let text = TextTest::contains("NONCE=\"0000", true).expect("a text");
    let questions = [
        ("Call-ID", Filter::is(Column::CallId, call)),
        ("user substring", Filter::Text(Column::ToUser, user)),
        ("payload text", Filter::Text(Column::Payload, text)),
    ];
    let mut group = criterion.benchmark_group("search 100,000 rows");
    for place in ["memory and segments", "segments"] {
        for (name, filter) in &questions {
            group.bench_function(format!("{name}, {place}"), |bench| {
                bench.iter(|| {
                    let found = store.search(Search::new(filter.clone())).expect("searched");
                    found.map(|rows| rows.expect("read").len()).sum::<usize>()
                });
            });
        }
        assert!(store.flush(Duration::from_secs(60)));
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(5));
    targets = append, search
}
criterion_main!(benches);
