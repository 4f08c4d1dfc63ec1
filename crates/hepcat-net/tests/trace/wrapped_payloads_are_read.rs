//! What HOMER 6 wraps is read again, also where a sender made no JSON of it.

use hepcat_net::trace::{Format, PackRequest, Version, unwrap_homer6};
use hepcat_testkit::vectors;
use hepcat_wire::{IpProtocol, Message};
use rstest::rstest;

use crate::parts::{compatible, correct};

const MESSAGE: &[u8] = "MESSAGE sip:a@b SIP/2.0\r\nSubject: \"q\" \\ é\r\n\r\n\u{1}".as_bytes();

#[test]
fn what_we_wrap_we_unwrap() {
    let request = PackRequest::sip(IpProtocol::UDP, MESSAGE);
    for frame in [
        correct(&request, Version::V3, &Format::Homer6).unwrap(),
        compatible(&request, Version::V3, &Format::Homer6).unwrap(),
    ] {
        let message = Message::parse(&frame).unwrap();
        let payload = message.payload().octets().unwrap();
        assert_eq!(unwrap_homer6(payload).as_deref(), Some(MESSAGE));
    }
}

#[rstest]
#[case::plain(b"INVITE sip:a SIP/2.0\r\n")]
#[case::empty(b"")]
#[case::another_object(b"{\"Event\":\"INFO\",\"text\":\"x\"}")]
#[case::no_text(b"{\"payload\":{\"a\":1}}")]
#[case::list(b"[\"payload\"]")]
#[case::more_behind(b"{\"payload\":\"x\"} y")]
#[case::cut_in_the_name(b"{\"payl")]
#[case::broken(b"{\"payload\" \"x\"}")]
fn what_is_not_wrapped_stays_as_it_is(#[case] payload: &[u8]) {
    assert_eq!(unwrap_homer6(payload), None);
}

#[rstest]
#[case::no_utf_8(b"{\n\t\"payload\":\t\"caf\xe9\\r\\n\"\n}", b"caf\xe9\r\n")]
#[case::zeros_behind(b"{\"payload\":\"x\"}\0\0\0", b"x")]
#[case::other_entries(b"{\"a\":[1,{}],\"payload\":\"x\",\"b\":null}", b"x")]
#[case::repeated(b"{\"payload\":\"x\",\"payload\":\"y\"}", b"y")]
#[case::cut(b"{\n\t\"payload\":\t\"INVITE sip:a", b"INVITE sip:a")]
#[case::cut_in_an_escape(b"{\"payload\":\"INVITE\\", b"INVITE")]
#[case::cut_behind_an_escape(b"{\"payload\":\"INVITE\\r", b"INVITE\r")]
#[case::cut_behind_a_backslash(b"{\"payload\":\"a\\\\", b"a\\")]
#[case::cut_in_a_number(b"{\"payload\":\"a\\u00", b"a")]
#[case::cut_behind_a_number(b"{\"payload\":\"a\\u0001", b"a\x01")]
#[case::cut_behind_the_text(b"{\"payload\":\"a\"", b"a")]
fn what_senders_get_wrong_is_read_all_the_same(#[case] payload: &[u8], #[case] expected: &[u8]) {
    assert_eq!(unwrap_homer6(payload).as_deref(), Some(expected));
}

#[test]
fn every_captured_sip_message_in_homer_6_is_read() {
    let mut read = 0;
    for vector in vectors().iter().filter(|vector| !vector.is_stream()) {
        let Ok(message) = Message::parse_lax(vector.octets.as_slice()) else {
            continue;
        };
        let Some(payload) = message.payload().octets() else {
            continue;
        };
        if payload.starts_with(b"{")
            && message.protocol_type() == Some(hepcat_wire::ProtocolType::SIP)
        {
            let sip = unwrap_homer6(payload).unwrap_or_else(|| panic!("{}", vector.file));
            assert!(
                sip.windows(7).any(|window| window == b"SIP/2.0"),
                "{}: {}",
                vector.file,
                String::from_utf8_lossy(&sip)
            );
            read += 1;
        }
    }
    assert!(read >= 5, "only {read} vectors are HOMER 6");
}

#[test]
fn any_octets_are_read_or_left() {
    let whole = b"{\n\t\"payload\":\t\"a\\u0041\\\\\\\"\xff\\r\\n\"\n}";
    for end in 0..=whole.len() {
        let _read = unwrap_homer6(&whole[..end]);
        for octet in [0, b'"', b'\\', 0xff, b'{'] {
            let mut changed = whole.to_vec();
            changed.insert(end, octet);
            let _read = unwrap_homer6(&changed);
        }
    }
}
