//! hepcat beside the programs that people run: does it take what they send, and do they take what it sends?
//!
//! Each scenario starts real programs on loopback, puts the real node between them, and compares what arrives with
//! what `sipp`, which made the SIP, wrote down:
//!
//! ```text
//! sipp ─SIP─▶ Kamailio ─SIP─▶ sipp          what was said: sipp's own log
//!                │ HEP v1, v2, v3; UDP, TCP
//!                ▼
//!             hepcat run ──▶ collectors over UDP, TCP, TLS; Kamailio and sngrep as capture nodes
//! ```
//!
//! Programs that are not installed skip their tests, unless `HEPCAT_REQUIRE_INTEROP` is set. Everything started ends
//! with its test, also when that fails. As this is test code, what cannot be set up panics with what was tried.
//!
//! No program here takes HEP over TLS (Kamailio's `tcp_accept_hep3` reads plain TCP, sngrep reads UDP): there a
//! collector of `hepcat_testkit` that ends TLS is the receiver.

mod clock;
mod kamailio;
mod ports;
mod process;
mod relay;
mod rtpengine;
mod sipp;
mod sngrep;
mod tshark;

pub use clock::WallClock;
pub use kamailio::{CaptureNode, CaptureOver, Captured, Proxy, TraceTo};
pub use ports::free_port;
pub use process::Program;
pub use relay::Relay;
pub use rtpengine::{Rtpengine, rtcp_sender_report};
pub use sipp::{Answerer, SipMessage, call};
pub use sngrep::{ListeningSngrep, SendingSngrep};
pub use tshark::Dissected;

/// The Debian packages that the scenarios run, each with a program that it brings.
pub const PACKAGES: &[(&str, &str)] = &[
    ("kamailio", "/usr/sbin/kamailio"),
    ("sngrep", "/usr/bin/sngrep"),
    ("rtpengine-daemon", "/usr/bin/rtpengine"),
    ("sip-tester", "/usr/bin/sipp"),
    ("tshark", "/usr/bin/tshark"),
    // The page stands behind it.
    ("nginx", "/usr/sbin/nginx"),
    // Not to talk to: it sets the wall clock of the node alone.
    ("faketime", "/usr/bin/faketime"),
];
