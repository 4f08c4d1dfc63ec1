//! A collector that accepts and never reads, under each policy: the counts are exact, and what is
//! counted as delivered has arrived once the collector reads again.

use std::{sync::Arc, time::Duration};

use hepcat_net::destination::{DropReason, LinkState, QueueConfig, WhenFull};
use hepcat_testkit::{Behaviour, FakeCollector};

use crate::rig::{PATIENCE, Rig, frames, is_rising, long_frames, numbers, tcp};

const BOUND: usize = 8;

/// A destination whose collector reads nothing: offered frames until all buffers were full and the
/// destination slow, then a few more than its queue holds. With how many were offered.
async fn overflowing(policy: WhenFull) -> (FakeCollector, Rig, usize) {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let queue = QueueConfig::default().max_frames(BOUND).when_full(policy);
    let rig = Rig::start(tcp(collector.address()).queue(queue));
    rig.until_up().await;
    let mut offered = 0;
    while rig.stats().state != LinkState::Slow {
        rig.destination.offer(long_frames(offered..offered + 1));
        offered += 1;
        rig.until("written, or slow", |stats| {
            stats.ledger.queued == 0 || stats.state == LinkState::Slow
        })
        .await;
    }
    for number in offered..offered + 3 * BOUND {
        rig.destination.offer(long_frames(number..number + 1));
        let ledger = rig.ledger();
        assert!(ledger.queued <= BOUND as u64, "{ledger:?}");
    }
    (collector, rig, offered + 3 * BOUND)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn drop_oldest_keeps_the_latest() {
    let (collector, rig, offered) = overflowing(WhenFull::DropOldest).await;
    let ledger = rig.ledger();
    assert!(ledger.dropped.count(DropReason::QueueFullOldest) >= 2 * BOUND as u64);
    assert_eq!(
        ledger.dropped.total(),
        ledger.dropped.count(DropReason::QueueFullOldest)
    );
    rig.until("slow", |stats| stats.state == LinkState::Slow)
        .await;

    collector.set_behaviour(Behaviour::Collect);
    let arrived = numbers(&rig.all_arrived(&collector).await);
    assert!(is_rising(&arrived));
    assert_eq!(arrived.last(), Some(&(offered - 1)));
    let ledger = rig.ledger();
    assert_eq!(ledger.offered, offered as u64);
    assert_eq!(ledger.delivered, arrived.len() as u64);
    assert_eq!(rig.stats().state, LinkState::Up);
    assert_eq!(collector.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn drop_newest_keeps_the_earliest() {
    let (collector, rig, offered) = overflowing(WhenFull::DropNewest).await;
    let ledger = rig.ledger();
    let newest = ledger.dropped.count(DropReason::QueueFullNewest);
    assert!(newest >= 2 * BOUND as u64);
    assert_eq!(ledger.dropped.total(), newest);

    collector.set_behaviour(Behaviour::Collect);
    let arrived = numbers(&rig.all_arrived(&collector).await);
    assert!(is_rising(&arrived));
    assert_eq!(arrived.len() as u64 + newest, offered as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn disconnect_drops_the_connection_with_everything_queued() {
    let (collector, rig, offered) = overflowing(WhenFull::Disconnect).await;
    rig.until("disconnected", |stats| stats.link.disconnects > 0)
        .await;
    let ledger = rig.ledger();
    assert!(ledger.dropped.count(DropReason::Disconnected) >= BOUND as u64);
    assert_eq!(
        rig.stats().last_error.map(|error| error.reason),
        Some("queue_full")
    );

    collector.set_behaviour(Behaviour::Collect);
    rig.until("nothing queued", |stats| stats.ledger.queued == 0)
        .await;
    rig.until_up().await;
    rig.destination.offer(frames(offered..offered + 1));
    let arrived = numbers(&rig.all_arrived(&collector).await);
    assert!(collector.accepted() >= 2);
    assert!(arrived.contains(&offered));
    let ledger = rig.ledger();
    assert_eq!(ledger.delivered, arrived.len() as u64);
    assert_eq!(ledger.delivered + ledger.dropped.total(), ledger.offered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn disconnect_without_a_connection_drops_the_new_frame_alone() {
    let collector = FakeCollector::refusing();
    let queue = QueueConfig::default()
        .max_frames(BOUND)
        .when_full(WhenFull::Disconnect);
    let rig = Rig::start(tcp(collector.address()).queue(queue));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..BOUND + 3));
    let ledger = rig.ledger();
    assert_eq!(ledger.dropped.count(DropReason::QueueFullNewest), 3);
    assert_eq!(ledger.queued, BOUND as u64);
    collector.listen();
    assert_eq!(collector.wait_for(BOUND), frames(0..BOUND));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn block_makes_the_producer_wait_and_loses_nothing() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let queue = QueueConfig::default()
        .max_frames(BOUND)
        .when_full(WhenFull::Block);
    let config = tcp(collector.address())
        .queue(queue)
        .send_timeout(Duration::from_hours(1));
    let rig = Rig::start(config);
    let destination = Arc::clone(&rig.destination);
    let producer = rig.tasks.spawn(async move {
        destination.offer_wait(long_frames(0..500)).await;
    });
    rig.until("stuck", |stats| {
        stats.state == LinkState::Slow && stats.ledger.queued > BOUND as u64 / 2
    })
    .await;
    assert!(!producer.is_finished());
    assert!(rig.ledger().offered < 500);

    collector.set_behaviour(Behaviour::Collect);
    tokio::time::timeout(PATIENCE, producer)
        .await
        .expect("the producer gets on")
        .expect("and does not panic");
    let arrived = numbers(&rig.all_arrived(&collector).await);
    assert_eq!(arrived, (0..500).collect::<Vec<_>>());
    assert_eq!(rig.ledger().dropped.total(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn block_never_makes_the_plain_offer_wait() {
    let (_collector, rig, offered) = overflowing(WhenFull::Block).await;
    let ledger = rig.ledger();
    assert_eq!(ledger.offered, offered as u64);
    assert!(ledger.dropped.count(DropReason::QueueFullNewest) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_producer_that_gives_up_waiting_leaves_the_books_in_order() {
    let collector = FakeCollector::refusing();
    let queue = QueueConfig::default()
        .max_frames(4)
        .when_full(WhenFull::Block);
    let rig = Rig::start(tcp(collector.address()).queue(queue));
    let offer = rig.destination.offer_wait(frames(0..10));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), offer)
            .await
            .is_err()
    );
    assert_eq!((rig.ledger().offered, rig.ledger().queued), (4, 4));
    collector.listen();
    assert_eq!(collector.wait_for(4), frames(0..4));
    rig.destination.offer_wait(frames(10..20)).await;
    assert_eq!(collector.wait_for(14).len(), 14);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn octets_are_bounded_too_and_a_frame_always_fits_an_empty_queue() {
    let collector = FakeCollector::refusing();
    let queue = QueueConfig::default()
        .max_octets(Some(100_000))
        .when_full(WhenFull::DropOldest);
    let rig = Rig::start(tcp(collector.address()).queue(queue.clone()));
    rig.destination.offer(long_frames(0..5));
    let stats = rig.stats();
    assert_eq!(stats.ledger.queued, 1);
    assert!((60_000..=100_000).contains(&stats.queued_octets));

    let rig = Rig::start(tcp(collector.address()).queue(queue.max_octets(Some(10))));
    rig.destination.offer(long_frames(0..1));
    assert_eq!(rig.ledger().queued, 1);
}
