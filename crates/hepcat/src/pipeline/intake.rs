//! The handler that every listener calls: the path of a packet through the node.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use arc_swap::ArcSwap;
use hepcat_net::{
    Arrival, Batch, Handler, ListenerId, Origin, StreamFault, Unparsable,
    callbacks::{Chain, Flow},
};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{
    Capture, ListenerEntry, Topology,
    capture::Inflated,
    fanout::Staging,
    ledger::{Gate, Ledger, Outcome, Receipt, Refused, Skipped},
    rate::TokenBucket,
    scripted::ScriptDesk,
    scripts::ScriptState,
    topology::origin,
};
use crate::{
    agents::Guard,
    query::MessageView,
    route::{Decision, SinkSet, Verdict},
    sink::{store::StoreSink, tail::Tail},
    tracer::{TraceCopy, Tracer},
};

/// Decides about frames and hands them over. One for the whole process; reload swaps its topology.
#[derive(Debug)]
pub struct Pipeline {
    callbacks: Chain,
    topology: ArcSwap<Topology>,
    ledger: Ledger,
    tail: Arc<Tail>,
    tracer: Tracer,
    /// Off: every frame is skipped.
    capture_on: AtomicBool,
    unparsable: Mutex<TokenBucket>,
    desks: Mutex<Vec<Desk>>,
    scripts: Arc<ScriptState>,
}

/// The working space of one batch, reused: a steady node allocates none.
#[derive(Debug, Default)]
pub(super) struct Desk {
    receipt: Receipt,
    /// What callbacks said, by position in the batch; empty where there are none.
    pub(super) flows: Vec<Flow>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) verdict: Verdict,
    pub(super) staging: Staging,
    pub(super) scripted: ScriptDesk,
    pub(super) copies: Vec<TraceCopy>,
}

impl Pipeline {
    /// A pipeline that leads nowhere yet, and keeps at most `unparsable_rate` octets a second of frames
    /// that do not decode.
    #[must_use]
    pub fn new(tail: Arc<Tail>, unparsable_rate: u64) -> Self {
        Self {
            callbacks: Chain::new(),
            topology: ArcSwap::default(),
            ledger: Ledger::default(),
            tail,
            tracer: Tracer::default(),
            capture_on: AtomicBool::new(true),
            unparsable: Mutex::new(TokenBucket::new(unparsable_rate)),
            desks: Mutex::new(Vec::new()),
            scripts: Arc::default(),
        }
    }

    /// The same with callbacks in front of its routes. They run on the messages that it takes in, and what they skip is
    /// counted in its ledger.
    #[must_use]
    pub fn with_callbacks(self, callbacks: Chain) -> Self {
        Self { callbacks, ..self }
    }

    /// What runs before the routes.
    #[must_use]
    pub fn callbacks(&self) -> &Chain {
        &self.callbacks
    }

    /// What frames are decided by from the next batch on.
    pub fn swap(&self, topology: Topology) {
        self.topology.store(Arc::new(topology));
    }

    /// The traces of this node.
    #[must_use]
    pub fn tracer(&self) -> &Tracer {
        &self.tracer
    }

    /// Takes over, from the next batch on, what was changed about the traces.
    pub fn retrace(&self, now: Timestamp) {
        self.topology.rcu(|topology| {
            let traces = self.tracer.set(now, |name| topology.named(name));
            Topology::clone(topology).with_traces(traces)
        });
    }

    /// Whether frames are taken in; while they are not, each counts as skipped.
    #[must_use]
    pub fn is_capturing(&self) -> bool {
        self.capture_on.load(Ordering::Relaxed)
    }

    /// Switches capturing, from the next batch on.
    pub fn switch_capture(&self, is_on: bool) {
        self.capture_on.store(is_on, Ordering::Relaxed);
    }

    /// Changes how many octets a second of frames that do not decode are kept.
    pub fn limit_unparsable(&self, rate: u64) {
        self.unparsable.lock().set_rate(rate);
    }

    /// What frames are decided by now.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// The receiving half of the ledger.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Who watches.
    #[must_use]
    pub fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// What scripts keep through reloads, and what is counted of them.
    #[must_use]
    pub fn scripts(&self) -> &Arc<ScriptState> {
        &self.scripts
    }

    /// Asks the callbacks about every message of a batch.
    async fn ask_callbacks(&self, batch: &Batch, flows: &mut Vec<Flow>) {
        flows.clear();
        if self.callbacks.is_empty() {
            return;
        }
        for arrival in batch {
            flows.push(match arrival {
                Arrival::Message(envelope) => self.callbacks.run(envelope).await,
                _ => Flow::Continue,
            });
        }
    }

    /// Decides about every frame of a batch, and stages what goes to destinations.
    fn decide(&self, topology: &Topology, batch: &Batch, desk: &mut Desk) {
        desk.outcomes.clear();
        desk.staging.fit(topology);
        let watched = self.is_watched(topology);
        let routes = topology.routes();
        let traced = self.is_tracing(topology);
        let look_inside = watched
            || traced
            || routes.needs_sip()
            || routes.needs_payload()
            || topology.needs_call_id();
        for (position, arrival) in batch.iter().enumerate() {
            if desk.flows.get(position) == Some(&Flow::SkipRoutes) {
                desk.outcomes.push(Outcome::Skipped(Skipped::Callback));
                continue;
            }
            let inflated = Inflated::default();
            let listener = topology.listener_name(arrival);
            let Some(capture) = Capture::new(arrival, listener, look_inside.then_some(&inflated))
            else {
                continue;
            };
            let capture = capture.with_clock(topology.clock());
            let outcome = match (&capture, arrival) {
                (Capture::Message(message), _) => {
                    routes.decide(&capture, &mut desk.verdict);
                    self.route(topology, message, desk)
                }
                (Capture::Unparsable(_), Arrival::Unparsable(unparsable)) => {
                    self.keep_unparsable(unparsable)
                }
                _ => continue,
            };
            if traced && let Capture::Message(message) = &capture {
                self.trace(topology, message, desk);
            }
            if watched && !matches!(outcome, Outcome::Refused(_)) {
                self.tail.offer(arrival, &capture);
            }
            if outcome == Outcome::Routed && is_kept(topology, &capture, &desk.verdict.sinks) {
                desk.staging.keep(arrival, topology, None);
            }
            desk.outcomes.push(outcome);
        }
    }

    /// Whether anybody watches. Live views are the first to give way where the store is short of memory.
    pub(super) fn is_watched(&self, topology: &Topology) -> bool {
        let watched = self.tail.is_watched();
        if watched {
            let short = |store: &Arc<StoreSink>| store.is_short_of_memory();
            self.tail.shed(topology.store().is_some_and(short));
        }
        watched
    }

    /// Stages one message for the sinks that its verdict names.
    fn route(&self, topology: &Topology, message: &MessageView<'_>, desk: &mut Desk) -> Outcome {
        if let Decision::Skip(_) = desk.verdict.decision {
            return Outcome::Skipped(Skipped::Route);
        }
        desk.staging.stage(message, topology, &desk.verdict.sinks);
        Outcome::Routed
    }

    /// A frame that did not decode is shown to whoever watches and goes no further, and only so many
    /// octets of them in a second.
    pub(super) fn keep_unparsable(&self, unparsable: &Unparsable) -> Outcome {
        let size = unparsable.frame.len() as u64;
        if self.unparsable.lock().take(size, Instant::now()) {
            Outcome::Routed
        } else {
            Outcome::Refused(Refused::UnparsableRate)
        }
    }
}

/// A message without what capturing needs (HEP3 rev. 37 names nothing mandatory; a protocol type and a
/// payload or a correlation are the least that anybody can use) goes the way of what does not decode.
fn set_incomplete_aside(arrival: &mut Arrival) {
    let Arrival::Message(envelope) = arrival else {
        return;
    };
    let Err(error) = envelope.message.check_capture() else {
        return;
    };
    tracing::debug!(
        peer = %envelope.origin.peer,
        reason = error.reason(),
        chunk_type = error.chunk_type().map(|missing| missing.0),
        "message lacks a chunk"
    );
    let unparsable = Unparsable::new(
        envelope.message.inner().clone(),
        error,
        Arc::clone(&envelope.origin),
        envelope.received_at,
    );
    *arrival = Arrival::Unparsable(unparsable);
}

impl Handler for Pipeline {
    async fn handle(&self, batch: &mut Batch) {
        let Some(listener) = batch.first().and_then(origin).map(|origin| origin.listener) else {
            return;
        };
        let topology = self.topology.load_full();
        batch.iter_mut().for_each(set_incomplete_aside);
        let mut desk = self.desks.lock().pop().unwrap_or_default();
        let (entry, none) = (topology.listener(listener), Guard::default());
        let gate = gate(&topology, listener, entry, &none);
        self.ledger.receive(batch, &gate, &mut desk.receipt);
        if !self.is_capturing() {
            desk.outcomes.clear();
            (desk.outcomes).resize(batch.len(), Outcome::Skipped(Skipped::CaptureOff));
            batch.clear();
            self.ledger.settle(&desk.receipt, &desk.outcomes);
            self.desks.lock().push(desk);
            return;
        }
        self.ask_callbacks(batch, &mut desk.flows).await;
        match topology.scripts() {
            None => self.decide(&topology, batch, &mut desk),
            Some(scripts) => {
                self.decide_with(scripts, &topology, batch, &mut desk).await;
            }
        }
        batch.clear();
        desk.staging.hand_over(&topology).await;
        self.ledger.settle(&desk.receipt, &desk.outcomes);
        self.desks.lock().push(desk);
    }

    fn admit_connection(&self, listener: ListenerId, peer: SocketAddr) -> Result<(), &'static str> {
        let topology = self.topology.load_full();
        let Some(entry) = topology.listener(listener) else {
            return Ok(());
        };
        let gate = gate(&topology, listener, Some(entry), &entry.guard);
        match self.ledger.admit(&gate, (peer.ip(), entry.transport)) {
            None => Ok(()),
            Some(refused) => Err(refused.label()),
        }
    }

    fn admit_session(&self, origin: &Origin) -> Result<(), &'static str> {
        let topology = self.topology.load_full();
        match topology.listener(origin.listener) {
            Some(entry) if !entry.guard.certified(origin) => {
                let gate = gate(&topology, origin.listener, Some(entry), &entry.guard);
                let peer = (origin.peer.ip(), entry.transport);
                self.ledger
                    .refuse_connection(&gate, peer, Refused::Certificate);
                Err(Refused::Certificate.label())
            }
            _ => Ok(()),
        }
    }

    fn stream_fault(&self, listener: ListenerId, peer: SocketAddr, fault: StreamFault) {
        // Who looks whether a port is open, and the end of the listener, are nobody's fault.
        if matches!(fault, StreamFault::Handshake("closed" | "stopped")) {
            return;
        }
        let topology = self.topology.load_full();
        let Some(entry) = topology.listener(listener) else {
            return;
        };
        let gate = gate(&topology, listener, Some(entry), &entry.guard);
        let peer = (peer.ip(), entry.transport);
        self.ledger.stream_fault(&gate, peer, fault);
    }
}

/// Whether a frame that is routed goes into the store: what did not decode goes there without asking a route.
pub(super) fn is_kept(topology: &Topology, capture: &Capture<'_>, sinks: &SinkSet) -> bool {
    match capture {
        Capture::Message(_) => topology.keeps(sinks),
        Capture::Unparsable(_) => topology.store().is_some(),
    }
}

/// What frames of a listener meet; `none` where it is not known.
fn gate<'a>(
    topology: &Topology,
    listener: ListenerId,
    entry: Option<&'a ListenerEntry>,
    none: &'a Guard,
) -> Gate<'a> {
    Gate {
        listener,
        name: entry.map_or("", |entry| &entry.name),
        fix: entry.map(|entry| entry.capture_id_fix).unwrap_or_default(),
        guard: entry.map_or(none, |entry| &entry.guard),
        clock: topology.clock(),
    }
}
