//! Links, as records show them.

use serde::{Deserialize, Serialize};

use super::Rule;
use crate::call::record::LegId;

/// What came of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkStatus {
    /// It makes the two one call.
    Joined,
    /// It is not sure enough to.
    Suggested,
    /// An operator took it away.
    Unlinked,
    /// It would have made a call of too many legs, or many others say the same.
    Withheld,
}

/// One reason for two legs being one call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Link {
    /// The leg whose message said it.
    pub from: LegId,
    /// The leg that it names, or that said the same before.
    pub to: LegId,
    /// By which rule.
    pub rule: Rule,
    /// The header field, where the rule is a configured one.
    pub header: Option<Box<str>>,
    /// How sure it is, of 100.
    pub confidence: u8,
    /// What both have in common, as written.
    pub value: Box<str>,
    /// What came of it.
    pub status: LinkStatus,
    /// Identifies what both have in common: what [`crate::call::Tracker::unlink`] takes. In JSON 16 hexadecimal digits,
    /// as not every reader of numbers keeps 64 bits.
    #[serde(with = "digits")]
    pub key: u64,
}

mod digits {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde hands over references"
    )]
    pub(super) fn serialize<S: Serializer>(key: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{key:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
