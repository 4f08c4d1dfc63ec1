//! Files of open calls: those of earlier versions are read, and a damaged one is set aside.
//!
//! `saved/` has both as they were written before legs were packed as they are now, with the records of their calls.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;

use hepcat::{
    agents::ClockBounds,
    call::{CallRecord, Limits, Rules, Tracker},
    sink::store::calls::Calls,
};
use tempfile::TempDir;

use crate::{
    feed::{calls_of, seen, tracker},
    scenes,
};

const OPEN: &[u8] = include_bytes!("saved/calls.open");
const JSON: &[u8] = include_bytes!("saved/calls.json");
const RECORDS: &[u8] = include_bytes!("saved/records.json");

fn opened(directory: &TempDir) -> (Calls, Option<i64>) {
    let file = directory.path().join("calls.open");
    Calls::open(
        file,
        Limits::default(),
        Rules::default(),
        ClockBounds::default(),
    )
}

fn open(tracker: &Tracker) -> Vec<CallRecord> {
    let mut calls: Vec<CallRecord> = tracker.open_calls().collect();
    calls.sort_by_key(|call| call.id);
    calls
}

/// That what was read is what was written, and goes on as if there had been no restart.
fn goes_on(calls: &Calls) {
    let mut read = calls.tracker().lock();
    let written: Vec<CallRecord> = serde_json::from_slice(RECORDS).unwrap();
    assert_eq!(open(&read), written);
    assert_eq!(read.registrations().count(), 1);
    let mut whole = tracker();
    for number in 0..3 {
        let scene = scenes::basic(&format!("{number:08x}@10.0.0.1"));
        for (place, observation) in scene.observations.iter().enumerate() {
            whole.ingest(&seen(1, observation));
            // So many were heard when the file was written.
            if place >= 3 + number {
                read.ingest(&seen(1, observation));
            }
        }
    }
    read.close_all();
    whole.close_all();
    let read = calls_of(read.take_finished());
    for call in calls_of(whole.take_finished()) {
        let same = read.iter().find(|read| read.id == call.id);
        assert_eq!(same, Some(&call));
    }
}

#[test]
fn a_file_of_an_earlier_version_is_read() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("calls.open"), OPEN).unwrap();
    let (calls, mark) = opened(&directory);
    assert_eq!(mark, Some(23));
    goes_on(&calls);
}

#[test]
fn the_file_before_that_is_read_and_goes_when_there_is_another() {
    let directory = TempDir::new().unwrap();
    let earlier = directory.path().join("calls.json");
    fs::write(&earlier, JSON).unwrap();
    let (mut calls, mark) = opened(&directory);
    assert_eq!(mark, Some(23));
    calls.save(23);
    // Waits until it is written.
    drop(calls);
    assert!(!earlier.exists());
    let (calls, mark) = opened(&directory);
    assert_eq!(mark, Some(23));
    goes_on(&calls);
}

#[test]
fn a_damaged_file_is_set_aside_and_nothing_else_goes() {
    for place in [3, 40, OPEN.len() / 2, OPEN.len() - 3] {
        for cut in [false, true] {
            let directory = TempDir::new().unwrap();
            let file = directory.path().join("calls.open");
            let mut octets = OPEN.to_vec();
            if cut {
                octets.truncate(place);
            } else {
                octets[place] ^= 0x10;
            }
            fs::write(&file, &octets).unwrap();
            let (mut calls, mark) = opened(&directory);
            assert_eq!(mark, None, "octet {place}, cut: {cut}");
            assert_eq!(calls.tracker().lock().open().legs, 0);
            assert!(!file.exists());
            assert_eq!(
                fs::read(directory.path().join("calls.damaged")).unwrap(),
                octets
            );
            // The next one is written as if there had been none.
            let scene = scenes::basic("new@10.0.0.1");
            calls
                .tracker()
                .lock()
                .ingest(&seen(1, &scene.observations[0]));
            calls.save(7);
            drop(calls);
            let (calls, mark) = opened(&directory);
            assert_eq!((mark, open(&calls.tracker().lock()).len()), (Some(7), 1));
        }
    }
}
