//! A node under a mixed load for hours, while what stands behind it misbehaves.
//!
//! ```text
//!   UDP v2, UDP v3, TCP, TLS, visitors ──▶ node ──▶ steady   TCP, always well
//!                                               ──▶ stalled  TCP with a spool, takes nothing for a while now and then
//!                                               ──▶ broken   TCP with a spool, stalled, cut and reset
//!                                               ──▶ datagrams UDP
//! ```
//!
//! Meanwhile the configuration is read again, certificates change and the page is asked. At the end everything is
//! well again, and what the node counted is held against what was sent and what arrived.

mod agents;
mod ledger;
mod lines;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use self::lines::Lines;
use crate::{
    Identity, NodeProcess, TestCa,
    load::{LaneReport, usage},
    random::Random,
};

/// How often the node is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long the node may take to deliver what is left.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a soak is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Soak {
    /// How long the load lasts; the rest is delivered after it.
    pub duration: Duration,
    /// When and how long which fault happens follows from this.
    pub seed: u64,
    /// Messages a second of all agents together.
    pub rate: u32,
    /// So long it is at most from one fault to the next.
    pub fault: Duration,
    /// Prints a line every minute.
    pub talkative: bool,
}

impl Soak {
    /// A soak of this length with 500 messages a second and faults of at most a second.
    #[must_use]
    pub fn new(duration: Duration, seed: u64) -> Self {
        Self {
            duration,
            seed,
            rate: 500,
            fault: Duration::from_secs(1),
            talkative: false,
        }
    }
}

/// What looks at the node from outside amount to. What grows moves the median; the most is also what a moment without
/// CPU time made it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Looks {
    /// Resident octets: the median.
    pub resident: u64,
    /// The most resident octets.
    pub most_resident: u64,
    /// Open descriptors: the median.
    pub descriptors: u64,
    /// The most open descriptors.
    pub most_descriptors: u64,
}

/// What was seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// Of each agent: its name and what it sent.
    pub sent: Vec<(&'static str, u64)>,
    /// Of each destination: its name and what arrived there.
    pub arrived: Vec<(&'static str, LaneReport)>,
    /// How often which fault happened.
    pub faults: BTreeMap<&'static str, u64>,
    /// Looks at the node in the second quarter.
    pub early: Looks,
    /// Looks at the node in the last quarter.
    pub late: Looks,
    /// The most frames on disk.
    pub most_spooled: u64,
    /// `/api/v1/status` at the end, when nothing came any more.
    pub status: serde_json::Value,
    /// Everything that the node wrote, its last 10,000 lines.
    pub output: String,
    /// How it ended when it was told to.
    pub ended_well: bool,
    /// What does not add up, in words. Empty where all is well.
    pub wrong: Vec<String>,
}

impl Soak {
    /// Runs a node of `binary` under load.
    ///
    /// # Errors
    /// When the node does not start, or something of ours fails.
    pub fn run(&self, binary: &Path) -> io::Result<Outcome> {
        let (mut lines, ca) = (Lines::start(Random::new(self.seed))?, TestCa::new());
        let served = ca.localhost();
        let mut node = NodeProcess::try_start(binary, &config(&lines, &served))?;
        let over = Arc::default();
        let agents = agents::start(self, &node, &ca, &over)?;
        let seen = self.watch(&node, &mut lines, &|| renew(&ca, &served))?;
        over.store(true, Relaxed);
        let mut sent = Vec::new();
        for agent in agents {
            sent.push(
                agent
                    .join()
                    .map_err(|_panic| io::Error::other("an agent's thread died"))??,
            );
        }
        lines.mend();
        let status = settle(&node);
        let arrived = lines.finish(&sent);
        node.terminate();
        let ended_well = node.wait_for_exit().success();
        let sent = sent
            .iter()
            .map(|one| (one.name, one.messages))
            .collect::<Vec<_>>();
        let wrong = ledger::faults(&status, &sent, &arrived, lines.longest_stall());
        Ok(Outcome {
            sent,
            arrived,
            faults: lines.counts(),
            early: seen.early.looks(),
            late: seen.late.looks(),
            most_spooled: seen.most_spooled,
            status,
            output: node.output(),
            ended_well,
            wrong,
        })
    }

    /// Disturbs and looks until the time is over.
    fn watch(
        &self,
        node: &NodeProcess,
        lines: &mut Lines,
        renew: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<Seen> {
        let (began, mut said, mut seen) = (Instant::now(), 0, Seen::default());
        let mut next_fault = began;
        while began.elapsed() < self.duration {
            lines.limit_stall();
            if Instant::now() >= next_fault {
                next_fault = Instant::now() + lines.disturb(self.fault, node, renew)?;
            }
            thread::sleep(LOOK.min(self.fault / 4));
            let resident = usage(node.id())?.resident;
            let descriptors = fs::read_dir(format!("/proc/{}/fd", node.id()))?.count() as u64;
            let quarter = began.elapsed().as_secs_f64() / self.duration.as_secs_f64() * 4.0;
            if (1.0..2.0).contains(&quarter) {
                seen.early.add(resident, descriptors);
            } else if quarter >= 3.0 {
                seen.late.add(resident, descriptors);
            }
            let status = node.status();
            let spooled = ledger::sum(&status["sinks"], &["spooled"]);
            seen.most_spooled = seen.most_spooled.max(spooled);
            let minutes = began.elapsed().as_secs() / 60;
            if self.talkative && minutes > said {
                said = minutes;
                let received = &status["ledger"]["received"];
                say(&format!(
                    "{minutes:>4} min  {:>7} KiB resident  {descriptors:>4} descriptors  {spooled:>8} spooled  {received} received",
                    resident / 1024
                ));
            }
        }
        Ok(seen)
    }
}

#[derive(Debug, Default)]
struct Seen {
    early: Quarter,
    late: Quarter,
    most_spooled: u64,
}

#[derive(Debug, Default)]
struct Quarter {
    resident: Vec<u64>,
    descriptors: Vec<u64>,
}

impl Quarter {
    fn add(&mut self, resident: u64, descriptors: u64) {
        self.resident.push(resident);
        self.descriptors.push(descriptors);
    }

    fn looks(mut self) -> Looks {
        self.resident.sort_unstable();
        self.descriptors.sort_unstable();
        let median = |of: &[u64]| of.get(of.len() / 2).copied().unwrap_or(0);
        let most = |of: &[u64]| of.last().copied().unwrap_or(0);
        Looks {
            resident: median(&self.resident),
            most_resident: most(&self.resident),
            descriptors: median(&self.descriptors),
            most_descriptors: most(&self.descriptors),
        }
    }
}

#[expect(clippy::print_stdout, reason = "hours without a sign of life are long")]
fn say(line: &str) {
    println!("{line}");
}

impl Outcome {
    /// How often a fault of any kind happened.
    #[must_use]
    pub fn disturbed(&self) -> u64 {
        self.faults.values().sum()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (when, looks) in [("second", &self.early), ("last", &self.late)] {
            writeln!(
                f,
                "{when:<6}       quarter: {} KiB resident (at most {}), {} descriptors (at most {})",
                looks.resident / 1024,
                looks.most_resident / 1024,
                looks.descriptors,
                looks.most_descriptors
            )?;
        }
        writeln!(f, "spooled      at most {} frames", self.most_spooled)?;
        writeln!(f, "faults       {:?}", self.faults)?;
        for (name, sent) in &self.sent {
            writeln!(f, "agent        {name}: {sent} sent")?;
        }
        for (name, lane) in &self.arrived {
            writeln!(
                f,
                "arrived      {name}: {} once, {} again, {} not, {} out of order, {} unreadable",
                lane.received, lane.duplicated, lane.lost, lane.out_of_order, lane.unreadable
            )?;
        }
        writeln!(f, "log          {} lines", self.output.lines().count())?;
        ledger::show(&self.status, f)?;
        for wrong in &self.wrong {
            writeln!(f, "WRONG        {wrong}")?;
        }
        Ok(())
    }
}

/// Waits until everything that was received is delivered and nothing is left on disk, and gives the status.
fn settle(node: &NodeProcess) -> serde_json::Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = node.status();
        let left = ["queued", "spooled"]
            .iter()
            .map(|key| ledger::sum(&status["sinks"], &[key]))
            .sum::<u64>();
        let open = ledger::sum(&status["listeners"], &["connections", "open"]);
        let done = left == 0 && open == 0 && status["ledger"]["unaccounted"] == 0;
        if done || Instant::now() > until {
            return status;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A certificate of the same authority in the place of the one that is served, as a renewal does it.
fn renew(ca: &TestCa, served: &Identity) -> io::Result<()> {
    let new = ca.localhost();
    for (served, new) in [(&served.cert, &new.cert), (&served.key, &new.key)] {
        let beside = served.with_extension("new");
        fs::copy(new, &beside)?;
        fs::rename(&beside, served)?;
    }
    Ok(())
}

fn config(lines: &Lines, served: &Identity) -> String {
    let [steady, stalled, broken, datagrams] = lines.addresses();
    format!(
        r#"
[node]
data_dir = "{{dir}}/data"
[http]
listen = "127.0.0.1:0"
[[listener]]
name = "udp"
socket = "hep_udp:127.0.0.1:0"
[[listener]]
name = "tcp"
socket = "hep_tcp:127.0.0.1:0"
[[listener]]
name = "tls"
socket = "hep_tls:127.0.0.1:0"
tls = {{ cert = "{}", key = "{}" }}
[[destination]]
name = "steady"
socket = "hep_tcp:{steady}"
[[destination]]
name = "stalled"
socket = "hep_tcp:{stalled}"
queue = {{ frames = 200, when_full = "block" }}
spool = {{ mode = "overflow" }}
[[destination]]
name = "broken"
socket = "hep_tcp:{broken}"
spool = {{ mode = "always" }}
[[destination]]
name = "datagrams"
socket = "hep_udp:{datagrams}"
"#,
        served.cert.display(),
        served.key.display()
    )
}
