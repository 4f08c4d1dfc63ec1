//! `hepcat send`: captures and HEP dumps replayed as HEP.

mod frame;
mod pace;
mod reader;
mod summary;

use std::{
    fs,
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use hepcat_net::{
    Destination, DestinationConfig, Transport,
    destination::{Backoff, LinkState, QueueConfig, WhenFull},
    rustls::crypto::aws_lc_rs,
    tls::{ClientTls, ClientTlsSettings},
};
use hepcat_wire::Version;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{self, Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::exit;
use crate::config::{Host, Socket};
use frame::{Recipe, recorded_at};
use pace::{Factor, Pace, Pacer, Rate};
use reader::Read;
use summary::Summary;

/// Frames handed to the destination at a time.
const BATCH: usize = 64;
/// How often the link is looked at, and the progress bar moved.
const WATCH: Duration = Duration::from_millis(100);
/// A collector may be slow for as long as this before its connection is given up. A replay has nothing
/// else to do; the 100 ms of a node beside a proxy would cut connections for nothing.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

const AFTER_HELP: &str = "\
Reads pcap and pcapng (SIP over UDP and TCP on any port, and HEP), files of HEP frames, and frames written \
as hexadecimal text; each may be gzipped. What is HEP already is sent as it is, its time untouched.";

/// `hepcat send`.
#[derive(Debug, Args)]
#[command(disable_version_flag = true, after_help = AFTER_HELP)]
pub(crate) struct SendArgs {
    /// What to replay, one after the other; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to: hep_udp:HOST:PORT, hep_tcp:HOST:PORT or hep_tls:HOST:PORT.
    #[arg(long, value_name = "SOCKET", value_parser = Socket::parse_destination)]
    to: Socket,
    /// So many messages a second, instead of the spacing of the recording.
    #[arg(long, value_name = "N", conflicts_with_all = ["speed", "flat_out"])]
    rate: Option<Rate>,
    /// So many times faster than recorded: 10x.
    #[arg(long, value_name = "FACTOR", conflicts_with = "flat_out")]
    speed: Option<Factor>,
    /// As fast as the destination takes it.
    #[arg(long)]
    flat_out: bool,
    /// Time of the messages: when they are sent, or when they were recorded.
    #[arg(long, value_enum, default_value_t = Time::Now)]
    time: Time,
    /// Capture agent ID of the frames made from SIP.
    #[arg(long, value_name = "ID", default_value_t = 1)]
    capture_id: u32,
    /// HEP version: of the frames made from SIP (3 where not given), and what HEP of another version is
    /// converted to (left alone where not given).
    #[arg(long = "version", value_name = "VERSION", value_parser = read_version)]
    hep_version: Option<Version>,
    /// Again and again, until interrupted.
    #[arg(long = "loop", conflicts_with = "repeat")]
    endless: bool,
    /// So many times in all.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// No more than so many messages.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How long the destination may be unreachable before this gives up, such as 10s or 2m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = read_duration)]
    wait: Duration,
    /// Trust the authorities in this PEM file instead of the system's (hep_tls).
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name that the certificate must bear, where it is not HOST (hep_tls).
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Certificate to present, a PEM file (hep_tls).
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, a PEM file (hep_tls).
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Summary as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Time {
    Now,
    Recorded,
}

fn read_version(text: &str) -> Result<Version, &'static str> {
    match text {
        "1" => Ok(Version::V1),
        "2" => Ok(Version::V2),
        "3" => Ok(Version::V3),
        _ => Err("write 1, 2 or 3"),
    }
}

fn read_duration(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|e: jiff::Error| e.to_string())?;
    Duration::try_from(span).map_err(|_| "a time cannot be negative".to_owned())
}

impl SendArgs {
    /// What no single option can tell.
    fn check(&self) -> Result<(), String> {
        let tls = self.ca.is_some() || self.server_name.is_some() || self.cert.is_some();
        if tls && self.to.transport != Transport::Tls {
            return Err("--ca, --server-name, --cert and --key need hep_tls".to_owned());
        }
        if let Some(version @ (Version::V1 | Version::V2)) = self.hep_version {
            if self.to.transport != Transport::Udp {
                let number = version.number();
                return Err(format!("HEP version {number} goes over hep_udp only"));
            }
            if version == Version::V2 && self.capture_id > u32::from(u16::MAX) {
                return Err("--capture-id is above 65535, which version 2 cannot carry".to_owned());
            }
        }
        let again = self.endless || self.repeat > 1;
        if again && self.files.iter().any(|f| f.as_os_str() == "-") {
            return Err("standard input can be read only once".to_owned());
        }
        Ok(())
    }

    fn pace(&self) -> Pace {
        match (self.rate, self.speed) {
            _ if self.flat_out => Pace::FlatOut,
            (Some(rate), _) => Pace::Rate(rate),
            (None, factor) => Pace::Recorded(factor.unwrap_or(Factor::ONE)),
        }
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            transport: self.to.transport,
            capture_id: self.capture_id,
            version: self.hep_version,
            recorded_time: self.time == Time::Recorded,
        }
    }

    fn destination(&self) -> Result<DestinationConfig, String> {
        let host = match &self.to.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        };
        let (name, port) = (self.to.to_string(), self.to.port);
        let config = match self.to.transport {
            Transport::Udp => DestinationConfig::udp(name, host, port),
            Transport::Tcp => DestinationConfig::tcp(name, host, port),
            Transport::Tls => {
                let tls = self.tls(&host)?;
                DestinationConfig::tls(name, host, port, tls)
            }
            other => return Err(format!("cannot send over {}", other.name())),
        };
        let queue = QueueConfig::default().when_full(WhenFull::Block);
        Ok(config
            .queue(queue)
            .send_timeout(SEND_TIMEOUT)
            .backoff(Backoff::default().max(Duration::from_secs(1))))
    }

    fn tls(&self, host: &str) -> Result<ClientTls, String> {
        let mut settings = ClientTlsSettings::new();
        if let Some(ca) = &self.ca {
            settings = settings.ca(ca);
        }
        if let Some(name) = &self.server_name {
            settings = settings.server_name(name);
        }
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            settings = settings.identity(cert, key);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientTls::load(settings, provider).map_err(|e| e.to_string())?;
        tls.check_host(host).map_err(|e| e.to_string())?;
        Ok(tls)
    }

    /// Octets of all files, as often as they are read; `None` where that is not known.
    fn total_octets(&self) -> Option<u64> {
        if self.endless || self.limit.is_some() {
            return None;
        }
        let sizes = self.files.iter().map(|f| fs::metadata(f).ok());
        let sum: Option<u64> = sizes
            .map(|m| m.filter(fs::Metadata::is_file).map(|m| m.len()))
            .sum();
        sum?.checked_mul(self.repeat)
    }
}

/// Replays: 0 when everything that could be sent was, 1 when not, or when there was nothing to send.
pub(crate) async fn run(args: SendArgs) -> ExitCode {
    if let Err(why) = args.check() {
        return exit::usage(why);
    }
    let config = match args.destination() {
        Ok(config) => config,
        Err(why) => return exit::failed(why),
    };
    for file in args.files.iter().filter(|f| f.as_os_str() != "-") {
        if let Err(error) = fs::File::open(file) {
            return exit::failed(format_args!("cannot read {}: {error}", file.display()));
        }
    }
    let octets = Arc::new(AtomicU64::new(0));
    let times = (!args.endless).then_some(args.repeat);
    let from = match reader::start(args.files.clone(), times, Arc::clone(&octets)) {
        Ok(from) => from,
        Err(error) => return exit::failed(format_args!("cannot start a thread: {error}")),
    };
    let tasks = TaskTracker::new();
    let stop = CancellationToken::new();
    let mut replay = Replay {
        destination: Destination::spawn(config, &tasks, &stop),
        recipe: args.recipe(),
        pacer: Pacer::new(args.pace()),
        left: args.limit,
        wait: args.wait,
        started: Instant::now(),
        summary: Summary {
            destination: args.to.to_string(),
            ..Summary::default()
        },
    };
    let bar = progress_bar(&args);
    let ended = replay.run(from, &bar, &octets).await;
    let summary = replay.finish(ended).await;
    bar.finish_and_clear();
    for fault in &summary.faults {
        anstream::eprintln!("{fault}");
    }
    if args.json {
        anstream::println!("{}", summary.json());
    } else {
        anstream::println!("{}", summary.text());
    }
    let interrupted_loop = args.endless && ended == Ended::Interrupted;
    if summary.is_success() && (ended != Ended::Interrupted || interrupted_loop) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILED)
    }
}

fn progress_bar(args: &SendArgs) -> ProgressBar {
    if args.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = |template| ProgressStyle::with_template(template).expect("the template is fixed");
    match args.total_octets() {
        Some(total) => ProgressBar::new(total)
            .with_style(style("{elapsed_precise} [{bar:30}] {percent:>3} %  {msg}")),
        None => ProgressBar::no_length().with_style(style("{elapsed_precise} {spinner}  {msg}")),
    }
}

/// Why a replay is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Everything is sent, or as much as was asked for.
    Done,
    Interrupted,
    /// The destination was away for too long.
    Unreachable,
}

struct Replay {
    destination: Arc<Destination>,
    recipe: Recipe,
    pacer: Pacer,
    /// Messages that may still be sent.
    left: Option<u64>,
    wait: Duration,
    started: Instant,
    summary: Summary,
}

impl Replay {
    async fn run(
        &mut self,
        from: tokio::sync::mpsc::Receiver<Read>,
        bar: &ProgressBar,
        octets: &AtomicU64,
    ) -> Ended {
        let destination = Arc::clone(&self.destination);
        let wait = self.wait;
        tokio::select! {
            () = async {
                self.send_all(from).await;
                // As long as it takes: the watch gives up on a destination that is away.
                destination.drain(Duration::MAX).await;
            } => Ended::Done,
            () = watch(&destination, wait, bar, octets) => Ended::Unreachable,
            interrupted = tokio::signal::ctrl_c() => {
                // Where the signal cannot be caught, it ends the process by itself.
                match interrupted {
                    Ok(()) => Ended::Interrupted,
                    Err(_) => std::future::pending().await,
                }
            }
        }
    }

    async fn send_all(&mut self, mut from: tokio::sync::mpsc::Receiver<Read>) {
        let mut ready = Vec::with_capacity(BATCH);
        while let Some(read) = from.recv().await {
            match read {
                Read::Start => self.pacer.next_recording(),
                Read::Items(items) => {
                    for item in items {
                        if self.left == Some(0) {
                            self.offer(&mut ready).await;
                            return;
                        }
                        self.send(item, &mut ready).await;
                    }
                }
                Read::End(end) => {
                    for (reason, count) in end.skipped {
                        *self.summary.skipped.entry(reason).or_default() += count;
                    }
                    if let Some(fault) = end.fault {
                        let file = end.file.display();
                        self.summary.faults.push(format!("{file}: {fault}"));
                    }
                }
            }
            // What is ready does not wait for the file to be read.
            self.offer(&mut ready).await;
        }
    }

    async fn send(&mut self, item: crate::capfile::Item, ready: &mut Vec<Bytes>) {
        if let crate::capfile::Content::Other(what) = item.content {
            self.summary.skip(what);
            return;
        }
        let due = self.pacer.due(recorded_at(&item));
        let due = self.started.checked_add(due);
        if due.is_none_or(|due| due > Instant::now()) {
            self.offer(ready).await;
            match due {
                Some(due) => time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        }
        match self.recipe.frame(item, now()) {
            Ok(frame) => {
                ready.push(frame);
                self.left = self.left.map(|left| left - 1);
            }
            Err(reason) => self.summary.skip(reason),
        }
        if ready.len() >= BATCH {
            self.offer(ready).await;
        }
    }

    async fn offer(&self, ready: &mut Vec<Bytes>) {
        if !ready.is_empty() {
            self.destination.offer_wait(ready.drain(..)).await;
        }
    }

    async fn finish(mut self, ended: Ended) -> Summary {
        let limit = match ended {
            Ended::Unreachable => Duration::ZERO,
            Ended::Done | Ended::Interrupted => self.wait,
        };
        self.destination.drain(limit).await;
        let stats = self.destination.stats();
        let summary = &mut self.summary;
        summary.elapsed = self.started.elapsed();
        summary.messages = stats.ledger.delivered;
        summary.octets = stats.delivered_octets;
        for (reason, count) in stats.ledger.dropped.iter().filter(|(_, count)| *count > 0) {
            summary.dropped.insert(reason.label(), count);
        }
        let to = &summary.destination;
        let lost = stats.ledger.dropped.total() > 0 || ended == Ended::Unreachable;
        if let Some(error) = stats.last_error.filter(|_| lost) {
            summary.faults.push(format!("{to}: {}", error.words));
        } else if stats.link.refusals > 0 {
            let fault = format!("{to}: the host answers that nobody listens there");
            summary.faults.push(fault);
        }
        if ended == Ended::Done && summary.faults.is_empty() && summary.messages == 0 {
            summary.faults.push("there was nothing to send".to_owned());
        }
        self.summary
    }
}

/// Moves the progress bar; done when the destination has been away for longer than `wait`.
async fn watch(destination: &Destination, wait: Duration, bar: &ProgressBar, octets: &AtomicU64) {
    let mut ticks = time::interval(WATCH);
    loop {
        ticks.tick().await;
        let stats = destination.stats();
        bar.set_position(octets.load(Ordering::Relaxed));
        bar.set_message(format!(
            "{} messages, {} octets, {}",
            stats.ledger.delivered,
            stats.delivered_octets,
            stats.state.label()
        ));
        let away = matches!(stats.state, LinkState::Down | LinkState::CoolingDown);
        if away && stats.state_for >= wait {
            return;
        }
    }
}

fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
