//! `hepcat search`: calls and messages that a node keeps.

use std::{
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
    time::Duration,
};

use anstream::eprintln;
use clap::Args;
use jiff::{Timestamp, Zoned, tz::TimeZone};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{NodeArgs, api::Refusal, exit, words};
use crate::{
    call::CallRecord,
    query::{Query, Scope},
    render::{Palette, Summary, columns::Table, json_line},
};

/// Rows of one answer; more are asked for page by page.
const PAGE: u64 = 1_000;

/// Finds calls that a running node keeps, or messages, the newest first.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Messages instead of calls.
    #[arg(short, long)]
    messages: bool,
    /// Registrations, subscriptions, messages and OPTIONS as well as calls.
    #[arg(short, long, conflicts_with = "messages")]
    all: bool,
    /// One JSON object per line instead of a table.
    #[arg(long)]
    json: bool,
    /// Only what is no older than this: 15m, 2h, 7d.
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration, conflicts_with = "from")]
    last: Option<Duration>,
    /// Only what has this time or a later one: 2026-11-23, 2026-11-23T10:00+01:00, 10:30, yesterday.
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    from: Option<Timestamp>,
    /// Only what is earlier than this.
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    to: Option<Timestamp>,
    /// How many at most.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 100)]
    limit: u64,
    /// What to look for, in the query language; everything when absent.
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    query: Vec<String>,
}

/// One answer of the node.
#[derive(Debug, Deserialize)]
struct Page {
    #[serde(default)]
    calls: Vec<Value>,
    #[serde(default)]
    messages: Vec<Value>,
    next: Option<String>,
    ended_by: Option<String>,
    #[serde(default)]
    unreadable: u64,
    searched: Option<Searched>,
}

/// What the node looked through.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Searched {
    from: Option<Timestamp>,
    #[serde(default)]
    by_default: bool,
}

/// Asks the node page by page and prints what it finds. Exit code 2 for a faulty query, 1 where nothing answers.
pub(super) async fn run(arguments: SearchArgs) -> ExitCode {
    if let Some(word) = words::misplaced_option(&arguments.query) {
        return exit::usage(format_args!(
            "`{word}` is no option, or stands behind the query: options come first; `hepcat search --help` names them"
        ));
    }
    let text = arguments.query.join(" ");
    let scope = if arguments.messages {
        Scope::Stored
    } else {
        Scope::Call
    };
    // The node is told moments: its zone may be another, and between pages time goes on.
    let query = match Query::parse_at(scope, &text, &Zoned::now()) {
        Ok(query) => query.to_string(),
        Err(error) => return exit::usage(error.render(&text)),
    };
    match find(&arguments, &query).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Refused(Refusal::Request(why))) => exit::usage(why),
        Err(End::Refused(Refusal::Other(error))) => exit::failed(format_args!("{error:#}")),
        Err(End::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(End::Output(error)) => exit::failed(format_args!("cannot write: {error}")),
    }
}

enum End {
    Refused(Refusal),
    Output(io::Error),
}

async fn find(arguments: &SearchArgs, query: &str) -> Result<(), End> {
    let since = arguments.last.and_then(|last| {
        let now = Timestamp::now();
        now.checked_sub(jiff::SignedDuration::try_from(last).ok()?)
            .ok()
    });
    let mut from = arguments.from.or(since);
    let mut left = arguments.limit;
    let mut printer = Printer::new(arguments);
    let mut cursor: Option<String> = None;
    let mut unreadable = 0;
    while left > 0 {
        let path = path(arguments, query, from, left.min(PAGE), cursor.as_deref());
        let page: Page = arguments
            .node
            .ask(Method::GET, &path, None::<&()>)
            .await
            .map_err(End::Refused)?;
        if let Some(searched) = page.searched.filter(|searched| searched.by_default)
            && let Some(since) = searched.from
        {
            eprintln!(
                "payloads are searched since {since:.0} only: `--last 1d` or `--from` says since when"
            );
            // Of all pages the same: between them time goes on.
            from = Some(since);
        }
        let rows = if arguments.messages {
            page.messages
        } else {
            page.calls
        };
        left = left.saturating_sub(rows.len() as u64);
        printer.print(&rows).map_err(End::Output)?;
        unreadable = unreadable.max(page.unreadable);
        let is_further = page.next.is_some() && page.next != cursor;
        match page.ended_by {
            // It took its time and got on: the next page goes on from there.
            Some(_) if is_further => say_how_far(page.next.as_deref()),
            Some(why) => {
                eprintln!("{why}: there may be more; a shorter time takes less");
                break;
            }
            None => {}
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if unreadable > 0 {
        eprintln!(
            "{unreadable} files of the store could not be read: what they hold is missing here"
        );
    }
    if printer.is_empty {
        eprintln!("nothing fits");
    } else if left == 0 && cursor.is_some() {
        eprintln!("there may be more: `-n NUMBER` shows as many");
    }
    Ok(())
}

/// Tells whoever waits at a terminal how far the search has come.
fn say_how_far(cursor: Option<&str>) {
    let received = cursor.and_then(|cursor| cursor.split_once('_')?.0.parse().ok());
    let received = received.and_then(|micros| Timestamp::from_microsecond(micros).ok());
    if let Some(received) = received
        && io::stderr().is_terminal()
    {
        eprintln!("… looked back to {received:.0}");
    }
}

fn path(
    arguments: &SearchArgs,
    query: &str,
    from: Option<Timestamp>,
    limit: u64,
    cursor: Option<&str>,
) -> String {
    let what = if arguments.messages {
        "messages"
    } else {
        "calls"
    };
    let mut url = arguments.node.node.clone();
    url.set_query(None);
    {
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("limit", &limit.to_string());
        if arguments.all {
            pairs.append_pair("all", "true");
        }
        if !query.is_empty() {
            pairs.append_pair("q", query);
        }
        for (name, time) in [("from", from), ("to", arguments.to)] {
            if let Some(time) = time {
                pairs.append_pair(name, &time.to_string());
            }
        }
        if let Some(cursor) = cursor {
            pairs.append_pair("cursor", cursor);
        }
    }
    format!("api/v1/{what}?{}", url.query().unwrap_or_default())
}

/// Prints pages as they come.
struct Printer<'a> {
    arguments: &'a SearchArgs,
    palette: Palette,
    zone: TimeZone,
    table: Table,
    is_empty: bool,
}

impl<'a> Printer<'a> {
    fn new(arguments: &'a SearchArgs) -> Self {
        Self {
            arguments,
            palette: Palette::coloured(),
            zone: TimeZone::system(),
            table: Table::default(),
            is_empty: true,
        }
    }

    fn print(&mut self, rows: &[Value]) -> io::Result<()> {
        let mut to = anstream::stdout().lock();
        let mut lines = Vec::new();
        for row in rows {
            if self.arguments.json {
                json_line(row, &mut to)?;
            } else if self.arguments.messages {
                let summary = Summary::of_json(row);
                writeln!(to, "{}", summary.line(&self.palette, &self.zone))?;
            } else if let Ok(call) = CallRecord::deserialize(row) {
                if self.is_empty && lines.is_empty() {
                    lines.push(HEAD.map(str::to_owned).into());
                }
                lines.push(about(&call, &self.zone));
            }
        }
        self.is_empty &= rows.is_empty();
        to.write_all(self.table.render(&lines).as_bytes())?;
        to.flush()
    }
}

const HEAD: [&str; 10] = [
    "STARTED", "STATE", "FROM", "TO", "SETUP", "DURATION", "CODE", "LEGS", "MESSAGES", "CALL-ID",
];

fn about(call: &CallRecord, zone: &TimeZone) -> Vec<String> {
    let started = Timestamp::from_microsecond(call.started.as_micros())
        .map(|at| at.to_zoned(zone.clone()).strftime("%F %T%.3f").to_string());
    let party = |party: &crate::call::Party| {
        let shown = party.user.as_deref().or(party.host.as_deref());
        shown.unwrap_or("-").to_owned()
    };
    let seconds = |span: Option<Duration>| {
        span.map_or_else(
            || "-".to_owned(),
            |span| format!("{:.1}s", span.as_secs_f64()),
        )
    };
    vec![
        started.unwrap_or_default(),
        call.state.label().to_owned(),
        party(&call.from),
        party(&call.to),
        seconds(call.setup),
        seconds(call.talk),
        call.final_code
            .map_or_else(|| "-".to_owned(), |code| code.to_string()),
        call.legs.len().to_string(),
        call.messages.to_string(),
        call.legs
            .first()
            .map_or_else(String::new, |leg| leg.call_id.to_string()),
    ]
}
