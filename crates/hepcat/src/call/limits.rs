//! How much the tracker remembers, and for how long.

use std::time::Duration;

use super::record::{Kind, State};

/// Bounds of a [`crate::call::Tracker`]. Times go by the clock of reception, so a wrong clock of an agent closes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Open legs. One more, and one that is over is not waited for any longer, or else a call is evicted: one that goes on
    /// before one that is being set up. Default 500,000: 2,000 new calls a second of four minutes each.
    pub max_legs: usize,
    /// What open legs and their links may take, in octets, as [`crate::call::Open::octets`] reckons it; beyond that calls
    /// are evicted as above. Default 128 MiB: 310,000 idle legs, or 60,000 of which something was heard just now.
    pub max_octets: usize,
    /// Legs of one call; a link to one more is withheld. Default 64.
    pub max_legs_per_call: usize,
    /// Registrations. Default 100,000: about 60 MB.
    pub max_registrations: usize,
    /// Names of agents; the rest share one. Default 10,000, as everywhere.
    pub max_agents: usize,
    /// Changes that wait to be taken; the oldest are dropped and counted. Default 10,000.
    pub max_changes: usize,
    /// How long a leg that is over is kept for what comes late. Default 35 s: transactions end after 32 s.
    pub linger: Duration,
    /// How long a call may ring without a word. Default 5 min: proxies give up after more than 3 (RFC 3261, Timer C).
    pub setup_idle: Duration,
    /// How long a call may go on without a word. Default 24 h: where nobody refreshes sessions, nothing is heard.
    pub call_idle: Duration,
    /// The same for anything but calls. Default 2 min; registrations are sessions of their own.
    pub other_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_legs: 500_000,
            max_octets: 128 << 20,
            max_legs_per_call: 64,
            max_registrations: 100_000,
            max_agents: 10_000,
            max_changes: 10_000,
            linger: Duration::from_secs(35),
            setup_idle: Duration::from_mins(5),
            call_idle: Duration::from_hours(24),
            other_idle: Duration::from_mins(2),
        }
    }
}

/// What a registration takes, about (measured), and a change that waits at most, for a budget.
pub(super) const REGISTRATION_OCTETS: usize = 640;
const CHANGE_OCTETS: usize = 4_096;
/// What an open leg takes at least, while it is idle.
const LEAST_LEG_OCTETS: usize = 192;

impl Limits {
    /// The defaults, but for memory: so many octets in all, of which three quarters are for legs and an eighth each for
    /// registrations and for changes that wait.
    #[must_use]
    pub fn within(octets: usize) -> Self {
        let (legs, eighth) = (octets / 4 * 3, octets / 8);
        Self {
            max_legs: (legs / LEAST_LEG_OCTETS).max(1),
            max_octets: legs,
            max_registrations: (eighth / REGISTRATION_OCTETS).max(1),
            max_changes: (eighth / CHANGE_OCTETS).max(16),
            ..Self::default()
        }
    }

    /// The defaults, but for memory: a quarter of what a store and calls beside it may have for legs, an eighth for
    /// registrations.
    #[must_use]
    pub fn beside(store_octets: usize) -> Self {
        let defaults = Self::default();
        let legs = store_octets / 4;
        Self {
            max_legs: (legs / LEAST_LEG_OCTETS).max(1),
            max_octets: legs,
            max_registrations: (store_octets / 8 / REGISTRATION_OCTETS).max(1),
            max_changes: (store_octets / 16 / CHANGE_OCTETS).clamp(16, defaults.max_changes),
            ..defaults
        }
    }

    /// How long a leg may be silent.
    pub(super) fn patience(&self, kind: Kind, state: State) -> Duration {
        match (kind, state) {
            (_, state) if state.is_over() => self.linger,
            (Kind::Call, State::InCall) => self.call_idle,
            (Kind::Call, _) => self.setup_idle,
            _ => self.other_idle,
        }
    }
}
