//! Traces: copies of what belongs to a call, sent to destinations of their own.
//!
//! A trace is configured (`[[trace]]`) or started at run time by whoever looks into a complaint. It begins
//! with a message that fits its filter, or with a script that asks for it, and takes in that message, its
//! transaction or its dialog. What is sent is the frame as it was received.
//!
//! ```text
//! Pipeline ── is_looking? ──> look(): filters, book ──> TraceCopy ──> staged as originated
//!              no lock        one lock per message        limit, rate
//! ```
//!
//! The traces that are on stand in the topology as a [`TraceSet`], an immutable value that is swapped with
//! it; what is followed stands in one bounded book, and as long as that is empty and no trace has a filter,
//! a message costs one look at an atomic. Time is that of arrival: nothing here reads a clock.

mod book;
mod definition;
mod filter;
mod list;
mod look;
mod rate;
mod side;
mod trace;
mod types;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use hepcat_sip::Scan;
use jiff::Timestamp;
use parking_lot::Mutex;

use book::{Book, Following};
use trace::{Source, Trace};

use crate::{config, route::SinkId, state::traces::TraceRow};

pub use book::{BookCounts, MAX_FOLLOWED};
pub use definition::{Definition, RequestError, StartRequest, read_types};
pub use filter::{Filter, FilterError, FilterText};
pub use list::{TraceStatus, TracerStatus};
pub use look::{TraceCopy, TraceRequest, TraceSet};
pub use trace::{Ended, Progress};
pub use types::{Scope, Types};

/// Traces that can be started and not yet removed: each costs a filter per message.
pub const MAX_STARTED: usize = 64;

/// Every trace of a node, and what is followed for them.
#[derive(Debug)]
pub struct Tracer {
    next_number: AtomicU32,
    configured: Mutex<Vec<Arc<Trace>>>,
    started: Mutex<Vec<Arc<Trace>>>,
    book: Mutex<Book>,
    /// How much the book holds, readable without its lock.
    followed: AtomicUsize,
    counts: [Counts; 2],
}

/// Sums over traces of one kind, also of those that are gone.
#[derive(Debug, Default)]
struct Counts {
    traced: AtomicU64,
    rate_limited: AtomicU64,
}

/// Why a trace cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The request is at fault.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Its name is taken.
    #[error("there is a trace `{0}` already: stop it, or choose another id")]
    Taken(String),
    /// It names what is neither destination nor group.
    #[error("`{0}` is neither a destination nor a group of this node")]
    UnknownTarget(String),
    /// There are too many.
    #[error("{MAX_STARTED} traces are going on already: stop one first")]
    TooMany,
}

impl Default for Tracer {
    fn default() -> Self {
        Self::with_capacity(MAX_FOLLOWED)
    }
}

impl Tracer {
    /// A tracer that follows at most so many transactions, and as many dialogs.
    #[must_use]
    pub fn with_capacity(followed: usize) -> Self {
        Self {
            next_number: AtomicU32::new(0),
            configured: Mutex::default(),
            started: Mutex::default(),
            book: Mutex::new(Book::new(followed)),
            followed: AtomicUsize::new(0),
            counts: Default::default(),
        }
    }

    /// Takes over what a configuration says. A table that did not change goes on with what it follows.
    pub fn configure(&self, specs: &[config::Trace]) {
        let mut configured = self.configured.lock();
        let mut old = std::mem::take(&mut *configured);
        *configured = specs
            .iter()
            .map(|spec| {
                let same = |trace: &Arc<Trace>| trace.source == Source::Configured(spec.clone());
                match old.iter().position(same) {
                    Some(at) => old.swap_remove(at),
                    None => Arc::new(Trace::configured(self.number(), spec.clone())),
                }
            })
            .collect();
    }

    /// Goes on with traces that an earlier run left. One that this version does not understand is left
    /// out and said.
    pub fn resume(&self, rows: &[TraceRow]) {
        let mut started = self.started.lock();
        for row in rows {
            let trace = serde_json::from_str::<Definition>(&row.definition)
                .map_err(|error| error.to_string())
                .and_then(|definition| {
                    Trace::started(self.number(), definition).map_err(|error| error.to_string())
                });
            match trace {
                Ok(trace) => started.push(Arc::new(trace.resumed(row))),
                Err(error) => {
                    tracing::error!(trace = row.name.as_str(), error, "trace is not resumed");
                }
            }
        }
    }

    /// Checks a request at `now`. `is_target` says whether a name is one of a destination or group.
    ///
    /// # Errors
    /// What is wrong with it, or with the time.
    pub fn define(
        &self,
        request: StartRequest,
        now: Timestamp,
        is_target: impl Fn(&str) -> bool,
    ) -> Result<Definition, StartError> {
        let usual = self.usual_targets();
        let definition = request.define(now, || self.fresh_id(), &usual)?;
        if self.has(&definition.id) {
            return Err(StartError::Taken(definition.id));
        }
        if let Some(unknown) = definition.to.iter().find(|name| !is_target(name)) {
            return Err(StartError::UnknownTarget(unknown.clone()));
        }
        let live = |trace: &&Arc<Trace>| trace.is_live(now.into());
        if self.started.lock().iter().filter(live).count() >= MAX_STARTED {
            return Err(StartError::TooMany);
        }
        Ok(definition)
    }

    /// Starts a trace that was defined. Answers the names of those that were over and had to make room.
    ///
    /// # Errors
    /// When its filter is not understood, which [`define`](Self::define) would have said.
    pub fn start(&self, definition: Definition, now: Timestamp) -> Result<Vec<String>, StartError> {
        let trace = Trace::started(self.number(), definition).map_err(RequestError::from)?;
        let mut started = self.started.lock();
        let mut gone = Vec::new();
        while started.len() >= MAX_STARTED {
            let over = started.iter().position(|one| !one.is_live(now.into()));
            let Some(over) = over else {
                return Err(StartError::TooMany);
            };
            gone.push(started.remove(over).id().to_owned());
        }
        started.push(Arc::new(trace));
        drop(started);
        self.forget_gone();
        Ok(gone)
    }

    /// Ends and removes exactly the started trace of that name; says whether there was one.
    pub fn stop(&self, id: &str) -> bool {
        let mut started = self.started.lock();
        let before = started.len();
        started.retain(|trace| trace.id() != id);
        let stopped = started.len() < before;
        drop(started);
        if stopped {
            self.forget_gone();
        }
        stopped
    }

    /// Whether a trace of the configuration has that name.
    #[must_use]
    pub fn is_configured(&self, id: &str) -> bool {
        (self.configured.lock().iter()).any(|trace| trace.id() == id)
    }

    /// The traces that are on at `now`, for a topology whose sinks `sink` finds by name.
    #[must_use]
    pub fn set(&self, now: Timestamp, sink: impl Fn(&str) -> Option<SinkId>) -> TraceSet {
        let traces = self.all();
        let on = traces.filter(|trace| trace.is_on() && trace.is_live(now.into()));
        TraceSet::new(on, sink)
    }

    /// How far each started trace has come: what [`crate::state::traces::progress`] keeps.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Vec<(String, u64, Option<String>)> {
        let started = self.started.lock();
        let each = started.iter().map(|trace| {
            let progress = trace.progress(now);
            let ended = progress.ended.map(|why| why.label().to_owned());
            (trace.id().to_owned(), progress.traced, ended)
        });
        each.collect()
    }

    fn all(&self) -> impl Iterator<Item = Arc<Trace>> + use<> {
        let configured = self.configured.lock().clone();
        let started = self.started.lock().clone();
        configured.into_iter().chain(started)
    }

    fn has(&self, id: &str) -> bool {
        self.all().any(|trace| trace.id() == id)
    }

    /// Where the only trace id that is configured leads.
    fn usual_targets(&self) -> Vec<String> {
        let configured = self.configured.lock();
        let mut traces = configured.iter();
        let Some(first) = traces.next() else {
            return Vec::new();
        };
        if traces.any(|trace| trace.id() != first.id()) {
            return Vec::new();
        }
        let mut targets: Vec<String> = Vec::new();
        for name in configured.iter().flat_map(|trace| trace.targets()) {
            if !targets.iter().any(|known| known == name) {
                targets.push(name.to_owned());
            }
        }
        targets
    }

    fn fresh_id(&self) -> String {
        (1_u32..)
            .map(|n| format!("t{n}"))
            .find(|id| !self.has(id))
            .unwrap_or_default()
    }

    fn number(&self) -> u32 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn is_following(&self) -> bool {
        self.followed.load(Ordering::Relaxed) > 0
    }

    fn follow(&self, scope: Scope, sip: &Scan<'_>, at: SystemTime, following: Following) {
        let mut book = self.book.lock();
        book.follow(scope, sip, at, following);
        self.count_followed(&book);
    }

    /// Follows no more for traces that are over or gone.
    pub fn forget_gone(&self) {
        let going_on = self.all().filter(|trace| !trace.is_over());
        let numbers: Vec<_> = going_on.map(|trace| trace.number).collect();
        let mut book = self.book.lock();
        book.retain(|number| numbers.contains(&number));
        self.count_followed(&book);
    }

    fn count_followed(&self, book: &Book) {
        let counts = book.counts();
        self.followed
            .store(counts.transactions + counts.dialogs, Ordering::Relaxed);
    }

    fn counts_of(&self, source: &Source) -> &Counts {
        let [configured, started] = &self.counts;
        match source {
            Source::Configured(_) => configured,
            Source::Started(_) => started,
        }
    }

    fn count_traced(&self, source: &Source) {
        self.counts_of(source)
            .traced
            .fetch_add(1, Ordering::Relaxed);
    }

    fn count_rate_limited(&self, source: &Source) {
        (self.counts_of(source).rate_limited).fetch_add(1, Ordering::Relaxed);
    }
}
