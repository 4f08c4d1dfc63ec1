//! hepcat, the HEP node: it receives copies of SIP signalling, routes them, relays them and shows them.
//!
//! The binary is [`run`]. Everything else is public so that tests can run a node in their own process;
//! programs that want HEP embed `hepcat-net` and `hepcat-wire` instead.

pub mod access;
pub mod agents;
pub mod call;
pub mod capfile;
mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod http;
pub mod lua;
pub mod metrics;
pub mod node;
pub mod opensips;
pub mod overview;
pub mod pipeline;
pub mod quality;
pub mod query;
pub mod render;
pub mod resolver;
pub mod route;
pub mod search;
pub mod signal;
pub mod sink;
pub mod state;
pub mod status;
mod telemetry;
pub mod tracer;

use std::process::ExitCode;

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    cli::run()
}

/// What the README shows must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
