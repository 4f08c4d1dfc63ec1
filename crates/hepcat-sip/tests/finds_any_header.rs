//! Header fields that the scan does not remember are found on demand, folded ones included.

use hepcat_sip::scan;

const MESSAGE: &[u8] = b"MESSAGE sip:bob@biloxi.example SIP/2.0\r\n\
    Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\
    Via: SIP/2.0/UDP b;branch=z9hG4bK2\r\n\
    Subject: I know you're there,\r\n\t pick up the phone  \r\n   and answer!\r\n\
    nonsense\r\n  that continues: here\r\n\
    P-Charging-Vector : icid-value=1\r\n\
    k: path\r\n\
    Empty:\r\n\
    \r\n\
    Not-A-Header: 1\r\n";

#[test]
fn by_name_in_any_case() {
    let sip = scan(MESSAGE).unwrap();
    let vector = sip.header(b"p-charging-VECTOR").unwrap();
    assert_eq!(vector.name(), b"P-Charging-Vector");
    assert_eq!(vector.value(), b"icid-value=1");
    assert_eq!(sip.header(b"Empty").unwrap().value(), b"");
    assert_eq!(sip.header(b"Not-A-Header"), None, "it stands in the body");
    assert_eq!(
        sip.header(b"that continues"),
        None,
        "it continues a bad line"
    );
}

#[test]
fn by_its_long_name_when_it_is_compact_and_the_reverse() {
    let sip = scan(MESSAGE).unwrap();
    assert_eq!(sip.header(b"Supported").unwrap().value(), b"path");
    assert_eq!(sip.header(b"K").unwrap().value(), b"path");
    assert_eq!(sip.header(b"s"), sip.header(b"Subject"));
    assert!(sip.header(b"v").is_some());
}

#[test]
fn unfolded_to_one_line() {
    let sip = scan(MESSAGE).unwrap();
    let subject = sip.header(b"Subject").unwrap();
    assert!(subject.is_folded());
    assert_eq!(
        subject.to_unfolded(),
        &b"I know you're there, pick up the phone and answer!"[..]
    );
    assert!(!sip.header(b"k").unwrap().is_folded());
}

#[test]
fn all_in_order() {
    let sip = scan(MESSAGE).unwrap();
    let names: Vec<&[u8]> = sip.headers().map(|header| header.name()).collect();
    let expected: [&[u8]; 6] = [
        b"Via",
        b"Via",
        b"Subject",
        b"P-Charging-Vector",
        b"k",
        b"Empty",
    ];
    assert_eq!(names, expected);
}

#[test]
fn parameters_of_an_address() {
    let sip = scan(b"REGISTER sip:a SIP/2.0\r\nm: <sip:b@c;x=1>;Expires=60;+sip.instance=\"<urn:uuid:1;2>\";q\r\n\r\n")
        .unwrap();
    let contact = sip.contact().unwrap();
    assert_eq!(contact.param(b"expires"), Some(&b"60"[..]));
    assert_eq!(
        contact.param(b"+sip.instance"),
        Some(&b"\"<urn:uuid:1;2>\""[..])
    );
    assert_eq!(contact.param(b"q"), None);
    assert_eq!(contact.param(b"x"), None, "it belongs to the URI");
}
