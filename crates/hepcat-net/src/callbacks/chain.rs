//! Callbacks by name, in the order in which they run.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::{
    failure::{Fault, LogGate, isolated, isolated_future},
    flow::{Failure, Flow, IntoFlow},
};
use crate::Envelope;

/// How long an asynchronous callback may take, unless said otherwise: longer than any lookup should, short enough that
/// a sender does not take us for dead.
const TIME_LIMIT: Duration = Duration::from_secs(1);

/// Callbacks by name, in the order in which they run. Clones share their counters.
#[derive(Debug, Clone)]
pub struct Chain {
    callbacks: Vec<Arc<Callback>>,
    time_limit: Duration,
    skipped: Arc<AtomicU64>,
}

struct Callback {
    name: String,
    run: Run,
    counters: Counters,
    gate: LogGate,
}

enum Run {
    Plain(Box<PlainFn>),
    Awaited(Box<AwaitedFn>),
}

type PlainFn = dyn Fn(&Envelope) -> Result<Flow, Failure> + Send + Sync;

type AwaitedFn = dyn Fn(Envelope) -> Answer + Send + Sync;

type Answer = Pin<Box<dyn Future<Output = Result<Flow, Failure>> + Send>>;

#[derive(Debug, Default)]
struct Counters {
    calls: AtomicU64,
    skips: AtomicU64,
    errors: AtomicU64,
    panics: AtomicU64,
    timeouts: AtomicU64,
}

/// What one callback did, since it was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbackStats {
    /// Its name.
    pub name: String,
    /// Messages that it got.
    pub calls: u64,
    /// Of those, messages that it asked to skip.
    pub skips: u64,
    /// Of those, messages at which it returned an error.
    pub errors: u64,
    /// Of those, messages at which it panicked.
    pub panics: u64,
    /// Of those, messages at which it took too long.
    pub timeouts: u64,
}

impl Default for Chain {
    fn default() -> Self {
        Self::new()
    }
}

impl Chain {
    /// No callback yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            callbacks: Vec::new(),
            time_limit: TIME_LIMIT,
            skipped: Arc::default(),
        }
    }

    /// Adds a callback behind those that are there. It runs on the task that reads the socket: one that blocks holds up
    /// its connection.
    ///
    /// A panic in it is caught, and counted; the program's panic hook still runs.
    #[must_use]
    pub fn callback<F, R>(self, name: impl Into<String>, callback: F) -> Self
    where
        F: Fn(&Envelope) -> R + Send + Sync + 'static,
        R: IntoFlow,
    {
        self.push(
            name.into(),
            Run::Plain(Box::new(move |envelope| callback(envelope).into_flow())),
        )
    }

    /// Adds an asynchronous callback behind those that are there. It gets an envelope of its own, which costs two
    /// reference counts. While it waits, nothing more is read from the connection that the message came from: that
    /// is how a sender is slowed down.
    #[must_use]
    pub fn async_callback<F, A>(self, name: impl Into<String>, callback: F) -> Self
    where
        F: Fn(Envelope) -> A + Send + Sync + 'static,
        A: Future<Output: IntoFlow> + Send + 'static,
    {
        let run = move |envelope| -> Answer {
            let answer = callback(envelope);
            Box::pin(async move { answer.await.into_flow() })
        };
        self.push(name.into(), Run::Awaited(Box::new(run)))
    }

    /// How long an asynchronous callback may take for one message; a second unless set. Its future is dropped then.
    #[must_use]
    pub fn time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    fn push(mut self, name: String, run: Run) -> Self {
        self.callbacks.push(Arc::new(Callback {
            name,
            run,
            counters: Counters::default(),
            gate: LogGate::default(),
        }));
        self
    }

    /// Whether there is no callback.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.callbacks.is_empty()
    }

    /// Runs all callbacks on one message. [`Callbacks`](super::Callbacks) does this for every message of a batch; a
    /// handler with a ledger of its own may call it where it suits.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the callbacks that have not run yet uncalled.
    pub async fn run(&self, envelope: &Envelope) -> Flow {
        let mut skip = false;
        for callback in &self.callbacks {
            skip |= callback.call(envelope, self.time_limit).await == Flow::SkipRoutes;
        }
        if skip {
            self.skipped.fetch_add(1, Relaxed);
            return Flow::SkipRoutes;
        }
        Flow::Continue
    }

    /// Messages that were skipped, by whichever callbacks.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// The counters of every callback, in the order in which they run.
    #[must_use]
    pub fn stats(&self) -> Vec<CallbackStats> {
        self.callbacks.iter().map(|one| one.stats()).collect()
    }
}

impl Callback {
    async fn call(&self, envelope: &Envelope, limit: Duration) -> Flow {
        self.counters.calls.fetch_add(1, Relaxed);
        let answer = match &self.run {
            Run::Plain(run) => {
                isolated(|| run(envelope)).and_then(|answer| answer.map_err(Fault::Error))
            }
            Run::Awaited(run) => match isolated(|| run(envelope.clone())) {
                Ok(future) => isolated_future(future, limit).await,
                Err(fault) => Err(fault),
            },
        };
        match answer {
            Ok(Flow::Continue) => Flow::Continue,
            Ok(Flow::SkipRoutes) => {
                self.counters.skips.fetch_add(1, Relaxed);
                Flow::SkipRoutes
            }
            Err(fault) => {
                self.note(&fault, envelope);
                Flow::Continue
            }
        }
    }

    fn note(&self, fault: &Fault, envelope: &Envelope) {
        let counter = match fault {
            Fault::Error(_) => &self.counters.errors,
            Fault::Panic(_) => &self.counters.panics,
            Fault::TimeLimit(_) => &self.counters.timeouts,
        };
        counter.fetch_add(1, Relaxed);
        if let Some(held_back) = self.gate.pass(Instant::now()) {
            tracing::warn!(
                callback = self.name,
                listener = envelope.origin.listener.0,
                peer = %envelope.origin.peer,
                reason = fault.reason(),
                error = fault.words(),
                held_back,
                "callback failed, the message goes on"
            );
        }
    }

    fn stats(&self) -> CallbackStats {
        CallbackStats {
            name: self.name.clone(),
            calls: self.counters.calls.load(Relaxed),
            skips: self.counters.skips.load(Relaxed),
            errors: self.counters.errors.load(Relaxed),
            panics: self.counters.panics.load(Relaxed),
            timeouts: self.counters.timeouts.load(Relaxed),
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("name", &self.name)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}
