//! A token bucket with an explicit clock.

use std::time::{Duration, Instant};

/// Allows `rate` octets a second on average and one second's worth at once.
#[derive(Debug)]
pub(super) struct TokenBucket {
    rate: u64,
    tokens: u64,
    filled_at: Option<Instant>,
}

impl TokenBucket {
    pub(super) fn new(rate: u64) -> Self {
        Self {
            rate,
            tokens: rate,
            filled_at: None,
        }
    }

    pub(super) fn set_rate(&mut self, rate: u64) {
        self.rate = rate;
        self.tokens = self.tokens.min(rate);
    }

    /// Takes `amount` tokens, or none and says no.
    pub(super) fn take(&mut self, amount: u64, now: Instant) -> bool {
        let filled_at = *self.filled_at.get_or_insert(now);
        let elapsed = now
            .saturating_duration_since(filled_at)
            .min(Duration::from_secs(1));
        let earned = elapsed.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        if let Ok(earned) = u64::try_from(earned)
            && earned > 0
        {
            self.tokens = self.tokens.saturating_add(earned).min(self.rate);
            self.filled_at = Some(now);
        }
        let enough = self.tokens >= amount;
        if enough {
            self.tokens -= amount;
        }
        enough
    }
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
}
