//! What a query may ask about: one open table, so that whoever knows more adds rows, never a second parser.

use std::fmt;

use hepcat_wire::ProtocolType;

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
    /// SIP Call-ID; of a message without one, the correlation ID (chunk 0x0011).
    CallId,
    /// User part of the From URI, and `user@host`.
    From,
    /// User part of the To URI, and `user@host`.
    To,
    /// What `from`, `to` and the request URI say.
    User,
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
    /// Time from the first INVITE of a call to its answer or refusal.
    Setup,
    /// Time from the answer of a call to its end.
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
}

impl Kind {
    /// Whether values have an order, so that `<` and `>` mean something.
    #[must_use]
    pub fn is_ordered(self) -> bool {
        matches!(self, Self::Number | Self::Status | Self::Duration)
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
    /// Single messages: routes, tail, message search.
    Message,
    /// Calls, which know in addition what only the whole call can tell.
    Call,
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

/// Every field but `header.NAME`, in the order of the documentation.
pub static FIELDS: [FieldEntry; 22] = [
    FieldEntry {
        name: "listener",
        field: Field::Listener,
        kind: Kind::Text,
        needs: Needs::Origin,
        scope: Scope::Message,
        synonyms: &["socket"],
        summary: "name of the listener that received it",
    },
    FieldEntry {
        name: "agent",
        field: Field::Agent,
        kind: Kind::Network,
        needs: Needs::Origin,
        scope: Scope::Message,
        synonyms: &["peer", "sender"],
        summary: "address of the agent that sent it",
    },
    FieldEntry {
        name: "hep_net_proto",
        field: Field::NetProtocol,
        kind: Kind::Text,
        needs: Needs::Origin,
        scope: Scope::Message,
        synonyms: &["hep_net", "proto_id"],
        summary: "transport that it came over: hep_udp, hep_tcp, hep_tls",
    },
    FieldEntry {
        name: "hep_net_src",
        field: Field::NetSource,
        kind: Kind::Endpoint,
        needs: Needs::Origin,
        scope: Scope::Message,
        synonyms: &["hep_src"],
        summary: "address and port of the peer that sent it",
    },
    FieldEntry {
        name: "hep_net_dst",
        field: Field::NetDestination,
        kind: Kind::Endpoint,
        needs: Needs::Origin,
        scope: Scope::Message,
        synonyms: &["hep_dst"],
        summary: "address and port of ours that it was sent to",
    },
    FieldEntry {
        name: "type",
        field: Field::Type,
        kind: Kind::ProtocolType,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &["proto", "protocol", "protocol_type", "proto_type"],
        summary: "sip, rtcp, log, … or a HEP protocol type's number; unparsable",
    },
    FieldEntry {
        name: "version",
        field: Field::Version,
        kind: Kind::Number,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &["hep", "hep_version"],
        summary: "HEP version: 1, 2 or 3",
    },
    FieldEntry {
        name: "capture_id",
        field: Field::CaptureId,
        kind: Kind::Number,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &["captid", "agent_id", "node_id"],
        summary: "capture agent ID",
    },
    FieldEntry {
        name: "node",
        field: Field::Node,
        kind: Kind::Text,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &["node_name", "agent_name", "group"],
        summary: "node name that the agent gave itself",
    },
    FieldEntry {
        name: "clock",
        field: Field::Clock,
        kind: Kind::Text,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &["clock_fault", "skew"],
        summary: "ahead or behind, where the sent time is out of bounds",
    },
    FieldEntry {
        name: "method",
        field: Field::Method,
        kind: Kind::Text,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["cseq_method", "request", "verb"],
        summary: "SIP method; of a response, the method in CSeq",
    },
    FieldEntry {
        name: "status",
        field: Field::Status,
        kind: Kind::Status,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["code", "response", "status_code"],
        summary: "SIP status code: 486, 4xx, 400..499",
    },
    FieldEntry {
        name: "call_id",
        field: Field::CallId,
        kind: Kind::CaseText,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["callid", "cid", "sid", "correlation_id"],
        summary: "Call-ID; of what has none (RTCP, log), the correlation ID",
    },
    FieldEntry {
        name: "from",
        field: Field::From,
        kind: Kind::Text,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["from_user", "caller", "calling"],
        summary: "user of the From URI, or user@host",
    },
    FieldEntry {
        name: "to",
        field: Field::To,
        kind: Kind::Text,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["to_user", "callee", "called"],
        summary: "user of the To URI, or user@host",
    },
    FieldEntry {
        name: "user",
        field: Field::User,
        kind: Kind::Text,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["number", "ruri", "ruri_user", "phone"],
        summary: "user, or user@host, of From, To or the request URI",
    },
    FieldEntry {
        name: "ua",
        field: Field::UserAgent,
        kind: Kind::Text,
        needs: Needs::Sip,
        scope: Scope::Message,
        synonyms: &["user_agent", "useragent", "server"],
        summary: "User-Agent, or Server",
    },
    FieldEntry {
        name: "src",
        field: Field::Source,
        kind: Kind::Endpoint,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &["source", "src_ip", "source_ip", "src_port"],
        summary: "captured source: address, network, port, address:port",
    },
    FieldEntry {
        name: "dst",
        field: Field::Destination,
        kind: Kind::Endpoint,
        needs: Needs::Message,
        scope: Scope::Message,
        synonyms: &[
            "destination",
            "dest",
            "dst_ip",
            "destination_ip",
            "dst_port",
        ],
        summary: "captured destination: address, network, port, address:port",
    },
    FieldEntry {
        name: "payload",
        field: Field::Payload,
        kind: Kind::Body,
        needs: Needs::Payload,
        scope: Scope::Message,
        synonyms: &["text", "body", "raw", "msg", "message"],
        summary: "the captured text, searched anywhere; what a bare word means",
    },
    FieldEntry {
        name: "setup",
        field: Field::Setup,
        kind: Kind::Duration,
        needs: Needs::Message,
        scope: Scope::Call,
        synonyms: &["pdd", "setup_time"],
        summary: "time from INVITE to its final response",
    },
    FieldEntry {
        name: "duration",
        field: Field::Duration,
        kind: Kind::Duration,
        needs: Needs::Message,
        scope: Scope::Call,
        synonyms: &["talk", "talk_time", "length"],
        summary: "time from answer to end",
    },
];

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
    let known = || {
        FIELDS
            .iter()
            .filter(|e| e.scope == Scope::Message || scope == Scope::Call)
    };
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
pub(super) const UNPARSABLE: &str = "unparsable";

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
pub(super) fn protocol_type_name(number: i64) -> Option<&'static str> {
    ProtocolType(u8::try_from(number).ok()?).name()
}
