//! The plain case: what is offered arrives, in order, and is counted.

use hepcat_testkit::FakeCollector;

use crate::rig::{Rig, frames, numbers, tcp, udp};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_arrive_in_order_over_tcp() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start(tcp(collector.address()));
    for batch in frames(0..5000).chunks(64) {
        rig.destination.offer(batch.iter().cloned());
    }
    let collected = collector.wait_for(5000);
    assert_eq!(numbers(&collected), (0..5000).collect::<Vec<_>>());
    assert_eq!(collected, frames(0..5000));
    rig.until("all are counted as delivered", |s| {
        s.ledger.delivered == 5000
    })
    .await;
    assert_eq!(collector.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_arrive_in_order_over_udp() {
    let collector = FakeCollector::udp();
    let rig = Rig::start(udp(collector.address()));
    for (sent, batch) in frames(0..2000).chunks(50).enumerate() {
        rig.destination.offer(batch.iter().cloned());
        // The collector's socket buffer is small: never more than one batch ahead of it.
        assert_eq!(collector.wait_for((sent + 1) * 50).len(), (sent + 1) * 50);
    }
    assert_eq!(numbers(&collector.frames()), (0..2000).collect::<Vec<_>>());
    rig.until("all are counted as delivered", |s| {
        s.ledger.delivered == 2000
    })
    .await;
}
