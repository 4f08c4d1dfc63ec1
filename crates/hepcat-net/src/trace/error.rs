//! Why a message cannot be packed.

use hepcat_wire::{ChunkType, EncodeError};

/// Why a message cannot be packed. Nothing is ever cut, wrapped or left out instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The frame cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The two types of a correlation are the same, which says nothing.
    #[error("both correlations are of type `{kind}`: the types must differ")]
    #[non_exhaustive]
    SameType {
        /// The type.
        kind: String,
    },
    /// Two payload parts or two correlations have one name, and JSON has one place for it.
    #[error("`{name}` is given twice")]
    #[non_exhaustive]
    RepeatedName {
        /// The name.
        name: String,
    },
    /// A correlation without a name or without a value.
    #[error("a correlation needs a type and a value")]
    EmptyCorrelation,
    /// The value of a chunk that every frame has is of another width.
    #[error("value of chunk {chunk_type} has {actual} octets instead of {needed}")]
    #[non_exhaustive]
    BadWidth {
        /// The generic type.
        chunk_type: ChunkType,
        /// Octets that it must have.
        needed: usize,
        /// Octets that were given.
        actual: usize,
    },
    /// A chunk that follows from others: the address family, and the payload.
    #[error("chunk {chunk_type} cannot be set: it follows from addresses or payload")]
    #[non_exhaustive]
    Derived {
        /// The generic type.
        chunk_type: ChunkType,
    },
}

impl PackError {
    /// Short fixed label for metrics and JSON.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Encode(error) => error.reason(),
            Self::SameType { .. } => "same_type",
            Self::RepeatedName { .. } => "repeated_name",
            Self::BadWidth { .. } => "bad_width",
            Self::Derived { .. } => "derived_chunk",
            Self::EmptyCorrelation => "empty_correlation",
        }
    }
}
