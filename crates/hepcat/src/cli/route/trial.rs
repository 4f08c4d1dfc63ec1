//! Deciding about the messages of a file as a node would, without a node.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport};
use hepcat_sip::Scan;
use hepcat_wire::{Message, TimeSource};

use crate::{
    capfile::{Carrier, Seen},
    config::{Config, Faults, HepRoute},
    lua::{CounterReading, EntryPoint, Input, Originated, ScriptError, ScriptOutcome, Verdict},
    node::{compile_routes, sink_names},
    pipeline::{
        Capture, Inflated,
        scripts::{Asker, Labels, ScriptSetup, ScriptState},
    },
    query::MessageView,
    route::{self, Decision, Routes, SinkSet},
};

/// What the one listener of a trial is called.
const LISTENER: &str = "test";

/// Routes and a script, and what they remember from message to message.
pub(super) struct Trial {
    routes: Routes,
    setup: ScriptSetup,
    state: ScriptState,
    asker: Asker,
    outcome: ScriptOutcome,
    verdict: route::Verdict,
    listener: Arc<str>,
    homer5: bool,
    /// `hep_route = "none"`.
    never: bool,
}

/// What became of one message.
pub(super) struct Decided {
    pub(super) envelope: Envelope,
    /// Names of the sinks of its static route.
    pub(super) route: Vec<Arc<str>>,
    pub(super) decision: Decision,
    /// What the script said; `None` where it was not asked.
    pub(super) script: Option<Said>,
}

/// What a script said about a message.
pub(super) struct Said {
    pub(super) entries: Vec<EntryPoint>,
    pub(super) verdict: Verdict,
    pub(super) relay: Vec<Arc<str>>,
    pub(super) skipped: bool,
    pub(super) edited: Option<Envelope>,
    pub(super) originated: Vec<Sent>,
    pub(super) labels: Option<Labels>,
    pub(super) traces: Vec<Arc<str>>,
    pub(super) error: Option<ScriptError>,
}

/// A message of our own, and where it goes.
pub(super) struct Sent {
    pub(super) message: Originated,
    /// Destinations; none where `local_route` keeps it or it cannot be packed.
    pub(super) to: Vec<Arc<str>>,
    /// What was wrong with packing it, or what failed in `local_route`.
    pub(super) error: Option<String>,
}

impl Decided {
    pub(super) fn error(&self) -> Option<&ScriptError> {
        self.script.as_ref()?.error.as_ref()
    }
}

impl Trial {
    /// A trial of the configuration's script.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(config: Config) -> Result<Self, Faults> {
        let mut faults = Vec::new();
        let routes = compile_routes(&config, &mut faults);
        let script = config
            .compile_script(&[])
            .map_err(|found| faults.extend(found))
            .unwrap_or_default();
        Faults::check(faults)?;
        let state = ScriptState::default();
        let (Some(script), Some(file)) = (script, &config.lua.script) else {
            let file = config.file.unwrap_or_default();
            let fault = crate::config::Fault::of_file(&file, "there is no script", "name one");
            return Err(fault.into());
        };
        let setup = ScriptSetup::new(script, &config, sink_names(&config));
        let asker = setup
            .asker(&state)
            .map_err(|error| Faults::from(file.failure(&error)))?;
        Ok(Self {
            routes,
            setup,
            state,
            asker,
            outcome: ScriptOutcome::default(),
            verdict: route::Verdict::default(),
            listener: Arc::from(LISTENER),
            homer5: config.hep.sending.homer5_on,
            never: config.hep.first_route() == HepRoute::None,
        })
    }

    /// The script's own counters.
    pub(super) fn counters(&self) -> Vec<CounterReading> {
        self.state.shared().reading().counters
    }

    /// Decides about one message, which was seen there.
    pub(super) fn decide(&mut self, message: Message<Bytes>, seen: Option<&Seen>) -> Decided {
        let envelope = envelope_of(message, seen);
        let arrival = Arrival::Message(envelope.clone());
        let inflated = Inflated::default();
        let listener = Arc::clone(&self.listener);
        let capture = Capture::new(&arrival, &listener, Some(&inflated));
        let Some(capture @ Capture::Message(_)) = capture else {
            return Decided {
                envelope,
                route: Vec::new(),
                decision: Decision::Default,
                script: None,
            };
        };
        self.routes.decide(&capture, &mut self.verdict);
        let route = self.names(&self.verdict.sinks);
        let script = match &capture {
            Capture::Message(view) if self.verdict.asks_script && !self.never => {
                self.ask(&envelope, view, &route)
            }
            _ => None,
        };
        Decided {
            envelope,
            route,
            decision: self.verdict.decision,
            script,
        }
    }

    fn names(&self, sinks: &SinkSet) -> Vec<Arc<str>> {
        let names = sinks.iter().filter_map(|sink| self.setup.name(sink));
        names.cloned().collect()
    }

    fn ask(
        &mut self,
        envelope: &Envelope,
        view: &MessageView<'_>,
        route: &[Arc<str>],
    ) -> Option<Said> {
        let sip = view.sip();
        if !self.asker.wants().any_of(sip.map(Scan::kind)) {
            return None;
        }
        let targets: Arc<[Arc<str>]> = route.into();
        let input = Input::new(envelope, &self.listener, &targets);
        let input = match view.payload() {
            Some(payload) => input.payload(payload).sip(sip.copied()),
            None => input,
        };
        self.asker
            .ask(&input, sip, envelope.received_at, &mut self.outcome);
        let entries = self.asker.entries().to_vec();
        let outcome = std::mem::take(&mut self.outcome);
        let edited = outcome.edited.and_then(|frame| {
            let message = Message::parse_lax(frame).ok()?;
            let origin = Arc::clone(&envelope.origin);
            Some(Envelope::new(message, origin, envelope.received_at))
        });
        let originated = outcome.originated.into_iter();
        Some(Said {
            entries,
            verdict: outcome.verdict,
            relay: outcome.relay,
            skipped: outcome.skipped,
            edited,
            originated: originated
                .flat_map(|message| self.send(envelope, message))
                .collect(),
            labels: Labels::new(outcome.captures, self.homer5),
            traces: (outcome.traces.into_iter())
                .map(|trace| trace.trace_id)
                .collect(),
            error: outcome.error,
        })
    }

    /// A message of our own as it is sent without anybody being asked, and its frame.
    fn pack(&self, cause: &Envelope, message: Originated) -> (Sent, Option<Bytes>) {
        let (to, error, frame) = match self.setup.pack(&message, cause.received_at) {
            Ok((_, frame)) => (vec![Arc::clone(&message.destination)], None, Some(frame)),
            Err(error) => {
                let words = error.map(|error| error.to_string());
                let error = words.unwrap_or_else(|| "no such destination".to_owned());
                (Vec::new(), Some(error), None)
            }
        };
        (Sent { message, to, error }, frame)
    }

    /// Asks `local_route` about a message of our own; what it originates in its turn is behind it.
    fn send(&mut self, cause: &Envelope, message: Originated) -> Vec<Sent> {
        let (mut sent, frame) = self.pack(cause, message);
        let decoded = frame.and_then(|frame| Message::parse_lax(frame).ok());
        let Some(decoded) = decoded.filter(|_| self.asker.wants().originated()) else {
            return vec![sent];
        };
        let own = Arc::clone(&sent.message.destination);
        let envelope = Envelope::new(decoded, Arc::clone(&cause.origin), cause.received_at);
        let targets: Arc<[Arc<str>]> = Arc::new([Arc::clone(&own)]);
        let input = Input::new(&envelope, &self.listener, &targets);
        let mut outcome = ScriptOutcome::default();
        self.asker.ask_originated(&input, &mut outcome);
        sent.to = match outcome.verdict {
            Verdict::Drop => Vec::new(),
            Verdict::Relay => outcome.relay,
            _ => vec![own],
        };
        sent.error = outcome.error.map(|error| error.to_string());
        let further = outcome.originated.into_iter();
        let further = further.map(|message| self.pack(cause, message).0);
        [sent].into_iter().chain(further).collect()
    }
}

/// A message as if it had been received when and from where the file says.
fn envelope_of(message: Message<Bytes>, seen: Option<&Seen>) -> Envelope {
    let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let (peer, local) = seen.map_or((nowhere, nowhere), |seen| (seen.source, seen.destination));
    let transport = match seen.map(|seen| seen.carrier) {
        Some(Carrier::Tcp) => Transport::Tcp,
        _ => Transport::Udp,
    };
    let origin = Origin::new(ListenerId(0), transport, peer, local);
    let received_at = received_at(&message, seen.and_then(|seen| seen.time));
    Envelope::new(message, Arc::new(origin), received_at)
}

/// When the capture saw it; else when it was sent, by its own account; else now.
fn received_at(message: &Message<Bytes>, seen: Option<Duration>) -> SystemTime {
    // Any time of a sender is good where nobody knows better.
    let sent = message.time(Duration::from_secs(u64::from(u32::MAX)));
    let sent = (sent.source == TimeSource::Sent).then_some(sent.since_epoch);
    seen.or(sent)
        .map_or_else(SystemTime::now, |since_epoch| UNIX_EPOCH + since_epoch)
}
