//! A spool's directory: files appended to at one end, read and deleted at the other.

use std::{
    any::Any,
    collections::VecDeque,
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    SpoolConfig, SpoolFull,
    cursor::{CURSOR_NAME, Cursor, Found, Marks},
    disk::{Disk, DiskFile, read_full, write_all},
    format::{FILE_HEADER, FileHeader, RECORD_HEADER, Reader, encode_record, scan},
};

const LOCK_NAME: &str = "lock";
const SUFFIX: &str = ".spool";
const DAMAGED: &str = ".damaged";
/// Frames that come before all others: those that were being written when the spool was closed.
const HEAD_NAME: &str = "head.spool";

/// An open spool. Sequence numbers run through all its files; frames that were handed out are acknowledged in the
/// same order.
#[derive(Debug)]
pub(crate) struct Spool {
    config: SpoolConfig,
    /// Oldest first.
    files: VecDeque<SpoolFile>,
    /// Sequence number of the next record to be written.
    next: u64,
    /// Of the next one to be handed out.
    read: u64,
    /// Handed out and not acknowledged.
    handed_out: VecDeque<Range<u64>>,
    /// Frames of the head file that are not handed out, and how many of it are not acknowledged.
    head: VecDeque<Bytes>,
    head_left: u64,
    /// Records before this one may have been delivered by an earlier process.
    repeated_below: u64,
    reader: Option<(u64, Arc<dyn DiskFile>, Reader)>,
    cursor: Cursor,
    /// Names were added or removed since the last sync.
    names_changed: bool,
    /// Files written to since the last sync that are not appended to any more.
    unsynced: Vec<Arc<dyn DiskFile>>,
    buffer: Vec<u8>,
    _lock: Box<dyn Any + Send + Sync>,
}

#[derive(Debug)]
struct SpoolFile {
    header: FileHeader,
    /// One more than the sequence number of its last record.
    end: u64,
    octets: u64,
    /// When its newest record was spooled, in milliseconds since 1970.
    newest: u64,
    /// Set for the file that is appended to.
    active: Option<Arc<dyn DiskFile>>,
    unsynced: bool,
}

/// What was found when a spool was opened.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Frames that it holds.
    pub(crate) frames: u64,
    /// Files that were set aside, and why.
    pub(crate) set_aside: Vec<(PathBuf, &'static str)>,
    /// Octets cut off the newest file, behind its last sound record.
    pub(crate) torn_octets: u64,
}

/// What came of an append.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Appended {
    /// Frames written, from the front.
    pub(crate) written: usize,
    /// Spooled frames that had to go to make room for them.
    pub(crate) displaced: u64,
}

/// What came of reading.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Read {
    /// Frames handed out.
    pub(crate) frames: u64,
    /// Records that were lost to damage.
    pub(crate) damaged: u64,
    /// Records that were too old.
    pub(crate) expired: u64,
}

/// What a sync has to do; [`sync`](Self::sync) may run on another thread than the spool's.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    files: Vec<Arc<dyn DiskFile>>,
    directory: Option<(Arc<dyn Disk>, PathBuf)>,
}

impl Unsynced {
    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.directory.is_none()
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        for file in &self.files {
            file.sync()?;
        }
        match &self.directory {
            Some((disk, directory)) => disk.sync_directory(directory),
            None => Ok(()),
        }
    }
}

impl Spool {
    /// Opens the spool of `config`, taking its lock. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// What the file layer says; [`io::ErrorKind::WouldBlock`] while somebody else has it open.
    pub(crate) fn open(config: &SpoolConfig, now: u64) -> io::Result<(Self, Opened)> {
        let disk = &*config.disk;
        let directory = config.directory.as_path();
        disk.make_directory(directory)?;
        let lock = disk.lock(&directory.join(LOCK_NAME))?;
        let mut opened = Opened::default();
        let (mut cursor, mut found) = Cursor::open(disk, directory)?;
        if found == Found::Damaged {
            set_aside(config, CURSOR_NAME, "no cursor", &mut opened);
            (cursor, found) = Cursor::open(disk, directory)?;
        }
        let files = find_files(config, &mut opened, now)?;
        let (head, head_left) = read_head(config, &mut opened)?;
        let first = files.front().map(|file| file.header.first);
        let end = files.back().map_or(0, |file| file.end);
        let marks = match found {
            Found::Marks(marks) => marks,
            Found::Nothing | Found::Damaged => Marks {
                done: first.unwrap_or(0),
                handed_out: first.unwrap_or(0),
            },
        };
        let next = end.max(marks.handed_out);
        // Where no file holds what was handed out, nobody can hand it out again.
        let done = if first.is_none() { next } else { marks.done };
        let mut spool = Self {
            config: config.clone(),
            files,
            next,
            read: done,
            handed_out: VecDeque::new(),
            head,
            head_left,
            repeated_below: marks.handed_out,
            reader: None,
            cursor,
            names_changed: true,
            unsynced: Vec::new(),
            buffer: Vec::new(),
            _lock: lock,
        };
        opened.frames = spool.unread();
        spool.delete_done();
        Ok((spool, opened))
    }

    /// Frames that are not handed out yet.
    pub(crate) fn unread(&self) -> u64 {
        self.head.len() as u64 + (self.next - self.read)
    }

    /// Octets of all files.
    pub(crate) fn octets(&self) -> u64 {
        self.files.iter().map(|file| file.octets).sum()
    }

    /// How many files there are.
    pub(crate) fn files(&self) -> usize {
        self.files.len()
    }

    /// When the oldest file was begun, in milliseconds since 1970.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.files.front().map(|file| file.header.created)
    }

    /// Sequence number from which on nothing is done with.
    fn done(&self) -> u64 {
        self.handed_out
            .front()
            .map_or(self.read, |range| range.start)
    }

    // ---- writing ----

    /// Writes frames in one go; `appended` says how many, and what had to go for them. What is counted there
    /// survives a kill of the process.
    ///
    /// # Errors
    /// What the file layer says: none of the frames is in the spool then, and the file is not appended to again.
    pub(crate) fn append(
        &mut self,
        frames: &[Bytes],
        now: u64,
        appended: &mut Appended,
    ) -> io::Result<()> {
        let sizes = frames.iter().map(|frame| RECORD_HEADER + frame.len());
        let mut taken = frames.len();
        match self.config.when_full {
            SpoolFull::DropOldest => {
                let wanted = sizes.sum::<usize>() + FILE_HEADER;
                appended.displaced += self.make_room(wanted as u64);
            }
            SpoolFull::DropNewest => {
                let used = self.octets() + FILE_HEADER as u64;
                let mut left = self.config.max_octets.saturating_sub(used);
                let fitting = sizes.take_while(|size| {
                    let fits = *size as u64 <= left;
                    left = left.saturating_sub(*size as u64);
                    fits
                });
                taken = fitting.count();
            }
        }
        let frames = frames.get(..taken).unwrap_or_default();
        if !frames.is_empty()
            && let Err(error) = self.write(frames, now)
        {
            self.seal();
            return Err(error);
        }
        appended.written += taken;
        Ok(())
    }

    fn write(&mut self, frames: &[Bytes], now: u64) -> io::Result<()> {
        let limit = self.config.file_octets();
        let age = u64::try_from(self.config.max_age.as_millis() / 16).unwrap_or(u64::MAX);
        let fits = |file: &SpoolFile| {
            file.octets < limit && now.saturating_sub(file.header.created) <= age
        };
        if !self
            .files
            .back()
            .is_some_and(|file| file.active.is_some() && fits(file))
        {
            self.seal();
            self.begin(now)?;
        }
        let Some(file) = self.files.back_mut() else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let Some(handle) = &file.active else {
            return Err(io::ErrorKind::NotFound.into());
        };
        self.buffer.clear();
        for (sequence, frame) in (self.next..).zip(frames) {
            encode_record(&mut self.buffer, file.header.salt, sequence, now, frame);
        }
        if let Err(error) = write_all(&**handle, &self.buffer, file.octets) {
            // Best effort: a reader stops where the next file begins in any case.
            handle.truncate(file.octets).ok();
            return Err(error);
        }
        file.octets += self.buffer.len() as u64;
        file.newest = file.newest.max(now);
        file.unsynced = true;
        self.next += frames.len() as u64;
        file.end = self.next;
        Ok(())
    }

    /// Begins a file.
    fn begin(&mut self, now: u64) -> io::Result<()> {
        let header = FileHeader {
            salt: fastrand::u32(..),
            first: self.next,
            created: now,
        };
        let path = self.path(header.first);
        let disk = &*self.config.disk;
        let handle = match disk.create(&path) {
            // Left by an attempt that failed, with nothing that counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                disk.remove(&path)?;
                disk.create(&path)?
            }
            other => other?,
        };
        if let Err(error) = write_all(&*handle, &header.encode(), 0) {
            disk.remove(&path).ok();
            return Err(error);
        }
        self.names_changed = true;
        self.files.push_back(SpoolFile {
            header,
            end: header.first,
            octets: FILE_HEADER as u64,
            newest: now,
            active: Some(handle),
            unsynced: true,
        });
        Ok(())
    }

    /// The newest file is not appended to any more.
    pub(crate) fn seal(&mut self) {
        let Some(file) = self.files.back_mut() else {
            return;
        };
        if let Some(handle) = file.active.take()
            && std::mem::take(&mut file.unsynced)
        {
            self.unsynced.push(handle);
        }
        if file.end == file.header.first {
            // It holds nothing, and its name is wanted for the next one.
            self.delete_newest();
        }
    }

    fn delete_newest(&mut self) {
        if let Some(file) = self.files.pop_back() {
            self.config.disk.remove(&self.path(file.header.first)).ok();
            self.names_changed = true;
        }
    }

    /// Deletes the oldest files until `wanted` octets fit; how many frames that were still to be handed out went.
    fn make_room(&mut self, wanted: u64) -> u64 {
        let mut displaced = 0;
        while self.octets() + wanted > self.config.max_octets && !self.files.is_empty() {
            displaced += self.give_up_oldest();
        }
        displaced
    }

    /// Deletes files whose every record is older than the configuration allows; how many frames that were still to
    /// be handed out went.
    pub(crate) fn expire(&mut self, now: u64) -> u64 {
        let limit = self.max_age();
        let mut expired = 0;
        while let Some(file) = self.files.front()
            && now.saturating_sub(file.newest) > limit
        {
            expired += self.give_up_oldest();
        }
        expired
    }

    fn give_up_oldest(&mut self) -> u64 {
        if self.files.len() == 1 {
            self.seal();
        }
        let Some(file) = self.files.pop_front() else {
            return 0;
        };
        let end = self
            .files
            .front()
            .map_or(self.next, |file| file.header.first);
        let lost = end.saturating_sub(self.read);
        self.read += lost;
        // First, so that nobody looks for these after a kill. Where it fails they will be found missing.
        self.mark().ok();
        self.remove_file(&file);
        lost
    }

    fn max_age(&self) -> u64 {
        u64::try_from(self.config.max_age.as_millis()).unwrap_or(u64::MAX)
    }

    // ---- reading ----

    /// Hands out the next frames, in order: at most `max_frames`, and no more once they are `max_octets`.
    ///
    /// # Errors
    /// What the file layer says; what `read` has by then counts.
    pub(crate) fn read(
        &mut self,
        max_frames: usize,
        max_octets: usize,
        now: u64,
        frames: &mut VecDeque<Bytes>,
        read: &mut Read,
    ) -> io::Result<()> {
        let mut octets = 0;
        let mut room = max_frames;
        while room > 0 && octets < max_octets {
            if let Some(frame) = self.head.pop_front() {
                octets += frame.len();
                frames.push_back(frame);
                read.frames += 1;
                room -= 1;
                continue;
            }
            if self.read == self.next {
                break;
            }
            if let Some(frame) = self.next_frame(now, read)? {
                octets += frame.len();
                frames.push_back(frame);
                read.frames += 1;
                room -= 1;
            }
        }
        Ok(())
    }

    /// One step on: a frame, or something that is none.
    fn next_frame(&mut self, now: u64, read: &mut Read) -> io::Result<Option<Bytes>> {
        let limit = self.max_age();
        let Some(file) = self.files.iter().find(|file| file.end > self.read) else {
            read.damaged += self.next - self.read;
            self.read = self.next;
            return Ok(None);
        };
        if file.header.first > self.read {
            read.damaged += file.header.first - self.read;
            self.read = file.header.first;
        }
        if self
            .reader
            .as_ref()
            .is_none_or(|(first, ..)| *first != file.header.first)
        {
            let handle = match &file.active {
                Some(handle) => Arc::clone(handle),
                None => self.config.disk.open(&self.path(file.header.first))?,
            };
            self.reader = Some((file.header.first, handle, Reader::new(file.header.salt)));
        }
        let Some((_, handle, reader)) = &mut self.reader else {
            return Ok(None);
        };
        match reader.next(&**handle, file.octets)? {
            Some(record) if record.sequence < self.read => Ok(None),
            Some(record) if record.sequence < file.end => {
                read.damaged += record.sequence - self.read;
                self.read = record.sequence + 1;
                if now.saturating_sub(record.time) > limit {
                    read.expired += 1;
                    return Ok(None);
                }
                match self.handed_out.back_mut() {
                    Some(range) if range.end == record.sequence => range.end += 1,
                    _ => self
                        .handed_out
                        .push_back(record.sequence..record.sequence + 1),
                }
                Ok(Some(record.frame))
            }
            _ => {
                read.damaged += file.end - self.read;
                self.read = file.end;
                Ok(None)
            }
        }
    }

    /// Counts the frames that were appended last as handed out: whoever appended them has them in memory. Only
    /// where everything before is handed out.
    pub(crate) fn hand_out_unread(&mut self) {
        debug_assert!(self.head.is_empty(), "frames on disk come first");
        let unread = self.read..self.next;
        match self.handed_out.back_mut() {
            _ if unread.is_empty() => {}
            Some(range) if range.end == unread.start => range.end = unread.end,
            _ => self.handed_out.push_back(unread),
        }
        self.read = self.next;
        // Where what is appended next will stand, should it have to be read back.
        self.reader = self.files.back().and_then(|file| {
            let reader = Reader::at(file.header.salt, file.octets);
            Some((file.header.first, Arc::clone(file.active.as_ref()?), reader))
        });
    }

    /// Gives up what is left of the file that is being read, because it cannot be; how many frames that were.
    pub(crate) fn give_up_unreadable(&mut self) -> u64 {
        self.reader = None;
        let end = self.files.iter().map(|file| file.end);
        let end = end.into_iter().find(|end| *end > self.read);
        let lost = end.unwrap_or(self.next) - self.read;
        self.read += lost;
        lost
    }

    /// The first `frames` frames handed out are delivered, or dropped by whoever had them. Says how many of them an
    /// earlier process may have delivered already.
    pub(crate) fn acknowledge(&mut self, mut frames: u64) -> u64 {
        let of_head = frames.min(self.head_left);
        self.head_left -= of_head;
        frames -= of_head;
        // They were being written when an earlier process ended.
        let mut repeated = of_head;
        if of_head > 0 && self.head_left == 0 {
            self.config
                .disk
                .remove(&self.config.directory.join(HEAD_NAME))
                .ok();
            self.names_changed = true;
        }
        while frames > 0
            && let Some(range) = self.handed_out.front_mut()
        {
            let settled = frames.min(range.end - range.start);
            let before = self
                .repeated_below
                .clamp(range.start, range.start + settled);
            repeated += before - range.start;
            range.start += settled;
            frames -= settled;
            if range.is_empty() {
                self.handed_out.pop_front();
            }
        }
        repeated
    }

    /// Deletes files that are done with.
    fn delete_done(&mut self) {
        let done = self.done();
        while let Some(file) = self.files.front()
            && file.end <= done
            && file.active.is_none()
        {
            if let Some(file) = self.files.pop_front() {
                self.remove_file(&file);
            }
        }
    }

    fn remove_file(&mut self, file: &SpoolFile) {
        if self
            .reader
            .as_ref()
            .is_some_and(|(first, ..)| *first == file.header.first)
        {
            self.reader = None;
        }
        // One that cannot be removed is done with by the cursor, and tried again at the next start.
        self.config.disk.remove(&self.path(file.header.first)).ok();
        self.names_changed = true;
    }

    // ---- keeping ----

    /// Writes down how far it is read, and deletes the files that are done with. What was handed out counts as
    /// possibly delivered after a kill, so this comes before anybody gets it.
    ///
    /// # Errors
    /// What the file layer says.
    pub(crate) fn write_cursor(&mut self) -> io::Result<()> {
        self.mark()?;
        self.delete_done();
        Ok(())
    }

    fn mark(&mut self) -> io::Result<()> {
        self.cursor.write(Marks {
            done: self.done(),
            handed_out: self.read,
        })
    }

    /// Deletes the file that is appended to where everything in it is done with.
    ///
    /// # Errors
    /// What the file layer says.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        if self.done() == self.next && self.head_left == 0 && !self.files.is_empty() {
            self.seal();
            self.write_cursor()?;
            self.unsynced.clear();
        }
        Ok(())
    }

    /// Keeps frames that come before all others, for the next process.
    ///
    /// # Errors
    /// What the file layer says.
    pub(crate) fn keep_head(&mut self, frames: &[Bytes], now: u64) -> io::Result<()> {
        let header = FileHeader {
            salt: fastrand::u32(..),
            first: 0,
            created: now,
        };
        let mut octets = header.encode().to_vec();
        for (sequence, frame) in (0..).zip(frames) {
            encode_record(&mut octets, header.salt, sequence, now, frame);
        }
        let path = self.config.directory.join(HEAD_NAME);
        let handle = self.config.disk.create(&path)?;
        write_all(&*handle, &octets, 0)?;
        self.unsynced.push(handle);
        self.names_changed = true;
        Ok(())
    }

    /// What is to be synced since the last time this was asked for.
    pub(crate) fn take_unsynced(&mut self) -> Unsynced {
        let mut files = std::mem::take(&mut self.unsynced);
        if let Some(file) = self.files.back_mut()
            && let Some(handle) = &file.active
            && std::mem::take(&mut file.unsynced)
        {
            files.push(Arc::clone(handle));
        }
        if !files.is_empty() {
            files.push(Arc::clone(self.cursor.file()));
        }
        let names_changed = std::mem::take(&mut self.names_changed);
        Unsynced {
            files,
            directory: names_changed
                .then(|| (Arc::clone(&self.config.disk), self.config.directory.clone())),
        }
    }

    fn path(&self, first: u64) -> PathBuf {
        self.config.directory.join(name_of(first))
    }
}

fn name_of(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The files of a directory, oldest first; what is none of ours is set aside.
fn find_files(
    config: &SpoolConfig,
    opened: &mut Opened,
    now: u64,
) -> io::Result<VecDeque<SpoolFile>> {
    let mut files = Vec::new();
    for (name, octets) in config.disk.list(&config.directory)? {
        let Some(name) = name.to_str().filter(|name| name.ends_with(SUFFIX)) else {
            continue;
        };
        if name == HEAD_NAME {
            continue;
        }
        let header = first_octets(config, name)?;
        if FileHeader::is_begun(&header) {
            config.disk.remove(&config.directory.join(name)).ok();
            continue;
        }
        match FileHeader::parse(&header) {
            Some(header) if name == name_of(header.first) => files.push(SpoolFile {
                header,
                end: header.first,
                octets,
                newest: header.created,
                active: None,
                unsynced: false,
            }),
            Some(_) => set_aside(config, name, "its name is not that of its header", opened),
            None => set_aside(config, name, "no header of a spool file", opened),
        }
    }
    files.sort_unstable_by_key(|file| file.header.first);
    let mut files = VecDeque::from(files);
    let nexts: Vec<_> = files.iter().skip(1).map(|file| file.header).collect();
    for (file, next) in files.iter_mut().zip(nexts) {
        file.end = next.first;
        // No record of it was written after the next one was begun.
        file.newest = next.created.min(now).max(file.newest);
    }
    if let Some(last) = files.back_mut() {
        let path = config.directory.join(name_of(last.header.first));
        let handle = config.disk.open(&path)?;
        let found = scan(&*handle, &last.header, last.octets)?;
        if found.octets < last.octets {
            opened.torn_octets = last.octets - found.octets;
            // Best effort: what stands there is no record in any case.
            handle.truncate(found.octets).ok();
        }
        (last.end, last.octets, last.newest) = (found.end, found.octets, found.newest);
    }
    Ok(files)
}

/// As many octets of a file as a header has, or all that it has.
fn first_octets(config: &SpoolConfig, name: &str) -> io::Result<Vec<u8>> {
    let handle = config.disk.open(&config.directory.join(name))?;
    let mut octets = vec![0; FILE_HEADER];
    let filled = read_full(&*handle, &mut octets, 0)?;
    octets.truncate(filled);
    Ok(octets)
}

fn read_head(config: &SpoolConfig, opened: &mut Opened) -> io::Result<(VecDeque<Bytes>, u64)> {
    let path = config.directory.join(HEAD_NAME);
    let handle = match config.disk.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Default::default()),
        other => other?,
    };
    let Some(header) = FileHeader::parse(&first_octets(config, HEAD_NAME)?) else {
        set_aside(config, HEAD_NAME, "no header of a spool file", opened);
        return Ok(Default::default());
    };
    let mut reader = Reader::new(header.salt);
    let mut frames = VecDeque::new();
    while let Some(record) = reader.next(&*handle, u64::MAX)? {
        // It is kept for long in a queue: not with its neighbours.
        frames.push_back(Bytes::copy_from_slice(&record.frame));
    }
    let count = frames.len() as u64;
    Ok((frames, count))
}

/// Renames a file so that it is never looked at again, and nobody's data is lost.
fn set_aside(config: &SpoolConfig, name: &str, why: &'static str, opened: &mut Opened) {
    let from = config.directory.join(name);
    let taken = |path: &Path| config.disk.open(path).is_ok();
    let to = (0..)
        .map(|number: u32| match number {
            0 => config.directory.join(format!("{name}{DAMAGED}")),
            number => config.directory.join(format!("{name}.{number}{DAMAGED}")),
        })
        .find(|path| !taken(path));
    let to = to.unwrap_or_else(|| from.clone());
    if config.disk.rename(&from, &to).is_ok() {
        opened.set_aside.push((to, why));
    } else {
        opened.set_aside.push((from, why));
    }
}
