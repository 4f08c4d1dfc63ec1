//! Damage costs what it touches and no more, is reported, and never becomes an answer.

mod kit;

use std::{collections::BTreeMap, path::Path};

use hepcat_store::Search;
use kit::{LIMIT, Sample, append, assert_all, copy_tree, files, freeze, open, options, serials};

#[test]
fn a_damaged_segment_is_set_aside_and_the_rest_is_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 1_000, 7);
    let store = open(directory.path(), options());
    append(&store, &samples).wait().expect("kept");
    drop(store);
    let pattern = directory.path().join("segments");
    let victim = files(&pattern)
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/registration-"))
        .expect("a segment");
    let whole = std::fs::read(&victim).expect("readable");
    // One flipped bit at a time, all over the file.
    for at in (0..whole.len()).step_by(whole.len() / 20) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&victim, &damaged).expect("written");
        let copy = tempfile::tempdir().expect("a directory");
        copy_tree(directory.path(), copy.path());
        let store = open(copy.path(), options());
        let mut found = store.search(Search::default()).expect("searched");
        let rows: usize = found.by_ref().map(|rows| rows.expect("read").len()).sum();
        // A search may not touch the octet, but it never returns fewer without saying so, or other rows.
        let report = found.report();
        assert_eq!(
            rows == 800,
            report.unreadable > 0,
            "octet {at}: {rows} rows, {report:?}"
        );
        assert!(rows == 800 || rows == 1_000);
        if rows == 800 {
            assert_eq!(store.stats().damaged_segments, 1);
            assert_eq!(store.stats().damaged_rows, 200);
            assert_eq!(files(&copy.path().join("aside")).len(), 1);
        }
    }
}

#[test]
fn a_manifest_that_is_lost_or_damaged_is_made_anew() {
    for lose in [true, false] {
        let directory = tempfile::tempdir().expect("a directory");
        let samples = Sample::many(0, 900, 8);
        let store = open(directory.path(), options());
        for chunk in samples.chunks(300) {
            append(&store, chunk).wait().expect("kept");
            assert!(store.flush(LIMIT));
        }
        drop(store);
        let manifest = directory.path().join("manifest");
        if lose {
            std::fs::remove_file(&manifest).expect("removed");
        } else {
            let mut octets = std::fs::read(&manifest).expect("readable");
            octets[40] ^= 1;
            std::fs::write(&manifest, octets).expect("written");
        }
        let store = open(directory.path(), options());
        assert_eq!(store.stats().rebuilt_manifests, 1);
        assert_all(&store, &samples);
        let more = Sample::many(900, 10, 9);
        append(&store, &more).wait().expect("kept");
        drop(store);
        let store = open(directory.path(), options());
        assert_all(&store, &[samples, more].concat());
    }
}

/// A copy of `from` in which `file` has one bit flipped at `at`.
fn flipped(from: &Path, file: &Path, at: usize) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a directory");
    copy_tree(from, copy.path());
    let inside = file.strip_prefix(from).expect("a file of the store");
    let victim = copy.path().join(inside);
    let mut octets = std::fs::read(&victim).expect("readable");
    octets[at] ^= 1 << (at % 8);
    std::fs::write(&victim, octets).expect("written");
    copy
}

fn size(file: &Path) -> usize {
    let octets = std::fs::metadata(file).expect("a file").len();
    usize::try_from(octets).expect("small")
}

/// The log files that a store of these samples leaves when it is killed: one for each hundred, which a full disk
/// keeps from becoming segments.
fn killed_with_logs(samples: &[Sample]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = hepcat_store::FaultyDisk::default();
    disk.set_free_space(Some(0));
    let mut options = options();
    options.disk = std::sync::Arc::new(disk);
    let store = open(directory.path(), options);
    for chunk in samples.chunks(100) {
        append(&store, chunk).wait().expect("kept");
        freeze(&store);
    }
    let killed = tempfile::tempdir().expect("a directory");
    copy_tree(directory.path(), killed.path());
    killed
}

#[test]
fn a_bit_that_flips_in_a_log_file_costs_the_rows_behind_it_there() {
    let samples = Sample::many(0, 200, 41);
    let killed = killed_with_logs(&samples);
    let mut logs = files(&killed.path().join("log"));
    logs.sort();
    assert_eq!(logs.len(), 2);
    let all: BTreeMap<i64, usize> = (0..200).map(|serial| (serial, 1)).collect();
    for (number, log) in logs.iter().enumerate() {
        for at in (0..size(log)).step_by(size(log) / 8) {
            let copy = flipped(killed.path(), log, at);
            let store = open(copy.path(), options());
            let there = serials(&store);
            let stats = store.stats();
            assert!(
                there
                    .iter()
                    .all(|row| all.contains_key(row.0) && *row.1 == 1)
            );
            // The other file is whole.
            let other = if number == 0 { 100..200 } else { 0..100 };
            assert!(other.clone().all(|serial| there.contains_key(&serial)));
            // Of the file that was being written, the last frame may be torn; in an older one, that is damage.
            // The mark of the end, which the last 20 octets are, has no rows.
            let lost = there.len() < 200;
            let in_mark = at + 20 >= size(log);
            assert_eq!(lost, !in_mark, "octet {at} of {}", log.display());
            if number == 0 {
                assert_eq!(stats.damaged_logs, 1, "octet {at}");
                assert_eq!(files(&copy.path().join("aside")).len(), 1);
            }
            assert!(store.flush(LIMIT));
            assert_eq!(serials(&store), there);
        }
    }
}

#[test]
fn a_bit_that_flips_in_the_manifest_costs_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let samples = Sample::many(0, 300, 42);
    let store = open(directory.path(), options());
    for chunk in samples.chunks(100) {
        append(&store, chunk).wait().expect("kept");
        assert!(store.flush(LIMIT));
    }
    let killed = tempfile::tempdir().expect("a directory");
    copy_tree(directory.path(), killed.path());
    drop(store);
    let manifest = killed.path().join("manifest");
    let octets = std::fs::read(&manifest).expect("readable");
    let last_line = octets[..octets.len() - 1]
        .iter()
        .rposition(|octet| *octet == b'\n')
        .expect("lines");
    for at in (0..last_line).step_by(last_line / 10) {
        let copy = flipped(killed.path(), &manifest, at);
        let store = open(copy.path(), options());
        assert_eq!(store.stats().rebuilt_manifests, 1, "octet {at}");
        assert_all(&store, &samples);
    }
}
