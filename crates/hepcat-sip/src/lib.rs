//! Finds the fields of a SIP message for capture: zero-copy, without allocation, however sloppy the message.
//!
//! This is not a SIP stack. Nothing is validated, nothing is normalised, and no message is refused for a fault
//! that can be read past: a capture product must show the broken message too. What does not look like SIP at
//! all (RTP, STUN, HTTP, keep-alives) is refused, and that is the only refusal.
//!
//! ```text
//! payload ── scan() ──> Scan: u16 offsets of the known header fields, first defect
//!                        │  asked for                         │  asked for
//!                        ▼                                    ▼
//!             method, call_id, from ... (sub-fields      headers(), header(name): the lines
//!             are parsed only now)                       once more, every other field
//! ```
//!
//! The three types to know: [`Scan`], the message as scanned; [`NameAddr`], a From, To or Contact; and
//! [`Uri`]. Everything they return is a slice of the payload.
//!
//! ```
//! let payload = b"INVITE sip:bob@biloxi.example SIP/2.0\r\n\
//!     f: \"Alice, <sales>\" <sip:alice@atlanta.example:5070>;tag=9fxced76sl\r\n\
//!     CSeq: 2 INVITE\r\n\
//!     Call-ID: 3848276298220188511@atlanta.example\r\n\r\n";
//! let sip = hepcat_sip::scan(payload).expect("it starts with a request line");
//! assert_eq!(sip.method(), Some(&b"INVITE"[..]));
//! assert_eq!(sip.cseq_number(), Some(2));
//! let from = sip.from().expect("compact, but there");
//! assert_eq!(from.user(), Some(&b"alice"[..]));
//! assert_eq!(from.tag(), Some(&b"9fxced76sl"[..]));
//! assert_eq!(sip.first_defect().map(|defect| defect.reason()), Some("missing_header"));
//! ```
//!
//! Field names and grammar: RFC 3261 §7 and §25.1.
#![forbid(unsafe_code)]
#![warn(
    clippy::indexing_slicing,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs
)]

mod defect;
mod find;
#[doc(hidden)]
pub mod fuzz_bodies;
mod header;
mod line;
mod name_addr;
mod param;
mod scan;
mod span;
mod start_line;
mod uri;
mod via;

pub use defect::{Defect, DefectKind};
pub use header::{Header, Headers};
pub use name_addr::NameAddr;
pub use scan::{Scan, scan};
pub use start_line::Kind;
pub use uri::Uri;
