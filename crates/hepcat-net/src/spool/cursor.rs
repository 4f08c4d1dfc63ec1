//! How far a spool has been read: two slots in one small file, written in turn, so that a torn write leaves the other.

use std::{io, path::Path, sync::Arc};

use super::disk::{Disk, DiskFile, read_full, write_all};

/// Name of the file in a spool's directory.
pub(super) const CURSOR_NAME: &str = "cursor";

const MAGIC: &[u8; 8] = b"HEPCATSC";
/// Octets of a slot; the second begins at [`SPACING`], in another sector of any disk.
const SLOT: usize = 36;
const SPACING: usize = 4096;

/// Two places in the sequence of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// Every record before this one is done with: delivered or dropped.
    pub(super) done: u64,
    /// Records from `done` up to here had been handed out: they may have been delivered.
    pub(super) handed_out: u64,
}

/// The cursor file, open.
#[derive(Debug)]
pub(super) struct Cursor {
    file: Arc<dyn DiskFile>,
    generation: u64,
    written: Marks,
}

/// What a cursor file held.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There was none, or an empty one.
    Nothing,
    Marks(Marks),
    /// Octets, but no sound slot.
    Damaged,
}

impl Cursor {
    /// Opens the cursor of `directory`, or makes one.
    pub(super) fn open(disk: &dyn Disk, directory: &Path) -> io::Result<(Self, Found)> {
        let path = directory.join(CURSOR_NAME);
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&path)?,
            other => other?,
        };
        let mut octets = [0; SPACING + SLOT];
        let filled = read_full(&*file, &mut octets, 0)?;
        let slots = [octets.get(..SLOT), octets.get(SPACING..)];
        let newest = slots
            .into_iter()
            .filter_map(|slot| parse(slot?))
            .max_by_key(|(generation, _)| *generation);
        let found = match newest {
            Some((_, marks)) => Found::Marks(marks),
            None if filled == 0 => Found::Nothing,
            None => Found::Damaged,
        };
        let (generation, written) = newest.unwrap_or_default();
        let cursor = Self {
            file,
            generation,
            written,
        };
        Ok((cursor, found))
    }

    /// Writes the marks, unless they stand there already.
    pub(super) fn write(&mut self, marks: Marks) -> io::Result<()> {
        if marks == self.written {
            return Ok(());
        }
        let generation = self.generation + 1;
        let place = (generation % 2) * SPACING as u64;
        write_all(&*self.file, &slot(generation, marks), place)?;
        self.generation = generation;
        self.written = marks;
        Ok(())
    }

    /// For a sync.
    pub(super) fn file(&self) -> &Arc<dyn DiskFile> {
        &self.file
    }
}

fn slot(generation: u64, marks: Marks) -> [u8; SLOT] {
    let mut octets = [0; SLOT];
    octets[..8].copy_from_slice(MAGIC);
    octets[8..16].copy_from_slice(&generation.to_le_bytes());
    octets[16..24].copy_from_slice(&marks.done.to_le_bytes());
    octets[24..32].copy_from_slice(&marks.handed_out.to_le_bytes());
    let checksum = crc32fast::hash(&octets[..32]);
    octets[32..].copy_from_slice(&checksum.to_le_bytes());
    octets
}

fn parse(octets: &[u8]) -> Option<(u64, Marks)> {
    let field = |at: usize| Some(u64::from_le_bytes(octets.get(at..at + 8)?.try_into().ok()?));
    let checksum = u32::from_le_bytes(octets.get(32..SLOT)?.try_into().ok()?);
    let sound = octets.starts_with(MAGIC) && crc32fast::hash(octets.get(..32)?) == checksum;
    let marks = Marks {
        done: field(16)?,
        handed_out: field(24)?,
    };
    (sound && marks.done <= marks.handed_out).then_some((field(8)?, marks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::disk::SystemDisk;

    const fn marks(done: u64) -> Marks {
        Marks {
            done,
            handed_out: done + 10,
        }
    }

    #[test]
    fn the_last_marks_are_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut cursor, found) = Cursor::open(&SystemDisk, directory.path()).unwrap();
        assert_eq!(found, Found::Nothing);
        for done in 1..6 {
            cursor.write(marks(done)).unwrap();
            let (_, found) = Cursor::open(&SystemDisk, directory.path()).unwrap();
            assert_eq!(found, Found::Marks(marks(done)));
        }
    }

    #[test]
    fn a_torn_slot_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(CURSOR_NAME);
        for slot in 0..2_u64 {
            std::fs::remove_file(&path).ok();
            let (mut cursor, _) = Cursor::open(&SystemDisk, directory.path()).unwrap();
            for done in 1..=2 + slot {
                cursor.write(marks(done)).unwrap();
            }
            let mut octets = std::fs::read(&path).unwrap();
            let torn = usize::try_from((2 + slot) % 2).unwrap() * SPACING;
            octets[torn + 20] ^= 0xFF;
            std::fs::write(&path, octets).unwrap();
            let (_, found) = Cursor::open(&SystemDisk, directory.path()).unwrap();
            assert_eq!(found, Found::Marks(marks(1 + slot)));
        }
    }

    #[test]
    fn a_file_of_something_else_is_damaged() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(CURSOR_NAME), "not ours").unwrap();
        let (_, found) = Cursor::open(&SystemDisk, directory.path()).unwrap();
        assert_eq!(found, Found::Damaged);
    }
}
