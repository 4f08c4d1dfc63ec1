//! Where the fields of a frame stand: the result of the one pass over it.

use crate::{
    chunk::ChunkType,
    defects::{Defect, Defects},
    error::{DecodeError, DecodeErrorKind},
    time::ByteOrder,
    v3, v12,
    version::{MAGICS, Version},
};

/// How much to put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Strict,
    Lax,
}

/// Address family of source and destination, as the address fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// What the number of the family byte or chunk means. IPv6 is a different number on nearly every system: 10 on
    /// Linux, 28 FreeBSD, 30 macOS, 24 OpenBSD and NetBSD, 26 illumos, 23 Windows.
    #[must_use]
    pub const fn from_wire(number: u8) -> Option<Self> {
        match number {
            2 => Some(Self::V4),
            10 | 23 | 24 | 26 | 28 | 30 => Some(Self::V6),
            _ => None,
        }
    }

    /// The number that we write: 2 or 10.
    #[must_use]
    pub const fn to_wire(self) -> u8 {
        match self {
            Self::V4 => 2,
            Self::V6 => 10,
        }
    }
}

/// One slot for each generic type up to `0x0029`, and one for `0x0065`.
const SLOTS: usize = 43;
const EXTRA_CORRELATIONS_SLOT: usize = SLOTS - 1;

/// The slot of a generic chunk type.
pub(crate) const fn slot(chunk_type: ChunkType) -> usize {
    if chunk_type.0 == ChunkType::EXTRA_CORRELATIONS.0 {
        EXTRA_CORRELATIONS_SLOT
    } else {
        chunk_type.0 as usize
    }
}

/// Offsets of the values of the known fields, with what else the pass found. Versions 1 and 2 use the slots of the
/// chunks that mean the same, so that most accessors need not ask for the version.
#[derive(Clone, Copy)]
pub(crate) struct FieldMap {
    /// Offset of the value from the start of the frame; 0 is absent, for no value stands there.
    values: [u16; SLOTS],
    pub(crate) frame_len: u16,
    pub(crate) version: Version,
    pub(crate) defects: Defects,
    pub(crate) addresses: Option<AddressFamily>,
    /// Of the time block of version 2, decided without knowing when the frame arrived.
    pub(crate) byte_order: ByteOrder,
}

impl FieldMap {
    pub(crate) const fn new(version: Version, frame_len: u16) -> Self {
        Self {
            values: [0; SLOTS],
            frame_len,
            version,
            defects: Defects::NONE,
            addresses: None,
            byte_order: ByteOrder::Little,
        }
    }

    /// Finds the fields of one datagram or deframed frame.
    #[inline]
    pub(crate) fn read(received: &[u8], mode: Mode) -> Result<Self, DecodeError> {
        match received {
            [m1, m2, m3, m4, ..] if MAGICS.contains(&[*m1, *m2, *m3, *m4]) => {
                v3::read(received, mode)
            }
            [0x01, ..] => v12::read(received, Version::V1),
            [0x02, ..] => v12::read(received, Version::V2),
            _ => Err(DecodeError::new(DecodeErrorKind::UnknownFormat, 0)),
        }
    }

    /// Offset of the value in this slot, 0 where it is absent.
    #[inline]
    pub(crate) fn at(&self, slot: usize) -> usize {
        self.values.get(slot).copied().map_or(0, usize::from)
    }

    pub(crate) fn has(&self, chunk_type: ChunkType) -> bool {
        self.at(slot(chunk_type)) != 0
    }

    /// Notes a value; the last of several wins.
    #[inline]
    pub(crate) fn note(&mut self, slot: usize, value_at: u16) {
        if let Some(place) = self.values.get_mut(slot) {
            if *place != 0 {
                self.defects.insert(Defect::RepeatedChunk);
            }
            *place = value_at;
        }
    }
}
