//! A spool against a model of one, over random operations, kills and damage; and each promise by itself.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

/// Long enough for a small spool to have several files, short enough to have many frames.
fn frame(number: u64) -> Bytes {
    format!("{number:08}{}", "x".repeat(1000)).into()
}

fn number(frame: &Bytes) -> u64 {
    std::str::from_utf8(&frame[..8]).unwrap().parse().unwrap()
}

struct Bed {
    directory: TempDir,
    disk: FaultyDisk,
}

impl Bed {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            disk: FaultyDisk::default(),
        }
    }

    fn config(&self) -> SpoolConfig {
        SpoolConfig::new(self.directory.path().join("homer"))
            .max_octets(SpoolConfig::SMALLEST)
            .disk(Arc::new(self.disk.clone()))
    }

    fn open(&self) -> (Spool, Opened) {
        Spool::open(&self.config(), 0).unwrap()
    }

    fn files(&self, suffix: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.path().join("homer")).unwrap();
        let mut paths: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(suffix))
            .collect();
        paths.sort();
        paths
    }
}

fn append(spool: &mut Spool, numbers: std::ops::Range<u64>) -> Appended {
    let frames: Vec<_> = numbers.map(frame).collect();
    let mut appended = Appended::default();
    for frames in frames.chunks(50) {
        spool.append(frames, 0, &mut appended).unwrap();
    }
    appended
}

fn read(spool: &mut Spool, frames: usize) -> (Vec<u64>, Read) {
    let (mut out, mut read) = (VecDeque::new(), Read::default());
    spool
        .read(frames, usize::MAX, 0, &mut out, &mut read)
        .unwrap();
    (out.iter().map(number).collect(), read)
}

fn flip(path: &Path, bit: usize) {
    let mut octets = fs::read(path).unwrap();
    octets[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, octets).unwrap();
}

#[test]
fn what_was_appended_is_read_in_order_and_its_files_go() {
    let bed = Bed::new();
    let (mut spool, opened) = bed.open();
    assert_eq!(opened, Opened::default());
    append(&mut spool, 0..500);
    assert!(bed.files(".spool").len() > 3);
    assert_eq!(read(&mut spool, 1000).0, (0..500).collect::<Vec<_>>());
    assert_eq!(spool.acknowledge(500), 0);
    spool.rest().unwrap();
    assert_eq!(bed.files(".spool"), Vec::<PathBuf>::new());
    assert_eq!((spool.octets(), spool.unread()), (0, 0));
}

#[test]
fn a_kill_repeats_what_was_handed_out_and_not_acknowledged() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    append(&mut spool, 0..100);
    read(&mut spool, 30);
    spool.acknowledge(10);
    spool.write_cursor().unwrap();
    spool.acknowledge(10);
    drop(spool);
    let (mut spool, opened) = bed.open();
    assert_eq!(opened.frames, 90);
    assert_eq!(read(&mut spool, 1000).0, (10..100).collect::<Vec<_>>());
    assert_eq!(spool.acknowledge(90), 20, "those that may come twice");
}

#[test]
fn two_at_once_is_refused_until_the_first_is_closed() {
    let bed = Bed::new();
    let (spool, _) = bed.open();
    let error = Spool::open(&bed.config(), 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(spool);
    bed.open();
}

#[test]
fn a_torn_tail_costs_the_last_record_and_what_comes_later_is_read() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    append(&mut spool, 0..10);
    drop(spool);
    let path = &bed.files(".spool")[0];
    let length = fs::metadata(path).unwrap().len();
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length - 1)
        .unwrap();
    let (mut spool, opened) = bed.open();
    assert_eq!(opened.frames, 9);
    assert!(opened.torn_octets > 0);
    append(&mut spool, 9..12);
    let (numbers, read) = read(&mut spool, 100);
    assert_eq!(numbers, (0..12).collect::<Vec<_>>());
    assert_eq!(read.damaged, 0);
}

#[test]
fn a_flipped_bit_in_the_middle_costs_that_record_and_is_counted() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    append(&mut spool, 0..10);
    flip(&bed.files(".spool")[0], 8 * 2500);
    let (numbers, read) = read(&mut spool, 100);
    assert_eq!(numbers, [0, 1, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!((read.frames, read.damaged), (9, 1));
    assert_eq!(spool.unread(), 0);
}

#[test]
fn a_damaged_header_and_a_foreign_file_are_set_aside_and_their_frames_counted() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    append(&mut spool, 0..500);
    drop(spool);
    let files = bed.files(".spool");
    flip(&files[1], 100);
    fs::write(bed.directory.path().join("homer/hello.spool"), [7; 100]).unwrap();
    let (mut spool, opened) = bed.open();
    assert_eq!((opened.frames, opened.set_aside.len()), (500, 2));
    assert_eq!(bed.files(".damaged").len(), 2);
    let (numbers, read) = read(&mut spool, 1000);
    assert_eq!(read.frames + read.damaged, 500);
    assert!(read.damaged > 50 && numbers.is_sorted());
}

#[test]
fn a_short_file_of_somebody_else_is_set_aside_and_one_that_was_begun_goes() {
    let bed = Bed::new();
    drop(bed.open());
    let path = |name: &str| bed.directory.path().join("homer").join(name);
    fs::write(path("00000000000000009999.spool"), "a note").unwrap();
    fs::write(path("00000000000000007777.spool"), "").unwrap();
    fs::write(path("00000000000000008888.spool"), b"HEPCATSP\x01\0").unwrap();
    let (_spool, opened) = bed.open();
    assert_eq!(opened.set_aside.len(), 1, "{opened:?}");
    assert_eq!(bed.files(".damaged").len(), 1);
    assert_eq!(bed.files(".spool"), Vec::<PathBuf>::new());
}

#[test]
fn a_damaged_cursor_repeats_and_loses_nothing() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    append(&mut spool, 0..10);
    read(&mut spool, 5);
    spool.acknowledge(5);
    spool.write_cursor().unwrap();
    drop(spool);
    fs::write(bed.directory.path().join("homer/cursor"), "nonsense").unwrap();
    let (mut spool, opened) = bed.open();
    assert_eq!((opened.frames, opened.set_aside.len()), (10, 1));
    assert_eq!(read(&mut spool, 100).0.len(), 10);
}

#[test]
fn the_oldest_make_room_or_the_newest_are_refused() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    let appended = append(&mut spool, 0..2000);
    assert_eq!(appended.written, 2000);
    assert!(spool.octets() <= SpoolConfig::SMALLEST);
    let (numbers, _) = read(&mut spool, 5000);
    assert_eq!(numbers, (appended.displaced..2000).collect::<Vec<_>>());
    drop(spool);

    let bed = Bed::new();
    let config = bed.config().when_full(SpoolFull::DropNewest);
    let (mut spool, _) = Spool::open(&config, 0).unwrap();
    let appended = append(&mut spool, 0..2000);
    assert_eq!(appended.displaced, 0);
    assert!((900..1025).contains(&appended.written), "{appended:?}");
    assert!(spool.octets() <= SpoolConfig::SMALLEST);
    assert_eq!(read(&mut spool, 5000).0.len(), appended.written);
}

#[test]
fn the_old_are_dropped_by_file_and_by_record() {
    let bed = Bed::new();
    let config = bed.config().max_age(Duration::from_secs(16));
    let (mut spool, _) = Spool::open(&config, 0).unwrap();
    let mut appended = Appended::default();
    for (number, now) in (0..40).zip((0..).step_by(500)) {
        spool.append(&[frame(number)], now, &mut appended).unwrap();
    }
    // Written at 0, 500, ... 19,500 ms, into files of a second each.
    let expired = spool.expire(20_000);
    assert!((6..9).contains(&expired), "{expired}");
    let (mut out, mut read) = (VecDeque::new(), Read::default());
    spool
        .read(100, usize::MAX, 20_250, &mut out, &mut read)
        .unwrap();
    assert_eq!(expired + read.expired, 9);
    assert_eq!(number(&out[0]), 9);
    assert_eq!(spool.acknowledge(out.len() as u64), 0);
    assert_eq!(spool.unread(), 0);
}

#[test]
fn a_full_disk_leaves_what_was_spooled_and_takes_more_when_there_is_room() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    bed.disk.set_longest_write(Some(700));
    append(&mut spool, 0..10);
    bed.disk.set_room(Some(1500));
    let frames: Vec<_> = (10..20).map(frame).collect();
    let mut appended = Appended::default();
    for _ in 0..3 {
        let error = spool.append(&frames, 0, &mut appended).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
    assert_eq!((appended.written, spool.unread()), (0, 10));
    bed.disk.set_room(None);
    spool.append(&frames, 0, &mut appended).unwrap();
    let (numbers, read) = read(&mut spool, 100);
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert_eq!(read.damaged, 0);
    drop(spool);
    let (mut spool, opened) = bed.open();
    assert_eq!(opened.frames, 20);
    assert_eq!(self::read(&mut spool, 100).0.len(), 20);
}

#[test]
fn what_came_first_in_memory_is_kept_in_front() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    append(&mut spool, 5..10);
    let head: Vec<_> = (0..5).map(frame).collect();
    spool.keep_head(&head, 0).unwrap();
    drop(spool);
    let (mut spool, opened) = bed.open();
    assert_eq!(opened.frames, 10);
    assert_eq!(read(&mut spool, 7).0, (0..7).collect::<Vec<_>>());
    assert_eq!(spool.acknowledge(6), 5);
    assert!(bed.files("head.spool").is_empty());
    drop(spool);
    assert_eq!(bed.open().1.frames, 5);
}

#[test]
fn what_is_still_in_memory_need_not_be_read_back() {
    let bed = Bed::new();
    let (mut spool, _) = bed.open();
    for round in 0..10 {
        append(&mut spool, round * 10..round * 10 + 5);
        spool.hand_out_unread();
        append(&mut spool, round * 10 + 5..round * 10 + 10);
        let expected: Vec<_> = (round * 10 + 5..round * 10 + 10).collect();
        assert_eq!(read(&mut spool, 100).0, expected);
    }
    assert_eq!(spool.acknowledge(100), 0);
    spool.rest().unwrap();
    assert!(bed.files(".spool").is_empty());
}

/// What may happen to a spool.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Read(usize),
    HandOut,
    Acknowledge(usize),
    Cursor,
    Rest,
    Seal,
    Sync,
    Kill,
    /// An append that fails after so many octets.
    Full(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..60_usize).prop_map(Step::Append),
        3 => (1..90_usize).prop_map(Step::Read),
        1 => Just(Step::HandOut),
        3 => (1..90_usize).prop_map(Step::Acknowledge),
        2 => Just(Step::Cursor),
        1 => Just(Step::Rest),
        1 => Just(Step::Seal),
        1 => Just(Step::Sync),
        2 => Just(Step::Kill),
        1 => (1..20_usize, 0..20_000_u64).prop_map(|(frames, room)| Step::Full(frames, room)),
    ]
}

/// What a spool should hold: everything that was appended, and how far it is read.
#[derive(Debug, Default)]
struct Model {
    appended: u64,
    read: u64,
    acknowledged: u64,
    /// As written down.
    kept: (u64, u64),
    repeated_below: u64,
}

impl Model {
    fn keep(&mut self) {
        self.kept = (self.acknowledged, self.read);
    }
}

proptest! {
    #[test]
    fn a_spool_does_what_its_model_does(steps in prop::collection::vec(step(), 1..80)) {
        let bed = Bed::new();
        let config = bed.config().max_octets(64 << 20);
        let config = SpoolConfig { max_octets: config.max_octets, ..config };
        let mut spool = Spool::open(&config, 0).unwrap().0;
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let appended = append(&mut spool, model.appended..model.appended + count as u64);
                    prop_assert_eq!(appended.written, count);
                    model.appended += count as u64;
                }
                Step::Read(count) => {
                    let (numbers, _) = read(&mut spool, count);
                    let end = (model.read + count as u64).min(model.appended);
                    prop_assert_eq!(numbers, (model.read..end).collect::<Vec<_>>());
                    model.read = end;
                }
                Step::HandOut => {
                    spool.hand_out_unread();
                    model.read = model.appended;
                }
                Step::Acknowledge(count) => {
                    let count = (count as u64).min(model.read - model.acknowledged);
                    let repeated = spool.acknowledge(count);
                    let end = model.acknowledged + count;
                    let expected = end.min(model.repeated_below).saturating_sub(model.acknowledged);
                    prop_assert_eq!(repeated, expected);
                    model.acknowledged = end;
                }
                Step::Cursor => {
                    spool.write_cursor().unwrap();
                    model.keep();
                }
                Step::Rest => {
                    let octets = spool.octets();
                    spool.rest().unwrap();
                    if spool.octets() != octets {
                        model.keep();
                    }
                }
                Step::Seal => spool.seal(),
                Step::Sync => spool.take_unsynced().sync().unwrap(),
                Step::Kill => {
                    drop(spool);
                    let opened;
                    (spool, opened) = Spool::open(&config, 0).unwrap();
                    (model.acknowledged, model.repeated_below) = model.kept;
                    model.read = model.acknowledged;
                    prop_assert_eq!(opened.frames, model.appended - model.read);
                    prop_assert_eq!(opened.set_aside.len(), 0);
                }
                Step::Full(count, room) => {
                    bed.disk.set_room(Some(room));
                    let frames: Vec<_> = (0..count as u64).map(|n| frame(model.appended + n)).collect();
                    let mut appended = Appended::default();
                    if spool.append(&frames, 0, &mut appended).is_ok() {
                        model.appended += count as u64;
                    }
                    bed.disk.set_room(None);
                }
            }
            prop_assert_eq!(spool.unread(), model.appended - model.read);
        }
    }

    #[test]
    fn damage_anywhere_loses_no_count_and_no_order(
        batches in prop::collection::vec(1..80_u64, 1..8),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
    ) {
        let bed = Bed::new();
        let total: u64 = batches.iter().sum();
        let mut spool = bed.open().0;
        let mut from = 0;
        for batch in batches {
            append(&mut spool, from..from + batch);
            from += batch;
        }
        drop(spool);
        for (file, bit) in flips {
            let files = bed.files(".spool");
            let path = &files[file.index(files.len())];
            flip(path, bit.index(fs::read(path).unwrap().len() * 8));
        }
        let (mut spool, opened) = bed.open();
        prop_assert!(opened.frames <= total);
        let (numbers, read) = read(&mut spool, 10_000);
        prop_assert!(numbers.is_sorted_by(|a, b| a < b));
        prop_assert_eq!(read.frames + read.damaged, opened.frames);
        prop_assert_eq!(spool.unread(), 0);
        prop_assert_eq!(spool.acknowledge(read.frames), 0);
    }
}
