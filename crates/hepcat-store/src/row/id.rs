//! Identity of a row: node, generation and place in it, in 63 bits.

use std::fmt;

const PLACE_BITS: u32 = 20;
const GENERATION_BITS: u32 = 31;

/// Most rows of a generation: 2^20.
pub(crate) const MAX_PLACE: u32 = 1 << PLACE_BITS;
/// Number of the last generation.
pub(crate) const MAX_GENERATION: u32 = (1 << GENERATION_BITS) - 1;
/// Number of the last node.
pub(crate) const MAX_NODE: u16 = (1 << (63 - GENERATION_BITS - PLACE_BITS)) - 1;

/// Identity of a row, unique among the nodes of one installation and stable for the row's life: bits 62 to 51 are
/// the number of the node, 50 to 20 the generation (which counts up through all runs), 19 to 0 the place in it. So
/// the rows of one node have the order in which they were appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId(i64);

impl RowId {
    pub(crate) const fn new(node: u16, generation: u32, place: u32) -> Self {
        Self(
            ((node as i64) << (GENERATION_BITS + PLACE_BITS))
                | ((generation as i64) << PLACE_BITS)
                | place as i64,
        )
    }

    /// The number as it stands in column `row_id`.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// The identity with this number.
    #[must_use]
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Number of the node that received the row.
    #[must_use]
    pub const fn node(self) -> u16 {
        ((self.0.cast_unsigned() >> (GENERATION_BITS + PLACE_BITS)) & MAX_NODE as u64) as u16
    }

    /// Generation of the log in which it was.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the bits above are cut off"
    )]
    pub const fn generation(self) -> u32 {
        ((self.0.cast_unsigned() >> PLACE_BITS) & MAX_GENERATION as u64) as u32
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
