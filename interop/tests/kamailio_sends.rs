//! Kamailio's siptrace in every version and transport: all that sipp and the proxy said arrives, decodes to what it
//! was, leaves over UDP, TCP and TLS, and is taken by Kamailio's sipcapture.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use hepcat_interop::{
    Answerer, CaptureNode, CaptureOver, Captured, Proxy, Relay, SipMessage, TraceTo, call,
    free_port,
};
use hepcat_wire::{IpProtocol, Message, ProtocolType, TimeSource, Version};
use rstest::rstest;

const CALLS: usize = 5;

#[rstest]
#[case::version_1_over_udp(1, false)]
#[case::version_2_over_udp(2, false)]
#[case::version_3_over_udp(3, false)]
#[case::version_3_over_tcp(3, true)]
fn all_that_was_said_arrives_and_leaves(#[case] version: u8, #[case] tcp: bool) {
    let Some(mut by_udp) = CaptureNode::start(CaptureOver::Udp) else {
        return;
    };
    let Some(mut by_tcp) = CaptureNode::start(CaptureOver::Tcp) else {
        return;
    };
    let relay = Relay::start(&[
        format!("[capture_udp] {}; transport=udp", by_udp.address()),
        format!("[capture_tcp] {}; transport=tcp", by_tcp.address()),
    ]);
    let Some(said) = conversation(TraceTo::new(relay.listener(tcp), version, tcp)) else {
        return;
    };

    let sent = relay.udp.wait_for(said.len());
    assert_eq!(decoded(&sent, version), said);
    for collector in [&relay.tcp, &relay.tls] {
        let frames = collector.wait_for(said.len());
        if version == 3 {
            assert_eq!(frames, sent, "octet for octet and in order");
        }
        assert_eq!(decoded(&frames, version), said);
    }
    for node in [&mut by_udp, &mut by_tcp] {
        assert_eq!(node.wait_for(said.len()), captured(&said));
    }
    relay.assert_settled(said.len());
}

/// Calls through a Kamailio that traces; what its callers and answerers logged, sorted.
fn conversation(trace: TraceTo) -> Option<Vec<SipMessage>> {
    let answerer_port = free_port();
    let answerer = Answerer::start(answerer_port, CALLS)?;
    let proxy = Proxy::start(SocketAddr::from(([127, 0, 0, 1], answerer_port)), trace)?;
    let mut said = call(free_port(), proxy.address(), CALLS)?;
    // The proxy says "100 trying" of its own; all else passes through.
    let passed = said.len() - CALLS;
    said.extend(answerer.messages(proxy.address(), passed));
    assert!(said.len() >= 13 * CALLS, "{} messages", said.len());
    said.sort();
    Some(said)
}

/// What the frames say, sorted; all that is the same in each is checked here.
fn decoded(frames: &[Vec<u8>], sent_as: u8) -> Vec<SipMessage> {
    let mut messages: Vec<SipMessage> = frames
        .iter()
        .map(|frame| {
            let message = Message::parse(frame.as_slice()).expect("it decodes strictly");
            check_common(&message, sent_as);
            let address = |ip: Option<_>, port: Option<_>| {
                SocketAddr::new(ip.expect("an address"), port.expect("a port"))
            };
            SipMessage::new(
                address(message.src_ip(), message.src_port()),
                address(message.dst_ip(), message.dst_port()),
                message.payload().octets().expect("a payload").to_vec(),
            )
        })
        .collect();
    messages.sort();
    messages
}

fn check_common(message: &Message<&[u8]>, sent_as: u8) {
    assert!(message.defects().is_empty(), "{:?}", message.defects());
    assert_eq!(message.ip_family(), Some(2));
    assert_eq!(message.ip_protocol(), Some(IpProtocol::UDP));
    assert_eq!(message.protocol_type(), Some(ProtocolType::SIP));
    let id = (sent_as > 1).then_some(Proxy::CAPTURE_ID);
    assert_eq!(message.capture_id(), id, "version {sent_as}");
    let key = (sent_as == 3).then_some(Proxy::KEY.as_bytes());
    assert_eq!(message.auth_key(), key);
    // Version 1 has no time: it got that of its arrival when it became version 3.
    if sent_as > 1 || message.version() == Version::V3 {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("it is after 1970");
        let time = message.time(now);
        assert_eq!(time.source, TimeSource::Sent);
        let age = now.abs_diff(time.since_epoch);
        assert!(age < Duration::from_secs(60), "{age:?} old");
    }
}

/// What a capture node should say of these messages, sorted.
fn captured(said: &[SipMessage]) -> Vec<Captured> {
    let mut captured: Vec<Captured> = said
        .iter()
        .map(|message| {
            let sip = hepcat_sip::scan(&message.payload).expect("it is SIP");
            let text = |octets: Option<&[u8]>| {
                String::from_utf8_lossy(octets.expect("it is there")).into_owned()
            };
            let what = match sip.status_code() {
                Some(code) => code.to_string(),
                None => text(sip.method()),
            };
            let cseq = sip.header(b"CSeq").expect("it has one");
            Captured::new(
                what,
                text(Some(cseq.value())),
                text(sip.call_id()),
                message.source,
            )
        })
        .collect();
    captured.sort();
    captured
}
