//! What is remarkable about a call, as a set of named flags.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq};

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $label:literal,)*) => {
        /// One remarkable thing about a leg or a call. `docs/calls.md` says when each is set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Flag {
            $($(#[$doc])* $name,)*
        }

        impl Flag {
            /// Every flag, in the order they are shown in.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name in records, queries and on the page.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

flags! {
    /// A message was sent more than once.
    Retransmission = "retransmission",
    /// A message was seen at more than one place, or twice at one.
    Duplicate = "duplicate",
    /// An INVITE was answered with 2xx and no ACK of it was seen.
    NoAck = "no_ack",
    /// The call was answered and closed without a BYE.
    MissingBye = "missing_bye",
    /// Nobody answered a request at all.
    NoResponse = "no_response",
    /// A server asked for credentials (401, 407).
    AuthChallenge = "auth_challenge",
    /// Credentials were sent and refused.
    AuthFailed = "auth_failed",
    /// What both sides agreed on lets media flow one way only, or reports say that none came from one side.
    OneWay = "one_way",
    /// One side put the other on hold.
    Hold = "hold",
    /// Media was described before the call was answered.
    EarlyMedia = "early_media",
    /// More than one party answered or rang.
    Forked = "forked",
    /// CANCEL and the answer crossed.
    CancelRace = "cancel_race",
    /// The call was transferred (REFER, Replaces).
    Transfer = "transfer",
    /// The session was changed after it was answered.
    Reinvite = "reinvite",
    /// Fax (T.38) was described.
    Fax = "fax",
    /// A private address in Contact or SDP came from a public one.
    Nat = "nat",
    /// An agent's clock is off by more than a second, or not believed.
    Clock = "clock",
    /// The beginning or one direction was not seen.
    HalfSeen = "half_seen",
    /// A message is not as it should be: cut, without a header field it needs, ...
    Malformed = "malformed",
    /// Media reports tell of loss, jitter or a low score.
    PoorQuality = "poor_quality",
    /// The Call-ID had been seen before and was closed.
    Resumed = "resumed",
    /// A limit of the tracker kept something of this call from being remembered.
    Limited = "limited",
    /// It was closed to make room, not because it was over.
    Evicted = "evicted",
    /// Retention removed a part of its messages.
    PartitionRemoved = "partition_removed",
}

/// A set of flags. Written as a list of their names.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(pub(super) u32);

impl Flags {
    /// Adds one.
    pub fn set(&mut self, flag: Flag) {
        self.0 |= 1 << flag as u32;
    }

    /// Adds one, where `when`.
    pub(super) fn set_if(&mut self, flag: Flag, when: bool) {
        if when {
            self.set(flag);
        }
    }

    /// Whether it is in.
    #[must_use]
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & (1 << flag as u32) != 0
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that are in.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::ALL
            .iter()
            .copied()
            .filter(move |flag| self.has(*flag))
    }

    /// Whether none is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Flag> for Flags {
    fn from_iter<I: IntoIterator<Item = Flag>>(flags: I) -> Self {
        let mut set = Self::default();
        flags.into_iter().for_each(|flag| set.set(flag));
        set
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Flag::label)).finish()
    }
}

impl Serialize for Flags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.count_ones() as usize))?;
        for flag in self.iter() {
            list.serialize_element(flag.label())?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Flags {
    /// Names of flags that this version does not know are passed over.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        Ok(Flag::ALL
            .iter()
            .copied()
            .filter(|flag| names.iter().any(|name| name == flag.label()))
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_kept_by_name() {
        let flags: Flags = [Flag::NoAck, Flag::PartitionRemoved].into_iter().collect();
        let json = serde_json::to_string(&flags).unwrap();
        assert_eq!(json, r#"["no_ack","partition_removed"]"#);
        assert_eq!(serde_json::from_str::<Flags>(&json).unwrap(), flags);
        let newer = serde_json::from_str::<Flags>(r#"["no_ack","of_tomorrow"]"#).unwrap();
        assert_eq!(newer.iter().collect::<Vec<_>>(), [Flag::NoAck]);
    }

    #[test]
    fn there_is_room_for_every_flag_and_each_has_its_name() {
        assert!(Flag::ALL.len() <= 32);
        let mut names: Vec<_> = Flag::ALL.iter().map(|flag| flag.label()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Flag::ALL.len());
    }
}
