use std::time::Duration;

use tokio::time::Instant;

use super::{config::StreamLimits, stats::CloseReason};

/// How far a connection has got with its current message, and when that takes too long. Decides, never waits.
#[derive(Debug)]
pub(super) struct Progress {
    max_reads: Option<u32>,
    message_timeout: Duration,
    idle_timeout: Duration,
    /// Read events after which the current message was still incomplete.
    incomplete_reads: u32,
    message_deadline: Option<Instant>,
    idle_deadline: Option<Instant>,
}

/// What one read event brought.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadEvent {
    /// At least one message ended in it.
    pub(super) completed: bool,
    /// It brought keep-alive octets.
    pub(super) keep_alive: bool,
    /// It ended inside a message.
    pub(super) mid_frame: bool,
}

impl Progress {
    pub(super) fn new(limits: &StreamLimits, now: Instant) -> Self {
        let mut progress = Self {
            max_reads: limits.max_msg_chunks.map(std::num::NonZeroU32::get),
            message_timeout: limits.message_timeout,
            idle_timeout: limits.idle_timeout,
            incomplete_reads: 0,
            message_deadline: None,
            idle_deadline: None,
        };
        progress.idle_deadline = progress.after(progress.idle_timeout, now);
        progress
    }

    /// Takes note of a read event, at the time when all it completed has been handed over.
    pub(super) fn read(&mut self, event: ReadEvent, now: Instant) -> Result<(), CloseReason> {
        if event.completed || event.keep_alive {
            self.idle_deadline = self.after(self.idle_timeout, now);
        }
        if event.completed || !event.mid_frame {
            self.incomplete_reads = 0;
            self.message_deadline = None;
        }
        if !event.mid_frame {
            return Ok(());
        }
        self.incomplete_reads += 1;
        if self.max_reads == Some(self.incomplete_reads) {
            return Err(CloseReason::MaxMsgChunks);
        }
        if self.message_deadline.is_none() {
            self.message_deadline = self.after(self.message_timeout, now);
        }
        // Reads may follow each other so fast that nobody ever waits for the deadline.
        self.check(now)
    }

    /// When [`check`](Self::check) is due, unless something is read before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match (self.message_deadline, self.idle_deadline) {
            (Some(message), Some(idle)) => Some(message.min(idle)),
            (message, idle) => message.or(idle),
        }
    }

    /// Whether a time limit has passed.
    pub(super) fn check(&self, now: Instant) -> Result<(), CloseReason> {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|at| at <= now);
        if passed(self.message_deadline) {
            Err(CloseReason::MessageTimeout)
        } else if passed(self.idle_deadline) {
            Err(CloseReason::IdleTimeout)
        } else {
            Ok(())
        }
    }

    fn after(&self, time: Duration, now: Instant) -> Option<Instant> {
        (!time.is_zero()).then(|| now + time)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const START: ReadEvent = ReadEvent {
        completed: false,
        keep_alive: false,
        mid_frame: true,
    };
    const END: ReadEvent = ReadEvent {
        completed: true,
        keep_alive: false,
        mid_frame: false,
    };
    const END_AND_START: ReadEvent = ReadEvent {
        completed: true,
        keep_alive: false,
        mid_frame: true,
    };
    const BLANK: ReadEvent = ReadEvent {
        completed: false,
        keep_alive: true,
        mid_frame: false,
    };

    fn progress(max: u32) -> (Progress, Instant) {
        let now = Instant::now();
        let limits = StreamLimits {
            max_msg_chunks: NonZeroU32::new(max),
            ..StreamLimits::default()
        };
        (Progress::new(&limits, now), now)
    }

    fn after(now: Instant, millis: u64) -> Instant {
        now + Duration::from_millis(millis)
    }

    #[test]
    fn the_nth_incomplete_read_closes() {
        for limit in [1, 2, 32] {
            let (mut progress, now) = progress(limit);
            for _ in 1..limit {
                assert_eq!(progress.read(START, now), Ok(()));
            }
            assert_eq!(progress.read(START, now), Err(CloseReason::MaxMsgChunks));
        }
    }

    #[test]
    fn without_a_limit_reads_are_not_counted_out() {
        let (mut progress, now) = progress(0);
        for _ in 0..100_000 {
            assert_eq!(progress.read(START, now), Ok(()));
        }
    }

    #[test]
    fn a_complete_message_starts_the_count_again() {
        let (mut progress, now) = progress(2);
        for _ in 0..10 {
            assert_eq!(progress.read(START, now), Ok(()));
            assert_eq!(progress.read(END, now), Ok(()));
        }
    }

    #[test]
    fn the_start_of_the_next_message_in_the_same_read_counts_as_its_first() {
        let (mut two, now) = progress(2);
        assert_eq!(two.read(END_AND_START, now), Ok(()));
        assert_eq!(two.read(END_AND_START, now), Ok(()));
        assert_eq!(two.read(START, now), Err(CloseReason::MaxMsgChunks));
        let (mut one, now) = progress(1);
        assert_eq!(one.read(END_AND_START, now), Err(CloseReason::MaxMsgChunks));
    }

    #[test]
    fn the_message_time_runs_from_the_first_fragment() {
        let (mut progress, now) = progress(0);
        assert_eq!(progress.read(START, now), Ok(()));
        assert_eq!(progress.deadline(), Some(after(now, 4000)));
        assert_eq!(progress.read(START, after(now, 3000)), Ok(()));
        assert_eq!(progress.deadline(), Some(after(now, 4000)));
        assert_eq!(progress.check(after(now, 3999)), Ok(()));
        assert_eq!(
            progress.check(after(now, 4000)),
            Err(CloseReason::MessageTimeout)
        );
        assert_eq!(
            progress.read(START, after(now, 4000)),
            Err(CloseReason::MessageTimeout)
        );
    }

    #[test]
    fn each_message_has_its_own_time() {
        let (mut progress, now) = progress(0);
        assert_eq!(progress.read(START, now), Ok(()));
        assert_eq!(progress.read(END_AND_START, after(now, 3000)), Ok(()));
        assert_eq!(progress.deadline(), Some(after(now, 7000)));
        assert_eq!(progress.read(END, after(now, 5000)), Ok(()));
        assert_eq!(progress.check(after(now, 100_000)), Ok(()));
    }

    #[test]
    fn messages_and_keep_alives_prolong_the_idle_time_and_fragments_do_not() {
        let (mut progress, now) = progress(0);
        progress.message_timeout = Duration::ZERO;
        assert_eq!(progress.deadline(), Some(after(now, 120_000)));
        assert_eq!(progress.read(END, after(now, 1000)), Ok(()));
        assert_eq!(progress.deadline(), Some(after(now, 121_000)));
        assert_eq!(progress.read(BLANK, after(now, 2000)), Ok(()));
        assert_eq!(progress.read(START, after(now, 3000)), Ok(()));
        assert_eq!(progress.deadline(), Some(after(now, 122_000)));
        assert_eq!(
            progress.check(after(now, 122_000)),
            Err(CloseReason::IdleTimeout)
        );
    }

    #[test]
    fn a_zero_idle_time_is_none() {
        let now = Instant::now();
        let limits = StreamLimits {
            idle_timeout: Duration::ZERO,
            ..StreamLimits::default()
        };
        let mut progress = Progress::new(&limits, now);
        assert_eq!(progress.deadline(), None);
        assert_eq!(progress.read(END, now), Ok(()));
        assert_eq!(progress.check(after(now, 1 << 40)), Ok(()));
    }
}
