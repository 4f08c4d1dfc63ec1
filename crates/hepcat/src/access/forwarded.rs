//! Who asks, where a proxy stands between: `Forwarded` (RFC 7239) and the `X-Forwarded-` fields before it. Both are
//! believed only of a proxy that the configuration trusts.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Proxies in a row at most; what stands before is not looked at.
const MOST_PROXIES: usize = 16;

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub secure: bool,
}

/// The client of a request that came from `peer`: the last address in the chain that is no trusted proxy.
#[must_use]
pub fn client(peer: IpAddr, secure: bool, trusted: &[IpNet], headers: &HeaderMap) -> Client {
    let peer = peer.to_canonical();
    let trusts = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    if !trusts(peer) {
        return Client {
            address: peer,
            secure,
        };
    }
    // One of the two forms: a proxy that writes both writes the same into both.
    let standard = headers.contains_key(header::FORWARDED);
    let hops = if standard {
        list(headers, &header::FORWARDED, |element| {
            parameter(element, "for")
        })
    } else {
        list(headers, &X_FORWARDED_FOR, |element| {
            Some(element.to_owned())
        })
    };
    let mut address = peer;
    for hop in hops.iter().rev().take(MOST_PROXIES) {
        // An address that hides itself (`unknown`, `_name`) is a client that we cannot tell from its proxy.
        let Some(read) = hop.as_deref().and_then(node) else {
            break;
        };
        address = read;
        if !trusts(address) {
            break;
        }
    }
    let protocols = if standard {
        list(headers, &header::FORWARDED, |element| {
            parameter(element, "proto")
        })
    } else {
        list(headers, &X_FORWARDED_PROTO, |element| {
            Some(element.to_owned())
        })
    };
    // What the nearest proxy says: others may be the client's invention.
    let protocol = protocols.last().and_then(Option::as_deref);
    Client {
        address,
        secure: secure || protocol.is_some_and(|protocol| protocol.eq_ignore_ascii_case("https")),
    }
}

/// What `read` makes of each element of a list field, in all its lines.
fn list(
    headers: &HeaderMap,
    name: &HeaderName,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<Option<String>> {
    let lines = headers.get_all(name).iter();
    let mut elements = Vec::new();
    for line in lines {
        // A line that is no ASCII stands for an element that says nothing.
        let line = line.to_str().unwrap_or("");
        elements.extend(
            split(line, b',')
                .into_iter()
                .map(|element| read(element.trim())),
        );
    }
    elements
}

/// The parts of a text between separators that stand in no quotes.
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    'parts: loop {
        let mut quoted = false;
        let mut escaped = false;
        for (at, octet) in rest.bytes().enumerate() {
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                octet if octet == separator && !quoted => {
                    // A separator is ASCII: both sides are whole.
                    parts.push(rest.get(..at).unwrap_or_default());
                    rest = rest.get(at + 1..).unwrap_or_default();
                    continue 'parts;
                }
                _ => {}
            }
        }
        parts.push(rest);
        return parts;
    }
}

/// A parameter of one element of `Forwarded`, out of its quotes.
fn parameter(element: &str, name: &str) -> Option<String> {
    let pairs = split(element, b';').into_iter();
    let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    let value = value.trim();
    let Some(quoted) = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return Some(value.to_owned());
    };
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    Some(text)
}

/// The address of a node: alone, with a port, IPv6 in brackets or not.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(bare)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn trusted() -> Vec<IpNet> {
        vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]
    }

    fn asked(peer: IpAddr, fields: &[(&'static str, &str)]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let client = client(peer, false, &trusted(), &headers);
        (client.address.to_string(), client.secure)
    }

    #[test]
    fn the_client_is_the_last_that_is_no_proxy_of_ours() {
        type Case = (&'static [(&'static str, &'static str)], &'static str, bool);
        let cases: [Case; 12] = [
            (&[], "10.0.0.1", false),
            (&[("x-forwarded-for", "192.0.2.7")], "192.0.2.7", false),
            (
                &[("x-forwarded-for", "203.0.113.9, 192.0.2.7, 10.1.1.1")],
                "192.0.2.7",
                false,
            ),
            (
                &[
                    ("x-forwarded-for", "203.0.113.9"),
                    ("x-forwarded-for", "192.0.2.7"),
                    ("x-forwarded-proto", "HTTPS"),
                ],
                "192.0.2.7",
                true,
            ),
            (
                &[("forwarded", "for=192.0.2.7;proto=https;by=10.0.0.1")],
                "192.0.2.7",
                true,
            ),
            (
                &[("forwarded", "for=\"[2001:db8::1]:4711\";Proto=http")],
                "2001:db8::1",
                false,
            ),
            (
                &[("forwarded", "for=203.0.113.9, FOR=\"192.0.2.7:80\"")],
                "192.0.2.7",
                false,
            ),
            (
                &[
                    ("forwarded", "for=192.0.2.7"),
                    ("x-forwarded-for", "203.0.113.9"),
                    ("x-forwarded-proto", "https"),
                ],
                "192.0.2.7",
                false,
            ),
            (
                &[("x-forwarded-for", "192.0.2.7, unknown")],
                "10.0.0.1",
                false,
            ),
            (&[("forwarded", "for=_hidden")], "10.0.0.1", false),
            (
                &[("forwarded", "for=\"a, for=192.0.2.7")],
                "10.0.0.1",
                false,
            ),
            (&[("x-forwarded-proto", "https, http")], "10.0.0.1", false),
        ];
        for (fields, address, secure) in cases {
            assert_eq!(
                asked(PROXY, fields),
                (address.to_owned(), secure),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let stranger: IpAddr = "192.0.2.66".parse().unwrap();
        for field in ["x-forwarded-for", "forwarded", "x-forwarded-proto"] {
            let said = asked(
                stranger,
                &[(field, "for=10.0.0.1;proto=https"), (field, "https")],
            );
            assert_eq!(said, ("192.0.2.66".to_owned(), false));
        }
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(
            asked(mapped, &[("x-forwarded-for", "192.0.2.7")]).0,
            "192.0.2.7"
        );
    }

    proptest! {
        #[test]
        fn no_field_is_too_much(value in "[ -~]{0,200}", lines in 1..40_usize) {
            let mut headers = HeaderMap::new();
            for name in ["x-forwarded-for", "forwarded", "x-forwarded-proto"] {
                for _ in 0..lines {
                    headers.append(name, HeaderValue::from_str(&value).unwrap());
                }
            }
            let read = client(PROXY, false, &trusted(), &headers);
            prop_assert!(!read.address.is_unspecified() || value.contains('0'));
        }
    }
}
