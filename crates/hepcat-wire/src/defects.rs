//! What a message decoded in spite of.

use std::fmt;

/// Something odd about a frame that did not keep it from decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Defect {
    /// Octets follow the declared total; they are no part of the message.
    TrailingData,
    /// A chunk of fixed width has another one: it is kept among the chunks, and its field is absent.
    BadWidth,
    /// The family chunk and the address chunks disagree; the addresses are believed.
    FamilyMismatch,
    /// A generic chunk stands twice; the last one counts.
    RepeatedChunk,
    /// A chunk of a vendor, or of a generic type that has no meaning.
    UnknownChunk,
    /// The header length of version 1 or 2 is none of 16, 40, 28 and 52.
    OddHeaderLength,
}

impl Defect {
    const ALL: [Self; 6] = [
        Self::TrailingData,
        Self::BadWidth,
        Self::FamilyMismatch,
        Self::RepeatedChunk,
        Self::UnknownChunk,
        Self::OddHeaderLength,
    ];

    /// Short fixed label for metrics and JSON.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TrailingData => "trailing_data",
            Self::BadWidth => "bad_width",
            Self::FamilyMismatch => "family_mismatch",
            Self::RepeatedChunk => "repeated_chunk",
            Self::UnknownChunk => "unknown_chunk",
            Self::OddHeaderLength => "odd_header_length",
        }
    }

    const fn bit(self) -> u8 {
        1 << (self as u8)
    }
}

/// A set of [`Defect`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Defects(u8);

impl Defects {
    /// No defect.
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn insert(&mut self, defect: Defect) {
        self.0 |= defect.bit();
    }

    /// Whether the set has this one.
    #[must_use]
    pub const fn contains(self, defect: Defect) -> bool {
        self.0 & defect.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The defects, each once.
    pub fn iter(self) -> impl Iterator<Item = Defect> {
        Defect::ALL
            .into_iter()
            .filter(move |defect| self.contains(*defect))
    }
}

impl fmt::Debug for Defects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
