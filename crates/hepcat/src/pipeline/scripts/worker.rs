//! One worker: a thread with a Lua of its own, which answers one job after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use bytes::Bytes;
use hepcat_net::Envelope;
use hepcat_sip::Scan;
use hepcat_wire::{Message, Payload, Version, trim_nul};
use tokio::sync::{mpsc, oneshot};

use super::{
    asker::Asker,
    labels::Labels,
    setup::ScriptSetup,
    state::{NotSent, ScriptState},
};
use crate::{
    lua::{Input, Originated, ScriptError, ScriptOutcome, TraceRequest, Verdict},
    route::{SinkId, SinkSet},
};

/// One message that a script is asked about.
#[derive(Debug)]
pub(in crate::pipeline) struct Task {
    /// Its place in the batch.
    pub(in crate::pipeline) index: usize,
    pub(in crate::pipeline) envelope: Envelope,
    pub(in crate::pipeline) listener: Arc<str>,
    /// Names of the sinks that its static route gives it.
    pub(in crate::pipeline) targets: Arc<[Arc<str>]>,
    /// Its payload, where that is not what stands in the frame.
    pub(in crate::pipeline) inflated: Option<Vec<u8>>,
    /// The scan of its payload, taken off it.
    pub(in crate::pipeline) sip: Option<Scan<'static>>,
}

/// Some messages of one batch, in their order, and where the answers go.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) tasks: Vec<Task>,
    pub(super) answers: Vec<Answer>,
    pub(super) reply: oneshot::Sender<Done>,
}

/// A job's vectors, with the answers in one of them.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) tasks: Vec<Task>,
    pub(super) answers: Vec<Answer>,
}

/// What a script decided about one message of a batch.
#[derive(Debug)]
pub(in crate::pipeline) struct Answer {
    pub(in crate::pipeline) index: usize,
    pub(in crate::pipeline) ruling: Ruling,
    pub(in crate::pipeline) extras: Option<Box<Extras>>,
}

/// Where a script sends a message.
#[derive(Debug)]
pub(in crate::pipeline) enum Ruling {
    /// Where its static route says.
    Route,
    /// There instead.
    Sinks(SinkSet),
    /// Nowhere.
    Drop,
}

/// What most messages have nothing of.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct Extras {
    /// The message as the script edited it.
    pub(in crate::pipeline) edited: Option<Envelope>,
    /// Messages of our own, each for one destination.
    pub(in crate::pipeline) originated: Vec<(SinkId, Bytes)>,
    pub(in crate::pipeline) labels: Option<Arc<Labels>>,
    pub(in crate::pipeline) traces: Vec<TraceRequest>,
}

/// A worker's Lua and what it works with.
#[derive(Debug)]
pub(super) struct Worker {
    setup: Arc<ScriptSetup>,
    state: Arc<ScriptState>,
    /// `None` after a panic, until there is a new one.
    asker: Option<Asker>,
    outcome: ScriptOutcome,
}

impl Worker {
    /// A worker whose script was executed once.
    ///
    /// # Errors
    /// What keeps it from being executed.
    pub(super) fn new(
        setup: &Arc<ScriptSetup>,
        state: &Arc<ScriptState>,
    ) -> Result<Self, ScriptError> {
        Ok(Self {
            asker: Some(setup.asker(state)?),
            setup: Arc::clone(setup),
            state: Arc::clone(state),
            outcome: ScriptOutcome::default(),
        })
    }

    /// Answers until nobody can ask any more.
    pub(super) fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            let Job {
                mut tasks,
                mut answers,
                reply,
            } = job;
            let count = tasks.len() as u64;
            let began = Instant::now();
            answers.extend(tasks.drain(..).map(|task| self.answer(&task)));
            self.state.worked(began.elapsed());
            self.state.queued.fetch_sub(count, Ordering::Relaxed);
            // A handler always waits for its answers; if it is gone there is nobody to tell.
            let _nobody_waits = reply.send(Done { tasks, answers });
        }
    }

    fn answer(&mut self, task: &Task) -> Answer {
        let decided = catch_unwind(AssertUnwindSafe(|| self.ask(task)));
        let (ruling, extras) = decided.unwrap_or_else(|_| {
            self.state.panicked(self.setup.script.name());
            self.asker = None;
            (Ruling::Route, None)
        });
        Answer {
            index: task.index,
            ruling,
            extras,
        }
    }

    fn ask(&mut self, task: &Task) -> (Ruling, Option<Box<Extras>>) {
        let asker = match &mut self.asker {
            Some(asker) => asker,
            gone => match self.setup.asker(&self.state) {
                Ok(asker) => gone.insert(asker),
                Err(error) => {
                    self.state.failed(self.setup.script.name(), &error);
                    return (Ruling::Route, None);
                }
            },
        };
        let Task {
            envelope,
            listener,
            targets,
            ..
        } = task;
        let payload = task.payload();
        let sip = task.sip.map(|scan| scan.over(payload));
        let input = Input::new(envelope, listener, targets)
            .payload(payload)
            .sip(sip);
        asker.ask(
            &input,
            sip.as_ref(),
            envelope.received_at,
            &mut self.outcome,
        );
        if let Some(error) = &self.outcome.error {
            self.state.failed(self.setup.script.name(), error);
            return (Ruling::Route, None);
        }
        let ruling = self.ruling();
        let extras = self.extras(task);
        (ruling, extras.map(Box::new))
    }

    fn ruling(&self) -> Ruling {
        match self.outcome.verdict {
            Verdict::Drop => Ruling::Drop,
            Verdict::Relay => {
                let names = self.outcome.relay.iter();
                Ruling::Sinks(names.filter_map(|name| self.setup.sink(name)).collect())
            }
            _ => Ruling::Route,
        }
    }

    fn extras(&mut self, task: &Task) -> Option<Extras> {
        let outcome = &mut self.outcome;
        let edited = outcome.edited.take().and_then(|frame| edited(task, frame));
        let labels = Labels::new(std::mem::take(&mut outcome.captures), self.setup.homer5);
        let traces = std::mem::take(&mut outcome.traces);
        let messages = std::mem::take(&mut outcome.originated);
        let originated = messages
            .iter()
            .flat_map(|message| self.originate(task, message))
            .collect();
        let extras = Extras {
            edited,
            originated,
            labels: labels.map(Arc::new),
            traces,
        };
        let empty = extras.edited.is_none()
            && extras.originated.is_empty()
            && extras.labels.is_none()
            && extras.traces.is_empty();
        (!empty).then_some(extras)
    }

    /// The frame of a message of our own, and where it goes.
    fn pack(&self, task: &Task, message: &Originated) -> Option<(SinkId, Bytes)> {
        match self.setup.pack(message, task.envelope.received_at) {
            Ok(packed) => Some(packed),
            Err(error) => {
                if let Some(error) = error {
                    tracing::debug!(destination = &*message.destination, %error, "cannot pack");
                }
                self.state.not_sent(NotSent::Packing);
                None
            }
        }
    }

    /// Packs a message of our own and asks `local_route` about it.
    fn originate(&mut self, task: &Task, message: &Originated) -> Vec<(SinkId, Bytes)> {
        let Some((sink, frame)) = self.pack(task, message) else {
            return Vec::new();
        };
        let Some(asker) = self.asker.as_mut().filter(|one| one.wants().originated()) else {
            return vec![(sink, frame)];
        };
        let Ok(decoded) = Message::parse_lax(frame.clone()) else {
            return vec![(sink, frame)];
        };
        let origin = Arc::clone(&task.envelope.origin);
        let envelope = Envelope::new(decoded, origin, task.envelope.received_at);
        let targets: Arc<[Arc<str>]> = Arc::new([Arc::clone(&message.destination)]);
        let input = Input::new(&envelope, &task.listener, &targets);
        asker.ask_originated(&input, &mut self.outcome);
        if let Some(error) = &self.outcome.error {
            self.state.failed(self.setup.script.name(), error);
            return vec![(sink, frame)];
        }
        // Not asked about in their turn, or a `correlate` in `local_route` would have no end.
        let further = std::mem::take(&mut self.outcome.originated);
        let further = further
            .iter()
            .filter_map(|message| self.pack(task, message));
        let further: Vec<_> = further.collect();
        let frame = self.outcome.edited.take().unwrap_or(frame);
        let sinks = match self.ruling() {
            Ruling::Route => vec![sink],
            Ruling::Sinks(sinks) => sinks.iter().collect(),
            Ruling::Drop => {
                self.state.not_sent(NotSent::LocalRoute);
                Vec::new()
            }
        };
        let own = sinks.into_iter().map(|sink| (sink, frame.clone()));
        own.chain(further).collect()
    }
}

/// The message as it goes on. The engine only gives out frames that decode.
fn edited(task: &Task, frame: Bytes) -> Option<Envelope> {
    let message = Message::parse_lax(frame).ok()?;
    let origin = Arc::clone(&task.envelope.origin);
    Some(Envelope::new(message, origin, task.envelope.received_at))
}

impl Task {
    fn payload(&self) -> &[u8] {
        let message = &self.envelope.message;
        match (&self.inflated, message.payload(), message.version()) {
            (Some(inflated), _, _) => inflated,
            // Surplus zeros are a habit of those who send versions 1 and 2.
            (None, Payload::Plain(octets), Version::V1 | Version::V2) => trim_nul(octets),
            (None, Payload::Plain(octets), _) => octets,
            _ => &[],
        }
    }
}
