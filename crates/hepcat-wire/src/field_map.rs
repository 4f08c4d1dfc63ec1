//! Where the fields of a frame stand: the result of the one pass over it.

use crate::{
    chunk::ChunkType,
    defects::Defects,
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

/// No such field: no value starts two octets behind this in a frame of at most 65,535.
const ABSENT: u16 = u16::MAX;

/// Where the known fields stand, with what else the pass found. Versions 1 and 2 use the slots of the chunks that mean
/// the same, so that most accessors need not ask for the version.
#[derive(Clone, Copy)]
pub(crate) struct FieldMap {
    /// From the start of the frame to the two octets in front of the value, which in version 3 are the chunk length.
    /// An absent field and one beyond the end are then told by the same comparison.
    places: [u16; SLOTS],
    pub(crate) frame_len: u16,
    pub(crate) version: Version,
    pub(crate) defects: Defects,
    pub(crate) addresses: Option<AddressFamily>,
    /// Of time and, in version 2, capture agent ID; there it is decided without knowing when the frame arrived.
    pub(crate) byte_order: ByteOrder,
}

impl FieldMap {
    /// Nothing found yet.
    #[inline]
    pub(crate) const fn new() -> Self {
        Self {
            places: [ABSENT; SLOTS],
            frame_len: 0,
            version: Version::V3,
            defects: Defects::NONE,
            addresses: None,
            byte_order: ByteOrder::Big,
        }
    }

    /// Finds the fields of one datagram or deframed frame. It fills the map in its place, because moving what was just
    /// written in pieces costs as much as finding it.
    #[inline]
    pub(crate) fn fill(&mut self, received: &[u8], mode: Mode) -> Result<(), DecodeError> {
        match received {
            [m1, m2, m3, m4, ..] if MAGICS.contains(&[*m1, *m2, *m3, *m4]) => {
                v3::read(self, received, mode)
            }
            [0x01, ..] => v12::read(self, received, Version::V1),
            [0x02, ..] => v12::read(self, received, Version::V2),
            _ => Err(DecodeError::new(DecodeErrorKind::UnknownFormat, 0)),
        }
    }

    /// Where the value of this slot starts; beyond every frame where there is none.
    #[inline]
    pub(crate) fn value_at(&self, slot: usize) -> usize {
        self.place(slot) + 2
    }

    /// Where the length stands that is in front of the value.
    #[inline]
    pub(crate) fn place(&self, slot: usize) -> usize {
        usize::from(self.places.get(slot).copied().unwrap_or(ABSENT))
    }

    #[inline]
    pub(crate) fn has(&self, chunk_type: ChunkType) -> bool {
        self.place(slot(chunk_type)) != usize::from(ABSENT)
    }

    /// Notes a place; the last of several wins. Tells whether there was one.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a frame has at most 65,535 octets"
    )]
    pub(crate) fn note(&mut self, slot: usize, place: u32) -> bool {
        let Some(noted) = self.places.get_mut(slot) else {
            return false;
        };
        let repeated = *noted != ABSENT;
        *noted = place as u16;
        repeated
    }
}
