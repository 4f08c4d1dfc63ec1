//! Deciding about a batch where a script has a say: static routes, the script, then sinks, each in the
//! batch's order.

use std::sync::Arc;

use hepcat_net::{Arrival, Batch, Envelope, callbacks::Flow};
use hepcat_sip::Scan;
use hepcat_wire::trim_nul;

use super::{
    Capture, Topology,
    capture::Inflated,
    intake::{Desk, Pipeline, is_kept},
    ledger::{Outcome, Skipped},
    scripts::{Answer, Extras, NotSent, Ruling, Scripts, Task},
};
use crate::{
    query::MessageView,
    route::{Decision, SinkSet},
};

/// The working space of a batch with a script, reused.
#[derive(Debug, Default)]
pub(super) struct ScriptDesk {
    /// By message: what its static route says.
    plans: Vec<Plan>,
    /// By worker: what it is asked about.
    shares: Vec<Vec<Task>>,
    /// By message: the script's answer, where it was asked and gave one.
    answers: Vec<Option<Answer>>,
    gathered: Vec<Answer>,
    /// Names of sets of sinks in this batch.
    names: Vec<(SinkSet, Arc<[Arc<str>]>)>,
}

#[derive(Debug, Clone, Default)]
struct Plan {
    sinks: SinkSet,
    decision: Decision,
}

impl Pipeline {
    /// Decides about every frame of a batch, asks the script where a route says so, and stages what goes
    /// to destinations.
    pub(super) async fn decide_with(
        &self,
        scripts: &Scripts,
        topology: &Topology,
        batch: &Batch,
        desk: &mut Desk,
    ) {
        let ScriptDesk {
            shares,
            gathered,
            answers,
            ..
        } = {
            plan(scripts, topology, batch, desk);
            &mut desk.scripted
        };
        scripts.ask(shares, gathered).await;
        for answer in gathered.drain(..) {
            let index = answer.index;
            if let Some(place) = answers.get_mut(index) {
                *place = Some(answer);
            }
        }
        self.carry_out(scripts, topology, batch, desk);
    }

    /// Stages every frame of a batch where it was decided that it goes.
    fn carry_out(&self, scripts: &Scripts, topology: &Topology, batch: &Batch, desk: &mut Desk) {
        desk.outcomes.clear();
        desk.staging.fit(topology);
        let watched = self.is_watched(topology);
        let look_inside = watched || topology.needs_call_id();
        for (index, arrival) in batch.iter().enumerate() {
            if desk.flows.get(index) == Some(&Flow::SkipRoutes) {
                desk.outcomes.push(Outcome::Skipped(Skipped::Callback));
                continue;
            }
            let answer = desk.scripted.answers.get_mut(index).and_then(Option::take);
            let (ruling, extras) = match answer {
                Some(answer) => (answer.ruling, answer.extras),
                None => (Ruling::Route, None),
            };
            let Extras {
                edited,
                originated,
                labels,
                traces,
            } = extras.map(|extras| *extras).unwrap_or_default();
            for (sink, frame) in originated {
                match topology.sinks().get(usize::from(sink.0)) {
                    Some(entry) => entry.sink.destination().originate(frame),
                    None => scripts.state().not_sent(NotSent::Sink),
                }
            }
            // Asked anew for each message: a script may have begun a trace with the one before.
            if !traces.is_empty() || self.is_tracing(topology) {
                self.trace_received(topology, arrival, &traces, desk);
            }
            let edited = edited.map(Arrival::Message);
            let arrival = edited.as_ref().unwrap_or(arrival);
            let inflated = Inflated::default();
            let listener = topology.listener_name(arrival);
            let Some(capture) = Capture::new(arrival, listener, look_inside.then_some(&inflated))
            else {
                continue;
            };
            let capture = capture.with_clock(topology.clock());
            let outcome = match (&capture, arrival) {
                (Capture::Message(message), _) => stage(index, message, &ruling, topology, desk),
                (Capture::Unparsable(_), Arrival::Unparsable(unparsable)) => {
                    self.keep_unparsable(unparsable)
                }
                _ => continue,
            };
            if watched && !matches!(outcome, Outcome::Refused(_)) {
                self.tail()
                    .offer_labelled(arrival, &capture, labels.as_ref());
            }
            // What a script captures is kept whatever becomes of it otherwise.
            let captured = labels.is_some() && !matches!(outcome, Outcome::Refused(_));
            let sinks = desk.scripted.sinks_of(index, &ruling);
            let routed = outcome == Outcome::Routed
                && sinks.map_or_else(
                    || is_kept(topology, &capture, &SinkSet::new()),
                    |sinks| is_kept(topology, &capture, sinks),
                );
            if captured || routed {
                desk.staging.keep(arrival, topology, labels.as_ref());
            }
            desk.outcomes.push(outcome);
        }
    }
}

/// Asks static routes about every message, and puts those that the script wants to see into the shares of
/// its workers.
fn plan(scripts: &Scripts, topology: &Topology, batch: &Batch, desk: &mut Desk) {
    let Desk {
        flows,
        verdict,
        scripted,
        ..
    } = desk;
    let ScriptDesk {
        plans,
        shares,
        answers,
        gathered,
        names,
    } = scripted;
    plans.clear();
    answers.clear();
    answers.resize_with(batch.len(), || None);
    gathered.clear();
    names.clear();
    shares.resize_with(scripts.workers(), Vec::new);
    for (index, arrival) in batch.iter().enumerate() {
        plans.push(Plan::default());
        if flows.get(index) == Some(&Flow::SkipRoutes) {
            continue;
        }
        let Arrival::Message(envelope) = arrival else {
            continue;
        };
        let inflated = Inflated::default();
        let listener = topology.listener_name(arrival);
        let Some(capture @ Capture::Message(_)) = Capture::new(arrival, listener, Some(&inflated))
        else {
            continue;
        };
        let capture = capture.with_clock(topology.clock());
        topology.routes().decide(&capture, verdict);
        if let Some(plan) = plans.last_mut() {
            plan.sinks.insert_all(&verdict.sinks);
            plan.decision = verdict.decision;
        }
        let Capture::Message(view) = capture else {
            continue;
        };
        if !verdict.asks_script || !scripts.wants().any_of(view.sip().map(Scan::kind)) {
            continue;
        }
        let sip = view.sip().map(|scan| scan.over(&[]));
        let Some(listener) = topology.listener(envelope.origin.listener) else {
            continue;
        };
        let worker = worker_of(scripts, envelope, &view);
        if let Some(share) = shares.get_mut(worker) {
            share.push(Task {
                index,
                envelope: envelope.clone(),
                listener: Arc::clone(&listener.name),
                targets: names_of(&verdict.sinks, scripts, names),
                inflated: inflated.into_octets(),
                sip,
            });
        }
    }
}

/// A call's messages meet one worker, wherever its Call-ID stands: reports carry it as correlation ID.
fn worker_of(scripts: &Scripts, envelope: &Envelope, view: &MessageView<'_>) -> usize {
    let call_id = view.sip().and_then(Scan::call_id);
    let correlation = || envelope.message.correlation_id().map(trim_nul);
    let call = call_id.or_else(correlation).filter(|id| !id.is_empty());
    scripts.worker_of(call, envelope.origin.peer)
}

/// The names of a set of sinks; the sets of one batch are few.
fn names_of(
    sinks: &SinkSet,
    scripts: &Scripts,
    names: &mut Vec<(SinkSet, Arc<[Arc<str>]>)>,
) -> Arc<[Arc<str>]> {
    if let Some((_, known)) = names.iter().find(|(set, _)| set == sinks) {
        return Arc::clone(known);
    }
    let list: Arc<[Arc<str>]> = sinks
        .iter()
        .filter_map(|sink| scripts.setup().name(sink).cloned())
        .collect();
    names.push((sinks.clone(), Arc::clone(&list)));
    list
}

/// Stages one message where its script sends it, or else where its route does.
fn stage(
    index: usize,
    message: &MessageView<'_>,
    ruling: &Ruling,
    topology: &Topology,
    desk: &mut Desk,
) -> Outcome {
    let plan = desk.scripted.plans.get(index);
    match (ruling, plan) {
        (Ruling::Drop, _) => return Outcome::Skipped(Skipped::Script),
        (Ruling::Sinks(_), _) => {}
        (Ruling::Route, Some(plan)) => {
            if let Decision::Skip(_) = plan.decision {
                return Outcome::Skipped(Skipped::Route);
            }
        }
        (Ruling::Route, None) => return Outcome::Skipped(Skipped::Route),
    }
    let Desk {
        scripted, staging, ..
    } = desk;
    if let Some(sinks) = scripted.sinks_of(index, ruling) {
        staging.stage(message, topology, sinks);
    }
    Outcome::Routed
}

impl ScriptDesk {
    /// Where a message goes that is routed.
    fn sinks_of<'a>(&'a self, index: usize, ruling: &'a Ruling) -> Option<&'a SinkSet> {
        match ruling {
            Ruling::Drop => None,
            Ruling::Sinks(sinks) => Some(sinks),
            Ruling::Route => self.plans.get(index).map(|plan| &plan.sinks),
        }
    }
}
