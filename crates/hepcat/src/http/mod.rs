//! The node over HTTP: metrics, health, live messages and what `hepcat doctor` asks.
//!
//! Without users everything is served on loopback only, and only to requests whose `Host` names loopback, so that a
//! page elsewhere cannot reach it through a name that it controls. With users, `gate` asks who one is before anything
//! else. Metrics may also be served beyond loopback, with a token.

#![expect(
    unused_qualifications,
    reason = "what utoipa makes of descriptions says whole paths"
)]

mod accept;
mod agents;
mod asking;
mod audit;
mod body;
mod calls;
mod events;
mod explanation;
mod export;
mod facets;
mod gate;
mod guard;
mod health;
mod histogram;
mod import;
mod inlet;
mod links;
mod live;
mod live_calls;
mod messages;
mod openapi;
mod overview;
mod page;
mod problem;
mod quality;
mod registrations;
mod routes;
mod server;
mod session;
mod sharing;
mod status;
mod store;
mod test_call;
mod traces;

pub use openapi::description;
pub use routes::Endpoint;
pub(crate) use server::Shared;
pub(crate) use server::certificates;
pub use server::{HttpBindError, HttpServer, HttpSockets, endpoints};
pub use traces::{CaptureSwitch, TraceList};
