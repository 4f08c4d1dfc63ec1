//! HEPv3: a header of six octets, then chunks back to back (HEP3 rev. 37).

use crate::{
    chunk::{CHUNK_HEADER, ChunkType, FRAME_HEADER},
    defects::Defect,
    error::{DecodeError, DecodeErrorKind},
    field_map::{AddressFamily, FieldMap, Mode, slot},
    version::Version,
};

/// Width of the value of each generic type below `0x002a`: octets, or one of the two marks.
const WIDTHS: [u8; 42] = [
    UNKNOWN, 1, 1, 4, 4, 16, 16, 2, 2, 4, 4, 1, 4, 2, ANY, ANY, // 0x0000
    ANY, ANY, 2, ANY, 8, 8, 2, 1, 1, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN,
    UNKNOWN, // 0x0010
    2, 2, ANY, 4, ANY, ANY, ANY, 2, 2, ANY, // 0x0020
];
/// Octets of any number.
const ANY: u8 = 0xff;
/// No such type.
const UNKNOWN: u8 = 0xfe;

const MAC_OCTETS: u16 = 6;
const IPV4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// The fixed width of a generic chunk's value in octets; `None` where it may have any, or the type is unknown.
#[must_use]
pub fn fixed_width(chunk_type: ChunkType) -> Option<usize> {
    let width = *WIDTHS.get(usize::from(chunk_type.0))?;
    (width < UNKNOWN).then_some(usize::from(width))
}

/// One pass over the chunks.
#[inline]
pub(crate) fn read(received: &[u8], mode: Mode) -> Result<FieldMap, DecodeError> {
    let (mut map, mut rest) = read_header(received, mode)?;
    let mut at = FRAME_HEADER;
    while let Some(&[v1, v2, t1, t2, l1, l2]) = rest.first_chunk::<6>() {
        let length = u16::from_be_bytes([l1, l2]);
        let (Some(width), Some((chunk, after))) = (
            length.checked_sub(CHUNK_HEADER),
            rest.split_at_checked(usize::from(length)),
        ) else {
            return Err(bad_length(length, [t1, t2], usize::from(at), rest.len()));
        };
        let key = u32::from_be_bytes([v1, v2, t1, t2]);
        // The chunk lies within the frame, so neither sum passes 65,535.
        let value_at = at.saturating_add(CHUNK_HEADER);
        match WIDTHS.get(key as usize) {
            Some(&expected) if expected == ANY || u16::from(expected) == width => {
                map.note(key as usize, value_at);
            }
            known => note_odd(&mut map, mode, known.copied(), key, chunk, value_at)?,
        }
        at = at.saturating_add(length);
        rest = after;
    }
    if !rest.is_empty() {
        let kind = DecodeErrorKind::ChunkHeaderTruncated;
        return Err(
            DecodeError::new(kind, usize::from(at)).lengths(usize::from(CHUNK_HEADER), rest.len())
        );
    }
    choose_addresses(&mut map, received);
    Ok(map)
}

fn read_header(received: &[u8], mode: Mode) -> Result<(FieldMap, &[u8]), DecodeError> {
    let header = usize::from(FRAME_HEADER);
    let Some((&[_, _, _, _, t1, t2], _)) = received.split_first_chunk::<6>() else {
        return Err(DecodeError::new(DecodeErrorKind::TooShort, 0).lengths(header, received.len()));
    };
    let total = u16::from_be_bytes([t1, t2]);
    if total < FRAME_HEADER {
        return Err(DecodeError::new(DecodeErrorKind::BadTotalLength, 4)
            .lengths(header, usize::from(total)));
    }
    let Some(chunks) = received.get(header..usize::from(total)) else {
        return Err(DecodeError::new(DecodeErrorKind::TotalExceedsData, 4)
            .lengths(usize::from(total), received.len()));
    };
    let mut map = FieldMap::new(Version::V3, total);
    if received.len() > usize::from(total) {
        if mode == Mode::Strict {
            return Err(
                DecodeError::new(DecodeErrorKind::TrailingData, usize::from(total))
                    .lengths(usize::from(total), received.len()),
            );
        }
        map.defects.insert(Defect::TrailingData);
    }
    Ok((map, chunks))
}

#[cold]
fn bad_length(length: u16, chunk_type: [u8; 2], at: usize, left: usize) -> DecodeError {
    let chunk_type = ChunkType(u16::from_be_bytes(chunk_type));
    if length < CHUNK_HEADER {
        DecodeError::new(DecodeErrorKind::ChunkTooShort, at)
            .lengths(usize::from(CHUNK_HEADER), usize::from(length))
    } else {
        DecodeError::new(DecodeErrorKind::ChunkOverrun, at).lengths(usize::from(length), left)
    }
    .of_chunk(chunk_type)
}

/// A chunk that is not simply one of the known types in its width.
#[cold]
fn note_odd(
    map: &mut FieldMap,
    mode: Mode,
    expected: Option<u8>,
    key: u32,
    chunk: &[u8],
    value_at: u16,
) -> Result<(), DecodeError> {
    const EXTRA_CORRELATIONS: u32 = ChunkType::EXTRA_CORRELATIONS.0 as u32;
    let Some(expected) = expected.filter(|width| *width != UNKNOWN) else {
        if key == EXTRA_CORRELATIONS {
            map.note(slot(ChunkType::EXTRA_CORRELATIONS), value_at);
        } else {
            map.defects.insert(Defect::UnknownChunk);
        }
        return Ok(());
    };
    let value = chunk.get(usize::from(CHUNK_HEADER)..).unwrap_or_default();
    let slot = key as usize;
    match key {
        // The ping of HFP has an IPv4-mapped address here: the field is its last four octets.
        0x0003 | 0x0004 if value.len() == 16 && value.starts_with(&IPV4_MAPPED) => {
            map.note(slot, value_at.saturating_add(12));
        }
        0x0014 | 0x0015 if value.len() == usize::from(MAC_OCTETS) => map.note(slot, value_at),
        _ if mode == Mode::Strict => {
            let chunk_at = usize::from(value_at.saturating_sub(CHUNK_HEADER));
            return Err(DecodeError::new(DecodeErrorKind::BadWidth, chunk_at)
                .lengths(usize::from(expected), value.len())
                .of_chunk(ChunkType(u16::try_from(key).unwrap_or_default())));
        }
        _ => map.defects.insert(Defect::BadWidth),
    }
    Ok(())
}

/// Decides which pair of address chunks is meant. Addresses are believed over the family; where both pairs stand
/// the family chooses, and without it IPv6 does if it is whole.
fn choose_addresses(map: &mut FieldMap, frame: &[u8]) {
    let has = |chunk_type| map.has(chunk_type);
    let (src6, dst6) = (has(ChunkType::SRC_IPV6), has(ChunkType::DST_IPV6));
    let v4 = has(ChunkType::SRC_IPV4) || has(ChunkType::DST_IPV4);
    let said = match map.at(slot(ChunkType::IP_FAMILY)) {
        0 => None,
        at => frame.get(at).copied().and_then(AddressFamily::from_wire),
    };
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
