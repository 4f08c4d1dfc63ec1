//! From a received batch to sinks: count it, decide about each frame, hand it over, count that.
//!
//! Read `intake` first: [`intake::Pipeline`] is the handler that every listener calls.

pub mod agents;
mod capture;
mod content;
mod fanout;
mod group;
mod intake;
pub mod ledger;
mod notice;
mod rate;
mod rendezvous;
mod scripted;
pub mod scripts;
mod topology;
mod traced;

pub use capture::{Capture, Inflated};
pub use content::{content, unwrapped};
pub use fanout::Form;
pub use group::{Group, GroupEntry};
pub use intake::Pipeline;
pub(crate) use rate::TokenBucket;
pub use topology::{ListenerEntry, SinkEntry, Topology, origin};
