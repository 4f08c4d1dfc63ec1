//! One trace: what begins it, and how far it has come.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use jiff::Timestamp;
use parking_lot::Mutex;

use super::rate::PerSecond;
use super::{Definition, Filter, FilterError, Scope, Types, definition::read_types};
use crate::{config, query::Query, state::traces::TraceRow};

/// Why a trace is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// Its time is.
    Time,
    /// It has traced as many messages as it may.
    Limit,
}

impl Ended {
    /// Label of the API and of the state.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Limit => "limit",
        }
    }

    fn named(label: &str) -> Self {
        match label {
            "limit" => Self::Limit,
            _ => Self::Time,
        }
    }
}

/// How far a trace has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Messages traced.
    pub traced: u64,
    /// Messages that were not traced because more came in a second than its rate.
    pub rate_limited: u64,
    /// Why it is over.
    pub ended: Option<Ended>,
}

/// Where a trace comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// The configuration.
    Configured(config::Trace),
    /// Somebody started it.
    Started(Definition),
}

/// One trace.
#[derive(Debug)]
pub(super) struct Trace {
    /// Told apart by: no two traces of a process have the same.
    pub(super) number: u32,
    pub(super) source: Source,
    /// What begins it by itself; `None` for one that waits for a script.
    pub(super) filter: Option<Filter>,
    pub(super) types: Types,
    /// `None`: what the message allows.
    pub(super) scope: Option<Scope>,
    until: Option<SystemTime>,
    limit: Option<u64>,
    /// Readable without the lock.
    over: AtomicBool,
    meter: Mutex<Meter>,
}

#[derive(Debug)]
struct Meter {
    progress: Progress,
    rate: Option<PerSecond>,
}

impl Trace {
    pub(super) fn configured(number: u32, spec: config::Trace) -> Self {
        Self {
            number,
            filter: spec
                .when
                .as_ref()
                .map(|when| Filter::of_query(Query::clone(when))),
            types: spec.types,
            scope: spec.scope,
            until: None,
            limit: None,
            over: AtomicBool::new(false),
            meter: Mutex::new(Meter {
                progress: Progress::default(),
                rate: spec.rate.map(PerSecond::new),
            }),
            source: Source::Configured(spec),
        }
    }

    /// A trace as it was defined.
    ///
    /// # Errors
    /// When its filter is not understood, which only one that an earlier version wrote can be.
    pub(super) fn started(number: u32, definition: Definition) -> Result<Self, FilterError> {
        Ok(Self {
            number,
            filter: Some(definition.filter.compile()?),
            types: read_types(&definition.types).unwrap_or_default(),
            scope: Some(definition.scope),
            until: Some(SystemTime::from(definition.until)),
            limit: Some(definition.limit),
            over: AtomicBool::new(false),
            meter: Mutex::new(Meter {
                progress: Progress::default(),
                rate: Some(PerSecond::new(definition.rate)),
            }),
            source: Source::Started(definition),
        })
    }

    /// The same, where an earlier run of the node left it.
    pub(super) fn resumed(self, row: &TraceRow) -> Self {
        {
            let progress = &mut self.meter.lock().progress;
            progress.traced = row.traced;
            progress.ended = row.ended.as_deref().map(Ended::named);
            self.over.store(progress.ended.is_some(), Ordering::Relaxed);
        }
        self
    }

    pub(super) fn id(&self) -> &str {
        match &self.source {
            Source::Configured(spec) => &spec.trace_id,
            Source::Started(definition) => &definition.id,
        }
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &str> {
        let (marked, plain) = match &self.source {
            Source::Configured(spec) => (spec.to.as_slice(), [].as_slice()),
            Source::Started(definition) => ([].as_slice(), definition.to.as_slice()),
        };
        let marked = marked.iter().map(|name| name.as_str());
        marked.chain(plain.iter().map(String::as_str))
    }

    pub(super) fn is_on(&self) -> bool {
        match &self.source {
            Source::Configured(spec) => spec.on,
            Source::Started(_) => true,
        }
    }

    /// Whether it was seen to be over.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Whether a message that arrives at `at` can still be traced.
    pub(super) fn is_live(&self, at: SystemTime) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return false;
        }
        if self.until.is_none_or(|until| at < until) {
            return true;
        }
        self.end(Ended::Time);
        false
    }

    /// Counts one message, and says whether it may be traced.
    pub(super) fn take(&self, at: SystemTime) -> Result<(), Untraced> {
        let mut meter = self.meter.lock();
        let Meter { progress, rate } = &mut *meter;
        if progress.ended.is_some() {
            return Err(Untraced::Over);
        }
        if rate.as_mut().is_some_and(|rate| !rate.take(at)) {
            progress.rate_limited += 1;
            return Err(Untraced::RateLimited);
        }
        progress.traced += 1;
        if self.limit.is_some_and(|limit| progress.traced >= limit) {
            progress.ended = Some(Ended::Limit);
            self.over.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn end(&self, why: Ended) {
        self.meter.lock().progress.ended.get_or_insert(why);
        self.over.store(true, Ordering::Relaxed);
    }

    /// How far it has come at `now`.
    pub(super) fn progress(&self, now: Timestamp) -> Progress {
        self.is_live(now.into());
        self.meter.lock().progress
    }
}

/// Why a message that belongs to a trace is not traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untraced {
    RateLimited,
    Over,
}
