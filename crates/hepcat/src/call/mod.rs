//! Messages become legs, and legs calls. Pure: no clock, no sockets, no store.
//!
//! ```text
//!   Seen ──> Tracker ──> Placed: which leg and call, new or sent again or seen again
//!   (one        │
//!   message)    └──> Change: calls, legs and links, registrations, as rows     (take_changes)
//!
//!   Seen, Seen, ... of one call ──> Ladder: lanes, arrows in causal order ──> text
//! ```
//!
//! A leg is all messages of one Call-ID, a call the legs that belong together. What is remembered of a leg does not
//! depend on the order in which its messages arrive, nor on how often each does. States, times and flags:
//! `docs/calls.md`; why legs belong together: `docs/correlation.md`.

mod clock;
mod correlation;
mod difference;
mod digest;
mod flag;
mod headers;
mod heard;
pub mod ladder;
mod leg;
mod limits;
mod method;
mod moment;
mod quality;
mod record;
mod registration;
mod report;
mod sdp;
mod seen;
mod text;
mod tracker;

pub use clock::AgentClock;
pub use correlation::{Affix, HeaderRule, Link, LinkStatus, Rule, Rules, regroup};
pub use difference::{Difference, differences};
pub use flag::{Flag, Flags};
pub use heard::Novelty;
pub use limits::Limits;
pub use method::Method;
pub use moment::Moment;
pub use quality::Quality;
pub use record::{
    CallId, CallRecord, Change, Closed, Kind, LegId, LegRecord, MediaRecord, Party, RegistrationId,
    Side, State, UserAgentRecord,
};
pub use registration::{RegistrationRecord, RegistrationState};
pub use sdp::{Codec, Description, Direction, Media, MediaKind};
pub use seen::{Content, Seen};
pub use tracker::{AttachedBy, Counters, Open, Placed, Tracker, TrackerState};
