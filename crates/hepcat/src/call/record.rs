//! What becomes rows: calls, their legs and links, registrations. Plain data, complete in itself.

use std::{fmt, net::SocketAddr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    correlation::Link,
    flag::Flags,
    moment::{Moment, micros},
    quality::Quality,
    sdp::{Direction, MediaKind},
};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(u64);

        impl $name {
            /// From its number.
            #[must_use]
            pub const fn from_u64(number: u64) -> Self {
                Self(number)
            }

            /// Its number.
            #[must_use]
            pub const fn as_u64(self) -> u64 {
                self.0
            }

            /// From the 16 hexadecimal digits that it is written with.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let number = u64::from_str_radix(text, 16).ok()?;
                (text.len() == 16).then_some(Self(number))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not 16 hexadecimal digits"))
            }
        }
    };
}

id! {
    /// Identifies a leg: its Call-ID and when it was first received. The same for the same messages, on any node.
    LegId
}
id! {
    /// Identifies a call: the id of its first leg.
    CallId
}
id! {
    /// Identifies a registration: address of record and contact.
    RegistrationId
}

impl From<LegId> for CallId {
    fn from(leg: LegId) -> Self {
        Self(leg.0)
    }
}

/// What a leg is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A call: INVITE and what follows.
    Call,
    /// REGISTER.
    Registration,
    /// SUBSCRIBE and NOTIFY.
    Subscription,
    /// MESSAGE.
    Message,
    /// OPTIONS.
    Options,
    /// PUBLISH and others.
    Other,
}

impl Kind {
    /// The name in records and queries.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Registration => "registration",
            Self::Subscription => "subscription",
            Self::Message => "message",
            Self::Options => "options",
            Self::Other => "other",
        }
    }
}

/// How far a call got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Too little was seen to tell.
    Unknown,
    /// Asked for, and not answered yet.
    Setup,
    /// The other side rings.
    Ringing,
    /// Answered, and going on.
    InCall,
    /// Answered, and over. For anything but a call: done.
    Ended,
    /// Refused, or not answered at all.
    Failed,
    /// Given up by the caller before it was answered.
    Cancelled,
    /// Sent elsewhere (3xx).
    Redirected,
}

impl State {
    /// The name in records and queries.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Setup => "setup",
            Self::Ringing => "ringing",
            Self::InCall => "in_call",
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Redirected => "redirected",
        }
    }

    /// Whether nothing more is expected.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Ended | Self::Failed | Self::Cancelled | Self::Redirected
        )
    }
}

/// One of the two sides of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Side {
    /// Who sent the first request.
    Caller,
    /// Who got it.
    Callee,
    /// Both at the same time, as when something between them ends a call.
    Both,
}

impl Side {
    /// The name in records and queries.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::Both => "both",
        }
    }
}

/// Why nothing more is remembered of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Closed {
    /// It was over.
    Over,
    /// Nothing was heard of it for too long.
    Idle,
    /// Room was needed.
    Evicted,
}

/// Who is on one side of a leg.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Party {
    /// User part of the URI, or the number of a `tel:` URI.
    pub user: Option<Box<str>>,
    /// Host.
    pub host: Option<Box<str>>,
    /// Display name.
    pub display: Option<Box<str>>,
}

/// Where one side wants media.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MediaRecord {
    /// Whose it is, where that is known.
    pub side: Option<Side>,
    /// Address and port.
    pub address: SocketAddr,
    /// What it carries.
    pub kind: MediaKind,
    /// Which way it may flow, as its describer said last.
    pub direction: Direction,
    /// Names of codecs as it said last, the preferred first, tones and comfort noise apart.
    pub codecs: Box<str>,
}

/// A program that sent something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UserAgentRecord {
    /// Which side it is, where that is known.
    pub side: Option<Side>,
    /// User-Agent or Server.
    pub name: Box<str>,
}

/// One leg: all messages of one Call-ID.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LegRecord {
    /// Which leg.
    pub id: LegId,
    /// Its Call-ID, octets that are no UTF-8 replaced.
    pub call_id: Box<str>,
    /// What it is about.
    pub kind: Kind,
    /// How far it got.
    pub state: State,
    /// Time of its first message, corrected.
    pub started: Moment,
    /// Time of its last one.
    pub last: Moment,
    /// When it rang or early media came.
    pub ringing: Option<Moment>,
    /// When it was answered.
    pub answered: Option<Moment>,
    /// When it was over.
    pub ended: Option<Moment>,
    /// From the first request to the first sign of the other side: ringing, answer or refusal.
    #[serde(rename = "setup_us", with = "micros", default)]
    pub setup: Option<Duration>,
    /// From ringing to the answer, or the end without one.
    #[serde(rename = "ring_us", with = "micros", default)]
    pub ring: Option<Duration>,
    /// From the answer to the end.
    #[serde(rename = "talk_us", with = "micros", default)]
    pub talk: Option<Duration>,
    /// From the first request to the end.
    #[serde(rename = "duration_us", with = "micros", default)]
    pub duration: Option<Duration>,
    /// Who ended it.
    pub released_by: Option<Side>,
    /// Status of the final response that decided.
    pub final_code: Option<u16>,
    /// Its reason phrase.
    pub final_phrase: Option<Box<str>>,
    /// Reason of the BYE, CANCEL or final response.
    pub reason: Option<Box<str>>,
    /// From.
    pub from: Party,
    /// To.
    pub to: Party,
    /// User part of the first request's URI.
    pub request_user: Option<Box<str>>,
    /// P-Asserted-Identity.
    pub asserted: Option<Box<str>>,
    /// Diversion or History-Info.
    pub diversion: Option<Box<str>>,
    /// What programs took part.
    #[serde(default)]
    pub user_agents: Vec<UserAgentRecord>,
    /// The codec that both sides settled on; before that, the one that was offered first.
    pub codec: Option<Box<str>>,
    /// Where media goes.
    #[serde(default)]
    pub media: Vec<MediaRecord>,
    /// Where the first request came from.
    pub source: Option<SocketAddr>,
    /// Where it went.
    pub destination: Option<SocketAddr>,
    /// Messages, each once.
    pub messages: u32,
    /// Times that one was sent again.
    pub retransmissions: u32,
    /// Observations of what had been observed.
    pub duplicates: u32,
    /// RTCP packets and reports that belong to it.
    pub reports: u32,
    /// Log lines and events that belong to it.
    pub events: u32,
    /// What the reports say.
    pub quality: Option<Quality>,
    /// Who sent us its messages.
    #[serde(default)]
    pub agents: Vec<Box<str>>,
    /// What is remarkable.
    #[serde(default)]
    pub flags: Flags,
    /// The registration that it is about.
    pub registration: Option<RegistrationId>,
}

/// One call: its legs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallRecord {
    /// Which call: the id of its first leg.
    pub id: CallId,
    /// What it is about: what its first leg is.
    pub kind: Kind,
    /// How far it got: as its first leg, but going on while any leg does.
    pub state: State,
    /// Time of its first message, corrected.
    pub started: Moment,
    /// Time of its last one.
    pub last: Moment,
    /// When the first leg was answered.
    pub answered: Option<Moment>,
    /// When its last leg was over.
    pub ended: Option<Moment>,
    /// As the first leg's.
    #[serde(rename = "setup_us", with = "micros", default)]
    pub setup: Option<Duration>,
    /// As the first leg's.
    #[serde(rename = "ring_us", with = "micros", default)]
    pub ring: Option<Duration>,
    /// From the first answer to the end of the last leg.
    #[serde(rename = "talk_us", with = "micros", default)]
    pub talk: Option<Duration>,
    /// From the first message to the end.
    #[serde(rename = "duration_us", with = "micros", default)]
    pub duration: Option<Duration>,
    /// As the first leg's.
    pub released_by: Option<Side>,
    /// As the first leg's.
    pub final_code: Option<u16>,
    /// As the first leg's.
    pub final_phrase: Option<Box<str>>,
    /// The first that a leg tells.
    pub reason: Option<Box<str>>,
    /// As the first leg's.
    pub from: Party,
    /// As the first leg's.
    pub to: Party,
    /// As the first leg's.
    pub codec: Option<Box<str>>,
    /// Of all legs together.
    pub messages: u32,
    /// Of all legs together.
    pub retransmissions: u32,
    /// Of all legs together.
    pub duplicates: u32,
    /// Of all legs together.
    pub flags: Flags,
    /// Who sent us its messages.
    pub agents: Vec<Box<str>>,
    /// The legs, by time.
    pub legs: Vec<LegRecord>,
    /// Why they are one call, and why others may be.
    pub links: Vec<Link>,
    /// Why no more comes of it; nothing while it is open.
    pub closed: Option<Closed>,
}

/// What the tracker has to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// A call is new or otherwise than before: take this in place of what was told under its id.
    Call(Box<CallRecord>),
    /// What was told under this id is now part of another call, or nothing at all.
    Superseded {
        /// Which is no more.
        id: CallId,
        /// Where its legs are.
        by: CallId,
    },
    /// A registration is new or otherwise than before.
    Registration(Box<super::registration::RegistrationRecord>),
}
