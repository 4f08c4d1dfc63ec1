//! How much one address may send.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::{Duration, Instant},
};

use crate::pipeline::TokenBucket;

/// Limits that hold for each peer address by itself, over all listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Messages a second, on average. None by default: what is too much only the operator knows.
    pub messages_per_second: Option<NonZeroU64>,
    /// Octets of frames a second, on average. None by default.
    pub octets_per_second: Option<NonZeroU64>,
    /// For how long the average may be exceeded: so many seconds' worth may come at once. Default 5 s.
    pub burst: Duration,
    /// So many frames in a row that do not decode mute an address (and close a stream); `None` never. Default 16,
    /// as for streams.
    pub bad_frames: Option<NonZeroU32>,
    /// How long an address is then muted. Default 10 s: somebody who looks still sees some of what it sends.
    pub mute: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_second: None,
            octets_per_second: None,
            burst: Duration::from_secs(5),
            bad_frames: NonZeroU32::new(16),
            mute: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Whether a rate is limited.
    #[must_use]
    pub fn has_rate(&self) -> bool {
        self.messages_per_second.is_some() || self.octets_per_second.is_some()
    }
}

/// What one address has left of its rates.
#[derive(Debug)]
pub(super) struct Meter {
    messages: Option<TokenBucket>,
    octets: Option<TokenBucket>,
    used: Instant,
}

impl Meter {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        let bucket = |rate: Option<NonZeroU64>| {
            rate.map(|rate| TokenBucket::with_burst(rate.get(), limits.burst))
        };
        Self {
            messages: bucket(limits.messages_per_second),
            octets: bucket(limits.octets_per_second),
            used: now,
        }
    }

    /// Takes one frame of that many octets, or says no and takes nothing.
    pub(super) fn take(&mut self, octets: u64, now: Instant) -> bool {
        self.used = now;
        let has = |bucket: &mut Option<TokenBucket>, amount| {
            bucket
                .as_mut()
                .is_none_or(|bucket| bucket.available(now) >= amount)
        };
        if !has(&mut self.messages, 1) || !has(&mut self.octets, octets) {
            return false;
        }
        // Both have it.
        self.messages
            .as_mut()
            .is_none_or(|bucket| bucket.take(1, now))
            && self
                .octets
                .as_mut()
                .is_none_or(|bucket| bucket.take(octets, now))
    }

    /// Whether forgetting it changes nothing: unused for so long that it is full again.
    pub(super) fn is_full(&self, limits: &Limits, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= limits.burst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(messages: u64, octets: u64) -> Limits {
        Limits {
            messages_per_second: NonZeroU64::new(messages),
            octets_per_second: NonZeroU64::new(octets),
            burst: Duration::from_secs(2),
            ..Limits::default()
        }
    }

    #[test]
    fn a_burst_comes_at_once_and_then_the_rate() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(10, 0), start);
        let taken = (0..100).filter(|_| meter.take(5_000, start)).count();
        assert_eq!(taken, 20);
        let later = start + Duration::from_secs(1);
        let taken = (0..100).filter(|_| meter.take(5_000, later)).count();
        assert_eq!(taken, 10);
    }

    #[test]
    fn the_stricter_of_both_limits_holds_and_a_refusal_costs_nothing_of_the_other() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(10, 1_000), start);
        assert!(meter.take(2_000, start));
        for _ in 0..50 {
            assert!(!meter.take(1, start));
        }
        let later = start + Duration::from_secs(1);
        assert!(meter.take(1_000, later));
        let later = start + Duration::from_secs(3);
        let taken = (0..100).filter(|_| meter.take(1, later)).count();
        assert_eq!(taken, 20, "the messages refused above cost none");
    }
}
