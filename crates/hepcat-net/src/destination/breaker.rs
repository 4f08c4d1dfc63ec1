//! The circuit breaker of a destination: whether its link has failed too often to be relied upon.
//!
//! It holds no frames back and makes no attempts of its own: while it is open, attempts go on as
//! back-off and the retry limit say, each of them a trial. What it decides is whether whoever can choose
//! between destinations should choose this one.

use std::time::Duration;

use super::LinkState;

/// Failures in a row that open the breaker where no retry limit says how many: the documented default
/// of `hep_max_retries`.
pub(super) const OPENS_AFTER: u32 = 5;

/// A connection that held for less counts as a failed attempt, so that a peer which accepts and closes
/// at once is backed off from as well, and does not close the breaker.
pub(super) const STABLE: Duration = Duration::from_secs(5);

/// A connection that has taken nothing for this long is passed over although it is there: ten times
/// what a busy collector's pauses last, and little beside the 30 s after which the kernel gives it up.
pub(super) const STALLED: Duration = Duration::from_secs(2);

/// State of a destination's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Breaker {
    /// The link works, or has not failed often enough to say that it does not.
    Closed,
    /// So many failures in a row that nothing is expected of the destination until a trial succeeds.
    Open,
    /// A trial is under way: an attempt to connect, or a connection younger than 5 s.
    HalfOpen,
}

impl Breaker {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Fixed label in snake case, for metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }

    /// The state that follows from failures in a row, the link's state, whether an attempt is under
    /// way, and the age of the connection.
    pub(super) fn of(
        tripped: bool,
        state: LinkState,
        attempting: bool,
        connected_for: Option<Duration>,
    ) -> Self {
        match state {
            LinkState::Refusing => Self::Open,
            _ if !tripped => Self::Closed,
            LinkState::Up | LinkState::Slow => match connected_for {
                Some(age) if age < STABLE => Self::HalfOpen,
                _ => Self::Closed,
            },
            _ if attempting => Self::HalfOpen,
            _ => Self::Open,
        }
    }
}

/// What somebody needs to know who can choose between destinations. Cheap to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Whether frames offered now are likely to be delivered soon: there is a connection that takes
    /// frames (or the first attempt has just begun), and the breaker is closed.
    pub available: bool,
    /// For how long it has been back, where it had been away; `None` where it never was, or is now.
    pub back_for: Option<Duration>,
    /// Frames that it holds, in memory and on disk.
    pub queued: u64,
}

impl Health {
    /// What a destination of somebody else's making would say.
    #[must_use]
    pub fn new(available: bool, back_for: Option<Duration>, queued: u64) -> Self {
        Self {
            available,
            back_for,
            queued,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_enough_failures_and_closes_when_a_connection_has_held() {
        let young = Some(STABLE / 2);
        let old = Some(STABLE);
        for (tripped, state, attempting, age, expected) in [
            (false, LinkState::Down, true, None, Breaker::Closed),
            (false, LinkState::Up, false, young, Breaker::Closed),
            (true, LinkState::Down, false, None, Breaker::Open),
            (true, LinkState::CoolingDown, false, None, Breaker::Open),
            (true, LinkState::Down, true, None, Breaker::HalfOpen),
            (true, LinkState::Up, false, young, Breaker::HalfOpen),
            (true, LinkState::Slow, false, young, Breaker::HalfOpen),
            (true, LinkState::Up, false, old, Breaker::Closed),
            (false, LinkState::Refusing, false, old, Breaker::Open),
        ] {
            assert_eq!(
                Breaker::of(tripped, state, attempting, age),
                expected,
                "{tripped} {state:?} {attempting} {age:?}"
            );
        }
    }
}
