//! Asking a node over HTTP, and how long that takes.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hepcat_testkit::NodeProcess;
use serde_json::Value;

/// An answer and how long it took.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Value,
    pub(super) took: Duration,
}

/// Asks for `path` (`/api/v1/…`) with these parameters.
pub(super) fn ask(node: &NodeProcess, path: &str, parameters: &[(&str, &str)]) -> Result<Answer> {
    let mut target = path.to_owned();
    for (number, (name, value)) in parameters.iter().enumerate() {
        let between = if number == 0 { '?' } else { '&' };
        // Writing to a string does not fail.
        let _ok = write!(target, "{between}{name}={}", encoded(value));
    }
    let begun = Instant::now();
    let (code, body) = node.get(&target);
    let took = begun.elapsed();
    ensure!(code == 200, "GET {target}: {code} {body}");
    let body = serde_json::from_str(&body).with_context(|| format!("GET {target}: no JSON"))?;
    Ok(Answer { body, took })
}

/// The store's half of the ledger.
#[derive(Debug, Clone, Default)]
pub(super) struct StoreLedger {
    pub(super) offered: u64,
    pub(super) delivered: u64,
    pub(super) queued: u64,
    pub(super) dropped: u64,
    /// Frames that all listeners received.
    pub(super) received: u64,
}

/// What the ledger says now.
pub(super) fn store_ledger(node: &NodeProcess) -> Result<StoreLedger> {
    let status = node.status();
    let mut sinks = status["sinks"].as_array().into_iter().flatten();
    let store = sinks.find(|sink| sink["kind"] == "store");
    let store = store.context("the node has no store")?;
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    let reasons = store["dropped"].as_object().into_iter().flatten();
    let listeners = status["listeners"].as_array().into_iter().flatten();
    Ok(StoreLedger {
        offered: count(&store["offered"]),
        delivered: count(&store["delivered"]),
        queued: count(&store["queued"]),
        dropped: reasons.map(|(_, frames)| count(frames)).sum(),
        received: listeners.map(|one| count(&one["ledger"]["received"])).sum(),
    })
}

/// A text as it stands in a query: in quotes, what would end them escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The query for messages with this Call-ID.
pub(super) fn of_call_id(call_id: &str) -> String {
    format!("call_id:{}", quoted(call_id))
}

/// Octets that a URL cannot have, as it writes them (RFC 3986 §2.1).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            let _ok = write!(out, "%{octet:02X}");
        }
    }
    out
}

/// A time in microseconds since 1970 as RFC 3339 has it.
pub(super) fn rfc3339(micros: i64) -> String {
    let (days, of_day) = (
        micros.div_euclid(86_400_000_000),
        micros.rem_euclid(86_400_000_000),
    );
    let (year, month, day) = civil(days);
    let (seconds, fraction) = (of_day / 1_000_000, of_day % 1_000_000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{fraction:06}Z",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01 (the algorithm of Howard Hinnant, `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Percentiles of durations, in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Millis(Vec<f64>);

impl Millis {
    pub(super) fn new(durations: impl IntoIterator<Item = Duration>) -> Self {
        let millis = durations.into_iter().map(|one| one.as_secs_f64() * 1e3);
        let mut millis: Vec<f64> = millis.collect();
        millis.sort_by(f64::total_cmp);
        Self(millis)
    }

    /// The least value that at least this share of all do not exceed.
    pub(super) fn at(&self, share: f64) -> f64 {
        let wanted = share.clamp(0.0, 1.0) * self.0.len() as f64;
        let reached = (1..=self.0.len()).position(|count| count as f64 >= wanted);
        let found = reached.and_then(|place| self.0.get(place));
        found.copied().unwrap_or(f64::NAN)
    }

    pub(super) fn median(&self) -> f64 {
        self.at(0.5)
    }

    pub(super) fn most(&self) -> f64 {
        self.at(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_they_are_read() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(
            rfc3339(1_795_442_400_123_456),
            "2026-11-23T14:00:00.123456Z"
        );
        assert_eq!(rfc3339(951_782_400_000_000), "2000-02-29T00:00:00.000000Z");
    }

    #[test]
    fn queries_survive_the_url() {
        assert_eq!(encoded(&quoted("a\"b@c")), "%22a%5C%22b%40c%22");
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let millis = Millis::new((1..=100).map(Duration::from_millis));
        assert_eq!((millis.median(), millis.at(0.95)), (50.0, 95.0));
        assert_eq!((millis.at(0.99), millis.most()), (99.0, 100.0));
        assert!(Millis::new([]).median().is_nan());
    }
}
