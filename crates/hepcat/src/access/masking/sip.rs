//! A SIP message, line by line.

use super::{Masking, STAR, text};

/// Digits in a row that are taken for a number in a header field.
const NUMBER: usize = 5;

/// Fields that carry credentials or challenges (RFC 3261 §20, RFC 8224).
const CREDENTIALS: [&str; 8] = [
    "authorization",
    "proxy-authorization",
    "www-authenticate",
    "proxy-authenticate",
    "authentication-info",
    "proxy-authentication-info",
    "identity",
    "y",
];

/// Fields without numbers of people: what is in them tells messages apart, or is a time or a count.
const NUMBERLESS: [&str; 27] = [
    "call-id",
    "i",
    "cseq",
    "via",
    "v",
    "max-forwards",
    "content-length",
    "l",
    "content-type",
    "c",
    "date",
    "expires",
    "min-expires",
    "session-expires",
    "x",
    "min-se",
    "timestamp",
    "rseq",
    "rack",
    "session-id",
    "x-cid",
    "x-call-id",
    "retry-after",
    "user-agent",
    "server",
    "replaces",
    "in-reply-to",
];

/// Fields that messages are listed and joined by, which stay where the rest of a payload is hidden.
const LISTED: [&str; 18] = [
    "call-id",
    "i",
    "cseq",
    "via",
    "v",
    "from",
    "f",
    "to",
    "t",
    "max-forwards",
    "content-length",
    "l",
    "content-type",
    "c",
    "user-agent",
    "server",
    "session-id",
    "expires",
];

/// Parameters whose values tell dialogs and transactions apart, or are times and places.
const NUMBERLESS_PARAMETERS: [&str; 14] = [
    "tag",
    "branch",
    "from-tag",
    "to-tag",
    "rport",
    "received",
    "expires",
    "ttl",
    "q",
    "reg-id",
    "cause",
    "index",
    "icid-value",
    "+sip.instance",
];

/// Whether a field carries credentials or a challenge.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    CREDENTIALS
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// Hides in a whole message, in place.
pub(super) fn hide(masking: Masking, message: &mut [u8]) {
    let mut rest = message;
    let mut first = true;
    let mut field = Field::START;
    while !rest.is_empty() {
        let end = rest.iter().position(|octet| *octet == b'\n');
        let (line, more) = rest.split_at_mut(end.map_or(rest.len(), |end| end + 1));
        rest = more;
        let line = without_end(line);
        if line.is_empty() {
            // Empty lines before the first are keep-alives that came along.
            if first {
                continue;
            }
            break;
        }
        if std::mem::take(&mut first) {
            hide_start(masking, line);
            continue;
        }
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        let value = if folded {
            line
        } else {
            let colon = line.iter().position(|octet| *octet == b':');
            let name = line.get(..colon.unwrap_or(line.len()));
            field = Field::of(name.unwrap_or_default());
            let after = colon.map_or(0, |colon| colon + 1);
            line.get_mut(after..).unwrap_or_default()
        };
        hide_value(masking, field, value, folded);
    }
    hide_body(masking, rest);
}

fn without_end(line: &mut [u8]) -> &mut [u8] {
    let mut length = line.len();
    while let Some(b'\r' | b'\n') = length.checked_sub(1).and_then(|last| line.get(last)) {
        length -= 1;
    }
    line.get_mut(..length).unwrap_or_default()
}

/// A request line has an address; a status line has a phrase, which may have been written by anybody.
fn hide_start(masking: Masking, line: &mut [u8]) {
    if masking.digits > 0 {
        text::hide_users(line, masking.digits);
        if !line.starts_with(b"SIP/") {
            return;
        }
        let phrase = line.splitn_mut(3, |octet| *octet == b' ').nth(2);
        text::hide_runs(phrase.unwrap_or_default(), masking.digits, NUMBER);
    }
}

/// What is known of a field by its name.
#[derive(Debug, Clone, Copy)]
struct Field {
    credential: bool,
    numberless: bool,
    listed: bool,
}

impl Field {
    const START: Self = Self {
        credential: false,
        numberless: false,
        listed: false,
    };

    fn of(name: &[u8]) -> Self {
        let name = name.trim_ascii();
        let among = |names: &[&str]| {
            names
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        };
        Self {
            credential: among(&CREDENTIALS),
            numberless: among(&NUMBERLESS),
            listed: among(&LISTED),
        }
    }
}

fn hide_value(masking: Masking, field: Field, value: &mut [u8], folded: bool) {
    if masking.payload && !field.listed {
        star(value);
        return;
    }
    if masking.digests && field.credential {
        hide_credentials(value, folded);
        return;
    }
    if masking.digits == 0 || field.numberless {
        return;
    }
    text::hide_users(value, masking.digits);
    hide_parameters(masking, value);
}

/// The scheme stays, so that one sees what was asked for.
fn hide_credentials(value: &mut [u8], folded: bool) {
    let start = value.iter().position(|octet| !octet.is_ascii_whitespace());
    let value = value
        .get_mut(start.unwrap_or_default()..)
        .unwrap_or_default();
    let scheme = value.iter().position(|octet| *octet == b' ');
    let is_scheme = |scheme: &[u8]| {
        scheme
            .iter()
            .all(|octet| octet.is_ascii_alphanumeric() || *octet == b'-')
    };
    match scheme {
        Some(end) if !folded && value.get(..end).is_some_and(is_scheme) => {
            star(value.get_mut(end..).unwrap_or_default());
        }
        _ => star(value),
    }
}

/// Numbers in the pieces between `;`, but for parameters that have none.
fn hide_parameters(masking: Masking, value: &mut [u8]) {
    for piece in value.split_mut(|octet| *octet == b';') {
        let equals = piece.iter().position(|octet| *octet == b'=');
        let name = equals.and_then(|equals| piece.get(..equals));
        let is_numberless = name.is_some_and(|name| {
            let name = name.trim_ascii();
            NUMBERLESS_PARAMETERS
                .iter()
                .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
        });
        if !is_numberless {
            hide_but_ports(piece, masking.digits);
        }
    }
}

/// Numbers, but for what follows a colon right away and is no longer than a port.
fn hide_but_ports(piece: &mut [u8], digits: u8) {
    const PORT: usize = 5;
    let mut at = 0;
    while at < piece.len() {
        let rest = piece.get(at..).unwrap_or_default();
        let end = rest.iter().position(|octet| *octet == b':');
        let end = end.map_or(piece.len(), |end| at + end + 1);
        let part = piece.get_mut(at..end).unwrap_or_default();
        let port = part
            .iter()
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        let skipped = if at > 0 && port <= PORT { port } else { 0 };
        text::hide_runs(part.get_mut(skipped..).unwrap_or_default(), digits, NUMBER);
        at = end;
    }
}

fn hide_body(masking: Masking, body: &mut [u8]) {
    if masking.bodies || masking.payload {
        star(body);
        return;
    }
    if masking.digits > 0 && std::str::from_utf8(body).is_err() {
        // ISUP and its like write numbers in their own way.
        star(body);
        return;
    }
    for line in body.split_mut(|octet| *octet == b'\n') {
        hide_line(masking, line);
    }
}

/// A line of a session description (RFC 8866), or of any other text.
fn hide_line(masking: Masking, line: &mut [u8]) {
    let is_key = line.starts_with(b"k=")
        || line.starts_with(b"a=crypto:")
        || line.starts_with(b"a=ice-pwd:")
        || line.starts_with(b"a=key-mgmt:");
    if is_key {
        if masking.digests {
            let after = line.iter().position(|octet| matches!(octet, b':' | b'='));
            let after = if line.starts_with(b"a=") {
                line.iter().position(|octet| *octet == b':')
            } else {
                after
            };
            star(
                without_end(line)
                    .get_mut(after.map_or(0, |after| after + 1)..)
                    .unwrap_or_default(),
            );
        }
        return;
    }
    if masking.digests {
        // A message within the message, as a transfer reports it.
        let colon = line.iter().position(|octet| *octet == b':');
        let name = colon.and_then(|colon| line.get(..colon));
        if name.is_some_and(|name| Field::of(name).credential) {
            let after = colon.unwrap_or_default() + 1;
            hide_credentials(
                without_end(line).get_mut(after..).unwrap_or_default(),
                false,
            );
            return;
        }
    }
    if masking.digits == 0 {
        return;
    }
    match line {
        [b'o', b'=', ..] => {
            let user = line.iter().position(|octet| *octet == b' ');
            let end = user.unwrap_or(line.len());
            text::hide_user(line.get_mut(2..end).unwrap_or_default(), masking.digits);
        }
        [
            b'v' | b'c' | b'b' | b't' | b'r' | b'z' | b'm' | b'a',
            b'=',
            ..,
        ] => {
            text::hide_users(line, masking.digits);
        }
        _ => text::hide_numbers(line, masking.digits),
    }
}

fn star(octets: &mut [u8]) {
    for octet in octets {
        if !matches!(octet, b'\r' | b'\n') {
            *octet = STAR;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INVITE: &str = "INVITE sip:+33123456789@10.0.0.2:5060;user=phone SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.0.0.1:50600;branch=z9hG4bK7712345678;rport=50600\r\n\
        From: \"Ann 0612345678\" <sip:1001@example.org>;tag=1234567890\r\n\
        To: <tel:+1-212-555-0101>\r\n\
        Call-ID: 1234567890@10.0.0.1\r\n\
        CSeq: 123456 INVITE\r\n\
        Contact: <sip:1001@10.0.0.1:50600>;expires=360000\r\n\
        Authorization: Digest username=\"1001\", nonce=\"5f\",\r\n\
        \x20response=\"0123456789abcdef\"\r\n\
        P-Asserted-Identity: <sip:+33612345678@example.org:50601>\r\n\
        X-Billing: 4711471147\r\n\
        Reason: Q.850;cause=1;text=\"33123456789 is not assigned\"\r\n\
        Subject: 49 30 1234567\r\n\
        Content-Type: application/sdp\r\n\
        Content-Length: 140\r\n\
        \r\n\
        v=0\r\n\
        o=0612345678 2890844526 2890844527 IN IP4 10.0.0.1\r\n\
        s=call 0612345678\r\n\
        p=+33 6 12 34 56 78\r\n\
        c=IN IP4 10.0.0.1\r\n\
        t=0 0\r\n\
        m=audio 49170 RTP/AVP 0\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQ==\r\n";

    fn hidden(masking: Masking) -> String {
        let mut message = INVITE.as_bytes().to_vec();
        hide(masking, &mut message);
        assert_eq!(message.len(), INVITE.len());
        String::from_utf8(message).unwrap()
    }

    #[test]
    fn numbers_are_hidden_where_people_have_them() {
        let shown = hidden(Masking {
            digits: 4,
            ..Masking::NONE
        });
        for line in [
            "INVITE sip:+3312345****@10.0.0.2:5060;user=phone SIP/2.0\r\n",
            "10.0.0.1:50600;branch=z9hG4bK7712345678;rport=50600\r\n",
            "From: \"Ann 061234****\" <sip:****@example.org>;tag=1234567890\r\n",
            "To: <tel:+1-212-555-****>\r\n",
            "Call-ID: 1234567890@10.0.0.1\r\n",
            "CSeq: 123456 INVITE\r\n",
            "Contact: <sip:****@10.0.0.1:50600>;expires=360000\r\n",
            "P-Asserted-Identity: <sip:+3361234****@example.org:50601>\r\n",
            "X-Billing: 471147****\r\n",
            "Reason: Q.850;cause=1;text=\"3312345**** is not assigned\"\r\n",
            "Subject: 49 30 123****\r\n",
            "o=061234**** 2890844526 2890844527 IN IP4 10.0.0.1\r\n",
            "s=call 061234****\r\n",
            "p=+33 6 12 34 ** **\r\n",
            "m=audio 49170 RTP/AVP 0\r\n",
            "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQ==\r\n",
        ] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
    }

    #[test]
    fn credentials_and_keys_are_hidden_with_their_folded_lines() {
        let shown = hidden(Masking {
            digests: true,
            ..Masking::NONE
        });
        assert!(
            shown.contains("Authorization: Digest****")
                && shown.contains("**\r\n ***************************\r\nP-"),
            "{shown}"
        );
        for secret in [
            "response=",
            "nonce=",
            "0123456789abcdef",
            "WVNfX19z",
            "AES_CM",
        ] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("sip:+33123456789@10.0.0.2"));
        assert!(shown.contains("a=crypto:***"));
    }

    #[test]
    fn bodies_are_hidden_whole() {
        let shown = hidden(Masking {
            bodies: true,
            ..Masking::NONE
        });
        let (head, body) = shown.split_once("\r\n\r\n").unwrap();
        assert!(INVITE.starts_with(head));
        assert!(
            body.bytes()
                .all(|octet| matches!(octet, b'*' | b'\r' | b'\n'))
        );
    }

    #[test]
    fn metadata_has_what_messages_are_listed_by() {
        let shown = hidden(Masking {
            payload: true,
            ..Masking::NONE
        });
        let scan = hepcat_sip::scan(shown.as_bytes()).unwrap();
        assert_eq!(scan.call_id(), Some(&b"1234567890@10.0.0.1"[..]));
        assert_eq!(scan.from().and_then(|from| from.user()), Some(&b"1001"[..]));
        assert_eq!(scan.cseq_number(), Some(123_456));
        for gone in ["Digest", "m=audio", "+33612345678", "4711471147", "49 30"] {
            assert!(!shown.contains(gone), "{gone} in {shown}");
        }
    }

    #[test]
    fn compact_names_and_odd_line_ends_are_no_way_around() {
        let all = Masking {
            digits: 4,
            digests: true,
            ..Masking::NONE
        };
        for (message, expected) in [
            (
                "\r\n\nINVITE sip:5551234@h SIP/2.0\nf: <sip:5551234@h>\nproxy-AUTHORIZATION : Digest a=\"b\"\n\nx",
                "\r\n\nINVITE sip:555****@h SIP/2.0\nf: <sip:555****@h>\nproxy-AUTHORIZATION : Digest******\n\nx",
            ),
            (
                "SIP/2.0 486 Busy 5551234\r\n",
                "SIP/2.0 486 Busy 555****\r\n",
            ),
            (
                "BYE sip:h SIP/2.0\r\nAuthorization:\r\n abcdef\r\n\r\n",
                "BYE sip:h SIP/2.0\r\nAuthorization:\r\n ******\r\n\r\n",
            ),
        ] {
            let mut octets = message.as_bytes().to_vec();
            hide(all, &mut octets);
            assert_eq!(String::from_utf8(octets).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn length_and_line_ends_stay(message in any::<Vec<u8>>(), digits in any::<u8>(), flags in 0..8_u8) {
            let masking = Masking { digits, bodies: flags & 1 > 0, digests: flags & 2 > 0, payload: flags & 4 > 0 };
            let mut masked = message.clone();
            hide(masking, &mut masked);
            prop_assert_eq!(masked.len(), message.len());
            for (masked, octet) in masked.iter().zip(&message) {
                prop_assert!(masked == octet || *masked == b'*');
                if matches!(octet, b'\r' | b'\n') {
                    prop_assert_eq!(masked, octet);
                }
            }
        }
    }
}
