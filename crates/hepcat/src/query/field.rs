//! What a query may ask about: one open table, so that whoever knows more adds rows, never a second parser.

use std::fmt;

use hepcat_wire::ProtocolType;

use super::fields::FIELDS;

/// A field of the language.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Name of the listener that received the frame.
    Listener,
    /// Address of the peer that sent the frame.
    Agent,
    /// Transport that the frame came over: `hep_udp`, `hep_tcp` or `hep_tls`.
    NetProtocol,
    /// Address and port of the peer that sent the frame.
    NetSource,
    /// Address and port of ours that the frame was sent to.
    NetDestination,
    /// HEP protocol type (chunk 0x000b), or that the frame did not decode.
    Type,
    /// HEP version: 1, 2 or 3.
    Version,
    /// Capture agent ID (chunk 0x000c).
    CaptureId,
    /// Node name (chunk 0x0013).
    Node,
    /// On which side of the bounds the sent time lies: `ahead`, `behind`; nothing inside of them.
    Clock,
    /// SIP method: of the request, or of the request that a response answers (CSeq).
    Method,
    /// SIP status code.
    Status,
    /// Number of the CSeq.
    CSeq,
    /// SIP Call-ID; of a message without one, the correlation ID (chunk 0x0011).
    CallId,
    /// Correlation ID (chunk 0x0011).
    CorrelationId,
    /// X-Call-ID or X-CID: the Call-ID of another leg.
    XCallId,
    /// Session-ID (RFC 7989).
    SessionId,
    /// Branch of the topmost Via.
    Branch,
    /// Tag of From.
    FromTag,
    /// Tag of To.
    ToTag,
    /// User part of the From URI, and `user@host`.
    From,
    /// User part of the To URI, and `user@host`.
    To,
    /// User part of the request URI, and `user@host`.
    RequestUri,
    /// What `from`, `to` and `ruri` say.
    User,
    /// Host of the From, To or request URI.
    Domain,
    /// User-Agent, or Server.
    UserAgent,
    /// Captured source address and port.
    Source,
    /// Captured destination address and port.
    Destination,
    /// The captured payload: what free text is looked for in.
    Payload,
    /// A SIP header of this name, as it was written in the query.
    Header(Box<str>),
    /// When it was sent, where the agent's clock is believed, else when it was received; of a call, when it began.
    Time,
    /// When it was received.
    Received,
    /// [`Time`](Self::Time), counted back from now: the parser makes it that.
    Last,
    /// Class of traffic, by which the store keeps things apart; of a call, what it is about.
    Class,
    /// Why a frame did not decode.
    Error,
    /// Table that a script wrote on a message.
    LabelTable,
    /// One of the three fields that a script wrote on a message: 0 to 2.
    LabelField(u8),
    /// Call-ID to which a message without one was attached.
    AttachedTo,
    /// How far a call got.
    State,
    /// What is remarkable about a call.
    Flag,
    /// Who ended a call.
    ReleasedBy,
    /// Why a call ended: phrase of the final response, or the header field Reason.
    Reason,
    /// Codec that both sides of a call settled on.
    Codec,
    /// Address and port to which media of a call goes.
    Media,
    /// How many legs a call has.
    Legs,
    /// How many messages a call has.
    Messages,
    /// From the first request of a call to ringing, answer or refusal.
    Setup,
    /// From ringing to the answer of a call, or its end without one.
    Ring,
    /// From the answer of a call to its end.
    Talk,
    /// From the first request of a call to its end.
    Duration,
}

/// How the values of a field are written and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Text compared as a whole without regard to case; `*` and `?` are wildcards.
    Text,
    /// The same, but case counts: for Call-IDs, which RFC 3261 §20.8 compares octet by octet.
    CaseText,
    /// Long text in which the value is looked for anywhere.
    Body,
    /// An integer.
    Number,
    /// An integer that can be written as a class, `4xx`.
    Status,
    /// An integer with names, or the word `unparsable`.
    ProtocolType,
    /// A span of time with its unit.
    Duration,
    /// An IP address or a network.
    Network,
    /// An IP address, a network, a port, or address and port.
    Endpoint,
    /// A point in time, or a day, a minute, a second.
    Time,
    /// A span of time, counted back from now.
    Age,
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl Kind {
    /// Whether values have an order, so that `<` and `>` mean something.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(
            self,
            Self::Number | Self::Status | Self::Duration | Self::Time
        )
    }

    /// Whether values are text, so that a regular expression can look at them.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::CaseText | Self::Body)
    }
}

/// What must be at hand before a field can be answered, in ascending order of cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Needs {
    /// What is known without the message: listener and peer.
    Origin,
    /// The decoded message.
    Message,
    /// The SIP scan of its payload.
    Sip,
    /// The octets of its payload (inflated where the agent compressed it).
    Payload,
}

/// What a query is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// Single messages as they arrive: routes, tail.
    Message,
    /// Single messages that the store keeps, of which it knows more.
    Stored,
    /// Calls, which know in addition what only the whole call can tell.
    Call,
}

impl Scope {
    /// Whether a query about this may ask for what `field` is the narrowest subject of.
    #[must_use]
    pub fn admits(self, field: Self) -> bool {
        match self {
            Self::Call => true,
            other => field == Self::Message || field == other,
        }
    }
}

/// One row of the table: a name and everything that the parser, the matcher and the help know of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct FieldEntry {
    /// Name in the language.
    pub name: &'static str,
    /// The field.
    pub field: Field,
    /// How its values are written.
    pub kind: Kind,
    /// What it costs.
    pub needs: Needs,
    /// The narrowest subject that has it: what messages have, calls have too.
    pub scope: Scope,
    /// What people coming from elsewhere type for it: answered with the right name, not accepted.
    pub synonyms: &'static [&'static str],
    /// One line of help.
    pub summary: &'static str,
}

/// Names before `:` that are the scheme of a URI, so `sip:alice@b.example` is text and no field may have such a name.
pub(super) const URI_SCHEMES: [&str; 3] = ["sip", "sips", "tel"];

/// Prefix of the fields that name a SIP header: `header.X-Foo`.
const HEADER_PREFIX: &str = "header.";

/// Help for the fields that have no row of their own.
pub const HEADER_SUMMARY: &str = "header.NAME: any SIP header, by its long name";

impl Field {
    /// The field that a query calls `name`; upper and lower case are the same.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(entry) = FIELDS.iter().find(|e| e.name.eq_ignore_ascii_case(name)) {
            return Some(entry.field.clone());
        }
        let (prefix, header) = name.split_at_checked(HEADER_PREFIX.len())?;
        (prefix.eq_ignore_ascii_case(HEADER_PREFIX) && !header.is_empty())
            .then(|| Self::Header(header.into()))
    }

    /// The field's row; `None` for a header, whose name is its own.
    #[must_use]
    pub fn entry(&self) -> Option<&'static FieldEntry> {
        FIELDS.iter().find(|e| e.field == *self)
    }

    /// How its values are written and compared.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.entry().map_or(Kind::Text, |e| e.kind)
    }

    /// What must be at hand to answer it.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.entry().map_or(Needs::Sip, |e| e.needs)
    }

    /// The narrowest subject that has it.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.entry().map_or(Scope::Message, |e| e.scope)
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "{HEADER_PREFIX}{name}"),
            _ => f.write_str(self.entry().map_or("", |e| e.name)),
        }
    }
}

/// The distance is quadratic, and no field's name is this long.
const LONGEST_TYPO: usize = 32;

/// The field that someone who typed `name` probably meant.
pub(super) fn suggestion(name: &str, scope: Scope) -> Option<&'static str> {
    let folded = name.to_ascii_lowercase().replace('-', "_");
    let known = || FIELDS.iter().filter(|e| scope.admits(e.scope));
    if let Some(entry) =
        known().find(|e| e.name == folded || e.synonyms.iter().any(|s| *s == folded))
    {
        return Some(entry.name);
    }
    if folded.len() > LONGEST_TYPO {
        return None;
    }
    // One slip in a short name, two in a long one: more than that is a guess, not a correction.
    let tolerated = if folded.len() < 5 { 1 } else { 2 };
    known()
        .map(|e| (strsim::osa_distance(e.name, &folded), e.name))
        .filter(|(distance, _)| *distance <= tolerated)
        .min()
        .map(|(_, name)| name)
}

/// What `type` says of a frame that did not decode.
pub(crate) const UNPARSABLE: &str = "unparsable";

/// The number that a query calls `name`: the codec's names, in either case.
pub(super) fn protocol_type(name: &str) -> Option<i64> {
    (0..=u8::MAX)
        .find(|number| {
            ProtocolType(*number)
                .name()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
        .map(i64::from)
}

/// What a query calls protocol type `number`.
pub(crate) fn protocol_type_name(number: i64) -> Option<&'static str> {
    ProtocolType(u8::try_from(number).ok()?).name()
}
