//! A spool keeps what its destination does not take, and gives it back in order.

use std::{num::NonZeroU64, path::Path, sync::Arc, time::Duration};

use hepcat_net::{
    DestinationConfig,
    destination::{DropReason, LinkState, QueueConfig, WhenFull},
    spool::{FaultyDisk, Fsync, SpoolConfig, SpoolFull, SpoolMode},
};
use hepcat_testkit::{Behaviour, FakeCollector, TcpProxy};
use rstest::rstest;
use tempfile::TempDir;

use crate::rig::{
    PATIENCE, Rig, assert_order, frame, frames, is_rising, long_frames, numbers, tcp, udp,
};

const FAST: NonZeroU64 = NonZeroU64::new(10_000_000).unwrap();

fn spool(directory: &Path, mode: SpoolMode) -> SpoolConfig {
    SpoolConfig::new(directory.join("homer"))
        .mode(mode)
        .replay_rate(FAST)
}

fn spooling(config: DestinationConfig, directory: &TempDir, mode: SpoolMode) -> Rig {
    Rig::start(config.spool(spool(directory.path(), mode)))
}

async fn drained(rig: &Rig) {
    rig.until("nothing is held", |stats| {
        stats.ledger.queued == 0 && stats.ledger.spooled == 0
    })
    .await;
}

async fn all_on_disk(rig: &Rig) {
    rig.until("everything is on disk", |stats| stats.ledger.queued == 0)
        .await;
}

/// What came that is no keep-alive.
fn sent(collector: &FakeCollector) -> Vec<Vec<u8>> {
    let mut frames = collector.frames();
    frames.retain(|frame| frame.starts_with(b"HEP3"));
    frames
}

/// Distinct numbers in the order in which each came first, and how many came again.
fn distinct(numbers: &[usize]) -> (Vec<usize>, usize) {
    let mut seen = std::collections::HashSet::new();
    let first: Vec<_> = numbers
        .iter()
        .copied()
        .filter(|n| seen.insert(*n))
        .collect();
    let again = numbers.len() - first.len();
    (first, again)
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_down_at_the_start_gets_everything_in_order_when_it_comes(
    #[case] mode: SpoolMode,
) {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let queue = QueueConfig::default().max_frames(200);
    let rig = spooling(tcp(collector.address()).queue(queue), &directory, mode);
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    for batch in 0..50 {
        rig.destination
            .offer(frames(batch * 100..batch * 100 + 100));
        all_on_disk(&rig).await;
    }
    assert_eq!(rig.ledger().spooled, 5000);
    assert!(rig.stats().spool.unwrap().octets > 0);
    collector.listen();
    drained(&rig).await;
    let ledger = rig.ledger();
    assert_eq!((ledger.delivered, ledger.dropped.total()), (5000, 0));
    let arrived = numbers(&collector.wait_for(5000));
    assert_eq!(arrived, (0..5000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_destination_never_meets_its_spool() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::tcp();
    let rig = spooling(tcp(collector.address()), &directory, SpoolMode::Overflow);
    rig.until_up().await;
    for batch in 0..100 {
        rig.destination.offer(frames(batch * 10..batch * 10 + 10));
        rig.until("sent", |stats| stats.ledger.queued == 0).await;
    }
    assert_eq!(rig.stats().spool.unwrap().written, 0);
    assert!(is_rising(&numbers(&collector.wait_for(1000))));
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_flaps_under_load_loses_only_what_was_on_its_way(#[case] mode: SpoolMode) {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::tcp();
    let proxy = TcpProxy::new(collector.address());
    let queue = QueueConfig::default()
        .max_frames(400)
        .when_full(WhenFull::Block);
    let rig = spooling(tcp(proxy.address()).queue(queue), &directory, mode);
    let producer = {
        let destination = Arc::clone(&rig.destination);
        rig.tasks.spawn(async move {
            for batch in 0..400 {
                destination
                    .offer_wait(frames(batch * 50..batch * 50 + 50))
                    .await;
                tokio::task::yield_now().await;
            }
        })
    };
    let breaking = async {
        let mut often = tokio::time::interval(Duration::from_millis(10));
        while !producer.is_finished() {
            often.tick().await;
            proxy.reset();
            rig.ledger();
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, breaking).await.is_ok(),
        "the producer is stuck: {:?}",
        rig.stats()
    );
    drained(&rig).await;
    let ledger = rig.ledger();
    assert_eq!((ledger.delivered, ledger.dropped.total()), (20_000, 0));
    assert_order(&collector);
    assert_eq!(collector.faults(), Vec::<String>::new());
    let (_, again) = distinct(&numbers(&collector.frames()));
    assert_eq!(again, 0, "tcp sends nothing twice while we live");
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_reads_fills_the_disk_and_not_the_memory(#[case] mode: SpoolMode) {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let queue = QueueConfig::default().max_frames(100);
    let rig = spooling(tcp(collector.address()).queue(queue), &directory, mode);
    rig.until_up().await;
    for batch in 0..60 {
        rig.destination
            .offer(long_frames(batch * 20..batch * 20 + 20));
        rig.until("room in memory", |stats| stats.ledger.queued <= 80)
            .await;
    }
    let ledger = rig.ledger();
    assert_eq!(ledger.dropped.total(), 0);
    assert!(ledger.spooled > 500, "{ledger:?}");
    collector.set_behaviour(Behaviour::Collect);
    drained(&rig).await;
    let arrived = numbers(&collector.wait_for(1200));
    assert_eq!(arrived, (0..1200).collect::<Vec<_>>());
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_while_the_collector_is_stuck_loses_nothing_and_keeps_the_order(
    #[case] mode: SpoolMode,
) {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::NeverRead);
    let queue = QueueConfig::default().max_frames(100);
    let config = || tcp(collector.address()).queue(queue.clone());
    let rig = spooling(config(), &directory, mode);
    rig.until_up().await;
    for batch in 0..60 {
        rig.destination
            .offer(long_frames(batch * 20..batch * 20 + 20));
        rig.until("room in memory", |stats| stats.ledger.queued <= 80)
            .await;
    }
    let ended = rig.destination.drain(Duration::from_millis(50)).await;
    assert_eq!(ended.lost, 0);
    let before = rig.ledger();
    assert_eq!((before.queued, before.dropped.total()), (0, 0));
    assert_eq!(before.delivered + before.spooled, 1200);
    assert_eq!(ended.spooled, before.spooled);

    let rig = spooling(config(), &directory, mode);
    rig.until("carried over", |stats| {
        stats.ledger.carried_over == before.spooled
    })
    .await;
    rig.destination.offer(long_frames(1200..1220));
    collector.set_behaviour(Behaviour::Collect);
    drained(&rig).await;
    let after = rig.ledger();
    assert_eq!(after.delivered, before.spooled + 20);
    // The first connection's reader and the second's have no order between them.
    let mut arrived = numbers(&collector.wait_for(1220));
    assert_order(&collector);
    arrived.sort_unstable();
    assert_eq!(arrived, (0..1220).collect::<Vec<_>>());
    assert!(rig.stats().spool.unwrap().repeated <= 512);
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_reset_inside_a_frame_sends_that_frame_again_whole(#[case] mode: SpoolMode) {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let rig = spooling(tcp(collector.address()), &directory, mode);
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..3000));
    all_on_disk(&rig).await;
    collector.set_behaviour(Behaviour::ResetAfter { octets: 100_001 });
    collector.listen();
    for wanted in 1..4 {
        collector.wait_for_accepted(wanted);
    }
    collector.set_behaviour(Behaviour::Collect);
    drained(&rig).await;
    assert_order(&collector);
    assert_eq!(collector.faults(), Vec::<String>::new());
    let (_, again) = distinct(&numbers(&collector.frames()));
    assert_eq!((again, rig.ledger().delivered), (0, 3000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_comes_at_its_rate_and_what_is_new_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let rate = NonZeroU64::new(2000).unwrap();
    let spool = spool(directory.path(), SpoolMode::Overflow).replay_rate(rate);
    let rig = Rig::start(tcp(collector.address()).spool(spool));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..3000));
    all_on_disk(&rig).await;
    let began = std::time::Instant::now();
    collector.listen();
    rig.until("some are back", |stats| stats.ledger.delivered > 0)
        .await;
    rig.destination.offer([frame(3000)]);
    drained(&rig).await;
    assert!(began.elapsed() > Duration::from_millis(1200));
    let arrived = numbers(&collector.wait_for(3001));
    assert_eq!(arrived, (0..3001).collect::<Vec<_>>());
}

/// At the pace of the backlog alone this would take more than a minute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_during_a_replay_is_not_held_to_the_pace_of_the_backlog() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let rate = NonZeroU64::new(100).unwrap();
    let spool = spool(directory.path(), SpoolMode::Overflow).replay_rate(rate);
    let rig = Rig::start(tcp(collector.address()).spool(spool));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..200));
    all_on_disk(&rig).await;
    collector.listen();
    rig.until("some are back", |stats| stats.ledger.delivered > 0)
        .await;
    let began = std::time::Instant::now();
    for batch in 0..100 {
        let first = 200 + batch * 80;
        rig.destination.offer(frames(first..first + 80));
        rig.until("it goes on", |stats| {
            stats.ledger.delivered > batch as u64 * 80 / 2
        })
        .await;
    }
    drained(&rig).await;
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    let arrived = numbers(&collector.wait_for(8200));
    assert_eq!(arrived, (0..8200).collect::<Vec<_>>());
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_costs_what_memory_cannot_hold_and_is_counted(
    #[case] mode: SpoolMode,
    #[values(SpoolFull::DropOldest, SpoolFull::DropNewest)] policy: SpoolFull,
) {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let collector = FakeCollector::refusing();
    let spool = spool(directory.path(), mode)
        .when_full(policy)
        .disk(Arc::new(disk.clone()));
    let queue = QueueConfig::default().max_frames(100);
    let rig = Rig::start(tcp(collector.address()).queue(queue).spool(spool));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..50));
    all_on_disk(&rig).await;
    disk.set_room(Some(300));
    rig.destination.offer(frames(50..60));
    rig.until("it fails", |stats| {
        stats
            .spool
            .as_ref()
            .is_some_and(|spool| spool.failing.is_some())
    })
    .await;
    rig.destination.offer(frames(60..560));
    let ledger = rig.ledger();
    assert_eq!((ledger.spooled, ledger.queued), (50, 100));
    assert_eq!(ledger.dropped.count(DropReason::SpoolFailed), 410);
    disk.set_room(None);
    all_on_disk(&rig).await;
    assert_eq!(rig.stats().spool.unwrap().failing, None);
    collector.listen();
    drained(&rig).await;
    let arrived = numbers(&collector.wait_for(150));
    let kept = match policy {
        SpoolFull::DropOldest => 460..560,
        _ => 50..150,
    };
    assert_eq!(arrived, (0..50).chain(kept).collect::<Vec<_>>());
}

#[rstest]
#[case(SpoolMode::Overflow)]
#[case(SpoolMode::Always)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fails_does_not_stop_a_destination_that_is_up(#[case] mode: SpoolMode) {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let collector = FakeCollector::tcp();
    let spool = spool(directory.path(), mode).disk(Arc::new(disk.clone()));
    let rig = Rig::start(tcp(collector.address()).spool(spool));
    rig.until_up().await;
    rig.destination.offer(frames(0..10));
    drained(&rig).await;
    disk.set_read_only(true);
    for batch in 1..50 {
        rig.destination.offer(frames(batch * 10..batch * 10 + 10));
        drained(&rig).await;
    }
    disk.set_read_only(false);
    rig.destination.offer(frames(500..510));
    drained(&rig).await;
    let arrived = numbers(&collector.wait_for(510));
    assert_eq!(arrived, (0..510).collect::<Vec<_>>());
    let stats = rig.stats().spool.unwrap();
    assert_eq!(stats.bypassed > 0, mode == SpoolMode::Always);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_no_producer() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let collector = FakeCollector::refusing();
    let spool = spool(directory.path(), SpoolMode::Always).disk(Arc::new(disk.clone()));
    let queue = QueueConfig::default().max_frames(100);
    let rig = Rig::start(tcp(collector.address()).queue(queue).spool(spool));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    disk.hold(true);
    let offered = tokio::time::timeout(PATIENCE, rig.destination.offer_wait(frames(0..500)));
    offered.await.expect("nobody waits for the disk");
    let ledger = rig.ledger();
    assert_eq!(ledger.queued, 100);
    assert_eq!(ledger.dropped.count(DropReason::QueueFullNewest), 400);
    disk.hold(false);
    all_on_disk(&rig).await;
    assert_eq!(rig.ledger().spooled, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_that_blocks_waits_for_a_slow_disk_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    disk.set_delay(Duration::from_millis(5));
    disk.set_longest_write(Some(5000));
    let collector = FakeCollector::refusing();
    let spool = spool(directory.path(), SpoolMode::Overflow).disk(Arc::new(disk.clone()));
    let queue = QueueConfig::default()
        .max_frames(100)
        .when_full(WhenFull::Block);
    let rig = Rig::start(tcp(collector.address()).queue(queue).spool(spool));
    let offered = tokio::time::timeout(PATIENCE, rig.destination.offer_wait(frames(0..1000)));
    offered.await.expect("the disk is slow, not stuck");
    all_on_disk(&rig).await;
    assert_eq!(rig.ledger().spooled, 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_synced_before_they_are_sent_where_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::default();
    let collector = FakeCollector::tcp();
    let spool = spool(directory.path(), SpoolMode::Always)
        .fsync(Fsync::Always)
        .disk(Arc::new(disk.clone()));
    let rig = Rig::start(tcp(collector.address()).spool(spool));
    rig.until_up().await;
    let before = disk.syncs();
    disk.hold(true);
    rig.destination.offer(frames(0..10));
    assert!(!collector.receives(1, Duration::from_millis(100)));
    disk.hold(false);
    drained(&rig).await;
    assert!(disk.syncs() > before);
    assert_eq!(collector.wait_for(10).len(), 10);
    disk.set_failing_syncs(true);
    rig.destination.offer(frames(10..20));
    drained(&rig).await;
    assert!(rig.stats().spool.unwrap().sync_failures > 0);
    assert_eq!(collector.wait_for(20).len(), 20);
}

#[rstest]
#[case(SpoolFull::DropOldest, 1)]
#[case(SpoolFull::DropNewest, 0)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_at_its_bound_drops_by_policy_and_counts(
    #[case] policy: SpoolFull,
    #[case] first_lost: usize,
) {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let spool = spool(directory.path(), SpoolMode::Overflow)
        .when_full(policy)
        .max_octets(SpoolConfig::SMALLEST);
    let rig = Rig::start(tcp(collector.address()).spool(spool));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..8000));
    all_on_disk(&rig).await;
    let ledger = rig.ledger();
    let lost = ledger.dropped.count(DropReason::SpoolFull);
    assert_eq!(ledger.spooled + lost, 8000);
    assert!(lost > 1000, "{ledger:?}");
    assert!(rig.stats().spool.unwrap().octets <= SpoolConfig::SMALLEST);
    collector.listen();
    drained(&rig).await;
    let lost = usize::try_from(lost).unwrap();
    let arrived = numbers(&collector.wait_for(8000 - lost));
    let from = lost * first_lost;
    assert_eq!(arrived, (from..from + 8000 - lost).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_too_long_is_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let spool = spool(directory.path(), SpoolMode::Overflow).max_age(Duration::from_secs(1));
    let rig = Rig::start(tcp(collector.address()).spool(spool));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..100));
    rig.until("expired", |stats| {
        stats.ledger.dropped.count(DropReason::SpoolExpired) == 100
    })
    .await;
    assert_eq!(rig.ledger().spooled, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_to_a_spool_costs_what_it_hit_and_the_ledger_closes() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let rig = spooling(tcp(collector.address()), &directory, SpoolMode::Overflow);
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    rig.destination.offer(frames(0..1000));
    all_on_disk(&rig).await;
    rig.destination.drain(PATIENCE).await;
    let files = std::fs::read_dir(directory.path().join("homer")).unwrap();
    let file = files
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|suffix| suffix == "spool"))
        .expect("a spool file");
    let mut octets = std::fs::read(&file).unwrap();
    for at in [10_000, 50_000] {
        octets[at] ^= 0x10;
    }
    std::fs::write(&file, octets).unwrap();
    collector.listen();
    let rig = spooling(tcp(collector.address()), &directory, SpoolMode::Overflow);
    rig.until("carried over", |stats| stats.ledger.carried_over == 1000)
        .await;
    drained(&rig).await;
    let ledger = rig.ledger();
    assert_eq!(ledger.dropped.count(DropReason::SpoolDamaged), 2);
    assert_eq!(ledger.delivered, 998);
    assert!(is_rising(&numbers(&collector.wait_for(998))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_that_are_refused_wait_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::udp();
    let rig = spooling(udp(collector.address()), &directory, SpoolMode::Overflow);
    rig.until_up().await;
    rig.destination.offer(frames(0..10));
    assert_eq!(collector.wait_for(10).len(), 10);
    collector.refuse();
    let mut number = 10;
    while rig.stats().state != LinkState::Refusing {
        rig.destination.offer([frame(number)]);
        number += 1;
        tokio::task::yield_now().await;
    }
    let first = number;
    rig.destination.offer(frames(first..first + 500));
    rig.until("on disk", |stats| stats.ledger.spooled >= 500)
        .await;
    collector.listen();
    drained(&rig).await;
    // What was on its way when the peer went is lost, nothing that came after.
    let lost = usize::try_from(rig.ledger().delivered).unwrap() - (first + 500);
    assert_eq!(lost, 0, "everything counts as delivered");
    let deadline = std::time::Instant::now() + PATIENCE;
    while !numbers(&sent(&collector)).contains(&(first + 499)) {
        assert!(std::time::Instant::now() < deadline, "{:?}", rig.stats());
        tokio::task::yield_now().await;
    }
    let arrived = numbers(&sent(&collector));
    assert!(is_rising(&arrived));
    let late: Vec<_> = arrived.into_iter().filter(|n| *n >= first).collect();
    assert_eq!(late, (first..first + 500).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_waits_for_the_spool_and_goes_on_behind_it() {
    let directory = tempfile::tempdir().unwrap();
    let collector = FakeCollector::refusing();
    let old = spooling(tcp(collector.address()), &directory, SpoolMode::Overflow);
    old.until("down", |stats| stats.state == LinkState::Down)
        .await;
    old.destination.offer(frames(0..100));
    all_on_disk(&old).await;
    let new = spooling(tcp(collector.address()), &directory, SpoolMode::Overflow);
    new.destination.offer(frames(100..200));
    collector.listen();
    new.until_up().await;
    old.destination.drain(PATIENCE).await;
    drained(&new).await;
    let before = old.ledger();
    assert_eq!(before.delivered + before.spooled, 100);
    assert_eq!(new.ledger().carried_over, before.spooled);
    let mut arrived = numbers(&collector.wait_for(200));
    assert_order(&collector);
    arrived.sort_unstable();
    assert_eq!(arrived, (0..200).collect::<Vec<_>>());
}
