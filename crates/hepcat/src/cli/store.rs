//! `hepcat store`: what a node keeps, whether it holds, and what is done about it by hand.

mod offline;
mod show;

use std::{path::PathBuf, process::ExitCode};

use anstream::{print, println};
use clap::{Args, Subcommand};
use reqwest::Method;
use serde::{Serialize, de::DeserializeOwned};

use super::{NodeArgs, api::Refusal, exit};
use crate::{
    render::json_lines,
    status::{CheckStatus, CompactStatus, RetentionPlan, StoreReport},
};

/// Looks after the store of a running node, or looks at a data directory that no node has open.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Reads every file whole and names those that are damaged. Exit code 1 where one is.
    Check(CheckArgs),
    /// Rows and octets by class and by hour, memory, and for how many days there is room.
    Stats(StatsArgs),
    /// Merges what is due, waits for it, and says what it did.
    Compact(CompactArgs),
    /// Removes what the rules of retention let go, or says what would go.
    Retention(RetentionArgs),
}

/// Whose store.
#[derive(Debug, Args)]
struct Place {
    #[command(flatten)]
    node: NodeArgs,
    /// A data directory that no node has open, in place of a running node.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct StatsArgs {
    #[command(flatten)]
    place: Place,
    /// With --data-dir: the configuration whose rules of retention are meant; without one, the defaults are.
    #[arg(short, long, value_name = "FILE", requires = "data_dir")]
    config: Option<PathBuf>,
    /// How many hours to show, the newest first.
    #[arg(long, value_name = "NUMBER", default_value_t = 24)]
    hours: usize,
}

#[derive(Debug, Args)]
struct CompactArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RetentionArgs {
    #[command(flatten)]
    place: Place,
    /// Only say what would go, and by which rule.
    #[arg(long)]
    dry_run: bool,
    /// With --data-dir: the configuration whose rules are meant; without one, the defaults are.
    #[arg(short, long, value_name = "FILE", requires = "data_dir")]
    config: Option<PathBuf>,
}

/// Does what is asked for.
pub(super) async fn run(arguments: StoreArgs) -> ExitCode {
    match arguments.action {
        Action::Check(check) => self::check(check).await,
        Action::Stats(stats) => self::stats(stats).await,
        Action::Compact(compact) => self::compact(compact).await,
        Action::Retention(retention) => self::retention(retention).await,
    }
}

async fn check(CheckArgs { place }: CheckArgs) -> ExitCode {
    let looked = match &place.data_dir {
        Some(directory) => offline::check(directory),
        None => ask(&place.node, Method::POST, "api/v1/store/check").await,
    };
    let report: CheckStatus = match looked {
        Ok(report) => report,
        Err(failure) => return failure.into_exit_code(),
    };
    let shown = say(place.json, &report, || show::check(&report));
    if report.damaged.is_empty() && !report.unfinished {
        shown
    } else {
        ExitCode::from(exit::FAILED)
    }
}

async fn stats(arguments: StatsArgs) -> ExitCode {
    let place = &arguments.place;
    let looked = match &place.data_dir {
        Some(directory) => offline::stats(directory, arguments.config.as_deref()),
        None => ask(&place.node, Method::GET, "api/v1/store").await,
    };
    match looked {
        Ok(report) => say::<StoreReport>(place.json, &report, || {
            show::stats(&report, arguments.hours)
        }),
        Err(failure) => failure.into_exit_code(),
    }
}

async fn compact(arguments: CompactArgs) -> ExitCode {
    let done = ask(&arguments.node, Method::POST, "api/v1/store/compact").await;
    match done {
        Ok(report) => {
            let shown = say::<CompactStatus>(arguments.json, &report, || show::compact(&report));
            match report.postponed {
                0 => shown,
                _ => ExitCode::from(exit::FAILED),
            }
        }
        Err(failure) => failure.into_exit_code(),
    }
}

async fn retention(arguments: RetentionArgs) -> ExitCode {
    let place = &arguments.place;
    let planned = match (&place.data_dir, arguments.dry_run) {
        (Some(directory), true) => offline::retention(directory, arguments.config.as_deref()),
        (Some(_), false) => {
            return exit::usage(
                "only a running node removes anything: add --dry-run to see what would go from a directory",
            );
        }
        (None, true) => ask(&place.node, Method::GET, "api/v1/store/retention").await,
        (None, false) => ask(&place.node, Method::POST, "api/v1/store/retention").await,
    };
    match planned {
        Ok(plan) => say::<RetentionPlan>(place.json, &plan, || show::retention(&plan)),
        Err(failure) => failure.into_exit_code(),
    }
}

/// Why there is nothing to show.
enum Failure {
    /// The node does not do it.
    Refused(Refusal),
    /// The directory cannot be looked at.
    Directory(String),
    /// The configuration is faulty.
    Configuration(crate::config::Faults),
}

impl Failure {
    fn into_exit_code(self) -> ExitCode {
        match self {
            Self::Refused(refusal) => exit::refused(&refusal),
            Self::Directory(why) => exit::failed(why),
            Self::Configuration(faults) => {
                anstream::eprintln!("{}", faults.styled());
                ExitCode::from(exit::CONFIG)
            }
        }
    }
}

/// What a node answers, however long that takes.
async fn ask<T: DeserializeOwned>(
    node: &NodeArgs,
    method: Method,
    path: &str,
) -> Result<T, Failure> {
    node.wait_for(method, path).await.map_err(Failure::Refused)
}

/// As JSON, or as text.
fn say<T: Serialize>(json: bool, value: &T, text: impl FnOnce() -> String) -> ExitCode {
    if !json {
        print!("{}", text());
        return ExitCode::SUCCESS;
    }
    match json_lines(value) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => exit::failed(error),
    }
}
