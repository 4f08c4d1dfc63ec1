//! A node under siege: everything that a stranger can send, beside agents that behave.
//!
//! Attackers sit on addresses of loopback of their own and do, for as long as they are told, what they can think of;
//! good agents sit on another address and send numbered messages over UDP, TCP and TLS, which are counted where
//! they arrive. Memory and descriptors of the node are read all the while.

mod attackers;
mod counter;
mod good;

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use self::{
    attackers::Targets,
    counter::{Arrived, Counter},
    good::Lane,
};
use crate::{NodeProcess, TestCa, load::usage};

/// How often the node is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long the node may take to settle once it is left alone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Descriptors that the node may have more of at the end than at the beginning: the connection to the counter, and
/// what runs at its own pace.
const OWN: usize = 16;

/// What a siege is to be.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Siege {
    /// How long it lasts; longer on a machine on which hardly anything has happened by then.
    pub duration: Duration,
    /// What is random follows from this.
    pub seed: u64,
    /// Connections that the listener allows at once, and of which a tenth more are tried to be held.
    pub connections: usize,
    /// Prints a line every minute.
    pub talkative: bool,
}

impl Siege {
    /// A siege of this length with 300 connections.
    #[must_use]
    pub fn new(duration: Duration, seed: u64) -> Self {
        Self {
            duration,
            seed,
            connections: 300,
            talkative: false,
        }
    }
}

/// One look at the node from outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// Resident octets.
    pub resident: u64,
    /// Open descriptors.
    pub descriptors: usize,
}

/// Resident octets during a part of a siege. What grows raises the least: the most is how many were connected, and what
/// was inflated, when they happened to meet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resident {
    /// The least.
    pub least: u64,
    /// The most.
    pub most: u64,
}

impl Resident {
    fn add(&mut self, resident: u64) {
        self.least = match self.least {
            0 => resident,
            least => least.min(resident),
        };
        self.most = self.most.max(resident);
    }
}

/// What was seen.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// Before anything came.
    pub before: Look,
    /// Resident octets in the second quarter of the siege.
    pub early: Resident,
    /// Resident octets in the last quarter.
    pub late: Resident,
    /// The most descriptors during the siege.
    pub descriptors: usize,
    /// After the attackers had gone.
    pub after: Look,
    /// Of each good agent: the name of its listener, messages sent, messages that arrived.
    pub good: Vec<(&'static str, u64, u64)>,
    /// `/api/v1/status` at the end, when nothing came any more.
    pub status: serde_json::Value,
    /// Everything that the node wrote, its last 10,000 lines.
    pub output: String,
    /// How it ended when it was told to.
    pub ended_well: bool,
}

impl Siege {
    /// Besieges a node of `binary`.
    ///
    /// # Errors
    /// When the node does not start, or something of ours fails.
    pub fn run(&self, binary: &Path) -> io::Result<Outcome> {
        let ca = TestCa::new();
        let counter = Counter::start()?;
        let mut node =
            NodeProcess::try_start(binary, &config(&ca, counter.address(), self.connections))?;
        let before = look(&node)?;
        let (over, alone) = (Arc::default(), Arc::default());
        let (targets, arrived) = (Targets::of(&node), counter.arrived());
        let good: Vec<_> = Lane::ALL
            .into_iter()
            .map(|lane| lane.start(&targets, &ca, arrived.clone(), Arc::clone(&alone)))
            .collect::<io::Result<_>>()?;
        let attackers = attackers::start(self, &targets, &ca, &over);
        let (early, late, descriptors) = self.watch(&node, &arrived)?;
        over.store(true, Relaxed);
        for attacker in attackers {
            attacker
                .join()
                .map_err(|_| io::Error::other("an attacker's thread died"))?;
        }
        alone.store(true, Relaxed);
        let mut lanes = Vec::new();
        for lane in good {
            let sent = lane
                .join()
                .map_err(|_| io::Error::other("a good agent's thread died"))??;
            lanes.push(sent);
        }
        let status = settle(&node);
        let after = rest(&node, before)?;
        node.terminate();
        let ended_well = node.wait_for_exit().success();
        counter.finish();
        Ok(Outcome {
            before,
            early,
            late,
            descriptors,
            after,
            good: lanes
                .into_iter()
                .map(|(lane, sent)| (lane.name(), sent, arrived.of(lane.mark())))
                .collect(),
            status,
            output: node.output(),
            ended_well,
        })
    }

    /// Reads memory and descriptors until the siege is over: of the second quarter, of the last, and the most
    /// descriptors.
    fn watch(
        &self,
        node: &NodeProcess,
        arrived: &Arrived,
    ) -> io::Result<(Resident, Resident, usize)> {
        let (began, mut said) = (Instant::now(), 0);
        let (mut early, mut late) = (Resident::default(), Resident::default());
        let mut descriptors = 0;
        while began.elapsed() < self.duration
            || (began.elapsed() < self.duration + PATIENCE && !is_enough(&node.status(), arrived))
        {
            thread::sleep(LOOK.min(self.duration / 20));
            let seen = look(node)?;
            let quarter = began.elapsed().as_secs_f64() / self.duration.as_secs_f64() * 4.0;
            if (1.0..2.0).contains(&quarter) {
                early.add(seen.resident);
            } else if quarter >= 3.0 {
                late.add(seen.resident);
            }
            descriptors = descriptors.max(seen.descriptors);
            let minutes = began.elapsed().as_secs() / 60;
            if self.talkative && minutes > said {
                said = minutes;
                say(minutes, &seen);
            }
        }
        Ok((early, late, descriptors))
    }
}

#[expect(
    clippy::print_stdout,
    reason = "an hour without a sign of life is long"
)]
fn say(minutes: u64, seen: &Look) {
    println!(
        "{minutes:>4} min  {:>7} KiB resident  {:>5} descriptors",
        seen.resident / 1024,
        seen.descriptors
    );
}

impl Outcome {
    /// Whether everything of the good agents arrived, but for datagrams that the kernel of the node's machine had no
    /// room for.
    #[must_use]
    pub fn served(&self) -> bool {
        self.good.iter().all(|&(name, sent, arrived)| {
            let lost = sent.saturating_sub(arrived);
            arrived > 0 && lost <= self.kernel_drops(name)
        })
    }

    /// Datagrams that the kernel dropped before the listener of this name, those of strangers included.
    #[must_use]
    pub fn kernel_drops(&self, listener: &str) -> u64 {
        let listeners = self.status["listeners"].as_array();
        let mut listeners = listeners.into_iter().flatten();
        listeners
            .find(|one| one["name"] == listener)
            .and_then(|one| one["datagrams"]["kernel_drops"].as_u64())
            .unwrap_or(0)
    }

    /// Whether what strangers opened is closed again.
    #[must_use]
    pub fn gave_back(&self) -> bool {
        self.after.descriptors <= self.before.descriptors + OWN
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kib = |octets: u64| octets / 1024;
        writeln!(
            f,
            "memory       {} KiB before, {} to {} early, {} to {} late, {} after",
            kib(self.before.resident),
            kib(self.early.least),
            kib(self.early.most),
            kib(self.late.least),
            kib(self.late.most),
            kib(self.after.resident)
        )?;
        writeln!(
            f,
            "descriptors  {} before, at most {}, {} after",
            self.before.descriptors, self.descriptors, self.after.descriptors
        )?;
        for (name, sent, arrived) in &self.good {
            let dropped = self.kernel_drops(name);
            writeln!(
                f,
                "good agent   {name}: {sent} sent, {arrived} arrived; the kernel dropped {dropped} datagrams"
            )?;
        }
        writeln!(f, "log          {} lines", self.output.lines().count())?;
        writeln!(f, "ledger       {}", self.status["ledger"])
    }
}

fn look(node: &NodeProcess) -> io::Result<Look> {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", node.id()))?.count();
    Ok(Look {
        resident: usage(node.id())?.resident,
        descriptors,
    })
}

/// Whether a siege has been one: good agents were there, keys were guessed, slow connections were cut, and the crowd
/// was complete.
fn is_enough(status: &serde_json::Value, arrived: &Arrived) -> bool {
    let listeners = status["listeners"].as_array();
    let sum = |of: &[&str]| {
        let of_each = listeners.into_iter().flatten().map(|listener| {
            let value = of.iter().fold(listener, |value, &key| &value[key]);
            value.as_u64().unwrap_or(0)
        });
        of_each.sum::<u64>()
    };
    let good = Lane::ALL.iter().all(|lane| arrived.of(lane.mark()) > 20);
    let guessed = sum(&["ledger", "refused", "key"]) > 100;
    let crowded = sum(&["connections", "refused", "max_connections"]) > 0;
    good && guessed && crowded && sum(&["connections", "closed", "message_timeout"]) > 20
}

/// Waits until the node has about as many descriptors as before, and looks at it then.
fn rest(node: &NodeProcess, before: Look) -> io::Result<Look> {
    let until = Instant::now() + PATIENCE;
    loop {
        let seen = look(node)?;
        if seen.descriptors <= before.descriptors + OWN || Instant::now() > until {
            return Ok(seen);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the node has decided about everything and nobody is connected, and gives its status.
fn settle(node: &NodeProcess) -> serde_json::Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let status = node.status();
        let nobody = status["listeners"].as_array().is_some_and(|listeners| {
            listeners.iter().all(|one| {
                let open = &one["connections"]["open"];
                open.is_null() || open == 0
            })
        });
        let open = &status["ledger"]["unaccounted"];
        let queued = &status["sinks"][0]["queued"];
        if (nobody && open == 0 && queued == 0) || Instant::now() > until {
            return status;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Short times, so that much happens in a short siege; otherwise what an operator would write.
fn config(ca: &TestCa, counter: SocketAddr, connections: usize) -> String {
    let server = ca.localhost();
    format!(
        r#"
[http]
listen = "127.0.0.1:0"
[agents]
messages_per_second = 20000
[[listener]]
name = "udp"
socket = "hep_udp:0.0.0.0:0"
[[listener]]
name = "keyed"
socket = "hep_udp:0.0.0.0:0"
keys = [{{ secret = "open sesame" }}]
[[listener]]
name = "tcp"
socket = "hep_tcp:0.0.0.0:0"
max_connections = {connections}
message_timeout = "1s"
idle_timeout = "20s"
[[listener]]
name = "tls"
socket = "hep_tls:0.0.0.0:0"
message_timeout = "1s"
idle_timeout = "20s"
handshake_timeout = "2s"
tls = {{ cert = "{}", key = "{}" }}
[[destination]]
name = "counter"
socket = "hep_tcp:{counter}"
[[route]]
when = "call_id:good-*"
to = ["counter"]
[[route]]
to = []
"#,
        server.cert.display(),
        server.key.display()
    )
}

/// An address of loopback.
fn loopback(last: u8) -> IpAddr {
    IpAddr::from(Ipv4Addr::new(127, 0, 0, last))
}
