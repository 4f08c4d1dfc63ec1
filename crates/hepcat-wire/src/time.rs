//! When a message was captured, as far as its frame says.

use std::time::Duration;

/// Least time believed of a version 2 header: 2000-01-01 UTC.
pub(crate) const YEAR_2000: u32 = 946_684_800;
/// How far a version 2 time may lie after the arrival: senders' clocks are not ours.
const CLOCK_SLACK: Duration = Duration::from_hours(24);
const MICROS_PER_SECOND: u32 = 1_000_000;

/// Where a [`MessageTime`] comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeSource {
    /// The agent wrote it.
    Sent,
    /// The frame has none that can be believed: it is the time of arrival.
    Arrival,
}

/// Time of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageTime {
    /// Since 1970-01-01 UTC.
    pub since_epoch: Duration,
    /// Whose clock it is.
    pub source: TimeSource,
    /// The frame has a time, and it cannot be: only version 2 is judged, whose octet order is a guess.
    pub implausible: bool,
}

impl MessageTime {
    pub(crate) const fn arrival(since_epoch: Duration) -> Self {
        Self {
            since_epoch,
            source: TimeSource::Arrival,
            implausible: false,
        }
    }

    /// Seconds and microseconds as version 3 sends them: a million microseconds and more carry.
    pub(crate) const fn sent(seconds: u32, microseconds: u32) -> Self {
        Self {
            since_epoch: duration(seconds, microseconds),
            source: TimeSource::Sent,
            implausible: false,
        }
    }
}

const fn duration(seconds: u32, microseconds: u32) -> Duration {
    // At most 4,294,971,589 seconds: nowhere near the end of a `Duration`.
    Duration::from_secs(seconds as u64).saturating_add(Duration::from_micros(microseconds as u64))
}

/// Octet order of the time block of version 2: the sender's own, which is nearly always little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ByteOrder {
    /// Least significant octet first.
    Little,
    /// Most significant octet first.
    Big,
}

impl ByteOrder {
    /// `little` or `big`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Little => "little",
            Self::Big => "big",
        }
    }
}

/// Time and capture agent ID of a version 2 header, read in one octet order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeBlock {
    /// Seconds since 1970.
    pub seconds: u32,
    /// Microseconds to add.
    pub microseconds: u32,
    /// Capture agent ID.
    pub capture_id: u16,
    /// The octet order in which the three were read.
    pub byte_order: ByteOrder,
    /// Whether the time can be: less than a million microseconds, and between 2000 and a day after arrival.
    pub plausible: bool,
}

impl TimeBlock {
    /// Octets of the block without its padding.
    pub(crate) const WIDTH: usize = 10;

    /// Reads the three fields little-endian, and big-endian where only that gives a time that can be.
    /// Without an arrival time the future has no end.
    pub(crate) fn read(octets: [u8; Self::WIDTH], arrival: Option<Duration>) -> Self {
        let little = Self::little(octets, arrival);
        if little.plausible {
            return little;
        }
        let big = Self::big(octets, arrival);
        if big.plausible { big } else { little }
    }

    fn little([s1, s2, s3, s4, u1, u2, u3, u4, c1, c2]: [u8; 10], at: Option<Duration>) -> Self {
        let seconds = u32::from_le_bytes([s1, s2, s3, s4]);
        let microseconds = u32::from_le_bytes([u1, u2, u3, u4]);
        Self {
            seconds,
            microseconds,
            capture_id: u16::from_le_bytes([c1, c2]),
            byte_order: ByteOrder::Little,
            plausible: is_plausible(seconds, microseconds, at),
        }
    }

    fn big([s1, s2, s3, s4, u1, u2, u3, u4, c1, c2]: [u8; 10], at: Option<Duration>) -> Self {
        let seconds = u32::from_be_bytes([s1, s2, s3, s4]);
        let microseconds = u32::from_be_bytes([u1, u2, u3, u4]);
        Self {
            seconds,
            microseconds,
            capture_id: u16::from_be_bytes([c1, c2]),
            byte_order: ByteOrder::Big,
            plausible: is_plausible(seconds, microseconds, at),
        }
    }
}

fn is_plausible(seconds: u32, microseconds: u32, arrival: Option<Duration>) -> bool {
    microseconds < MICROS_PER_SECOND
        && seconds >= YEAR_2000
        && arrival.is_none_or(|arrival| {
            duration(seconds, microseconds) <= arrival.saturating_add(CLOCK_SLACK)
        })
}
