//! Times as they are written: `2026-11-23`, `2026-11-23T10:00+01:00`, `10:30`, `today`, and spans counted back from now.

use jiff::{
    SignedDuration, Timestamp, ToSpan as _, Zoned,
    civil::{Date, DateTime, Time},
    tz::{Offset, TimeZone},
};

/// Why a text is no time: a hint, if there is one.
type Hint = Option<&'static str>;

pub(super) const A_TIME: &str = "a time";

const FORMS: Hint =
    Some("for example 2026-11-23, 2026-11-23T10:00+01:00, 10:30..11:15, today; see docs/query.md");
const NO_ZONE: Hint = Some(
    "here a time says its zone: 2026-11-23T10:00Z, 2026-11-23T10:00+01:00, 2026-11-23T10:00[Europe/Paris]",
);
const NO_NOW: Hint = Some("here a time says its date and zone: 2026-11-23T10:00+01:00");
const NO_SUCH_ZONE: Hint = Some("a zone is Z, +01:00 or a name in brackets: [Europe/Paris]");
const NOT_THERE: Hint = Some("there is no such date or time of day");

/// What one written time stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    /// Its first moment.
    pub(super) first: Timestamp,
    /// Its last moment, in microseconds, that of a time of day with all its digits.
    pub(super) last: Timestamp,
    /// Whether a range that ends with it ends at its last moment (a day), and not at its first (a time of day).
    pub(super) is_day: bool,
}

impl Written {
    /// The end of a range that ends with it.
    pub(super) fn end(&self) -> Timestamp {
        if self.is_day { self.last } else { self.first }
    }

    fn moment(moment: Timestamp) -> Self {
        Self {
            first: moment,
            last: moment,
            is_day: false,
        }
    }
}

/// The moment with which a time begins that is written as in queries: `2026-11-23`, `10:30`, `yesterday`, with or without
/// a zone; what is not written is that of `now`.
///
/// # Errors
/// What would be right.
pub fn beginning_of(text: &str, now: &Zoned) -> Result<Timestamp, &'static str> {
    if let Ok(moment) = text.parse() {
        return Ok(moment);
    }
    read(text, Some(now))
        .map(|written| written.first)
        .map_err(|hint| {
            hint.unwrap_or("for example 2026-11-23, 2026-11-23T10:00+01:00, 10:30, today")
        })
}

/// Reads one time. What is not written (the zone, the date of `10:30`) is that of `now`, where it is known.
pub(super) fn read(text: &str, now: Option<&Zoned>) -> Result<Written, Hint> {
    if let Some(written) = read_word(text, now)? {
        return Ok(written);
    }
    let (text, zone) = split_zone(text)?;
    let zone = match (zone, now) {
        (Some(zone), _) => zone,
        (None, Some(now)) => now.time_zone().clone(),
        (None, None) => return Err(read_civil(text, None).err().unwrap_or(NO_ZONE)),
    };
    let today = now.map(|now| now.timestamp().to_zoned(zone.clone()).date());
    let civil = read_civil(text, today)?;
    let first = moment(civil.at, &zone)?;
    let last = match civil.width {
        Width::Day => {
            let tomorrow = civil.at.date().tomorrow().map_err(|_last_day| NOT_THERE)?;
            moment(tomorrow.into(), &zone)?
        }
        Width::Micros(micros) => first
            .checked_add(SignedDuration::from_micros(micros))
            .map_err(|_last_day| NOT_THERE)?,
    };
    Ok(Written {
        first,
        last: last
            .checked_sub(SignedDuration::from_micros(1))
            .map_err(|_first_day| NOT_THERE)?,
        is_day: matches!(civil.width, Width::Day),
    })
}

/// The moment that lies `back` before now.
pub(super) fn ago(back: std::time::Duration, now: &Zoned) -> Result<Timestamp, Hint> {
    let back = SignedDuration::try_from(back).map_err(|_too_long| NOT_THERE)?;
    let moment = now.timestamp().checked_sub(back);
    moment.map(to_micros).map_err(|_too_long| NOT_THERE)
}

/// `now`, `today`, `yesterday`.
fn read_word(text: &str, now: Option<&Zoned>) -> Result<Option<Written>, Hint> {
    let days_back = match text.to_ascii_lowercase().as_str() {
        "now" => {
            let now = now.ok_or(NO_NOW)?;
            return Ok(Some(Written::moment(to_micros(now.timestamp()))));
        }
        "today" => 0,
        "yesterday" => 1,
        _ => return Ok(None),
    };
    let today = now.ok_or(NO_NOW)?.date();
    let day = today.checked_sub(days_back.days()).map_err(|_| NOT_THERE)?;
    read(&day.to_string(), now).map(Some)
}

/// A time without its zone.
struct Civil {
    at: DateTime,
    width: Width,
}

/// How much of time was meant.
enum Width {
    Day,
    Micros(i64),
}

/// `2026-11-23`, `2026-11-23T10:00`, and `10:00` where `today` is known.
fn read_civil(text: &str, today: Option<Date>) -> Result<Civil, Hint> {
    if !text.contains('-') {
        let (time, width) = read_time(text)?;
        let today = today.ok_or(NO_NOW)?;
        let at = today.to_datetime(time);
        return Ok(Civil { at, width });
    }
    let Some((date, time)) = text.split_once(['T', 't', ' ']) else {
        let at = read_date(text)?.into();
        let width = Width::Day;
        return Ok(Civil { at, width });
    };
    let (time, width) = read_time(time)?;
    let at = read_date(date)?.to_datetime(time);
    Ok(Civil { at, width })
}

fn read_date(text: &str) -> Result<Date, Hint> {
    let mut parts = text.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(FORMS);
    };
    let year = digits(year, 4)?;
    // In every zone within the years that are written with four digits.
    if !(1..=9998).contains(&year) {
        return Err(NOT_THERE);
    }
    let number = |text| digits(text, 2).map(|number| i8::try_from(number).unwrap_or(i8::MAX));
    Date::new(year, number(month)?, number(day)?).map_err(|_| NOT_THERE)
}

/// `10`, `10:00`, `10:00:00` and up to six digits of its second.
fn read_time(text: &str) -> Result<(Time, Width), Hint> {
    let mut parts = text.split(':');
    let (Some(hour), minute, second, None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(FORMS);
    };
    let minute = minute.ok_or(FORMS)?;
    let number = |text| digits(text, 2).map(|number| i8::try_from(number).unwrap_or(i8::MAX));
    let (hour, minute) = (number(hour)?, number(minute)?);
    let (second, nanos, width) = match second {
        None => (0, 0, 60_000_000),
        Some(second) => {
            let (second, fraction) = match second.split_once('.') {
                Some((second, fraction)) => (second, Some(fraction)),
                None => (second, None),
            };
            let (micros, scale) = fraction.map_or(Ok((0, 1_000_000)), read_fraction)?;
            (number(second)?, micros * 1_000, i64::from(scale))
        }
    };
    let time = Time::new(hour, minute, second, nanos).map_err(|_| NOT_THERE)?;
    Ok((time, Width::Micros(width)))
}

/// Microseconds that the digits behind the point of a second say, and those of a unit of the last.
fn read_fraction(text: &str) -> Result<(i32, i32), Hint> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    let all_digits = text.bytes().all(|octet| octet.is_ascii_digit());
    if !(1..=6).contains(&length) || !all_digits {
        return Err(Some("a second has one to six digits behind its point"));
    }
    let unit = 10_i32.pow(6 - length);
    let digits: i32 = text.parse().map_err(|_| FORMS)?;
    Ok((digits * unit, unit))
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Result<i16, Hint> {
    if text.len() != count || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(FORMS);
    }
    text.parse().map_err(|_| FORMS)
}

/// Takes `Z`, `+01:00`, `+0100`, `+01` or `[Europe/Paris]` off the end.
fn split_zone(text: &str) -> Result<(&str, Option<TimeZone>), Hint> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Ok((rest, Some(TimeZone::UTC)));
    }
    if let Some((rest, name)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        let zone = TimeZone::get(name).map_err(|_| NO_SUCH_ZONE)?;
        return Ok((rest, Some(zone)));
    }
    // A date has two hyphens of its own; a sign behind them, or behind a time, begins an offset.
    let second_hyphen = text.match_indices('-').map(|(at, _)| at).nth(1);
    let colon = text.find(':');
    let from = match second_hyphen {
        Some(hyphen) if colon.is_none_or(|colon| hyphen < colon) => hyphen + 1,
        _ => colon.unwrap_or(0),
    };
    let tail = text.get(from..).unwrap_or_default();
    let Some(sign) = tail.find(['+', '-']) else {
        return Ok((text, None));
    };
    let (rest, offset) = text.split_at_checked(from + sign).ok_or(FORMS)?;
    Ok((rest, Some(TimeZone::fixed(read_offset(offset)?))))
}

fn read_offset(text: &str) -> Result<Offset, Hint> {
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').ok_or(NO_SUCH_ZONE)?),
    };
    let (hours, minutes) = match (text.split_once(':'), text.len()) {
        (Some(parts), _) => parts,
        (None, 4) => text.split_at_checked(2).ok_or(NO_SUCH_ZONE)?,
        (None, _) => (text, "00"),
    };
    let number = |text| digits(text, 2).map_err(|_| NO_SUCH_ZONE).map(i32::from);
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    if minutes > 59 {
        return Err(NO_SUCH_ZONE);
    }
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).map_err(|_| NO_SUCH_ZONE)
}

/// Where a clock was put back or forward, the moment that most calendars choose.
fn moment(at: DateTime, zone: &TimeZone) -> Result<Timestamp, Hint> {
    zone.to_timestamp(at).map_err(|_| NOT_THERE)
}

/// Without what is smaller than the store keeps.
fn to_micros(moment: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(moment.as_microsecond()).unwrap_or(moment)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn now() -> Zoned {
        "2026-11-23T14:05:06.789+01:00[Europe/Paris]"
            .parse()
            .unwrap()
    }

    #[rstest]
    #[case("2026-11-23", "2026-11-22T23:00:00Z", "2026-11-23T22:59:59.999999Z")]
    #[case("2026-11-23Z", "2026-11-23T00:00:00Z", "2026-11-23T23:59:59.999999Z")]
    #[case(
        "2026-11-23-05:00",
        "2026-11-23T05:00:00Z",
        "2026-11-24T04:59:59.999999Z"
    )]
    // Days on which clocks change have 23 and 25 hours.
    #[case("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999999Z")]
    #[case(
        "2026-10-25[Europe/Paris]",
        "2026-10-24T22:00:00Z",
        "2026-10-25T22:59:59.999999Z"
    )]
    #[case(
        "2026-11-23T10:00+01:00",
        "2026-11-23T09:00:00Z",
        "2026-11-23T09:00:59.999999Z"
    )]
    #[case(
        "2026-11-23t10:00:05+0530",
        "2026-11-23T04:30:05Z",
        "2026-11-23T04:30:05.999999Z"
    )]
    #[case(
        "2026-11-23 10:00:05.25",
        "2026-11-23T09:00:05.25Z",
        "2026-11-23T09:00:05.259999Z"
    )]
    #[case(
        "2026-11-23T10:00:05.000001Z",
        "2026-11-23T10:00:05.000001Z",
        "2026-11-23T10:00:05.000001Z"
    )]
    #[case("10:30", "2026-11-23T09:30:00Z", "2026-11-23T09:30:59.999999Z")]
    #[case("10:30-11", "2026-11-23T21:30:00Z", "2026-11-23T21:30:59.999999Z")]
    #[case("now", "2026-11-23T13:05:06.789Z", "2026-11-23T13:05:06.789Z")]
    #[case("today", "2026-11-22T23:00:00Z", "2026-11-23T22:59:59.999999Z")]
    #[case("Yesterday", "2026-11-21T23:00:00Z", "2026-11-22T22:59:59.999999Z")]
    fn is_read(#[case] text: &str, #[case] first: &str, #[case] last: &str) {
        let written = read(text, Some(&now())).unwrap();
        assert_eq!(written.first, first.parse().unwrap(), "{text}");
        assert_eq!(written.last, last.parse().unwrap(), "{text}");
    }

    #[rstest]
    #[case("", FORMS)]
    #[case("noon", FORMS)]
    #[case("2026", FORMS)]
    #[case("2026-11", FORMS)]
    #[case("26-11-23", FORMS)]
    #[case("2026-11-23T", FORMS)]
    #[case("2026-11-23T10", FORMS)]
    #[case(
        "2026-11-23T10:00:00.",
        Some("a second has one to six digits behind its point")
    )]
    #[case(
        "2026-11-23T10:00:00.1234567Z",
        Some("a second has one to six digits behind its point")
    )]
    #[case("2026-11-31", NOT_THERE)]
    #[case("2026-11-23T25:00", NOT_THERE)]
    #[case("9999-12-31", NOT_THERE)]
    #[case("2026-11-23T10:00+1", NO_SUCH_ZONE)]
    #[case("2026-11-23T10:00+01:60", NO_SUCH_ZONE)]
    #[case("2026-11-23[Europe/Atlantis]", NO_SUCH_ZONE)]
    fn is_refused(#[case] text: &str, #[case] hint: Hint) {
        assert_eq!(read(text, Some(&now())), Err(hint), "{text}");
    }

    #[test]
    fn a_time_on_the_command_line_begins_where_it_says() {
        let now: Zoned = "2026-11-23T14:05:06+01:00[Europe/Paris]".parse().unwrap();
        for (text, begins) in [
            ("2026-11-23T10:00:00+01:00", "2026-11-23T09:00:00Z"),
            (
                "2026-11-23T10:00:00.123456789Z",
                "2026-11-23T10:00:00.123456789Z",
            ),
            ("2026-11-23", "2026-11-22T23:00:00Z"),
            ("2026-11-23T10:30", "2026-11-23T09:30:00Z"),
            ("10:30", "2026-11-23T09:30:00Z"),
            ("10:30Z", "2026-11-23T10:30:00Z"),
            ("yesterday", "2026-11-21T23:00:00Z"),
            ("now", "2026-11-23T13:05:06Z"),
        ] {
            assert_eq!(
                beginning_of(text, &now),
                Ok(begins.parse().unwrap()),
                "{text}"
            );
        }
        for text in ["", "soon", "2026-13-01", "25:00"] {
            assert!(beginning_of(text, &now).is_err(), "{text}");
        }
    }

    #[test]
    fn without_a_clock_a_time_says_everything_itself() {
        for text in ["2026-11-23Z", "2026-11-23T10:00-03:00"] {
            assert_eq!(read(text, None), read(text, Some(&now())));
        }
        for text in ["2026-11-23", "2026-11-23T10:00"] {
            assert_eq!(read(text, None), Err(NO_ZONE), "{text}");
        }
        for text in ["10:00Z", "10:00", "now", "today"] {
            assert_eq!(read(text, None), Err(NO_NOW), "{text}");
        }
        assert_eq!(read("2026-11", None), Err(FORMS));
    }
}
