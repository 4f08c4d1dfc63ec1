//! One run: load, sinks, and between them the node or nothing.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use hepcat_testkit::{
    Identity, NodeProcess, TestCa,
    load::{self, GeneratorConfig, GeneratorReport, LaneReport, Usage},
};
use serde_json::{Value, json};

use super::{
    Arrangement,
    child::{ForwardProcess, SinkProcess, run_generator},
    path::{Path, Target, node_config},
};

/// Where everything runs, and with which certificates.
#[derive(Debug)]
pub(super) struct Bench {
    pub(super) node_core: usize,
    pub(super) load_core: usize,
    binary: PathBuf,
    datagrams_per_call: usize,
    ca: TestCa,
    identity: Identity,
}

/// What is sent through what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) path: Path,
    pub(super) destinations: usize,
    /// Messages per second; `None`: as many as are taken.
    pub(super) rate: Option<f64>,
    pub(super) duration: Duration,
}

/// A destination that is not like the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Last {
    /// It is.
    Alike,
    /// It never blocks the node, and is up.
    Lossy,
    /// It never blocks the node, and nobody listens there.
    Down,
}

/// What came of one run.
#[derive(Debug, Clone)]
pub(super) struct Ran {
    pub(super) sent: GeneratorReport,
    pub(super) lanes: Vec<LaneReport>,
    pub(super) node: Option<NodeCost>,
}

/// What the node cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct NodeCost {
    pub(super) cpu_micros_per_message: f64,
    pub(super) resident: u64,
    pub(super) resident_peak: u64,
}

impl Ran {
    /// Messages that some lane did not get.
    pub(super) fn lost(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.lost).sum()
    }

    /// Whether every lane got every message once and in order.
    pub(super) fn is_perfect(&self) -> bool {
        self.sent.failed == 0 && self.lanes.iter().all(LaneReport::is_perfect)
    }

    /// Messages per second that the slowest lane received, from the first sent to the last received.
    pub(super) fn rate(&self) -> f64 {
        let seconds = self.seconds();
        let received = self.lanes.iter().map(|lane| lane.received).min();
        received.unwrap_or(0) as f64 / seconds
    }

    /// The largest 99th percentile of all lanes, in microseconds.
    pub(super) fn p99_micros(&self) -> u64 {
        let p99 = self.lanes.iter().map(|lane| lane.p99_micros);
        p99.max().unwrap_or(0)
    }

    /// Seconds that the sinks needed after the last message was sent.
    pub(super) fn lag_seconds(&self) -> f64 {
        let last = self.lanes.iter().map(|lane| lane.last_micros).max();
        let lag = last.unwrap_or(0).saturating_sub(self.sent.ended_micros);
        Duration::from_micros(lag).as_secs_f64()
    }

    fn seconds(&self) -> f64 {
        (self.sent.seconds + self.lag_seconds()).max(1e-6)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "sent": self.sent,
            "lanes": self.lanes,
            "rate": self.rate(),
            "lost": self.lost(),
            "perfect": self.is_perfect(),
            "node": self.node.map(|node| json!({
                "cpu_micros_per_message": node.cpu_micros_per_message,
                "resident": node.resident,
                "resident_peak": node.resident_peak,
            })),
        })
    }
}

impl Bench {
    pub(super) fn new(arrangement: &Arrangement, binary: PathBuf) -> Self {
        let ca = TestCa::new();
        let identity = ca.localhost();
        Self {
            node_core: arrangement.node_core,
            load_core: arrangement.load_core,
            datagrams_per_call: arrangement.datagrams_per_call,
            binary,
            ca,
            identity,
        }
    }

    /// Generator straight to the sinks, over the transport that the path takes in.
    pub(super) fn direct(&self, load: Load) -> Result<Ran> {
        let transport = load.path.input();
        let sink =
            SinkProcess::start(self.load_core, transport, load.destinations, &self.identity)?;
        let mut config = GeneratorConfig::new(transport, sink.addresses.clone());
        self.adopt(&mut config, load);
        let sent = run_generator(self.load_core, &config)?;
        let lanes = sink.finish(&sent.sent)?;
        Ok(Ran {
            sent,
            lanes,
            node: None,
        })
    }

    /// The same over UDP with a program in between, on the node's core, that receives and sends and does nothing else.
    pub(super) fn forwarded(&self, load: Load) -> Result<Ran> {
        let sink = SinkProcess::start(self.load_core, load.path.output(), 1, &self.identity)?;
        let target = *sink.addresses.first().context("a sink has an address")?;
        let forward = ForwardProcess::start(self.node_core, target)?;
        let mut config = GeneratorConfig::new(load.path.input(), vec![forward.address]);
        self.adopt(&mut config, load);
        let before = load::usage(forward.id())?;
        let sent = run_generator(self.load_core, &config)?;
        let lanes = sink.finish(&sent.sent)?;
        let after = load::usage(forward.id())?;
        let handled = lanes.iter().map(|lane| lane.received).max();
        Ok(Ran {
            node: Some(cost(before, after, handled.unwrap_or(0))),
            sent,
            lanes,
        })
    }

    /// The same load with the node in between.
    pub(super) fn relay(&self, load: Load, last: Last) -> Result<Ran> {
        let lanes = load.destinations - usize::from(last == Last::Down);
        let sink = SinkProcess::start(self.load_core, load.path.output(), lanes, &self.identity)?;
        let node = self.start_node(load, last, &sink)?;
        let mut config = GeneratorConfig::new(load.path.input(), vec![node.listener("in")]);
        self.adopt(&mut config, load);
        let before = load::usage(node.id())?;
        let sent = run_generator(self.load_core, &config)?;
        let mut lanes = sink.finish(&sent.sent)?;
        let after = load::usage(node.id())?;
        // Of those that it handled: what the kernel dropped before it cost the node nothing.
        let handled = lanes.iter().map(|lane| lane.received).max();
        if last != Last::Alike {
            // What the odd one lost is its own affair.
            lanes.truncate(load.destinations - 1);
        }
        Ok(Ran {
            node: Some(cost(before, after, handled.unwrap_or(0))),
            sent,
            lanes,
        })
    }

    /// A node and its sink, for whoever wants to look while it runs.
    pub(super) fn start_node(
        &self,
        load: Load,
        last: Last,
        sink: &SinkProcess,
    ) -> Result<NodeProcess> {
        let usual = if load.path.pushes_back() {
            "block"
        } else {
            "drop_oldest"
        };
        let mut targets: Vec<Target> = sink
            .addresses
            .iter()
            .map(|&address| Target {
                address,
                when_full: usual,
            })
            .collect();
        match last {
            Last::Alike => {}
            Last::Lossy => {
                if let Some(target) = targets.last_mut() {
                    target.when_full = "drop_oldest";
                }
            }
            Last::Down => targets.push(Target {
                // Port 1 of loopback refuses: no test machine serves tcpmux.
                address: ([127, 0, 0, 1], 1).into(),
                when_full: "drop_oldest",
            }),
        }
        let config = node_config(load.path, &targets, &self.identity, self.ca.ca_file());
        self.start_configured(&config)
    }

    /// A node with a configuration of the caller's own.
    pub(super) fn start_configured(&self, config: &str) -> Result<NodeProcess> {
        let pinned = load::pin_current_thread(self.node_core)?;
        let node = NodeProcess::try_start(&self.binary, config).context("the node")?;
        drop(pinned);
        Ok(node)
    }

    /// The same on all cores.
    pub(super) fn start_unpinned(&self, config: &str) -> Result<NodeProcess> {
        NodeProcess::try_start(&self.binary, config).context("the node")
    }

    pub(super) fn start_sink(&self, load: Load) -> Result<SinkProcess> {
        SinkProcess::start(
            self.load_core,
            load.path.output(),
            load.destinations,
            &self.identity,
        )
    }

    pub(super) fn adopt(&self, config: &mut GeneratorConfig, load: Load) {
        config.version = load.path.version();
        config.rate = load.rate;
        config.datagrams_per_call = self.datagrams_per_call;
        config.duration = load.duration;
        config.ca = Some(self.ca.ca_file().to_owned());
    }
}

fn cost(before: Usage, after: Usage, messages: u64) -> NodeCost {
    let cpu = after.cpu.saturating_sub(before.cpu);
    NodeCost {
        cpu_micros_per_message: cpu.as_secs_f64() * 1e6 / messages.max(1) as f64,
        resident: after.resident,
        resident_peak: after.resident_peak,
    }
}
