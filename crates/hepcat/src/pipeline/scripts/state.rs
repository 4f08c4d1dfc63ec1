//! What scripts keep for as long as the process runs, whatever is reloaded, and what is counted of them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::transactions::SeenTransactions;
use crate::lua::{ScriptError, Shared, SharedReading};

/// Errors of scripts are logged no more often than this; all of them are counted.
const LOG_PAUSE: Duration = Duration::from_secs(10);

/// The label of a script whose worker had a defect, beside those of [`crate::lua::ErrorReason`].
const PANIC: &str = "panic";

/// Why a message of our own was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// `local_route` called `drop()`.
    LocalRoute,
    /// It could not be packed.
    Packing,
    /// `local_route` sent it to a sink that takes none: a group, or the tail.
    Sink,
}

impl NotSent {
    const ALL: [Self; 3] = [Self::LocalRoute, Self::Packing, Self::Sink];

    fn label(self) -> &'static str {
        match self {
            Self::LocalRoute => "local_route",
            Self::Packing => "packing",
            Self::Sink => "sink",
        }
    }
}

/// One for the process.
#[derive(Debug, Default)]
pub struct ScriptState {
    shared: Arc<Shared>,
    transactions: Arc<SeenTransactions>,
    /// Messages that lie in queues of workers or are being worked on.
    pub(super) queued: AtomicU64,
    nanos: AtomicU64,
    panics: AtomicU64,
    not_sent: [AtomicU64; NotSent::ALL.len()],
    log: Mutex<ErrorLog>,
}

#[derive(Debug, Default)]
struct ErrorLog {
    latest: Option<Instant>,
    unsaid: u64,
}

/// What [`ScriptState`] holds at one moment; single numbers, not one consistent reading.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ScriptReading {
    /// What the engine counts: runs, errors by reason, the script's own counters.
    pub shared: SharedReading,
    /// Messages that lie in queues of workers or are being worked on.
    pub queued: u64,
    /// Time that workers spent on messages.
    pub time: Duration,
    /// Messages of our own that were not sent, by reason.
    pub not_sent: BTreeMap<&'static str, u64>,
    /// What is remembered of transactions: their requests and branches.
    pub transactions: u64,
    /// What of that was forgotten before its time, because there was too much.
    pub transactions_forgotten: u64,
}

impl ScriptState {
    /// Counters, tables and rate limits of scripts.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The transactions that scripts have seen.
    #[must_use]
    pub fn transactions(&self) -> &Arc<SeenTransactions> {
        &self.transactions
    }

    /// Reads everything.
    #[must_use]
    pub fn reading(&self) -> ScriptReading {
        let mut shared = self.shared.reading();
        let panics = self.panics.load(Ordering::Relaxed);
        shared.errors.insert(PANIC, panics);
        let (transactions, transactions_forgotten) = self.transactions.counts();
        let reasons = NotSent::ALL.map(NotSent::label).into_iter();
        let counts = self
            .not_sent
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        ScriptReading {
            shared,
            queued: self.queued.load(Ordering::Relaxed),
            time: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)),
            not_sent: reasons.zip(counts).collect(),
            transactions,
            transactions_forgotten,
        }
    }

    pub(super) fn worked(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(in crate::pipeline) fn not_sent(&self, reason: NotSent) {
        let counts = NotSent::ALL.iter().zip(&self.not_sent);
        for (_, count) in counts.filter(|(one, _)| **one == reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says that a script failed, unless that was said a moment ago.
    pub(super) fn failed(&self, script: &str, error: &ScriptError) {
        if let Some(unsaid) = self.may_log() {
            let (line, reason) = (error.line(), error.reason().label());
            let error = error.message();
            tracing::warn!(
                script,
                line,
                reason,
                error,
                unsaid,
                "script failed; its message goes on without it"
            );
        }
    }

    /// Counts a defect of ours, which cost the messages of `script` no more than an error of its own.
    pub(super) fn panicked(&self, script: &str) {
        self.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            script,
            "a script worker panicked; its message goes on without the script"
        );
    }

    /// How many errors were not logged since the last one that was; `None` where this one is not to be logged.
    fn may_log(&self) -> Option<u64> {
        let mut log = self.log.lock();
        let now = Instant::now();
        let too_soon = |latest: Instant| now.saturating_duration_since(latest) < LOG_PAUSE;
        if log.latest.is_some_and(too_soon) {
            log.unsaid += 1;
            return None;
        }
        log.latest = Some(now);
        Some(std::mem::take(&mut log.unsaid))
    }
}
