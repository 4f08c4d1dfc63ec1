//! What an agent did in the second that is running, and what follows from the seconds before.

use std::time::{Duration, SystemTime};

/// A second, as long as frames keep coming; longer where none came.
const WINDOW: Duration = Duration::from_secs(1);

/// Windows that the estimate of a clock rests on.
const WINDOWS: u8 = 15;

/// Rate of an agent and the offset of its clock.
///
/// **The offset** is the sent time minus that of arrival. Of each second only the greatest difference counts, that of
/// the message that was under way for the shortest time, and of the last 15 such seconds the median: a message with an
/// absurd time spoils one second, not the estimate. What remains is clock and shortest delay together, so an
/// agent that sends late looks like one whose clock is slow.
#[derive(Debug, Clone)]
pub(crate) struct Pulse {
    began: SystemTime,
    /// Frames received when the window began.
    frames: u64,
    /// Frames a second in the window before.
    rate: f64,
    /// Microseconds, of the window that is running.
    best: Option<i64>,
    offsets: [i64; WINDOWS as usize],
    filled: u8,
    next: u8,
}

impl Pulse {
    pub(crate) fn new(now: SystemTime) -> Self {
        Self {
            began: now,
            frames: 0,
            rate: 0.0,
            best: None,
            offsets: [0; WINDOWS as usize],
            filled: 0,
            next: 0,
        }
    }

    /// Begins a new window where the old one is over; `frames` is how many have been received so far.
    pub(crate) fn turn(&mut self, now: SystemTime, frames: u64) {
        let elapsed = match now.duration_since(self.began) {
            Ok(elapsed) if elapsed < WINDOW => return,
            Ok(elapsed) => elapsed,
            // Our own clock was set back: what it measured is worth nothing.
            Err(_) => {
                self.began = now;
                self.frames = frames;
                self.best = None;
                return;
            }
        };
        self.rate = per_second(frames.saturating_sub(self.frames), elapsed);
        if let Some(best) = self.best.take() {
            self.offsets[usize::from(self.next)] = best;
            self.next = (self.next + 1) % WINDOWS;
            self.filled = (self.filled + 1).min(WINDOWS);
        }
        self.began = now;
        self.frames = frames;
    }

    /// Takes note of one message's times, both since 1970.
    #[inline]
    pub(crate) fn sent(&mut self, sent: Duration, received: Duration) {
        let offset = micros(sent).saturating_sub(micros(received));
        self.best = Some(self.best.map_or(offset, |best| best.max(offset)));
    }

    /// Frames a second: of the last full window, or of the running one where that has lasted longer than two.
    pub(crate) fn rate(&self, now: SystemTime, frames: u64) -> f64 {
        let running = now.duration_since(self.began).unwrap_or_default();
        if running < 2 * WINDOW {
            return self.rate;
        }
        per_second(frames.saturating_sub(self.frames), running)
    }

    /// Microseconds by which the agent's clock is ahead of ours, negative where it is behind; `None` where it sent no
    /// time yet.
    pub(crate) fn offset(&self) -> Option<i64> {
        let filled = usize::from(self.filled);
        if filled == 0 {
            return self.best;
        }
        let mut offsets = self.offsets;
        let known = &mut offsets[..filled];
        known.sort_unstable();
        Some(known[filled / 2])
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn per_second(frames: u64, elapsed: Duration) -> f64 {
    frames as f64 / elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_700_000_000);

    fn at(seconds: f64) -> Duration {
        START + Duration::from_secs_f64(seconds)
    }

    fn clock(time: Duration) -> SystemTime {
        SystemTime::UNIX_EPOCH + time
    }

    /// An agent whose clock is 3 s ahead and whose messages take 1 to 40 ms, ten a second.
    fn watch(pulse: &mut Pulse, seconds: u32) -> u64 {
        let mut frames = 0;
        for tick in 0..seconds * 10 {
            let sent = at(f64::from(tick) / 10.0);
            let delay = Duration::from_millis(u64::from(1 + tick * 7 % 40));
            pulse.turn(clock(sent + delay), frames);
            frames += 1;
            pulse.sent(sent + Duration::from_secs(3), sent + delay);
        }
        frames
    }

    #[test]
    fn the_offset_is_that_of_the_least_delayed_messages() {
        let mut pulse = Pulse::new(clock(START));
        watch(&mut pulse, 30);
        let offset = pulse.offset().unwrap();
        assert!((2_990_000..=3_000_000).contains(&offset), "{offset}");
    }

    #[test]
    fn absurd_times_in_some_seconds_change_nothing() {
        let mut pulse = Pulse::new(clock(START));
        watch(&mut pulse, 30);
        for second in 0..7u32 {
            let now = at(40.0 + 2.0 * f64::from(second));
            pulse.sent(Duration::from_secs(u64::from(u32::MAX)), now);
            pulse.turn(clock(now), 300);
        }
        let offset = pulse.offset().unwrap();
        assert!((2_990_000..=3_000_000).contains(&offset), "{offset}");
    }

    #[test]
    fn the_first_message_gives_a_first_estimate() {
        let mut pulse = Pulse::new(clock(START));
        assert_eq!(pulse.offset(), None);
        pulse.sent(START, START + Duration::from_millis(5));
        assert_eq!(pulse.offset(), Some(-5_000));
    }

    #[test]
    fn the_rate_is_that_of_the_last_second_and_fades_when_nothing_comes() {
        let mut pulse = Pulse::new(clock(START));
        let frames = watch(&mut pulse, 10);
        let rate = pulse.rate(clock(at(10.0)), frames);
        assert!((9.0..=11.0).contains(&rate), "{rate}");
        let later = pulse.rate(clock(at(1_000.0)), frames);
        assert!(later < 0.1, "{later}");
    }

    #[test]
    fn a_clock_of_ours_that_is_set_back_costs_one_window() {
        let mut pulse = Pulse::new(clock(START));
        watch(&mut pulse, 10);
        pulse.turn(clock(START - Duration::from_secs(3600)), 100);
        pulse.turn(clock(START - Duration::from_secs(3598)), 120);
        let rate = pulse.rate(clock(START - Duration::from_secs(3598)), 120);
        assert!((9.0..=11.0).contains(&rate), "{rate}");
        assert!(pulse.offset().is_some());
    }
}
