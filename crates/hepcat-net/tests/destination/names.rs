//! Names: answers that end, addresses that move, names that are lost.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use hepcat_net::{
    DestinationConfig,
    destination::{LinkState, Resolve},
};
use hepcat_testkit::FakeCollector;

use crate::rig::{Answer, FakeResolver, Rig, frames, quick};

/// The shortest that an answer is believed.
const TTL: Duration = Duration::from_secs(1);

fn named(resolver: &Arc<FakeResolver>, udp: bool) -> DestinationConfig {
    let config = match udp {
        true => DestinationConfig::udp("d", "homer.example", 1),
        false => DestinationConfig::tcp("d", "homer.example", 1),
    };
    let resolver: Arc<dyn Resolve> = Arc::<FakeResolver>::clone(resolver);
    config.resolver(resolver).backoff(quick())
}

fn at(address: SocketAddr) -> Answer {
    Answer::For(TTL, vec![address])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_destination_follows_its_name_when_the_answers_time_is_over() {
    for udp in [false, true] {
        let (old, new) = match udp {
            true => (FakeCollector::udp(), FakeCollector::udp()),
            false => (FakeCollector::tcp(), FakeCollector::tcp()),
        };
        let resolver = FakeResolver::new(at(old.address()));
        let rig = Rig::start(named(&resolver, udp));
        rig.until_up().await;
        rig.destination.offer(frames(0..10));
        assert_eq!(old.wait_for(10), frames(0..10));
        resolver.answer(at(new.address()));
        rig.until("at the new address", |stats| {
            stats.peer == Some(new.address()) && stats.state == LinkState::Up
        })
        .await;
        rig.destination.offer(frames(10..20));
        assert_eq!(new.wait_for(10), frames(10..20));
        let stats = rig.stats();
        assert_eq!((stats.link.moves, stats.failures), (1, 0));
        assert_eq!(stats.link.connect_failures + stats.link.disconnects, 0);
        assert_eq!(rig.destination.health().back_for, None, "it was never away");
        assert_eq!(old.count(), 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_name_that_stops_resolving_keeps_its_connection_and_its_last_address() {
    let collector = FakeCollector::tcp();
    let resolver = FakeResolver::new(at(collector.address()));
    let rig = Rig::start(named(&resolver, false));
    rig.until_up().await;
    resolver.answer(Answer::NoSuchName);
    rig.until("asked again in vain", |_| !resolver.pauses().is_empty())
        .await;
    rig.destination.offer(frames(0..5));
    assert_eq!(collector.wait_for(5), frames(0..5));
    assert_eq!(rig.stats().link.connects, 1);
    // The connection is lost: the last address is tried although the name does not resolve.
    collector.close_connections();
    rig.until("connected again", |stats| stats.link.connects == 2)
        .await;
    rig.destination.offer(frames(5..10));
    assert_eq!(collector.wait_for(10), frames(0..10));
    // And where that does not help, the name is what is wrong.
    collector.refuse();
    collector.close_connections();
    rig.until("the reason is the name", |stats| {
        stats
            .last_error
            .as_ref()
            .is_some_and(|error| error.reason == "resolve")
    })
    .await;
    collector.listen();
    rig.until("connected once more", |stats| stats.link.connects >= 3)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_answer_that_still_holds_the_peer_changes_nothing() {
    let (collector, other) = (FakeCollector::tcp(), FakeCollector::tcp());
    let resolver = FakeResolver::new(at(collector.address()));
    let rig = Rig::start(named(&resolver, false));
    rig.until_up().await;
    let both = vec![other.address(), collector.address()];
    resolver.answer(Answer::For(TTL, both));
    rig.until("asked twice more", |_| resolver.pauses().len() >= 2)
        .await;
    rig.destination.offer(frames(0..5));
    assert_eq!(collector.wait_for(5), frames(0..5));
    assert_eq!((rig.stats().link.connects, other.accepted()), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stalled_connection_is_given_up_when_the_name_leads_elsewhere() {
    let (old, new) = (FakeCollector::tcp(), FakeCollector::tcp());
    old.set_behaviour(hepcat_testkit::Behaviour::NeverRead);
    let resolver = FakeResolver::new(at(old.address()));
    let rig = Rig::start(named(&resolver, false));
    rig.until_up().await;
    rig.destination.offer(crate::rig::long_frames(0..200));
    rig.until("stalled", |stats| stats.state == LinkState::Slow)
        .await;
    resolver.answer(at(new.address()));
    rig.until("everything is written", |stats| stats.ledger.queued == 0)
        .await;
    assert_eq!(rig.stats().peer, Some(new.address()));
    assert!(!new.wait_for(1).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_idle_datagram_peer_that_refused_is_asked_until_it_is_back() {
    let collector = FakeCollector::udp();
    let resolver = FakeResolver::new(Answer::Addresses(vec![collector.address()]));
    let probe = Duration::from_millis(500);
    let rig = Rig::start(named(&resolver, true).probe(probe, probe));
    rig.until_up().await;
    collector.refuse();
    // Nothing is offered: the probe alone finds out.
    rig.until("refusing", |stats| stats.state == LinkState::Refusing)
        .await;
    assert!(!rig.destination.health().available);
    collector.listen();
    rig.until("up", |stats| stats.state == LinkState::Up).await;
    assert!(rig.destination.health().back_for.is_some());
    rig.destination.offer(frames(0..1));
    let arrived = || collector.frames().contains(&frames(0..1)[0].to_vec());
    rig.until("the frame arrived", |_| arrived()).await;
    let strangers = collector.frames();
    let strangers = strangers.iter().filter(|octets| octets.len() > 4);
    assert_eq!(strangers.count(), 1, "beside frames only keep-alives");
}
