//! RTCP, in octets and as JSON. Its figures stay; descriptions of sources (SDES), which have names, addresses and
//! numbers of people, do not.

use super::{Masking, STAR, text};

/// Packets that carry text (RFC 3550 §12.1).
const DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
const APPLICATION: u8 = 204;

/// Hides in a compound packet, or in a report as JSON, in place.
pub(super) fn hide(masking: Masking, report: &mut [u8]) {
    let is_json = report.trim_ascii_start().first() == Some(&b'{');
    match is_json {
        true => hide_texts(masking, report),
        false => hide_packets(masking, report),
    }
}

/// Hides in a text of any kind.
fn hide_text(masking: Masking, text: &mut [u8]) {
    if masking.bodies || masking.payload {
        text.fill(STAR);
    } else if masking.digits > 0 {
        let end = text.iter().position(|octet| *octet == b'@');
        let end = end.unwrap_or(text.len());
        text::hide_user(text.get_mut(..end).unwrap_or_default(), masking.digits);
        text::hide_numbers(text, masking.digits);
    }
}

/// Texts that are values, not names of members. What is no JSON after all is text as a whole.
fn hide_texts(masking: Masking, report: &mut [u8]) {
    let mut at = 0;
    while let Some(start) = position(report, at, b'"').map(|quote| quote + 1) {
        let Some(end) = end_of_text(report, start) else {
            hide_text(masking, report.get_mut(start..).unwrap_or_default());
            return;
        };
        let after = report.get(end + 1..).unwrap_or_default().trim_ascii_start();
        if after.first() != Some(&b':') {
            hide_text(masking, report.get_mut(start..end).unwrap_or_default());
        }
        at = end + 1;
    }
}

fn position(octets: &[u8], from: usize, wanted: u8) -> Option<usize> {
    let mut rest = octets.get(from..)?.iter();
    rest.position(|octet| *octet == wanted).map(|at| from + at)
}

/// Where the quote is that ends a text.
fn end_of_text(octets: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        match octets.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn hide_packets(masking: Masking, mut rest: &mut [u8]) {
    while let [first, kind, high, low, ..] = *rest {
        // Length in words of 32 bits, without the first (RFC 3550 §6.4.1).
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        if first >> 6 != 2 || length > rest.len() {
            break;
        }
        let (packet, more) = rest.split_at_mut(length);
        rest = more;
        let body = packet.get_mut(4..).unwrap_or_default();
        match kind {
            DESCRIPTION => hide_descriptions(masking, body),
            GOODBYE => {
                let sources = usize::from(first & 0x1f) * 4;
                hide_text(masking, body.get_mut(sources..).unwrap_or_default());
            }
            // A source and a name of four letters, then anything.
            APPLICATION => hide_text(masking, body.get_mut(8..).unwrap_or_default()),
            _ => {}
        }
    }
    // What is left is no RTCP.
    hide_text(masking, rest);
}

/// Sources, each with items that end with a zero and fill up words (RFC 3550 §6.5).
fn hide_descriptions(masking: Masking, body: &mut [u8]) {
    let mut at = 4;
    while at < body.len() {
        match body.get(at..at + 2) {
            Some([0, _]) | None => at = (at / 4 + 1) * 4 + 4,
            Some([_, length, ..]) => {
                let end = (at + 2 + usize::from(*length)).min(body.len());
                hide_text(masking, body.get_mut(at + 2..end).unwrap_or_default());
                at = end;
            }
            Some(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NUMBERS: Masking = Masking {
        digits: 4,
        ..Masking::NONE
    };
    const PAYLOAD: Masking = Masking {
        payload: true,
        ..Masking::NONE
    };

    fn hidden(masking: Masking, report: &[u8]) -> Vec<u8> {
        let mut octets = report.to_vec();
        hide(masking, &mut octets);
        assert_eq!(octets.len(), report.len());
        octets
    }

    #[test]
    fn figures_stay_and_descriptions_go() {
        let json = br#"{"ssrc":1234567890,"sdes":[{"type":1,"text":"+33123456789@h"},{"text":"a \"0612345678"}]}"#;
        let shown = String::from_utf8(hidden(NUMBERS, json)).unwrap();
        assert!(shown.contains("1234567890,"), "{shown}");
        assert!(
            shown.contains("\"+3312345****@h\"") && shown.contains("061234****"),
            "{shown}"
        );
        let shown = String::from_utf8(hidden(PAYLOAD, json)).unwrap();
        assert!(
            shown.contains("\"ssrc\":1234567890") && shown.contains("\"text\":\"**********"),
            "{shown}"
        );
        assert_eq!(
            hidden(NUMBERS, b"{\"a\":\"+33123456789"),
            b"{\"a\":\"+3312345****"
        );
    }

    #[test]
    fn packets_are_taken_apart() {
        // A receiver report of nothing, and two sources with an item each.
        let mut compound = vec![0x80, 201, 0, 1, 0x11, 0x11, 0x11, 0x11];
        let mut described = b"\x31\x32\x33\x34\x01\x0b+3312345678\x00\x00\x00".to_vec();
        described.extend_from_slice(b"\x35\x36\x37\x38\x04\x041001\x00\x00");
        compound.extend_from_slice(&[0x82, 202, 0, u8::try_from(described.len() / 4).unwrap()]);
        compound.extend_from_slice(&described);
        compound.extend_from_slice(b"\x81\xcb\x00\x04\x35\x36\x37\x38\x0bto 55512345");
        let shown = hidden(NUMBERS, &compound);
        let text = String::from_utf8_lossy(&shown);
        assert!(
            text.contains("+331234****") && text.contains("to 5551****"),
            "{text}"
        );
        assert!(
            text.contains("1234\u{1}") && text.contains("5678\u{4}"),
            "sources stay: {text}"
        );
        assert!(text.contains("\u{4}\u{4}****"), "{text}");
        let all = hidden(PAYLOAD, &compound);
        let text = String::from_utf8_lossy(&all);
        assert!(!text.contains("+33") && !text.contains("555"), "{text}");
    }

    proptest! {
        #[test]
        fn anything_is_taken(report in any::<Vec<u8>>(), digits in any::<u8>(), payload in any::<bool>()) {
            let masking = Masking { digits, payload, ..Masking::NONE };
            let masked = hidden(masking, &report);
            for (masked, octet) in masked.iter().zip(&report) {
                prop_assert!(masked == octet || *masked == STAR);
            }
        }
    }
}
