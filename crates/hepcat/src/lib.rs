//! hepcat

pub mod capfile;
mod cli;
pub mod config;
pub mod query;
pub mod render;
pub mod route;

use std::process::ExitCode;

/// Reads the command line and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    cli::run()
}
