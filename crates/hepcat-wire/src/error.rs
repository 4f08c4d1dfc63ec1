//! What is wrong with octets that do not decode, and with values that cannot be encoded.

use std::fmt;

use crate::chunk::ChunkType;

/// Kinds of [`DecodeError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Fewer octets than the header of the version takes.
    TooShort,
    /// Neither HEP nor anything that stands in for it.
    UnknownFormat,
    /// The declared total is below the 6 octets of the header.
    BadTotalLength,
    /// The declared total is more than was received.
    TotalExceedsData,
    /// Octets follow the declared total; an error in strict mode only.
    TrailingData,
    /// 1 to 5 octets remain where a chunk should start.
    ChunkHeaderTruncated,
    /// A chunk length below the 6 octets of its header.
    ChunkTooShort,
    /// A chunk length beyond the end of the frame.
    ChunkOverrun,
    /// A chunk of fixed width has another width; an error in strict mode only.
    BadWidth,
    /// A payload that does not inflate, or inflates beyond the limit.
    BadCompression,
    /// A chunk is missing without which a message cannot be captured.
    MissingChunk,
    /// The address family of a version 1 or 2 header is none of IPv4 and IPv6.
    UnknownFamily,
    /// The authenticate key is required, and absent or wrong.
    AuthFailed,
    /// More octets than the configured maximum.
    TooLarge,
}

impl DecodeErrorKind {
    /// Short fixed label for metrics and JSON.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::UnknownFormat => "unknown_format",
            Self::BadTotalLength => "bad_total_length",
            Self::TotalExceedsData => "total_exceeds_data",
            Self::TrailingData => "trailing_data",
            Self::ChunkHeaderTruncated => "chunk_header_truncated",
            Self::ChunkTooShort => "chunk_too_short",
            Self::ChunkOverrun => "chunk_overrun",
            Self::BadWidth => "bad_width",
            Self::BadCompression => "bad_compression",
            Self::MissingChunk => "missing_chunk",
            Self::UnknownFamily => "unknown_family",
            Self::AuthFailed => "auth_failed",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why octets did not decode: kind, place, and the lengths that disagree. It holds no payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    chunk_type: Option<ChunkType>,
    offset: usize,
    needed: Option<usize>,
    actual: Option<usize>,
}

impl DecodeError {
    pub(crate) const fn new(kind: DecodeErrorKind, offset: usize) -> Self {
        Self {
            kind,
            chunk_type: None,
            offset,
            needed: None,
            actual: None,
        }
    }

    pub(crate) const fn lengths(self, needed: usize, actual: usize) -> Self {
        Self {
            needed: Some(needed),
            actual: Some(actual),
            ..self
        }
    }

    pub(crate) const fn of_chunk(self, chunk_type: ChunkType) -> Self {
        Self {
            chunk_type: Some(chunk_type),
            ..self
        }
    }

    /// What kind of error it is.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// Short fixed label for metrics and JSON, such as `chunk_too_short`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// Where it is wrong, in octets from the start of the frame.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The chunk concerned, where it is one (of any vendor).
    #[must_use]
    pub const fn chunk_type(&self) -> Option<ChunkType> {
        self.chunk_type
    }

    /// Octets that were needed, or allowed where the kind is a limit.
    #[must_use]
    pub const fn needed(&self) -> Option<usize> {
        self.needed
    }

    /// Octets that were there, or the length that was claimed.
    #[must_use]
    pub const fn actual(&self) -> Option<usize> {
        self.actual
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use DecodeErrorKind as Kind;
        let (needed, actual) = (self.needed.unwrap_or(0), self.actual.unwrap_or(0));
        match self.kind {
            Kind::TooShort => write!(f, "{actual} octets are below the {needed}-octet header"),
            Kind::UnknownFormat => f.write_str("first octets are not those of a HEP frame"),
            Kind::BadTotalLength => {
                write!(
                    f,
                    "total length {actual} is below the {needed}-octet header"
                )
            }
            Kind::TotalExceedsData => {
                write!(
                    f,
                    "total length {needed} exceeds the {actual} octets received"
                )
            }
            Kind::TrailingData => {
                write!(
                    f,
                    "total length {needed} is less than the {actual} octets received"
                )
            }
            Kind::ChunkHeaderTruncated => {
                write!(
                    f,
                    "{actual} octets left where a {needed}-octet chunk header should start"
                )
            }
            Kind::ChunkTooShort => {
                write!(
                    f,
                    "chunk length {actual} is below the {needed}-octet header"
                )
            }
            Kind::ChunkOverrun => {
                write!(
                    f,
                    "chunk length {needed} exceeds the {actual} octets left in the frame"
                )
            }
            Kind::BadWidth => write!(f, "value has {actual} octets instead of {needed}"),
            Kind::BadCompression => {
                f.write_str("compressed octets do not inflate within the limit")
            }
            Kind::MissingChunk => f.write_str("chunk required for capture is missing"),
            Kind::UnknownFamily => f.write_str("address family is neither IPv4 nor IPv6"),
            Kind::AuthFailed => f.write_str("authenticate key is absent or wrong"),
            Kind::TooLarge => write!(f, "{actual} octets exceed the limit of {needed}"),
        }?;
        if let Some(chunk_type) = self.chunk_type {
            write!(f, " in chunk {chunk_type}")?;
        }
        write!(f, " at octet {}", self.offset)
    }
}

impl std::error::Error for DecodeError {}
