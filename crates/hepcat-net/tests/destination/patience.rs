//! The time limits of the original's parameters, as they are meant here.

use std::time::Duration;

use hepcat_net::{
    DestinationConfig,
    destination::{LinkState, QueueConfig, SendMode, WhenFull},
};
use hepcat_testkit::{Behaviour, FakeCollector};

use crate::rig::{Answer, FakeResolver, Rig, frames, long_frames, tcp};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// `hep_async_local_connect_timeout`.
#[tokio::test(start_paused = true)]
async fn a_first_attempt_counts_as_connecting_for_a_while_and_then_as_down() {
    let resolver = FakeResolver::new(Answer::Never);
    let config = DestinationConfig::tcp("homer", "homer.example", 9060).resolver(resolver);
    let rig = Rig::start(config);
    rig.destination.offer(frames(0..3));
    tokio::time::sleep(MS(99)).await;
    assert_eq!(rig.stats().state, LinkState::Connecting);
    assert!(rig.stats().state.is_available());
    tokio::time::sleep(MS(2)).await;
    assert_eq!(rig.stats().state, LinkState::Down);
    assert!(!rig.stats().state.is_available());
    assert_eq!(rig.stats().last_error, None, "the attempt itself goes on");
    tokio::time::sleep(MS(4900)).await;
    let stats = rig.stats();
    assert_eq!(stats.link.connect_failures, 1);
    assert_eq!(
        stats.last_error.expect("an error").words,
        "no answer for the name homer.example within 5s"
    );
    assert_eq!(stats.ledger.queued, 3);
}

/// `hep_async_local_write_timeout`.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_write_that_stays_pending_makes_the_destination_slow_and_what_follows_postponed() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let rig = Rig::start(tcp(collector.address()).queue(QueueConfig::default().max_octets(None)));
    rig.until_up().await;
    rig.destination.offer(long_frames(0..300));
    rig.until("slow", |stats| stats.state == LinkState::Slow)
        .await;
    let before = rig.stats();
    assert_eq!(before.link.slow_writes, 1);
    assert!(before.state.is_available());
    rig.destination.offer(frames(300..310));
    assert_eq!(rig.stats().postponed - before.postponed, 10);

    collector.set_behaviour(Behaviour::Collect);
    assert_eq!(rig.all_arrived(&collector).await.len(), 310);
    rig.until_up().await;
    let stats = rig.stats();
    assert_eq!(stats.link.disconnects, 0, "no producer waits: never closed");
    assert_eq!(stats.ledger.delivered, 310);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_write_limit_can_be_set() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let mode = SendMode::asynchronous(MS(100), Duration::from_hours(1));
    let rig = Rig::start(tcp(collector.address()).mode(mode));
    rig.until_up().await;
    rig.destination.offer(long_frames(0..300));
    rig.until("stuck", |stats| stats.ledger.queued > 0).await;
    tokio::time::timeout(MS(50), std::future::pending::<()>())
        .await
        .ok();
    assert_eq!(rig.stats().state, LinkState::Up);
}

/// The kernel's part: a peer whose window stays closed is treated like one that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_takes_nothing_for_the_peer_timeout_is_given_up() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let rig = Rig::start(tcp(collector.address()).peer_timeout(MS(300)));
    rig.until_up().await;
    rig.destination.offer(long_frames(0..250));
    rig.until("given up", |stats| stats.link.disconnects > 0)
        .await;
    let error = rig.stats().last_error.expect("an error");
    assert_eq!(error.reason, "lost");
    assert!(error.words.contains("timed out"), "{}", error.words);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn limits_beyond_any_clock_are_no_limits() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let for_ever = Duration::MAX;
    let config = tcp(collector.address())
        .mode(SendMode::asynchronous(for_ever, for_ever))
        .send_timeout(for_ever)
        .connect_timeout(for_ever)
        .peer_timeout(for_ever)
        .queue(
            QueueConfig::default()
                .max_frames(4)
                .when_full(WhenFull::Block),
        );
    let rig = Rig::start(config);
    rig.until_up().await;
    let destination = std::sync::Arc::clone(&rig.destination);
    let producer = rig.tasks.spawn(async move {
        destination.offer_wait(long_frames(0..250)).await;
    });
    rig.until("stuck", |stats| stats.ledger.queued > 2).await;
    collector.set_behaviour(Behaviour::Collect);
    tokio::time::timeout(crate::rig::PATIENCE, producer)
        .await
        .expect("gets on")
        .expect("and does not panic");
    assert_eq!(collector.wait_for(250).len(), 250);
}
