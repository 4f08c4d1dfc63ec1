//! Durations and sizes as they are written: a number with its unit.

use std::time::Duration;

use bytesize::ByteSize;
use jiff::fmt::friendly::SpanParser;

/// Reads `"100ms"`, `"5s"`, `"1m 30s"`, `"7d"`.
///
/// # Errors
/// A sentence about what is wrong, when there is no unit or it is none of time.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if is_bare_number(text) {
        return Err(format!("`{text}` has no unit"));
    }
    // A day is 24 hours here: no calendar is asked for. The parser reads units up to hours only.
    let days = text
        .trim()
        .strip_suffix('d')
        .and_then(|n| n.trim_end().parse::<u32>().ok());
    if let Some(days) = days {
        return Ok(Duration::from_secs(u64::from(days) * 86_400));
    }
    SpanParser::new()
        .parse_unsigned_duration(text.trim())
        .map_err(|_| format!("`{text}` is not a duration"))
}

/// Reads `"64KiB"`, `"1MB"`, `"512B"`.
///
/// # Errors
/// A sentence about what is wrong, when there is no unit or it is none of size.
pub(super) fn size(text: &str) -> Result<ByteSize, String> {
    if is_bare_number(text) {
        return Err(format!("`{text}` has no unit"));
    }
    text.trim()
        .parse()
        .map_err(|_| format!("`{text}` is not a size in octets"))
}

fn is_bare_number(text: &str) -> bool {
    let text = text.trim();
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A duration as we write it: the shortest exact form, in milliseconds where seconds do not do.
pub(super) fn show(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0ms".to_owned(),
        ms if ms % 86_400_000 == 0 => format!("{}d", ms / 86_400_000),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_carry_their_unit() {
        for (text, ms) in [
            ("100ms", 100),
            ("5s", 5000),
            ("1m 30s", 90_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
            ("0ms", 0),
            (" 5 s ", 5000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["5", "", "ms", "5 parsecs", "-5s", "5s later", "5KiB"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_carry_their_unit() {
        for (text, octets) in [
            ("1KiB", 1024),
            ("1kB", 1000),
            ("0B", 0),
            ("1.5 MiB", 1_572_864),
        ] {
            assert_eq!(size(text), Ok(ByteSize(octets)), "{text}");
        }
        for text in ["1024", "", "KiB", "1 parsec", "-1KiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown_durations_read_back() {
        for ms in [0, 1, 999, 1000, 60_000, 90_000, 3_600_000, 86_400_000] {
            let d = Duration::from_millis(ms);
            assert_eq!(duration(&show(d)), Ok(d));
        }
    }
}
