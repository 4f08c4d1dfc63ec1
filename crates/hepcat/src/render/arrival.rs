//! Whatever a listener handed over, message or not, as the other files of this module show it.

use hepcat_net::Arrival;
use serde_json::Value;

use super::{Contents, Receipt, Summary, json_fault, json_message};
use crate::{agents::ClockBounds, pipeline::origin};

/// The JSON object of an arrival at `listener`, its sent time judged by `clock`.
#[must_use]
pub fn arrival_json(
    arrival: &Arrival,
    listener: &str,
    clock: ClockBounds,
    contents: Contents,
) -> Value {
    let agent = agent(arrival);
    match arrival {
        Arrival::Message(envelope) => {
            let receipt = Receipt::new(envelope.received_at, listener, &agent).with_clock(clock);
            let receipt = receipt.over(&envelope.origin);
            json_message(&envelope.message, Some(&receipt), contents)
        }
        Arrival::Unparsable(unparsable) => {
            let receipt = Receipt::new(unparsable.received_at, listener, &agent);
            let receipt = receipt.over(&unparsable.origin);
            json_fault(&unparsable.error, &unparsable.frame, Some(&receipt))
        }
        _ => Value::Null,
    }
}

/// The summary of an arrival at `listener`.
#[must_use]
pub fn arrival_summary(arrival: &Arrival, listener: &str) -> Summary {
    let agent = agent(arrival);
    match arrival {
        Arrival::Message(envelope) => {
            let receipt = Receipt::new(envelope.received_at, listener, &agent);
            Summary::of_message(&envelope.message, Some(&receipt))
        }
        Arrival::Unparsable(unparsable) => {
            let receipt = Receipt::new(unparsable.received_at, listener, &agent);
            Summary::of_fault(&unparsable.error, &unparsable.frame, Some(&receipt))
        }
        _ => Summary::default(),
    }
}

fn agent(arrival: &Arrival) -> String {
    origin(arrival)
        .map(|origin| origin.peer.ip().to_string())
        .unwrap_or_default()
}
