//! Set-up of the log: to standard error, as text or as JSON lines.

mod lines;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal},
    panic,
};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

pub(crate) use lines::LastLines;
use lines::Lines;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line each.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

/// Starts the log. `verbosity` counts `-v`: 0 says what is usual for the command (`info`, what an operator
/// must know, for a node; `error` for a command that says by itself what it has to say), 1 adds what
/// happens to single connections and frames, 2 adds every packet. `HEPCAT_LOG` takes a filter that beats it.
///
/// Nobody who logs ever waits for standard error. What is given back waits for the last lines when it is dropped.
///
/// # Errors
/// When the system has no thread to give.
pub(crate) fn start(format: LogFormat, usual: &str, verbosity: u8) -> io::Result<LastLines> {
    let level = match verbosity {
        0 => usual,
        1 => "hepcat=debug,hepcat_net=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("HEPCAT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let (queue, last) = Lines::start(io::stderr())?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || queue.clone())
        .with_ansi(io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // A second start (tests run several nodes in one process) keeps the first log.
    let _started = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    panic::set_hook(Box::new(say_panic));
    Ok(last)
}

/// A panic is a line of the log like any other: the hook of the standard library writes to standard error itself,
/// and would wait for it.
fn say_panic(panicked: &panic::PanicHookInfo<'_>) {
    let trace = Backtrace::capture();
    match trace.status() {
        BacktraceStatus::Captured => tracing::error!(%panicked, %trace, "panic"),
        _ => tracing::error!(%panicked, "panic"),
    }
}
