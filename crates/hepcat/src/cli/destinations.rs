//! `hepcat destinations`: where messages go, and how those places are.

use std::process::ExitCode;

use anstream::{print, println};
use clap::Args;
use reqwest::Method;

use super::{NodeArgs, exit};
use crate::{
    render::{columns, json_lines},
    status::{DestinationListing, GroupStatus, SinkStatus},
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

/// Asks the node and prints what it says.
pub(super) async fn run(arguments: DestinationsArgs) -> ExitCode {
    let asked = arguments
        .node
        .ask(Method::GET, "api/v1/destinations", None::<&()>);
    let listing: DestinationListing = match asked.await {
        Ok(listing) => listing,
        Err(refusal) => return exit::refused(&refusal),
    };
    if !arguments.json {
        print!("{}", table(&listing));
        return ExitCode::SUCCESS;
    }
    match json_lines(&listing) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => exit::failed(error),
    }
}

/// The tables as text, each with a head line.
fn table(listing: &DestinationListing) -> String {
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
    rows.extend(listing.destinations.iter().map(about_destination));
    if rows.len() == 1 {
        return "no destinations: add [[destination]] or hep_id to the configuration\n".to_owned();
    }
    let mut text = columns::render(&rows);
    if listing.groups.is_empty() {
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
    rows.extend(listing.groups.iter().flat_map(about_group));
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
