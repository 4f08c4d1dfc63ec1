//! UDP: what a datagram can and cannot say about its fate.

use bytes::Bytes;
use hepcat_net::{
    DestinationConfig,
    destination::{DropReason, LinkState},
};
use hepcat_testkit::FakeCollector;
use std::net::UdpSocket;

use crate::rig::{
    Answer, FakeResolver, PATIENCE, Rig, frame, frames, numbers, quick, udp, until_arrived,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_refusal_is_noticed_counted_and_not_fatal() {
    // A port that nobody listens on, ours again in a moment.
    let reserved = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let address = reserved.local_addr().expect("bound");
    drop(reserved);
    let rig = Rig::start(udp(address));
    rig.until_up().await;
    rig.destination.offer([frame(0)]);
    rig.until("refusing", |stats| stats.state == LinkState::Refusing)
        .await;
    let stats = rig.stats();
    assert_eq!(
        stats.link.refusals, 1,
        "told while idle, without another frame"
    );
    assert_eq!(stats.link.disconnects, 0);
    assert_eq!(stats.ledger.delivered, 1, "UDP knows no better");
    assert_eq!(
        stats.last_error.expect("an error").words,
        format!("{address} refuses datagrams")
    );
    assert!(!stats.state.is_available());

    let collector = FakeCollector::udp_at(address);
    rig.destination.offer(frames(1..6));
    assert_eq!(numbers(&collector.wait_for(5)), [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_largest_datagram_goes_and_a_larger_frame_is_dropped() {
    let collector = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let rig = Rig::start(udp(collector.local_addr().expect("bound")));
    rig.destination.offer([
        Bytes::from(vec![1; 65_507]),
        Bytes::from(vec![2; 65_508]),
        Bytes::from(vec![3; 10]),
    ]);
    rig.until("sent", |stats| stats.ledger.delivered == 2).await;
    let mut buffer = vec![0; 70_000];
    assert_eq!(collector.recv(&mut buffer).expect("a datagram"), 65_507);
    assert_eq!(collector.recv(&mut buffer).expect("a datagram"), 10);
    assert_eq!(rig.ledger().dropped.count(DropReason::TooLarge), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_that_does_not_resolve_keeps_the_frames() {
    let collector = FakeCollector::udp();
    let resolver = FakeResolver::new(Answer::NoSuchName);
    let config = DestinationConfig::udp("homer", "homer.example", 9060)
        .backoff(quick())
        .resolver(std::sync::Arc::<FakeResolver>::clone(&resolver));
    let rig = Rig::start(config);
    rig.destination.offer(frames(0..10));
    rig.until("failures", |stats| stats.link.connect_failures > 2)
        .await;
    assert_eq!(rig.ledger().queued, 10);
    resolver.answer(Answer::Addresses(vec![collector.address()]));
    assert_eq!(collector.wait_for(10), frames(0..10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_address_that_refuses_gives_way_to_the_next() {
    let reserved = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let refusing = reserved.local_addr().expect("bound");
    drop(reserved);
    let collector = FakeCollector::udp();
    let addresses = vec![refusing, collector.address()];
    let config = DestinationConfig::udp("homer", "homer.example", 9060)
        .resolver(FakeResolver::new(Answer::Addresses(addresses)));
    let rig = Rig::start(config);
    let offering = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(5));
        while rig.stats().peer != Some(collector.address()) {
            pace.tick().await;
            rig.destination.offer([frame(0)]);
        }
    };
    tokio::time::timeout(PATIENCE, offering)
        .await
        .expect("moves on");
    rig.destination.offer([frame(1)]);
    until_arrived(&collector, 1);
    assert_eq!(rig.stats().link.disconnects, 0);
}
