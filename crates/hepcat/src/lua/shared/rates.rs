//! Rate limits that scripts ask about.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

/// Most buckets that are remembered.
const MAX_KEYS: usize = 10_000;

/// A bucket of tokens. Time is given; time that goes back earns nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    tokens: f64,
    filled_at: Duration,
}

impl Bucket {
    pub(super) const fn full(burst: f64) -> Self {
        Self {
            tokens: burst,
            filled_at: Duration::ZERO,
        }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, rate: f64, burst: f64, now: Duration) -> bool {
        self.fill(rate, burst, now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    fn fill(&mut self, rate: f64, burst: f64, now: Duration) {
        let elapsed = now.saturating_sub(self.filled_at);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * rate).min(burst);
        self.filled_at = now;
    }
}

/// A bucket for each name and key.
#[derive(Debug, Default)]
pub(in crate::lua) struct Rates {
    buckets: Mutex<HashMap<Box<[u8]>, Limited, foldhash::fast::RandomState>>,
}

#[derive(Debug, Clone, Copy)]
struct Limited {
    bucket: Bucket,
    rate: f64,
    burst: f64,
}

impl Rates {
    /// Whether one more is within `rate` a second, with `burst` at once. Above the bound of keys those are forgotten
    /// that have their whole burst again, which changes nothing for them; if all are in use, the answer is no.
    pub(in crate::lua) fn take(&self, key: &[u8], rate: f64, burst: f64, now: Duration) -> bool {
        let mut buckets = self.buckets.lock();
        if let Some(limited) = buckets.get_mut(key) {
            limited.rate = rate;
            limited.burst = burst;
            return limited.bucket.take(rate, burst, now);
        }
        if buckets.len() >= MAX_KEYS {
            buckets.retain(|_, limited| {
                limited.bucket.fill(limited.rate, limited.burst, now);
                limited.bucket.tokens < limited.burst
            });
            if buckets.len() >= MAX_KEYS {
                return false;
            }
        }
        let mut bucket = Bucket {
            tokens: burst,
            filled_at: now,
        };
        let enough = bucket.take(rate, burst, now);
        buckets.insert(
            key.into(),
            Limited {
                bucket,
                rate,
                burst,
            },
        );
        enough
    }

    pub(super) fn keys(&self) -> usize {
        self.buckets.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let rates = Rates::default();
        let mut now = Duration::from_secs(1_000);
        let at_once = (0..10).filter(|_| rates.take(b"k", 2.0, 3.0, now)).count();
        assert_eq!(at_once, 3);
        now += Duration::from_millis(500);
        assert!(rates.take(b"k", 2.0, 3.0, now));
        assert!(!rates.take(b"k", 2.0, 3.0, now));
        assert!(rates.take(b"other", 2.0, 3.0, now));
        assert!(!rates.take(b"k", 2.0, 3.0, now - Duration::from_secs(5)));
    }

    #[test]
    fn keys_are_bounded_and_come_free_again() {
        let rates = Rates::default();
        let now = Duration::from_secs(1_000);
        let key = |number: usize| number.to_be_bytes();
        let taken = (0..MAX_KEYS + 5).filter(|n| rates.take(&key(*n), 1.0, 1.0, now));
        assert_eq!(taken.count(), MAX_KEYS);
        assert_eq!(rates.keys(), MAX_KEYS);
        assert!(rates.take(b"later", 1.0, 1.0, now + Duration::from_secs(2)));
        assert_eq!(rates.keys(), 1);
    }
}
