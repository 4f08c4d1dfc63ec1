//! TLS: who is refused and what is said about it.

use std::{fs, net::TcpListener, sync::Arc, time::Duration};

use hepcat_net::{
    DestinationConfig,
    destination::LinkState,
    tls::{ClientTls, ClientTlsSettings},
};
use hepcat_testkit::{Behaviour, FakeCollector, Identity, TestCa};
use rustls::crypto::aws_lc_rs;

use crate::rig::{PATIENCE, Rig, frames, long_frames, numbers, quick, until_arrived};

fn load(settings: ClientTlsSettings) -> ClientTls {
    ClientTls::load(settings, Arc::new(aws_lc_rs::default_provider())).expect("usable files")
}

fn trusting(ca: &TestCa) -> ClientTlsSettings {
    ClientTlsSettings::new().ca(ca.ca_file())
}

fn to(collector: &FakeCollector, settings: ClientTlsSettings) -> DestinationConfig {
    let port = collector.address().port();
    DestinationConfig::tls("homer", "127.0.0.1", port, load(settings)).backoff(quick())
}

fn presenting(ca: &TestCa, identity: &Identity) -> FakeCollector {
    FakeCollector::tls(ca.server_config(identity))
}

async fn refused_with(rig: &Rig, reason: &str, words: &str) {
    rig.destination.offer(frames(0..1));
    rig.until("failed twice", |stats| {
        stats.link.connect_failures + stats.link.disconnects >= 2
    })
    .await;
    let stats = rig.stats();
    let error = stats.last_error.expect("an error");
    assert_eq!(error.reason, reason);
    assert!(error.words.contains(words), "{}", error.words);
    assert_eq!(stats.ledger.queued, 1, "nothing is sent to a stranger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn frames_arrive_in_order_over_tls() {
    let ca = TestCa::new();
    let collector = presenting(&ca, &ca.localhost());
    let rig = Rig::start(to(&collector, trusting(&ca).server_name("localhost")));
    for batch in frames(0..3000).chunks(64) {
        rig.destination.offer(batch.iter().cloned());
    }
    rig.destination.offer(long_frames(3000..3020));
    let collected = collector.wait_for(3020);
    assert_eq!(numbers(&collected), (0..3020).collect::<Vec<_>>());
    let peer = &collector.tls_peers()[0];
    assert_eq!(peer.server_name.as_deref(), Some("localhost"));
    assert_eq!(peer.certificate, None);
    rig.until("all delivered", |stats| stats.ledger.delivered == 3020)
        .await;
    assert_eq!(rig.destination.drain(PATIENCE).await.lost, 0);
    assert_eq!(collector.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_for_another_name_is_refused() {
    let ca = TestCa::new();
    let collector = presenting(&ca, &ca.wrong_name());
    let rig = Rig::start(to(&collector, trusting(&ca)));
    refused_with(&rig, "tls", "not for 127.0.0.1 but for").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_expired_certificate_is_refused() {
    let ca = TestCa::new();
    let collector = presenting(&ca, &ca.expired());
    let rig = Rig::start(to(&collector, trusting(&ca)));
    refused_with(&rig, "tls", "the peer's certificate has expired").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (ca, stranger) = (TestCa::new(), TestCa::new());
    let collector = presenting(&stranger, &stranger.localhost());
    let rig = Rig::start(to(&collector, trusting(&ca)));
    refused_with(&rig, "tls", "an authority that we do not trust").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn verification_can_be_given_up_explicitly() {
    let (ca, stranger) = (TestCa::new(), TestCa::new());
    let collector = presenting(&stranger, &stranger.expired());
    let rig = Rig::start(to(&collector, trusting(&ca).insecure()));
    rig.destination.offer(frames(0..10));
    assert_eq!(collector.wait_for(10), frames(0..10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_wants_a_client_certificate_gets_ours() {
    let ca = TestCa::new();
    let collector = FakeCollector::tls(ca.mutual_server_config(&ca.localhost()));
    let client = ca.client("sbc-1");
    let settings = trusting(&ca).identity(&client.cert, &client.key);
    let rig = Rig::start(to(&collector, settings));
    rig.destination.offer(frames(0..10));
    assert_eq!(collector.wait_for(10), frames(0..10));
    assert!(collector.tls_peers()[0].certificate.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_a_client_certificate_it_says_so_and_no_frame_is_lost() {
    let ca = TestCa::new();
    let collector = FakeCollector::tls(ca.mutual_server_config(&ca.localhost()));
    let rig = Rig::start(to(&collector, trusting(&ca)));
    refused_with(&rig, "tls", "asks for a client certificate and none").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_expired_client_certificate_is_told() {
    let ca = TestCa::new();
    let collector = FakeCollector::tls(ca.mutual_server_config(&ca.localhost()));
    let client = ca.expired_client("sbc-1");
    let settings = trusting(&ca).identity(&client.cert, &client.key);
    let rig = Rig::start(to(&collector, settings));
    refused_with(&rig, "tls", "our client certificate has expired").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_peer_that_does_not_speak_tls_is_told() {
    let ca = TestCa::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::io::Write::write_all(&mut &stream, b"220 mail.example ESMTP\r\n").ok();
        }
    });
    let config = DestinationConfig::tls("homer", "127.0.0.1", port, load(trusting(&ca)));
    let rig = Rig::start(config.backoff(quick()));
    refused_with(&rig, "tls", "does not answer in tls").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_handshake_that_stalls_ends_in_time() {
    let ca = TestCa::new();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    let config = DestinationConfig::tls("homer", "127.0.0.1", port, load(trusting(&ca)))
        .connect_timeout(Duration::from_millis(20))
        .backoff(quick());
    let rig = Rig::start(config);
    refused_with(&rig, "handshake_timeout", "unfinished after 20ms").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_reset_under_tls_never_shows_a_torn_frame() {
    let ca = TestCa::new();
    let collector = presenting(&ca, &ca.localhost());
    collector.set_behaviour(Behaviour::ResetAfter { octets: 100_000 });
    let rig = Rig::start(to(&collector, trusting(&ca)));
    rig.destination.offer(long_frames(0..10));
    rig.until("reset", |stats| stats.link.disconnects > 0).await;
    collector.set_behaviour(Behaviour::Collect);
    rig.until_up().await;
    rig.destination.offer(long_frames(10..11));
    until_arrived(&collector, 10);
    let all = long_frames(0..11);
    for frame in collector.frames() {
        let number = numbers(std::slice::from_ref(&frame))[0];
        assert_eq!(frame, all[number], "frame {number} is whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn files_that_change_are_used_at_the_next_attempt() {
    let (ca, next) = (TestCa::new(), TestCa::new());
    let trusted = ca.directory().join("trusted.pem");
    fs::copy(ca.ca_file(), &trusted).expect("copied");
    let collector = presenting(&next, &next.localhost());
    let rig = Rig::start(to(&collector, ClientTlsSettings::new().ca(&trusted)));
    refused_with(&rig, "tls", "do not trust").await;
    fs::copy(next.ca_file(), &trusted).expect("copied");
    assert_eq!(collector.wait_for(1), frames(0..1));
    rig.until_up().await;

    fs::write(&trusted, "no longer PEM").expect("written");
    collector.close_connections();
    rig.until("connected again", |stats| {
        stats.link.disconnects == 1 && stats.state == LinkState::Up
    })
    .await;
    rig.destination.offer(frames(1..2));
    assert_eq!(collector.wait_for(2), frames(0..2));
}

#[test]
fn faulty_files_and_names_are_found_without_connecting() {
    let ca = TestCa::new();
    let provider = || Arc::new(aws_lc_rs::default_provider());
    let missing = ca.directory().join("missing.pem");
    let fault = ClientTls::load(ClientTlsSettings::new().ca(&missing), provider())
        .expect_err("no such file");
    assert_eq!(fault.path(), Some(&*missing));
    let (one, other) = (ca.client("one"), ca.client("other"));
    let settings = trusting(&ca).identity(&one.cert, &other.key);
    let fault = ClientTls::load(settings, provider()).expect_err("not a pair");
    assert_eq!(fault.reason(), "mismatch");
    let fault = ClientTls::load(trusting(&ca).server_name("not a name"), provider())
        .expect_err("not a name");
    assert_eq!(fault.reason(), "bad_server_name");
    assert!(load(trusting(&ca)).check_host("homer.example").is_ok());
    assert!(load(trusting(&ca)).check_host("homer example").is_err());
}
