//! Times as they stand beside messages.

use jiff::{Timestamp, tz::TimeZone};

use crate::call::moment::Moment;

/// The day, UTC: `2026-11-23`.
pub(super) fn day(at: Moment) -> String {
    Timestamp::from_microsecond(at.as_micros()).map_or_else(
        |_| String::new(),
        |at| at.to_zoned(TimeZone::UTC).date().to_string(),
    )
}

/// Time of day, UTC.
pub(super) fn clock(at: Moment) -> String {
    let micros = at.as_micros();
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let of_day = seconds.rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}.{rest:06}",
        of_day / 3_600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Microseconds as `+1.5 ms`.
pub(super) fn millis(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let tenths = micros.unsigned_abs() / 100;
    format!("{sign}{}.{} ms", tenths / 10, tenths % 10)
}

/// Microseconds as `+0.020000`.
pub(super) struct Lapse(pub(super) i64);

impl std::fmt::Display for Lapse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}
