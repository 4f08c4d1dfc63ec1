//! Set-up of the log: to standard error, as text or as JSON lines.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

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
pub(crate) fn start(format: LogFormat, usual: &str, verbosity: u8) {
    let level = match verbosity {
        0 => usual,
        1 => "hepcat=debug,hepcat_net=debug,info",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("HEPCAT_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // A second start (tests run several nodes in one process) keeps the first log.
    let _started = match format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
