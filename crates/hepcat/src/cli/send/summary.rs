//! What a replay did, at its end.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

/// What a replay did.
#[derive(Debug, Default)]
pub(super) struct Summary {
    pub(super) destination: String,
    /// Frames written to the socket, and their octets.
    pub(super) messages: u64,
    pub(super) octets: u64,
    pub(super) elapsed: Duration,
    /// What was not offered to the destination, by reason.
    pub(super) skipped: BTreeMap<&'static str, u64>,
    /// What the destination dropped, by reason.
    pub(super) dropped: BTreeMap<&'static str, u64>,
    /// What went wrong, in words.
    pub(super) faults: Vec<String>,
}

impl Summary {
    pub(super) fn skip(&mut self, reason: &'static str) {
        *self.skipped.entry(reason).or_default() += 1;
    }

    pub(super) fn is_success(&self) -> bool {
        self.faults.is_empty() && self.dropped.is_empty() && self.messages > 0
    }

    pub(super) fn json(&self) -> Value {
        let object = |counts: &BTreeMap<&'static str, u64>| {
            let entries = counts.iter().map(|(k, v)| ((*k).to_owned(), json!(v)));
            Value::Object(entries.collect::<Map<_, _>>())
        };
        json!({
            "destination": self.destination,
            "messages": self.messages,
            "octets": self.octets,
            "seconds": self.elapsed.as_secs_f64(),
            "messages_per_second": self.rate(),
            "skipped": object(&self.skipped),
            "dropped": object(&self.dropped),
            "faults": self.faults,
        })
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "sent {} messages ({} octets) to {} in {:.3} s, {:.0} per second",
            self.messages,
            self.octets,
            self.destination,
            self.elapsed.as_secs_f64(),
            self.rate()
        );
        for (what, counts) in [("left out", &self.skipped), ("dropped", &self.dropped)] {
            if !counts.is_empty() {
                let counts: Vec<_> = counts.iter().map(|(k, v)| format!("{v} {k}")).collect();
                text.push_str(&format!("\n{what}: {}", counts.join(", ")));
            }
        }
        text
    }

    fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.messages as f64 / seconds
        } else {
            0.0
        }
    }
}
