use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    num::NonZeroUsize,
};

use hepcat_net::{
    ListenerId, Transport,
    listener::{Listener, ListenerConfig},
};
use hepcat_testkit::frame;
use hepcat_wire::Version;

use crate::rig::{Rig, loopback, numbered};

fn agent(rig: &Rig) -> UdpSocket {
    let ip: std::net::IpAddr = match rig.addr() {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.connect(rig.addr()).unwrap();
    socket
}

#[tokio::test]
async fn versions_one_two_and_three() {
    let rig = Rig::udp();
    let agent = agent(&rig);
    let sent = [
        frame::sip_v1("OPTIONS sip:a@b SIP/2.0\r\n\r\n"),
        frame::sip_v2("OPTIONS sip:a@b SIP/2.0\r\n\r\n"),
        frame::sip_v3("OPTIONS sip:a@b SIP/2.0\r\n\r\n"),
    ];
    for datagram in &sent {
        agent.send(datagram).unwrap();
    }
    let got = rig.recorder.wait_for(3).await;
    for (got, sent) in got.iter().zip(&sent) {
        assert_eq!((&got.frame, got.error), (sent, None));
        assert_eq!(got.origin.peer, agent.local_addr().unwrap());
        assert_eq!(got.origin.local, rig.addr());
        assert_eq!(got.origin.listener, ListenerId(7));
        assert_eq!(got.origin.transport, Transport::Udp);
    }
    let stats = rig.stop().await;
    for version in [Version::V1, Version::V2, Version::V3] {
        assert_eq!(stats.messages.get(version), 1);
    }
    assert_eq!(stats.datagrams, 3);
    let octets: usize = sent.iter().map(Vec::len).sum();
    assert_eq!(stats.octets, octets as u64);
}

#[tokio::test]
async fn one_peer_has_one_origin() {
    let rig = Rig::udp();
    let agent = agent(&rig);
    for number in 0..3 {
        agent.send(&numbered(number)).unwrap();
    }
    let got = rig.recorder.wait_for(3).await;
    assert!(std::sync::Arc::ptr_eq(&got[0].origin, &got[2].origin));
}

#[tokio::test]
async fn the_longest_datagram_is_not_cut() {
    let rig = Rig::udp();
    let empty = frame::sip_v3([]).len();
    let longest = frame::sip_v3(vec![b'x'; 65_507 - empty]);
    assert_eq!(longest.len(), 65_507);
    agent(&rig).send(&longest).unwrap();
    let got = rig.recorder.wait_for(1).await;
    assert_eq!(got[0].frame, longest);
    assert_eq!(got[0].error, None);
}

#[tokio::test]
async fn keep_alives_and_probes_are_counted_and_no_error() {
    let rig = Rig::udp();
    let agent = agent(&rig);
    let probes: [&[u8]; 7] = [
        b"",
        b"\0",
        b"ping",
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"\r\n\r\n\r\n\r\n",
        b"HELLO HFP",
    ];
    for probe in probes {
        agent.send(probe).unwrap();
    }
    agent.send(&numbered(1)).unwrap();
    assert_eq!(rig.recorder.wait_for(1).await.len(), 1);
    let stats = rig.stop().await;
    assert_eq!(stats.keep_alives, probes.len() as u64);
    assert_eq!(stats.datagrams, probes.len() as u64 + 1);
    assert_eq!((stats.unparsable, stats.decode_errors.total()), (0, 0));
}

#[tokio::test]
async fn what_does_not_decode_is_handed_over_with_its_evidence() {
    let rig = Rig::udp();
    let agent = agent(&rig);
    let good = numbered(1);
    let cut = &good[..good.len() - 1];
    agent.send(b"GET / HTTP/1.1").unwrap();
    agent.send(cut).unwrap();
    agent.send(b"HEP3\x00\x05").unwrap();
    agent.send(&good).unwrap();
    let got = rig.recorder.wait_for(4).await;
    let want: [(&[u8], _); 4] = [
        (b"GET / HTTP/1.1", Some("unknown_format")),
        (cut, Some("total_exceeds_data")),
        (b"HEP3\x00\x05", Some("bad_total_length")),
        (&good, None),
    ];
    for (got, want) in got.iter().zip(want) {
        assert_eq!((got.frame.as_slice(), got.error), want);
    }
    let stats = rig.stop().await;
    assert_eq!(stats.unparsable, 3);
    for reason in ["unknown_format", "total_exceeds_data", "bad_total_length"] {
        assert_eq!(stats.decode_errors.get(reason), 1, "{reason}");
    }
    assert_eq!(
        stats.datagrams,
        stats.messages.total() + stats.unparsable + stats.keep_alives
    );
}

#[tokio::test]
async fn what_is_tolerated_is_counted() {
    let rig = Rig::udp();
    let mut padded = numbered(1);
    padded.extend_from_slice(b"pad");
    agent(&rig).send(&padded).unwrap();
    let got = rig.recorder.wait_for(1).await;
    assert_eq!((&got[0].frame, got[0].error), (&padded, None));
    let stats = rig.stop().await;
    assert_eq!(stats.defects.get("trailing_data"), 1);
    assert_eq!(stats.decode_errors.total(), 0);
}

#[tokio::test]
async fn the_other_names_of_version_three_are_accepted() {
    let rig = Rig::udp();
    let agent = agent(&rig);
    for magic in [b"EEP3", b"EEP1"] {
        let mut datagram = numbered(1);
        datagram[..4].copy_from_slice(magic);
        agent.send(&datagram).unwrap();
    }
    let got = rig.recorder.wait_for(2).await;
    assert!(got.iter().all(|got| got.error.is_none()), "{got:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_each_sender_is_kept_over_several_sockets() {
    const SENDERS: usize = 8;
    const EACH: usize = 500;
    let config = ListenerConfig::udp(ListenerId(1), loopback());
    let rig = Rig::new(config.sockets(NonZeroUsize::new(4).unwrap()));
    assert_eq!(rig.stats().sockets, 4);
    let senders: Vec<UdpSocket> = (0..SENDERS).map(|_| agent(&rig)).collect();
    // In portions that fit the smallest receive buffer a system may grant.
    for portion in 0..EACH / 10 {
        for sender in &senders {
            for number in 0..10 {
                sender.send(&numbered(portion * 10 + number)).unwrap();
            }
        }
        rig.recorder.wait_for((portion + 1) * 10 * SENDERS).await;
    }
    let mut by_sender: HashMap<SocketAddr, Vec<Vec<u8>>> = HashMap::new();
    for got in rig.recorder.all() {
        by_sender
            .entry(got.origin.peer)
            .or_default()
            .push(got.frame);
    }
    assert_eq!(by_sender.len(), SENDERS);
    let want: Vec<Vec<u8>> = (0..EACH).map(numbered).collect();
    for (sender, frames) in by_sender {
        assert!(frames == want, "{sender}");
    }
    assert_eq!(rig.stop().await.kernel_drops, 0);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_datagram_is_either_handed_over_or_counted_as_dropped_by_the_kernel() {
    const SENT: usize = 2000;
    let config = ListenerConfig::udp(ListenerId(1), loopback());
    let rig = Rig::new(config.sockets(NonZeroUsize::MIN).receive_buffer(4096));
    let agent = agent(&rig);
    rig.recorder.close_gate().await;
    agent.send(&numbered(0)).unwrap();
    rig.recorder.wait_entered(1).await;
    for number in 1..SENT {
        agent.send(&numbered(number)).unwrap();
    }
    let held = rig.stats();
    assert!(held.kernel_drops_known && held.kernel_drops > 0, "{held:?}");
    rig.recorder.open_gate();
    let stats = rig.stop().await;
    assert_eq!(stats.datagrams + stats.kernel_drops, SENT as u64);
    assert_eq!(stats.kernel_drops, held.kernel_drops);
    let frames = rig.recorder.frames();
    assert_eq!(frames.len() as u64, stats.datagrams);
    let want: Vec<Vec<u8>> = (0..frames.len()).map(numbered).collect();
    assert!(frames == want, "the oldest are kept, in order");
}

#[tokio::test]
async fn what_the_kernel_had_queued_is_handed_over_when_the_listener_stops() {
    let config = ListenerConfig::udp(ListenerId(1), loopback());
    let rig = Rig::new(config.sockets(NonZeroUsize::MIN));
    let agent = agent(&rig);
    rig.recorder.close_gate().await;
    agent.send(&numbered(0)).unwrap();
    rig.recorder.wait_entered(1).await;
    for number in 1..200 {
        agent.send(&numbered(number)).unwrap();
    }
    rig.begin_stop();
    rig.recorder.open_gate();
    let stats = rig.stop().await;
    assert_eq!(stats.datagrams, 200);
    let want: Vec<Vec<u8>> = (0..200).map(numbered).collect();
    assert!(rig.recorder.frames() == want);
}

#[tokio::test]
async fn the_port_is_free_again_after_the_stop() {
    let rig = Rig::udp();
    let addr = rig.addr();
    rig.stop().await;
    // The handle is still there, and its statistics answer.
    assert_eq!(rig.stats().datagrams, 0);
    Listener::bind(ListenerConfig::udp(ListenerId(1), addr)).unwrap();
}

#[tokio::test]
async fn a_port_that_is_taken_is_reported_also_where_it_is_shared() {
    let rig = Rig::new(
        ListenerConfig::udp(ListenerId(1), loopback()).sockets(NonZeroUsize::new(2).unwrap()),
    );
    let config = ListenerConfig::udp(ListenerId(2), rig.addr());
    let error = Listener::bind(config.sockets(NonZeroUsize::new(2).unwrap())).unwrap_err();
    assert_eq!(error.reason(), "address_in_use");
    assert!(
        error.to_string().contains(&rig.addr().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn an_address_of_somebody_else_is_reported() {
    let config = ListenerConfig::udp(ListenerId(1), "192.0.2.1:9060".parse().unwrap());
    assert_eq!(
        Listener::bind(config).unwrap_err().reason(),
        "address_not_available"
    );
}

#[tokio::test]
async fn ipv6_has_its_own_addresses() {
    let addr = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let rig = Rig::new(ListenerConfig::udp(ListenerId(1), addr));
    let agent = agent(&rig);
    agent.send(&numbered(1)).unwrap();
    let got = rig.recorder.wait_for(1).await;
    assert_eq!(got[0].origin.peer, agent.local_addr().unwrap());
    // IPv6 only: the same port of IPv4 is free.
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, rig.addr().port()));
    Listener::bind(ListenerConfig::udp(ListenerId(2), v4)).unwrap();
}

#[tokio::test]
async fn the_unspecified_ipv6_address_hears_ipv4_and_shows_it_as_ipv4() {
    let addr = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let rig = Rig::new(ListenerConfig::udp(ListenerId(1), addr));
    let agent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    agent
        .send_to(&numbered(1), (Ipv4Addr::LOCALHOST, rig.addr().port()))
        .unwrap();
    let got = rig.recorder.wait_for(1).await;
    assert_eq!(got[0].origin.peer, agent.local_addr().unwrap());
}

#[tokio::test]
async fn both_unspecified_addresses_can_share_a_port_where_ipv6_keeps_to_itself() {
    let any6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let rig = Rig::new(ListenerConfig::udp(ListenerId(1), any6).v6_only());
    let any4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, rig.addr().port()));
    Listener::bind(ListenerConfig::udp(ListenerId(2), any4)).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_receive_buffer_that_the_kernel_granted_is_reported() {
    let config = ListenerConfig::udp(ListenerId(1), loopback()).receive_buffer(100_000);
    let buffer = Listener::bind(config).unwrap().receive_buffer().unwrap();
    assert_eq!((buffer.wanted, buffer.granted), (100_000, 100_000));
    assert_eq!(buffer.advice(), None);
    // More than any kernel grants, with whatever privilege.
    let config = ListenerConfig::udp(ListenerId(1), loopback()).receive_buffer(1 << 31);
    let buffer = Listener::bind(config).unwrap().receive_buffer().unwrap();
    assert!(buffer.is_capped() && buffer.granted > 0, "{buffer:?}");
    let advice = buffer.advice().unwrap();
    assert!(advice.contains("net.core.rmem_max=2147483648"), "{advice}");
}
