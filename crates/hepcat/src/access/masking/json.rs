//! Numbers in whatever is answered as JSON: calls, registrations, values of fields, labels.

use serde_json::Value;

use super::{Masking, text};

/// Members that are people's numbers: all of their digits count.
const NUMBERS: [&str; 16] = [
    "user",
    "from_user",
    "to_user",
    "ruri_user",
    "contact_user",
    "request_user",
    "asserted",
    "diversion",
    "address_of_record",
    "contact",
    "caller",
    "callee",
    "src_user",
    "dst_user",
    "from",
    "to",
];

/// Members that name things, tell them apart or say when and where; and what was masked as a message already.
const KEPT: [&str; 44] = [
    "id",
    "call",
    "call_id",
    "correlation_id",
    "registration",
    "cursor",
    "next",
    "row",
    "key",
    "leg",
    "legs_of",
    "with",
    "branch",
    "via_branch",
    "tag",
    "from_tag",
    "to_tag",
    "time",
    "at",
    "started",
    "last",
    "first",
    "ended",
    "answered",
    "ringing",
    "registered",
    "removed",
    "failed",
    "expires",
    "received",
    "received_at",
    "sent",
    "read_at",
    "started_at",
    "src_ip",
    "dst_ip",
    "address",
    "payload",
    "unwrapped_payload",
    "payload_first_line",
    "payload_hex",
    "unwrapped_payload_hex",
    "chunks",
    "sip",
];

/// Hides numbers in every text of a value.
pub fn mask(masking: Masking, value: &mut Value) {
    if masking.digits > 0 {
        hide(masking.digits, None, value);
    }
}

fn hide(digits: u8, name: Option<&str>, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                // A name stands for a text: `{"from": {"user": …}}` is looked into.
                let keeps = KEPT.contains(&name.as_str()) && !value.is_object();
                if !keeps {
                    hide(digits, Some(name), value);
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                hide(digits, name, value);
            }
        }
        Value::String(shown) if is_time(shown) => {}
        Value::String(shown) => {
            let mut octets = std::mem::take(shown).into_bytes();
            match name {
                Some(name) if NUMBERS.contains(&name) => hide_number(&mut octets, digits),
                // The value of a field: a number is one already when it is no longer than an extension.
                Some("value") => {
                    text::hide_users(&mut octets, digits);
                    text::hide_runs(&mut octets, digits, 5);
                }
                _ => text::hide_numbers(&mut octets, digits),
            }
            // Digits were replaced by stars: it is UTF-8 as before.
            *shown = String::from_utf8(octets).unwrap_or_default();
        }
        _ => {}
    }
}

/// Whether a text is a point in time (RFC 3339), as we write them.
fn is_time(text: &str) -> bool {
    let is_form = |(at, octet): (usize, u8)| match at {
        4 | 7 => octet == b'-',
        10 => octet == b'T',
        13 | 16 => octet == b':',
        at if at < 19 => octet.is_ascii_digit(),
        _ => octet.is_ascii_digit() || matches!(octet, b'.' | b'Z'),
    };
    (20..=30).contains(&text.len()) && text.ends_with('Z') && text.bytes().enumerate().all(is_form)
}

/// A number alone, or an address with one for its user.
fn hide_number(octets: &mut [u8], digits: u8) {
    text::hide_users(octets, digits);
    let at = octets.iter().position(|octet| *octet == b'@');
    let has_scheme = octets.contains(&b':');
    if !has_scheme {
        let end = at.unwrap_or(octets.len());
        text::hide_user(octets.get_mut(..end).unwrap_or_default(), digits);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_go_and_what_names_things_stays() {
        let mut value = json!({
            "id": "12345678901234567890",
            "from": {"user": "+33123456789", "host": "10.0.0.1", "display": "Ann 0612345678"},
            "to": "1001@example.org",
            "call_id": "1234567890@h",
            "contact": "<sip:1001@10.0.0.1:50600>",
            "created_at": "2026-11-23T21:00:00.123456Z",
            "values": [{"value": "0612345678", "count": 17_123_456_789_u64}, {"value": "200"}],
            "reason": "Q.850;text=\"number 0612345678 unknown\"",
            "payload": "Call-ID: 1234567890",
        });
        let masking = Masking {
            digits: 4,
            ..Masking::NONE
        };
        mask(masking, &mut value);
        assert_eq!(
            value,
            json!({
                "id": "12345678901234567890",
                "from": {"user": "+3312345****", "host": "10.0.0.1", "display": "Ann 061234****"},
                "to": "****@example.org",
                "call_id": "1234567890@h",
                "contact": "<sip:****@10.0.0.1:50600>",
                "created_at": "2026-11-23T21:00:00.123456Z",
                "values": [{"value": "061234****", "count": 17_123_456_789_u64}, {"value": "200"}],
                "reason": "Q.850;text=\"number 061234**** unknown\"",
                "payload": "Call-ID: 1234567890",
            })
        );
        let before = value.clone();
        mask(Masking::NONE, &mut value);
        assert_eq!(value, before);
    }
}
