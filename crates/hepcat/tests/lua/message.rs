//! What `msg` shows of a message.

use hepcat_wire::{ProtocolType, Version};

use crate::bench_of::{Bench, INVITE, builder, sip_frame};
use hepcat::lua::EntryPoint;

/// Asserts in Lua, about a message of this frame.
fn holds_of(frame: &[u8], body: &str) {
    let mut bench = Bench::new(&format!("function hep_route(msg)\n{body}\nend"));
    let outcome = bench.run(&[EntryPoint::HepRoute], frame);
    assert_eq!(outcome.error, None);
}

#[test]
fn every_field_of_the_frame_is_there() {
    let mac = [2, 3, 4, 5, 6, 7];
    let all = builder(INVITE)
        .auth_key(b"key")
        .correlation_id(b"corr\0")
        .node_name(b"edge")
        .keep_alive(30)
        .vlan_id(258)
        .src_mac(mac)
        .dst_mac(mac)
        .ethernet_type(0x0800)
        .tcp_flags(18)
        .ip_tos(46)
        .mos(430)
        .r_factor(93)
        .geo_location(b"place")
        .jitter(256)
        .transaction_type(b"call")
        .payload_json_keys(b"keys")
        .tag_values(b"values")
        .tag_type(7)
        .event_type(1)
        .group_id(b"group")
        .extra_correlations(b"{}");
    let frame = all.encode(Version::V3).expect("it fits");
    holds_of(
        &frame,
        r#"
        assert(msg.version == 3 and msg.ip_family == 2 and msg.ip_protocol == 17 and msg.transport == "udp")
        assert(msg.src_ip == "192.0.2.1" and msg.src_port == 5060)
        assert(msg.dst_ip == "198.51.100.2" and msg.dst_port == 5070)
        assert(msg.time_sec == 1700735504 and msg.time_usec == 123456 and msg.time > 1700735504.12)
        assert(msg.protocol_type == 1 and msg.protocol_name == "sip" and msg.capture_id == 2001)
        assert(msg.auth_key == "***" and msg.correlation_id == "corr" and msg.node_name == "edge")
        assert(msg.vlan_id == 258 and msg.ethernet_type == 2048 and msg.mos == 430 and msg.r_factor == 93)
        assert(msg.tag_type == 7 and msg.event_type == 1 and msg.keep_alive == 30 and msg.jitter == 256)
        assert(msg.src_mac == "02:03:04:05:06:07" and msg.dst_mac == msg.src_mac)
        assert(msg.tcp_flags == 18 and msg.ip_tos == 46)
        assert(msg.geo_location == "place" and msg.transaction_type == "call" and msg.payload_json_keys == "keys")
        assert(msg.tag_values == "values" and msg.group_id == "group" and msg.extra_correlations == "{}")
        assert(#msg.payload > 400 and msg.payload:sub(1, 6) == "INVITE")
        "#,
    );
}

#[test]
fn where_it_came_from_is_there() {
    holds_of(
        &sip_frame(),
        r#"
        assert(msg.listener == "edge" and msg.agent == "10.1.2.3" and msg.peer_port == 40000)
        assert(msg.local_ip == "10.9.9.9" and msg.local_port == 9060 and msg.hep_transport == "udp")
        assert(msg.tls_subject == nil and msg.tls_server_name == nil and msg.received_at == 1700735504)
        assert(hep_net("proto_family") == "AF_INET" and hep_net("proto_id") == "hep_udp")
        assert(hep_net("src_ip") == "10.1.2.3" and hep_net("src_port") == 40000)
        assert(hep_net("dst_ip") == "10.9.9.9" and hep_net("dst_port") == 9060)
        local ok, err = pcall(hep_net, "src")
        assert(not ok and err == 'hep_net: no field "src"', err)
        "#,
    );
}

#[test]
fn the_parts_of_a_request_are_there() {
    holds_of(
        &sip_frame(),
        r#"
        assert(msg.is_sip and msg.is_request and not msg.is_reply)
        assert(msg.method == "INVITE" and msg.status == nil and msg.reason == nil)
        assert(msg.call_id == "a84b4c76e66710@atlanta.example" and msg.cseq == 314159 and msg.cseq_method == "INVITE")
        assert(msg.ruri == "sip:bob@biloxi.example" and msg.ruri_user == "bob" and msg.ruri_host == "biloxi.example")
        assert(msg.from == '"Alice" <sip:alice@atlanta.example:5070>;tag=1928301774')
        assert(msg.from_uri == "sip:alice@atlanta.example:5070" and msg.from_user == "alice")
        assert(msg.from_host == "atlanta.example" and msg.from_tag == "1928301774")
        assert(msg.to_user == "bob" and msg.to_host == "biloxi.example" and msg.to_tag == nil)
        assert(msg.contact == "<sip:alice@192.0.2.1>" and msg.contact_user == "alice" and msg.contact_host == "192.0.2.1")
        assert(msg.user_agent == "phone/1.0" and msg.via_branch == "z9hG4bKnashds8" and msg.via_transport == "UDP")
        assert(msg.content_type == "application/sdp" and msg.body:sub(1, 3) == "v=0")
        assert(msg.x_call_id == nil and msg.session_id == nil)
        "#,
    );
}

#[test]
fn the_parts_of_a_reply_are_there() {
    let reply = b"SIP/2.0 486 Busy Here\r\nCSeq: 7 INVITE\r\nf: <sip:a@b>\r\nCall-ID: x\r\n\r\n";
    let frame = builder(reply).encode(Version::V3).expect("it fits");
    holds_of(
        &frame,
        r#"
        assert(msg.is_reply and not msg.is_request and msg.status == 486 and msg.reason == "Busy Here")
        assert(msg.method == "INVITE" and msg.cseq_method == "INVITE" and msg.ruri == nil)
        assert(msg:header("From") == "<sip:a@b>" and msg:header("F") == "<sip:a@b>")
        "#,
    );
}

#[test]
fn header_fields_come_by_name_with_all_their_values() {
    holds_of(
        &sip_frame(),
        r#"
        local vias = msg:headers("via")
        assert(#vias == 2 and vias[2] == "SIP/2.0/TCP 192.0.2.7:5060;branch=z9hG4bK77")
        assert(msg:header("VIA") == vias[1] and msg:header("v") == vias[1] and msg:header("X-None") == nil)
        assert(#msg:headers("X-None") == 0)
        local all = msg:headers()
        assert(#all == 10 and all[1].name == "Via" and all[3].name == "From" and all[3].value == msg.from)
        assert(msg:header("X-Octets") == "\xff\xfe", "octets that are no UTF-8 pass unchanged")
        "#,
    );
    let folded = b"OPTIONS sip:a SIP/2.0\r\nSubject: one\r\n  two\r\nCall-ID: x\r\n\r\n";
    let frame = builder(folded).encode(Version::V3).expect("it fits");
    holds_of(
        &frame,
        "assert(msg:header('Subject') == 'one two' and msg:headers('s')[1] == 'one two')",
    );
}

#[test]
fn sdp_comes_by_line() {
    holds_of(
        &sip_frame(),
        r#"
        local media = msg:sdp("m")
        assert(#media == 2 and media[1] == "audio 49170 RTP/AVP 0" and media[2] == "video 51372 RTP/AVP 31")
        local lines = msg:sdp()
        assert(lines[1] == "v=0" and lines[#lines] == "m=video 51372 RTP/AVP 31" and #msg:sdp("k") == 0)
        "#,
    );
    let plain = b"MESSAGE sip:a SIP/2.0\r\nCall-ID: x\r\nContent-Type: text/plain\r\n\r\nm=audio";
    let frame = builder(plain).encode(Version::V3).expect("it fits");
    holds_of(
        &frame,
        "assert(#msg:sdp('m') == 0 and msg.body == 'm=audio')",
    );
    let sdp = builder(b"v=0\nm=audio 1\n").protocol_type(ProtocolType::SDP);
    let frame = sdp.encode(Version::V3).expect("it fits");
    holds_of(
        &frame,
        "assert(msg:sdp('m')[1] == 'audio 1' and not msg.is_sip)",
    );
}

#[test]
fn a_message_that_is_not_sip_has_no_sip_fields() {
    let rtcp = builder(b"{\"ssrc\": 1}").protocol_type(ProtocolType::RTCP);
    let frame = rtcp.encode(Version::V3).expect("it fits");
    holds_of(
        &frame,
        r#"
        assert(not msg.is_sip and not msg.is_request and not msg.is_reply)
        assert(msg.method == nil and msg.call_id == nil and msg.from == nil and msg.body == nil)
        assert(msg:header("From") == nil and #msg:headers() == 0 and #msg:sdp() == 0)
        assert(GetSIPStruct() == nil and msg.payload == '{"ssrc": 1}' and hep_get("proto_type") == "RTCP")
        "#,
    );
}

#[test]
fn one_message_leaves_nothing_for_the_next() {
    let mut bench = Bench::new(
        r#"
        function hep_route()
          if msg.is_sip then hep_set("node_name", "first") hep_relay("homer")
          else assert(msg.node_name == nil and msg.call_id == nil) end
        end"#,
    );
    let first = bench.run(&[EntryPoint::HepRoute], &sip_frame());
    assert!(first.edited.is_some() && first.relay.len() == 1);
    let rtcp = builder(b"{}").protocol_type(ProtocolType::RTCP);
    let second = bench.run(
        &[EntryPoint::HepRoute],
        &rtcp.encode(Version::V3).expect("it fits"),
    );
    assert_eq!((second.error, second.edited), (None, None));
    assert!(second.relay.is_empty());
}
