//! When the next message is due: decided here, waited for elsewhere.

use std::{str::FromStr, time::Duration};

/// How fast a replay goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pace {
    /// With the spacing of the recording, so many times faster.
    Recorded(Factor),
    /// So many messages a second.
    Rate(Rate),
    /// As fast as they are taken.
    FlatOut,
}

/// A number of times: above 0, and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Factor(f64);

impl Factor {
    pub(super) const ONE: Self = Self(1.0);
}

impl FromStr for Factor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_suffix(['x', 'X']).unwrap_or(text);
        positive(number)
            .map(Self)
            .ok_or("write how many times faster: 10x, 0.5x")
    }
}

/// Messages a second: above 0, and finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate(f64);

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        positive(text)
            .map(Self)
            .ok_or("write messages per second: 500, 0.2")
    }
}

fn positive(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number > 0.0).then_some(number)
}

/// Keeps the time of a replay. All times out of it count from the start of the replay.
#[derive(Debug)]
pub(super) struct Pacer {
    pace: Pace,
    sent: u64,
    /// Recorded time of the first message of the current recording.
    first: Option<Duration>,
    /// When that message was due.
    base: Duration,
    /// When the latest message was due.
    latest: Duration,
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            sent: 0,
            first: None,
            base: Duration::ZERO,
            latest: Duration::ZERO,
        }
    }

    /// Says that another recording starts, or the same one again: its times count from here.
    pub(super) fn next_recording(&mut self) {
        self.first = None;
        self.base = self.latest;
    }

    /// When the next message is due, given its recorded time. One without a time is due with the one
    /// before it, one from before the recording's first at once.
    pub(super) fn due(&mut self, recorded: Option<Duration>) -> Duration {
        let due = match self.pace {
            Pace::FlatOut => Duration::ZERO,
            Pace::Rate(Rate(rate)) => seconds(as_f64(self.sent) / rate),
            Pace::Recorded(Factor(factor)) => match recorded {
                None => self.latest,
                Some(recorded) => {
                    let first = *self.first.get_or_insert(recorded);
                    let since = recorded.saturating_sub(first).as_secs_f64();
                    self.base.saturating_add(seconds(since / factor))
                }
            },
        };
        self.sent += 1;
        self.latest = self.latest.max(due);
        due
    }
}

/// A count or a time that overflows is further away than anybody waits.
fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}

fn as_f64(number: u64) -> f64 {
    // Exact up to 2^53 messages.
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn dues(pace: Pace, times: &[Option<u64>]) -> Vec<Duration> {
        let mut pacer = Pacer::new(pace);
        times.iter().map(|t| pacer.due(t.map(MS))).collect()
    }

    #[test]
    fn the_spacing_of_the_recording_is_kept_or_shrunk() {
        let times = [Some(5_000), Some(5_250), None, Some(4_000), Some(7_000)];
        let recorded = dues(Pace::Recorded(Factor::ONE), &times);
        assert_eq!(recorded, [MS(0), MS(250), MS(250), MS(0), MS(2_000)]);
        let faster = dues(Pace::Recorded("10x".parse().unwrap()), &times);
        assert_eq!(faster, [MS(0), MS(25), MS(25), MS(0), MS(200)]);
    }

    #[test]
    fn a_rate_ignores_the_recording() {
        let rate = Pace::Rate("4".parse().unwrap());
        assert_eq!(
            dues(rate, &[Some(0), None, Some(90_000)]),
            [MS(0), MS(250), MS(500)]
        );
        assert_eq!(dues(Pace::FlatOut, &[Some(0), Some(9)]), [MS(0), MS(0)]);
    }

    #[test]
    fn recordings_follow_one_another() {
        let mut pacer = Pacer::new(Pace::Recorded(Factor::ONE));
        pacer.due(Some(MS(100)));
        assert_eq!(pacer.due(Some(MS(400))), MS(300));
        pacer.next_recording();
        assert_eq!(pacer.due(Some(MS(100))), MS(300));
        assert_eq!(pacer.due(Some(MS(400))), MS(600));
    }

    #[test]
    fn what_is_no_speed_is_refused() {
        for text in ["0", "-1", "inf", "nan", "x", "", "10y"] {
            assert!(text.parse::<Factor>().is_err(), "{text}");
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
