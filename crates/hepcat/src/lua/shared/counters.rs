//! Counters that scripts keep, with a label or without.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

/// Most counters by name.
const MAX_NAMES: usize = 100;
/// Most labels of one counter; what comes later is counted as [`OTHER`].
const MAX_LABELS: usize = 100;
/// Longest name of a counter, in octets.
const MAX_NAME: usize = 64;
/// Longest label, in octets; a longer one is counted as [`OTHER`], for cutting would mix what differs.
const MAX_LABEL: usize = 64;
const OTHER: &str = "other";

/// One counter with one label.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterReading {
    /// Name that the script gave it: a letter, then letters, digits and `_`.
    pub name: Arc<str>,
    /// Its label; empty for a counter without one.
    pub label: Arc<str>,
    /// The count.
    pub value: u64,
}

/// One counter with one label, to count without looking for it again.
pub(in crate::lua) type Handle = Arc<AtomicU64>;

/// Counters of one name by label.
type Labels = BTreeMap<Arc<str>, Handle>;

#[derive(Debug, Default)]
pub(in crate::lua) struct Counters {
    by_name: Mutex<BTreeMap<Arc<str>, Labels>>,
}

impl Counters {
    /// The counter of that name and label, made now if there was none.
    ///
    /// # Errors
    /// A name that cannot be one, and a name too many.
    pub(in crate::lua) fn handle(&self, name: &str, label: &[u8]) -> Result<Handle, String> {
        check_name(name)?;
        let label = std::str::from_utf8(label).unwrap_or(OTHER);
        let label = if label.len() > MAX_LABEL {
            OTHER
        } else {
            label
        };
        let mut by_name = self.by_name.lock();
        if !by_name.contains_key(name) && by_name.len() >= MAX_NAMES {
            return Err(format!("there are {MAX_NAMES} counters already"));
        }
        let by_label = by_name.entry(Arc::from(name)).or_default();
        let label = match by_label.contains_key(label) || by_label.len() < MAX_LABELS {
            true => label,
            false => OTHER,
        };
        Ok(Arc::clone(by_label.entry(Arc::from(label)).or_default()))
    }

    pub(super) fn reading(&self) -> Vec<CounterReading> {
        let mut readings = Vec::new();
        for (name, by_label) in self.by_name.lock().iter() {
            for (label, count) in by_label {
                readings.push(CounterReading {
                    name: Arc::clone(name),
                    label: Arc::clone(label),
                    value: count.load(Ordering::Relaxed),
                });
            }
        }
        readings
    }
}

/// The names of Prometheus, without the colon that is kept for rules there.
fn check_name(name: &str) -> Result<(), String> {
    let mut octets = name.bytes();
    let starts = octets
        .next()
        .is_some_and(|octet| octet.is_ascii_alphabetic() || octet == b'_');
    let goes_on = octets.all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    if starts && goes_on && name.len() <= MAX_NAME {
        Ok(())
    } else {
        Err(format!(
            "\"{}\" is no name of a counter: a letter, then letters, digits and _, {MAX_NAME} at most",
            name.escape_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beyond_the_bound_are_counted_together() {
        let counters = Counters::default();
        for number in 0..1_000 {
            let label = format!("label{number}");
            let handle = counters.handle("calls", label.as_bytes());
            handle.expect("well named").fetch_add(1, Ordering::Relaxed);
        }
        let readings = counters.reading();
        assert_eq!(readings.len(), MAX_LABELS + 1);
        assert_eq!(readings.iter().map(|r| r.value).sum::<u64>(), 1_000);
        let other = readings.iter().find(|r| &*r.label == OTHER);
        assert_eq!(other.map(|r| r.value), Some(900));
    }

    #[test]
    fn names_are_bounded_and_checked() {
        let counters = Counters::default();
        for name in ["", "1st", "a b", "a:b", &"x".repeat(65), "é"] {
            assert!(counters.handle(name, b"").is_err(), "{name}");
        }
        for number in 0..MAX_NAMES {
            counters.handle(&format!("n{number}"), b"").expect("room");
        }
        assert!(counters.handle("one_more", b"").is_err());
        assert!(counters.handle("n0", b"label").is_ok());
    }
}
