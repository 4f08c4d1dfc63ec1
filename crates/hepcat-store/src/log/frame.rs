//! One frame: a group of rows under one checksum.

use std::borrow::Cow;

use super::{COMPRESSED, FRAME_HEADER, MAX_FRAME};
use crate::row::{Malformed, RowBatch, decode};

/// Completes a frame of `rows` encoded rows, which follow [`FRAME_HEADER`] octets of room: it begins at row `place` of
/// `generation`.
pub(crate) fn seal(frame: &mut [u8], rows: u32, generation: u32, place: u32) {
    put(frame, 8, place);
    put(frame, 12, rows);
    let encoded = number(frame.len().saturating_sub(FRAME_HEADER));
    put(frame, 16, encoded);
    let length = number(frame.len().saturating_sub(8));
    put(frame, 0, length);
    let crc = checksum(generation, frame.get(8..).unwrap_or_default());
    put(frame, 4, crc);
}

/// The frame without rows that says where a log file ends for now: behind it is what an earlier generation left.
pub(crate) fn end_mark(generation: u32, place: u32) -> [u8; FRAME_HEADER] {
    let mut mark = [0; FRAME_HEADER];
    seal(&mut mark, 0, generation, place);
    mark
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

/// The rows of a frame in a log file of `version`.
pub(crate) fn decode_rows(frame: &Sealed<'_>, version: u16) -> Result<RowBatch, Malformed> {
    let length = usize::try_from(frame.length).map_err(|_large| Malformed)?;
    if length > MAX_FRAME {
        return Err(Malformed);
    }
    let octets = if version == COMPRESSED {
        let octets = zstd::bulk::decompress(frame.body, length).map_err(|_damaged| Malformed)?;
        Cow::Owned(octets)
    } else {
        Cow::Borrowed(frame.body)
    };
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
