//! The log file that is being written.

use std::{io, sync::Arc};

use super::{FILE_HEADER, MAGIC, VERSION};
use crate::{
    disk::{Disk, DiskFile, write_all},
    paths::Paths,
};

#[derive(Debug)]
pub(crate) struct LogFile {
    file: Arc<dyn DiskFile>,
    length: u64,
    /// A torn frame is at the end, and could not be cut off: nothing may follow it.
    torn: bool,
}

impl LogFile {
    /// A new file, its name made durable where `durable`.
    pub(crate) fn create(
        disk: &dyn Disk,
        paths: &Paths,
        node: u16,
        generation: u32,
        durable: bool,
    ) -> io::Result<Self> {
        let path = paths.log_file(generation);
        let file = disk.create(&path)?;
        let mut header = Vec::with_capacity(FILE_HEADER);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&node.to_le_bytes());
        header.extend_from_slice(&generation.to_le_bytes());
        let written = write_all(file.as_ref(), &header, 0).and_then(|()| {
            if durable {
                file.sync()?;
                disk.sync_directory(&paths.log())?;
            }
            Ok(())
        });
        if let Err(error) = written {
            // Without a row in it; a file that stays is read as empty.
            drop(disk.remove(&path));
            return Err(error);
        }
        Ok(Self {
            file,
            length: FILE_HEADER as u64,
            torn: false,
        })
    }

    /// Whether frames can follow.
    pub(crate) fn is_sound(&self) -> bool {
        !self.torn
    }

    /// Appends sealed frames, all or none.
    pub(crate) fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        match write_all(self.file.as_ref(), frames, self.length) {
            Ok(()) => {
                self.length += frames.len() as u64;
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
