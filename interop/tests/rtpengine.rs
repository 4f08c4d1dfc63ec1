//! rtpengine: the RTCP of a call, as JSON, arrives over UDP and TCP and leaves over UDP, TCP and TLS.

use std::net::UdpSocket;

use hepcat_interop::{Relay, Rtpengine, rtcp_sender_report};
use hepcat_wire::{IpProtocol, Message, ProtocolType, Version};
use rstest::rstest;
use serde_json::Value;

const CALL_ID: &str = "one@rtpengine";

#[rstest]
#[case::over_udp(false)]
#[case::over_tcp(true)]
fn what_rtcp_said_arrives_and_leaves(#[case] tcp: bool) {
    let relay = Relay::start(&[]);
    let Some(rtpengine) = Rtpengine::start(relay.listener(tcp), tcp) else {
        return;
    };
    let [caller, callee] = [(); 2].map(|()| Phone::new());
    let [for_caller, for_callee] =
        rtpengine.call(CALL_ID, caller.rtp_address(), callee.rtp_address());
    // Of both ends, so that rtpengine knows where to pass the other's reports on to.
    for fraction_lost in [10, 20] {
        caller.report(
            for_caller.port() + 1,
            &rtcp_sender_report(1, 2, fraction_lost),
        );
        callee.report(
            for_callee.port() + 1,
            &rtcp_sender_report(2, 1, fraction_lost + 1),
        );
    }

    let sent = relay.udp.wait_for(4);
    let mut lost: Vec<u64> = sent.iter().map(|frame| fraction_lost(frame)).collect();
    lost.sort_unstable();
    assert_eq!(lost, [10, 11, 20, 21]);
    for collector in [&relay.tcp, &relay.tls] {
        assert_eq!(collector.wait_for(4), sent, "octet for octet and in order");
    }
    relay.assert_settled(4);
}

/// Checks a frame, and gives the fraction lost that its one report block names.
fn fraction_lost(frame: &[u8]) -> u64 {
    let message = Message::parse(frame).expect("it decodes strictly");
    assert_eq!(message.version(), Version::V3);
    assert_eq!(message.protocol_type(), Some(ProtocolType::RTCP));
    assert_eq!(message.ip_protocol(), Some(IpProtocol::UDP));
    assert_eq!(message.capture_id(), Some(Rtpengine::CAPTURE_ID));
    assert_eq!(message.correlation_id(), Some(CALL_ID.as_bytes()));
    assert!(message.src_ip().is_some_and(|ip| ip.is_loopback()));
    let octets = message.payload().octets().expect("a payload").to_vec();
    let report: Value = serde_json::from_slice(&octets).expect("RTCP as JSON");
    assert_eq!(report["type"], 200, "a sender report: {report}");
    report["report_blocks"][0]["fraction_lost"]
        .as_u64()
        .unwrap_or_else(|| panic!("no report block in {report}"))
}

/// An RTP port and the RTCP port above it.
struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
}

impl Phone {
    fn new() -> Self {
        loop {
            let rtp = UdpSocket::bind("127.0.0.1:0").expect("bind a port");
            let port = rtp.local_addr().expect("an address").port();
            if port.is_multiple_of(2)
                && let Ok(rtcp) = UdpSocket::bind(("127.0.0.1", port + 1))
            {
                return Self { rtp, rtcp };
            }
        }
    }

    fn rtp_address(&self) -> std::net::SocketAddr {
        self.rtp.local_addr().expect("an address")
    }

    fn report(&self, port: u16, octets: &[u8]) {
        self.rtcp
            .send_to(octets, ("127.0.0.1", port))
            .expect("send a report");
    }
}
