//! A store that was written in format 1 stays readable: `testdata/store/format-1` never changes.

mod kit;

use std::path::{Path, PathBuf};

use hepcat_store::{Column, Filter, OpenError, Store};
use kit::{LIMIT, Sample, append, assert_all, copy_tree, fitting, open, options};

fn committed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/store/format-1")
}

/// Twenty in segments, twenty in others, twenty in the log.
fn samples() -> Vec<Sample> {
    Sample::many(0, 60, 1)
}

#[test]
fn a_store_of_format_1_is_read_searched_and_merged() {
    let directory = tempfile::tempdir().expect("a directory");
    copy_tree(&committed(), directory.path());
    let store = open(directory.path(), options());
    let stats = store.stats();
    assert_eq!((stats.replayed, stats.rebuilt_manifests), (20, 0));
    assert_all(&store, &samples());
    let call = fitting(&store, Filter::is(Column::CallId, "call-3"));
    assert_eq!(call, [11, 10, 9]);
    assert!(store.flush(LIMIT));
    store.compact();
    assert!(store.check().damaged.is_empty());
    assert_all(&store, &samples());
}

#[test]
fn a_log_file_of_a_later_version_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    copy_tree(&committed(), directory.path());
    let log = directory.path().join("log/0000000002.log");
    let mut octets = std::fs::read(&log).expect("readable");
    octets[8..10].copy_from_slice(&3_u16.to_le_bytes());
    std::fs::write(&log, &octets).expect("written");
    let refused = Store::open(directory.path(), options()).expect_err("from the future");
    let OpenError::Newer { path, found, known } = &refused else {
        panic!("{refused}");
    };
    assert_eq!((path, *found, *known), (&log, 3, 2));
    assert_eq!(std::fs::read(&log).expect("still there"), octets);
}

/// How the files were made, once, by the program that first wrote format 1.
#[test]
#[ignore = "makes the committed files anew"]
fn make_the_committed_store() {
    if std::env::var_os("HEPCAT_MAKE_FORMAT_1").is_none() {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    let samples = samples();
    for chunk in samples[..40].chunks(20) {
        append(&store, chunk).wait().expect("kept");
        assert!(store.flush(LIMIT));
    }
    append(&store, &samples[40..]).wait().expect("kept");
    copy_tree(directory.path(), &committed());
}
