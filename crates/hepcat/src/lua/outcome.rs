//! What a script decided: plain data.

use std::sync::Arc;

use bytes::Bytes;
use hepcat_net::trace::{PackError, PackRequest};

use super::error::ScriptError;

/// Where a message goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Where its route says: the script called neither `hep_relay` nor `drop`.
    #[default]
    Default,
    /// To [`ScriptOutcome::relay`] instead.
    Relay,
    /// Nowhere.
    Drop,
}

/// What a script decided about one message. Reused from message to message.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ScriptOutcome {
    /// Where the message goes.
    pub verdict: Verdict,
    /// Destinations and groups named by `hep_relay`, in order, each once. Empty unless the verdict is
    /// [`Verdict::Relay`].
    pub relay: Vec<Arc<str>>,
    /// `skip()` was called: no further entry point was called for the message.
    pub skipped: bool,
    /// `hep_resume_sip()` was called in `hep_route`.
    pub resumed: bool,
    /// The frame as edited; `None` where it goes out as it came.
    pub edited: Option<Bytes>,
    /// Messages of our own to send.
    pub originated: Vec<Originated>,
    /// What to write on the message when it is kept.
    pub captures: Vec<CaptureLabel>,
    /// Traces that the message starts.
    pub traces: Vec<TraceRequest>,
    /// What stopped the script. Everything else then says that nothing was decided.
    pub error: Option<ScriptError>,
}

impl ScriptOutcome {
    /// Nothing decided; the memory is kept.
    pub fn clear(&mut self) {
        self.verdict = Verdict::Default;
        self.relay.clear();
        self.skipped = false;
        self.resumed = false;
        self.edited = None;
        self.originated.clear();
        self.captures.clear();
        self.traces.clear();
        self.error = None;
    }
}

/// A message of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Originated {
    /// The destination, which takes version 3.
    pub destination: Arc<str>,
    /// What to tell it.
    pub correlation: Correlation,
}

/// Two ids that belong together, as `correlate` was given them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Correlation {
    /// Type and id, twice; the types differ.
    pub pairs: [(String, String); 2],
}

impl Correlation {
    /// The message to pack for the destination's version and format.
    ///
    /// # Errors
    /// Where the types are equal, or something is empty; `correlate` refused such ones already.
    pub fn request(&self) -> Result<PackRequest<'_>, PackError> {
        let [(type1, id1), (type2, id2)] = &self.pairs;
        PackRequest::correlate((type1, id1), (type2, id2))
    }
}

/// What `sip_capture` and `report_capture` ask to be written on the message that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaptureLabel {
    /// The table.
    pub table: Option<String>,
    /// The three custom fields of `sip_capture`.
    pub fields: [Option<String>; 3],
    /// Set by `report_capture`.
    pub report: Option<Report>,
}

/// What `report_capture` says about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What the report belongs to.
    pub correlation_id: String,
    /// Protocol type: as given, else the message's own, else 1.
    pub protocol_type: u8,
}

/// How much a trace takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceScope {
    /// The message alone.
    Message,
    /// Its transaction.
    Transaction,
    /// Its dialog.
    Dialog,
    /// All calls of its back-to-back session.
    Session,
}

/// What a trace takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceTypes {
    /// SIP.
    pub sip: bool,
    /// Log lines.
    pub xlog: bool,
    /// Requests over HTTP.
    pub rest: bool,
}

/// Whose side a trace takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceFlags {
    /// The caller's.
    pub caller: bool,
    /// The callee's.
    pub callee: bool,
}

/// A call of `trace`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceRequest {
    /// Trace id of the configuration.
    pub trace_id: Arc<str>,
    /// How much of the call; `None` leaves it to the default: the dialog of an INVITE, else the transaction.
    pub scope: Option<TraceScope>,
    /// What.
    pub types: TraceTypes,
    /// Which side.
    pub flags: TraceFlags,
    /// Takes the place of the Call-ID as correlation ID.
    pub correlation_id: Option<String>,
}
