//! The node over HTTP: metrics, health, live messages and what `hepcat doctor` asks.
//!
//! Everything is served on loopback only, and only to requests whose `Host` names loopback, so that a
//! page elsewhere cannot reach it through a name that it controls. Metrics may also be served beyond
//! loopback, with a token.

mod agents;
mod asking;
mod calls;
mod export;
mod facets;
mod guard;
mod health;
mod histogram;
mod links;
mod live;
mod messages;
mod page;
mod problem;
mod registrations;
mod server;
mod status;
mod store;
mod traces;

pub(crate) use server::Shared;
pub use server::{HttpBindError, HttpServer, HttpSockets};
pub use traces::{CaptureSwitch, TraceList};
