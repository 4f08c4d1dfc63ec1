//! hep_get, hep_set and hep_del: as documented, and where the original does something else, as it should be.

use crate::bench_of::{Bench, INVITE, builder, sip_frame};
use hepcat::lua::{EntryPoint, ErrorReason, ScriptOutcome};
use hepcat_wire::{ChunkType, Message, VendorId, Version, convert};
use rstest::rstest;

/// Runs the body of a route on a frame.
fn run_on(body: &str, frame: &[u8]) -> ScriptOutcome {
    let mut bench = Bench::new(&format!("function request_route()\n{body}\nend"));
    bench.run(&[EntryPoint::RequestRoute], frame)
}

/// The frame after the body ran without an error.
fn edit(body: &str) -> Message<Vec<u8>> {
    edit_of(body, &sip_frame())
}

fn edit_of(body: &str, frame: &[u8]) -> Message<Vec<u8>> {
    let outcome = run_on(body, frame);
    assert_eq!(outcome.error, None);
    let edited = outcome.edited.expect("it was edited");
    Message::parse(edited.to_vec()).expect("it is a frame without defects")
}

/// Asserts in Lua.
fn holds(body: &str) {
    let outcome = run_on(body, &sip_frame());
    assert_eq!(outcome.error, None);
    assert_eq!(outcome.edited, None, "nothing was edited");
}

#[rstest]
#[case::name(
    "hep_set('chunk_name', 1)",
    "hep_set: unknown chunk name \"chunk_name\""
)]
#[case::misspelt(
    "hep_get('node_nam')",
    "hep_get: unknown chunk name \"node_nam\"; did you mean \"node_name\"?"
)]
#[case::prefix("hep_get('proto')", "hep_get: unknown chunk name \"proto\"")]
#[case::zero("hep_del(0)", "hep_del: 0 is no chunk type: 1 to 65535")]
#[case::large("hep_get(65536)", "hep_get: 65536 is no chunk type: 1 to 65535")]
#[case::negative("hep_get(-1)", "hep_get: -1 is no chunk type: 1 to 65535")]
#[case::missing("hep_get()", "hep_get: chunk is missing")]
#[case::no_data("hep_set('src_port')", "hep_set: chunk and data are needed")]
#[case::nil_data("hep_set('src_port', nil)", "hep_set: chunk and data are needed")]
#[case::wide(
    "hep_set('src_port', 5060, 'uint32')",
    "hep_set: wrong width: src_port (0x0007) takes 2 octets, uint32 has 4 octets"
)]
#[case::narrow(
    "hep_set('captagent_id', 1, 'uint8')",
    "hep_set: wrong width: capture_id (0x000c) takes 4 octets, uint8 has 1 octet"
)]
#[case::does_not_fit("hep_set('src_port', 65536)", "hep_set: 65536 does not fit 2 octets")]
#[case::below("hep_set(0x30, -1, 'uint8')", "hep_set: -1 does not fit 1 octet")]
#[case::bad_integer("hep_set('src_port', 'sip')", "hep_set: \"sip\" is no whole number")]
#[case::fraction("hep_set('src_port', 1.5)", "hep_set: 1.5 is no whole number")]
#[case::address(
    "hep_set('src_ip', '192.0.2.256')",
    "hep_set: \"192.0.2.256\" is no address"
)]
#[case::vendor_address(
    "hep_set(0x30, 'host', 'inet6-addr')",
    "hep_set: \"host\" is no address"
)]
#[case::family(
    "hep_set('src_ip', '2001:db8::1', 'inet4-addr')",
    "hep_set: \"2001:db8::1\" is no IPv4 address"
)]
#[case::number_for_address(
    "hep_set('src_ip', 1, 'uint32')",
    "hep_set: wrong width: src_ipv4 (0x0003) takes an address, uint32 has 4 octets"
)]
#[case::text(
    "hep_set(0x30, '\\xff\\xfe')",
    "hep_set: the text is not UTF-8 at octet 1; octet-string takes any octets"
)]
#[case::node_name(
    "hep_set('node_name', 'a\\xff', 'utf8-string')",
    "hep_set: the text is not UTF-8 at octet 2; octet-string takes any octets"
)]
#[case::data_type(
    "hep_set(0x30, 1, 'uint64')",
    "hep_set: \"uint64\" is neither a vendor nor a data type (uint8, uint16, uint32, inet4-addr, inet6-addr, utf8-string, octet-string)"
)]
#[case::vendor(
    "hep_set(0x30, 1, 'uint8', 65536)",
    "hep_set: 65536 is no vendor: 0 to 65535"
)]
#[case::generic_of_a_vendor(
    "hep_set(0x11, 'x', 'utf8-string', 3)",
    "hep_set: chunk 0x0011 belongs to vendor 0, not 3"
)]
#[case::meaningless(
    "hep_set(0x30, 'x', 'utf8-string', 0)",
    "hep_set: chunk 0x0030 has no meaning under vendor 0"
)]
#[case::table_value("hep_set(0x30, {})", "hep_set: a table is no text")]
#[case::argument(
    "hep_set{ chunk = 'src_port', date = 1 }",
    "hep_set: no argument \"date\"; did you mean \"data\"?"
)]
#[case::protocol("hep_set('proto_type', 'SAP')", "hep_set: \"SAP\" is no protocol type")]
#[case::transport(
    "hep_set('proto_id', 'quic')",
    "hep_set: \"quic\" is none of udp, tcp, tls, sctp, ws and wss"
)]
#[case::mac(
    "hep_set('src_mac', '00:11:22:33:44')",
    "hep_set: \"00:11:22:33:44\" is no MAC address"
)]
#[case::too_large(
    "hep_set('payload', ('x'):rep(65530))",
    "hep_set: frame of 65629 octets exceeds the limit of 65535"
)]
#[case::field("msg.src_port = 70000", "msg.src_port: 70000 does not fit 2 octets")]
#[case::no_field("msg.source_port = 1", "msg: \"source_port\" is no field")]
#[case::read_only("msg.call_id = 'x'", "msg: \"call_id\" can be read only")]
#[case::nil_field(
    "msg.node_name = nil",
    "msg.node_name: nil is no value; hep_del takes a chunk out"
)]
#[case::unknown_field(
    "local x = msg.from_usr",
    "msg: no field \"from_usr\"; did you mean \"from_user\"?"
)]
fn wrong_arguments_are_said(#[case] call: &str, #[case] message: &str) {
    let body = format!("  local text = 'before'\n  {call}");
    // What stands there literally is found when the script is checked; here it comes at run time.
    let body = body
        .replace("hep_", "_G['hep_' .. '")
        .replace("set(", "set'](")
        .replace("get(", "get'](")
        .replace("del(", "del'](")
        .replace("set{", "set']{");
    let outcome = run_on(&body, &sip_frame());
    let error = outcome.error.expect("refused");
    assert_eq!(error.message(), message);
    assert_eq!(error.reason(), ErrorReason::Argument);
    assert_eq!(error.line(), Some(3));
    assert_eq!(outcome.edited, None);
}

#[test]
fn chunks_of_vendors_take_each_data_type() {
    let message = edit(
        r#"
        assert(hep_set(0x20, 7, "uint32"))
        assert(hep_set("0x21", 258, "uint16", 4))
        assert(hep_set(34, 9, 8, "uint8"))
        assert(hep_set(0x31, "192.0.2.9", "inet4-addr"))
        assert(hep_set(0x32, "2001:db8::9", "inet6-addr"))
        assert(hep_set(0x33, "héllo"))
        assert(hep_set("octet-string", 0x34, "\xff\0\x01"))
        assert(hep_set("uint16", 0x35, 5, "0x1234"))
        assert(hep_set{ chunk = 0x36, data = 1, type = "uint8", vendor = 9 })
        assert(hep_get(0x31, "inet4-addr") == "192.0.2.9" and hep_get(0x32, "inet6-addr") == "2001:db8::9")
        assert(hep_get(0x20, "uint32", 3) == 7 and select(2, hep_get(0x20, "uint32", 3)) == 3)
        assert(hep_get("uint16", 0x21, 4) == 258 and hep_get(0x34) == "\xff\0\x01")
        assert(hep_get{ chunk = 0x36, type = "uint8", vendor = 9 } == 1)
        assert(msg:chunk(0x33) == "héllo" and msg:chunk(0x36, 9) == "\1")
        assert(hep_get(0x21, "uint16") == nil, "of another vendor")
        "#,
    );
    let value = |vendor, number| {
        let chunk = message.chunk(VendorId(vendor), ChunkType(number));
        chunk.map(|chunk| chunk.value().to_vec())
    };
    assert_eq!(value(3, 0x20), Some(vec![0, 0, 0, 7]));
    assert_eq!(value(4, 0x21), Some(vec![1, 2]));
    assert_eq!(value(8, 34), Some(vec![9]));
    assert_eq!(value(3, 0x31), Some(vec![192, 0, 2, 9]));
    assert_eq!(value(3, 0x32).map(|value| value.len()), Some(16));
    assert_eq!(value(3, 0x33), Some("héllo".as_bytes().to_vec()));
    assert_eq!(value(3, 0x34), Some(vec![0xff, 0, 1]));
    assert_eq!(value(5, 0x35), Some(vec![0x12, 0x34]));
    assert_eq!(value(9, 0x36), Some(vec![1]));
}

#[test]
fn generic_chunks_belong_to_vendor_0() {
    let message = edit(
        "assert(hep_set(0x0011, 'abc')) assert(hep_set('vlan_id', 9)) assert(hep_set(0x12, 8, 'uint16', 0))",
    );
    assert_eq!(message.correlation_id(), Some(&b"abc"[..]));
    assert_eq!(message.vlan_id(), Some(8));
    assert!(message.chunk(VendorId::OPENSIPS, ChunkType(0x11)).is_none());
}

#[test]
fn chunks_of_equal_type_and_other_vendors_are_kept_apart() {
    let chunk = (VendorId(3), ChunkType::SRC_PORT);
    let frame = builder(INVITE)
        .chunk(chunk.0, chunk.1, b"mine")
        .encode(Version::V3)
        .expect("fits");
    let message = edit_of(
        "assert(hep_get(7) == 5060) assert(hep_get(7, 3) == 'mine') assert(hep_set(7, 5099))",
        &frame,
    );
    assert_eq!(message.src_port(), Some(5099));
    assert_eq!(
        message.chunk(chunk.0, chunk.1).map(|c| c.value()),
        Some(&b"mine"[..])
    );
    let message = edit_of("assert(hep_del(7, 3)) assert(not hep_del(7, 3))", &frame);
    assert_eq!(message.src_port(), Some(5060));
    assert!(message.chunk(chunk.0, chunk.1).is_none());
}

#[test]
fn built_in_chunks_are_read_as_the_original_shows_them() {
    holds(
        r#"
        assert(hep_get("proto_family") == "AF_INET" and hep_get(1, "uint8") == 2)
        assert(hep_get("proto_id") == "udp" and hep_get(0x2, "uint8") == 17)
        assert(hep_get("SRC_IP") == "192.0.2.1" and hep_get(5) == "192.0.2.1" and hep_get(4) == "198.51.100.2")
        assert(hep_get("src_port", "uint16") == 5060 and hep_get("dst_port") == 5070)
        assert(hep_get("timestamp") == 1700735504 and hep_get("timestamp_us") == 123456)
        assert(hep_get("proto_type") == "SIP" and hep_get("proto_type", "uint8") == 1)
        assert(hep_get("captagent_id", "uint32") == 2001 and hep_get(15) == msg.payload)
        local value, vendor = hep_get("src_port")
        assert(vendor == 0)
        value, vendor = hep_get("correlation_id")
        assert(value == nil and vendor == nil)
        "#,
    );
}

#[test]
fn built_in_chunks_are_written_in_their_places() {
    let before = sip_frame();
    let order = |frame: &[u8]| -> Vec<u16> {
        let message = Message::parse(frame).expect("a frame");
        message.chunks().map(|chunk| chunk.chunk_type().0).collect()
    };
    let message = edit(
        r#"
        hep_set("proto_type", "RTCP") hep_set("proto_id", "tls") hep_set("dst_port", "5090")
        hep_set("timestamp", 1800000000) msg.time_usec = 5 msg.capture_id = 4294967295
        msg.dst_ip = "203.0.113.7"
        "#,
    );
    assert_eq!(message.protocol_type().map(|t| t.0), Some(5));
    assert_eq!(message.ip_protocol().map(|p| p.0), Some(22));
    assert_eq!(message.dst_port(), Some(5090));
    assert_eq!(
        (message.time_sec(), message.time_usec()),
        (Some(1_800_000_000), Some(5))
    );
    assert_eq!(message.capture_id(), Some(u32::MAX));
    assert_eq!(
        message.dst_ip(),
        Some("203.0.113.7".parse().expect("a literal"))
    );
    assert_eq!(order(message.as_frame()), order(&before));
    assert_eq!(message.payload().octets(), Some(INVITE));
}

#[test]
fn an_address_of_the_other_family_leaves_a_frame_that_decodes() {
    let message = edit("hep_set('src_ip', '2001:db8::1') assert(msg.dst_ip == '198.51.100.2')");
    assert_eq!(
        message.src_ip(),
        Some("2001:db8::1".parse().expect("a literal"))
    );
    assert_eq!(
        message.canonical_dst_ip(),
        Some("198.51.100.2".parse().expect("a literal"))
    );
    assert_eq!(message.ip_family(), Some(10));
    let message = edit(
        "hep_set('src_ip', '2001:db8::1') hep_set('dst_ip', '2001:db8::2') hep_set('src_ip', '192.0.2.5') hep_set('dst_ip', '192.0.2.6')",
    );
    assert_eq!(
        message.src_ip(),
        Some("192.0.2.5".parse().expect("a literal"))
    );
    assert_eq!(
        message.dst_ip(),
        Some("192.0.2.6".parse().expect("a literal"))
    );
    assert_eq!(message.ip_family(), Some(2));
    assert!(
        message
            .chunk(VendorId::GENERIC, ChunkType::SRC_IPV6)
            .is_none()
    );
}

#[test]
fn a_payload_is_replaced_whole_and_read_again() {
    let text = "OPTIONS sip:x@y SIP/2.0\\r\\nCall-ID: new\\r\\n\\r\\n";
    let message = edit(&format!(
        "assert(msg.method == 'INVITE') hep_set('payload', '{text}') assert(msg.method == 'OPTIONS' and msg.call_id == 'new')"
    ));
    assert!(
        message
            .payload()
            .octets()
            .is_some_and(|p| p.starts_with(b"OPTIONS"))
    );
    let long = edit("msg.payload = ('x'):rep(60000)");
    assert_eq!(long.payload().octets().map(<[u8]>::len), Some(60_000));
}

#[test]
fn a_compressed_payload_is_read_inflated_and_relayed_as_what_it_is() {
    let payload = [INVITE, &b"x".repeat(2_000)].concat();
    let frame = builder(&payload)
        .compressed(true)
        .encode(Version::V3)
        .expect("fits");
    let read = run_on(
        "assert(msg.method == 'INVITE' and #hep_get('payload') > 2000)",
        &frame,
    );
    assert_eq!((read.error, read.edited), (None, None));
    let message = edit_of("msg.node_name = 'n' assert(msg.method == 'INVITE')", &frame);
    assert!(
        message
            .chunk(VendorId::GENERIC, ChunkType::COMPRESSED_PAYLOAD)
            .is_some()
    );
    let message = edit_of("msg.payload = msg.payload", &frame);
    assert_eq!(message.payload().octets(), Some(&payload[..]));
    assert!(
        message
            .chunk(VendorId::GENERIC, ChunkType::COMPRESSED_PAYLOAD)
            .is_none()
    );
}

#[test]
fn hep_del_takes_out_what_is_there_and_says_so() {
    let message = edit(
        "assert(hep_del('src_ip') and hep_del(15)) assert(not hep_del('node_name') and not hep_del(0x99)) assert(msg.payload == nil and not msg.is_sip)",
    );
    assert_eq!(message.src_ip(), None);
    assert_eq!(message.payload().octets(), None);
    holds("assert(hep_del('node_name') == false)");
}

#[test]
fn versions_1_and_2_have_fields_but_no_chunks() {
    let v3 = Message::parse(sip_frame()).expect("a frame");
    let frame = convert::to_v1(&v3).expect("it fits");
    let outcome = run_on(
        "assert(hep_get('src_ip') == '192.0.2.1' and hep_get('src_port') == 5060 and hep_get('proto_type') == 'SIP')
         assert(hep_set('src_port', 1) == false and hep_del('src_port') == false and hep_get(0x31) == nil)",
        &frame,
    );
    assert_eq!((outcome.error, outcome.edited), (None, None));
    let outcome = run_on("msg.src_port = 1", &frame);
    let error = outcome.error.expect("no such chunk");
    assert_eq!(
        error.message(),
        "msg.src_port: a message of HEP version 1 has no such chunk"
    );
    let message = edit_of("SetRawMessage('ACK sip:a SIP/2.0\\r\\n\\r\\n')", &frame);
    assert_eq!(message.version(), Version::V1);
    assert_eq!(
        message.payload().octets(),
        Some(&b"ACK sip:a SIP/2.0\r\n\r\n"[..])
    );
}

#[test]
fn the_key_of_an_agent_is_not_shown_to_scripts() {
    let frame = builder(INVITE)
        .auth_key(b"secret")
        .encode(Version::V3)
        .expect("fits");
    let outcome = run_on(
        "assert(msg.auth_key == '******' and hep_get('auth_key') == '******' and msg:chunk(14) == '******')",
        &frame,
    );
    assert_eq!(outcome.error, None);
    let message = edit_of("msg.auth_key = 'other'", &frame);
    assert_eq!(message.auth_key(), Some(&b"other"[..]));
}

#[test]
fn only_an_edited_message_is_encoded_again_and_only_what_was_edited_changes() {
    holds("local x = msg.payload, msg.src_ip, hep_get('payload'), hep_del('node_name')");
    let frame = builder(INVITE)
        .chunk(VendorId(99), ChunkType(1), b"kept")
        .encode(Version::V3)
        .expect("fits");
    let message = edit_of("hep_set('node_name', 'edge')", &frame);
    let before = Message::parse(&frame).expect("a frame");
    let kept: Vec<&[u8]> = message
        .chunks()
        .filter(|chunk| !chunk.is_generic(ChunkType::NODE_NAME))
        .map(|chunk| chunk.as_octets())
        .collect();
    let all: Vec<&[u8]> = before.chunks().map(|chunk| chunk.as_octets()).collect();
    assert_eq!(kept, all);
}
