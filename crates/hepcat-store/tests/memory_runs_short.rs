//! Near the end of its memory the store refuses searches first and rows last, counts what it drops, and recovers.

mod kit;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hepcat_store::{AppendError, FaultyDisk, RowBatchBuilder, Search, SearchError, Store};
use kit::{LIMIT, Sample, open, options, serials};

fn large(serial: i64) -> RowBatchBuilder {
    let mut rows = RowBatchBuilder::default();
    for mut sample in Sample::many(serial, 10, serial.cast_unsigned()) {
        sample.payload = vec![b'x'; 50_000];
        sample.envelope.clear();
        rows.push(&sample.row()).expect("small enough");
    }
    rows
}

fn is_refused(store: &Store) -> bool {
    matches!(store.search(Search::default()), Err(SearchError::Refused))
}

#[test]
fn searches_are_refused_before_rows_and_all_is_well_when_the_disk_is_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = FaultyDisk::default();
    // Nothing becomes a segment, so that everything stays in memory.
    disk.set_free_space(Some(0));
    let mut options = options();
    options.memory = 64 << 20;
    options.append_wait = Duration::from_millis(20);
    options.disk = Arc::new(disk.clone());
    let store = open(directory.path(), options);
    let mut tickets = Vec::new();
    let mut short_at = None;
    let mut refused_at = None;
    let dropped_at = loop {
        let serial = i64::try_from(tickets.len()).expect("few") * 10;
        match store.append(large(serial)) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => {
                assert_eq!(error, AppendError::Memory);
                break tickets.len();
            }
        }
        if short_at.is_none() && store.stats().memory.is_short() {
            short_at = Some(tickets.len());
        }
        if refused_at.is_none() && is_refused(&store) {
            refused_at = Some(tickets.len());
        }
        assert!(tickets.len() < 1_000, "memory has no end");
    };
    assert!(short_at.is_some_and(|at| at < dropped_at));
    assert!(refused_at.is_some_and(|at| at < dropped_at) && short_at <= refused_at);
    let stats = store.stats();
    assert!(stats.memory.total() <= 64 << 20, "{:?}", stats.memory);
    assert_eq!(stats.dropped_memory, 10);
    assert!(stats.searches_refused > 0);

    disk.set_free_space(None);
    for ticket in &tickets {
        ticket.wait().expect("kept");
    }
    assert!(store.flush(LIMIT));
    // The rows are segments; their memory goes with the thread's next breath.
    let begun = Instant::now();
    while store.stats().memory.is_short() {
        assert!(begun.elapsed() < LIMIT, "{:?}", store.stats().memory);
        std::thread::yield_now();
    }
    assert_eq!(serials(&store).len(), tickets.len() * 10);
    let stats = store.stats();
    assert_eq!(stats.offered, stats.kept + stats.dropped_memory);
    assert!(!stats.memory.is_short());
}
