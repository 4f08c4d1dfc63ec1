//! Rows on their way from the order of the inputs to that of the output: a temporary file in parts.

use std::{io, mem, path::PathBuf, sync::Arc};

use crate::{
    disk::{Disk, DiskFile, read_exact, write_all},
    row::Row,
};

/// Octets that a part gathers before they are written.
pub(super) const BUFFER: usize = 128 << 10;
/// The file lives for seconds: what it saves of the disk is worth little processor time.
const LEVEL: i32 = -3;

#[derive(Debug)]
pub(super) struct Spill {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
    length: u64,
    parts: Vec<Part>,
}

#[derive(Debug, Default)]
struct Part {
    /// Where each row will be in the output.
    positions: Vec<u32>,
    buffer: Vec<u8>,
    /// Where pieces were written: at, octets, octets before compression.
    pieces: Vec<(u64, usize, usize)>,
}

impl Spill {
    pub(super) fn new(disk: &Arc<dyn Disk>, path: PathBuf, parts: usize) -> Self {
        Self {
            disk: Arc::clone(disk),
            path,
            file: None,
            length: 0,
            parts: (0..parts).map(|_| Part::default()).collect(),
        }
    }

    pub(super) fn push(&mut self, part: usize, position: usize, row: &Row<'_>) -> io::Result<()> {
        // One part is put in order where it is.
        let one = self.parts.len() == 1;
        let Some(part) = self.parts.get_mut(part) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        part.positions
            .push(u32::try_from(position).unwrap_or(u32::MAX));
        row.encode(&mut part.buffer);
        if part.buffer.len() < BUFFER || one {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(self.disk.create(&self.path)?)),
        };
        let octets = zstd::bulk::compress(&part.buffer, LEVEL)?;
        write_all(file.as_ref(), &octets, self.length)?;
        part.pieces
            .push((self.length, octets.len(), part.buffer.len()));
        self.length += octets.len() as u64;
        part.buffer.clear();
        Ok(())
    }

    /// Positions and encoded rows of a part, in the order in which they came.
    pub(super) fn take(&mut self, part: usize) -> io::Result<(Vec<usize>, Vec<u8>)> {
        let part = self.parts.get_mut(part).map(mem::take).unwrap_or_default();
        let length: usize = part.pieces.iter().map(|(.., raw)| raw).sum();
        let mut rows = Vec::with_capacity(length + part.buffer.len());
        for (at, octets, raw) in part.pieces {
            let Some(file) = &self.file else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            let mut compressed = vec![0; octets];
            read_exact(file.as_ref(), &mut compressed, at)?;
            rows.extend_from_slice(&zstd::bulk::decompress(&compressed, raw)?);
        }
        rows.extend_from_slice(&part.buffer);
        Ok((
            part.positions
                .into_iter()
                .map(|position| position as usize)
                .collect(),
            rows,
        ))
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Where it fails, the next start empties the directory.
            drop(self.disk.remove(&self.path));
        }
    }
}
