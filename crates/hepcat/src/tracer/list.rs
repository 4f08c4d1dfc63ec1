//! Traces as they are shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    FilterText, Tracer,
    book::BookCounts,
    trace::{Source, Trace},
};

/// One trace as the API and `hepcat trace list` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceStatus {
    /// Its name.
    pub id: String,
    /// `configured` or `started`.
    pub kind: String,
    /// `on`, `off` (in the configuration) or `ended`.
    pub state: String,
    /// Why it is over: `time` or `limit`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<String>,
    /// Destinations and groups, in order.
    pub to: Vec<String>,
    /// Those of them that are not configured any more: copies go to the rest.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub missing: Vec<String>,
    /// What begins it; empty for one that waits for a script.
    pub filter: FilterText,
    /// How much of a call; `None` leaves it to the message.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub scope: Option<String>,
    /// Protocol types by name.
    pub types: Vec<String>,
    /// When it was started.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Messages after which it is over.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<u64>,
    /// Messages in one second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rate: Option<u32>,
    /// Messages traced.
    pub traced: u64,
    /// Messages not traced because of the rate.
    pub rate_limited: u64,
}

/// All traces together, for metrics and the doctor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TracerStatus {
    /// Configured traces that are on.
    pub configured: usize,
    /// Started traces that go on.
    pub started: usize,
    /// Messages traced since start, for configured traces.
    pub configured_traced: u64,
    /// Messages traced since start, for started traces.
    pub started_traced: u64,
    /// Messages that a rate held back, for configured traces.
    pub configured_rate_limited: u64,
    /// Messages that a rate held back, for started traces.
    pub started_rate_limited: u64,
    /// Transactions followed now.
    pub transactions: usize,
    /// Dialogs followed now.
    pub dialogs: usize,
    /// Transactions let go before their time.
    pub forgotten_transactions: u64,
    /// Dialogs let go before their time.
    pub forgotten_dialogs: u64,
}

impl Tracer {
    /// Every trace as it is at `now`: configured ones first, each kind in its order.
    #[must_use]
    pub fn list(&self, now: Timestamp) -> Vec<TraceStatus> {
        self.all().map(|trace| trace.status(now)).collect()
    }

    /// The started trace of that name.
    #[must_use]
    pub fn started(&self, id: &str, now: Timestamp) -> Option<TraceStatus> {
        let started = self.started.lock();
        let trace = started.iter().find(|trace| trace.id() == id)?;
        Some(trace.status(now))
    }

    /// All traces together.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> TracerStatus {
        let on = |trace: &&std::sync::Arc<Trace>| trace.is_on() && trace.is_live(now.into());
        let [configured, started] = &self.counts;
        let read = |counter: &std::sync::atomic::AtomicU64| {
            counter.load(std::sync::atomic::Ordering::Relaxed)
        };
        let BookCounts {
            transactions,
            dialogs,
            forgotten_transactions,
            forgotten_dialogs,
        } = self.book.lock().counts();
        TracerStatus {
            configured: self.configured.lock().iter().filter(on).count(),
            started: self.started.lock().iter().filter(on).count(),
            configured_traced: read(&configured.traced),
            started_traced: read(&started.traced),
            configured_rate_limited: read(&configured.rate_limited),
            started_rate_limited: read(&started.rate_limited),
            transactions,
            dialogs,
            forgotten_transactions,
            forgotten_dialogs,
        }
    }
}

impl Trace {
    fn status(&self, now: Timestamp) -> TraceStatus {
        let progress = self.progress(now);
        let state = match (progress.ended, self.is_on()) {
            (Some(_), _) => "ended",
            (None, true) => "on",
            (None, false) => "off",
        };
        let mut status = TraceStatus {
            id: self.id().to_owned(),
            kind: "configured".to_owned(),
            state: state.to_owned(),
            ended: progress.ended.map(|why| why.label().to_owned()),
            to: self.targets().map(str::to_owned).collect(),
            missing: Vec::new(),
            filter: FilterText::default(),
            scope: self.scope.map(|scope| scope.name().to_owned()),
            types: self.types.names().collect(),
            started_at: None,
            until: None,
            limit: None,
            rate: None,
            traced: progress.traced,
            rate_limited: progress.rate_limited,
        };
        match &self.source {
            Source::Configured(spec) => {
                status.filter.when = spec.when.as_ref().map(|when| when.to_string());
                status.rate = spec.rate;
            }
            Source::Started(definition) => {
                status.kind = "started".to_owned();
                status.filter = definition.filter.clone();
                status.started_at = Some(definition.started_at);
                status.until = Some(definition.until);
                status.limit = Some(definition.limit);
                status.rate = Some(definition.rate);
            }
        }
        status
    }
}
