//! A kill, or a full disk, while retention removes segments or a damaged one is set aside: what was not meant is all
//! there, once, and what was meant is there whole or gone.

mod kit;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use hepcat_store::{FaultyDisk, Options, Run, Search, Store};
use kit::{LIMIT, Sample, append, copy_tree, files, open, options, serials};
use tempfile::TempDir;

type Serials = BTreeMap<i64, usize>;

/// Four flushes of four classes each.
fn begun() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(directory.path(), options());
    for chunk in Sample::many(0, 400, 61).chunks(100) {
        append(&store, chunk).wait().expect("kept");
        assert!(store.flush(LIMIT));
    }
    drop(store);
    directory
}

fn copy(of: &Path) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    copy_tree(of, directory.path());
    directory
}

fn with(disk: &FaultyDisk, mut options: Options) -> Options {
    options.disk = Arc::new(disk.clone());
    options
}

/// Half of what is there may stay.
fn half(of: &Path) -> Options {
    let store = open(of, options());
    let octets = store.stats().segment_octets;
    let mut options = options();
    options.retention.max_octets = Some(octets / 2);
    options
}

/// Runs `act` over copies of a store, with a kill at each step and with a full disk at each step, until no step is left;
/// `after` looks at what the next start finds.
fn at_every_step(
    of: &Path,
    settings: &Options,
    act: &dyn Fn(&Store),
    after: &dyn Fn(&Path, &str),
) -> usize {
    for step in 0.. {
        let (killed, filled) = (copy(of), copy(of));
        let disk = FaultyDisk::default();
        disk.crash_at(step);
        if let Ok(store) = Store::open(killed.path(), with(&disk, settings.clone())) {
            act(&store);
        }
        after(killed.path(), &format!("killed at step {step}"));
        let full = FaultyDisk::default();
        full.full_at(step..step + 3);
        if let Ok(store) = Store::open(filled.path(), with(&full, settings.clone())) {
            act(&store);
        }
        after(filled.path(), &format!("full at step {step}"));
        if !disk.crashed() {
            return usize::try_from(step).expect("few");
        }
        assert!(step < 300, "this has no end");
    }
    unreachable!("there is an end above")
}

#[test]
fn retention_that_is_interrupted_has_happened_or_not() {
    let begun = begun();
    let settings = half(begun.path());
    let all = serials(&open(begun.path(), options()));
    // What an undisturbed run leaves.
    let undisturbed = copy(begun.path());
    let left: Serials = {
        let store = open(undisturbed.path(), settings.clone());
        let planned = store.retention(Run::Dry);
        assert_eq!(store.retention(Run::Real), planned);
        serials(&store)
    };
    assert!(!left.is_empty() && left.len() < all.len(), "{}", left.len());
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let steps = at_every_step(
        begun.path(),
        &settings,
        &|store| {
            store.retention(Run::Real);
        },
        &|path, what| {
            let store = open(path, settings.clone());
            let there = serials(&store);
            assert!(
                there == all || there == left,
                "{what}: {} rows",
                there.len()
            );
            seen.borrow_mut().insert(there.len());
            assert!(store.check().damaged.is_empty(), "{what}");
            // The next run does it, and leaves no file of what went.
            store.retention(Run::Real);
            assert_eq!(serials(&store), left, "{what}");
            let segments = store.stats().segments;
            drop(store);
            let files = files(&path.join("segments"));
            assert_eq!(files.len() as u64, segments, "{what}: {files:?}");
        },
    );
    assert!(steps > 8, "{steps} steps are too few to mean anything");
    assert_eq!(seen.into_inner().len(), 2, "both happened");
}

#[test]
fn a_damaged_segment_that_is_set_aside_costs_its_own_rows_whenever_that_is_interrupted() {
    let begun = begun();
    let all = serials(&open(begun.path(), options()));
    let victim = files(&begun.path().join("segments"))
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/registration-"))
        .expect("a segment");
    let mut octets = std::fs::read(&victim).expect("readable");
    octets[600] ^= 4;
    std::fs::write(&victim, octets).expect("written");
    let look = |store: &Store| {
        let mut found = store.search(Search::default()).expect("searched");
        let mut there = Serials::new();
        for rows in found.by_ref() {
            for row in rows.expect("damage is no error").rows().iter() {
                *there.entry(row.capture_id.expect("a serial")).or_default() += 1;
            }
        }
        (there, found.report().unreadable)
    };
    let steps = at_every_step(
        begun.path(),
        &options(),
        &|store| {
            let (there, unreadable) = look(store);
            assert_eq!((there.len(), unreadable), (all.len() - 20, 1));
        },
        &|path, what| {
            let store = open(path, options());
            let (there, unreadable) = look(&store);
            assert!(there.values().all(|times| *times == 1), "{what}");
            assert_eq!(there.len(), all.len() - 20, "{what}");
            // Either it is aside already, or this search found it.
            let aside = path.join("aside");
            let aside = if aside.is_dir() {
                files(&aside)
            } else {
                Vec::new()
            };
            assert_eq!(aside.len(), 1, "{what}: {unreadable} unreadable, {aside:?}");
            assert!(store.check().damaged.is_empty(), "{what}");
        },
    );
    assert!(steps > 4, "{steps} steps are too few to mean anything");
}
