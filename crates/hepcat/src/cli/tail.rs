//! `hepcat tail`: messages of a running node, live.

mod events;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anstream::eprintln;
use anyhow::{Context as _, Result};
use clap::Args;
use futures_util::StreamExt as _;
use hepcat_net::destination::Backoff;
use jiff::tz::TimeZone;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use self::events::{Event, EventStream};
use super::{NodeArgs, exit, words};
use crate::{
    query::Query,
    render::{Palette, Summary, json_line},
};

/// The node says something every 15 seconds, if only that it is there.
const SILENCE: Duration = Duration::from_secs(45);

/// Longest pause between attempts to get back to a node: somebody is watching.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Shows messages as they come, one line each.
#[derive(Debug, Args)]
pub(super) struct TailArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object per line, with everything that is known of a message; {"missed": N} where messages were lost on
    /// the way here because this end was slow.
    #[arg(long)]
    json: bool,
    /// Which messages, in the query language; all of them when absent. In single quotes the shell leaves it alone:
    /// hepcat tail 'agent:10.1.0.0/16 -method:OPTIONS'
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    query: Vec<String>,
}

/// Watches until interrupted. Exit code 2 for a faulty query, 1 when the node cannot be reached at first.
pub(super) async fn run(arguments: TailArgs) -> ExitCode {
    // First of all: an interrupt is a good end from here on, whatever else is going on.
    let mut interrupt = match signal(SignalKind::interrupt()) {
        Ok(interrupt) => interrupt,
        Err(error) => return exit::failed(format_args!("cannot listen for interrupts: {error}")),
    };
    if let Some(word) = words::misplaced_option(&arguments.query) {
        return exit::usage(format_args!(
            "`{word}` is no option, or stands behind the query: options come first; `hepcat tail --help` names them"
        ));
    }
    let text = arguments.query.join(" ");
    if let Err(error) = Query::parse(&text) {
        return exit::usage(error.render(&text));
    }
    let mut tail = Tail {
        node: arguments.node,
        query: text,
        printer: Printer::new(arguments.json),
    };
    tokio::select! {
        code = tail.watch() => code,
        _ = interrupt.recv() => ExitCode::SUCCESS,
    }
}

struct Tail {
    node: NodeArgs,
    query: String,
    printer: Printer,
}

/// Why a look at the stream came to an end.
enum End {
    /// Whoever reads us has seen enough.
    NobodyReads,
    /// Our own output fails.
    Output(io::Error),
    /// The stream did.
    Stream(String),
}

/// Why the node does not let us watch.
enum Refusal {
    /// It does not answer, or not now: worth another attempt once it has answered before.
    Passing(String),
    /// It answers no.
    Final(ExitCode),
}

impl Tail {
    async fn watch(&mut self) -> ExitCode {
        let mut stream = match self.connect().await {
            Ok(stream) => stream,
            Err(Refusal::Passing(why)) => return exit::failed(why),
            Err(Refusal::Final(code)) => return code,
        };
        loop {
            match self.follow(stream).await {
                End::NobodyReads => return ExitCode::SUCCESS,
                End::Output(error) => return exit::failed(format_args!("cannot write: {error}")),
                End::Stream(why) => eprintln!("{why}; trying to get back to {}", self.node.node),
            }
            stream = match self.reconnect().await {
                Ok(stream) => stream,
                Err(code) => return code,
            };
            eprintln!("watching again; what came in between was not seen");
        }
    }

    async fn connect(&self) -> Result<Response, Refusal> {
        let request = self
            .request()
            .map_err(|error| Refusal::Final(exit::failed(format_args!("{error:#}"))))?;
        let answer = tokio::time::timeout(SILENCE, request.send()).await;
        let node = &self.node.node;
        match answer {
            Ok(Ok(answer)) if answer.status() == StatusCode::OK => Ok(answer),
            Ok(Ok(answer)) => Err(refusal(answer).await),
            Ok(Err(error)) if error.is_connect() => Err(Refusal::Passing(format!(
                "no node answers at {node} ({}). Is it running? `hepcat run` starts one; `--node URL` names another.",
                cause(&error)
            ))),
            Ok(Err(error)) => Err(Refusal::Passing(format!(
                "{node} gave no proper answer: {}",
                cause(&error)
            ))),
            Err(_) => Err(Refusal::Passing(format!(
                "{node} accepts but does not answer"
            ))),
        }
    }

    fn request(&self) -> Result<reqwest::RequestBuilder> {
        let mut url = self.node.node.clone();
        url.set_query(None);
        url.query_pairs_mut().append_pair("q", &self.query);
        let query = url.query().context("a query string was just made")?;
        self.node.get(&format!("api/v1/live?{query}"))
    }

    async fn reconnect(&self) -> Result<Response, ExitCode> {
        let backoff = Backoff::default().max(LONGEST_PAUSE);
        let mut failures = 1;
        loop {
            tokio::time::sleep(backoff.delay(failures, 0.0)).await;
            match self.connect().await {
                Ok(stream) => return Ok(stream),
                Err(Refusal::Passing(_)) => failures += 1,
                Err(Refusal::Final(code)) => return Err(code),
            }
        }
    }

    /// Prints what comes until nothing more does.
    async fn follow(&mut self, answer: Response) -> End {
        let mut parts = answer.bytes_stream();
        let mut stream = EventStream::default();
        loop {
            let part = match tokio::time::timeout(SILENCE, parts.next()).await {
                Ok(Some(Ok(part))) => part,
                Ok(Some(Err(error))) => {
                    return End::Stream(format!("the connection broke: {}", cause(&error)));
                }
                Ok(None) => return End::Stream("the node closed the connection".to_owned()),
                Err(_) => return End::Stream("the node has fallen silent".to_owned()),
            };
            stream.push(&part);
            loop {
                let event = match stream.next() {
                    Ok(Some(event)) => event,
                    Ok(None) => break,
                    Err(error) => return End::Stream(format!("the stream is faulty: {error}")),
                };
                match self.printer.print(&event) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        return End::NobodyReads;
                    }
                    Err(error) => return End::Output(error),
                }
            }
        }
    }
}

/// Puts an answer that is no stream into words.
async fn refusal(answer: Response) -> Refusal {
    let status = answer.status();
    let url = answer.url().clone();
    let problem: Value = answer.json().await.unwrap_or_default();
    let said = problem
        .get("detail")
        .and_then(Value::as_str)
        .map(crate::render::escape_str)
        .unwrap_or_default();
    let reason = if said.is_empty() {
        String::new()
    } else {
        format!(": {said}")
    };
    match status {
        // Our own parser took it: the node speaks another version of the language.
        StatusCode::BAD_REQUEST => Refusal::Final(exit::usage(format_args!(
            "the node refuses the query{reason}"
        ))),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Refusal::Final(exit::failed(format_args!(
                "the node does not let us watch{reason} (a token goes into HEPCAT_TOKEN or --token-file)"
            )))
        }
        StatusCode::NOT_FOUND => Refusal::Final(exit::failed(format_args!(
            "nothing live at {url}: this is no hepcat node, or an older one"
        ))),
        status if status.is_server_error() => {
            Refusal::Passing(format!("the node cannot serve us now ({status}){reason}"))
        }
        status => Refusal::Final(exit::failed(format_args!(
            "the node answers {status}{reason}"
        ))),
    }
}

/// The innermost cause, which says most: "Connection refused" rather than "error sending request".
fn cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

struct Printer {
    json: bool,
    palette: Palette,
    zone: TimeZone,
}

impl Printer {
    fn new(json: bool) -> Self {
        Self {
            json,
            palette: Palette::coloured(),
            zone: TimeZone::system(),
        }
    }

    fn print(&self, event: &Event) -> io::Result<()> {
        let Ok(value) = serde_json::from_str::<Value>(&event.data) else {
            eprintln!("an event of the node is no JSON and is not shown");
            return Ok(());
        };
        let mut to = anstream::stdout().lock();
        match event.name.as_str() {
            "message" | "missed" if self.json => json_line(&value, &mut to),
            "message" => {
                let summary = Summary::of_json(&value);
                writeln!(to, "{}", summary.line(&self.palette, &self.zone))
            }
            "missed" => {
                let missed = value.get("missed").and_then(Value::as_u64).unwrap_or(0);
                writeln!(to, "… {missed} messages not shown")
            }
            // An event of a later version.
            _ => Ok(()),
        }?;
        to.flush()
    }
}
