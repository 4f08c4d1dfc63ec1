//! The file of open calls: `calls.open` in the data directory.
//!
//! ```text
//!   "hepcat calls 2\n"
//!   u32 length, i64 the last row that the state knows of
//!   u32 length, the state as JSON
//!   u32 length, registrations
//!   u32 length, parked legs, each behind a u32 length of its own      ... as often as need be
//!   u32 0
//!   u64 checksum
//! ```
//!
//! Numbers have the low octet first. The checksum is XXH3 of each piece with that of those before as its seed. The file is
//! written under another name first, so there is
//! always a whole one. Writing takes the tracker for moments only.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde::Deserialize;
use twox_hash::XxHash3_64;

use super::calls::SharedTracker;
use crate::call::{Saving, TrackerState};

const MAGIC: &[u8; 15] = b"hepcat calls 2\n";
/// Octets of legs that are copied at a time: a tenth of a millisecond.
const PIECE: usize = 256 << 10;
/// How often the file is written, where that is cheap.
const EVERY: Duration = Duration::from_secs(10);
/// At most one part of so many of the time is spent on writing it.
const SHARE: u32 = 50;
/// The file of earlier versions, all JSON.
const EARLIER: &str = "calls.json";

/// What was read: the last row that the state knows of, and the state.
#[derive(Debug, Deserialize)]
pub(super) struct Loaded {
    pub(super) mark: i64,
    pub(super) state: TrackerState,
}

/// The file, and who writes it.
#[derive(Debug)]
pub(super) struct SavedCalls {
    file: PathBuf,
    writing: Option<JoinHandle<io::Result<Duration>>>,
    begun: Instant,
    pause: Duration,
}

impl SavedCalls {
    pub(super) fn new(file: PathBuf) -> Self {
        Self {
            file,
            writing: None,
            begun: Instant::now(),
            pause: EVERY,
        }
    }

    /// What the file says; nothing where there is none. One that cannot be used is set aside.
    pub(super) fn load(&self) -> Option<Loaded> {
        let earlier = self.file.with_file_name(EARLIER);
        let (file, loaded) = match read(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let loaded = fs::read(&earlier)
                    .and_then(|octets| serde_json::from_slice(&octets).map_err(Into::into));
                (&earlier, loaded)
            }
            loaded => (&self.file, loaded),
        };
        match loaded {
            Ok(loaded) => Some(loaded),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let aside = file.with_extension("damaged");
                let moved = fs::rename(file, &aside);
                tracing::error!(file = %file.display(), %error, set_aside = moved.is_ok(), "open calls cannot be read");
                None
            }
        }
    }

    /// Whether the file is old enough to be written again.
    pub(super) fn is_due(&mut self) -> bool {
        if self.writing.as_ref().is_some_and(JoinHandle::is_finished) {
            self.wait();
        }
        self.writing.is_none() && self.begun.elapsed() >= self.pause
    }

    /// Writes what is open now, on a thread of its own. `mark` is the last row that was taken in and is kept.
    pub(super) fn begin(&mut self, mark: i64, tracker: &SharedTracker) {
        self.wait();
        self.begun = Instant::now();
        let first = {
            let mut tracker = tracker.lock();
            tracker.begin_saving()
        };
        self.pause = EVERY.max(self.begun.elapsed() * SHARE);
        let first = match first {
            Ok(first) => first,
            Err(error) => return self.failed(&error.into()),
        };
        let (file, tracker) = (self.file.clone(), SharedTracker::clone(tracker));
        let writing = thread::Builder::new()
            .name("store-calls".to_owned())
            .spawn(move || write(&file, mark, &first, &tracker));
        match writing {
            Ok(writing) => self.writing = Some(writing),
            Err(error) => self.failed(&error),
        }
    }

    /// Waits until what was begun is written.
    pub(super) fn wait(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        match writing.join() {
            Ok(Ok(took)) => {
                self.pause += took * SHARE;
                // What it said stands in the new one.
                let _gone = fs::remove_file(self.file.with_file_name(EARLIER));
            }
            Ok(Err(error)) => self.failed(&error),
            Err(_) => tracing::error!("the thread that writes open calls ended by a panic"),
        }
    }

    fn failed(&self, error: &io::Error) {
        // The file of before stands, and the rows since then are shown to the tracker again.
        tracing::error!(file = %self.file.display(), %error, "open calls cannot be written");
    }
}

impl Drop for SavedCalls {
    fn drop(&mut self) {
        self.wait();
    }
}

/// Gives how long it took, the disk apart.
fn write(file: &Path, mark: i64, first: &Saving, tracker: &SharedTracker) -> io::Result<Duration> {
    let begun = Instant::now();
    let new = file.with_extension("new");
    let mut to = BufWriter::new(File::create(&new)?);
    let mut sum = 0;
    to.write_all(MAGIC)?;
    write_piece(&mut to, &mut sum, &mark.to_le_bytes())?;
    write_piece(&mut to, &mut sum, &first.state)?;
    write_piece(&mut to, &mut sum, &first.registrations)?;
    let mut piece = Vec::with_capacity(PIECE + 4_096);
    loop {
        piece.clear();
        let is_last = tracker.lock().save_some(&mut piece, PIECE);
        if !piece.is_empty() {
            write_piece(&mut to, &mut sum, &piece)?;
        }
        if is_last {
            break;
        }
    }
    to.write_all(&0_u32.to_le_bytes())?;
    to.write_all(&sum.to_le_bytes())?;
    to.flush()?;
    let took = begun.elapsed();
    to.into_inner()?.sync_data()?;
    fs::rename(&new, file)?;
    Ok(took)
}

fn write_piece(to: &mut impl Write, sum: &mut u64, piece: &[u8]) -> io::Result<()> {
    let length = u32::try_from(piece.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    *sum = XxHash3_64::oneshot_with_seed(*sum, piece);
    to.write_all(&length.to_le_bytes())?;
    to.write_all(piece)
}

fn read(file: &Path) -> io::Result<Loaded> {
    let mut from = BufReader::new(File::open(file)?);
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a file of open calls",
        ));
    }
    let (mut sum, mut piece) = (0, Vec::new());
    read_piece(&mut from, &mut sum, &mut piece)?;
    let mark = piece.as_slice().try_into().map_err(io::Error::other)?;
    read_piece(&mut from, &mut sum, &mut piece)?;
    let mut loaded = Loaded {
        mark: i64::from_le_bytes(mark),
        state: serde_json::from_slice(&piece)?,
    };
    read_piece(&mut from, &mut sum, &mut piece)?;
    if !loaded.state.set_registrations(&piece) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "registrations cannot be read",
        ));
    }
    while read_piece(&mut from, &mut sum, &mut piece)? {
        let mut rest = &piece[..];
        while let Some((length, after)) = rest.split_first_chunk() {
            let length = u32::from_le_bytes(*length) as usize;
            let Some((leg, after)) = after.split_at_checked(length) else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            };
            loaded.state.add_parked(leg);
            rest = after;
        }
    }
    let mut known = [0; 8];
    from.read_exact(&mut known)?;
    if u64::from_le_bytes(known) != sum {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum is another one",
        ));
    }
    Ok(loaded)
}

/// Reads what stands behind its length; `false` where that is 0.
fn read_piece(from: &mut impl Read, sum: &mut u64, piece: &mut Vec<u8>) -> io::Result<bool> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    piece.clear();
    if length == 0 {
        return Ok(false);
    }
    // Not allocated before it is there: a damaged length may be anything.
    let got = from.take(length.into()).read_to_end(piece)?;
    if got != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    *sum = XxHash3_64::oneshot_with_seed(*sum, piece);
    Ok(true)
}
