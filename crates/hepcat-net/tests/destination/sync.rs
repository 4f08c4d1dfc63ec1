//! `hep_async = 0`: the producer waits for the write, or for its failure.

use std::{sync::Arc, time::Duration};

use hepcat_net::destination::{LinkState, QueueConfig, SendMode};
use hepcat_testkit::{Behaviour, FakeCollector};

use crate::rig::{PATIENCE, Rig, frame, frames, long_frames, numbers, tcp, udp};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_producer_returns_when_its_frames_are_written() {
    for (collector, make) in [
        (FakeCollector::tcp(), tcp as fn(_) -> _),
        (FakeCollector::udp(), udp),
    ] {
        let rig = Rig::start(make(collector.address()).mode(SendMode::Sync));
        for round in 0..20 {
            rig.destination
                .offer_wait(frames(round * 5..round * 5 + 5))
                .await;
            let ledger = rig.ledger();
            assert_eq!(ledger.delivered, (round as u64 + 1) * 5, "{ledger:?}");
        }
        assert_eq!(collector.wait_for(100), frames(0..100));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_producer_returns_when_the_attempt_fails_and_the_frames_stay() {
    let collector = FakeCollector::refusing();
    let rig = Rig::start(tcp(collector.address()).mode(SendMode::Sync));
    for number in 0..10 {
        tokio::time::timeout(PATIENCE, rig.destination.offer_wait([frame(number)]))
            .await
            .expect("returns though nobody listens");
    }
    assert_eq!(rig.ledger().queued, 10);
    collector.listen();
    assert_eq!(collector.wait_for(10), frames(0..10));
}

/// `hep_send_timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_that_takes_nothing_while_the_producer_waits_is_closed_and_its_frames_kept() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let config = tcp(collector.address())
        .mode(SendMode::Sync)
        .send_timeout(Duration::from_millis(30))
        .queue(QueueConfig::default().max_octets(None));
    let rig = Rig::start(config);
    let mut offered = 0;
    while rig.stats().link.send_timeouts == 0 {
        rig.destination
            .offer_wait(long_frames(offered..offered + 20))
            .await;
        offered += 20;
    }
    let stats = rig.stats();
    assert_eq!(stats.last_error.expect("an error").reason, "send_timeout");
    assert!(stats.ledger.queued > 0);

    collector.set_behaviour(Behaviour::Collect);
    let mut arrived = numbers(&rig.all_arrived(&collector).await);
    arrived.sort_unstable();
    assert_eq!(arrived, (0..offered).collect::<Vec<_>>());
    assert_eq!(rig.ledger().dropped.total(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn several_producers_wait_each_for_their_own() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start(tcp(collector.address()).mode(SendMode::Sync));
    let producers: Vec<_> = (0..4)
        .map(|producer| {
            let destination = Arc::clone(&rig.destination);
            rig.tasks.spawn(async move {
                for batch in 0..50 {
                    let first = (producer * 50 + batch) * 4;
                    destination.offer_wait(frames(first..first + 4)).await;
                }
            })
        })
        .collect();
    for producer in producers {
        tokio::time::timeout(PATIENCE, producer)
            .await
            .expect("nobody waits for ever")
            .expect("nor panics");
    }
    assert_eq!(rig.ledger().delivered, 800);
    assert_eq!(collector.wait_for(800).len(), 800);
    assert_eq!(rig.stats().state, LinkState::Up);
}
