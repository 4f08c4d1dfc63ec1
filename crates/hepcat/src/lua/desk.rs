//! The message that a script is asked about, and what the script says of it, while it runs.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use foldhash::fast::RandomState;
use hepcat_net::Envelope;
use hepcat_sip::Scan;
use hepcat_wire::{
    ChunkType, EncodeError, InflateLimit, Message, Payload, Rewrite, Target, VendorId, Version,
    trim_nul,
};
use parking_lot::{Mutex, MutexGuard};

use super::{
    entry::EntryPoint,
    input::Input,
    names::ScriptNames,
    outcome::{CaptureLabel, Originated, ScriptOutcome, TraceRequest, Verdict},
    refusal::Refusal,
    script::Script,
    shared::{Handle, Shared},
};

/// What a script may ask for about one message beyond sending it, in octets: it is kept outside of Lua, whose memory
/// limit does not see it. Three fields of the longest message fit.
const MOST_ASKED: usize = 256 << 10;
/// What each correlation, trace and label takes beside its texts.
const EACH_ASKED: usize = 256;

/// Counters that a worker need not look for again, of one name.
const CACHED_LABELS: usize = 128;

/// Where functions and `msg` find the message. One for each worker.
pub(super) type Seat = Arc<Mutex<Desk>>;

/// `hep_resume_sip` ends the route by this error.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the route ends here")]
pub(super) struct EndOfRoute;

/// Counters of one name by label.
type Labels = HashMap<Box<[u8]>, Handle, RandomState>;

/// What lies in front of a script.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) names: Arc<ScriptNames>,
    pub(super) shared: Arc<Shared>,
    pub(super) script: Arc<str>,
    current: Option<Current>,
    pub(super) decided: Decided,
    counters: HashMap<Box<[u8]>, Labels, RandomState>,
}

/// What was decided so far.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) verdict: Verdict,
    pub(super) relay: Vec<Arc<str>>,
    pub(super) skipped: bool,
    pub(super) resumed: bool,
    pub(super) originated: Vec<Originated>,
    pub(super) captures: Vec<CaptureLabel>,
    pub(super) traces: Vec<TraceRequest>,
    /// Octets of the three above.
    asked: usize,
}

impl Decided {
    /// Makes room for one more correlation, trace or label with these texts.
    ///
    /// # Errors
    /// When the script asked for too much already.
    pub(super) fn make_room<'a>(
        &mut self,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Refusal> {
        let octets: usize = texts.into_iter().map(str::len).sum();
        self.asked = self.asked.saturating_add(EACH_ASKED).saturating_add(octets);
        if self.asked > MOST_ASKED {
            let most = MOST_ASKED >> 10;
            return Err(Refusal(format!(
                "the script asks for more than {most} KiB of correlations, traces and labels about one message"
            )));
        }
        Ok(())
    }
}

/// The message.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) envelope: Envelope,
    pub(super) listener: Arc<str>,
    pub(super) entry: EntryPoint,
    targets: Arc<[Arc<str>]>,
    next_target: usize,
    payload: Option<Bytes>,
    /// Without the payload, which [`payload`](Self::payload) has.
    sip: Option<Option<Scan<'static>>>,
    edited: bool,
}

impl Desk {
    /// A desk for a script's worker.
    pub(super) fn seat(script: &Script, shared: Arc<Shared>) -> Seat {
        let mut desk = Self::new(script.names(), shared);
        desk.script = Arc::from(script.name());
        Arc::new(Mutex::new(desk))
    }

    /// A desk on which no message ever lies.
    pub(super) fn unused(names: Arc<ScriptNames>, shared: Arc<Shared>) -> Seat {
        Arc::new(Mutex::new(Self::new(names, shared)))
    }

    fn new(names: Arc<ScriptNames>, shared: Arc<Shared>) -> Self {
        Self {
            names,
            shared,
            script: Arc::from(""),
            current: None,
            decided: Decided::default(),
            counters: HashMap::default(),
        }
    }

    /// Puts a message on the desk.
    pub(super) fn begin(&mut self, input: &Input<'_>) {
        let frame = input.envelope.message.inner();
        self.current = Some(Current {
            envelope: input.envelope.clone(),
            listener: Arc::clone(input.listener),
            entry: EntryPoint::HepRoute,
            targets: Arc::clone(input.targets),
            next_target: 0,
            payload: input.payload.map(|payload| part_of(frame, payload)),
            sip: input.sip.map(|scan| scan.map(|scan| scan.over(&[]))),
            edited: false,
        });
    }

    /// The next entry point is called.
    pub(super) fn enter(&mut self, entry: EntryPoint) {
        if let Some(current) = &mut self.current {
            current.entry = entry;
        }
    }

    /// Whether no entry point is called after this one.
    pub(super) fn ends_after(&self, entry: EntryPoint) -> bool {
        self.decided.skipped || (entry == EntryPoint::HepRoute && !self.decided.resumed)
    }

    /// Takes the message from the desk and tells what was decided.
    pub(super) fn finish(&mut self, outcome: &mut ScriptOutcome) {
        let decided = &mut self.decided;
        outcome.verdict = std::mem::take(&mut decided.verdict);
        outcome.skipped = std::mem::take(&mut decided.skipped);
        outcome.resumed = std::mem::take(&mut decided.resumed);
        outcome.relay.append(&mut decided.relay);
        outcome.originated.append(&mut decided.originated);
        outcome.captures.append(&mut decided.captures);
        outcome.traces.append(&mut decided.traces);
        decided.asked = 0;
        if let Some(current) = self.current.take().filter(|current| current.edited) {
            outcome.edited = Some(current.envelope.message.into_inner());
        }
    }

    /// Takes the message from the desk and forgets what was decided.
    pub(super) fn give_up(&mut self) {
        self.current = None;
        self.decided = Decided::default();
    }

    /// The message.
    ///
    /// # Errors
    /// While there is none: the text of the script is being executed.
    pub(super) fn current(&mut self) -> Result<&mut Current, Refusal> {
        self.current.as_mut().ok_or_else(|| {
            Refusal("there is no message yet: this is only possible inside a route".to_owned())
        })
    }

    /// When the message was received, since 1970: the time of everything that expires. While there is none the
    /// beginning of time, so that what is set then expires at once.
    pub(super) fn now(&self) -> Duration {
        let received_at = self
            .current
            .as_ref()
            .map(|current| current.envelope.received_at);
        received_at
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .unwrap_or_default()
    }

    /// The counter of that name and label.
    pub(super) fn counter(&mut self, name: &[u8], label: &[u8]) -> Result<Handle, String> {
        if let Some(handle) = self.counters.get(name).and_then(|labels| labels.get(label)) {
            return Ok(Arc::clone(handle));
        }
        let text = String::from_utf8_lossy(name);
        let handle = self.shared.counters().handle(&text, label)?;
        let labels = self.counters.entry(name.into()).or_default();
        if labels.len() < CACHED_LABELS {
            labels.insert(label.into(), Arc::clone(&handle));
        }
        Ok(handle)
    }

    /// Sends the message to one more place.
    pub(super) fn relay_to(&mut self, target: &Arc<str>) {
        self.decided.verdict = Verdict::Relay;
        if !self.decided.relay.contains(target) {
            self.decided.relay.push(Arc::clone(target));
        }
    }
}

impl Current {
    /// The message as it is now, edits included.
    pub(super) const fn message(&self) -> &Message<Bytes> {
        &self.envelope.message
    }

    /// The payload as it is looked at; empty where there is none.
    pub(super) fn payload(&mut self) -> &Bytes {
        let message = &self.envelope.message;
        self.payload.get_or_insert_with(|| {
            let payload = match (message.version(), message.payload()) {
                (Version::V1 | Version::V2, Payload::Plain(octets)) => {
                    Payload::Plain(trim_nul(octets))
                }
                (_, payload) => payload,
            };
            match payload.inflate(InflateLimit::default()) {
                Ok(octets) => part_of(message.inner(), &octets),
                Err(_) => Bytes::new(),
            }
        })
    }

    /// The payload's SIP.
    pub(super) fn sip(&mut self) -> Option<Scan<'_>> {
        self.payload();
        let payload = self.payload.as_deref().unwrap_or_default();
        let scan = self
            .sip
            .get_or_insert_with(|| hepcat_sip::scan(payload).map(|scan| scan.over(&[])));
        scan.map(|scan| scan.over(payload))
    }

    /// The next of the route's own targets.
    pub(super) fn next_target(&mut self) -> Option<Arc<str>> {
        let target = self.targets.get(self.next_target)?;
        self.next_target += 1;
        Some(Arc::clone(target))
    }

    /// Gives the message another payload, not compressed.
    pub(super) fn set_payload(&mut self, payload: &[u8]) -> Result<(), EncodeError> {
        if let Some(header) = self.envelope.message.header_v12() {
            let frame = self.envelope.message.as_frame();
            let mut edited = frame.get(..header.payload_offset).unwrap_or(frame).to_vec();
            edited.extend_from_slice(payload);
            self.replace_frame(edited);
        } else {
            let plain = Target::generic(ChunkType::PAYLOAD);
            let compressed = Target::generic(ChunkType::COMPRESSED_PAYLOAD);
            let frame = edited(&self.envelope.message, |rewrite| {
                // A compressed one becomes the plain one in its place, for its text is not compressed any more.
                if rewrite.replace(plain, payload) == 0 {
                    let (vendor_id, chunk_type) = (VendorId::GENERIC, ChunkType::PAYLOAD);
                    rewrite.set(compressed.first(), vendor_id, chunk_type, payload);
                }
                rewrite.remove(compressed);
            })?;
            self.replace_frame(frame);
        }
        self.forget_payload();
        Ok(())
    }

    /// The payload is to be looked at anew.
    pub(super) fn forget_payload(&mut self) {
        self.payload = None;
        self.sip = None;
    }

    /// The message has another frame from now on.
    pub(super) fn replace_frame(&mut self, frame: Vec<u8>) {
        // It was a message and its chunks have the widths that they should have, so it is one still.
        if let Ok(message) = Message::parse_lax(Bytes::from(frame)) {
            self.envelope.message = message;
            self.edited = true;
        }
    }
}

/// The frame of a version 3 message with some chunks changed.
pub(super) fn edited<'a>(
    message: &'a Message<Bytes>,
    change: impl FnOnce(&mut Rewrite<'a>),
) -> Result<Vec<u8>, EncodeError> {
    let mut rewrite = Rewrite::new(message)?;
    change(&mut rewrite);
    rewrite.encode()
}

/// The desk, for a function that is called by the script.
///
/// # Errors
/// Where the script calls a function from within another.
pub(super) fn open(seat: &Seat) -> Result<MutexGuard<'_, Desk>, mlua::Error> {
    seat.try_lock()
        .ok_or_else(|| mlua::Error::runtime("a function of hepcat was called by itself"))
}

/// `part` as a piece of `whole` where it is one, else a copy.
fn part_of(whole: &Bytes, part: &[u8]) -> Bytes {
    let (outer, inner) = (whole.as_ptr_range(), part.as_ptr_range());
    if !part.is_empty() && outer.start <= inner.start && inner.end <= outer.end {
        whole.slice_ref(part)
    } else {
        Bytes::copy_from_slice(part)
    }
}
