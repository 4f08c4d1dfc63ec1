//! What a search looked through, as answers say it.

use std::ops::Range;

use jiff::Timestamp;
use serde::Serialize;

/// The range of time that was searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Searched {
    /// Where it begins; `None` is at the beginning of what is kept.
    pub from: Option<Timestamp>,
    /// Where it ends, which it does not include; `None` is at the end of what is kept.
    pub to: Option<Timestamp>,
    /// Whether it begins where it does because nobody said where.
    pub by_default: bool,
}

impl Searched {
    /// Of microseconds since 1970.
    #[must_use]
    pub fn of(time: &Range<i64>, by_default: bool) -> Self {
        // What no timestamp can be is no bound either.
        let at = |micros: i64| Timestamp::from_microsecond(micros).ok();
        Self {
            from: at(time.start),
            to: at(time.end),
            by_default,
        }
    }
}
