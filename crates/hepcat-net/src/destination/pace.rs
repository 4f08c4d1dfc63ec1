//! How fast a backlog is replayed: a pure function of time.

use std::time::{Duration, Instant};

/// Most frames that arrived meanwhile and may be sent at once.
const MOST_CREDIT: f64 = 65_536.0;

/// A bucket of frames that fills at the replay rate, and beside it one that fills with every frame that arrives: the
/// backlog shrinks at that rate however much arrives.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    burst: f64,
    frames: f64,
    credit: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(frames_per_second: u64, now: Instant) -> Self {
        // Rates are far below 2^52.
        let rate = frames_per_second as f64;
        Self {
            rate,
            // A tenth of a second, so that a reader which wakes ten times a second keeps the rate.
            burst: (rate / 10.0).max(1.0),
            frames: 0.0,
            credit: 0.0,
            at: now,
        }
    }

    /// Frames were spooled while others are replayed.
    pub(super) fn arrived(&mut self, frames: usize) {
        self.credit = (self.credit + frames as f64).min(MOST_CREDIT);
    }

    /// Nobody takes frames: what arrives now is backlog.
    pub(super) fn rest(&mut self) {
        self.credit = 0.0;
    }

    /// Frames that may be sent now.
    pub(super) fn allowance(&mut self, now: Instant) -> usize {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.frames = (self.frames + passed * self.rate).min(self.burst);
        // Neither is negative, and both are small.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to a few 100,000"
        )]
        let whole = (self.frames + self.credit) as usize;
        whole
    }

    /// Frames are sent.
    pub(super) fn spend(&mut self, frames: usize) {
        let frames = frames as f64;
        let of_credit = frames.min(self.credit);
        self.credit -= of_credit;
        self.frames -= frames - of_credit;
    }

    /// How long until a useful number may be sent.
    pub(super) fn wait(&self) -> Duration {
        let missing = (self.burst / 2.0).max(1.0) - self.frames - self.credit;
        Duration::from_secs_f64((missing / self.rate).clamp(0.001, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_shrinks_at_the_rate_whatever_arrives() {
        let start = Instant::now();
        for arriving in [0, 100, 5000] {
            let mut pace = Pace::new(1000, start);
            let mut sent = 0;
            let tenths = 50;
            for tenth in 1..=tenths {
                pace.arrived(arriving);
                let allowed = pace.allowance(start + Duration::from_millis(100) * tenth);
                pace.spend(allowed);
                sent += allowed;
            }
            let beyond = sent - arriving * 50;
            assert!((4990..=5000).contains(&beyond), "{arriving}: {beyond}");
        }
    }

    #[test]
    fn what_was_not_used_is_not_saved() {
        let start = Instant::now();
        let mut pace = Pace::new(1000, start);
        assert_eq!(pace.allowance(start + Duration::from_hours(1)), 100);
        pace.arrived(1_000_000);
        assert_eq!(pace.allowance(start + Duration::from_hours(1)), 65_636);
        pace.rest();
        assert_eq!(pace.allowance(start + Duration::from_hours(1)), 100);
    }

    #[test]
    fn a_slow_rate_waits_for_whole_frames() {
        let start = Instant::now();
        let mut pace = Pace::new(1, start);
        assert_eq!(pace.allowance(start + Duration::from_millis(900)), 0);
        assert!(pace.wait() >= Duration::from_millis(50));
        assert_eq!(pace.allowance(start + Duration::from_millis(1900)), 1);
    }
}
