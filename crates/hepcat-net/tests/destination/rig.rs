//! What the tests of destinations share: one destination with its tracker, and numbered frames.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hepcat_net::destination::{
    Backoff, Destination, DestinationConfig, DestinationStats, Ledger, LinkState, Resolution,
    Resolve, ResolveFuture,
};
use hepcat_testkit::{
    FakeCollector,
    frame::{sip_options, sip_v3},
};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) destination: Arc<Destination>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Rig {
    pub(crate) fn start(config: DestinationConfig) -> Self {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let destination = Destination::spawn(config, &tasks, &stop);
        Self {
            destination,
            tasks,
            stop,
        }
    }

    pub(crate) fn stats(&self) -> DestinationStats {
        let stats = self.destination.stats();
        assert_eq!(stats.ledger.unaccounted(), 0, "{:?}", stats.ledger);
        stats
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.stats().ledger
    }

    /// Looks at the statistics until they are as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&DestinationStats) -> bool) {
        let looking = async {
            let mut look = tokio::time::interval(Duration::from_millis(1));
            while !wanted(&self.stats()) {
                look.tick().await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, looking).await.is_ok(),
            "never came true: {what}: {:?}",
            self.stats()
        );
    }

    pub(crate) async fn until_up(&self) {
        self.until("up", |stats| stats.state == LinkState::Up).await;
    }

    /// Everything offered is written and has arrived. Returns what the collector has.
    pub(crate) async fn all_arrived(&self, collector: &FakeCollector) -> Vec<Vec<u8>> {
        self.until("nothing is queued", |stats| stats.ledger.queued == 0)
            .await;
        let delivered = usize::try_from(self.ledger().delivered).expect("a count of this test");
        collector.wait_for(delivered)
    }
}

pub(crate) fn tcp(address: SocketAddr) -> DestinationConfig {
    DestinationConfig::tcp("homer", address.ip().to_string(), address.port()).backoff(quick())
}

pub(crate) fn udp(address: SocketAddr) -> DestinationConfig {
    DestinationConfig::udp("homer", address.ip().to_string(), address.port()).backoff(quick())
}

/// Pauses short enough for a test over real sockets.
pub(crate) fn quick() -> Backoff {
    Backoff::default()
        .initial(Duration::from_millis(2))
        .max(Duration::from_millis(20))
}

/// Frames that say which they are.
pub(crate) fn frames(numbers: std::ops::Range<usize>) -> Vec<Bytes> {
    numbers.map(frame).collect()
}

pub(crate) fn frame(number: usize) -> Bytes {
    sip_v3(sip_options(&format!("{number:08}@rig"))).into()
}

/// The same with 60,000 octets of padding: a few hundred of them are more than any socket buffer holds.
pub(crate) fn long_frames(numbers: std::ops::Range<usize>) -> Vec<Bytes> {
    numbers
        .map(|number| {
            let mut payload = sip_options(&format!("{number:08}@rig"));
            payload.push_str(&"x".repeat(60_000));
            sip_v3(payload).into()
        })
        .collect()
}

/// The numbers of frames as collected.
pub(crate) fn numbers(collected: &[Vec<u8>]) -> Vec<usize> {
    collected.iter().map(|frame| number(frame)).collect()
}

fn number(frame: &[u8]) -> usize {
    let at = frame
        .windows(4)
        .position(|window| window == b"@rig")
        .expect("a frame of ours");
    std::str::from_utf8(&frame[at - 8..at])
        .ok()
        .and_then(|digits| digits.parse().ok())
        .expect("a number before @rig")
}

pub(crate) fn is_rising(numbers: &[usize]) -> bool {
    numbers.is_sorted_by(|a, b| a < b)
}

/// Waits for the frame of this number.
pub(crate) fn until_arrived(collector: &FakeCollector, number: usize) {
    loop {
        let seen = numbers(&collector.frames());
        if seen.contains(&number) {
            return;
        }
        assert!(collector.wait_for(seen.len() + 1).len() > seen.len());
    }
}

/// Frames of one connection came in order. (Nothing orders the readers of two connections.)
pub(crate) fn assert_order(collector: &FakeCollector) {
    let collected = collector.collected();
    for connection in 0..collector.accepted() {
        let of_it: Vec<_> = collected
            .iter()
            .filter(|c| c.connection == connection)
            .map(|c| c.frame.clone())
            .collect();
        assert!(is_rising(&numbers(&of_it)), "connection {connection}");
    }
}

/// A resolver that answers as told and notes when it is asked.
#[derive(Debug)]
pub(crate) struct FakeResolver {
    answer: Mutex<Answer>,
    asked: Mutex<Vec<Instant>>,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Addresses(Vec<SocketAddr>),
    /// The same with a time to live.
    For(Duration, Vec<SocketAddr>),
    NoSuchName,
    Never,
}

impl FakeResolver {
    pub(crate) fn new(answer: Answer) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(answer),
            asked: Mutex::default(),
        })
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().expect("no test panics with the lock") = answer;
    }

    /// Milliseconds between one question and the next.
    pub(crate) fn pauses(&self) -> Vec<u128> {
        let asked = self.asked.lock().expect("no test panics with the lock");
        let pairs = asked.windows(2);
        pairs.map(|pair| (pair[1] - pair[0]).as_millis()).collect()
    }
}

impl Resolve for FakeResolver {
    fn resolve<'a>(&'a self, _host: &'a str, _port: u16) -> ResolveFuture<'a> {
        let mut asked = self.asked.lock().expect("no test panics with the lock");
        asked.push(Instant::now());
        let answer = self.answer.lock().expect("no test panics with the lock");
        let answer = answer.clone();
        Box::pin(async move {
            match answer {
                Answer::Addresses(addresses) => Ok(Resolution::new(addresses)),
                Answer::For(time, addresses) => Ok(Resolution::new(addresses).lasts(time)),
                Answer::NoSuchName => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
                Answer::Never => std::future::pending().await,
            }
        })
    }
}
