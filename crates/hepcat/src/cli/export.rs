//! `hepcat export`: a call, or whatever fits a query, as a file.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal as _, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anstream::eprintln;
use clap::{Args, ValueEnum};
use jiff::{Timestamp, Zoned};
use reqwest::{Response, header::HeaderMap};

use super::{NodeArgs, api::Refusal, exit, words};
use crate::{
    export::Format,
    query::{Query, Scope},
    render::escape_str,
};

/// A node that writes a file says something this often.
const SILENCE: Duration = Duration::from_secs(60);

/// Writes a call that a running node keeps, or the messages that fit a query, as a file.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// What kind of file.
    #[arg(short, long, value_enum, default_value_t)]
    format: Kind,
    /// File to write, replacing what is there; `-` is standard output, which is also where none is named.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Messages that fit this instead of a call, those received last where there are too many for one file.
    #[arg(short, long, value_name = "QUERY", allow_hyphen_values = true)]
    query: Option<String>,
    /// Only what is no older than this: 15m, 2h, 7d.
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration, requires = "query", conflicts_with = "from")]
    last: Option<Duration>,
    /// Only what has this time or a later one: 2026-11-23, 2026-11-23T10:00+01:00, 10:30, yesterday.
    #[arg(long, value_name = "TIME", value_parser = words::time, requires = "query")]
    from: Option<Timestamp>,
    /// Only what is earlier than this.
    #[arg(long, value_name = "TIME", value_parser = words::time, requires = "query")]
    to: Option<Timestamp>,
    /// How many messages at most.
    #[arg(short = 'n', long, value_name = "NUMBER", requires = "query")]
    limit: Option<u64>,
    /// What an earlier export left out: the word that it said.
    #[arg(long, value_name = "CURSOR", requires = "query")]
    before: Option<String>,
    /// A Call-ID of the call, or the call's id.
    #[arg(
        value_name = "CALL-ID",
        allow_hyphen_values = true,
        conflicts_with = "query",
        required_unless_present = "query"
    )]
    call: Option<String>,
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Packets for Wireshark and its kin.
    #[default]
    Pcapng,
    /// Text for people.
    Text,
    /// One JSON object per line.
    #[value(alias = "jsonl")]
    Json,
}

impl Kind {
    fn format(self) -> Format {
        match self {
            Self::Pcapng => Format::Pcapng,
            Self::Text => Format::Text,
            Self::Json => Format::Json,
        }
    }
}

/// Asks the node and writes what it sends. Exit code 2 for a faulty query, 1 where the file is not whole.
pub(super) async fn run(arguments: ExportArgs) -> ExitCode {
    let file = arguments
        .output
        .clone()
        .filter(|file| file.as_os_str() != "-");
    if file.is_none() && arguments.format == Kind::Pcapng && io::stdout().is_terminal() {
        return exit::usage(
            "pcapng is nothing for a terminal: `-o FILE` writes a file, `-f text` shows text, and a pipe takes either",
        );
    }
    let path = match path(&arguments) {
        Ok(path) => path,
        Err(code) => return code,
    };
    let answer = match arguments.node.ask_stream(&path).await {
        Ok(answer) => answer,
        // For a call that there is not, nobody is at fault.
        Err(refusal @ Refusal::Request(_)) if arguments.call.is_none() => {
            return exit::refused(&refusal);
        }
        Err(refusal) => return exit::failed(refusal_text(&refusal)),
    };
    let headers = answer.headers().clone();
    let written = match &file {
        Some(name) => match File::create(name) {
            Ok(to) => write(answer, BufWriter::new(to)).await,
            Err(error) => {
                return exit::failed(format_args!("cannot write {}: {error}", name.display()));
            }
        },
        None => write(answer, io::stdout()).await,
    };
    match written {
        Ok(octets) => {
            tell(&arguments, &headers, octets);
            ExitCode::SUCCESS
        }
        Err(End::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(End::Output(error)) => exit::failed(format_args!("cannot write: {error}")),
        Err(End::Answer(why)) => exit::failed(format_args!("{why}: what was written is not whole")),
    }
}

fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Request(why) => why.clone(),
        Refusal::Other(error) => format!("{error:#}"),
    }
}

/// The path of what is asked for.
fn path(arguments: &ExportArgs) -> Result<String, ExitCode> {
    let mut url = arguments.node.node.clone();
    url.set_query(None);
    let path = if let Some(call) = &arguments.call {
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().push(call);
        }
        format!("calls/{}", url.path().trim_start_matches('/'))
    } else {
        "messages".to_owned()
    };
    let mut pairs = url.query_pairs_mut();
    pairs.append_pair("format", arguments.format.format().name());
    if let Some(text) = &arguments.query {
        let now = Zoned::now();
        // The node is told moments: its zone may be another.
        let query = match Query::parse_at(Scope::Stored, text, &now) {
            Ok(query) => query.to_string(),
            Err(error) => return Err(exit::usage(error.render(text))),
        };
        if !query.is_empty() {
            pairs.append_pair("q", &query);
        }
        let since = arguments.last.and_then(|last| {
            let last = jiff::SignedDuration::try_from(last).ok()?;
            now.timestamp().checked_sub(last).ok()
        });
        for (name, time) in [("from", arguments.from.or(since)), ("to", arguments.to)] {
            if let Some(time) = time {
                pairs.append_pair(name, &time.to_string());
            }
        }
        if let Some(limit) = arguments.limit {
            pairs.append_pair("limit", &limit.to_string());
        }
        if let Some(before) = &arguments.before {
            pairs.append_pair("cursor", before);
        }
    }
    drop(pairs);
    Ok(format!(
        "api/v1/{path}/export?{}",
        url.query().unwrap_or_default()
    ))
}

/// Why there is no more.
enum End {
    Output(io::Error),
    Answer(String),
}

/// Writes the answer as it comes, and says how long it was.
async fn write(mut answer: Response, mut to: impl Write) -> Result<u64, End> {
    let mut octets = 0;
    loop {
        let part = match tokio::time::timeout(SILENCE, answer.chunk()).await {
            Ok(Ok(Some(part))) => part,
            Ok(Ok(None)) => break,
            Ok(Err(_broken)) => return Err(End::Answer("the answer breaks off".to_owned())),
            Err(_late) => return Err(End::Answer("the node has fallen silent".to_owned())),
        };
        octets += part.len() as u64;
        to.write_all(&part).map_err(End::Output)?;
    }
    to.flush().map_err(End::Output)?;
    Ok(octets)
}

/// Says what there is to be known about the file, beside it.
fn tell(arguments: &ExportArgs, headers: &HeaderMap, octets: u64) {
    let said = |name: &str| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(escape_str(value))
    };
    let messages = said("hepcat-messages").unwrap_or_else(|| "?".to_owned());
    if let Some(file) = &arguments.output {
        let file = file.display();
        eprintln!("{messages} messages, {octets} octets: {file}");
    }
    if let Some(since) = said("hepcat-searched-from") {
        eprintln!(
            "payloads were searched since {since} only: `--last 1d` or `--from` says since when"
        );
    }
    if let Some(unreadable) = said("hepcat-unreadable") {
        eprintln!(
            "{unreadable} files of the store could not be read: what they hold is missing here"
        );
    }
    if let Some(why) = said("hepcat-left-out") {
        match said("hepcat-next").filter(|_| arguments.query.is_some()) {
            Some(next) => eprintln!(
                "older messages are left out ({why}): the same with `--before {next}` exports them"
            ),
            None => eprintln!("older messages are left out: {why}"),
        }
    }
}
