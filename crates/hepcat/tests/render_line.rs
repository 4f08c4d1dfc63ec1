//! A message makes one tidy line, the same from the message and from its JSON.

mod captures;

use std::time::{Duration, SystemTime};

use captures::sip;
use hepcat::render::{Contents, Palette, Receipt, Summary, json_fault, json_message};
use hepcat_testkit::frame::{Meta, chunk, v3};
use hepcat_wire::Message;
use jiff::tz::TimeZone;

fn receipt() -> Receipt<'static> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(1_700_000_100_000_001);
    Receipt::new(at, "edge", "10.1.0.4#2001")
}

/// The line made of the message; panics if the one made of its JSON differs.
fn line(frame: &[u8], receipt: Option<&Receipt<'_>>) -> String {
    let message = Message::parse_lax(frame).expect("it decodes");
    let direct = Summary::of_message(&message, receipt);
    let json = json_message(&message, receipt, Contents::ALL.digest(false));
    let shown = direct.line(&Palette::plain(), &TimeZone::UTC);
    let again = Summary::of_json(&json).line(&Palette::plain(), &TimeZone::UTC);
    assert_eq!(shown, again);
    shown
}

#[test]
fn requests_responses_and_other_protocols() {
    let meta = Meta::default();
    let response = b"SIP/2.0 486 Busy Here\r\nCall-ID: c-1\r\nFrom: <sip:a@x>\r\n\r\n";
    let mut log = Meta::default();
    log.protocol_type = 100;
    log.correlation_id = Some(b"c-2".to_vec());
    let mut secure6 = Meta::default();
    secure6.source = "[2001:db8::1]:5061".parse().expect("an address");
    secure6.destination = "[2001:db8::2]:5061".parse().expect("an address");
    secure6.ip_protocol = 22;
    let lines = [
        line(&meta.v3(&sip("INVITE", "c-1", "")), Some(&receipt())),
        line(&meta.v3(&sip("INVITE", "c-1", "")), None),
        line(&meta.v3(response), Some(&receipt())),
        line(&meta.v1(&sip("BYE", "c-1", "")), Some(&receipt())),
        line(&meta.v1(&sip("BYE", "c-1", "")), None),
        line(&log.v3(b"route 1: caller gone\nmore"), None),
        line(&secure6.v3(&sip("ACK", "c-1", "")), None),
        line(
            &v3(&[chunk(0, 11, &[96]), chunk(0, 17, b"c-3")]),
            Some(&receipt()),
        ),
        line(&v3(&[]), None),
    ];
    insta::assert_snapshot!(lines.join("\n"), @r"
    22:13:20.123456   edge  10.1.0.4#2001         192.0.2.1:5060 -> 192.0.2.2:5080         udp   INVITE  c-1  alice -> bob  212 B
    22:13:20.123456          192.0.2.1:5060 -> 192.0.2.2:5080         udp   INVITE  c-1  alice -> bob  212 B
    22:13:20.123456   edge  10.1.0.4#2001         192.0.2.1:5060 -> 192.0.2.2:5080         udp   486 Busy Here  c-1  a -> -  56 B
    22:15:00.000001~  edge  10.1.0.4#2001         192.0.2.1:5060 -> 192.0.2.2:5080         udp   BYE  c-1  alice -> bob  206 B
    --:--:--.------          192.0.2.1:5060 -> 192.0.2.2:5080         udp   BYE  c-1  alice -> bob  206 B
    22:13:20.123456          192.0.2.1:5060 -> 192.0.2.2:5080         udp   log: route 1: caller gone  c-2  25 B
    22:13:20.123456      [2001:db8::1]:5061 -> [2001:db8::2]:5061     tls   ACK  c-1  alice -> bob  206 B
    22:15:00.000001~  edge  10.1.0.4#2001                      ? -> ?                      -     opensips_control  c-3  0 B
    --:--:--.------                       ? -> ?                      -     no payload  0 B
    ");
}

#[test]
fn what_does_not_decode_has_its_line() {
    let frame = v3(&[vec![0, 0, 0, 1, 0, 3]]);
    let error = Message::parse_lax(frame.as_slice()).expect_err("it does not decode");
    let direct = Summary::of_fault(&error, &frame, Some(&receipt()));
    let shown = direct.line(&Palette::plain(), &TimeZone::UTC);
    let json = json_fault(&error, &frame, Some(&receipt()));
    let again = Summary::of_json(&json).line(&Palette::plain(), &TimeZone::UTC);
    assert_eq!(shown, again);
    insta::assert_snapshot!(shown, @"22:15:00.000001~  edge  10.1.0.4#2001  unparsable: chunk_too_short at octet 6  12 B");
}

#[test]
fn hostile_text_stays_on_its_line_and_is_cut() {
    let hostile = format!(
        "INV\u{1b}[2J sip:a SIP/2.0\r\nCall-ID: \u{202e}{}\r\nFrom: <sip:\u{9b}x@y>\r\n\r\n",
        "c".repeat(5_000)
    );
    let shown = line(&Meta::default().v3(hostile.as_bytes()), Some(&receipt()));
    assert!(
        !shown.contains(|c: char| c.is_control() || c == '\u{202e}'),
        "{shown}"
    );
    assert!(shown.len() < 500, "{}", shown.len());
}

#[test]
fn colours_are_asked_for() {
    let message = Meta::default().v3(&sip("INVITE", "c", ""));
    let message = Message::parse_lax(message.as_slice()).expect("it decodes");
    let summary = Summary::of_message(&message, None);
    let coloured = summary.line(&Palette::coloured(), &TimeZone::UTC);
    assert!(coloured.contains("\u{1b}[1m"), "{coloured:?}");
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, summary.line(&Palette::plain(), &TimeZone::UTC));
}
