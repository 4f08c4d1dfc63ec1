//! By what a batch is decided and where its frames can go: one immutable value, swapped whole.

use std::sync::Arc;

use hepcat_net::{Arrival, ListenerId, Origin, Transport};
use hepcat_wire::CaptureIdFix;

use super::{Form, Group, GroupEntry, scripts::Scripts};
use crate::{
    agents::{ClockBounds, Guard},
    config::GroupKind,
    route::{Routes, SinkId, SinkSet},
    sink::{destination::DestinationSink, store::StoreSink},
    tracer::TraceSet,
};

/// A destination and the form that it wants frames in.
#[derive(Debug, Clone)]
pub struct SinkEntry {
    /// The destination.
    pub sink: Arc<DestinationSink>,
    /// Index into [`Topology::forms`].
    pub form: usize,
}

/// A listener as far as frames that it received are concerned.
#[derive(Debug, Clone)]
pub struct ListenerEntry {
    /// Its configured name.
    pub name: Arc<str>,
    /// What is done about capture agent IDs in the wrong half of their field.
    pub capture_id_fix: CaptureIdFix,
    /// How frames reach it.
    pub transport: Transport,
    /// What it asks of agents.
    pub guard: Arc<Guard>,
}

/// Routes and sinks of one configuration.
#[derive(Debug, Default, Clone)]
pub struct Topology {
    listeners: Vec<ListenerEntry>,
    routes: Routes,
    sinks: Vec<SinkEntry>,
    forms: Vec<Form>,
    groups: Vec<GroupEntry>,
    scripts: Option<Arc<Scripts>>,
    traces: TraceSet,
    clock: ClockBounds,
    store: Option<Arc<StoreSink>>,
}

impl Topology {
    /// A topology of `destinations`, which `routes` knows by their position, and `groups` of them, which it
    /// knows by the positions after those; `listeners` stand at the position of their number.
    #[must_use]
    pub fn new(
        listeners: Vec<ListenerEntry>,
        routes: Routes,
        destinations: impl IntoIterator<Item = Arc<DestinationSink>>,
        groups: impl IntoIterator<Item = Arc<Group>>,
    ) -> Self {
        let mut forms: Vec<Form> = Vec::new();
        let mut sinks = Vec::new();
        for sink in destinations {
            let wanted = sink.form();
            let form = forms
                .iter()
                .position(|form| form == wanted)
                .unwrap_or_else(|| {
                    forms.push(wanted.clone());
                    forms.len() - 1
                });
            sinks.push(SinkEntry { sink, form });
        }
        let groups = groups.into_iter().map(|group| {
            let position = |name| {
                let mut names = sinks.iter().map(|entry| entry.sink.spec().name.as_str());
                names.position(|known| known == name)
            };
            // A checked configuration names destinations only, so every member has its position.
            let sinks = group.spec().names().filter_map(position).collect();
            GroupEntry { group, sinks }
        });
        Self {
            groups: groups.collect(),
            listeners,
            routes,
            sinks,
            forms,
            scripts: None,
            clock: ClockBounds::default(),
            traces: TraceSet::default(),
            store: None,
        }
    }

    /// The same with a store, which routes know by [`store_id`](Self::store_id).
    #[must_use]
    pub fn with_store(mut self, store: Option<Arc<StoreSink>>) -> Self {
        self.store = store;
        self
    }

    /// The store, where there is one.
    #[must_use]
    pub fn store(&self) -> Option<&Arc<StoreSink>> {
        self.store.as_ref()
    }

    /// The number by which routes know the store: after the last group and the tail.
    #[must_use]
    pub fn store_id(&self) -> Option<SinkId> {
        let position = self.sinks.len() + self.groups.len() + 1;
        u16::try_from(position).ok().map(SinkId)
    }

    /// Whether frames for these sinks are kept.
    #[must_use]
    pub fn keeps(&self, sinks: &SinkSet) -> bool {
        self.store.is_some() && self.store_id().is_some_and(|store| sinks.contains(store))
    }

    /// The same with these traces, which know its sinks by their numbers.
    #[must_use]
    pub fn with_traces(mut self, traces: TraceSet) -> Self {
        self.traces = traces;
        self
    }

    /// The traces that are on.
    #[must_use]
    pub fn traces(&self) -> &TraceSet {
        &self.traces
    }

    /// The number of the destination or group of that name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<SinkId> {
        let destinations = self.sinks.iter().map(|entry| &entry.sink.spec().name);
        let groups = self.groups.iter().map(|entry| &entry.group.spec().name);
        let position = destinations.chain(groups).position(|own| **own == name)?;
        u16::try_from(position).ok().map(SinkId)
    }

    /// Whether placing a message may take the Call-ID in its payload.
    #[must_use]
    pub fn needs_call_id(&self) -> bool {
        let mut kinds = self.groups.iter().map(|entry| entry.group.spec().kind);
        kinds.any(|kind| kind == GroupKind::Balance)
    }

    /// Every group.
    #[must_use]
    pub fn groups(&self) -> &[GroupEntry] {
        &self.groups
    }

    /// The same with a script, which knows sinks by the same numbers as the routes.
    #[must_use]
    pub fn with_scripts(mut self, scripts: Option<Scripts>) -> Self {
        self.scripts = scripts.map(Arc::new);
        self
    }

    /// The script that routes ask, where there is one.
    #[must_use]
    pub fn scripts(&self) -> Option<&Scripts> {
        self.scripts.as_deref()
    }

    /// The same with other bounds of what is believed of agents' clocks.
    #[must_use]
    pub fn with_clock(mut self, clock: ClockBounds) -> Self {
        self.clock = clock;
        self
    }

    /// What is believed of agents' clocks.
    #[must_use]
    pub fn clock(&self) -> ClockBounds {
        self.clock
    }

    /// The listener of that number. Frames of one that a reload removed are still on their way for a
    /// moment, so numbers stay taken.
    #[must_use]
    pub fn listener(&self, id: ListenerId) -> Option<&ListenerEntry> {
        self.listeners.get(usize::from(id.0))
    }

    /// The same as a name to keep.
    #[must_use]
    pub fn shared_listener_name(&self, arrival: &Arrival) -> Arc<str> {
        origin(arrival)
            .and_then(|origin| self.listener(origin.listener))
            .map_or_else(|| "".into(), |listener| Arc::clone(&listener.name))
    }

    /// Name of the listener that received `arrival`.
    #[must_use]
    pub fn listener_name(&self, arrival: &Arrival) -> &str {
        origin(arrival)
            .and_then(|origin| self.listener(origin.listener))
            .map_or("", |listener| &listener.name)
    }

    /// The static routes.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Every destination.
    #[must_use]
    pub fn sinks(&self) -> &[SinkEntry] {
        &self.sinks
    }

    /// The distinct forms that the destinations want.
    #[must_use]
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }
}

/// Where a frame came from.
#[must_use]
pub fn origin(arrival: &Arrival) -> Option<&Origin> {
    match arrival {
        Arrival::Message(envelope) => Some(&envelope.origin),
        Arrival::Unparsable(unparsable) => Some(&unparsable.origin),
        _ => None,
    }
}
