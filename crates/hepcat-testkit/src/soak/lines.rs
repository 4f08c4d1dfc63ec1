//! The destinations, and the lines to them that break.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::agents::Sent;
use crate::{
    NodeProcess, TcpProxy,
    load::{LaneReport, Sink, SinkConfig, Transport},
    random::Random,
};

/// A line that stalls for longer is given up after 30 seconds, with what the kernel holds: this one is to lose nothing.
const LONGEST_STALL: Duration = Duration::from_secs(10);

const NAMES: [&str; 4] = ["steady", "stalled", "broken", "datagrams"];

#[derive(Debug)]
pub(super) struct Lines {
    streams: Sink,
    datagrams: Sink,
    stalled: TcpProxy,
    /// Since when it takes nothing.
    stalled_since: Option<Instant>,
    longest_stall: Duration,
    broken: TcpProxy,
    random: Random,
    counts: BTreeMap<&'static str, u64>,
}

impl Lines {
    pub(super) fn start(random: Random) -> io::Result<Self> {
        let mut config = SinkConfig::new(Transport::Tcp);
        config.lanes = 3;
        config.in_turn = true;
        let streams = Sink::start(&config)?;
        let datagrams = Sink::start(&SinkConfig::new(Transport::Udp))?;
        let addresses = streams.addresses();
        Ok(Self {
            stalled: TcpProxy::new(addresses[1]),
            stalled_since: None,
            longest_stall: Duration::ZERO,
            broken: TcpProxy::new(addresses[2]),
            streams,
            datagrams,
            random,
            counts: BTreeMap::new(),
        })
    }

    /// Where the destinations point, in the order of their names.
    pub(super) fn addresses(&self) -> [SocketAddr; 4] {
        [
            self.streams.addresses()[0],
            self.stalled.address(),
            self.broken.address(),
            self.datagrams.addresses()[0],
        ]
    }

    /// Does something, and says how long it shall be before the next.
    pub(super) fn disturb(
        &mut self,
        longest: Duration,
        node: &NodeProcess,
        renew: &dyn Fn() -> io::Result<()>,
    ) -> io::Result<Duration> {
        let fault = match self.random.below(8) {
            0 => {
                self.stalled.stall();
                self.stalled_since.get_or_insert_with(Instant::now);
                "stalled line stalls"
            }
            1 => {
                self.resume_stalled();
                "stalled line resumes"
            }
            2 => {
                self.broken.stall();
                "broken line stalls"
            }
            3 => {
                self.broken.resume();
                "broken line resumes"
            }
            4 => {
                self.broken.resume();
                self.broken.reset();
                "broken line is reset"
            }
            5 => {
                self.broken.resume();
                self.broken.cut_after(self.random.below(20_000) + 1);
                "broken line is cut inside a frame"
            }
            6 => {
                node.reload();
                "configuration is read again"
            }
            _ => {
                renew()?;
                node.reload();
                "certificate is renewed"
            }
        };
        *self.counts.entry(fault).or_default() += 1;
        let longest = usize::try_from(longest.as_millis()).unwrap_or(1_000);
        let pause = u64::try_from(self.random.below(longest)).unwrap_or(0);
        Ok(Duration::from_millis(pause))
    }

    /// Ends a stall that lasts long enough.
    pub(super) fn limit_stall(&mut self) {
        if self
            .stalled_since
            .is_some_and(|since| since.elapsed() > LONGEST_STALL)
        {
            self.resume_stalled();
        }
    }

    fn resume_stalled(&mut self) {
        self.stalled.resume();
        if let Some(since) = self.stalled_since.take() {
            self.longest_stall = self.longest_stall.max(since.elapsed());
        }
    }

    /// How long the line that stalls did so, when it did for longest.
    pub(super) fn longest_stall(&self) -> Duration {
        self.longest_stall
    }

    /// All is well again.
    pub(super) fn mend(&mut self) {
        self.resume_stalled();
        self.broken.resume();
    }

    pub(super) fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.clone()
    }

    /// What arrived of each, once nothing comes any more. Order is that of agents with one connection alone.
    pub(super) fn finish(&self, sent: &[Sent]) -> Vec<(&'static str, LaneReport)> {
        let reports = |sent: BTreeMap<u16, u64>| {
            let mut lanes = self.streams.finish(&sent);
            lanes.extend(self.datagrams.finish(&sent));
            lanes
        };
        let count = |one: &Sent| (one.sender, one.messages);
        let lanes = reports(sent.iter().map(count).collect());
        let ordered = reports(
            sent.iter()
                .filter(|one| one.is_ordered)
                .map(count)
                .collect(),
        );
        let both = lanes.into_iter().zip(ordered);
        let lanes = both.map(|(mut lane, ordered)| {
            lane.out_of_order = ordered.out_of_order;
            lane
        });
        NAMES.into_iter().zip(lanes).collect()
    }
}
