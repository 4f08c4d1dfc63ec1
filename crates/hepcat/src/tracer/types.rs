//! What a trace takes in: how much of a call, and which protocol types.

use hepcat_wire::ProtocolType;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much a trace takes in once a message fits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The message alone.
    Message,
    /// The request's transaction: what carries its Via branch and `CSeq` number, on whichever hop.
    Transaction,
    /// The dialog of an initial INVITE: what carries its Call-ID and the caller's tag, until it ends.
    #[default]
    Dialog,
}

impl Scope {
    /// Every scope by its name.
    pub const NAMES: [(&'static str, Self); 3] = [
        ("message", Self::Message),
        ("transaction", Self::Transaction),
        ("dialog", Self::Dialog),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Transaction => "transaction",
            Self::Dialog => "dialog",
        }
    }
}

/// A set of HEP protocol types (chunk 0x000b).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Types([u64; 4]);

impl Types {
    /// SIP and nothing else: what a trace takes in unless it says otherwise.
    pub const SIP: Self = Self([1 << ProtocolType::SIP.0, 0, 0, 0]);

    /// No type at all.
    pub const NONE: Self = Self([0; 4]);

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, protocol_type: ProtocolType) -> Self {
        let (word, bit) = place(protocol_type);
        self.0[word] |= bit;
        self
    }

    /// Whether the type is among them.
    #[must_use]
    pub fn contains(self, protocol_type: ProtocolType) -> bool {
        let (word, bit) = place(protocol_type);
        self.0[word] & bit != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// One type by the name that `type:` of the query language has for it, by its number, or by the
    /// original's name for it (`xlog`, `rest`).
    #[must_use]
    pub fn named(word: &str) -> Option<ProtocolType> {
        if let Ok(number) = word.parse::<u8>() {
            return Some(ProtocolType(number));
        }
        match word {
            "xlog" => Some(ProtocolType(100)),
            "rest" => Some(ProtocolType(0x58)),
            _ => (0..=u8::MAX)
                .map(ProtocolType)
                .find(|known| known.name() == Some(word)),
        }
    }

    /// The types by name, where they have one, else by number.
    pub fn names(self) -> impl Iterator<Item = String> {
        (0..=u8::MAX)
            .map(ProtocolType)
            .filter(move |known| self.contains(*known))
            .map(|known| {
                known
                    .name()
                    .map_or_else(|| known.0.to_string(), str::to_owned)
            })
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::SIP
    }
}

fn place(protocol_type: ProtocolType) -> (usize, u64) {
    (
        usize::from(protocol_type.0 / 64),
        1 << (protocol_type.0 % 64),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_named_as_queries_name_them() {
        let types = ["sip", "xlog", "200"]
            .into_iter()
            .filter_map(Types::named)
            .fold(Types::NONE, Types::with);
        assert_eq!(
            types.names().collect::<Vec<_>>(),
            ["sip", "log", "200"],
            "in the order of their numbers"
        );
        assert!(types.contains(ProtocolType::SIP));
        assert!(!types.contains(ProtocolType(101)));
        assert_eq!(Types::named("sipp"), None);
        assert_eq!(Types::named("256"), None);
        assert!(Types::NONE.is_empty());
    }
}
