//! What the log is told of agents that are refused or not understood: once for each address and reason, and never a
//! flood.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use hepcat_net::StreamFault;
use parking_lot::Mutex;

use super::{ledger::Refused, rate::TokenBucket};

/// Lines at once and in a minute: invented senders each are news, and a log must not grow with them.
const LINES: u64 = 10;

/// What a line costs, where each second brings as many tokens as a minute may have lines.
const TOKENS_PER_LINE: u64 = 60;

/// What there is to say of an address.
#[derive(Debug, Clone, Copy)]
pub(super) enum Matter {
    /// Frames are refused; the fault is that of the latest, where it did not decode.
    Frames(Refused, Option<&'static str>),
    /// Connections are refused.
    Connections(Refused),
    /// A connection is of no use.
    Stream(StreamFault),
}

impl Matter {
    /// One bit for each thing that is said once of an address.
    pub(super) fn bit(self) -> u16 {
        match self {
            Self::Frames(reason, _) | Self::Connections(reason) => 1 << (reason as u16),
            Self::Stream(StreamFault::Handshake(_)) => 1 << 14,
            Self::Stream(_) => 1 << 15,
        }
    }
}

/// One thing to say.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) address: IpAddr,
    /// Name of the listener.
    pub(super) listener: Box<str>,
    pub(super) matter: Matter,
}

/// Says it, or counts what it does not say.
#[derive(Debug)]
pub(super) struct Notices(Mutex<Budget>);

#[derive(Debug)]
struct Budget {
    bucket: TokenBucket,
    unsaid: u64,
}

impl Default for Notices {
    fn default() -> Self {
        Self(Mutex::new(Budget {
            bucket: TokenBucket::with_burst(LINES, Duration::from_secs(60)),
            unsaid: 0,
        }))
    }
}

impl Notices {
    pub(super) fn tell(&self, notices: &mut Vec<Notice>) {
        for notice in notices.drain(..) {
            let unsaid = {
                let mut budget = self.0.lock();
                if !budget.bucket.take(TOKENS_PER_LINE, Instant::now()) {
                    budget.unsaid += 1;
                    continue;
                }
                std::mem::take(&mut budget.unsaid)
            };
            say(&notice, unsaid);
        }
    }
}

/// `unsaid` is how many others were not told since the last line.
fn say(notice: &Notice, unsaid: u64) {
    let Notice {
        address,
        listener,
        matter,
    } = notice;
    let listener = &**listener;
    match *matter {
        Matter::Frames(Refused::Quarantine, _) | Matter::Connections(Refused::Quarantine) => {
            tracing::warn!(
                agent = %address,
                listener,
                unsaid,
                "unknown agent in quarantine: `hepcat agents` shows it, `hepcat agents accept` lets it in"
            );
        }
        Matter::Frames(Refused::Muted, fault) => tracing::warn!(
            agent = %address,
            listener,
            fault,
            unsaid,
            "agent is muted: its frames do not decode"
        ),
        Matter::Frames(reason, _) => tracing::warn!(
            agent = %address,
            listener,
            reason = reason.label(),
            unsaid,
            "frames of this agent are refused"
        ),
        Matter::Connections(reason) => tracing::warn!(
            agent = %address,
            listener,
            reason = reason.label(),
            unsaid,
            "connections of this agent are refused"
        ),
        Matter::Stream(StreamFault::Handshake(reason)) => tracing::warn!(
            agent = %address,
            listener,
            reason,
            unsaid,
            "TLS handshakes of this agent fail"
        ),
        Matter::Stream(fault) => tracing::warn!(
            agent = %address,
            listener,
            fault = match fault {
                StreamFault::OutOfStep(reason) => reason,
                _ => "unknown",
            },
            unsaid,
            "what this agent sends is no HEP version 3"
        ),
    }
}
