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
    /// Identifies what both have in common: what [`crate::call::Tracker::unlink`] takes.
    pub key: u64,
}
