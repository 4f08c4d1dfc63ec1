//! Why a message cannot be written.

use crate::{chunk::ChunkType, version::Version};

/// Why a message cannot be written. Nothing is ever written short or wrapped instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A frame or chunk above the limit, which is never more than 65,535.
    #[error("frame of {octets} octets exceeds the limit of {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// Octets that the frame would have up to what does not fit.
        octets: usize,
        /// Octets that it may have.
        limit: usize,
    },
    /// A field that every frame of the version has was not given.
    #[error("{field} is missing")]
    #[non_exhaustive]
    MissingField {
        /// Its name.
        field: &'static str,
    },
    /// The version has no place for what the message holds, or for not holding it.
    #[error("version {version} cannot carry this {field}")]
    #[non_exhaustive]
    NotConvertible {
        /// The version that was asked for.
        version: Version,
        /// The field that it cannot carry.
        field: &'static str,
    },
    /// Source and destination are of different address families, which was not to be bridged.
    #[error("source and destination are of different address families")]
    MixedFamilies,
    /// The time is before 1970 or after 2106.
    #[error("time is before 1970 or after 2106")]
    TimeOutOfRange,
    /// The value of a generic chunk of fixed width has another width.
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
    /// A generic type without a meaning, which was not forced.
    #[error("generic chunk type {chunk_type} has no meaning")]
    #[non_exhaustive]
    UnknownGeneric {
        /// The type.
        chunk_type: ChunkType,
    },
    /// A generic chunk that the builder itself writes.
    #[error("chunk {chunk_type} is written by the builder itself")]
    #[non_exhaustive]
    RepeatedChunk {
        /// The type.
        chunk_type: ChunkType,
    },
}

impl EncodeError {
    /// Short fixed label for metrics and JSON.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::MissingField { .. } => "missing_field",
            Self::NotConvertible { .. } => "not_convertible",
            Self::MixedFamilies => "mixed_families",
            Self::TimeOutOfRange => "time_out_of_range",
            Self::BadWidth { .. } => "bad_width",
            Self::UnknownGeneric { .. } => "unknown_generic",
            Self::RepeatedChunk { .. } => "repeated_chunk",
        }
    }
}
