//! The manifest: which segments count. `docs/store-format.md` has the layout.

mod entry;
mod line;
mod rebuild;

use std::{collections::BTreeMap, io, sync::Arc};

pub(crate) use entry::{SegmentEntry, Tail};
pub(crate) use line::Why;
use line::{FirstLine, Line};
pub(crate) use rebuild::{Footer, rebuild};

use crate::{
    disk::{Disk, DiskFile, read_file, write_all},
    paths::Paths,
};

const VERSION: u64 = 1;
/// It is rewritten when it has grown by so many octets.
const REWRITE: u64 = 4 << 20;
/// No manifest is longer.
const MAX_OCTETS: u64 = 1 << 30;

/// What the manifest says.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) node: u16,
    pub(crate) next_segment: u64,
    pub(crate) next_generation: u32,
    /// Every generation below this one is in segments.
    pub(crate) done: u32,
    pub(crate) segments: BTreeMap<u64, SegmentEntry>,
    /// By the name of a class: retention removed rows of it that were received up to then.
    pub(crate) expired: BTreeMap<String, i64>,
}

/// What was found in place of a sound manifest.
#[derive(Debug)]
pub(crate) enum Found {
    Sound(State),
    /// There is none.
    Missing,
    /// This line, counted from 1, does not hold.
    Damaged(usize),
    /// A version that is newer than this program.
    Newer(u64),
}

impl Found {
    /// What is wrong with it, in words.
    pub(crate) fn fault(&self) -> String {
        match self {
            Self::Sound(_) => "nothing is wrong with it".to_owned(),
            Self::Missing => "it is missing".to_owned(),
            Self::Damaged(line) => format!("line {line} does not hold"),
            Self::Newer(version) => format!("it has version {version}, which is not known here"),
        }
    }
}

/// Reads the manifest.
pub(crate) fn read(disk: &dyn Disk, paths: &Paths) -> io::Result<Found> {
    let octets = match read_file(disk, &paths.manifest(), MAX_OCTETS) {
        Ok(octets) => octets,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Missing),
        Err(error) => return Err(error),
    };
    Ok(parse(&octets))
}

fn parse(octets: &[u8]) -> Found {
    let mut lines = octets.split_inclusive(|octet| *octet == b'\n').peekable();
    let Some(first) = lines.next() else {
        return Found::Damaged(1);
    };
    let Some(first) = line::read::<FirstLine>(first) else {
        return Found::Damaged(1);
    };
    if first.manifest > VERSION {
        return Found::Newer(first.manifest);
    }
    let mut state = State {
        node: first.node,
        next_segment: first.next_segment,
        next_generation: first.next_generation,
        done: first.done,
        segments: BTreeMap::new(),
        expired: BTreeMap::new(),
    };
    state.apply(&first.line);
    let mut number = 1;
    while let Some(octets) = lines.next() {
        number += 1;
        match line::read::<Line>(octets) {
            Some(line) => state.apply(&line),
            // It was being written.
            None if lines.peek().is_none() && !octets.ends_with(b"\n") => {}
            None => return Found::Damaged(number),
        }
    }
    Found::Sound(state)
}

impl State {
    fn apply(&mut self, line: &Line) {
        for number in &line.remove {
            self.segments.remove(number);
        }
        for entry in &line.add {
            self.next_segment = self.next_segment.max(entry.number + 1);
            self.segments.insert(entry.number, entry.clone());
        }
        for (class, until) in &line.expired {
            let known = self.expired.entry(class.clone()).or_insert(*until);
            *known = (*known).max(*until);
        }
        if let Some(done) = line.done {
            self.done = self.done.max(done);
            self.next_generation = self.next_generation.max(done);
        }
    }
}

/// The manifest of an open store.
#[derive(Debug)]
pub(crate) struct Manifest {
    disk: Arc<dyn Disk>,
    paths: Paths,
    state: State,
    file: Option<Arc<dyn DiskFile>>,
    length: u64,
    rewritten: u64,
}

/// One step.
#[derive(Debug, Default)]
pub(crate) struct Edit {
    pub(crate) add: Vec<SegmentEntry>,
    pub(crate) remove: Vec<u64>,
    pub(crate) done: Option<u32>,
    pub(crate) expired: BTreeMap<String, i64>,
    pub(crate) why: Why,
}

impl Manifest {
    /// Writes `state` as the manifest from here on.
    pub(crate) fn begin(disk: Arc<dyn Disk>, paths: Paths, state: State) -> io::Result<Self> {
        let mut manifest = Self {
            disk,
            paths,
            state,
            file: None,
            length: 0,
            rewritten: 0,
        };
        manifest.rewrite()?;
        Ok(manifest)
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Whether the file says what is true; one that does not is written anew.
    ///
    /// # Errors
    /// What was wrong with it, in words.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        let what = match read(self.disk.as_ref(), &self.paths) {
            Ok(Found::Sound(found)) if found.segments == self.state.segments => return Ok(()),
            Ok(Found::Sound(_)) => "it does not list the segments that there are".to_owned(),
            Ok(found) => found.fault(),
            Err(error) => format!("it cannot be read: {error}"),
        };
        match self.rewrite() {
            Ok(()) => Err(format!("{what}; it was written anew")),
            Err(error) => Err(format!("{what}; it cannot be written: {error}")),
        }
    }

    /// A number that no segment has had.
    pub(crate) fn next_segment(&mut self) -> u64 {
        let number = self.state.next_segment;
        self.state.next_segment += 1;
        number
    }

    /// Makes one step, durably; on an error it has not happened.
    pub(crate) fn commit(&mut self, edit: Edit) -> io::Result<()> {
        let line = Line {
            add: edit.add,
            remove: edit.remove,
            done: edit.done,
            expired: edit.expired,
            why: edit.why,
        };
        let octets = line::write(&line);
        let appended = match &self.file {
            Some(file) if self.length < self.rewritten + REWRITE => {
                Some(write_all(file.as_ref(), &octets, self.length).and_then(|()| file.sync()))
            }
            _ => None,
        };
        match appended {
            Some(Ok(())) => {
                self.length += octets.len() as u64;
                self.state.apply(&line);
                Ok(())
            }
            Some(Err(error)) => {
                // Whether the line is there is not known: cut it off, and if that fails write everything anew
                // before anything else is said.
                if let Some(file) = &self.file
                    && file
                        .truncate(self.length)
                        .and_then(|()| file.sync())
                        .is_err()
                {
                    self.file = None;
                }
                Err(error)
            }
            None => {
                let undo = self.state.clone();
                self.state.apply(&line);
                self.rewrite().inspect_err(|_error| self.state = undo)
            }
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let first = FirstLine {
            manifest: VERSION,
            node: self.state.node,
            next_segment: self.state.next_segment,
            next_generation: self.state.next_generation,
            done: self.state.done,
            line: Line {
                add: self.state.segments.values().cloned().collect(),
                expired: self.state.expired.clone(),
                ..Line::default()
            },
        };
        let octets = line::write(&first);
        let temporary = self.paths.temporary().join("manifest");
        self.file = None;
        let file = self.disk.create(&temporary)?;
        write_all(file.as_ref(), &octets, 0)?;
        file.sync()?;
        self.disk.rename(&temporary, &self.paths.manifest())?;
        self.disk.sync_directory(self.paths.root())?;
        self.file = Some(file);
        self.length = octets.len() as u64;
        self.rewritten = self.length;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
