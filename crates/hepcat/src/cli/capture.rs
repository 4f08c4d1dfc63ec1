//! `hepcat capture`: whether a running node takes frames in.

use std::process::ExitCode;

use anstream::println;
use clap::{Args, ValueEnum};
use reqwest::Method;

use super::{NodeArgs, exit};
use crate::http::CaptureSwitch;

/// Says whether frames are taken in, or switches that.
#[derive(Debug, Args)]
pub(super) struct CaptureArgs {
    /// What to do. Switched off, every frame is counted as skipped and goes nowhere, also after a restart, until it is
    /// switched on again.
    #[arg(value_enum, default_value_t = Action::Status)]
    action: Action,
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object instead of a sentence.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Action {
    On,
    Off,
    Status,
}

/// Exit code 1 when the node does not do it.
pub(super) async fn run(arguments: CaptureArgs) -> ExitCode {
    let switch = match arguments.action {
        Action::On => Some(CaptureSwitch { on: true }),
        Action::Off => Some(CaptureSwitch { on: false }),
        Action::Status => None,
    };
    let method = match switch {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let asked = arguments
        .node
        .ask::<CaptureSwitch>(method, "api/v1/capture", switch.as_ref());
    let now = match asked.await {
        Ok(now) => now,
        Err(refusal) => return exit::refused(&refusal),
    };
    match (arguments.json, now.on) {
        (true, on) => println!("{{\"on\":{on}}}"),
        (false, true) => println!("capturing is on"),
        (false, false) => println!("capturing is off: every frame is skipped"),
    }
    ExitCode::SUCCESS
}
