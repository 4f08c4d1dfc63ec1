//! The command line: one file per command.

mod decode;
mod exit;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A HEP node: listens, decodes and relays copies of SIP signalling, and shows them.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Explains HEP frames chunk by chunk.
    Decode(decode::DecodeArgs),
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Decode(decode) => decode::run(&decode),
    }
}
