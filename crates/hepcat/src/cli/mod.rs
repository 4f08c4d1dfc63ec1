//! The command line: one file per command.

mod agents;
mod api;
mod capture;
mod check;
mod convert;
mod decode;
mod demo;
mod destinations;
mod doctor;
mod exit;
mod export;
mod flow;
mod node;
mod route;
mod run;
mod search;
mod send;
mod store;
mod tail;
mod trace;
mod user;
mod words;

use std::process::ExitCode;

use clap::{ArgAction, Parser, Subcommand};

pub(crate) use node::NodeArgs;

use crate::telemetry::{self, LogFormat};

/// A HEP node: listens, decodes and relays copies of SIP signalling, and shows them.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, disable_help_subcommand = true)]
struct Arguments {
    /// Say more in the log: once for single connections and frames, twice for every packet.
    #[arg(short, long, action = ArgAction::Count, global = true)]
    verbose: u8,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t, global = true)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tries a script over a capture.
    Route(route::RouteArgs),
    /// Runs the node (also what hepcat does when no command is given).
    Run(run::RunArgs),
    /// Shows who sends to a running node; accepts and refuses agents.
    Agents(agents::AgentsArgs),
    /// Says whether a running node takes frames in, or switches that.
    Capture(capture::CaptureArgs),
    /// Says everything that is wrong with a configuration.
    Check(check::CheckArgs),
    /// Converts the HEP part of an OpenSIPS configuration.
    Convert(convert::ConvertArgs),
    /// Explains HEP frames chunk by chunk.
    Decode(decode::DecodeArgs),
    /// Plays synthetic calls to a node, so that there is something to look at.
    Demo(demo::DemoArgs),
    /// Shows the destinations and groups of a running node.
    Destinations(destinations::DestinationsArgs),
    /// Explains what is wrong with a running node.
    Doctor(doctor::DoctorArgs),
    /// Writes a call, or messages that fit a query, as a pcapng, text or JSON file.
    Export(export::ExportArgs),
    /// Draws the ladder of a call that a running node keeps.
    Flow(flow::FlowArgs),
    /// Finds calls and messages that a running node keeps.
    Search(search::SearchArgs),
    /// Replays captures and HEP dumps as HEP.
    Send(Box<send::SendArgs>),
    /// Says what the store keeps and whether it holds; merges, and removes what is to go.
    Store(store::StoreArgs),
    /// Shows messages of a running node as they come, one line each.
    Tail(tail::TailArgs),
    /// Starts, stops and lists traces of a running node.
    Trace(trace::TraceArgs),
    /// Adds, removes and lists users, their tokens, and the audit log.
    User(user::UserArgs),
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let command = arguments
        .command
        .unwrap_or_else(|| Command::Run(run::RunArgs::default()));
    let usual = match command {
        // A script that is tried shows what it logs.
        Command::Run(_) | Command::Route(_) => "info",
        _ => "error",
    };
    let _last_lines = match telemetry::start(arguments.log_format, usual, arguments.verbose) {
        Ok(last_lines) => last_lines,
        Err(error) => return exit::failed(format_args!("cannot start the log: {error}")),
    };
    match command {
        Command::Agents(agents) => wait_for(agents::run(agents)),
        Command::Capture(capture) => wait_for(capture::run(capture)),
        Command::Check(check) => check::run(&check),
        Command::Convert(convert) => convert::run(&convert),
        Command::Decode(decode) => decode::run(&decode),
        Command::Demo(demo) => demo::run(&demo),
        Command::Route(route) => route::run(&route),
        Command::Run(run) => wait_for(run::run(run)),
        Command::Destinations(destinations) => wait_for(destinations::run(destinations)),
        Command::Doctor(doctor) => wait_for(doctor::run(doctor)),
        Command::Export(export) => wait_for(export::run(export)),
        Command::Flow(flow) => wait_for(flow::run(flow)),
        Command::Search(search) => wait_for(search::run(search)),
        Command::Send(send) => wait_for(send::run(*send)),
        Command::Store(store) => wait_for(store::run(store)),
        Command::Tail(tail) => wait_for(tail::run(tail)),
        Command::Trace(trace) => wait_for(trace::run(trace)),
        Command::User(user) => user::run(user),
    }
}

fn wait_for(command: impl Future<Output = ExitCode>) -> ExitCode {
    match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => exit::failed(format_args!("cannot start the runtime: {error}")),
    }
}
