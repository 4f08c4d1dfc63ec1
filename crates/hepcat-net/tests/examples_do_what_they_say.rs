//! The two example programs, run together: the SIP program's copies and an agent's messages are what is counted.

use std::{net::SocketAddr, time::Duration};

use hepcat_testkit::{FakeAgent, FakeCollector, TestCa, frame, vectors};
use hepcat_wire::{IpProtocol, Message};
use tokio::net::UdpSocket;

#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/count_methods.rs"]
mod count_methods;
#[expect(dead_code, reason = "its main is for the command line")]
#[path = "../examples/trace_own_sip.rs"]
mod trace_own_sip;

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_sip_program_traces_what_it_receives_and_sends_over_tls() {
    let ca = TestCa::new();
    let collector = FakeCollector::tls(ca.server_config(&ca.localhost()));
    let address = format!("localhost:{}", collector.address().port());
    let tracer = trace_own_sip::Tracer::connect(&address, ca.ca_file()).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let here = socket.local_addr().unwrap();

    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let request = frame::sip_options("call-1@example");
    peer.send_to(request.as_bytes(), here).await.unwrap();
    let mut response = vec![0; 2000];
    let length = tokio::select! {
        failed = trace_own_sip::answer(&socket, &tracer) => panic!("{failed:?}"),
        received = tokio::time::timeout(PATIENCE, peer.recv(&mut response)) => received.unwrap().unwrap(),
    };
    response.truncate(length);
    assert!(response.starts_with(b"SIP/2.0 200 OK\r\n"));
    assert_eq!(tracer.close().await, 0);

    let frames = collector.wait_for(2);
    let peer_address = peer.local_addr().unwrap();
    for (frame, payload, from, to) in [
        (&frames[0], request.as_bytes(), peer_address, here),
        (&frames[1], &response[..], here, peer_address),
    ] {
        let message = Message::parse(frame).unwrap();
        assert_eq!(message.payload().octets(), Some(payload));
        let source = (message.src_ip().unwrap(), message.src_port().unwrap());
        let destination = (message.dst_ip().unwrap(), message.dst_port().unwrap());
        assert_eq!(SocketAddr::from(source), from);
        assert_eq!(SocketAddr::from(destination), to);
        assert_eq!(message.ip_protocol(), Some(IpProtocol::UDP));
        assert_eq!(message.capture_id(), Some(2001));
        assert_eq!(message.correlation_id(), Some(&b"call-1@example"[..]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_counts_methods_per_agent() {
    let collector = count_methods::Collector::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let (mut udp, mut tcp) = (
        FakeAgent::udp(collector.udp()),
        FakeAgent::tcp(collector.tcp()),
    );
    let options = frame::sip_v3(frame::sip_options("call-1"));
    udp.send(&options);
    udp.send(b"rubbish that does not decode");
    let vectors = vectors();
    let captured = |name: &str| {
        let found = vectors.iter().find(|vector| vector.file.contains(name));
        found.unwrap().octets.clone()
    };
    tcp.send(&options);
    for name in [
        "opensips-v3-ipv4-udp-h6-invite",
        "opensips-v3-ipv4-udp-h5-invite",
        "kamailio-v3-ipv4-udp-200-invite",
        "opensips-v3-ipv4-h6-log",
    ] {
        tcp.send(&captured(name));
    }
    let all_counted = async {
        while collector.counts().0.values().sum::<u64>() < 7 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all_counted).await.unwrap();
    let counts = collector.stop().await;
    let of = |what: &str| {
        let counted = counts.0.iter().filter(|((_, seen), _)| seen == what);
        counted.map(|(_, count)| count).sum::<u64>()
    };
    assert_eq!(of("OPTIONS"), 2);
    assert_eq!(of("INVITE"), 2);
    assert_eq!(of("status 2xx"), 1);
    assert_eq!(of("no SIP"), 1);
    assert_eq!(of("no HEP: unknown_format"), 1);
    assert!(counts.to_string().contains("INVITE"));
}
