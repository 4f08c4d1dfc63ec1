//! Each field of the query language, asked of frames that real programs sent, and of one made for what they lack.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use hepcat::query::{MessageView, Query, UnparsableView};
use hepcat_net::{Envelope, ListenerId, Origin, Transport, Unparsable};
use hepcat_wire::{InflateLimit, Message, MessageBuilder, Payload, ProtocolType, Version};
use rstest::rstest;

const LISTENER: &str = "Edge-1";

fn origin() -> Arc<Origin> {
    let peer: SocketAddr = "[::ffff:10.1.2.3]:40000".parse().unwrap();
    let local = "10.9.9.9:9060".parse().unwrap();
    Arc::new(Origin::new(ListenerId(0), Transport::Udp, peer, local))
}

fn envelope(frame: impl Into<Bytes>) -> Envelope {
    let message = Message::parse_lax(frame.into()).unwrap();
    Envelope::new(message, origin(), UNIX_EPOCH + Duration::from_secs(1))
}

fn query(text: &str) -> Query {
    Query::parse(text).unwrap_or_else(|error| panic!("{}", error.render(text)))
}

fn fits(text: &str, envelope: &Envelope) -> bool {
    query(text).matches(&MessageView::new(envelope, LISTENER))
}

fn vector(name: &str) -> Envelope {
    let file = format!("{name}.hex");
    let vector = hepcat_testkit::vectors()
        .into_iter()
        .find(|vector| vector.file == file)
        .unwrap_or_else(|| panic!("no vector {file}"));
    envelope(vector.octets)
}

/// What no vector has at once: three different users, headers of our own, folding.
fn made() -> Envelope {
    let payload = "INVITE sips:desk%20one:secret@[2001:db8::7]:5061;transport=tls SIP/2.0\r\n\
        v: SIP/2.0/TLS [2001:db8::9]:5061;branch=z9hG4bKx\r\n\
        f: \"J\u{f6}rg\" <sip:+33123456789@carrier.example;user=phone>;tag=1\r\n\
        t: <tel:+4930123;phone-context=x>\r\n\
        i: CaseD-Call@host\r\n\
        CSeq: 7 INVITE\r\n\
        User-Agent: Yealink SIP-T46S 66.84.0.15\r\n\
        X-Foo: one\r\n\
        X-Foo: two\r\n\
        Subject: folded\r\n  value\r\n\r\nm=audio 4000 RTP/AVP 8\r\n";
    let frame = MessageBuilder::new()
        .source("[2001:db8::9]:5061".parse().unwrap())
        .destination("[2001:db8::7]:5061".parse().unwrap())
        .time(1_800_000_000, 5)
        .protocol_type(ProtocolType::SIP)
        .capture_id(4_000_000_000)
        .node_name(b"Paris 1\0")
        .payload(payload.as_bytes())
        .encode(Version::V3)
        .unwrap();
    envelope(frame)
}

#[rstest]
// Where it came from.
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "listener:edge-1 listener:edge* listener~\"^Edge\" -listener:core"
)]
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "agent:10.1.2.3 agent:10.1.0.0/16 agent:10.1.2.0..10.1.2.9"
)]
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "-agent:10.2.0.0/16 agent!=::/0 agent:*"
)]
// HEP.
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "type:sip type:1 type:0x01 type:(rtcp, sip) -type:log -type:unparsable"
)]
#[case(
    "kamailio-v2-ipv4-udp-100-invite",
    "type:sip version:2 version<3 capture_id:2002"
)]
#[case(
    "kamailio-v1-ipv6-udp-invite",
    "type:sip version:1 -capture_id:* -node:*"
)]
#[case(
    "kamailio-v3-ipv4-udp-corr-log",
    "type:log type:100 version:3 capture_id:77"
)]
#[case(
    "rtpengine-v3-ipv4-rtcp-json",
    "type:rtcp capture_id:3000..3999 capture_id>3000"
)]
#[case("opensips-v3-h5-mi-request", "type:opensips_mi type:80..90")]
#[case(
    "heplify-v3-ipv4-udp-invite",
    "node:edge-node-1 node:EDGE* node~\"-1$\" capture_id:70001"
)]
// Addresses of the capture.
#[case(
    "kamailio-v3-ipv4-udp-200-invite",
    "src:127.0.0.3 src:127.0.0.0/8 src:5070 src:127.0.0.3:5070 dst::5060"
)]
#[case(
    "kamailio-v3-ipv4-udp-200-invite",
    "dst:127.0.0.1:5060..5061 dst:(192.0.2.1, 127.0.0.0/8) -src:5060"
)]
#[case(
    "sngrep-v3-ipv6-udp-auth-invite",
    "src:::1 dst:[::1]:5070 src:[::/64]:5080 -src:127.0.0.0/8"
)]
// SIP.
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "method:INVITE method:inv* -status:* call_id:1-25163@127.0.0.2"
)]
#[case(
    "kamailio-v3-ipv4-udp-200-invite",
    "method:INVITE status:200 status:2xx status<300 status:(1xx,2xx)"
)]
#[case(
    "kamailio-v2-ipv4-udp-100-invite",
    "status:100 ua:kamailio* call_id:*@127.0.0.2"
)]
#[case("heplify-v3-ipv4-udp-auth-bye", "method:(INVITE, BYE) -method:INVITE")]
#[case("kamailio-v3-ipv4-ws-register", "method:REGISTER")]
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "from:sipp to:service user:sipp user:service from:*@127.0.0.2 -to:sipp"
)]
#[case(
    "sngrep-v3-ipv6-udp-auth-invite",
    "from:sipp@[::1] to~\"^service@\" user~\"^sipp$\""
)]
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "header.Subject:\"performance test\" header.max-forwards:70 -header.X-Foo:*"
)]
// What is not SIP has the correlation ID for a Call-ID, and no other field of SIP.
#[case(
    "kamailio-v3-ipv4-udp-corr-log",
    "call_id:1-25531@127.0.0.2 -method:* -from:* -user:* -ua:*"
)]
#[case(
    "rtpengine-v3-ipv4-rtcp-json",
    "call_id:rtcp-vector-* correlation_id:rtcp-vector-* -status:* class:rtcp"
)]
// Text.
#[case(
    "kamailio-v3-ipv4-udp-corr-log",
    "routing \"ROUTING invite\" payload~\"^.cfg:\" -absent"
)]
#[case(
    "kamailio-v3-ipv4-udp-invite",
    "z9hG4bK-25163 payload~\"(?i)^call-id: 1-\" \"\\r\\nMax-Forwards: 70\""
)]
fn a_real_frame_fits(#[case] name: &str, #[case] text: &str) {
    let envelope = vector(name);
    let whole = query(text);
    let subject = MessageView::new(&envelope, LISTENER);
    assert!(whole.matches(&subject));
    // One condition at a time, so that none hides behind another.
    let hepcat::query::Expr::And(parts) = whole.expr() else {
        return;
    };
    for part in parts {
        let alone = part.to_string();
        assert!(query(&alone).matches(&subject), "{name}: {alone}");
        let opposite = format!("NOT ({alone})");
        assert!(!query(&opposite).matches(&subject), "{name}: {opposite}");
    }
}

#[rstest]
#[case("user:\"desk%20one\"")]
#[case("user:desk*@[2001:db8::7]")]
#[case("user:+33123456789")]
#[case("user:+33*@carrier.example")]
#[case("user:+4930123")]
#[case("from:+33123456789@carrier.example")]
#[case("to:+49*")]
#[case("from~\"^\\+33[0-9]{9}$\"")]
#[case("method:INVITE call_id:CaseD-Call@host")]
#[case("ua:*sip-t46s*")]
#[case("ua:\"yealink sip-\"*")]
#[case("header.X-Foo:one")]
#[case("header.f:*carrier* header.FROM:*")]
#[case("header.Subject~\"folded\\s+value\"")]
#[case("node:\"paris 1\"")]
#[case("capture_id:4000000000")]
#[case("src:[2001:db8::9]:5061 dst:2001:db8::/32")]
#[case("j\u{d6}rg")]
#[case("\"m=audio\"")]
#[case("user:\"desk%20one@[2001:db8::7]\"")]
#[case("ruri:desk*@* -ruri:+33*")]
#[case("domain:carrier.example domain:[2001:db8::7]")]
#[case("branch:z9hG4bKx cseq:7 from_tag:1 -to_tag:*")]
#[case("class:call")]
// Its clock is far ahead, so the time is that of reception.
#[case("time:1970-01-01T00:00:01Z received:1970-01-01Z clock:ahead")]
#[case("received<=1970-01-01T01:00:01+01:00 -received<1970-01-01T00:00:01Z")]
fn the_made_frame_fits(#[case] text: &str) {
    assert!(fits(text, &made()), "{text}");
}

#[rstest]
#[case("call_id:cased-call@host")]
#[case("to:*@*")]
#[case("from:*desk*")]
#[case("to:+33*")]
#[case("header.X-Foo:two")]
#[case("status:*")]
#[case("ua:yealink")]
#[case("src:5060")]
#[case("user:secret")]
#[case("user:*secret*")]
#[case("branch:Z9hG4bKx")]
#[case("correlation_id:* OR x_call_id:* OR session_id:* OR error:*")]
#[case("time>2020-01-01Z")]
fn the_made_frame_does_not_fit(#[case] text: &str) {
    assert!(!fits(text, &made()), "{text}");
}

#[test]
fn every_real_frame_answers_every_field_without_a_panic_and_as_its_index_says() {
    for vector in hepcat_testkit::vectors() {
        if vector.is_stream() || vector.entry["whole_message_gzip"] == true {
            continue;
        }
        let Ok(message) = Message::parse_lax(Bytes::from(vector.octets.clone())) else {
            continue;
        };
        let envelope = Envelope::new(message, origin(), UNIX_EPOCH);
        let expect = vector.expect();
        let inflated = envelope.message.payload().inflate(InflateLimit::default());
        let payload = inflated.unwrap_or_default();
        let ask = |field: &str, value: Option<String>| {
            let text = match value {
                Some(value) => format!("{field}:{value}"),
                None => format!("-{field}:*"),
            };
            let view = MessageView::new(&envelope, LISTENER).with_payload(&payload);
            assert!(query(&text).matches(&view), "{}: {text}", vector.file);
        };
        let number = |key: &str| expect[key].as_u64().map(|number| number.to_string());
        let text = |key: &str| expect[key].as_str().map(|text| format!("\"{text}\""));
        ask("capture_id", number("capture_id"));
        ask("node", text("node_name"));
        if let (Some(address), Some(port)) = (expect["src_ip"].as_str(), number("src_port")) {
            ask("src", Some(format!("[{address}]:{port}")));
        }
        if let (Some(address), Some(port)) = (expect["dst_ip"].as_str(), number("dst_port")) {
            ask("dst", Some(format!("[{address}]:{port}")));
        }
        if let Some(protocol_type) = number("protocol_type") {
            ask("type", Some(protocol_type));
        }
        let first_line = expect["payload_first_line"].as_str().unwrap_or_default();
        let mut words = first_line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("SIP/2.0"), Some(code), _) => ask("status", Some(code.to_owned())),
            (Some(method), _, Some("SIP/2.0")) => {
                ask("method", Some(method.to_owned()));
                ask("status", None);
                if !vector.file.contains("truncated") {
                    ask("call_id", Some("*".to_owned()));
                }
            }
            _ => {}
        }
        for entry in &hepcat::query::FIELDS {
            if entry.scope == hepcat::query::Scope::Message {
                let there = fits(&format!("{}:*", entry.name), &envelope);
                let absent = fits(&format!("-{}:*", entry.name), &envelope);
                assert_ne!(there, absent, "{}: {}", vector.file, entry.name);
            }
        }
    }
}

#[test]
fn an_unparsable_frame_is_known_by_where_it_came_from_and_that_it_is_one() {
    let frame = Bytes::from_static(b"HEP3\x00\x07\x00");
    let error = Message::parse_lax(frame.clone()).unwrap_err();
    let unparsable = Unparsable::new(frame, error, origin(), UNIX_EPOCH);
    let subject = UnparsableView::new(&unparsable, LISTENER);
    for text in [
        "",
        "type:unparsable",
        "type:(sip, unparsable)",
        "listener:edge-1 agent:10.1.0.0/16",
        "hep_net_proto:hep_udp hep_net_src:10.1.2.3:40000 hep_net_dst:10.9.9.9:9060",
        "NOT method:OPTIONS",
        "type:*",
        "error:* class:other",
        "time:1970-01-01Z received:1970-01-01T00:00:00Z",
    ] {
        assert!(query(text).matches(&subject), "{text}");
    }
    for text in [
        "type:sip",
        "type:0..255",
        "type!=unparsable",
        "HEP3",
        "payload:*",
        "hep_net_proto:hep_tcp",
        "hep_net_src:10.9.9.9",
        "hep_net_dst:\":9061\"",
        "version:*",
        "method:*",
        "agent:10.2.0.0/16",
    ] {
        assert!(!query(text).matches(&subject), "{text}");
    }
}

#[test]
fn a_compressed_payload_is_looked_into_once_it_is_inflated() {
    let sip = "OPTIONS sip:bob@b.example SIP/2.0\r\nCall-ID: deflated\r\nCSeq: 1 OPTIONS\r\n\r\n"
        .to_owned()
        + &"a=sendonly\r\n".repeat(50);
    let frame = MessageBuilder::new()
        .source("192.0.2.1:5060".parse().unwrap())
        .destination("192.0.2.2:5060".parse().unwrap())
        .time(1, 2)
        .capture_id(3)
        .protocol_type(ProtocolType::SIP)
        .payload(sip.as_bytes())
        .compressed(true)
        .encode(Version::V3)
        .unwrap();
    let envelope = envelope(frame);
    let payload = envelope.message.payload();
    assert!(matches!(payload, Payload::Compressed(_)));
    let asked = query("method:OPTIONS call_id:deflated bob@b.example");
    assert!(asked.needs_sip() && asked.needs_payload());

    assert!(!asked.matches(&MessageView::new(&envelope, LISTENER)));
    let inflated = payload.inflate(InflateLimit::default()).unwrap();
    let view = MessageView::new(&envelope, LISTENER).with_payload(&inflated);
    assert!(asked.matches(&view));
}

#[test]
fn the_hep_connection_is_told_from_what_was_captured() {
    let envelope = made();
    for (text, expected) in [
        ("hep_net_src:10.1.0.0/16 hep_net_dst:10.9.9.9:9060", true),
        ("hep_net_proto:(hep_udp, hep_tls)", true),
        ("hep_net_proto:hep_tcp", false),
        ("hep_net_src:2001:db8::9", false),
        ("src:10.1.2.3", false),
    ] {
        assert_eq!(fits(text, &envelope), expected, "{text}");
        assert!(!query(text).needs_sip());
    }
}

#[test]
fn a_scan_made_before_is_used_and_one_not_needed_is_not_made() {
    let envelope = vector("kamailio-v3-ipv4-udp-invite");
    let other = b"BYE sip:a@b SIP/2.0\r\nCSeq: 2 BYE\r\n\r\n";
    let view = MessageView::new(&envelope, LISTENER).with_scan(hepcat_sip::scan(other));
    assert!(query("method:BYE").matches(&view));
    let view = MessageView::new(&envelope, LISTENER).with_scan(None);
    assert!(!query("method:*").matches(&view));

    let view = MessageView::new(&envelope, LISTENER);
    assert!(!query("method:INVITE type:rtcp").matches(&view));
    let untouched = format!("{view:?}");
    assert!(untouched.contains("sip: OnceCell(<uninit>)"), "{untouched}");
}
