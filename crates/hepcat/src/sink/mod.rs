//! Where routed frames go: thin adapters between the pipeline and what takes frames in.

pub mod destination;
pub mod store;
pub mod tail;

/// A sink's half of the ledger, read at one moment:
/// `offered + originated + carried_over = delivered + queued + spooled + dropped{reason}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SinkLedger {
    /// Frames that routes gave to this sink.
    pub offered: u64,
    /// Messages of our own.
    pub originated: u64,
    /// What its spool held at start.
    pub carried_over: u64,
    /// Frames that it is done with: written to the kernel, or handed to a watcher.
    pub delivered: u64,
    /// Frames in memory, the one being written included.
    pub queued: u64,
    /// Frames on disk.
    pub spooled: u64,
    /// Frames given up, by reason; reasons without a frame may be left out.
    pub dropped: Vec<(&'static str, u64)>,
}

impl SinkLedger {
    /// What the two sides differ by. Every sink counts under one lock, so this is 0 in every reading;
    /// anything else is a defect of ours, and shown.
    #[must_use]
    pub fn unaccounted(&self) -> u64 {
        let came = self.offered + self.originated + self.carried_over;
        let went = self.delivered
            + self.queued
            + self.spooled
            + self.dropped.iter().map(|(_, frames)| frames).sum::<u64>();
        came.abs_diff(went)
    }

    /// Adds the reading of the next life of the same sink within this process. What the life before left on disk and
    /// this one found there did not come from an earlier process, and is on disk once.
    pub fn succeed(&mut self, next: &Self) {
        let handed_on = self.spooled.min(next.carried_over);
        self.add(next);
        self.spooled -= handed_on;
        self.carried_over -= handed_on;
    }

    /// Adds another reading.
    fn add(&mut self, other: &Self) {
        self.offered += other.offered;
        self.originated += other.originated;
        self.carried_over += other.carried_over;
        self.delivered += other.delivered;
        self.queued += other.queued;
        self.spooled += other.spooled;
        for (reason, frames) in &other.dropped {
            match self.dropped.iter_mut().find(|(known, _)| known == reason) {
                Some((_, sum)) => *sum += frames,
                None => self.dropped.push((reason, *frames)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_life_leaves_on_disk_the_next_one_has() {
        let life = |offered, carried_over, delivered, spooled| SinkLedger {
            offered,
            carried_over,
            delivered,
            spooled,
            ..SinkLedger::default()
        };
        let mut sum = SinkLedger::default();
        sum.succeed(&life(10, 5, 3, 12));
        sum.succeed(&life(2, 12, 4, 10));
        assert_eq!(sum, life(12, 5, 7, 10));
        // Frames that came twice because the first could not write its cursor.
        sum.succeed(&life(0, 11, 11, 0));
        assert_eq!((sum.unaccounted(), sum.spooled), (0, 0));
    }
}
