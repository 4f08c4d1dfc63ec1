//! `hepcat run`: the node, from configuration to shutdown.

use std::{
    io::{self, IsTerminal, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    thread,
};

use anstream::eprintln;
use anstyle::Style;
use clap::Args;
use hepcat_net::Transport;
use jiff::tz::TimeZone;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::exit;
use crate::{
    config::{Config, Faults},
    node::{DrainReport, Node},
    query::Query,
    render::{Palette, arrival_summary},
    signal::{Request, Signals},
    sink::tail::{Seen, Watch, Watched},
};

/// Runs the node.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Configuration file; without one the node listens for HEP on UDP and TCP 9060.
    #[arg(short, long, value_name = "FILE", env = "HEPCAT_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs until a signal says stop.
pub(super) async fn run(arguments: RunArgs) -> ExitCode {
    let config = match load(&arguments) {
        Ok(config) => config,
        Err(faults) => return faulty(&faults),
    };
    // Signals are ours before anything is bound: one that comes early is not lost.
    let mut signals = match Signals::take() {
        Ok(signals) => signals,
        Err(error) => return exit::failed(format_args!("cannot handle signals: {error}")),
    };
    let node = match Node::start(config).await {
        Ok(node) => node,
        Err(faults) => return faulty(&faults),
    };
    let shown = io::stdout()
        .is_terminal()
        .then(|| show_messages(&node))
        .flatten();
    if arguments.config.is_none() {
        welcome(&node);
    }
    notify(&[sd_notify::NotifyState::Ready]);
    while signals.next().await == Request::Reload {
        reload(&arguments, &node).await;
    }
    notify(&[sd_notify::NotifyState::Stopping]);
    let report = node.stop().await;
    drop(shown);
    farewell(&report)
}

fn load(arguments: &RunArgs) -> Result<Config, Faults> {
    match &arguments.config {
        Some(path) => Config::load(path),
        None => Ok(Config::builtin()),
    }
}

fn faulty(faults: &Faults) -> ExitCode {
    eprintln!("{}", faults.styled());
    ExitCode::from(exit::CONFIG)
}

async fn reload(arguments: &RunArgs, node: &Arc<Node>) {
    match sd_notify::NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[sd_notify::NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "systemd is not told of the reload"),
    }
    let reloaded = match load(arguments) {
        Ok(config) => node.reload(config).await,
        Err(faults) => Err(faults),
    };
    match reloaded {
        Ok(()) => tracing::info!("configuration reloaded"),
        Err(faults) => {
            // In the log alone: standard error itself may be stuck or gone by now.
            for fault in &faults {
                tracing::error!(
                    file = fault.file().map(|file| file.display().to_string()),
                    line = fault.line(),
                    fault = fault.message(),
                    remedy = fault.remedy(),
                    "fault in the configuration"
                );
            }
            tracing::error!(
                faults = faults.len(),
                "configuration not reloaded, the old one goes on"
            );
        }
    }
    notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd, where it started us.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// Prints one line per message until the guard is dropped.
fn show_messages(node: &Arc<Node>) -> Option<impl Drop + use<>> {
    let watch = node.pipeline().tail().watch(Query::everything()).ok()?;
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let shown_by = Arc::clone(node);
    let runtime = Handle::current();
    // A terminal whose output is stopped (Ctrl-S) takes nothing for as long as somebody looks at it: no thread of the
    // runtime may wait for that, and neither may the end of the program.
    let printer = thread::Builder::new().name("terminal".to_owned());
    let printer = printer.spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                () = stopped.cancelled() => {}
                // A terminal that is gone takes no more: nobody is left to be told.
                _gone = print_each(&watch, &shown_by) => {}
            }
        });
    });
    printer.ok()?;
    Some(stop.drop_guard())
}

async fn print_each(watch: &Watch, node: &Node) -> io::Result<()> {
    let (palette, zone) = (Palette::coloured(), TimeZone::system());
    let mut terminal = anstream::stdout();
    loop {
        match watch.next().await {
            Seen::Missed(missed) => writeln!(terminal, "… {missed} messages not shown")?,
            Seen::Frame(Watched { arrival, .. }) => {
                let topology = node.pipeline().topology();
                let summary = arrival_summary(&arrival, topology.listener_name(&arrival));
                writeln!(terminal, "{}", summary.line(&palette, &zone))?;
            }
        }
    }
}

/// Says where to point agents, with a line to paste for each.
fn welcome(node: &Node) {
    const BOLD: Style = Style::new().bold();
    let listening = node.listening();
    let Some(port) = listening.first().map(|(_, address)| address.port()) else {
        return;
    };
    let host = reachable_host(&listening);
    eprintln!("{BOLD}hepcat{BOLD:#} {}", env!("CARGO_PKG_VERSION"));
    for (transport, address) in &listening {
        eprintln!("  listens for HEP on {} {address}", transport.name());
    }
    if let Some(page) = node.page_address() {
        eprintln!("  the page, metrics and health on http://{page}");
    }
    eprintln!("\nPoint an agent here (replace {host} by an address that it reaches):");
    eprintln!(
        "  {BOLD}OpenSIPS{BOLD:#}    modparam(\"proto_hep\", \"hep_id\", \"[hepcat] {host}:{port}; transport=tcp; version=3\")\n               \
         modparam(\"tracer\", \"trace_id\", \"[tid]uri=hep:hepcat\")"
    );
    eprintln!(
        "  {BOLD}Kamailio{BOLD:#}    modparam(\"siptrace\", \"duplicate_uri\", \"sip:{host}:{port}\")\n               \
         modparam(\"siptrace\", \"hep_mode_on\", 1)  modparam(\"siptrace\", \"hep_version\", 3)"
    );
    eprintln!(
        "  {BOLD}FreeSWITCH{BOLD:#}  <param name=\"capture-server\" value=\"udp:{host}:{port};hep=3;capture_id=100\"/>"
    );
    eprintln!(
        "  {BOLD}Asterisk{BOLD:#}    hep.conf: [general] enabled = yes, capture_address = {host}:{port}, capture_id = 100"
    );
    eprintln!(
        "\nOr replay a capture: hepcat send FILE.pcap --to hep_udp:127.0.0.1:{port}, or see synthetic calls: hepcat demo\n"
    );
}

/// An address that agents elsewhere may use: the first that is not a wildcard.
fn reachable_host(listening: &[(Transport, SocketAddr)]) -> String {
    listening
        .iter()
        .map(|(_, address)| address)
        .find(|address| !address.ip().is_unspecified())
        .map_or_else(
            || "THIS-HOST".to_owned(),
            |address| address.ip().to_string(),
        )
}

fn farewell(report: &DrainReport) -> ExitCode {
    for (sink, lost) in &report.lost {
        tracing::error!(
            destination = sink.as_str(),
            frames = lost,
            "not delivered before the limit"
        );
    }
    tracing::info!(
        received = report.received,
        routed = report.routed,
        lost = report.lost.iter().map(|(_, frames)| frames).sum::<u64>(),
        unaccounted = report.unaccounted,
        "stopped"
    );
    ExitCode::SUCCESS
}
