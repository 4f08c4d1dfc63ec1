//! Collectors that are away, go away, or come back elsewhere.

use std::{io::Write, net::TcpListener, thread, time::Duration};

use hepcat_net::{
    DestinationConfig,
    destination::{DropReason, LinkState},
};
use hepcat_testkit::{Behaviour, FakeCollector, TcpProxy};

use crate::rig::{
    Answer, FakeResolver, Rig, assert_order, frame, frames, long_frames, numbers, quick, tcp,
    until_arrived,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_is_down_at_start_gets_everything_in_order_once_it_is_up() {
    let collector = FakeCollector::refusing();
    let rig = Rig::start(tcp(collector.address()));
    for batch in frames(0..1000).chunks(10) {
        rig.destination.offer(batch.iter().cloned());
    }
    rig.until("several attempts", |stats| stats.link.connect_failures >= 3)
        .await;
    let stats = rig.stats();
    assert_eq!(stats.state, LinkState::Down);
    assert_eq!(stats.ledger.queued, 1000);
    assert_eq!(stats.postponed, 1000);
    let words = stats.last_error.expect("an error").words;
    assert!(words.contains("refused"), "{words}");
    assert!(words.contains(&collector.address().to_string()), "{words}");

    collector.listen();
    assert_eq!(collector.wait_for(1000), frames(0..1000));
    rig.until("all delivered", |stats| stats.ledger.delivered == 1000)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_closes_an_idle_connection_is_noticed_before_a_frame_is_lost() {
    let collector = FakeCollector::tcp();
    let rig = Rig::start(tcp(collector.address()));
    for round in 0..10 {
        rig.destination.offer([frame(round)]);
        assert_eq!(collector.wait_for(round + 1).len(), round + 1);
        if round % 2 == 0 {
            collector.close_connections();
        } else {
            collector.reset_connections();
        }
        rig.until("noticed", |stats| {
            stats.link.disconnects == round as u64 + 1 && stats.state == LinkState::Up
        })
        .await;
    }
    assert_eq!(numbers(&collector.frames()), (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_line_cut_mid_frame_never_shows_a_torn_frame() {
    let collector = FakeCollector::tcp();
    let proxy = TcpProxy::new(collector.address());
    let rig = Rig::start(tcp(proxy.address()));
    let mut offered = 0;
    for cut in [1, 5, 6, 100, 60_000, 61_234, 200_001, 999_999] {
        rig.until_up().await;
        let cuts = rig.stats().link.disconnects;
        proxy.cut_after(cut);
        rig.destination.offer(long_frames(offered..offered + 40));
        offered += 40;
        rig.until("cut", |stats| stats.link.disconnects > cuts)
            .await;
    }
    rig.until_up().await;
    rig.destination.offer(long_frames(offered..offered + 1));
    rig.until("nothing queued", |stats| stats.ledger.queued == 0)
        .await;
    until_arrived(&collector, offered);
    assert!(!collector.partial().is_empty(), "a cut fell within a frame");
    assert_eq!(collector.faults(), Vec::<String>::new());
    let all = long_frames(0..offered + 1);
    for frame in collector.frames() {
        let number = numbers(std::slice::from_ref(&frame))[0];
        assert_eq!(frame, all[number], "frame {number} is whole");
    }
    assert_order(&collector);
    assert_eq!(rig.ledger().dropped.total(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_resets_mid_frame_gets_whole_frames_again() {
    let collector = FakeCollector::tcp();
    collector.set_behaviour(Behaviour::ResetAfter { octets: 1000 });
    let rig = Rig::start(tcp(collector.address()));
    let mut offered = 0;
    while rig.stats().link.disconnects < 5 {
        rig.destination.offer([frame(offered)]);
        offered += 1;
        tokio::task::yield_now().await;
    }
    collector.set_behaviour(Behaviour::Collect);
    rig.until_up().await;
    rig.destination.offer([frame(offered)]);
    until_arrived(&collector, offered);
    assert_eq!(collector.faults(), Vec::<String>::new());
    assert_order(&collector);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn all_addresses_of_a_name_are_tried() {
    let dead = FakeCollector::refusing();
    let collector = FakeCollector::tcp();
    let resolver = FakeResolver::new(Answer::Addresses(vec![
        dead.address(),
        "[::1]:1".parse().expect("an address"),
        collector.address(),
    ]));
    let config = DestinationConfig::tcp("homer", "homer.example", 9060).resolver(resolver);
    let rig = Rig::start(config);
    rig.destination.offer(frames(0..10));
    assert_eq!(collector.wait_for(10), frames(0..10));
    assert_eq!(rig.stats().link.connect_failures, 0);
    assert_eq!(rig.stats().peer, Some(collector.address()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_that_moves_is_followed() {
    let before = FakeCollector::tcp();
    let after = FakeCollector::tcp();
    let resolver = FakeResolver::new(Answer::Addresses(vec![before.address()]));
    let config = DestinationConfig::tcp("homer", "homer.example", 9060)
        .backoff(quick())
        .resolver(std::sync::Arc::<FakeResolver>::clone(&resolver));
    let rig = Rig::start(config);
    rig.destination.offer(frames(0..10));
    assert_eq!(before.wait_for(10).len(), 10);
    resolver.answer(Answer::Addresses(vec![after.address()]));
    before.refuse();
    before.close_connections();
    rig.until("moved", |stats| stats.peer == Some(after.address()))
        .await;
    rig.destination.offer(frames(10..20));
    assert_eq!(after.wait_for(10), frames(10..20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_talks_is_ignored_and_one_that_never_stops_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            thread::spawn(move || while stream.write_all(&[b'!'; 4096]).is_ok() {});
        }
    });
    let rig = Rig::start(tcp(address));
    rig.until("given up", |stats| stats.link.disconnects > 0)
        .await;
    let stats = rig.stats();
    assert_eq!(stats.last_error.expect("an error").reason, "talkative");
    assert!(stats.link.peer_octets >= 64 << 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_accepts_and_closes_at_once_is_backed_off_from() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || listener.incoming().for_each(drop));
    let rig = Rig::start(tcp(address).retry_limit(5, Duration::from_hours(1)));
    rig.until("cooling down", |stats| {
        stats.state == LinkState::CoolingDown
    })
    .await;
    let link = rig.stats().link;
    assert_eq!((link.connects, link.disconnects, link.cooldowns), (5, 5, 1));
    assert_eq!(rig.ledger().dropped.count(DropReason::Shutdown), 0);
}
