//! `hepcat flow`: the ladder of one call.

use std::{
    io::{self, IsTerminal as _, Write},
    process::ExitCode,
};

use anstream::{AutoStream, ColorChoice};
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde_json::Value;

use super::{NodeArgs, api::Refusal, exit};

/// Columns where there is no terminal to ask.
const WIDTH: usize = 120;

/// Draws who sent what to whom in a call that a running node keeps, all its legs in one diagram.
#[derive(Debug, Args)]
pub(super) struct FlowArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Columns; those of the terminal where none are given.
    #[arg(short, long, value_name = "COLUMNS")]
    width: Option<usize>,
    /// Lines of `-` and `|` instead of box drawing.
    #[arg(long)]
    ascii: bool,
    /// What stands at the left of each message.
    #[arg(short, long, value_enum, default_value_t)]
    times: Shown,
    /// What has a colour, on a terminal that wants colours.
    #[arg(short, long, value_enum, default_value_t)]
    colours: Coloured,
    /// A column for each address, whatever the port.
    #[arg(short, long)]
    addresses: bool,
    /// Each transmission of a message, also the second.
    #[arg(short, long)]
    every: bool,
    /// Without what stands below it: why the legs are one call, and why it went as it did.
    #[arg(long)]
    brief: bool,
    /// The ladder as JSON.
    #[arg(long)]
    json: bool,
    /// A Call-ID of the call, or the call's id.
    #[arg(value_name = "CALL-ID", allow_hyphen_values = true)]
    call: String,
}

/// Which times.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Shown {
    /// Time of day, UTC.
    #[default]
    Absolute,
    /// Since the first message.
    Relative,
    /// Since the message before.
    Delta,
    /// Time of day, and since the message before.
    Both,
}

/// What has a colour.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Coloured {
    /// Each leg where there are several, else each kind of message.
    #[default]
    Auto,
    /// Each leg.
    CallId,
    /// Requests, and responses by their class.
    Kind,
}

impl Coloured {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::CallId => "call_id",
            Self::Kind => "kind",
        }
    }
}

impl Shown {
    fn name(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Relative => "relative",
            Self::Delta => "delta",
            Self::Both => "both",
        }
    }
}

/// Asks the node and prints what it draws.
pub(super) async fn run(arguments: FlowArgs) -> ExitCode {
    match ask(&arguments).await {
        Ok(text) => print(&text),
        Err(Refusal::Request(why)) => exit::failed(why),
        Err(Refusal::Other(error)) => exit::failed(format_args!("{error:#}")),
    }
}

async fn ask(arguments: &FlowArgs) -> Result<String, Refusal> {
    let what = if arguments.json { "ladder" } else { "flow" };
    let path = path(arguments, what);
    if arguments.json {
        let ladder: Value = (arguments.node)
            .ask(Method::GET, &path, None::<&()>)
            .await?;
        return Ok(format!("{ladder}\n"));
    }
    arguments.node.ask_text(&path).await
}

fn path(arguments: &FlowArgs, what: &str) -> String {
    let mut url = arguments.node.node.clone();
    url.set_query(None);
    {
        let mut pairs = url.query_pairs_mut();
        if arguments.addresses {
            pairs.append_pair("lanes", "address");
        }
        if what == "flow" {
            let width = arguments.width.or_else(terminal_width).unwrap_or(WIDTH);
            pairs.append_pair("width", &width.to_string());
            pairs.append_pair("times", arguments.times.name());
            if AutoStream::choice(&io::stdout()) != ColorChoice::Never {
                pairs.append_pair("colours", arguments.colours.name());
            }
            pairs.append_pair("ascii", if arguments.ascii { "true" } else { "false" });
            pairs.append_pair("every", if arguments.every { "true" } else { "false" });
            pairs.append_pair("explain", if arguments.brief { "false" } else { "true" });
        }
    }
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.clear().push(&arguments.call);
    }
    let call = url.path().trim_start_matches('/').to_owned();
    format!(
        "api/v1/calls/{call}/{what}?{}",
        url.query().unwrap_or_default()
    )
}

fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (width, _) = terminal_size::terminal_size()?;
    Some(usize::from(width.0)).filter(|width| *width > 0)
}

fn print(text: &str) -> ExitCode {
    let mut to = anstream::stdout().lock();
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => exit::failed(format_args!("cannot write: {error}")),
    }
}
