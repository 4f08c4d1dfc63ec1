//! What the sink knows of each sender: which numbers came, twice, late or not at all.

use std::collections::BTreeMap;

use super::{Histogram, Mark};

/// Counts what one destination received.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    senders: BTreeMap<u16, Sender>,
    latency: Histogram,
    /// The longest time of each second since the first arrival.
    longest: Vec<u64>,
    /// Messages that were not the generator's or could not be read.
    unreadable: u64,
    unique: u64,
    octets: u64,
    first_micros: Option<u64>,
    last_micros: u64,
}

#[derive(Debug, Clone, Default)]
struct Sender {
    /// One bit a sequence number.
    seen: Vec<u64>,
    highest: Option<u64>,
    unique: u64,
    duplicated: u64,
    out_of_order: u64,
}

/// How one sender's messages arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SenderTally {
    /// Messages that arrived at least once.
    pub received: u64,
    /// Messages that were sent but never arrived.
    pub lost: u64,
    /// Arrivals of a message that had arrived before.
    pub duplicated: u64,
    /// First arrivals of a message after one with a higher number.
    pub out_of_order: u64,
}

impl Tracker {
    /// Takes one frame that arrived at `now_micros`.
    pub fn take(&mut self, frame: &[u8], now_micros: u64) {
        self.octets += frame.len() as u64;
        self.first_micros.get_or_insert(now_micros);
        self.last_micros = now_micros;
        let Some(mark) = Mark::read(frame) else {
            self.unreadable += 1;
            return;
        };
        if self
            .senders
            .entry(mark.sender)
            .or_default()
            .take(mark.sequence)
        {
            self.unique += 1;
            let took = now_micros.saturating_sub(mark.sent_micros);
            self.latency.record(took);
            let since = now_micros.saturating_sub(self.first_micros.unwrap_or(now_micros));
            let second = usize::try_from(since / 1_000_000).unwrap_or(usize::MAX);
            if second < 1 << 20 {
                if second >= self.longest.len() {
                    self.longest.resize(second + 1, 0);
                }
                self.longest[second] = self.longest[second].max(took);
            }
        }
    }

    /// The longest time from being sent to being read in each second since the first arrival, in microseconds.
    #[must_use]
    pub fn longest_by_second(&self) -> &[u64] {
        &self.longest
    }

    /// Messages that arrived at least once.
    #[must_use]
    pub fn unique(&self) -> u64 {
        self.unique
    }

    /// Arrivals that carried no mark.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Octets of all frames.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// First and last arrival, in microseconds since 1970; `None` where nothing arrived.
    #[must_use]
    pub fn span_micros(&self) -> Option<(u64, u64)> {
        self.first_micros.map(|first| (first, self.last_micros))
    }

    /// Time from being sent to being read, of first arrivals.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// How the messages of one sender arrived, given how many it sent.
    #[must_use]
    pub fn tally(&self, sender: u16, sent: u64) -> SenderTally {
        let Some(sender) = self.senders.get(&sender) else {
            return SenderTally {
                lost: sent,
                ..SenderTally::default()
            };
        };
        SenderTally {
            received: sender.unique,
            lost: sent.saturating_sub(sender.unique),
            duplicated: sender.duplicated,
            out_of_order: sender.out_of_order,
        }
    }
}

impl Sender {
    /// Whether this is the first arrival of that number.
    fn take(&mut self, sequence: u64) -> bool {
        let (word, bit) = (
            usize::try_from(sequence / 64).unwrap_or(usize::MAX),
            1 << (sequence % 64),
        );
        if word >= self.seen.len() {
            // A number from a torn frame must not take all memory: 2^32 messages of a sender are enough.
            if word >= 1 << 26 {
                return false;
            }
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.duplicated += 1;
            return false;
        }
        self.seen[word] |= bit;
        self.unique += 1;
        match self.highest {
            Some(highest) if sequence < highest => self.out_of_order += 1,
            _ => self.highest = Some(sequence),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Mix, Version};

    #[test]
    fn loss_repetition_and_disorder_are_told_apart() {
        let mut mix = Mix::new(Version::V3, 3);
        let frames: Vec<Vec<u8>> = mix.burst(13, 1_000).map(<[u8]>::to_vec).collect();
        let mut tracker = Tracker::default();
        for index in [0, 1, 3, 2, 2, 6] {
            tracker.take(&frames[index], 1_010);
        }
        tracker.take(b"rubbish", 1_020);
        let expected = SenderTally {
            received: 5,
            lost: 8,
            duplicated: 1,
            out_of_order: 1,
        };
        assert_eq!(tracker.tally(3, 13), expected);
        assert_eq!(tracker.tally(4, 2).lost, 2);
        assert_eq!((tracker.unique(), tracker.unreadable()), (5, 1));
        assert_eq!(tracker.latency().max().as_micros(), 10);
        assert_eq!(tracker.span_micros(), Some((1_010, 1_020)));
    }
}
