//! How far agents' clocks are from ours, estimated from nothing but when messages were sent and when they arrived.
//!
//! The difference between arrival and sending is the clock's offset plus the time on the way. The way is never
//! negative and often short, so the smallest difference of a while is the best witness. It counts as an *offset* only
//! where it is plain (far outside of what a network does) and steady from one while to the next: an agent that catches
//! up from its spool has large differences too, but they shrink.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use crate::agents::ClockBounds;

/// How long differences are looked at together, by our clock.
const WINDOW: Duration = Duration::from_secs(10);
/// A message that seems to come from the future can only come from a clock that is ahead, but clocks kept by NTP are
/// not exact either.
const AHEAD_BAND: i64 = 20_000;
/// A message that is late may have been on its way, or in a batch, that long.
const BEHIND_BAND: i64 = 500_000;
/// Two whiles agree when their smallest differences do within this; a clock drifts by less than 1 ms in a while.
const AGREEMENT: i64 = 100_000;

/// The offset of one agent's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AgentClock {
    /// Added to a sent time to correct it, in microseconds; 0 where the clock is believed.
    correction: i64,
    /// Smallest difference of the last whole while.
    last: Option<i64>,
    /// Smallest difference of this one, and when it began.
    now: Option<(Moment, i64)>,
    /// Whether the last message was too far off to be believed.
    disbelieved: bool,
}

impl AgentClock {
    /// Takes in a message, and gives the best guess at when it was captured by our clock.
    pub(super) fn hear(
        &mut self,
        sent: Option<Moment>,
        received: Moment,
        bounds: ClockBounds,
    ) -> Moment {
        let Some(sent) = sent else {
            return received;
        };
        self.disbelieved = !believed(sent, received, bounds);
        if self.disbelieved {
            return received;
        }
        let difference = received.as_micros().saturating_sub(sent.as_micros());
        match &mut self.now {
            Some((since, smallest)) if received.distance(*since) < WINDOW => {
                *smallest = (*smallest).min(difference);
            }
            now => {
                let ended = now.replace((received, difference));
                self.close(ended.map(|(_, smallest)| smallest));
            }
        }
        sent.shifted(self.correction)
    }

    fn close(&mut self, smallest: Option<i64>) {
        let Some(smallest) = smallest else { return };
        let steady = self
            .last
            .is_some_and(|last| last.abs_diff(smallest) <= AGREEMENT.unsigned_abs());
        self.last = Some(smallest);
        if (-AHEAD_BAND..=BEHIND_BAND).contains(&smallest) {
            self.correction = 0;
        } else if steady && self.correction.abs_diff(smallest) > AGREEMENT.unsigned_abs() {
            self.correction = smallest;
        }
    }

    /// What is added to this agent's sent times, in microseconds. Negative where its clock is ahead of ours.
    #[must_use]
    pub const fn correction_us(&self) -> i64 {
        self.correction
    }

    /// Whether its clock is off by more than a second, or not believed at all.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        self.disbelieved || self.correction.abs() > 1_000_000
    }
}

fn believed(sent: Moment, received: Moment, bounds: ClockBounds) -> bool {
    match (
        u64::try_from(sent.as_micros()),
        u64::try_from(received.as_micros()),
    ) {
        (Ok(sent), Ok(received)) => bounds
            .judge(Duration::from_micros(sent), Duration::from_micros(received))
            .is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_700_000_000_000_000;

    /// Hears a message each 100 ms for a minute; gives the correction of the last.
    fn minute(difference: impl Fn(i64) -> i64) -> AgentClock {
        let mut clock = AgentClock::default();
        for tick in 0..600 {
            let received = START + tick * 100_000;
            let sent = Moment::from_micros(received - difference(tick));
            clock.hear(
                Some(sent),
                Moment::from_micros(received),
                ClockBounds::default(),
            );
        }
        clock
    }

    #[test]
    fn a_clock_that_is_right_is_left_alone() {
        assert_eq!(minute(|tick| 800 + tick % 7 * 5_000).correction_us(), 0);
        assert_eq!(
            minute(|_| 300_000).correction_us(),
            0,
            "a slow batching agent"
        );
        assert_eq!(minute(|_| -5_000).correction_us(), 0, "NTP is not exact");
    }

    #[test]
    fn a_steady_offset_is_corrected_in_both_directions() {
        let behind = minute(|tick| 3_600_000_000 + tick % 5 * 1_000);
        assert_eq!(behind.correction_us(), 3_600_000_000);
        assert!(behind.is_off());
        let ahead = minute(|tick| -2_000_000 + tick % 5 * 1_000);
        assert_eq!(ahead.correction_us(), -2_000_000);
    }

    #[test]
    fn a_spool_that_is_replayed_is_no_offset() {
        // An hour late at first, and catching up at twice the speed of time.
        assert_eq!(
            minute(|tick| 3_600_000_000 - tick * 100_000).correction_us(),
            0
        );
    }

    #[test]
    fn what_is_beyond_belief_gets_the_time_of_arrival() {
        let mut clock = AgentClock::default();
        let received = Moment::from_micros(START);
        let at = clock.hear(
            Some(Moment::from_micros(5)),
            received,
            ClockBounds::default(),
        );
        assert_eq!(at, received);
        assert!(clock.is_off());
        assert_eq!(clock.hear(None, received, ClockBounds::default()), received);
    }
}
