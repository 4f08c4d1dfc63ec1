//! The load that figures are made with: a generator, a sink, and what a process costs.
//!
//! ```text
//!   Generator: senders ──▶ 13 messages of a call, patched in place ──▶ UDP, TCP, TLS ──▶ node or sink
//!   Sink: UDP, TCP, TLS ──▶ Mark (who, which, when) ──▶ Tracker (lost, twice, out of order, latency)
//! ```
//!
//! Both are one thread a socket at most, encode nothing while they run and read the clock once a burst, so that
//! they can share one core and still outrun what is measured. Every message carries its sender, its number and
//! the time it was sent, in its payload and time fields alone: what a relay forwards can be read whichever HEP
//! version it comes in.
//!
//! [`generate_calls`] is for what keeps messages: it sends calls of realistic entropy, each made while it is sent.

mod calls;
mod forward;
mod generator;
mod histogram;
mod mark;
mod mix;
mod process;
mod sink;
mod threads;
mod tracker;
mod udp;

use std::time::{Duration, SystemTime};

pub use calls::{CallsConfig, CallsReport, SentBurst, generate_calls};
pub use forward::Forwarder;
pub use generator::{GeneratorConfig, GeneratorReport, generate};
pub use histogram::Histogram;
pub use mark::Mark;
pub use mix::{MESSAGES_PER_CALL, Mix, Version};
pub use process::{Pinned, Usage, pin_current_thread, usage};
pub use sink::{LaneReport, Sink, SinkConfig};
pub use threads::{CpuTime, ThreadTimes, thread_times};
pub use tracker::{SenderTally, Tracker};
pub use udp::{RawReceive, raw_receive};

/// How load travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// One frame a datagram.
    Udp,
    /// A stream of frames.
    Tcp,
    /// The same inside TLS.
    Tls,
}

impl Transport {
    /// Lower-case name: `udp`, `tcp`, `tls`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }
}

impl std::str::FromStr for Transport {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "udp" => Ok(Self::Udp),
            "tcp" => Ok(Self::Tcp),
            "tls" => Ok(Self::Tls),
            other => Err(format!("`{other}` is none of udp, tcp, tls")),
        }
    }
}

/// Microseconds since 1970: generator and sink run on one machine, so one clock serves both.
#[must_use]
pub fn now_micros() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}
