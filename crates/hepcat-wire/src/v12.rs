//! HEPv1 and HEPv2: a C structure as it lay in the sender's memory. No text of either was ever published.
//!
//! ```text
//! 0 version | 1 header length | 2 family | 3 IP protocol | 4 source port | 6 destination port | 8 addresses
//! version 2 then has: seconds u32 | microseconds u32 | capture agent ID u16 | two octets of padding
//! ```
//!
//! Ports are big-endian, the block of version 2 is in the sender's own order. The payload takes the rest.

use crate::{
    chunk::ChunkType,
    defects::Defect,
    error::{DecodeError, DecodeErrorKind},
    field_map::{AddressFamily, FieldMap, slot},
    time::TimeBlock,
    version::Version,
};

const ADDRESSES_AT: u16 = 8;
/// Octets of the time block of version 2, with its padding.
pub(crate) const TIME_BLOCK: u16 = 12;

/// Where the addresses end: 16 or 40, which is also the header length that we write.
pub(crate) const fn addresses_end(family: AddressFamily) -> u16 {
    match family {
        AddressFamily::V4 => 16,
        AddressFamily::V6 => 40,
    }
}

/// Where the payload starts: 16 or 40 in version 1, 28 or 52 in version 2.
pub(crate) const fn payload_at(version: Version, family: AddressFamily) -> u16 {
    match version {
        Version::V2 => addresses_end(family) + TIME_BLOCK,
        _ => addresses_end(family),
    }
}

/// Header of a version 1 or 2 frame, for whoever wants to know what the sender is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderV12 {
    /// The length that the header claims to have. Senders differ and one fills it with rubbish: nothing is computed
    /// from it.
    pub header_length_byte: u8,
    /// What stands in the padding of version 2.
    pub padding: Option<[u8; 2]>,
    /// Where the payload starts, in octets from the start of the frame.
    pub payload_offset: usize,
}

pub(crate) fn read(
    map: &mut FieldMap,
    received: &[u8],
    version: Version,
) -> Result<(), DecodeError> {
    let too_short = |family| {
        DecodeError::new(DecodeErrorKind::TooShort, 0)
            .lengths(usize::from(payload_at(version, family)), received.len())
    };
    let Some(&[_, header_length, family, _]) = received.first_chunk::<4>() else {
        return Err(too_short(AddressFamily::V4));
    };
    let family = AddressFamily::from_wire(family)
        .ok_or(DecodeError::new(DecodeErrorKind::UnknownFamily, 2))?;
    let payload_at = payload_at(version, family);
    if received.len() < usize::from(payload_at) {
        return Err(too_short(family));
    }
    let frame_len = u16::try_from(received.len()).map_err(|_| {
        DecodeError::new(DecodeErrorKind::TooLarge, 0)
            .lengths(usize::from(u16::MAX), received.len())
    })?;
    map.version = version;
    map.frame_len = frame_len;
    if !matches!(header_length, 16 | 40 | 28 | 52) {
        map.defects.insert(Defect::OddHeaderLength);
    }
    note_header(map, family);
    note(map, ChunkType::PAYLOAD, payload_at);
    if version == Version::V2 {
        let block_at = addresses_end(family);
        note(map, ChunkType::TIME_SEC, block_at);
        note(map, ChunkType::TIME_USEC, block_at + 4);
        note(map, ChunkType::CAPTURE_ID, block_at + 8);
        if let Some(block) = time_block(received, map) {
            map.byte_order = TimeBlock::read(block, None).byte_order;
        }
    }
    Ok(())
}

fn note_header(map: &mut FieldMap, family: AddressFamily) {
    let (source, destination, width) = match family {
        AddressFamily::V4 => (ChunkType::SRC_IPV4, ChunkType::DST_IPV4, 4),
        AddressFamily::V6 => (ChunkType::SRC_IPV6, ChunkType::DST_IPV6, 16),
    };
    map.addresses = Some(family);
    note(map, ChunkType::IP_FAMILY, 2);
    note(map, ChunkType::IP_PROTOCOL, 3);
    note(map, ChunkType::SRC_PORT, 4);
    note(map, ChunkType::DST_PORT, 6);
    note(map, source, ADDRESSES_AT);
    note(map, destination, ADDRESSES_AT + width);
}

/// What stands in front of a value is no length in these versions, and nobody takes it for one.
fn note(map: &mut FieldMap, chunk_type: ChunkType, value_at: u16) {
    map.note(slot(chunk_type), u32::from(value_at) - 2);
}

/// The octets of time and capture agent ID.
pub(crate) fn time_block(frame: &[u8], map: &FieldMap) -> Option<[u8; TimeBlock::WIDTH]> {
    if map.version != Version::V2 {
        return None;
    }
    let at = map.value_at(slot(ChunkType::TIME_SEC));
    frame.get(at..)?.first_chunk().copied()
}
