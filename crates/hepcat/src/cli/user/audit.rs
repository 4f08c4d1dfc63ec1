//! `hepcat user audit`: the audit log.

use std::io;

use anstream::println;
use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{NotDone, Place};
use crate::{
    render::{escape_str, json_line},
    state::{self, audit::Sought},
};

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    /// How many entries, the newest.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only those of this action, as docs/access.md names them.
    #[arg(long)]
    action: Option<String>,
    /// Only those with this in user, address, action or subject.
    #[arg(long, default_value = "", hide_default_value = true)]
    text: String,
    /// Print one JSON object a line instead of text.
    #[arg(long)]
    json: bool,
}

/// Prints the oldest of them first, as logs are read.
pub(super) fn run(place: &Place, arguments: &AuditArgs) -> Result<(), NotDone> {
    let sought = Sought {
        action: arguments.action.clone(),
        text: arguments.text.clone(),
        ..Sought::default()
    };
    let entries = state::audit::list(&place.state, &sought, arguments.limit);
    for entry in entries
        .context("the audit log cannot be read")?
        .iter()
        .rev()
    {
        if arguments.json {
            json_line(&json!(entry), &mut io::stdout().lock())
                .context("the audit log cannot be written")?;
            continue;
        }
        let or_dash = |text: &str| match text {
            "" => "-".to_owned(),
            text => escape_str(text),
        };
        println!(
            "{:.0}  {:<16} {:<9} {:<24} {:<15} {}",
            entry.at,
            or_dash(&entry.user),
            or_dash(&entry.role),
            or_dash(&entry.address),
            entry.action,
            escape_str(&entry.subject)
        );
    }
    Ok(())
}
