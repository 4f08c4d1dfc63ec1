//! `hepcat destinations`: where messages go, and how those places are.

use std::process::ExitCode;

use anstream::{print, println};
use clap::Args;
use serde::Serialize;

use super::{NodeArgs, exit};
use crate::{
    render::columns,
    status::{GroupStatus, SinkStatus, Status},
};

/// Shows every destination of a running node with its state, and every group with its members.
#[derive(Debug, Args)]
pub(super) struct DestinationsArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object with `destinations` and `groups` instead of tables.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints, in the shapes of `/api/v1/status`.
#[derive(Debug, Serialize)]
struct Listing<'a> {
    destinations: Vec<&'a SinkStatus>,
    groups: &'a [GroupStatus],
}

/// Asks the node and prints what it says.
pub(super) async fn run(arguments: DestinationsArgs) -> ExitCode {
    let status = match arguments.node.status().await {
        Ok(status) => status,
        Err(error) => return exit::failed(format_args!("{error:#}")),
    };
    if !arguments.json {
        print!("{}", table(&status));
        return ExitCode::SUCCESS;
    }
    let listing = Listing {
        destinations: destinations(&status).collect(),
        groups: &status.groups,
    };
    match serde_json::to_string_pretty(&listing) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => exit::failed(error),
    }
}

fn destinations(status: &Status) -> impl Iterator<Item = &SinkStatus> {
    let sinks = status.sinks.iter();
    sinks.filter(|sink| sink.kind == "destination")
}

/// The tables as text, each with a head line.
fn table(status: &Status) -> String {
    let mut rows = vec![row([
        "DESTINATION",
        "TARGET",
        "PEER",
        "STATE",
        "BREAKER",
        "DELIVERED",
        "QUEUED",
        "SPOOLED",
        "DROPPED",
        "LAST ERROR",
    ])];
    rows.extend(destinations(status).map(about_destination));
    if rows.len() == 1 {
        return "no destinations: add [[destination]] or hep_id to the configuration\n".to_owned();
    }
    let mut text = columns::render(&rows);
    if status.groups.is_empty() {
        return text;
    }
    let mut rows = vec![row([
        "GROUP",
        "KIND",
        "MEMBER",
        "AVAILABLE",
        "ACTIVE",
        "PLACED",
    ])];
    rows.extend(status.groups.iter().flat_map(about_group));
    text.push('\n');
    text.push_str(&columns::render(&rows));
    text
}

fn about_destination(sink: &SinkStatus) -> Vec<String> {
    let Some(destination) = &sink.destination else {
        return row([
            &sink.name,
            "-",
            "-",
            "removed",
            "-",
            &sink.delivered.to_string(),
            &sink.queued.to_string(),
            &sink.spooled.to_string(),
            &sink.dropped.values().sum::<u64>().to_string(),
            "",
        ]);
    };
    let peer = destination.peer.map(|peer| peer.to_string());
    row([
        &sink.name,
        &format!("{} {}", destination.transport, destination.target),
        peer.as_deref().unwrap_or("-"),
        &destination.state,
        &destination.breaker,
        &sink.delivered.to_string(),
        &sink.queued.to_string(),
        &sink.spooled.to_string(),
        &sink.dropped.values().sum::<u64>().to_string(),
        // A destination that works again does not show what is over.
        match destination.available {
            true => "",
            false => destination.last_error.as_deref().unwrap_or(""),
        },
    ])
}

fn about_group(group: &GroupStatus) -> impl Iterator<Item = Vec<String>> {
    group.members.iter().map(|member| {
        let active = match &group.active {
            Some(active) if *active == member.name => "yes",
            Some(_) => "no",
            None => "-",
        };
        row([
            &group.name,
            &group.kind,
            &member.name,
            if member.available { "yes" } else { "no" },
            active,
            &member.placed.to_string(),
        ])
    })
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).into()
}
