//! At most so many in a second, told by times of arrival.

use std::time::{SystemTime, UNIX_EPOCH};

/// Counts by the second of the wall clock: a clock that is set back or frames that overtake each other
/// begin a second again, and never close it for longer.
#[derive(Debug)]
pub(super) struct PerSecond {
    rate: u32,
    second: u64,
    taken: u32,
}

impl PerSecond {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            second: 0,
            taken: 0,
        }
    }

    /// Whether one more may pass at `at`; it is then counted.
    pub(super) fn take(&mut self, at: SystemTime) -> bool {
        let second = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if second != self.second {
            (self.second, self.taken) = (second, 0);
        }
        let may = self.taken < self.rate;
        self.taken += u32::from(may);
        may
    }
}
