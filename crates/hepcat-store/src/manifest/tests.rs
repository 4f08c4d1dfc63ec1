use super::*;
use crate::{disk::FaultyDisk, row::Class};

fn entry(number: u64) -> SegmentEntry {
    SegmentEntry {
        number,
        class: Class::Call,
        hour: 1,
        level: 0,
        rows: 10,
        octets: 1_000,
        received: (1, 2),
        time: (1, 2),
        ids: (3, 4),
        tail: Tail::default(),
    }
}

fn add(number: u64) -> Edit {
    Edit {
        add: vec![entry(number)],
        ..Edit::default()
    }
}

fn place() -> (tempfile::TempDir, FaultyDisk, Paths) {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = Paths::new(directory.path());
    let disk = FaultyDisk::default();
    for path in paths.directories() {
        disk.make_directory(&path).expect("made");
    }
    (directory, disk, paths)
}

fn numbers(disk: &FaultyDisk, paths: &Paths) -> Vec<u64> {
    match read(disk, paths).expect("readable") {
        Found::Sound(state) => state.segments.into_keys().collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn steps_are_there_again_and_a_torn_one_is_not() {
    let (_directory, disk, paths) = place();
    let mut manifest =
        Manifest::begin(Arc::new(disk.clone()), paths.clone(), State::default()).expect("begun");
    manifest.commit(add(1)).expect("committed");
    manifest.commit(add(2)).expect("committed");
    let edit = Edit {
        remove: vec![1],
        done: Some(7),
        ..Edit::default()
    };
    manifest.commit(edit).expect("committed");
    assert_eq!(numbers(&disk, &paths), [2]);
    let whole = std::fs::read(paths.manifest()).expect("readable");
    for cut in 1..=whole.len() {
        let found = parse(&whole[..cut]);
        let lines = whole[..cut].iter().filter(|octet| **octet == b'\n').count();
        match found {
            Found::Sound(state) => assert_eq!(
                state.segments.into_keys().collect::<Vec<_>>(),
                [&[][..], &[1], &[1, 2], &[2]][lines - 1]
            ),
            Found::Damaged(1) => assert_eq!(lines, 0),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_flipped_bit_is_seen_wherever_it_is() {
    let (_directory, disk, paths) = place();
    let mut manifest =
        Manifest::begin(Arc::new(disk), paths.clone(), State::default()).expect("begun");
    manifest.commit(add(1)).expect("committed");
    manifest.commit(add(2)).expect("committed");
    let whole = std::fs::read(paths.manifest()).expect("readable");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        match parse(&damaged) {
            Found::Damaged(_) => {}
            // The end of the last line is gone: it counts as one that was being written.
            Found::Sound(state) if at == whole.len() - 1 => assert_eq!(state.segments.len(), 1),
            // A digit of a checksum in upper case says the same.
            Found::Sound(state) => {
                assert!(damaged[at].is_ascii_uppercase(), "octet {at}");
                assert_eq!(state.segments.len(), 2);
            }
            other => panic!("{other:?} with octet {at} damaged"),
        }
    }
}

#[test]
fn a_step_that_failed_has_not_happened_and_the_next_one_does() {
    for fault in 0..2 {
        let (_directory, disk, paths) = place();
        let mut manifest = Manifest::begin(Arc::new(disk.clone()), paths.clone(), State::default())
            .expect("begun");
        manifest.commit(add(1)).expect("committed");
        let steps = disk.steps();
        disk.full_at(steps + fault..steps + fault + 1);
        disk.set_failing_syncs(fault % 2 == 1);
        let done = manifest.commit(add(2)).is_ok();
        disk.set_failing_syncs(false);
        assert_eq!(manifest.state().segments.contains_key(&2), done);
        manifest.commit(add(3)).expect("the fault is over");
        let expected: &[u64] = if done { &[1, 2, 3] } else { &[1, 3] };
        assert_eq!(numbers(&disk, &paths), expected);
    }
}

#[test]
fn what_a_segment_replaces_does_not_count_when_the_manifest_is_made_anew() {
    let footer = |number: u64, level: u8, generation: u32, replaces: &[u64]| Footer {
        entry: SegmentEntry {
            level,
            ids: (0, crate::row::RowId::new(1, generation, 5).get()),
            ..entry(number)
        },
        replaces: replaces.to_vec(),
    };
    let footers = vec![
        footer(1, 0, 3, &[]),
        footer(2, 0, 4, &[]),
        footer(4, 1, 4, &[1, 2]),
        footer(5, 0, 5, &[]),
        footer(6, 0, 6, &[]),
    ];
    let state = rebuild(1, footers, &std::collections::BTreeSet::from([6, 7]));
    assert_eq!(state.segments.keys().copied().collect::<Vec<_>>(), [4, 5]);
    assert_eq!(
        (state.done, state.next_generation, state.next_segment),
        (6, 8, 7)
    );
}
