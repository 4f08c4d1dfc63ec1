//! How long to wait before the next attempt: a pure function of the failures so far and a random number.

use std::time::Duration;

/// Exponential back-off with jitter: 100 ms, 200 ms, 400 ms … up to 30 s by default, each shortened
/// by up to half at random, so that nodes which lost one collector do not return to it in step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            // A collector that merely restarts is back in its own start-up time plus at most this.
            initial: Duration::from_millis(100),
            // The longest that a returned collector stays unnoticed.
            max: Duration::from_secs(30),
            jitter: 0.5,
        }
    }
}

impl Backoff {
    /// The pause after the first failure. Default 100 ms; at least 1 ms, so that a zero never makes a
    /// busy loop.
    #[must_use]
    pub fn initial(mut self, pause: Duration) -> Self {
        self.initial = pause.max(Duration::from_millis(1));
        self
    }

    /// The longest pause. Default 30 s. Where it is below the first pause it wins.
    #[must_use]
    pub fn max(mut self, pause: Duration) -> Self {
        self.max = pause.max(Duration::from_millis(1));
        self
    }

    /// The share of a pause that chance may take away, 0.0 to 1.0 (anything else is brought into that
    /// range). Default 0.5.
    #[must_use]
    pub fn jitter(mut self, share: f64) -> Self {
        self.jitter = proportion(share);
        self
    }

    /// The pause after `failures` failures in a row (1 after the first), with `random` from 0.0 to
    /// 1.0. Never zero, never above the longest pause.
    #[must_use]
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.initial.saturating_mul(1 << doublings).min(self.max);
        let taken = self.jitter * proportion(random);
        full.mul_f64(1.0 - taken).max(Duration::from_millis(1))
    }
}

/// Within 0.0 to 1.0; 0.0 for what is no number.
fn proportion(number: f64) -> f64 {
    if number.is_nan() {
        0.0
    } else {
        number.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn doubles_up_to_the_longest_pause() {
        let backoff = Backoff::default();
        let pauses: Vec<_> = (1..=11)
            .map(|n| backoff.delay(n, 0.0).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000
            ]
        );
        assert_eq!(backoff.delay(u32::MAX, 0.0), MS(30_000));
    }

    #[test]
    fn chance_takes_at_most_its_share() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(1, 0.5), MS(75));
        assert_eq!(backoff.delay(1, 1.0), MS(50));
        assert_eq!(backoff.jitter(0.0).delay(1, 1.0), MS(100));
    }

    #[test]
    fn is_never_zero_whatever_is_configured() {
        let backoff = Backoff::default().initial(Duration::ZERO).jitter(7.0);
        for failures in [0, 1, 2, 40] {
            for random in [0.0, 0.999, 1.0, f64::NAN] {
                assert!(backoff.delay(failures, random) >= MS(1));
            }
        }
        assert!(backoff.jitter(f64::NAN).delay(1, 0.3) >= MS(1));
    }

    #[test]
    fn a_longest_pause_below_the_first_wins() {
        assert_eq!(Backoff::default().max(MS(20)).delay(1, 0.0), MS(20));
    }
}
