//! Header fields: their names, and the walk over all of them.

use std::borrow::Cow;

use crate::{
    find::first_of,
    line::{self, Line, Piece, trim, trim_end, trim_start},
    span::Span,
};

/// One header field as it stands in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

impl<'a> Header<'a> {
    /// Name as written, space before the colon removed.
    #[must_use]
    pub fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Value as written, space around it removed. A folded value still has its line ends inside.
    #[must_use]
    pub fn value(&self) -> &'a [u8] {
        self.value
    }

    /// Whether the value continues on further lines.
    #[must_use]
    pub fn is_folded(&self) -> bool {
        first_of([b'\n'], self.value).is_some()
    }

    /// The value on one line: each line end with the space around it becomes one space (RFC 3261 §7.3.1).
    /// Allocates only for a folded value.
    #[must_use]
    pub fn to_unfolded(&self) -> Cow<'a, [u8]> {
        if !self.is_folded() {
            return Cow::Borrowed(self.value);
        }
        let mut unfolded = Vec::with_capacity(self.value.len());
        for part in self.value.split(|octet| *octet == b'\n').map(trim) {
            if !unfolded.is_empty() && !part.is_empty() {
                unfolded.push(b' ');
            }
            unfolded.extend_from_slice(part);
        }
        Cow::Owned(unfolded)
    }

    /// Whether this is the header field `name`: in any case, long and compact form alike.
    #[must_use]
    pub fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
            || (long_form(self.name).eq_ignore_ascii_case(long_form(name)))
    }

    /// `None` for a line without a name.
    fn from_line(head: &'a [u8], line: Line) -> Option<Self> {
        let colon = line.colon?;
        let name = trim(head.get(line.start..colon)?);
        if name.is_empty() {
            return None;
        }
        Some(Self {
            name,
            value: trim(head.get(colon + 1..line.end)?),
        })
    }
}

/// Which known header field stands on a line, and where its value is; `None` for a line without a name.
pub(crate) fn recognise(head: &[u8], line: Line) -> Option<(Option<Known>, Span)> {
    let colon = line.colon?;
    let name = head.get(line.start..colon)?;
    let name = trim(name);
    name.first()?;
    let known = Known::from_name(name);
    let value = trim_start(head.get(colon + 1..line.end)?);
    let start = line.end - value.len();
    Some((known, Span::new(start, start + trim_end(value).len())))
}

/// All header fields in the order they stand in; lines without a name are passed over.
#[derive(Debug, Clone)]
pub struct Headers<'a> {
    head: &'a [u8],
    at: usize,
}

impl<'a> Headers<'a> {
    pub(crate) fn new(head: &'a [u8], at: usize) -> Self {
        Self { head, at }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(plain) = line::read_plain(self.head, self.at) {
                self.at = plain.next;
                return Some(Header {
                    name: plain.name,
                    value: plain.value.of(self.head)?,
                });
            }
            let Piece::Field(line) = line::read(self.head, self.at) else {
                return None;
            };
            self.at = line.next;
            if let Some(header) = Header::from_line(self.head, line) {
                return Some(header);
            }
        }
    }
}

/// Header fields whose place the scan remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    CallId,
    Cseq,
    From,
    To,
    Via,
    UserAgent,
    Server,
    XCallId,
    SessionId,
    Contact,
    ContentType,
    ContentLength,
}

impl Known {
    /// Whether a second one is a defect.
    pub(crate) fn stands_once(self) -> bool {
        matches!(
            self,
            Self::CallId | Self::Cseq | Self::From | Self::To | Self::ContentLength
        )
    }

    #[inline]
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        match name.len() {
            1 => match name.first()?.to_ascii_lowercase() {
                b'i' => Some(Self::CallId),
                b'f' => Some(Self::From),
                b't' => Some(Self::To),
                b'v' => Some(Self::Via),
                b'm' => Some(Self::Contact),
                b'c' => Some(Self::ContentType),
                b'l' => Some(Self::ContentLength),
                _ => None,
            },
            2 => one_of(name, [(b"To", Self::To)]),
            3 => one_of(name, [(b"Via", Self::Via)]),
            4 => one_of(name, [(b"From", Self::From), (b"CSeq", Self::Cseq)]),
            5 => one_of(name, [(b"X-CID", Self::XCallId)]),
            6 => one_of(name, [(b"Server", Self::Server)]),
            7 => one_of(
                name,
                [(b"Call-ID", Self::CallId), (b"Contact", Self::Contact)],
            ),
            9 => one_of(name, [(b"X-Call-ID", Self::XCallId)]),
            10 => one_of(
                name,
                [
                    (b"User-Agent", Self::UserAgent),
                    (b"Session-ID", Self::SessionId),
                ],
            ),
            12 => one_of(name, [(b"Content-Type", Self::ContentType)]),
            14 => one_of(name, [(b"Content-Length", Self::ContentLength)]),
            _ => None,
        }
    }
}

/// The one among names of one length that `name` is: as everybody writes it, which is one comparison, or in any case.
#[inline]
fn one_of<const L: usize, const N: usize>(
    name: &[u8],
    names: [(&[u8; L], Known); N],
) -> Option<Known> {
    let name = <&[u8; L]>::try_from(name).ok()?;
    let found = names.iter().find(|(usual, _)| name == *usual).or_else(|| {
        names
            .iter()
            .find(|(usual, _)| name.eq_ignore_ascii_case(*usual))
    })?;
    Some(found.1)
}

/// The long form of a compact name (IANA registry of SIP header fields); any other name as it is.
fn long_form(name: &[u8]) -> &[u8] {
    let [letter] = name else { return name };
    match letter.to_ascii_lowercase() {
        b'a' => b"Accept-Contact",
        b'b' => b"Referred-By",
        b'c' => b"Content-Type",
        b'd' => b"Request-Disposition",
        b'e' => b"Content-Encoding",
        b'f' => b"From",
        b'i' => b"Call-ID",
        b'j' => b"Reject-Contact",
        b'k' => b"Supported",
        b'l' => b"Content-Length",
        b'm' => b"Contact",
        b'n' => b"Identity-Info",
        b'o' => b"Event",
        b'r' => b"Refer-To",
        b's' => b"Subject",
        b't' => b"To",
        b'u' => b"Allow-Events",
        b'v' => b"Via",
        b'x' => b"Session-Expires",
        b'y' => b"Identity",
        _ => name,
    }
}
