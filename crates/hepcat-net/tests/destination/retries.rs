//! When attempts are made, on a clock that jumps.

use std::{sync::Arc, time::Duration};

use hepcat_net::{
    DestinationConfig,
    destination::{Backoff, LinkState},
};
use hepcat_testkit::FakeCollector;

use crate::rig::{Answer, FakeResolver, Rig, frames};

fn unresolvable(resolver: &Arc<FakeResolver>) -> DestinationConfig {
    DestinationConfig::tcp("homer", "homer.example", 9060)
        .resolver(Arc::<FakeResolver>::clone(resolver))
        .backoff(Backoff::default().jitter(0.0))
}

#[tokio::test(start_paused = true)]
async fn attempts_back_off_to_half_a_minute_and_resolve_the_name_each_time() {
    let resolver = FakeResolver::new(Answer::NoSuchName);
    let rig = Rig::start(unresolvable(&resolver));
    tokio::time::sleep(Duration::from_secs(150)).await;
    // Timers have the granularity of a millisecond.
    let pauses: Vec<_> = resolver.pauses().iter().map(|ms| ms / 50 * 50).collect();
    assert_eq!(
        pauses,
        [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000
        ]
    );
    let stats = rig.stats();
    assert_eq!(stats.link.connect_failures, 13);
    assert_eq!(
        stats.last_error.expect("an error").words,
        "cannot resolve homer.example: no such name"
    );
}

#[tokio::test(start_paused = true)]
async fn chance_shortens_pauses_by_up_to_half() {
    let resolver = FakeResolver::new(Answer::NoSuchName);
    let config = unresolvable(&resolver).backoff(Backoff::default());
    let rig = Rig::start(config);
    tokio::time::sleep(Duration::from_mins(10)).await;
    let pauses = resolver.pauses();
    let full = (1..).map(|n| Backoff::default().delay(n, 0.0).as_millis());
    for (pause, full) in pauses.iter().zip(full) {
        assert!((full / 2..=full + 2).contains(pause), "{pauses:?}");
    }
    assert!(rig.stats().link.connect_failures >= 28);
}

/// `hep_max_retries` and `hep_retry_cooldown`.
#[tokio::test(start_paused = true)]
async fn after_the_last_retry_one_attempt_is_made_per_cooldown() {
    let resolver = FakeResolver::new(Answer::NoSuchName);
    let rig = Rig::start(unresolvable(&resolver).retry_limit(3, Duration::from_hours(1)));
    rig.destination.offer(frames(0..5));
    tokio::time::sleep(Duration::from_mins(150)).await;
    let pauses: Vec<_> = resolver.pauses().iter().map(|ms| ms / 50 * 50).collect();
    assert_eq!(pauses, [100, 200, 3_600_000, 3_600_000]);
    let stats = rig.stats();
    assert_eq!(stats.state, LinkState::CoolingDown);
    assert_eq!(stats.link.cooldowns, 3);
    assert_eq!(stats.ledger.queued, 5, "frames wait all the while");
}

/// The original counts failures for all destinations together: one dead collector silences the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_dead_destination_does_not_silence_another() {
    let collector = FakeCollector::tcp();
    let dead = FakeCollector::refusing();
    let of = |address: std::net::SocketAddr| {
        DestinationConfig::tcp("d", address.ip().to_string(), address.port())
            .retry_limit(1, Duration::from_hours(1))
    };
    let silenced = Rig::start(of(dead.address()));
    silenced
        .until("cooling down", |s| s.state == LinkState::CoolingDown)
        .await;
    let healthy = Rig::start(of(collector.address()));
    healthy.destination.offer(frames(0..10));
    assert_eq!(collector.wait_for(10), frames(0..10));
}

#[tokio::test(start_paused = true)]
async fn a_drain_cuts_a_pause_short_once() {
    let resolver = FakeResolver::new(Answer::NoSuchName);
    let rig = Rig::start(unresolvable(&resolver).retry_limit(1, Duration::from_hours(1)));
    rig.destination.offer(frames(0..5));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let drained = rig.destination.drain(Duration::from_secs(5)).await;
    assert_eq!(drained.lost, 5);
    assert_eq!(resolver.pauses().len(), 1);
}
