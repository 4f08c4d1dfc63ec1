//! The ledger adds up in every reading, and the end of a destination says what was lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use hepcat_net::destination::{DropReason, LinkState, QueueConfig, WhenFull};
use hepcat_testkit::{FakeCollector, TcpProxy};
use rstest::rstest;

use crate::rig::{PATIENCE, Rig, frame, frames, is_rising, numbers, tcp, udp};

const PRODUCERS: usize = 3;
const BATCHES: usize = 400;
const BATCH: usize = 16;

#[rstest]
#[case(WhenFull::DropOldest)]
#[case(WhenFull::DropNewest)]
#[case(WhenFull::Disconnect)]
#[case(WhenFull::Block)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reading_adds_up_while_producers_hammer_and_the_line_breaks(
    #[case] policy: WhenFull,
) {
    let collector = FakeCollector::tcp();
    let proxy = TcpProxy::new(collector.address());
    let queue = QueueConfig::default().max_frames(64).when_full(policy);
    let rig = Rig::start(tcp(proxy.address()).queue(queue));
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (destination, over) = (Arc::clone(&rig.destination), Arc::clone(&over));
        thread::spawn(move || {
            let mut readings = 0_u64;
            let mut delivered = 0;
            while !over.load(Ordering::Relaxed) {
                let ledger = destination.ledger();
                assert_eq!(ledger.unaccounted(), 0, "{ledger:?}");
                assert!(ledger.queued <= 64, "{ledger:?}");
                assert!(ledger.delivered >= delivered, "{ledger:?}");
                delivered = ledger.delivered;
                readings += 1;
            }
            readings
        })
    };
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|producer| {
            let destination = Arc::clone(&rig.destination);
            rig.tasks.spawn(async move {
                for batch in 0..BATCHES {
                    let first = (producer * BATCHES + batch) * BATCH;
                    destination.offer_wait(frames(first..first + BATCH)).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let breaking = async {
        let mut often = tokio::time::interval(Duration::from_millis(3));
        while !producers.iter().all(tokio::task::JoinHandle::is_finished) {
            often.tick().await;
            proxy.reset();
        }
    };
    let finished = tokio::time::timeout(PATIENCE, breaking).await;
    assert!(finished.is_ok(), "a producer is stuck: {:?}", rig.stats());
    rig.destination.drain(PATIENCE).await;
    over.store(true, Ordering::Relaxed);
    assert!(reader.join().expect("the reader saw no wrong sum") > 0);

    let ledger = rig.ledger();
    assert_eq!(ledger.offered, (PRODUCERS * BATCHES * BATCH) as u64);
    assert_eq!(ledger.queued, 0);
    assert_eq!(ledger.offered, ledger.delivered + ledger.dropped.total());
    assert_eq!(ledger.dropped.count(DropReason::Shutdown), 0);
    // A reset takes with it what was on its way, never more than was delivered, and tears no frame.
    assert!(collector.count() as u64 <= ledger.delivered);
    assert_eq!(collector.faults(), Vec::<String>::new());
    let arrived = numbers(&collector.frames());
    for producer in 0..PRODUCERS {
        let own = producer * BATCHES * BATCH..(producer + 1) * BATCHES * BATCH;
        let mut own: Vec<_> = arrived
            .iter()
            .copied()
            .filter(|n| own.contains(n))
            .collect();
        let count = own.len();
        own.sort_unstable();
        own.dedup();
        assert_eq!(own.len(), count, "no frame arrives twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_writes_what_is_queued_and_closes_in_good_order() {
    for (collector, make) in [
        (FakeCollector::tcp(), tcp as fn(_) -> _),
        (FakeCollector::udp(), udp),
    ] {
        let rig = Rig::start(make(collector.address()));
        rig.destination.offer(frames(0..100));
        let drained = rig.destination.drain(PATIENCE).await;
        assert_eq!(drained.lost, 0);
        assert_eq!(rig.ledger().delivered, 100);
        assert_eq!(rig.stats().state, LinkState::Stopped);
        let arrived = collector.wait_for(100);
        assert!(is_rising(&numbers(&arrived)));
        assert_eq!(collector.partial(), Vec::<Vec<u8>>::new());
        rig.tasks.close();
        tokio::time::timeout(PATIENCE, rig.tasks.wait())
            .await
            .expect("the task has ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_that_runs_out_of_time_says_what_was_lost() {
    let collector = FakeCollector::refusing();
    let rig = Rig::start(tcp(collector.address()));
    rig.destination.offer(frames(0..100));
    let drained = rig.destination.drain(Duration::from_millis(50)).await;
    assert_eq!((drained.delivered, drained.lost), (0, 100));
    rig.destination.offer([frame(100)]);
    let ledger = rig.ledger();
    assert_eq!(ledger.offered, 101);
    assert_eq!(ledger.dropped.count(DropReason::Shutdown), 101);
    assert_eq!(ledger.queued, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drain_of_an_empty_destination_does_not_wait_for_its_collector() {
    let collector = FakeCollector::refusing();
    let rig = Rig::start(tcp(collector.address()));
    rig.until("down", |stats| stats.state == LinkState::Down)
        .await;
    let drained = tokio::time::timeout(PATIENCE, rig.destination.drain(PATIENCE * 10)).await;
    assert_eq!(drained.expect("drained at once").lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn stopping_ends_the_task_at_once_and_counts_what_was_queued() {
    let collector = FakeCollector::refusing();
    let queue = QueueConfig::default()
        .max_frames(10)
        .when_full(WhenFull::Block);
    let rig = Rig::start(tcp(collector.address()).queue(queue));
    let destination = Arc::clone(&rig.destination);
    let producer = rig.tasks.spawn(async move {
        destination.offer_wait(frames(0..25)).await;
    });
    rig.until("full", |stats| stats.ledger.queued == 10).await;
    rig.stop.cancel();
    tokio::time::timeout(PATIENCE, producer)
        .await
        .expect("a waiting producer is let go")
        .expect("and does not panic");
    rig.tasks.close();
    tokio::time::timeout(PATIENCE, rig.tasks.wait())
        .await
        .expect("the task has ended");
    let ledger = rig.ledger();
    assert_eq!(ledger.dropped.count(DropReason::Shutdown), 25);
    assert_eq!(ledger.offered, 25);
}
