//! What the log is told of agents that are refused: once for each address and reason, and never a flood.

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use hepcat_net::ListenerId;
use parking_lot::Mutex;

use super::{
    agents::{Place, Seen},
    ledger::Refused,
    rate::TokenBucket,
};

/// Lines at once and in a minute: invented senders each are news, and a log must not grow with them.
const LINES: u64 = 10;

/// What a line costs, where each second brings as many tokens as a minute may have lines.
const TOKENS_PER_LINE: u64 = 60;

/// One thing to say.
#[derive(Debug)]
pub(super) struct Notice {
    reason: Refused,
    address: IpAddr,
    listener: ListenerId,
    connection: bool,
    fault: Option<&'static str>,
}

impl Notice {
    pub(super) fn frames(reason: Refused, seen: &Seen<'_>) -> Self {
        Self {
            reason,
            address: seen.key.address,
            listener: seen.origin.listener,
            connection: false,
            fault: seen.fault,
        }
    }

    pub(super) fn connections(reason: Refused, place: &Place) -> Self {
        Self {
            reason,
            address: place.key.address,
            listener: place.listener,
            connection: true,
            fault: None,
        }
    }
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
        reason,
        address,
        listener,
        connection,
        fault,
    } = notice;
    let listener = listener.0;
    match (reason, connection) {
        (Refused::Quarantine, _) => tracing::warn!(
            agent = %address,
            listener,
            unsaid,
            "unknown agent in quarantine: `hepcat agents` shows it, `hepcat agents accept` lets it in"
        ),
        (Refused::Muted, _) => tracing::warn!(
            agent = %address,
            listener,
            fault,
            unsaid,
            "agent is muted: its frames do not decode"
        ),
        (_, true) => tracing::warn!(
            agent = %address,
            listener,
            reason = reason.label(),
            unsaid,
            "connections of this agent are refused"
        ),
        (_, false) => tracing::warn!(
            agent = %address,
            listener,
            reason = reason.label(),
            unsaid,
            "frames of this agent are refused"
        ),
    }
}
