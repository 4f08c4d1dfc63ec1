//! The parts of a URI that capture asks for.

use memchr::{memchr, memchr2, memrchr};

use crate::line::trim;

/// A URI as it stands in the message; its parts are looked for when asked.
///
/// `sip:`, `sips:`, `tel:` and any other scheme are read alike, nothing is unescaped, and a missing scheme is
/// forgiven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    text: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Takes a URI, in angle brackets or not.
    pub(crate) fn new(text: &'a [u8]) -> Self {
        let text = trim(text);
        let text = text.strip_prefix(b"<").unwrap_or(text);
        Self {
            text: text.strip_suffix(b">").unwrap_or(text),
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
        split_scheme(self.text).0
    }

    /// User part without password: what stands before the `@`, or the number of a `tel:` URI. Parameters
    /// inside the user part (`1234;phone-context=...@`) belong to it.
    #[must_use]
    pub fn user(self) -> Option<&'a [u8]> {
        let (scheme, rest) = split_scheme(self.text);
        let user = match at_sign(rest) {
            Some(at) => rest.get(..at)?,
            None if scheme.is_some_and(is_tel) => {
                return part_before(rest, b';', b'?');
            }
            None => return None,
        };
        part_before(user, b':', b':')
    }

    /// Host: a name, an IPv4 address, or an IPv6 address in its square brackets. `None` for `tel:` and for
    /// schemes that name no host.
    #[must_use]
    pub fn host(self) -> Option<&'a [u8]> {
        let host_port = self.host_port()?;
        let end = if host_port.first() == Some(&b'[') {
            memchr(b']', host_port).map(|at| at + 1)
        } else {
            memchr(b':', host_port)
        };
        trimmed(host_port.get(..end.unwrap_or(host_port.len()))?)
    }

    /// Port, where a valid one is written.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        let host_port = self.host_port()?;
        let from = if host_port.first() == Some(&b'[') {
            memchr(b']', host_port)?
        } else {
            0
        };
        let rest = host_port.get(from..)?;
        let digits = trim(rest.get(memchr(b':', rest)? + 1..)?);
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// What stands between the user part and the parameters.
    fn host_port(self) -> Option<&'a [u8]> {
        let (scheme, rest) = split_scheme(self.text);
        let rest = match at_sign(rest) {
            Some(at) => rest.get(at + 1..)?,
            None if scheme.is_none_or(is_sip) => rest,
            None => return None,
        };
        part_before(rest, b';', b'?')
    }
}

/// A scheme is a word before a colon that no port number follows (`localhost:5060` has none).
fn split_scheme(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if text
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"sip:"))
        && let Some((scheme, rest)) = text.split_at_checked(3)
    {
        return (Some(scheme), rest.get(1..).unwrap_or_default());
    }
    let word = text
        .iter()
        .take_while(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'))
        .count();
    match text.split_at_checked(word) {
        Some((scheme, [b':', rest @ ..]))
            if scheme.first().is_some_and(u8::is_ascii_alphabetic)
                && (is_sip(scheme) || is_tel(scheme) || !starts_with_port(rest)) =>
        {
            (Some(scheme), rest)
        }
        _ => (None, text),
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

/// The `@` that ends the user part. A user part may hold `;` and `?`, a parameter of the host may sloppily hold
/// another `@`, and some devices write `user@domain@proxy`: so it is the last one before the first `;` or `?`
/// that follows the first one.
fn at_sign(text: &[u8]) -> Option<usize> {
    let first = memchr(b'@', text)?;
    let rest = text.get(first..)?;
    let end = memchr2(b';', b'?', rest).unwrap_or(rest.len());
    memrchr(b'@', rest.get(..end)?).map(|at| first + at)
}

fn part_before(text: &[u8], one: u8, other: u8) -> Option<&[u8]> {
    trimmed(text.get(..memchr2(one, other, text).unwrap_or(text.len()))?)
}

fn trimmed(text: &[u8]) -> Option<&[u8]> {
    Some(trim(text)).filter(|text| !text.is_empty())
}
