//! From, To and Contact: display name, URI, parameters (RFC 3261 §20.10).

use crate::{Uri, find::first_of, line::trim, param};

/// The value of a From, To or Contact header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    display: &'a [u8],
    uri: Uri<'a>,
    params: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Reads `value`, with or without display name and angle brackets. Never fails: what is not there is empty.
    pub(crate) fn new(value: &'a [u8]) -> Self {
        let value = trim(value);
        let quoted = (value.first() == Some(&b'"'))
            .then(|| param::closing_quote(value, 0))
            .flatten();
        let from = quoted.map_or(0, |close| close + 1);
        let rest = value.get(from..).unwrap_or_default();
        let Some(open) = first_of([b'<'], rest) else {
            return Self::without_brackets(quoted, value, rest);
        };
        let display = match quoted {
            Some(close) => value.get(1..close).unwrap_or_default(),
            None => trim(rest.get(..open).unwrap_or_default()),
        };
        let inside = rest.get(open + 1..).unwrap_or_default();
        // Without the closing bracket, the URI ends where a parameter or space does.
        let close = first_of([b'>'], inside)
            .or_else(|| first_of([b';', b' ', b'\t'], inside))
            .unwrap_or(inside.len());
        let (uri, params) = inside.split_at_checked(close).unwrap_or((inside, b""));
        Self {
            display,
            uri: Uri::new(uri),
            params,
        }
    }

    /// `sip:alice@atlanta.example;tag=1`: the parameters are the header field's (RFC 3261 §20).
    fn without_brackets(quoted: Option<usize>, value: &'a [u8], rest: &'a [u8]) -> Self {
        let text = trim(rest);
        let end = first_of([b';', b' ', b'\t'], text).unwrap_or(text.len());
        let (uri, params) = text.split_at_checked(end).unwrap_or((text, b""));
        Self {
            display: quoted
                .and_then(|close| value.get(1..close))
                .unwrap_or_default(),
            uri: Uri::new(uri),
            params,
        }
    }

    /// Display name without its quotation marks; escapes stay as written.
    #[must_use]
    pub fn display(&self) -> Option<&'a [u8]> {
        Some(self.display).filter(|display| !display.is_empty())
    }

    /// The URI (`*` in a Contact that removes all).
    #[must_use]
    pub fn uri(&self) -> Uri<'a> {
        self.uri
    }

    /// [`Uri::user`] of the URI.
    #[must_use]
    pub fn user(&self) -> Option<&'a [u8]> {
        self.uri.user()
    }

    /// [`Uri::host`] of the URI.
    #[must_use]
    pub fn host(&self) -> Option<&'a [u8]> {
        self.uri.host()
    }

    /// The tag parameter of the header field (not one inside the URI).
    #[must_use]
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.param(b"tag")
    }

    /// Any parameter of the header field, its name in any case. One without a value counts as absent.
    #[must_use]
    pub fn param(&self, name: &[u8]) -> Option<&'a [u8]> {
        param::value(self.params, name, None)
    }
}
