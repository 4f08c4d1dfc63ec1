//! What the tests of destinations share: one destination with its tracker, and numbered frames.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hepcat_net::destination::{Backoff, Destination, DestinationConfig, DestinationStats};
use hepcat_testkit::frame::{sip_options, sip_v3};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Longer than anything takes that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Rig {
    pub(crate) destination: Arc<Destination>,
}

impl Rig {
    pub(crate) fn start(config: DestinationConfig) -> Self {
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let destination = Destination::spawn(config, &tasks, &stop);
        Self { destination }
    }

    pub(crate) fn stats(&self) -> DestinationStats {
        let stats = self.destination.stats();
        assert_eq!(stats.ledger.unaccounted(), 0, "{:?}", stats.ledger);
        stats
    }

    /// Waits until the statistics are as wanted, looking again whenever other tasks have run.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&DestinationStats) -> bool) {
        let looking = async {
            loop {
                if wanted(&self.stats()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        assert!(
            tokio::time::timeout(PATIENCE, looking).await.is_ok(),
            "never came true: {what}: {:?}",
            self.stats()
        );
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

/// The numbers of frames as collected.
pub(crate) fn numbers(collected: &[Vec<u8>]) -> Vec<usize> {
    collected.iter().map(|frame| number(frame)).collect()
}

fn number(frame: &[u8]) -> usize {
    let text = String::from_utf8_lossy(frame);
    let at = text.find("@rig").expect("a frame of ours");
    text.get(at - 8..at)
        .and_then(|digits| digits.parse().ok())
        .expect("a number before @rig")
}
