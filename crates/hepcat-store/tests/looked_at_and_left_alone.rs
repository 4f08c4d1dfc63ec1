//! A directory that nobody has open is looked at without changing anything; one that is open is checked as it runs.

mod kit;

use std::{collections::BTreeMap, path::Path, time::Duration};

use hepcat_store::{Class, Inspection, OpenError, Reason, Retention, Run};
use kit::{BEGIN, LIMIT, SECOND, Sample, append, assert_all, files, freeze, open, options};

/// Every file but the lock with what is in it.
fn contents(directory: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut contents: BTreeMap<_, _> = files(directory)
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(path).expect("readable")))
        .collect();
    contents.remove(&directory.join("lock"));
    contents
}

/// Segments of a thousand rows, closed.
fn closed(samples: &[Sample]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    append(&store, samples).wait().expect("kept");
    assert!(store.flush(LIMIT));
    drop(store);
    directory
}

fn flip(path: &Path, at: usize) {
    let mut octets = std::fs::read(path).expect("readable");
    octets[at] ^= 1;
    std::fs::write(path, octets).expect("written");
}

#[test]
fn what_holds_is_said_to_hold_and_stays_as_it_is() {
    let directory = closed(&Sample::many(0, 1_000, 51));
    let before = contents(directory.path());
    let inspection = Inspection::open(directory.path()).expect("nobody has it");
    let report = inspection.check();
    assert_eq!((report.rows, report.segments), (1_000, 4));
    assert_eq!(report.damaged, []);
    let inventory = inspection.inventory();
    let rows: u64 = inventory.segments.iter().map(|one| one.rows).sum();
    let octets: u64 = inventory.segments.iter().map(|one| one.octets).sum();
    assert_eq!((rows, octets), (1_000, report.octets));
    assert_eq!(inventory.received, Some((BEGIN, BEGIN + 999 * 1_000)));
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn damage_is_named_by_file_and_reason_and_left_alone() {
    let directory = closed(&Sample::many(0, 1_000, 52));
    let segment = files(&directory.path().join("segments"))
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/registration-"))
        .expect("a segment");
    flip(&segment, 700);
    let before = contents(directory.path());
    let inspection = Inspection::open(directory.path()).expect("nobody has it");
    let report = inspection.check();
    assert_eq!((report.rows, report.damaged.len()), (800, 1));
    assert_eq!(report.damaged[0].path, segment);
    assert_eq!(report.damaged[0].rows, 200);
    assert!(!report.damaged[0].what.is_empty());
    assert_eq!(contents(directory.path()), before);
    drop(inspection);

    // A segment that is not there, and a manifest that does not hold.
    std::fs::remove_file(&segment).expect("removed");
    let inspection = Inspection::open(directory.path()).expect("nobody has it");
    assert!(
        inspection.check().damaged[0]
            .what
            .contains("cannot be read")
    );
    drop(inspection);
    let manifest = directory.path().join("manifest");
    flip(&manifest, 40);
    let before = contents(directory.path());
    let inspection = Inspection::open(directory.path()).expect("nobody has it");
    let report = inspection.check();
    assert_eq!(report.damaged.len(), 1, "{report:?}");
    assert_eq!(report.damaged[0].path, manifest);
    assert_eq!(report.rows, 800);
    assert_eq!(contents(directory.path()), before);
}

#[test]
fn a_directory_that_somebody_has_open_is_refused_and_one_without_a_store_is_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    let refused = Inspection::open(directory.path());
    assert!(
        matches!(refused, Err(OpenError::InUse { .. })),
        "{refused:?}"
    );
    drop(store);
    let inspection = Inspection::open(directory.path()).expect("nobody has it");
    let refused = hepcat_store::Store::open(directory.path(), options());
    assert!(
        matches!(refused, Err(OpenError::InUse { .. })),
        "{refused:?}"
    );
    drop(inspection);
    let nowhere = directory.path().join("nowhere");
    assert!(Inspection::open(&nowhere).is_err());
    assert!(!nowhere.exists());
}

#[test]
fn retention_says_what_would_go_by_rules_that_are_tried() {
    let directory = closed(&Sample::many(0, 1_000, 53));
    let inspection = Inspection::open(directory.path()).expect("nobody has it");
    let hour = 3_600 * SECOND;
    let mut rules = Retention::default();
    rules.max_age = Some(Duration::from_hours(48));
    rules
        .classes
        .insert(Class::Options, Duration::from_hours(1));
    let went = |now| {
        let expired = inspection.retention(&rules, now);
        expired
            .iter()
            .map(|one| (one.class, one.reason))
            .collect::<Vec<_>>()
    };
    assert_eq!(went(BEGIN + hour / 2), []);
    assert_eq!(went(BEGIN + 2 * hour), [(Class::Options, Reason::Class)]);
    assert_eq!(went(BEGIN + 49 * hour).len(), 4);
}

#[test]
fn a_store_that_runs_checks_its_log_and_writes_a_damaged_manifest_anew() {
    let samples = Sample::many(0, 300, 54);
    let directory = tempfile::tempdir().expect("a directory");
    let disk = hepcat_store::FaultyDisk::default();
    let mut options = options();
    options.disk = std::sync::Arc::new(disk.clone());
    let store = open(directory.path(), options);
    append(&store, &samples[..100]).wait().expect("kept");
    assert!(store.flush(LIMIT));
    // What follows stays in the log.
    disk.set_free_space(Some(0));
    append(&store, &samples[100..200]).wait().expect("kept");
    freeze(&store);
    append(&store, &samples[200..]).wait().expect("kept");
    let report = store.check();
    assert_eq!(report.damaged, []);
    assert_eq!((report.rows, report.log_rows, report.logs), (100, 200, 2));

    let mut logs = files(&directory.path().join("log"));
    logs.sort();
    flip(&logs[0], 60);
    let manifest = directory.path().join("manifest");
    flip(&manifest, 40);
    let report = store.check();
    let damaged: Vec<&Path> = report
        .damaged
        .iter()
        .map(|one| one.path.as_path())
        .collect();
    assert_eq!(damaged, [manifest.as_path(), logs[0].as_path()]);
    assert!(report.damaged[0].what.contains("written anew"));
    // The manifest is whole again, and everything is still found: the log is read only at a start.
    let again = store.check();
    assert_eq!(again.damaged.len(), 1, "{again:?}");
    assert_all(&store, &samples);
    store.end_tidying();
    assert!(store.check().unfinished);
    assert_eq!(store.compact().merges, 0);
    assert_eq!(store.retention(Run::Dry), []);
}
