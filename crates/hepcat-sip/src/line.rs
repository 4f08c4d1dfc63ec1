//! Lines of the header section, continuation lines joined to the line they continue.

use crate::{find::first_of, span::Span};

/// The header section is looked for in this many octets, so that offsets fit `u16` (a HEP packet is no longer).
pub(crate) const MAX_HEAD: usize = 65_535;

/// What stands at a position of the header section.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Piece {
    Field(Line),
    /// The empty line: the body starts at this offset.
    Blank {
        body: usize,
        bare_lf: bool,
    },
    /// Nothing, or the first half of an empty line.
    End,
}

/// One header field's line with its continuation lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) start: usize,
    /// Offset of the first colon, where the first physical line has one.
    pub(crate) colon: Option<usize>,
    /// Offset of the last LF, or of the end of the payload.
    pub(crate) end: usize,
    /// Where the next line starts.
    pub(crate) next: usize,
    /// Ended by LF, not by the end of the payload.
    pub(crate) terminated: bool,
}

/// A header field as nearly all are written: `Name: value CRLF`, no other space about, not folded.
pub(crate) struct Plain<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: Span,
    /// Where the next line starts.
    pub(crate) next: usize,
}

/// Reads the header field that starts at `at` if it is a plain one: what [`read`] would find, in half the time.
#[inline]
pub(crate) fn read_plain(head: &[u8], at: usize) -> Option<Plain<'_>> {
    let rest = head.get(at..)?;
    let (name, rest) = rest.split_at_checked(first_of([b':', b'\n'], rest)?)?;
    let mut rest = rest.strip_prefix(b":")?;
    while let [b' ', after @ ..] = rest {
        rest = after;
    }
    let (value, rest) = rest.split_at_checked(first_of([b'\n'], rest)?)?;
    let [value @ .., b'\r'] = value else {
        return None;
    };
    let ends = [name.first()?, name.last()?, value.first()?, value.last()?];
    if ends.iter().any(|end| **end <= b' ') || matches!(rest, [_, b' ' | b'\t', ..]) {
        return None;
    }
    let next = head.len() - rest.len() + 1;
    let value_end = next - 2;
    Some(Plain {
        name,
        value: Span::new(value_end - value.len(), value_end),
        next,
    })
}

/// Reads the piece that starts at `at`.
#[inline]
pub(crate) fn read(head: &[u8], at: usize) -> Piece {
    let Some(rest) = head.get(at..) else {
        return Piece::End;
    };
    match rest.first() {
        None => return Piece::End,
        Some(b'\r' | b'\n') => {
            if let Some(piece) = read_blank(rest, at) {
                return piece;
            }
        }
        Some(_) => {}
    }
    let (colon, mut from) = match first_of([b':', b'\n'], rest) {
        Some(found) if rest.get(found) == Some(&b':') => (Some(at + found), found + 1),
        Some(found) => (None, found),
        None => return unterminated(at, None, head.len()),
    };
    loop {
        let Some(found) = rest.get(from..).and_then(|rest| first_of([b'\n'], rest)) else {
            return unterminated(at, colon, head.len());
        };
        let lf = from + found;
        if !matches!(rest.get(lf + 1), Some(b' ' | b'\t')) {
            return Piece::Field(Line {
                start: at,
                colon,
                end: at + lf,
                next: at + lf + 1,
                terminated: true,
            });
        }
        from = lf + 1;
    }
}

/// An empty line: any number of CR, then LF. `None` where other octets follow the CR.
#[cold]
fn read_blank(rest: &[u8], at: usize) -> Option<Piece> {
    let crs = rest.iter().take_while(|octet| **octet == b'\r').count();
    match rest.get(crs) {
        Some(b'\n') => Some(Piece::Blank {
            body: at + crs + 1,
            bare_lf: crs == 0,
        }),
        None => Some(Piece::End),
        Some(_) => None,
    }
}

fn unterminated(start: usize, colon: Option<usize>, end: usize) -> Piece {
    Piece::Field(Line {
        start,
        colon,
        end,
        next: end,
        terminated: false,
    })
}

/// Space of a header field: what folding leaves included.
#[inline]
pub(crate) fn is_space(octet: u8) -> bool {
    octet <= b' ' && matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without space around it.
#[inline]
pub(crate) fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

#[inline]
pub(crate) fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    text
}

#[inline]
pub(crate) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}
