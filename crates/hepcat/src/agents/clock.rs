//! How far an agent's clock may be from ours.

use std::time::Duration;

use hepcat_wire::{Message, TimeSource, Version};

const DAY: Duration = Duration::from_hours(24);

/// Bounds of what is believed of an agent's clock, from the time of arrival. A message outside of them is
/// marked, and nothing else: it is routed like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockBounds {
    /// How far a sent time may lie after the arrival. Default 24 h: a wrong time zone is still inside.
    pub ahead: Duration,
    /// How far it may lie before. Default 7 d: what an agent kept over a long weekend is still inside.
    pub behind: Duration,
}

impl Default for ClockBounds {
    fn default() -> Self {
        Self {
            ahead: DAY,
            behind: DAY * 7,
        }
    }
}

/// On which side of the bounds a sent time lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClockFault {
    /// After the arrival.
    Ahead,
    /// Before it.
    Behind,
}

impl ClockFault {
    /// `ahead` or `behind`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ahead => "ahead",
            Self::Behind => "behind",
        }
    }
}

impl ClockBounds {
    /// Bounds of these widths.
    #[must_use]
    pub fn new(ahead: Duration, behind: Duration) -> Self {
        Self { ahead, behind }
    }

    /// What is wrong with a sent time, given that of the arrival; both since 1970.
    #[inline]
    #[must_use]
    pub fn judge(&self, sent: Duration, received: Duration) -> Option<ClockFault> {
        if sent > received.saturating_add(self.ahead) {
            Some(ClockFault::Ahead)
        } else if sent.saturating_add(self.behind) < received {
            Some(ClockFault::Behind)
        } else {
            None
        }
    }

    /// What is wrong with the sent time of a message; nothing where it has none.
    #[must_use]
    pub fn judge_message<B: AsRef<[u8]>>(
        &self,
        message: &Message<B>,
        received: Duration,
    ) -> Option<ClockFault> {
        self.judge(sent_time(message, received)?, received)
    }
}

/// What the agent's clock said, since 1970, however unlikely: for version 2 also what
/// [`Message::time`] does not believe. `None` where the frame carries no time.
#[inline]
#[must_use]
pub fn sent_time<B: AsRef<[u8]>>(message: &Message<B>, received: Duration) -> Option<Duration> {
    if message.version() == Version::V2 {
        let time = message.time(received);
        if time.source == TimeSource::Sent {
            return Some(time.since_epoch);
        }
    }
    match (message.time_sec()?, message.time_usec().unwrap_or(0)) {
        (0, 0) => None,
        (seconds, micros) => {
            Some(Duration::from_secs(u64::from(seconds)) + Duration::from_micros(u64::from(micros)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_themselves_are_inside() {
        let bounds = ClockBounds::default();
        let now = Duration::from_secs(1_700_000_000);
        let tick = Duration::from_micros(1);
        for (sent, fault) in [
            (now, None),
            (now + DAY, None),
            (now + DAY + tick, Some(ClockFault::Ahead)),
            (now - DAY * 7, None),
            (now - DAY * 7 - tick, Some(ClockFault::Behind)),
            (Duration::from_secs(1), Some(ClockFault::Behind)),
            (
                Duration::from_secs(u64::from(u32::MAX)),
                Some(ClockFault::Ahead),
            ),
        ] {
            assert_eq!(bounds.judge(sent, now), fault, "{sent:?}");
        }
        // A clock of ours that stands before 1970 is 0, and judges like any other.
        assert_eq!(bounds.judge(now, Duration::ZERO), Some(ClockFault::Ahead));
        assert_eq!(bounds.judge(Duration::ZERO, Duration::ZERO), None);
    }
}
