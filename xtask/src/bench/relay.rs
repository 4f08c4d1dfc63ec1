//! `bench relay`: the node between generator and sink.

use std::{fs::File, io::Write, path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use hepcat_testkit::load::{Transport, Version, raw_receive};
use serde_json::json;

use super::{
    Arrangement, bars,
    ceiling::{highest_rate, udp_ceiling},
    path::Path,
    priority::Realtime,
    results_file,
    run::{Bench, Last, Load, Ran},
};
use crate::table::{render, row};

/// The share of the ceiling at which a node must lose nothing.
const SHARE: f64 = 0.9;
/// How long latency is measured, at most: a machine that stands still for some ten milliseconds once must not be the
/// 99th percentile.
const LATENCY: Duration = Duration::from_secs(30);
/// How long generator and sink alone are measured, at most.
const ALONE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// udp-udp, udp-tcp, tcp-tcp, tcp-tls, v2-v3, tls-tls, or all (the first five).
    #[arg(long, default_value = "all")]
    path: String,
    /// Destinations that each get every message.
    #[arg(long, default_value_t = 1)]
    destinations: usize,
    /// Seconds of each run.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How often everything is measured; the table gives medians.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Messages per second in place of 90 % of the measured ceiling (UDP) or flat out (TCP, TLS).
    #[arg(long)]
    rate: Option<f64>,
    /// Leave out the comparison with one of three destinations down.
    #[arg(long)]
    no_outage: bool,
    /// Measure nothing but that comparison.
    #[arg(long, conflicts_with = "no_outage")]
    outage_only: bool,
    #[command(flatten)]
    pub(super) arrangement: Arrangement,
}

/// All rounds of one path.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) path: Path,
    pub(super) rounds: Vec<Round>,
}

/// What one round measured of one path.
#[derive(Debug)]
pub(super) struct Round {
    /// What generator and sink carried alone, messages per second.
    pub(super) ceiling: f64,
    /// The node under full load.
    pub(super) full: Ran,
    /// The highest rate without loss: that of the full load, or what was found below it.
    pub(super) lossless: f64,
    /// Half of that, through the node and straight.
    pub(super) half: Ran,
    pub(super) half_direct: Ran,
}

/// Three destinations, with the last up and with the last down, turn by turn.
#[derive(Debug)]
pub(super) struct Outage {
    pub(super) what: &'static str,
    pub(super) turns: Vec<(Ran, Ran)>,
}

/// Writes down single results as they come.
struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    fn new() -> Result<Self> {
        let path = results_file("relay")?;
        Ok(Self {
            file: File::create(&path)?,
            path,
        })
    }

    fn note(&mut self, round: usize, load: Load, kind: &str, ran: &Ran) -> Result<()> {
        let cpu = ran.node.map_or(0.0, |node| node.cpu_micros_per_message);
        println!(
            "  {:8} {kind:12} {:>9.0} msg/s  lost {:>6}  cpu {cpu:>5.2} us  p99 {:>6} us",
            load.path.name(),
            ran.rate(),
            ran.lost(),
            ran.p99_micros(),
        );
        let line = json!({
            "round": round,
            "path": load.path.name(),
            "destinations": load.destinations,
            "asked_rate": load.rate,
            "kind": kind,
            "run": ran.to_json(),
        });
        writeln!(self.file, "{line}")?;
        Ok(())
    }
}

pub(crate) fn run(arguments: &RelayArgs) -> Result<bool> {
    let paths = if arguments.outage_only {
        Vec::new()
    } else {
        chosen(&arguments.path)?
    };
    let bench = arguments.arrangement.bench()?;
    let mut journal = Journal::new()?;
    let raw = raw_receive(10)?.nanos_per_datagram();
    println!("draining a full UDP queue costs {raw:.0} ns of CPU a datagram");
    let mut measured: Vec<Measured> = paths
        .iter()
        .map(|&path| Measured {
            path,
            rounds: Vec::new(),
        })
        .collect();
    let rounds = if paths.is_empty() { 0 } else { arguments.runs };
    for number in 1..=rounds {
        println!("round {number} of {}", arguments.runs);
        let mut ceilings = Vec::new();
        for of_path in &mut measured {
            let round = Rounds {
                bench: &bench,
                arguments,
                number,
                journal: &mut journal,
                ceilings: &mut ceilings,
            };
            of_path.rounds.push(round.measure(of_path.path)?);
        }
    }
    let outages = if arguments.no_outage {
        Vec::new()
    } else {
        println!("one of three destinations down");
        outages(&bench, arguments, &measured, &mut journal)?
    };
    if !measured.is_empty() {
        println!("\n{}", render(&table(&measured)));
    }
    for line in bars::lines(&measured, &outages, arguments.destinations) {
        println!("{line}");
    }
    println!("single runs: {}", journal.path.display());
    Ok(true)
}

fn chosen(name: &str) -> Result<Vec<Path>> {
    if name == "all" {
        return Ok(Path::ASKED.to_vec());
    }
    let paths = name
        .split(',')
        .map(|name| <Path as clap::ValueEnum>::from_str(name, false))
        .collect::<Result<Vec<_>, _>>();
    paths.or_else(|error| bail!("--path: {error}"))
}

/// One round: what it has measured so far serves all its paths.
struct Rounds<'a> {
    bench: &'a Bench,
    arguments: &'a RelayArgs,
    number: usize,
    journal: &'a mut Journal,
    /// Ceilings of this round, by what makes them differ.
    ceilings: &'a mut Vec<(Transport, Version, f64)>,
}

impl Rounds<'_> {
    fn measure(mut self, path: Path) -> Result<Round> {
        let ceiling = self.ceiling(path)?;
        let asked = match (self.arguments.rate, path.pushes_back()) {
            (Some(rate), _) => Some(rate),
            (None, true) => None,
            (None, false) => Some(ceiling * SHARE),
        };
        let full = self.relay(self.load(path, asked, self.seconds()), "full")?;
        let lossless = self.lossless(path, &full)?;
        let rate = Some(lossless.min(ceiling) / 2.0);
        let half_load = self.load(path, rate, self.seconds().min(LATENCY));
        let above_all = self.arguments.arrangement.realtime;
        let above_all = above_all.then(Realtime::begin).transpose()?;
        let half = self.relay(half_load, "half")?;
        let half_direct = self.bench.direct(half_load)?;
        drop(above_all);
        self.journal
            .note(self.number, half_load, "half direct", &half_direct)?;
        Ok(Round {
            ceiling,
            full,
            lossless,
            half,
            half_direct,
        })
    }

    fn ceiling(&mut self, path: Path) -> Result<f64> {
        let (transport, version) = (path.input(), path.version());
        let known = self.ceilings.iter();
        if let Some(&(_, _, rate)) = known.clone().find(|c| (c.0, c.1) == (transport, version)) {
            return Ok(rate);
        }
        let rate = if path.pushes_back() {
            let load = self.load(path, None, self.seconds());
            let ran = self.bench.direct(load)?;
            self.journal.note(self.number, load, "ceiling", &ran)?;
            ran.rate()
        } else {
            let rate = udp_ceiling(self.bench, path, self.arguments.destinations)?;
            let load = self.load(path, Some(rate), self.seconds().min(ALONE));
            let ran = self.bench.direct(load)?;
            self.journal.note(self.number, load, "ceiling", &ran)?;
            rate
        };
        self.ceilings.push((transport, version, rate));
        Ok(rate)
    }

    fn lossless(&self, path: Path, full: &Ran) -> Result<f64> {
        if full.is_perfect() {
            return Ok(full.rate());
        }
        println!(
            "  {:8} loses at that rate: looking for one without loss",
            path.name()
        );
        highest_rate(0.0, full.sent.rate(), |rate, duration| {
            self.bench
                .relay(self.load(path, Some(rate), duration), Last::Alike)
        })
    }

    fn relay(&mut self, load: Load, kind: &str) -> Result<Ran> {
        let ran = self.bench.relay(load, Last::Alike)?;
        self.journal.note(self.number, load, kind, &ran)?;
        Ok(ran)
    }

    fn load(&self, path: Path, rate: Option<f64>, duration: Duration) -> Load {
        Load {
            path,
            destinations: self.arguments.destinations,
            rate,
            duration,
        }
    }

    fn seconds(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds)
    }
}

/// Rate: TCP flat out, where two destinations block and the third does not. Latency: UDP to TCP at half load.
fn outages(
    bench: &Bench,
    arguments: &RelayArgs,
    measured: &[Measured],
    journal: &mut Journal,
) -> Result<Vec<Outage>> {
    let from_udp = measured.iter().find(|of_path| !of_path.path.pushes_back());
    let known = from_udp.and_then(|of_path| of_path.rounds.first());
    let lossless = match known {
        Some(round) => round.lossless,
        None => udp_ceiling(bench, Path::UdpTcp, 1)?,
    };
    let duration = Duration::from_secs(arguments.seconds.min(20));
    let cases = [
        ("rate", Path::TcpTcp, None),
        // A third of it: each message is written three times.
        ("latency", Path::UdpTcp, Some(lossless / 3.0)),
    ];
    let mut outages = Vec::new();
    for (what, path, rate) in cases {
        let load = Load {
            path,
            destinations: 3,
            rate,
            duration,
        };
        let mut turns = Vec::new();
        for turn in 1..=arguments.runs.max(1) {
            let up = bench.relay(load, Last::Lossy)?;
            journal.note(turn, load, "all up", &up)?;
            let down = bench.relay(load, Last::Down)?;
            journal.note(turn, load, "one down", &down)?;
            turns.push((up, down));
        }
        outages.push(Outage { what, turns });
    }
    Ok(outages)
}

fn table(measured: &[Measured]) -> Vec<Vec<String>> {
    let mut rows = vec![row(&[
        &"path",
        &"alone msg/s",
        &"node msg/s",
        &"share",
        &"no loss at",
        &"lost",
        &"disorder",
        &"twice",
        &"CPU us/msg",
        &"RSS MiB",
        &"peak MiB",
        &"p99 us",
        &"direct",
        &"added",
    ])];
    for of_path in measured {
        let lane_sum = |count: fn(&hepcat_testkit::load::LaneReport) -> u64| -> u64 {
            let lanes = of_path.rounds.iter().flat_map(|round| &round.full.lanes);
            lanes.map(count).sum()
        };
        rows.push(row(&[
            &of_path.path.name(),
            &format!("{:.0}", of_path.median(|round| round.ceiling)),
            &format!("{:.0}", of_path.median(|round| round.full.rate())),
            &format!("{:.0} %", of_path.share() * 100.0),
            &format!("{:.0}", of_path.median(|round| round.lossless)),
            &lane_sum(|lane| lane.lost),
            &lane_sum(|lane| lane.out_of_order),
            &lane_sum(|lane| lane.duplicated),
            &format!("{:.2}", of_path.cpu()),
            &format!(
                "{:.1}",
                of_path.median(|round| mib(round, |node| node.resident))
            ),
            &format!("{:.1}", of_path.peak_mib()),
            &format!(
                "{:.0}",
                of_path.median(|round| round.half.p99_micros() as f64)
            ),
            &format!(
                "{:.0}",
                of_path.median(|round| round.half_direct.p99_micros() as f64)
            ),
            &format!("{:.0}", of_path.added_p99()),
        ]));
    }
    rows
}

fn mib(round: &Round, octets: fn(&super::run::NodeCost) -> u64) -> f64 {
    round
        .full
        .node
        .as_ref()
        .map_or(0.0, |node| octets(node) as f64 / f64::from(1 << 20))
}

impl Measured {
    /// The median over all rounds.
    pub(super) fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The node's rate as a share of what is carried without it, round by round.
    pub(super) fn share(&self) -> f64 {
        self.median(|round| round.full.rate() / round.ceiling)
    }

    /// CPU microseconds of the node for each message.
    pub(super) fn cpu(&self) -> f64 {
        self.median(|round| {
            let node = round.full.node.as_ref();
            node.map_or(f64::NAN, |node| node.cpu_micros_per_message)
        })
    }

    /// The most memory of all rounds.
    pub(super) fn peak_mib(&self) -> f64 {
        let peaks = self
            .rounds
            .iter()
            .map(|round| mib(round, |node| node.resident_peak));
        peaks.fold(0.0, f64::max)
    }

    /// What the node adds to the 99th percentile at half load, in microseconds.
    pub(super) fn added_p99(&self) -> f64 {
        self.median(|round| {
            let (node, direct) = (round.half.p99_micros(), round.half_direct.p99_micros());
            node as f64 - direct as f64
        })
    }

    /// Whether every message of every round arrived once and in its sender's order.
    pub(super) fn is_perfect(&self) -> bool {
        self.rounds.iter().all(|round| round.full.is_perfect())
    }
}
