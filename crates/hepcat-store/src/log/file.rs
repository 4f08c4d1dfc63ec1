//! The log file that is being written.

use std::{io, path::Path, sync::Arc};

use super::{FILE_HEADER, FRAME_HEADER, MAGIC, VERSION, frame::end_mark};
use crate::{
    disk::{Disk, DiskFile, write_all},
    paths::Paths,
};

#[derive(Debug)]
pub(crate) struct LogFile {
    file: Arc<dyn DiskFile>,
    generation: u32,
    /// Behind the last frame, where the mark of the end is.
    length: u64,
    /// A torn frame is at the end, and could not be cut off: nothing may follow it.
    torn: bool,
}

impl LogFile {
    /// A new file, its name made durable where `durable`. The octets of a `spare` one are written over: its pages need not
    /// be found, and given back, for each generation.
    pub(crate) fn create(
        disk: &dyn Disk,
        paths: &Paths,
        node: u16,
        generation: u32,
        durable: bool,
        spare: Option<&Path>,
    ) -> io::Result<Self> {
        let path = paths.log_file(generation);
        let file = match spare {
            Some(spare) => disk.open_to_write(spare)?,
            None => disk.create(&path)?,
        };
        let mut header = Vec::with_capacity(FILE_HEADER + FRAME_HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&node.to_le_bytes());
        header.extend_from_slice(&generation.to_le_bytes());
        header.extend_from_slice(&end_mark(generation, 0));
        let written = write_all(file.as_ref(), &header, 0).and_then(|()| {
            if durable {
                file.sync()?;
            }
            if let Some(spare) = spare {
                // It has its name once it says that nothing is in it.
                disk.rename(spare, &path)?;
            }
            if durable {
                disk.sync_directory(&paths.log())?;
            }
            Ok(())
        });
        if let Err(error) = written {
            // Without a row in it; a file that stays is read as empty.
            for path in [Some(&*path), spare].into_iter().flatten() {
                drop(disk.remove(path));
            }
            return Err(error);
        }
        Ok(Self {
            file,
            generation,
            length: FILE_HEADER as u64,
            torn: false,
        })
    }

    /// Whether frames can follow.
    pub(crate) fn is_sound(&self) -> bool {
        !self.torn
    }

    /// Appends sealed frames, all or none, with which the file has `rows` rows. The last gets the mark of the end, so
    /// that both are there with one write.
    pub(crate) fn append(&mut self, frames: &mut [Vec<u8>], rows: u32) -> io::Result<()> {
        let mark = end_mark(self.generation, rows);
        if let Some(last) = frames.last_mut() {
            last.extend_from_slice(&mark);
        }
        let mut end = self.length;
        let written = frames.iter().try_for_each(|frame| {
            write_all(self.file.as_ref(), frame, end)?;
            end += frame.len() as u64;
            Ok(())
        });
        match written {
            Ok(()) => {
                self.length = end - mark.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.torn = self.file.truncate(self.length).is_err();
                Err(error)
            }
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}
