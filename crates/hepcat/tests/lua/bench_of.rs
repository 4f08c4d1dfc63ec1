//! A worker with a script, and messages for it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hepcat::lua::{EntryPoint, Input, Limits, Script, ScriptNames, ScriptOutcome, Shared, Worker};
use hepcat_net::{Envelope, ListenerId, Origin, Transport};
use hepcat_wire::{Message, MessageBuilder, Version};

/// The names that scripts of tests know: three destinations, a group, a trace id.
pub(crate) fn names() -> ScriptNames {
    ScriptNames::new()
        .destination("homer", Version::V3, Transport::Tls)
        .destination("v1", Version::V1, Transport::Udp)
        .destination("v2", Version::V2, Transport::Udp)
        .group("pair")
        .trace_id("tid")
}

pub(crate) struct Bench {
    pub(crate) worker: Worker,
    pub(crate) shared: Arc<Shared>,
    pub(crate) received_at: SystemTime,
}

impl Bench {
    /// A worker of this script.
    pub(crate) fn new(source: &str) -> Self {
        Self::with_limits(source, generous())
    }

    pub(crate) fn with_limits(source: &str, limits: Limits) -> Self {
        let script = match Script::compile("routes.lua", source, &names()) {
            Ok(script) => script,
            Err(faults) => panic!("{faults}"),
        };
        let shared = Arc::new(Shared::new());
        let worker = Worker::new(&script, Arc::clone(&shared), limits).expect("it starts");
        Self {
            worker,
            shared,
            received_at: UNIX_EPOCH + Duration::from_secs(1_700_735_504),
        }
    }

    /// Asks the script about a frame of a route to `homer` and `pair`.
    pub(crate) fn run(&mut self, entries: &[EntryPoint], frame: &[u8]) -> ScriptOutcome {
        let envelope = envelope(frame, self.received_at);
        let mut outcome = ScriptOutcome::default();
        let targets: Arc<[Arc<str>]> = ["homer", "pair"].map(Arc::from).into();
        let listener = Arc::from("edge");
        let input = Input::new(&envelope, &listener, &targets);
        self.worker.run(entries, &input, &mut outcome);
        outcome
    }
}

/// Limits that a loaded machine does not pass by accident.
pub(crate) fn generous() -> Limits {
    Limits {
        deadline: Duration::from_secs(60),
        ..Limits::default()
    }
}

pub(crate) fn envelope(frame: &[u8], received_at: SystemTime) -> Envelope {
    let peer: SocketAddr = "10.1.2.3:40000".parse().expect("a literal");
    let local: SocketAddr = "10.9.9.9:9060".parse().expect("a literal");
    let origin = Origin::new(ListenerId(0), Transport::Udp, peer, local);
    let message = Message::parse_lax(Bytes::copy_from_slice(frame)).expect("it decodes");
    Envelope::new(message, Arc::new(origin), received_at)
}

pub(crate) const INVITE: &[u8] = b"INVITE sip:bob@biloxi.example SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKnashds8\r\n\
Via: SIP/2.0/TCP 192.0.2.7:5060;branch=z9hG4bK77\r\n\
From: \"Alice\" <sip:alice@atlanta.example:5070>;tag=1928301774\r\n\
To: Bob <sip:bob@biloxi.example>\r\n\
Call-ID: a84b4c76e66710@atlanta.example\r\n\
CSeq: 314159 INVITE\r\n\
Contact: <sip:alice@192.0.2.1>\r\n\
User-Agent: phone/1.0\r\n\
X-Octets: \xff\xfe\r\n\
Content-Type: application/sdp\r\n\
\r\n\
v=0\r\n\
o=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\n\
s=-\r\n\
m=audio 49170 RTP/AVP 0\r\n\
m=video 51372 RTP/AVP 31\r\n";

pub(crate) fn builder(payload: &[u8]) -> MessageBuilder<'_> {
    MessageBuilder::new()
        .source("192.0.2.1:5060".parse().expect("a literal"))
        .destination("198.51.100.2:5070".parse().expect("a literal"))
        .time(1_700_735_504, 123_456)
        .capture_id(2001)
        .payload(payload)
}

pub(crate) fn sip_frame() -> Vec<u8> {
    builder(INVITE).encode(Version::V3).expect("it fits")
}
