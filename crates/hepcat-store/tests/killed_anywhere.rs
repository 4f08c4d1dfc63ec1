//! Whatever was promised is there after a kill at any step, and every row once; a full disk costs what it says.

mod kit;

use std::{sync::Arc, time::Duration};

use hepcat_store::{FaultyDisk, Options, RowBatchBuilder, Store};
use kit::{LIMIT, Sample, open, options, serials};

fn faulty(disk: &FaultyDisk) -> Options {
    let mut options = options();
    options.disk = Arc::new(disk.clone());
    options.append_wait = Duration::from_millis(50);
    // Steps are the same in every run where each append is a group of its own.
    options.compact_segments = 2;
    options
}

/// Appends, flushes and merges; the serial numbers that were promised.
fn work(store: &Store, disk: &FaultyDisk) -> Vec<i64> {
    let mut promised = Vec::new();
    for (round, chunk) in Sample::many(0, 120, 11).chunks(20).enumerate() {
        if disk.crashed() {
            break;
        }
        let mut rows = RowBatchBuilder::default();
        for sample in chunk {
            rows.push(&sample.row()).expect("small enough");
        }
        if store.append(rows).and_then(|ticket| ticket.wait()).is_ok() {
            promised.extend(chunk.iter().map(|sample| sample.serial));
        }
        if round % 2 == 1 {
            let _flushed: bool = store.flush(Duration::from_millis(150));
            store.compact();
        }
    }
    promised
}

fn check(directory: &std::path::Path, promised: &[i64], what: &str) {
    let store = open(directory, options());
    let there = serials(&store);
    for serial in promised {
        assert_eq!(there.get(serial), Some(&1), "{what}: row {serial}");
    }
    assert!(
        there.values().all(|times| *times == 1),
        "{what}: a row twice"
    );
    assert_eq!(store.stats().damaged_segments, 0, "{what}");
}

#[test]
fn a_kill_at_any_step_costs_nothing_that_was_promised() {
    kill_at_every(7);
}

#[test]
#[ignore = "long: a kill at every step"]
fn a_kill_at_every_step_costs_nothing_that_was_promised() {
    kill_at_every(1);
}

fn kill_at_every(stride: usize) {
    let steps = {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = FaultyDisk::default();
        let store = open(directory.path(), faulty(&disk));
        assert_eq!(work(&store, &disk).len(), 120);
        drop(store);
        disk.steps()
    };
    assert!(steps > 60, "{steps} steps are too few to mean anything");
    for step in (0..steps).step_by(stride) {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = FaultyDisk::default();
        disk.crash_at(step);
        let promised = match Store::open(directory.path(), faulty(&disk)) {
            Ok(store) => work(&store, &disk),
            Err(_) => Vec::new(),
        };
        check(
            directory.path(),
            &promised,
            &format!("killed at step {step}"),
        );
    }
}

#[test]
fn a_kill_while_coming_back_from_a_kill_costs_nothing_either() {
    kill_coming_back(5);
}

#[test]
#[ignore = "long: a second kill at every step"]
fn a_kill_at_every_step_of_coming_back_costs_nothing_either() {
    kill_coming_back(1);
}

fn kill_coming_back(stride: usize) {
    let begun = tempfile::tempdir().expect("a directory");
    let disk = FaultyDisk::default();
    let promised = {
        let store = open(begun.path(), faulty(&disk));
        let promised = work(&store, &disk);
        // Rows that are in two files of the log only when the kill comes.
        assert!(store.flush(LIMIT));
        disk.set_free_space(Some(0));
        let more = Sample::many(120, 40, 13);
        for chunk in more.chunks(20) {
            kit::append(&store, chunk).wait().expect("kept");
            kit::freeze(&store);
        }
        disk.crash_at(0);
        promised.into_iter().chain(120..160).collect::<Vec<_>>()
    };
    for step in (0..400).step_by(stride) {
        let directory = tempfile::tempdir().expect("a directory");
        kit::copy_tree(begun.path(), directory.path());
        let disk = FaultyDisk::default();
        disk.crash_at(step);
        if let Ok(store) = Store::open(directory.path(), faulty(&disk)) {
            let _flushed: bool = store.flush(Duration::from_millis(30));
        }
        check(
            directory.path(),
            &promised,
            &format!("killed at step {step} of coming back"),
        );
        if !disk.crashed() {
            assert!(step > 20, "{step} steps are too few to mean anything");
            return;
        }
    }
    panic!("coming back has no end");
}

#[test]
fn a_full_disk_does_not_keep_a_store_from_coming_back() {
    let begun = tempfile::tempdir().expect("a directory");
    let killed = tempfile::tempdir().expect("a directory");
    let full = FaultyDisk::default();
    full.set_free_space(Some(0));
    let samples = Sample::many(0, 300, 14);
    let store = open(begun.path(), faulty(&full));
    for (round, chunk) in samples.chunks(100).enumerate() {
        kit::append(&store, chunk).wait().expect("kept");
        if round < 2 {
            kit::freeze(&store);
        }
    }
    kit::copy_tree(begun.path(), killed.path());
    let store = open(killed.path(), faulty(&full));
    kit::assert_all(&store, &samples);
    let more = Sample::many(300, 10, 15);
    kit::append(&store, &more).wait().expect("kept");
    full.set_free_space(None);
    assert!(store.flush(LIMIT));
    assert_eq!(store.stats().rows_in_segments, 310);
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_only_what_was_refused() {
    fill_at_every(23);
}

#[test]
#[ignore = "long: a full disk at every step"]
fn a_disk_that_is_full_at_any_step_costs_only_what_was_refused() {
    fill_at_every(1);
}

fn fill_at_every(stride: usize) {
    for step in (10..250).step_by(stride) {
        let directory = tempfile::tempdir().expect("a directory");
        let disk = FaultyDisk::default();
        disk.full_at(step..step + 7);
        let Ok(store) = Store::open(directory.path(), faulty(&disk)) else {
            continue;
        };
        let promised = work(&store, &disk);
        let stats = store.stats();
        assert_eq!(
            stats.offered,
            stats.kept + stats.dropped_disk_full + stats.dropped_log + stats.dropped_memory,
            "full at step {step}"
        );
        assert_eq!(stats.kept, promised.len() as u64);
        // It goes on by itself.
        assert!(store.flush(LIMIT));
        assert_eq!(serials(&store).into_keys().collect::<Vec<_>>(), promised);
        drop(store);
        check(directory.path(), &promised, &format!("full at step {step}"));
    }
}

#[test]
fn a_sync_that_fails_is_no_promise_and_the_rows_go_on_as_a_segment() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = FaultyDisk::default();
    let store = open(directory.path(), faulty(&disk));
    let samples = Sample::many(0, 30, 12);
    kit::append(&store, &samples[..10]).wait().expect("kept");
    disk.set_failing_syncs(true);
    kit::append(&store, &samples[10..20])
        .wait()
        .expect_err("not synced");
    disk.set_failing_syncs(false);
    kit::append(&store, &samples[20..]).wait().expect("kept");
    let stats = store.stats();
    assert_eq!((stats.kept, stats.unsynced, stats.offered), (20, 10, 30));
    kit::assert_all(&store, &samples);
    drop(store);
    kit::assert_all(&open(directory.path(), options()), &samples);
}
