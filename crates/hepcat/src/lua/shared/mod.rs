//! What scripts share: counters, tables and rate limits, process-wide and for longer than a script.

mod counters;
mod rates;
mod tables;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use counters::Counters;
pub(super) use counters::Handle;
use rates::{Bucket, Rates};
pub use tables::TableReading;
use tables::Tables;
pub(super) use tables::{Cell, Table};

use super::error::{ErrorReason, ScriptError};

pub use counters::CounterReading;

/// Lines a second that scripts may log, and how many at once.
const LOG_RATE: f64 = 10.0;
const LOG_BURST: f64 = 50.0;

/// Counters, tables and rate limits of all workers. One for the process; a reload keeps it.
#[derive(Debug)]
pub struct Shared {
    counters: Counters,
    tables: Tables,
    rates: Rates,
    log: Mutex<Bucket>,
    log_suppressed: AtomicU64,
    runs: AtomicU64,
    errors: [AtomicU64; ErrorReason::ALL.len()],
    last_error: Mutex<Option<ScriptError>>,
}

/// What [`Shared`] holds at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct SharedReading {
    /// Counters of the script, in the order of name and label.
    pub counters: Vec<CounterReading>,
    /// Tables, in the order of their names.
    pub tables: Vec<TableReading>,
    /// Keys that rate limits remember.
    pub rate_keys: usize,
    /// Log lines that were not written because there were too many.
    pub log_suppressed: u64,
    /// Messages that scripts were asked about.
    pub runs: u64,
    /// Messages whose script was stopped, by reason.
    pub errors: BTreeMap<&'static str, u64>,
    /// The last error.
    pub last_error: Option<ScriptError>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            tables: Tables::default(),
            rates: Rates::default(),
            log: Mutex::new(Bucket::full(LOG_BURST)),
            log_suppressed: AtomicU64::new(0),
            runs: AtomicU64::new(0),
            errors: Default::default(),
            last_error: Mutex::new(None),
        }
    }
}

impl Shared {
    /// Nothing counted, nothing remembered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What it holds. Numbers of one moment each, not all of the same.
    #[must_use]
    pub fn reading(&self) -> SharedReading {
        let errors = ErrorReason::ALL.map(ErrorReason::label).into_iter();
        let counts = self
            .errors
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        SharedReading {
            counters: self.counters.reading(),
            tables: self.tables.reading(),
            rate_keys: self.rates.keys(),
            log_suppressed: self.log_suppressed.load(Ordering::Relaxed),
            runs: self.runs.load(Ordering::Relaxed),
            errors: errors.zip(counts).collect(),
            last_error: self.last_error.lock().clone(),
        }
    }

    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) const fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) const fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Counts a message, and the error that its script ended in.
    pub(super) fn count_run(&self, error: Option<&ScriptError>) {
        self.runs.fetch_add(1, Ordering::Relaxed);
        if let Some(error) = error {
            let reasons = ErrorReason::ALL.iter().zip(&self.errors);
            for (_, count) in reasons.filter(|(reason, _)| **reason == error.reason()) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            *self.last_error.lock() = Some(error.clone());
        }
    }

    /// Whether a script may log one more line.
    pub(super) fn may_log(&self, now: Duration) -> bool {
        let may = self.log.lock().take(LOG_RATE, LOG_BURST, now);
        if !may {
            self.log_suppressed.fetch_add(1, Ordering::Relaxed);
        }
        may
    }
}
