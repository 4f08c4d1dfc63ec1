//! The parts of a URI that capture asks for.

use crate::{
    find::first_of,
    line::{trim, trim_end},
};

/// A URI as it stands in the message.
///
/// `sip:`, `sips:`, `tel:` and any other scheme are read alike, nothing is unescaped, and a missing scheme is
/// forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    text: &'a [u8],
    scheme: &'a [u8],
    user: &'a [u8],
    host: &'a [u8],
    /// What stands between host and parameters.
    port: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Takes a URI, in angle brackets or not.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let text = trim(text);
        let text = text.strip_prefix(b"<").unwrap_or(text);
        let text = text.strip_suffix(b">").unwrap_or(text);
        let (scheme, rest) = split_scheme(text);
        let (user, host_port): (&[u8], &[u8]) = match split_user(rest) {
            Some((user, host_port)) => (before([b':'], user), host_port),
            None if is_tel(scheme) => (before([b';', b'?'], rest), b""),
            None if scheme.is_empty() || is_sip(scheme) => (b"", before([b';', b'?'], rest)),
            None => (b"", b""),
        };
        let host_port = trim(host_port);
        let (host, port) = host_port
            .split_at_checked(host_length(host_port))
            .unwrap_or((host_port, b""));
        Self {
            text,
            scheme,
            user: trim(user),
            host: trim_end(host),
            port,
        }
    }

    /// The whole URI, without angle brackets.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.text
    }

    /// Scheme as written: `sip`, `sips`, `tel`, `urn`, ...
    #[must_use]
    pub fn scheme(self) -> Option<&'a [u8]> {
        filled(self.scheme)
    }

    /// User part without password: what stands before the `@`, or the number of a `tel:` URI. Parameters
    /// inside the user part (`1234;phone-context=...@`) belong to it.
    #[must_use]
    pub fn user(self) -> Option<&'a [u8]> {
        filled(self.user)
    }

    /// Host: a name, an IPv4 address, or an IPv6 address in its square brackets. `None` for `tel:` and for
    /// schemes that name no host.
    #[must_use]
    pub fn host(self) -> Option<&'a [u8]> {
        filled(self.host)
    }

    /// Port, where a valid one is written.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        let digits = trim(self.port.strip_prefix(b":")?);
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

fn filled(text: &[u8]) -> Option<&[u8]> {
    Some(text).filter(|text| !text.is_empty())
}

/// Octets of host at the start of `host_port`.
#[inline]
fn host_length(host_port: &[u8]) -> usize {
    let bracketed = match host_port.first() {
        Some(b'[') => first_of([b']'], host_port),
        _ => None,
    };
    match bracketed {
        Some(close) => close + 1,
        None => before([b':'], host_port).len(),
    }
}

/// `text` up to the first of `octets`, whole if there is none.
#[inline]
fn before<const N: usize>(octets: [u8; N], text: &[u8]) -> &[u8] {
    first_of(octets, text)
        .and_then(|end| text.get(..end))
        .unwrap_or(text)
}

/// A scheme is a word before a colon that no port number follows (`localhost:5060` has none).
#[inline]
fn split_scheme(text: &[u8]) -> (&[u8], &[u8]) {
    match text.split_at_checked(3) {
        Some((scheme, [b':', rest @ ..])) if scheme.eq_ignore_ascii_case(b"sip") => (scheme, rest),
        _ => split_other_scheme(text),
    }
}

fn split_other_scheme(text: &[u8]) -> (&[u8], &[u8]) {
    let word = text
        .iter()
        .take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'))
        .count();
    match text.split_at_checked(word) {
        Some((scheme, [b':', rest @ ..]))
            if scheme.first().is_some_and(u8::is_ascii_alphabetic)
                && (is_sip(scheme) || is_tel(scheme) || !starts_with_port(rest)) =>
        {
            (scheme, rest)
        }
        _ => (b"", text),
    }
}

fn is_sip(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips")
}

fn is_tel(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"tel")
}

fn starts_with_port(text: &[u8]) -> bool {
    let digits = text
        .iter()
        .take_while(|octet| octet.is_ascii_digit())
        .count();
    digits > 0 && matches!(text.get(digits), None | Some(b';' | b'?'))
}

/// User part, and host with port. A user part may hold `;` and `?`, a parameter of the host may sloppily hold
/// another `@`, and some devices write `user@domain@proxy`: so they part at the last `@` before the first `;` or
/// `?` that follows the first `@`.
#[inline]
fn split_user(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = first_of([b'@'], text)?;
    loop {
        let host_port = text.get(at + 1..)?;
        match first_of([b'@', b';', b'?'], host_port) {
            Some(stop) if host_port.get(stop) == Some(&b'@') => at += 1 + stop,
            stop => {
                let end = stop.unwrap_or(host_port.len());
                return Some((text.get(..at)?, host_port.get(..end)?));
            }
        }
    }
}
