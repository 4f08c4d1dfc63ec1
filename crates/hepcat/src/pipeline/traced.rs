//! Traces beside the routes: copies of a message for every trace that it belongs to or begins.

use hepcat_net::Arrival;

use super::{
    Capture, Topology,
    capture::Inflated,
    intake::{Desk, Pipeline},
};
use crate::{lua, query::MessageView, tracer};

impl Pipeline {
    /// Whether messages are to be shown to the traces at all. No lock.
    pub(super) fn is_tracing(&self, topology: &Topology) -> bool {
        self.tracer().is_looking(topology.traces())
    }

    /// Stages a copy of the message for each trace that it belongs to or begins.
    pub(super) fn trace(&self, topology: &Topology, message: &MessageView<'_>, desk: &mut Desk) {
        self.trace_as_asked(topology, message, &[], desk);
    }

    /// The same for a message as it was received, whatever a script has made of it, and for each trace that
    /// the script asks for.
    pub(super) fn trace_received(
        &self,
        topology: &Topology,
        arrival: &Arrival,
        requests: &[lua::TraceRequest],
        desk: &mut Desk,
    ) {
        let inflated = Inflated::default();
        let listener = topology.listener_name(arrival);
        if let Some(Capture::Message(message)) = Capture::new(arrival, listener, Some(&inflated)) {
            self.trace_as_asked(topology, &message, requests, desk);
        }
    }

    fn trace_as_asked(
        &self,
        topology: &Topology,
        message: &MessageView<'_>,
        requests: &[lua::TraceRequest],
        desk: &mut Desk,
    ) {
        let traces = topology.traces();
        desk.copies.clear();
        self.tracer().look(traces, message, &mut desk.copies);
        for request in requests {
            let found =
                self.tracer()
                    .request(traces, &as_asked(request), message, &mut desk.copies);
            if !found {
                tracing::debug!(trace = &*request.trace_id, "the trace is off or over");
            }
        }
        for copy in &desk.copies {
            let sinks = traces.sinks_of(copy);
            (desk.staging).originate(message, topology, sinks, copy.correlation());
        }
    }
}

/// What a script wrote, in the words of the tracer.
fn as_asked(request: &lua::TraceRequest) -> tracer::TraceRequest<'_> {
    let mut asked = tracer::TraceRequest::new(&request.trace_id);
    asked.scope = request.scope.map(|scope| match scope {
        lua::TraceScope::Message => tracer::Scope::Message,
        lua::TraceScope::Transaction => tracer::Scope::Transaction,
        // Which dialogs a back-to-back user agent joins cannot be seen in copies of one of them.
        lua::TraceScope::Dialog | lua::TraceScope::Session => tracer::Scope::Dialog,
    });
    let named = [
        (request.types.sip, "sip"),
        (request.types.xlog, "xlog"),
        (request.types.rest, "rest"),
    ];
    asked.types = named
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .filter_map(|(_, name)| tracer::Types::named(name))
        .fold(tracer::Types::NONE, tracer::Types::with);
    (asked.caller, asked.callee) = (request.flags.caller, request.flags.callee);
    asked.correlation_id = request.correlation_id.as_deref().map(str::as_bytes);
    asked
}
