//! Reads the files on a thread of its own, ahead of what is sent, by no more than a few batches.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use tokio::sync::mpsc;

use crate::capfile::{Fault, Input, Item};

/// Items handed over at a time.
const BATCH: usize = 64;
/// Batches read ahead.
const AHEAD: usize = 8;

/// What comes from the thread.
#[derive(Debug)]
pub(super) enum Read {
    /// A file starts, or starts again.
    Start,
    Items(Vec<Item>),
    /// A file is read to its end or to where it breaks off.
    End(End),
}

/// How the reading of one file ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) file: PathBuf,
    /// Packets and pieces that held nothing to send, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
    pub(super) fault: Option<ReadFault>,
}

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadFault {
    #[error("{0}")]
    Open(io::Error),
    #[error("{0}")]
    File(Fault),
}

/// Starts reading `files`, so many times. The count of octets read goes up meanwhile.
pub(super) fn start(
    files: Vec<PathBuf>,
    times: Option<u64>,
    octets: Arc<AtomicU64>,
) -> io::Result<mpsc::Receiver<Read>> {
    let (to, from) = mpsc::channel(AHEAD);
    // Not a task of the runtime: a read from a pipe that nobody writes to would keep it from ending.
    thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || read_all(&files, times, &octets, &to))?;
    Ok(from)
}

/// Ends early when nobody takes what is read, and when going on for ever would read nothing for ever.
fn read_all(files: &[PathBuf], times: Option<u64>, octets: &AtomicU64, to: &mpsc::Sender<Read>) {
    let mut round = 0;
    while times.is_none_or(|times| round < times) {
        let mut items = 0;
        for file in files {
            match read(file, octets, to) {
                Some(found) => items += found,
                None => return,
            }
        }
        if items == 0 {
            return;
        }
        round += 1;
    }
}

/// The number of items, or `None` when nobody takes them.
fn read(file: &Path, octets: &AtomicU64, to: &mpsc::Sender<Read>) -> Option<u64> {
    to.blocking_send(Read::Start).ok()?;
    let mut input = match Input::open(file) {
        Ok(input) => input,
        Err(error) => {
            let end = End {
                file: file.to_owned(),
                skipped: BTreeMap::new(),
                fault: Some(ReadFault::Open(error)),
            };
            to.blocking_send(Read::End(end)).ok()?;
            return Some(0);
        }
    };
    let mut found = 0;
    let mut counted = 0;
    loop {
        let batch: Vec<Item> = input.by_ref().take(BATCH).collect();
        octets.fetch_add(input.octets_read() - counted, Ordering::Relaxed);
        counted = input.octets_read();
        if batch.is_empty() {
            break;
        }
        found += batch.len() as u64;
        to.blocking_send(Read::Items(batch)).ok()?;
    }
    let mut skipped = input.report().skipped.clone();
    for (reason, count) in [
        ("fragment_missing", input.report().fragments_evicted),
        ("flow_evicted", input.report().flows_evicted),
    ] {
        if count > 0 {
            *skipped.entry(reason).or_default() += count;
        }
    }
    let end = End {
        file: file.to_owned(),
        skipped,
        fault: input.fault().cloned().map(ReadFault::File),
    };
    to.blocking_send(Read::End(end)).ok()?;
    Some(found)
}
