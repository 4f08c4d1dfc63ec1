//! Nothing panics, and everything found lies in the payload, whatever the octets.

use std::{fs, path::Path};

use hepcat_sip::fuzz_bodies::sip_scan;
use proptest::prelude::*;

const INVITE: &[u8] = include_bytes!("messages/invite.sip");

/// Octets that mean something to the scanner, and pieces that lead it deeper.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<u8>().prop_map(|octet| vec![octet]),
        prop::sample::select(b"\r\n\t :;,<>\"\\@[]?=/\0".to_vec()).prop_map(|octet| vec![octet]),
        prop::sample::select(vec![
            "SIP/2.0",
            "INVITE",
            "sip:",
            "tel:",
            "\r\n",
            "\r\n ",
            "\n",
            ": ",
            "From",
            "To",
            "t",
            "Via",
            "v",
            "Call-ID",
            "X-CID",
            "CSeq",
            "Contact",
            "Content-Length",
            ";tag=",
            ";branch=",
            "\"",
            "\\\"",
            "200",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_octets(payload in prop::collection::vec(any::<u8>(), 0..400)) {
        sip_scan(&payload);
    }

    #[test]
    fn a_scan_over_other_octets_finds_what_stands_there_or_nothing(
        rest in pieces(),
        other in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let request = [b"INVITE sip:a@b SIP/2.0\r\n", &rest[..]].concat();
        let scan = hepcat_sip::scan(&request).expect("a request line");
        let copy = request.clone();
        prop_assert_eq!(format!("{:?}", scan.over(&copy)), format!("{scan:?}"));
        prop_assert_eq!(scan.over(&copy).call_id(), scan.call_id());

        let over = scan.over(&other);
        for found in [
            over.method(),
            over.call_id(),
            over.cseq_method(),
            over.via_branch(),
            over.from().and_then(|from| from.tag()),
            over.header(b"To").map(|header| header.value()),
            Some(over.body()),
        ] {
            prop_assert!(found.is_none_or(|octets| octets.len() <= other.len()));
        }
        prop_assert!(over.headers().count() <= other.len());
    }

    #[test]
    fn any_header_section(rest in pieces()) {
        let request = [b"INVITE sip:a@b SIP/2.0\r\n", &rest[..]].concat();
        prop_assert!(hepcat_sip::scan(&request).is_some());
        sip_scan(&request);
        sip_scan(&[b"SIP/2.0 ", &rest[..]].concat());
    }

    #[test]
    fn any_start_line(line in pieces()) {
        sip_scan(&line);
        sip_scan(&[b"INVITE ", &line[..], b" SIP/2.0\r\nFrom: x\r\n\r\n"].concat());
    }

    #[test]
    fn a_message_with_octets_replaced(
        changes in prop::collection::vec((0..INVITE.len(), any::<u8>()), 1..20),
    ) {
        let mut payload = INVITE.to_vec();
        for (at, octet) in changes {
            payload[at] = octet;
        }
        sip_scan(&payload);
    }
}

#[test]
fn a_message_cut_anywhere() {
    for length in 0..=INVITE.len() {
        sip_scan(&INVITE[..length]);
        sip_scan(&INVITE[length..]);
    }
}

#[test]
fn a_cut_message_keeps_what_came_before_the_cut() {
    let whole = hepcat_sip::scan(INVITE).unwrap();
    let call_id = b"7wZ0dTq4JvXnP2sKb1YgRkE9uHcMlAoD";
    assert_eq!(whole.call_id(), Some(&call_id[..]));
    let end = INVITE
        .windows(call_id.len())
        .position(|window| window == call_id)
        .unwrap()
        + call_id.len();
    for length in end..INVITE.len() {
        let cut = hepcat_sip::scan(&INVITE[..length]).unwrap();
        assert_eq!(cut.call_id(), whole.call_id(), "cut to {length}");
        assert_eq!(cut.from(), whole.from());
        assert!(cut.first_defect().is_some(), "cut to {length}");
    }
}

/// Seeds of the fuzz target, and whatever it found.
#[test]
fn the_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/fuzz/sip_scan");
    let mut replayed = 0;
    for entry in fs::read_dir(corpus).unwrap() {
        sip_scan(&fs::read(entry.unwrap().path()).unwrap());
        replayed += 1;
    }
    assert!(replayed >= 6);
}
