//! Showing messages: as JSON, as one line, explained chunk by chunk.
//!
//! Shared by whatever shows a message, so that it looks the same everywhere. Two promises hold for all
//! three forms: the value of an authenticate key is never shown, only its length; and what a sender
//! wrote cannot take hold of the terminal or of the page it is shown on.

mod arrival;
mod chunk_value;
pub(crate) mod columns;
mod explain;
mod json;
mod line;
mod sip;
mod text;

use std::time::{Duration, SystemTime};

use hepcat_net::Origin;
use jiff::Timestamp;

use crate::agents::ClockBounds;

pub use arrival::{arrival_json, arrival_summary};
pub use explain::{fault as explain_fault, message as explain_message};
pub use json::{
    Contents, fault as json_fault, message as json_message, to_line as json_line,
    to_lines as json_lines,
};
pub use line::{Palette, Summary};
pub use text::{escape, escape_str};

/// How a message came to us.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Receipt<'a> {
    /// When it was read from the socket.
    pub received_at: SystemTime,
    /// Name of the listener.
    pub listener: &'a str,
    /// Who sent it, as the node names agents.
    pub agent: &'a str,
    /// What is believed of agents' clocks.
    pub clock: ClockBounds,
    /// The HEP connection that it came over, where that is known.
    pub origin: Option<&'a Origin>,
}

impl<'a> Receipt<'a> {
    /// A receipt from its parts.
    #[must_use]
    pub fn new(received_at: SystemTime, listener: &'a str, agent: &'a str) -> Self {
        Self {
            received_at,
            listener,
            agent,
            clock: ClockBounds::default(),
            origin: None,
        }
    }

    /// The same with other bounds of what is believed of agents' clocks.
    #[must_use]
    pub fn with_clock(self, clock: ClockBounds) -> Self {
        Self { clock, ..self }
    }

    /// The same with the HEP connection.
    #[must_use]
    pub fn over(mut self, origin: &'a Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Time of arrival since 1970.
    fn arrival(&self) -> Duration {
        self.received_at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
    }
}

/// When a message arrived. Where nobody knows, as for a frame in a file, the future has no end: only then
/// is no time of a sender refused because it lies there.
fn arrival_of(receipt: Option<&Receipt<'_>>) -> Duration {
    match receipt {
        Some(receipt) => receipt.arrival(),
        None => Duration::from_secs(u64::from(u32::MAX)),
    }
}

/// RFC 3339 in UTC with microseconds.
pub(crate) fn rfc3339(since_epoch: Duration) -> String {
    format!("{:.6}", timestamp(since_epoch))
}

fn timestamp(since_epoch: Duration) -> Timestamp {
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
    let nanos = since_epoch.subsec_nanos().cast_signed();
    Timestamp::new(seconds, nanos).unwrap_or(Timestamp::MAX)
}
