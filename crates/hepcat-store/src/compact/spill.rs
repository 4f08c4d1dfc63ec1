//! Rows on their way from the order of the inputs to that of the output: a temporary file in parts.

use std::{fmt, io, mem, path::PathBuf, sync::Arc};

use zstd::bulk::{Compressor, Decompressor};

use crate::{
    disk::{Disk, DiskFile, read_exact, write_all},
    row::Row,
};

/// Octets that a part gathers before they are written.
pub(super) const BUFFER: usize = 128 << 10;
/// The file lives for seconds: what it saves of the disk is worth little processor time.
const LEVEL: i32 = -5;

pub(super) struct Spill {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Option<Arc<dyn DiskFile>>,
    length: u64,
    parts: Vec<Part>,
    /// Kept from one piece to the next, as is what it compresses into: to make them takes longer than to use them.
    compressor: Option<Compressor<'static>>,
    compressed: Vec<u8>,
}

#[derive(Debug, Default)]
struct Part {
    /// Where each row will be in the output, and its octets here.
    rows: Vec<(u32, u32)>,
    buffer: Vec<u8>,
    /// Where pieces were written: at, octets, octets before compression.
    pieces: Vec<(u64, usize, usize)>,
}

/// The rows of a part.
#[derive(Debug)]
pub(super) struct Taken {
    octets: Vec<u8>,
    /// Position in the output, first octet, octets behind the last: in the order of the output.
    rows: Vec<(u32, usize, usize)>,
}

impl Taken {
    /// Each row's position in the output and its octets, in the order of the output.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = (usize, &[u8])> {
        self.rows.iter().map(|(position, from, to)| {
            let octets = self.octets.get(*from..*to).unwrap_or_default();
            (*position as usize, octets)
        })
    }
}

impl fmt::Debug for Spill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, length, .. } = self;
        f.debug_struct("Spill")
            .field("path", path)
            .field("length", length)
            .finish_non_exhaustive()
    }
}

impl Spill {
    pub(super) fn new(disk: &Arc<dyn Disk>, path: PathBuf, parts: usize) -> Self {
        Self {
            disk: Arc::clone(disk),
            path,
            file: None,
            length: 0,
            parts: (0..parts).map(|_| Part::default()).collect(),
            compressor: None,
            compressed: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, part: usize, position: usize, row: &Row<'_>) -> io::Result<()> {
        // One part is put in order where it is.
        let one = self.parts.len() == 1;
        let Some(part) = self.parts.get_mut(part) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let before = part.buffer.len();
        row.encode(&mut part.buffer);
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let octets = part.buffer.len() - before;
        part.rows.push((small(position), small(octets)));
        if part.buffer.len() < BUFFER || one {
            return Ok(());
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => Arc::clone(self.file.insert(self.disk.create(&self.path)?)),
        };
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(Compressor::new(LEVEL)?),
        };
        self.compressed.clear();
        self.compressed
            .reserve(zstd::zstd_safe::compress_bound(part.buffer.len()));
        let octets = compressor.compress_to_buffer(&part.buffer, &mut self.compressed)?;
        write_all(file.as_ref(), &self.compressed, self.length)?;
        part.pieces.push((self.length, octets, part.buffer.len()));
        self.length += octets as u64;
        part.buffer.clear();
        Ok(())
    }

    /// The rows of a part, which has none after that.
    pub(super) fn take(&mut self, part: usize) -> io::Result<Taken> {
        let part = self.parts.get_mut(part).map(mem::take).unwrap_or_default();
        let length: usize = part.pieces.iter().map(|(.., raw)| raw).sum();
        let mut octets = Vec::new();
        if part.pieces.is_empty() {
            octets = part.buffer;
        } else {
            let mut decompressor = Decompressor::new()?;
            octets.reserve_exact(length + part.buffer.len());
            // It is filled piece by piece, where the rows will stay.
            let mut filled = 0;
            octets.resize(length, 0);
            for (at, count, raw) in part.pieces {
                let Some(file) = &self.file else {
                    return Err(io::ErrorKind::InvalidData.into());
                };
                self.compressed.resize(count, 0);
                read_exact(file.as_ref(), &mut self.compressed, at)?;
                let place = octets.get_mut(filled..filled + raw);
                let place = place.ok_or(io::ErrorKind::InvalidData)?;
                decompressor.decompress_to_buffer(&self.compressed, place)?;
                filled += raw;
            }
            octets.extend_from_slice(&part.buffer);
        }
        let mut from = 0;
        let ends = part.rows.into_iter().map(|(position, octets)| {
            let begin = from;
            from += octets as usize;
            (position, begin, from)
        });
        let mut rows: Vec<(u32, usize, usize)> = ends.collect();
        rows.sort_unstable();
        Ok(Taken { octets, rows })
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
