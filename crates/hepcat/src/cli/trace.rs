//! `hepcat trace`: traces of a running node.

mod table;

use std::process::ExitCode;

use anstream::{eprintln, println};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use reqwest::Method;
use serde::Serialize;

use super::{NodeArgs, exit};
use crate::{
    http::TraceList,
    render::json_lines,
    tracer::{Scope, StartRequest, TraceStatus},
};

/// Starts, stops and lists traces.
#[derive(Debug, Args)]
pub(super) struct TraceArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Sends copies of what fits to destinations, for a while. At least one filter is given; several must all fit.
    Start(Box<StartArgs>),
    /// Ends and removes one trace that was started.
    Stop(StopArgs),
    /// Shows every trace, configured and started.
    List(ListArgs),
}

#[derive(Debug, Args)]
struct StartArgs {
    /// Name of the trace; the node makes one up where none is given.
    id: Option<String>,
    /// User of the From URI, or user@host.
    #[arg(long, value_name = "USER")]
    caller: Option<String>,
    /// User of the request URI, or user@host.
    #[arg(long, value_name = "USER")]
    callee: Option<String>,
    /// IPv4 or IPv6 address, or network, of either captured end.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// A query, in the language of `hepcat tail`.
    #[arg(long, value_name = "QUERY")]
    when: Option<String>,
    /// Destination or group that gets the copies; may be given several times. Where none is given, those of the only
    /// configured trace_id.
    #[arg(long, value_name = "NAME")]
    to: Vec<String>,
    /// How much of a call: message, transaction or dialog.
    #[arg(long, value_parser = scope, default_value = "dialog")]
    scope: Scope,
    /// Protocol types, such as sip or log; may be given several times.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// How long, such as 30m; an hour where nothing is said, at most 30d.
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until")]
    lasting: Option<String>,
    /// Until when, such as 2026-05-01T18:00:00Z.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Messages after which it is over; 10,000 where nothing is said.
    #[arg(long, value_name = "MESSAGES")]
    limit: Option<u64>,
    /// Messages in one second, what is more is left out and counted; 1,000 where nothing is said.
    #[arg(long, value_name = "MESSAGES")]
    rate: Option<u32>,
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct StopArgs {
    /// Name of the trace.
    id: String,
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

fn scope(word: &str) -> Result<Scope, String> {
    let known = Scope::NAMES.iter().find(|(name, _)| *name == word);
    known
        .map(|(_, scope)| *scope)
        .ok_or_else(|| "write message, transaction or dialog".to_owned())
}

/// Exit code 2 for a filter that the node refuses, 1 when it does not do it for another reason.
pub(super) async fn run(arguments: TraceArgs) -> ExitCode {
    match arguments.action {
        Action::Start(start) => start_trace(*start).await,
        Action::Stop(stop) => stop_trace(stop).await,
        Action::List(list) => list_traces(list).await,
    }
}

async fn start_trace(arguments: StartArgs) -> ExitCode {
    let request = StartRequest {
        id: arguments.id,
        to: arguments.to,
        caller: arguments.caller,
        callee: arguments.callee,
        address: arguments.address,
        when: arguments.when,
        scope: arguments.scope,
        types: arguments.types,
        lasting: arguments.lasting,
        until: arguments.until,
        limit: arguments.limit,
        rate: arguments.rate,
    };
    let started = arguments
        .node
        .ask::<TraceStatus>(Method::POST, "api/v1/traces", Some(&request));
    match started.await {
        Ok(status) => show(&status, std::slice::from_ref(&status), arguments.json),
        Err(refusal) => exit::refused(&refusal),
    }
}

async fn stop_trace(arguments: StopArgs) -> ExitCode {
    // As it stands in an address; what is none of a name is then unknown to the node.
    let mut path = String::from("api/v1/traces/");
    for octet in arguments.id.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => path.push(char::from(octet)),
            other => path.push_str(&format!("%{other:02X}")),
        }
    }
    let stopped = (arguments.node).ask::<TraceStatus>(Method::DELETE, &path, None::<&()>);
    match stopped.await {
        Ok(status) => show(&status, std::slice::from_ref(&status), arguments.json),
        Err(refusal) => exit::refused(&refusal),
    }
}

async fn list_traces(arguments: ListArgs) -> ExitCode {
    let listed = (arguments.node).ask::<TraceList>(Method::GET, "api/v1/traces", None::<&()>);
    match listed.await {
        Ok(list) => {
            let started = list.traces.iter().any(|trace| trace.started_at.is_some());
            if !list.durable && started && !arguments.json {
                eprintln!("the node has no data_dir: what was started ends with it");
            }
            show(&list, &list.traces, arguments.json)
        }
        Err(refusal) => exit::refused(&refusal),
    }
}

fn show(whole: &impl Serialize, traces: &[TraceStatus], json: bool) -> ExitCode {
    if !json {
        println!("{}", table::of(traces, Timestamp::now()));
        return ExitCode::SUCCESS;
    }
    match json_lines(whole) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => exit::failed(error),
    }
}
