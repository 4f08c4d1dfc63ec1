//! Handing one batch's frames to sinks: each sink gets its frames in order, in one go.

use std::{net::IpAddr, sync::Arc, time::UNIX_EPOCH};

use bytes::Bytes;
use hepcat_net::{Arrival, Envelope, Transport};
use hepcat_sip::Scan;
use hepcat_wire::{ChunkType, EncodeError, Message, Rewrite, Target, Version, convert, trim_nul};

use super::{GroupEntry, Topology, group::Choice, rendezvous::Key, scripts::Labels};
use crate::{
    config::{self, KeyPolicy},
    query::MessageView,
    route::{SinkId, SinkSet},
    sink::store::Item,
};

/// What a destination wants of a frame. Destinations that want the same share one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// HEP version on the wire; `None` takes each frame in the version in which it came.
    pub version: Option<Version>,
    /// What becomes of the authenticate key.
    pub key: KeyPolicy,
}

impl Form {
    /// The form that suits a destination: the version it was given, and version 3 on a stream, where
    /// nothing else can be framed.
    #[must_use]
    pub fn wanted_by(spec: &config::Destination) -> Self {
        let stream = spec.socket.transport != Transport::Udp;
        let version = (stream || spec.version_given).then_some(*spec.version);
        Self {
            version,
            key: spec.key.clone(),
        }
    }

    /// The octets to send for a message: its own, unless this form asks for something else.
    ///
    /// # Errors
    /// When the version cannot carry the message.
    pub fn of(&self, envelope: &Envelope) -> Result<Bytes, EncodeError> {
        let frame = self.in_version(envelope)?;
        match &self.key {
            KeyPolicy::Keep => Ok(frame),
            KeyPolicy::Strip => rekey(frame, None),
            KeyPolicy::Replace(key) => rekey(frame, Some(key.expose())),
        }
    }

    fn in_version(&self, envelope: &Envelope) -> Result<Bytes, EncodeError> {
        let message = &envelope.message;
        let version = self.version.unwrap_or_else(|| message.version());
        if version == message.version() {
            return Ok(message.inner().slice(..message.as_frame().len()));
        }
        // A clock of ours before 1970 is absurd; 0 then says "no time".
        let arrival = envelope
            .received_at
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let octets = match version {
            Version::V1 => convert::to_v1(message)?,
            Version::V2 => convert::to_v2(message, arrival)?,
            _ => convert::to_v3(message, arrival)?,
        };
        Ok(Bytes::from(octets))
    }
}

/// Takes the authenticate key out of a version 3 frame and puts `key` in, where there is one. Versions 1
/// and 2 have no key and stay as they are.
fn rekey(frame: Bytes, key: Option<&[u8]>) -> Result<Bytes, EncodeError> {
    let Ok(message) = Message::parse_lax(frame.as_ref()) else {
        return Ok(frame);
    };
    if message.version() != Version::V3 || (key.is_none() && message.auth_key().is_none()) {
        return Ok(frame);
    }
    let mut rewrite = Rewrite::new(&message)?;
    match key {
        Some(key) => {
            if rewrite.replace(Target::generic(ChunkType::AUTH_KEY), key) == 0 {
                rewrite.append(hepcat_wire::VendorId::GENERIC, ChunkType::AUTH_KEY, key);
            }
        }
        None => {
            rewrite.remove(Target::generic(ChunkType::AUTH_KEY));
        }
    }
    rewrite.encode().map(Bytes::from)
}

/// A traced frame with the correlation ID that belongs to it: `given`, else its own, else the Call-ID.
/// Versions 1 and 2 have no place for one and stay as they are.
fn correlated(
    frame: Bytes,
    message: &MessageView<'_>,
    given: Option<&[u8]>,
) -> Result<Bytes, EncodeError> {
    let Ok(parsed) = Message::parse_lax(frame.as_ref()) else {
        return Ok(frame);
    };
    let wanted = match (given, parsed.correlation_id()) {
        (Some(given), own) if own != Some(given) => given,
        (None, None) => match message.sip().and_then(Scan::call_id) {
            Some(call_id) => call_id,
            None => return Ok(frame),
        },
        _ => return Ok(frame),
    };
    if parsed.version() != Version::V3 {
        return Ok(frame);
    }
    let mut rewrite = Rewrite::new(&parsed)?;
    let kind = ChunkType::CORRELATION_ID;
    rewrite.set(
        Target::generic(kind),
        hepcat_wire::VendorId::GENERIC,
        kind,
        wanted,
    );
    rewrite.encode().map(Bytes::from)
}

/// Frames staged for the sinks of a topology while a batch is decided. Reused from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Staging {
    /// By sink: what to hand over, in order of arrival.
    sinks: Vec<Staged>,
    /// By form: the message being staged in that form; the error stands for "cannot be carried".
    forms: Vec<Option<Result<Bytes, Inconvertible>>>,
    /// By group: who of its members takes messages of this batch.
    choices: Vec<Choice>,
    /// Where groups have put the message being staged.
    placed: SinkSet,
    /// What is to be kept.
    kept: Vec<Item>,
}

#[derive(Debug, Default)]
struct Staged {
    frames: Vec<Bytes>,
    not_convertible: u64,
    /// Copies of traced messages, which are messages of our own.
    originated: Vec<Bytes>,
    originated_not_convertible: u64,
}

#[derive(Debug, Clone, Copy)]
struct Inconvertible;

impl Staging {
    /// Makes room for a topology's sinks and forms, and reads who of each group's members is up.
    pub(super) fn fit(&mut self, topology: &Topology) {
        self.sinks
            .resize_with(topology.sinks().len(), Staged::default);
        self.forms.resize_with(topology.forms().len(), || None);
        self.choices
            .resize_with(topology.groups().len(), Choice::default);
        for (entry, choice) in topology.groups().iter().zip(&mut self.choices) {
            let members = entry.sinks.iter().map(|sink| &topology.sinks()[*sink].sink);
            entry
                .group
                .begin(choice, members.map(|sink| sink.destination().health()));
        }
    }

    /// Stages one message for the sinks and groups in `targets`. It goes to no destination twice.
    pub(super) fn stage(
        &mut self,
        message: &MessageView<'_>,
        topology: &Topology,
        targets: &SinkSet,
    ) {
        self.forms.fill_with(|| None);
        let envelope = message.envelope();
        let direct = topology.sinks().len();
        let mut grouped = false;
        for target in targets.iter().map(|sink| usize::from(sink.0)) {
            if target < direct {
                self.put(envelope, topology, target);
            } else if let Some(entry) = topology.groups().get(target - direct) {
                if !std::mem::replace(&mut grouped, true) {
                    self.placed.clear();
                }
                self.place(message, topology, target - direct, entry, targets);
            }
            // Tail and store have the numbers after the last group: the tail is not staged for, the store by `keep`.
        }
    }

    /// Stages one frame for the store, with what a script wrote on it.
    pub(super) fn keep(
        &mut self,
        arrival: &Arrival,
        topology: &Topology,
        labels: Option<&Arc<Labels>>,
    ) {
        if topology.store().is_some() {
            self.kept.push(Item {
                arrival: arrival.clone(),
                listener: topology.shared_listener_name(arrival),
                labels: labels.cloned(),
                clock: topology.clock(),
            });
        }
    }

    /// Stages one message for those members of a group that are to have it and do not have it yet.
    fn place(
        &mut self,
        message: &MessageView<'_>,
        topology: &Topology,
        group: usize,
        entry: &GroupEntry,
        targets: &SinkSet,
    ) {
        let mut choice = std::mem::take(&mut self.choices[group]);
        entry.group.place(
            &mut choice,
            || key_of(message),
            |member| {
                let Some(sink) = entry.sinks.get(member).copied() else {
                    return;
                };
                let Ok(id) = u16::try_from(sink).map(SinkId) else {
                    return;
                };
                if !targets.contains(id) && !self.placed.contains(id) {
                    self.placed.insert(id);
                    self.put(message.envelope(), topology, sink);
                }
            },
        );
        self.choices[group] = choice;
    }

    /// Stages one message for one sink, in the form that it wants.
    fn put(&mut self, envelope: &Envelope, topology: &Topology, sink: usize) {
        let (form, staged) = (topology.sinks()[sink].form, &mut self.sinks[sink]);
        let made = self.forms[form].get_or_insert_with(|| {
            topology.forms()[form].of(envelope).map_err(|error| {
                tracing::debug!(reason = error.reason(), %error, "message cannot be converted");
                Inconvertible
            })
        });
        match made {
            Ok(frame) => staged.frames.push(frame.clone()),
            Err(Inconvertible) => staged.not_convertible += 1,
        }
    }

    /// Stages a copy of a traced message for each of `targets`: the frame as it came, in the form that the
    /// destination wants, with a correlation ID where that has none (or `correlation` in place of its own).
    pub(super) fn originate(
        &mut self,
        message: &MessageView<'_>,
        topology: &Topology,
        targets: &[SinkId],
        correlation: Option<&[u8]>,
    ) {
        let direct = topology.sinks().len();
        self.placed.clear();
        for target in targets.iter().map(|sink| usize::from(sink.0)) {
            if target < direct {
                self.copy(message, topology, target, correlation);
            } else if let Some(entry) = topology.groups().get(target - direct) {
                let mut choice = std::mem::take(&mut self.choices[target - direct]);
                let key = || key_of(message);
                entry.group.place(&mut choice, key, |member| {
                    if let Some(sink) = entry.sinks.get(member).copied() {
                        self.copy(message, topology, sink, correlation);
                    }
                });
                self.choices[target - direct] = choice;
            }
        }
    }

    /// Stages a copy of a traced message for one sink, unless this trace has put one there already.
    fn copy(
        &mut self,
        message: &MessageView<'_>,
        topology: &Topology,
        sink: usize,
        correlation: Option<&[u8]>,
    ) {
        let Ok(id) = u16::try_from(sink).map(SinkId) else {
            return;
        };
        if self.placed.contains(id) {
            return;
        }
        self.placed.insert(id);
        let form = &topology.forms()[topology.sinks()[sink].form];
        let staged = &mut self.sinks[sink];
        let made = form
            .of(message.envelope())
            .and_then(|frame| correlated(frame, message, correlation));
        match made {
            Ok(frame) => staged.originated.push(frame),
            Err(error) => {
                tracing::debug!(reason = error.reason(), %error, "traced message cannot be converted");
                staged.originated_not_convertible += 1;
            }
        }
    }

    /// Gives every sink what is staged for it. Those that may wait come last, so that they hold up
    /// nobody else's share of this batch.
    pub(super) async fn hand_over(&mut self, topology: &Topology) {
        for (entry, choice) in topology.groups().iter().zip(&self.choices) {
            entry.group.end(choice);
        }
        for waits in [false, true] {
            if waits && let Some(store) = topology.store() {
                store.offer(&mut self.kept).await;
            }
            for (entry, staged) in topology.sinks().iter().zip(&mut self.sinks) {
                let Staged {
                    frames,
                    not_convertible,
                    originated,
                    originated_not_convertible,
                } = staged;
                if entry.sink.may_wait() == waits {
                    entry
                        .sink
                        .offer(frames, std::mem::take(not_convertible))
                        .await;
                    entry
                        .sink
                        .originate(originated, std::mem::take(originated_not_convertible));
                }
            }
        }
    }
}

/// What keeps a call's messages together: the Call-ID, wherever it stands; for what belongs to no call, the
/// agent.
fn key_of(message: &MessageView<'_>) -> Key {
    let envelope = message.envelope();
    let call_id = message.sip().and_then(Scan::call_id);
    let call_id = call_id.or_else(|| envelope.message.correlation_id().map(trim_nul));
    if let Some(call_id) = call_id.filter(|call_id| !call_id.is_empty()) {
        return Key::of_call(call_id);
    }
    // A listener on [::] sees IPv4 peers as mapped addresses: the agent is the same.
    let capture_id = envelope.message.capture_id().unwrap_or_default();
    let capture_id = capture_id.to_be_bytes();
    match envelope.origin.peer.ip().to_canonical() {
        IpAddr::V4(ip) => Key::of_parts(&[&ip.octets(), &capture_id]),
        IpAddr::V6(ip) => Key::of_parts(&[&ip.octets(), &capture_id]),
    }
}
