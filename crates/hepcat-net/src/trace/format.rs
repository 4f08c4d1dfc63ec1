//! The two ways of writing what has parts, and the two attitudes to the original's defects.

/// How payload parts are written (`homer5_on`, `homer5_delim`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Plain text: the values of the parts, one after the other.
    #[non_exhaustive]
    Homer5 {
        /// What stands between two parts; `:` unless said otherwise, may be empty.
        delimiter: String,
    },
    /// A JSON object: the parts by name.
    Homer6,
}

impl Format {
    /// HOMER 5 with this text between the parts.
    #[must_use]
    pub fn homer5(delimiter: impl Into<String>) -> Self {
        Self::Homer5 {
            delimiter: delimiter.into(),
        }
    }
}

impl Default for Format {
    /// HOMER 5 with a colon: the documented defaults of `homer5_on` and `homer5_delim`.
    fn default() -> Self {
        Self::homer5(":")
    }
}

/// Whether frames are written as they should be, or as OpenSIPS writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Mode {
    /// As documented, and good for strict readers.
    #[default]
    Correct,
    /// Octet for octet what OpenSIPS 3.5 to 4.1 send, with the losses that come with it: zero octets behind the
    /// payload of versions 1 and 2, correlations that HOMER 5 has no place for, parts that versions 1 and 2 leave
    /// out, two absent ends that are both 127.0.0.2, JSON cut at a NUL, and chunks in reverse order. For comparing
    /// with the original, and for receivers that were built around it.
    ///
    /// A length that does not fit its 16 bits is refused here too: the original's result is a cut message.
    OpenSipsCompatible,
}
