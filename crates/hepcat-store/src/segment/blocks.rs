//! Checksums of a segment's blocks: Parquet has none that writers write, and a flipped bit must not become text.

use std::{cell::RefCell, io, sync::Arc};

use bytes::Bytes;
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

use crate::disk::{DiskFile, read_exact};

/// Octets of a block.
pub(super) const BLOCK: usize = 16 << 10;

/// Octets that are read into a buffer which is used again, at most: pages of a few columns are larger.
const MOST_SCRATCH: usize = 16 * BLOCK;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// CRC-32 of each whole block of what has passed.
#[derive(Debug, Default)]
pub(super) struct BlockSums {
    sums: Vec<u32>,
    hasher: crc32fast::Hasher,
    filled: usize,
}

impl BlockSums {
    pub(super) fn update(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let (now, later) = octets.split_at(octets.len().min(BLOCK - self.filled));
            self.hasher.update(now);
            self.filled += now.len();
            if self.filled == BLOCK {
                self.sums.push(std::mem::take(&mut self.hasher).finalize());
                self.filled = 0;
            }
            octets = later;
        }
    }

    pub(super) fn sums(&self) -> &[u32] {
        &self.sums
    }
}

/// The sums as text.
pub(super) fn to_hex(sums: &[u32]) -> String {
    sums.iter().map(|sum| format!("{sum:08x}")).collect()
}

/// The sums that a text holds.
pub(super) fn from_hex(text: &str) -> Option<Vec<u32>> {
    let digits = text.as_bytes().chunks(8);
    digits
        .map(|digits| u32::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())
        .collect()
}

/// A file whose blocks are checked whenever they are read.
#[derive(Debug, Clone)]
pub(super) struct CheckedFile {
    pub(super) file: Arc<dyn DiskFile>,
    pub(super) length: u64,
    /// Sums of the blocks at the front; what is behind them was checked when the file was opened.
    pub(super) sums: Arc<[u32]>,
}

/// The file is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("block {0} does not have its checksum")]
pub(super) struct BadBlock(usize);

impl CheckedFile {
    /// The octets of a range, after the blocks that it touches were checked.
    pub(super) fn read(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.saturating_add(length as u64);
        if end > self.length {
            return Err(ParquetError::EOF(format!(
                "{end} is behind the end of the file"
            )));
        }
        let block = BLOCK as u64;
        let covered = self.sums.len() as u64 * block;
        let from = if start < covered {
            start - start % block
        } else {
            start
        };
        let to = if end < covered {
            end.next_multiple_of(block)
        } else {
            end
        };
        let whole =
            usize::try_from(to - from).map_err(|error| ParquetError::External(error.into()))?;
        let skip = usize::try_from(start - from).unwrap_or_default();
        let wanted = skip..skip + length;
        if whole > MOST_SCRATCH || length > whole - whole / 8 {
            let mut octets = vec![0; whole];
            self.fill(&mut octets, from)?;
            return Ok(Bytes::from(octets).slice(wanted));
        }
        // What is read for the checksums alone must not be held with what was asked for.
        SCRATCH.with_borrow_mut(|octets| {
            octets.resize(whole, 0);
            self.fill(octets, from)?;
            Ok(Bytes::copy_from_slice(
                octets.get(wanted).unwrap_or_default(),
            ))
        })
    }

    /// Reads what begins at `from`, and checks the blocks that have sums.
    fn fill(&self, octets: &mut [u8], from: u64) -> Result<()> {
        read_exact(self.file.as_ref(), octets, from)
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        let first = usize::try_from(from / BLOCK as u64).unwrap_or(usize::MAX);
        let sums = self.sums.get(first..).unwrap_or_default();
        for (index, (chunk, sum)) in octets.chunks_exact(BLOCK).zip(sums).enumerate() {
            if crc32fast::hash(chunk) != *sum {
                return Err(ParquetError::External(Box::new(BadBlock(first + index))));
            }
        }
        Ok(())
    }
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for CheckedFile {
    type T = CheckedReader;

    fn get_read(&self, start: u64) -> Result<CheckedReader> {
        Ok(CheckedReader {
            file: self.clone(),
            at: start,
            buffer: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.read(start, length)
    }
}

/// Reads on from one place.
#[derive(Debug)]
pub(super) struct CheckedReader {
    file: CheckedFile,
    at: u64,
    buffer: Bytes,
}

impl io::Read for CheckedReader {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        if self.buffer.is_empty() {
            let rest = self.file.length.saturating_sub(self.at);
            let length = usize::try_from(rest).unwrap_or(usize::MAX).min(BLOCK);
            if length == 0 {
                return Ok(0);
            }
            self.buffer = self.file.read(self.at, length).map_err(io::Error::other)?;
            self.at += length as u64;
        }
        let count = octets.len().min(self.buffer.len());
        let taken = self.buffer.split_to(count);
        if let Some(place) = octets.get_mut(..count) {
            place.copy_from_slice(&taken);
        }
        Ok(count)
    }
}
