//! Latencies, counted in buckets of about 3 %.

use std::time::Duration;

/// Buckets of one octave: 32, so a value is known within 1/32.
const SUB: u64 = 32;
const SUB_BITS: u32 = SUB.trailing_zeros();

/// Counts durations by microsecond, exactly below 32 and within 1/32 above.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; bucket(u64::MAX) + 1],
            total: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts one value, in microseconds.
    pub fn record(&mut self, micros: u64) {
        self.counts[bucket(micros)] += 1;
        self.total += 1;
        self.max = self.max.max(micros);
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The largest value.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max)
    }

    /// The value that `per_mille` thousandths of all values do not exceed; zero where nothing was counted.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = (u128::from(self.total) * u128::from(per_mille)).div_ceil(1000);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= wanted && seen > 0 {
                return Duration::from_micros(upper_bound(bucket).min(self.max));
            }
        }
        Duration::ZERO
    }
}

fn bucket(micros: u64) -> usize {
    let index = if micros < SUB {
        micros
    } else {
        let shift = micros.ilog2() - SUB_BITS;
        u64::from(shift + 1) * SUB + ((micros >> shift) & (SUB - 1))
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    let first = (SUB + bucket % SUB) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_below_32_and_within_a_32nd_above() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|micros| histogram.record(micros));
        assert_eq!(histogram.quantile(10), Duration::from_micros(10));
        for per_mille in [500, 990, 999] {
            let got = histogram.quantile(per_mille).as_micros();
            let exact = u128::from(per_mille);
            assert!(
                got >= exact && got <= exact + exact / 32,
                "{got} for {exact}"
            );
        }
        assert_eq!(histogram.quantile(1000), Duration::from_micros(1000));
        assert_eq!(histogram.count(), 1000);
    }

    #[test]
    fn every_value_has_a_bucket() {
        let mut histogram = Histogram::default();
        for micros in [0, 31, 32, 33, 63, 64, 1 << 40, u64::MAX] {
            assert!(upper_bound(bucket(micros)) >= micros);
            histogram.record(micros);
        }
        assert_eq!(histogram.count(), 8);
        assert_eq!(Histogram::default().quantile(990), Duration::ZERO);
    }
}
