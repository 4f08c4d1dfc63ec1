//! Handing one batch's frames to sinks: each sink gets its frames in order, in one go.

use std::time::UNIX_EPOCH;

use bytes::Bytes;
use hepcat_net::{Envelope, Transport};
use hepcat_wire::{ChunkType, EncodeError, Message, Rewrite, Target, Version, convert};

use super::{SinkEntry, Topology};
use crate::{
    config::{self, KeyPolicy},
    route::SinkId,
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

/// Frames staged for the sinks of a topology while a batch is decided. Reused from batch to batch.
#[derive(Debug, Default)]
pub(super) struct Staging {
    /// By sink: what to hand over, in order of arrival.
    sinks: Vec<Staged>,
    /// By form: the message being staged in that form; the error stands for "cannot be carried".
    forms: Vec<Option<Result<Bytes, Inconvertible>>>,
}

#[derive(Debug, Default)]
struct Staged {
    frames: Vec<Bytes>,
    not_convertible: u64,
}

#[derive(Debug, Clone, Copy)]
struct Inconvertible;

impl Staging {
    /// Makes room for a topology's sinks and forms.
    pub(super) fn fit(&mut self, topology: &Topology) {
        self.sinks
            .resize_with(topology.sinks().len(), Staged::default);
        self.forms.resize_with(topology.forms().len(), || None);
    }

    /// Stages one message for the sinks at `targets`.
    pub(super) fn stage(
        &mut self,
        envelope: &Envelope,
        topology: &Topology,
        targets: impl Iterator<Item = SinkId>,
    ) {
        self.forms.fill_with(|| None);
        for target in targets.map(|sink| usize::from(sink.0)) {
            // The tail has the number after the last destination, and is not staged for.
            let Some(SinkEntry { form, .. }) = topology.sinks().get(target) else {
                continue;
            };
            let (form, staged) = (*form, &mut self.sinks[target]);
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
    }

    /// Gives every sink what is staged for it. Those that may wait come last, so that they hold up
    /// nobody else's share of this batch.
    pub(super) async fn hand_over(&mut self, sinks: &[SinkEntry]) {
        for waits in [false, true] {
            for (entry, staged) in sinks.iter().zip(&mut self.sinks) {
                let Staged {
                    frames,
                    not_convertible,
                } = staged;
                if entry.sink.may_wait() == waits {
                    entry
                        .sink
                        .offer(frames, std::mem::take(not_convertible))
                        .await;
                }
            }
        }
    }
}
