//! One frame: a group of rows under one checksum.

use std::cell::RefCell;

use zstd::bulk::Compressor;

use super::{FRAME_HEADER, MAX_FRAME};
use crate::row::{Malformed, RowBatch, decode};

/// A level of zstd that only looks for repetitions: two or three times as fast as level 1 on SIP, for half as many octets
/// again in a file that lives for seconds.
const LEVEL: i32 = -3;

/// What compressing needs, kept by each thread that appends: clearing a megabyte for each frame costs as much as a
/// third of compressing it.
#[derive(Default)]
struct Scratch {
    compressor: Option<Compressor<'static>>,
    compressed: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A frame of `rows` encoded rows, without place and checksum: [`seal`] adds them. The expensive part, done by whoever
/// appends.
pub(crate) fn compress(octets: &[u8], rows: usize) -> Vec<u8> {
    let mut frame = SCRATCH.with_borrow_mut(|scratch| {
        let Scratch {
            compressor,
            compressed,
        } = scratch;
        compressed.clear();
        compressed.reserve(zstd::zstd_safe::compress_bound(octets.len()));
        if compressor.is_none() {
            *compressor = Compressor::new(LEVEL).ok();
        }
        // What cannot be compressed leaves a body that does not hold, which the next start reports.
        if let Some(compressor) = compressor
            && compressor.compress_to_buffer(octets, compressed).is_err()
        {
            compressed.clear();
        }
        let mut frame = Vec::with_capacity(FRAME_HEADER + compressed.len());
        frame.resize(FRAME_HEADER, 0);
        frame.extend_from_slice(compressed);
        frame
    });
    put(&mut frame, 12, number(rows));
    put(&mut frame, 16, number(octets.len()));
    frame
}

/// Completes a frame: it begins at row `place` of `generation`.
pub(crate) fn seal(frame: &mut [u8], generation: u32, place: u32) {
    put(frame, 8, place);
    let length = number(frame.len().saturating_sub(8));
    put(frame, 0, length);
    let crc = checksum(generation, frame.get(8..).unwrap_or_default());
    put(frame, 4, crc);
}

/// A frame that holds.
#[derive(Debug)]
pub(crate) struct Sealed<'a> {
    pub(crate) place: u32,
    pub(crate) rows: u32,
    pub(crate) length: u32,
    pub(crate) body: &'a [u8],
}

/// The frame at the front of `octets`; `None` where there is none that holds.
pub(crate) fn unseal(octets: &[u8], generation: u32) -> Option<Sealed<'_>> {
    let length = usize::try_from(take(octets, 0)?).ok()?;
    if !(FRAME_HEADER - 8..=MAX_FRAME).contains(&length) {
        return None;
    }
    let checked = octets.get(8..8 + length)?;
    if checksum(generation, checked) != take(octets, 4)? {
        return None;
    }
    Some(Sealed {
        place: take(octets, 8)?,
        rows: take(octets, 12)?,
        length: take(octets, 16)?,
        body: octets.get(FRAME_HEADER..8 + length)?,
    })
}

/// The rows of a frame.
pub(crate) fn decode_rows(frame: &Sealed<'_>) -> Result<RowBatch, Malformed> {
    let length = usize::try_from(frame.length).map_err(|_large| Malformed)?;
    if length > MAX_FRAME {
        return Err(Malformed);
    }
    let octets = zstd::bulk::decompress(frame.body, length).map_err(|_damaged| Malformed)?;
    let rows = usize::try_from(frame.rows).map_err(|_many| Malformed)?;
    // No row has fewer octets than its presence bits, so this bounds what is reserved for them.
    if octets.len() != length || rows > length {
        return Err(Malformed);
    }
    decode(&octets, rows)
}

fn checksum(generation: u32, octets: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(generation);
    hasher.update(octets);
    hasher.finalize()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn put(octets: &mut [u8], at: usize, value: u32) {
    if let Some(place) = octets.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn take(octets: &[u8], at: usize) -> Option<u32> {
    let octets = octets.get(at..at + 4)?;
    Some(u32::from_le_bytes(octets.try_into().ok()?))
}
