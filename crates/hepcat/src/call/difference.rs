//! What differs between two SIP messages, header field by header field.

use hepcat_sip::Scan;
use serde::Serialize;

use super::text::kept;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Name of the header field as the first message writes it; `start_line` and `body` for those.
    pub name: Box<str>,
    /// Its value in the first message; nothing where it has none.
    pub one: Option<Box<str>>,
    /// Its value in the second.
    pub other: Option<Box<str>>,
}

/// The differences between two messages. Header fields of one name are compared in their order; the order of different
/// names, and long or compact names, make no difference.
#[must_use]
pub fn differences(one: &Scan<'_>, other: &Scan<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    let (start, other_start) = (start_line(one), start_line(other));
    if start != other_start {
        let (one, other) = (Some(kept(&start)), Some(kept(&other_start)));
        found.push(Difference {
            name: "start_line".into(),
            one,
            other,
        });
    }
    let mut left: Vec<_> = other.headers().collect();
    for header in one.headers() {
        let place = left
            .iter()
            .position(|candidate| candidate.is(header.name()));
        let candidate = place.map(|place| left.remove(place));
        let (value, other_value) = (
            header.to_unfolded(),
            candidate.map(|header| header.to_unfolded()),
        );
        if other_value.as_ref() != Some(&value) {
            found.push(Difference {
                name: kept(header.name()),
                one: Some(kept(&value)),
                other: other_value.map(|value| kept(&value)),
            });
        }
    }
    for header in left {
        let other = Some(kept(&header.to_unfolded()));
        found.push(Difference {
            name: kept(header.name()),
            one: None,
            other,
        });
    }
    if one.body() != other.body() {
        let (one, other) = (Some(kept(one.body())), Some(kept(other.body())));
        found.push(Difference {
            name: "body".into(),
            one,
            other,
        });
    }
    found
}

fn start_line(scan: &Scan<'_>) -> Vec<u8> {
    let uri = scan.request_uri();
    match scan.status_code() {
        Some(code) => [
            code.to_string().as_bytes(),
            b" ",
            scan.reason_phrase().unwrap_or_default(),
        ]
        .concat(),
        None => [
            scan.method().unwrap_or_default(),
            b" ",
            uri.map(|uri| uri.as_bytes()).unwrap_or_default(),
        ]
        .concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_compared_by_name_and_order_within() {
        let one = b"INVITE sip:a SIP/2.0\r\nVia: 1\r\nVia: 2\r\nTo: x\r\nMax-Forwards: 70\r\nX: folded\r\n value\r\n\r\nb1";
        let other = b"INVITE sip:a SIP/2.0\r\nt: x\r\nv: 1\r\nv: 3\r\nMax-Forwards: 69\r\nX: folded value\r\nY: new\r\n\r\nb2";
        let found = differences(
            &hepcat_sip::scan(one).unwrap(),
            &hepcat_sip::scan(other).unwrap(),
        );
        let found: Vec<_> = found
            .iter()
            .map(|one| (&*one.name, one.one.as_deref(), one.other.as_deref()))
            .collect();
        let expected = [
            ("Via", Some("2"), Some("3")),
            ("Max-Forwards", Some("70"), Some("69")),
            ("Y", None, Some("new")),
            ("body", Some("b1"), Some("b2")),
        ];
        assert_eq!(found, expected);
    }
}
