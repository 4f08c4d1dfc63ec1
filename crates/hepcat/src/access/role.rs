//! Roles, rights, and the one table that says which role has which.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may be asked to have before something is shown or done. Tokens name them as their scopes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Lists, calls, ladders, agents: everything about messages but what was captured.
    See,
    /// What was captured: payloads, frames, files.
    Payload,
    /// Decide about agents, traces, links between legs, capturing; share a call.
    Operate,
    /// Check, compact and remove what is kept; read the audit log.
    Administer,
    /// Read `/metrics`.
    Metrics,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::See,
        Self::Payload,
        Self::Operate,
        Self::Administer,
        Self::Metrics,
    ];

    /// The word for it in scopes, answers and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::See => "see",
            Self::Payload => "payload",
            Self::Operate => "operate",
            Self::Administer => "administer",
            Self::Metrics => "metrics",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Right {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|right| right.name() == word)
            .ok_or(UnknownWord)
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self::of(&Right::ALL);

    /// These.
    #[must_use]
    pub const fn of(rights: &[Right]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < rights.len() {
            bits |= 1 << rights[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, right: Right) -> bool {
        self.0 & (1 << right as u8) != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }

    /// The words, with commas between: how they are kept.
    #[must_use]
    pub fn to_text(self) -> String {
        let words: Vec<&str> = self.iter().map(Right::name).collect();
        words.join(",")
    }

    /// The set that [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    /// Where a word is none of ours.
    pub fn from_text(text: &str) -> Result<Self, UnknownWord> {
        let words = text.split(',').filter(|word| !word.is_empty());
        let rights: Result<Vec<Right>, UnknownWord> =
            words.map(|word| word.trim().parse()).collect();
        rights.map(|rights| Self::of(&rights))
    }
}

/// A word that is no role, no right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not known")]
pub struct UnknownWord;

/// What a user is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees calls and their ladders, and nothing of what was captured.
    Metadata,
    /// Sees everything, as far as the masking of the configuration lets it.
    Viewer,
    /// Decides about agents, traces and links as well.
    Operator,
    /// Everything.
    Admin,
}

/// What each role may do. `docs/access.md` repeats it, and a test compares the two.
pub const TABLE: [(Role, Rights); 4] = [
    (Role::Metadata, Rights::of(&[Right::See, Right::Metrics])),
    (
        Role::Viewer,
        Rights::of(&[Right::See, Right::Payload, Right::Metrics]),
    ),
    (
        Role::Operator,
        Rights::of(&[Right::See, Right::Payload, Right::Operate, Right::Metrics]),
    ),
    (Role::Admin, Rights::ALL),
];

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Metadata, Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// What it may do, by [`TABLE`].
    #[must_use]
    pub fn rights(self) -> Rights {
        let row = TABLE.iter().find(|(role, _)| *role == self);
        row.map_or(Rights::NONE, |(_, rights)| *rights)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == word)
            .ok_or(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_its_row_and_more_than_the_one_before() {
        for (at, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(TABLE[at].0, role);
            assert_eq!(role.name().parse(), Ok(role));
        }
        for pair in TABLE.windows(2) {
            let [(_, less), (_, more)] = pair else {
                panic!("two rows");
            };
            assert_eq!(less.and(*more), *less);
            assert_ne!(less, more);
        }
    }

    #[test]
    fn a_set_is_read_as_it_was_written() {
        for bits in 0..32_u8 {
            let rights = Rights(bits);
            assert_eq!(Rights::from_text(&rights.to_text()), Ok(rights));
        }
        assert_eq!(Rights::from_text("see,all"), Err(UnknownWord));
        assert_eq!(Rights::from_text(""), Ok(Rights::NONE));
    }
}
