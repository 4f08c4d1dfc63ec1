//! HEPv3: a header of six octets, then chunks back to back (HEP3 rev. 37).

use std::ops::Range;

use crate::{
    chunk::{CHUNK_HEADER, ChunkType, FRAME_HEADER},
    defects::Defect,
    error::{DecodeError, DecodeErrorKind},
    field_map::{AddressFamily, FieldMap, Mode, slot},
    version::Version,
};

/// Length of the chunk of each generic type below `0x002a`, with its header, or one of the two marks.
const LENGTHS: [u16; 42] = [
    UNKNOWN, 7, 7, 10, 10, 22, 22, 8, 8, 10, 10, 7, 10, 8, ANY, ANY, // 0x0000
    ANY, ANY, 8, ANY, 14, 14, 8, 7, 7, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN,
    UNKNOWN, // 0x0010
    8, 8, ANY, 10, ANY, ANY, ANY, 8, 8, ANY, // 0x0020
];
/// Where in a chunk its length stands, which is two octets in front of the value.
const LENGTH: u32 = 4;

/// A value of any width: no chunk has this length.
const ANY: u16 = 0;
/// No such type: no chunk has this length.
const UNKNOWN: u16 = 1;

const MAC_OCTETS: usize = 6;
const IPV4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The fixed width of a generic chunk's value in octets; `None` where it may have any, or the type is unknown.
#[must_use]
pub fn fixed_width(chunk_type: ChunkType) -> Option<usize> {
    let length = LENGTHS.get(usize::from(chunk_type.0))?;
    length.checked_sub(CHUNK_HEADER).map(usize::from)
}

/// One pass over the chunks.
#[inline]
pub(crate) fn read(map: &mut FieldMap, received: &[u8], mode: Mode) -> Result<(), DecodeError> {
    let frame = read_header(map, received, mode)?;
    let mut at = u32::from(FRAME_HEADER);
    let mut repeated = false;
    while let Some(&[v1, v2, t1, t2, l1, l2]) = header_at(frame, at) {
        let length = u16::from_be_bytes([l1, l2]);
        let Some(next) = end_of_chunk(frame, at, length) else {
            return Err(bad_length(length, [t1, t2], at, frame.len()));
        };
        let key = u32::from_be_bytes([v1, v2, t1, t2]);
        match LENGTHS.get(key as usize) {
            Some(&expected) if expected == length || expected == ANY => {
                repeated |= map.note(key as usize, at + LENGTH);
            }
            _ => repeated |= note_odd(map, mode, frame, at..next, key)?,
        }
        at = next;
    }
    if repeated {
        map.defects.insert(Defect::RepeatedChunk);
    }
    let left = frame.len() - at as usize;
    if left != 0 {
        return Err(
            DecodeError::new(DecodeErrorKind::ChunkHeaderTruncated, at as usize)
                .lengths(usize::from(CHUNK_HEADER), left),
        );
    }
    choose_addresses(map, frame);
    Ok(())
}

#[inline]
fn header_at(frame: &[u8], at: u32) -> Option<&[u8; 6]> {
    let at = at as usize;
    frame.get(at..at + 6)?.first_chunk()
}

/// Where a chunk ends. The usual lengths stand here by themselves: a processor that guesses the branch need not wait
/// for the length to be read before it goes on to the next chunk.
#[inline]
fn end_of_chunk(frame: &[u8], at: u32, length: u16) -> Option<u32> {
    let within = |end: u32| (end as usize <= frame.len()).then_some(end);
    match length {
        0..=5 => None,
        7 => within(at + 7),
        8 => within(at + 8),
        10 => within(at + 10),
        other => within(at + u32::from(other)),
    }
}

#[inline]
fn read_header<'a>(
    map: &mut FieldMap,
    received: &'a [u8],
    mode: Mode,
) -> Result<&'a [u8], DecodeError> {
    let header = usize::from(FRAME_HEADER);
    let Some((&[_, _, _, _, t1, t2], _)) = received.split_first_chunk::<6>() else {
        return Err(DecodeError::new(DecodeErrorKind::TooShort, 0).lengths(header, received.len()));
    };
    let total = u16::from_be_bytes([t1, t2]);
    if total < FRAME_HEADER {
        return Err(DecodeError::new(DecodeErrorKind::BadTotalLength, 4)
            .lengths(header, usize::from(total)));
    }
    let Some(frame) = received.get(..usize::from(total)) else {
        return Err(DecodeError::new(DecodeErrorKind::TotalExceedsData, 4)
            .lengths(usize::from(total), received.len()));
    };
    map.version = Version::V3;
    map.frame_len = total;
    if received.len() > usize::from(total) {
        if mode == Mode::Strict {
            return Err(
                DecodeError::new(DecodeErrorKind::TrailingData, usize::from(total))
                    .lengths(usize::from(total), received.len()),
            );
        }
        map.defects.insert(Defect::TrailingData);
    }
    Ok(frame)
}

#[cold]
fn bad_length(length: u16, chunk_type: [u8; 2], at: u32, frame_len: usize) -> DecodeError {
    let (at, length) = (at as usize, usize::from(length));
    let header = usize::from(CHUNK_HEADER);
    let error = if length < header {
        DecodeError::new(DecodeErrorKind::ChunkTooShort, at).lengths(header, length)
    } else {
        DecodeError::new(DecodeErrorKind::ChunkOverrun, at).lengths(length, frame_len - at)
    };
    error.of_chunk(ChunkType(u16::from_be_bytes(chunk_type)))
}

/// A chunk that is not simply one of the known types in its width. Tells whether it repeats a field.
#[cold]
fn note_odd(
    map: &mut FieldMap,
    mode: Mode,
    frame: &[u8],
    chunk: Range<u32>,
    key: u32,
) -> Result<bool, DecodeError> {
    let known = u16::try_from(key).map(ChunkType).ok();
    let place = chunk.start + LENGTH;
    let value = frame
        .get(place as usize + 2..chunk.end as usize)
        .unwrap_or_default();
    let noted = match (known, known.and_then(fixed_width)) {
        (Some(ChunkType::EXTRA_CORRELATIONS), _) => {
            map.note(slot(ChunkType::EXTRA_CORRELATIONS), place)
        }
        // The ping of HFP has an IPv4-mapped address here: the field is its last four octets.
        (Some(known @ (ChunkType::SRC_IPV4 | ChunkType::DST_IPV4)), _)
            if value.len() == 16 && value.starts_with(&IPV4_MAPPED) =>
        {
            map.note(slot(known), place + 12)
        }
        // The field is the last six octets of eight.
        (Some(known @ (ChunkType::SRC_MAC | ChunkType::DST_MAC)), _)
            if value.len() == MAC_OCTETS =>
        {
            map.note(slot(known), place - 2)
        }
        (Some(known), Some(width)) if mode == Mode::Strict => {
            return Err(
                DecodeError::new(DecodeErrorKind::BadWidth, chunk.start as usize)
                    .lengths(width, value.len())
                    .of_chunk(known),
            );
        }
        (_, Some(_)) => {
            map.defects.insert(Defect::BadWidth);
            false
        }
        (_, None) => {
            map.defects.insert(Defect::UnknownChunk);
            false
        }
    };
    Ok(noted)
}

/// Decides which pair of address chunks is meant. Addresses are believed over the family; where both pairs stand
/// the family chooses, and without it IPv6 does if it is whole.
fn choose_addresses(map: &mut FieldMap, frame: &[u8]) {
    let has = |chunk_type| map.has(chunk_type);
    let (src6, dst6) = (has(ChunkType::SRC_IPV6), has(ChunkType::DST_IPV6));
    let v4 = has(ChunkType::SRC_IPV4) || has(ChunkType::DST_IPV4);
    let said = frame.get(map.value_at(slot(ChunkType::IP_FAMILY)));
    let said = said.copied().and_then(AddressFamily::from_wire);
    let found = match (v4, src6 || dst6) {
        (false, false) => None,
        (true, false) => Some(AddressFamily::V4),
        (false, true) => Some(AddressFamily::V6),
        (true, true) if said.is_some() => said,
        (true, true) if src6 && dst6 => Some(AddressFamily::V6),
        (true, true) => Some(AddressFamily::V4),
    };
    if let (Some(said), Some(found)) = (said, found)
        && said != found
    {
        map.defects.insert(Defect::FamilyMismatch);
    }
    map.addresses = found;
}
