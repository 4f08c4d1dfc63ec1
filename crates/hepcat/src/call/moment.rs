//! Points in time as they stand in messages and records.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time in microseconds since 1970 UTC; before that negative. Microseconds are what HEP carries and what
/// the store keeps.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Moment(i64);

impl Moment {
    /// From microseconds since 1970.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How much later this is than `earlier`; nothing where it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0.checked_sub(earlier.0)?)
            .ok()
            .map(Duration::from_micros)
    }

    /// Time between the two, whichever comes first.
    #[must_use]
    pub fn distance(self, other: Self) -> Duration {
        Duration::from_micros(self.0.abs_diff(other.0))
    }

    /// So many microseconds later, or earlier.
    #[must_use]
    pub(crate) const fn shifted(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Later by `by`.
    #[must_use]
    pub(crate) fn after(self, by: Duration) -> Self {
        self.shifted(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
    }
}

impl From<Duration> for Moment {
    /// Time since 1970, as the wire crate gives it.
    fn from(since_epoch: Duration) -> Self {
        Self(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}

/// The earliest of the moments it was told, in any order. Eight octets, which an `Option` would double; a leg has a dozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Earliest(i64);

impl Default for Earliest {
    fn default() -> Self {
        Self(i64::MAX)
    }
}

impl Earliest {
    pub(super) fn tell(&mut self, at: Moment) {
        self.0 = self.0.min(at.0);
    }

    pub(super) fn get(self) -> Option<Moment> {
        (self.0 != i64::MAX).then_some(Moment(self.0))
    }

    pub(super) fn is_some(self) -> bool {
        self.0 != i64::MAX
    }
}

/// Durations in records, as whole microseconds.
pub(super) mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde calls with")]
    pub(in crate::call) fn serialize<S: Serializer>(
        lapse: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        lapse
            .map(|lapse| u64::try_from(lapse.as_micros()).unwrap_or(u64::MAX))
            .serialize(serializer)
    }

    pub(in crate::call) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_micros))
    }
}
