//! The plain case: what is offered arrives, in order, and is counted.

use bytes::Bytes;
use hepcat_net::{Transport, destination::DropReason};
use hepcat_testkit::{Behaviour, FakeCollector};
use std::time::Duration;

use crate::rig::{Rig, frame, frames, numbers, tcp, udp};

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
    rig.until("all delivered", |stats| stats.ledger.delivered == 5000)
        .await;
    assert_eq!(collector.accepted(), 1);
    assert_eq!(rig.stats().peer, Some(collector.address()));
    assert_eq!(rig.stats().transport, Transport::Tcp);
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
    rig.until("all delivered", |stats| stats.ledger.delivered == 2000)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_arrive_over_ipv6() {
    let any = "[::1]:0".parse().expect("an address");
    for (collector, make) in [
        (FakeCollector::tcp_at(any), tcp as fn(_) -> _),
        (FakeCollector::udp_at(any), udp),
    ] {
        let rig = Rig::start(make(collector.address()));
        rig.destination.offer(frames(0..10));
        assert_eq!(collector.wait_for(10), frames(0..10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_host_name_is_resolved() {
    let collector = FakeCollector::tcp();
    let port = collector.address().port();
    let rig = Rig::start(hepcat_net::DestinationConfig::tcp(
        "homer",
        "localhost",
        port,
    ));
    rig.destination.offer(frames(0..10));
    assert_eq!(collector.wait_for(10), frames(0..10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn messages_of_our_own_are_counted_apart() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start(tcp(collector.address()));
    rig.destination.offer(frames(0..3));
    rig.destination.originate(frame(3));
    assert_eq!(collector.wait_for(4), frames(0..4));
    assert_eq!((rig.ledger().offered, rig.ledger().originated), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_no_stream_carries_is_dropped_and_counted() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start(tcp(collector.address()));
    rig.destination
        .offer([Bytes::from(vec![0; 65_536]), Bytes::new(), frame(0)]);
    assert_eq!(collector.wait_for(1), frames(0..1));
    let dropped = rig.ledger().dropped;
    assert_eq!(dropped.count(DropReason::TooLarge), 1);
    assert_eq!(dropped.count(DropReason::Refused), 1);
    assert_eq!(dropped.total(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_reads_one_octet_at_a_time_gets_everything() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::ReadSlowly {
        octets: 1,
        pause: Duration::ZERO,
    });
    let rig = Rig::start(tcp(collector.address()));
    rig.destination.offer(frames(0..200));
    assert_eq!(collector.wait_for(200), frames(0..200));
    assert_eq!(collector.faults(), Vec::<String>::new());
}
