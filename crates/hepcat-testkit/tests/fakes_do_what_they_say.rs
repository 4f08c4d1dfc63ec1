//! The fakes are what other tests stand on: each behaviour that a test may ask for is shown here.

use std::{io, time::Duration};

use hepcat_testkit::{Behaviour, FakeAgent, FakeCollector, TcpProxy, TestCa, frame};

fn numbered(number: usize) -> Vec<u8> {
    frame::sip_v3(frame::sip_options(&format!("call-{number}")))
}

#[test]
fn a_collector_gets_what_an_agent_sends_over_udp_tcp_and_tls() {
    let ca = TestCa::new();
    let frames: Vec<Vec<u8>> = (0..50).map(numbered).collect();

    let udp = FakeCollector::udp();
    let mut agent = FakeAgent::udp(udp.address());
    frames.iter().for_each(|frame| agent.send(frame));
    assert_eq!(udp.wait_for(50), frames);

    let tcp = FakeCollector::tcp();
    let mut agent = FakeAgent::tcp(tcp.address());
    agent.send_in_pieces(&frames.concat(), 7);
    assert_eq!(tcp.wait_for(50), frames);
    assert_eq!(tcp.collected()[0].peer, agent.local_address());

    let tls = FakeCollector::tls(ca.server_config(&ca.localhost()));
    let mut agent = FakeAgent::tls(tls.address(), ca.client_config(None), "localhost").unwrap();
    agent.send(&frames.concat());
    assert_eq!(tls.wait_for(50), frames);
    assert_eq!(tls.tls_peers()[0].server_name.as_deref(), Some("localhost"));
    assert_eq!(tls.tls_peers()[0].certificate, None);
}

#[test]
fn a_collector_shows_the_client_certificate_and_refuses_without_one() {
    let ca = TestCa::new();
    let client = ca.client("agent-7");
    let tls = FakeCollector::tls(ca.mutual_server_config(&ca.localhost()));
    let mut agent =
        FakeAgent::tls(tls.address(), ca.client_config(Some(&client)), "127.0.0.1").unwrap();
    agent.send(&numbered(1));
    tls.wait_for(1).pop().unwrap();
    assert_eq!(
        tls.tls_peers()[0].certificate,
        client.load().0.into_iter().next()
    );

    let mut agent = FakeAgent::tls(tls.address(), ca.client_config(None), "localhost").unwrap();
    assert!(agent.closed_by_peer(Duration::from_secs(20)));
}

#[test]
fn certificates_that_are_expired_or_for_another_name_are_refused() {
    let ca = TestCa::new();
    for identity in [ca.expired(), ca.wrong_name()] {
        let tls = FakeCollector::tls(ca.server_config(&identity));
        FakeAgent::tls(tls.address(), ca.client_config(None), "localhost").unwrap_err();
    }
    let stranger = TestCa::new();
    let tls = FakeCollector::tls(ca.server_config(&ca.localhost()));
    FakeAgent::tls(tls.address(), stranger.client_config(None), "localhost").unwrap_err();
}

#[test]
fn a_collector_that_never_reads_makes_the_sender_wait_and_reads_all_later() {
    let tcp = FakeCollector::tcp();
    tcp.set_behaviour(Behaviour::NeverRead);
    let mut agent = FakeAgent::tcp(tcp.address());
    agent.send(&numbered(1));
    tcp.wait_for_accepted(1);
    assert!(!tcp.receives(1, Duration::from_millis(50)));
    tcp.set_behaviour(Behaviour::ReadSlowly {
        octets: 100,
        pause: Duration::from_micros(100),
    });
    assert_eq!(tcp.wait_for(1), [numbered(1)]);
}

#[test]
fn a_collector_resets_in_the_middle_of_a_frame_and_keeps_what_it_had() {
    let tcp = FakeCollector::tcp();
    let one = numbered(1);
    tcp.set_behaviour(Behaviour::ResetAfter {
        octets: one.len() + 10,
    });
    let mut agent = FakeAgent::tcp(tcp.address());
    agent.send(&[one.clone(), numbered(2)].concat());
    assert!(agent.closed_by_peer(Duration::from_secs(20)));
    tcp.wait_for_all_closed();
    assert_eq!(tcp.frames(), [one]);
    assert_eq!(tcp.partial(), [numbered(2)[..10].to_vec()]);
}

#[test]
fn a_refusing_collector_keeps_its_port_and_can_listen_later() {
    let tcp = FakeCollector::refusing();
    let refused = std::net::TcpStream::connect(tcp.address()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    tcp.listen();
    let mut agent = FakeAgent::tcp(tcp.address());
    agent.send(&numbered(1));
    assert_eq!(tcp.wait_for(1).len(), 1);
    tcp.refuse();
    let refused = std::net::TcpStream::connect(tcp.address()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    agent.send(&numbered(2));
    assert_eq!(tcp.wait_for(2).len(), 2, "open connections stay");
    tcp.listen();
    FakeAgent::tcp(tcp.address()).send(&numbered(3));
    assert_eq!(tcp.wait_for(3).len(), 3);
}

#[test]
fn connections_can_be_closed_and_reset_from_outside() {
    let tcp = FakeCollector::tcp();
    for end in [
        FakeCollector::close_connections,
        FakeCollector::reset_connections,
    ] {
        let accepted = tcp.accepted();
        let mut agent = FakeAgent::tcp(tcp.address());
        tcp.wait_for_accepted(accepted + 1);
        end(&tcp);
        assert!(agent.closed_by_peer(Duration::from_secs(20)));
        tcp.wait_for_all_closed();
    }
}

#[test]
fn what_is_no_hep_in_a_stream_is_noted() {
    let tcp = FakeCollector::tcp();
    let mut agent = FakeAgent::tcp(tcp.address());
    agent.send(&[numbered(1), b"GET / HTTP/1.1\r\n".to_vec()].concat());
    agent.finish();
    tcp.wait_for_accepted(1);
    tcp.wait_for_all_closed();
    assert_eq!(tcp.count(), 1);
    assert_eq!(tcp.faults().len(), 1);
}

#[test]
fn the_proxy_forwards_stalls_and_cuts() {
    let tcp = FakeCollector::tcp();
    let proxy = TcpProxy::new(tcp.address());
    let mut agent = FakeAgent::tcp(proxy.address());
    agent.send(&numbered(1));
    assert_eq!(tcp.wait_for(1).len(), 1);

    proxy.stall();
    agent.send(&numbered(2));
    assert!(!tcp.receives(2, Duration::from_millis(50)));
    proxy.resume();
    assert_eq!(tcp.wait_for(2).len(), 2);

    proxy.cut_after(10);
    agent.send(&numbered(3));
    assert!(agent.closed_by_peer(Duration::from_secs(20)));
    tcp.wait_for_all_closed();
    assert_eq!(tcp.partial(), [numbered(3)[..10].to_vec()]);

    let mut agent = FakeAgent::tcp(proxy.address());
    agent.send(&numbered(4));
    assert_eq!(tcp.wait_for(3).len(), 3, "the next connection passes");
    proxy.reset();
    assert!(agent.closed_by_peer(Duration::from_secs(20)));
}
