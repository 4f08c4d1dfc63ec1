//! A token bucket with an explicit clock.

use std::time::{Duration, Instant};

/// Allows `rate` tokens a second on average and a burst's worth at once.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: u64,
    burst: Duration,
    tokens: u64,
    filled_at: Option<Instant>,
}

impl TokenBucket {
    /// A bucket that holds one second's worth.
    pub(crate) fn new(rate: u64) -> Self {
        Self::with_burst(rate, Duration::from_secs(1))
    }

    /// A bucket that holds what `burst` is worth.
    pub(crate) fn with_burst(rate: u64, burst: Duration) -> Self {
        let mut bucket = Self {
            rate,
            burst,
            tokens: 0,
            filled_at: None,
        };
        bucket.tokens = bucket.capacity();
        bucket
    }

    pub(crate) fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
        self.tokens = self.tokens.min(self.capacity());
    }

    /// Tokens there are now.
    pub(crate) fn available(&mut self, now: Instant) -> u64 {
        let filled_at = *self.filled_at.get_or_insert(now);
        let elapsed = now.saturating_duration_since(filled_at);
        if elapsed >= self.burst {
            self.tokens = self.capacity();
            self.filled_at = Some(now);
            return self.tokens;
        }
        let earned = worth(self.rate, elapsed);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(self.capacity());
            // Only the time that earned whole tokens is used up.
            let used = u128::from(earned) * 1_000_000_000 / u128::from(self.rate.max(1));
            let used = Duration::from_nanos(u64::try_from(used).unwrap_or(u64::MAX));
            self.filled_at = Some(filled_at + used.min(elapsed));
        }
        self.tokens
    }

    /// Takes `amount` tokens, or none and says no.
    pub(crate) fn take(&mut self, amount: u64, now: Instant) -> bool {
        let enough = self.available(now) >= amount;
        if enough {
            self.tokens -= amount;
        }
        enough
    }

    fn capacity(&self) -> u64 {
        worth(self.rate, self.burst)
    }
}

/// Tokens that a time is worth.
fn worth(rate: u64, time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_a_second_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1_000);
        assert!(bucket.take(1_000, start));
        assert!(!bucket.take(1, start));
        assert!(!bucket.take(101, start + Duration::from_millis(100)));
        assert!(bucket.take(100, start + Duration::from_millis(100)));
        assert!(!bucket.take(1_001, start + Duration::from_secs(10)));
        assert!(bucket.take(1_000, start + Duration::from_secs(10)));
    }

    #[test]
    fn many_small_steps_earn_what_one_large_step_does() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(1_000);
        assert!(bucket.take(1_000, start));
        let taken = (1..=100_000u32)
            .filter(|step| bucket.take(1, start + Duration::from_micros(10) * *step))
            .count();
        assert!((999..=1_000).contains(&taken), "{taken} tokens in a second");
    }

    #[test]
    fn steps_that_are_no_multiple_of_a_token_lose_nothing() {
        let start = Instant::now();
        let mut bucket = TokenBucket::with_burst(10, Duration::from_secs(2));
        assert!(bucket.take(20, start));
        let taken = (1..=667u32)
            .filter(|step| bucket.take(1, start + Duration::from_millis(150) * *step))
            .count();
        // One token in 100 ms: every look finds at least one.
        assert_eq!(taken, 667);
        assert!(bucket.available(start + Duration::from_millis(100_050)) >= 19);
    }
}
