//! Messages become legs, and legs calls. Pure: no clock, no sockets, no store.
//!
//! ```text
//!   Seen ──> Tracker ──> Placed: which leg and call, new or sent again or seen again
//!   (one        │
//!   message)    └──> Change: calls with their legs and links, registrations       (take_changes)
//!
//!   Seen, Seen, ... of one call ──> Whole: its record, and its Ladder: lanes, arrows in causal order ──> text
//! ```
//!
//! A leg is all messages of one Call-ID, a call the legs that belong together. What is remembered of a leg does not
//! depend on the order in which its messages arrive, nor on how often each does. States, times and flags:
//! `docs/calls.md`; why legs belong together: `docs/correlation.md`.
//!
//! # At ingest
//!
//! One [`Tracker`] sees all messages, as legs of one call may be anywhere. What it says of a message ([`Placed`]) belongs
//! into the message's row; what it says of calls and registrations ([`Change`]) takes the place of what it said before
//! under the same id. [`Tracker::take_changes`] tells of calls that go on too; whoever wants one row for each call asks
//! [`Tracker::take_finished`] in its stead, and [`Tracker::open_calls`] when somebody searches.
//!
//! ```
//! use hepcat::call::{
//!     CallRecord, Change, Closed, Limits, Moment, Rules, Seen, State, Tracker, TrackerState, Whole,
//!     ladder::{Art, LaneBy, Text},
//! };
//!
//! # let message = |start: &str, branch: u8, cseq: &str, to: &str| {
//! #     format!("{start}\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK{branch}\r\nFrom: <sip:alice@a>;tag=1\r\n\
//! #         To: <sip:bob@b>{to}\r\nCall-ID: 1@a\r\nCSeq: {cseq}\r\n\r\n").into_bytes()
//! # };
//! # let (alice, bob) = ("10.0.0.1:5060".parse().unwrap(), "10.0.0.9:5060".parse().unwrap());
//! # let second = |second: i64| Moment::from_micros(1_700_000_000_000_000 + second * 1_000_000);
//! let rows = [
//!     (1, second(0), alice, bob, message("INVITE sip:bob@b SIP/2.0", 1, "1 INVITE", "")),
//!     (2, second(4), bob, alice, message("SIP/2.0 200 OK", 1, "1 INVITE", ";tag=2")),
//!     (3, second(4), alice, bob, message("ACK sip:bob@b SIP/2.0", 2, "1 ACK", ";tag=2")),
//!     (4, second(9), alice, bob, message("BYE sip:bob@b SIP/2.0", 3, "2 BYE", ";tag=2")),
//! ];
//! let seen = |row: usize| {
//!     let (number, at, from, to, payload) = &rows[row];
//!     Seen::new(*number, *at, "edge", payload).between(*from, *to)
//! };
//!
//! // Memory is bounded by octets and by numbers; what there is no room for is closed as evicted, told of and counted.
//! let mut tracker = Tracker::new(Limits::within(64 << 20), Rules::default(), 7);
//! let placed = tracker.ingest(&seen(0));
//! let (leg, call) = placed.place.unwrap();
//! assert_eq!(tracker.call(call).unwrap().state, State::Setup);
//!
//! // The state is plain serde, and a restart goes on from it. Rows after the last that it has seen are fed again: at
//! // once or beside new ones, as order does not matter.
//! let saved = serde_json::to_vec(tracker.state()).unwrap();
//! drop(tracker);
//! let state: TrackerState = serde_json::from_slice(&saved).unwrap();
//! let mut tracker = Tracker::restore(Limits::default(), Rules::default(), state).unwrap();
//! assert_eq!(tracker.last_row(), 1);
//! for row in 1..rows.len() {
//!     assert_eq!(tracker.ingest(&seen(row)).place, Some((leg, call)));
//! }
//!
//! // About once a second: close what is over or silent, and write what changed.
//! tracker.expire(second(60));
//! let mut records: Vec<CallRecord> = Vec::new();
//! for change in tracker.take_changes() {
//!     match change {
//!         Change::Call(record) => records.push(*record),
//!         Change::Superseded { id, .. } => records.retain(|record| record.id != id),
//!         _ => {}
//!     }
//! }
//! assert_eq!((records[0].id, records[0].state, records[0].closed), (call, State::Ended, Some(Closed::Over)));
//! assert_eq!((tracker.open().legs, tracker.counters().evicted), (0, 0));
//!
//! // Later, from stored messages: the same record, and the diagram.
//! let messages: Vec<Seen<'_>> = (0..rows.len()).map(seen).collect();
//! let whole = Whole::gather(&messages, &Rules::default(), second(60), LaneBy::AddressAndPort);
//! assert_eq!(whole.calls, records);
//! let text = whole.ladder.text(&Text::default().with_art(Art::Ascii).with_width(80));
//! assert!(text.contains("|----------- INVITE ---------->|"), "{text}");
//! ```
//!
//! # When a call is no longer in memory
//!
//! [`CallRecord::unlink`] and [`CallRecord::link`] do to a stored record what the tracker does to an open call,
//! [`CallRecord::partition_removed`] says that retention took a part of it; [`Whole::gather`] looks at stored messages by today's rules.

mod clock;
mod compose;
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
mod pack;
mod quality;
mod record;
mod registration;
mod report;
mod sdp;
mod seen;
mod short;
mod text;
mod tracker;
mod whole;

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
pub use tracker::{AttachedBy, Counters, Open, OpenCall, Placed, Saving, Tracker, TrackerState};
pub use whole::Whole;
