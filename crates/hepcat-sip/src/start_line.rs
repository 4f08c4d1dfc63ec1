//! The first line: a request line or a status line, as far as either can be recognised.

use crate::{
    DefectKind,
    find::first_of,
    line::{is_space, trim},
    span::Span,
};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "RFC 3261 §7: there is no third")]
pub enum Kind {
    /// It starts with a request line.
    Request,
    /// It starts with a status line.
    Response,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartLine {
    Request { method: Span, uri: Span },
    Response { code: Option<u16>, reason: Span },
}

/// A start line and where it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) line: StartLine,
    /// Where the header section starts.
    pub(crate) next: usize,
    pub(crate) defect: Option<(DefectKind, usize)>,
}

/// Reads the start line; `None` where the octets are not SIP.
pub(crate) fn read(head: &[u8]) -> Option<Found> {
    let start = head
        .iter()
        .position(|octet| !is_space(*octet) && *octet != 0)?;
    let rest = head.get(start..)?;
    let (line, next, bare_lf) = match first_of([b'\n'], rest) {
        Some(lf) => (
            rest.get(..lf)?,
            start + lf + 1,
            lf.checked_sub(1).and_then(|at| rest.get(at)) != Some(&b'\r'),
        ),
        None => (rest, head.len(), false),
    };
    let line = trim(line);
    let (parsed, fault) = if has_version(line) {
        read_status(line, start)
    } else {
        read_request(line, start)?
    };
    let leading = head.get(..start).and_then(|skipped| {
        skipped
            .iter()
            .position(|octet| !matches!(octet, b'\r' | b'\n'))
    });
    let defect = match (leading, fault) {
        (Some(at), _) => Some((DefectKind::LeadingOctets, at)),
        (None, Some(kind)) => Some((kind, start)),
        (None, None) => bare_lf.then(|| (DefectKind::BareLf, next.saturating_sub(1))),
    };
    Some(Found {
        line: parsed,
        next,
        defect,
    })
}

/// Whether `text` starts with `SIP/` and a digit.
fn has_version(text: &[u8]) -> bool {
    matches!(
        text,
        [s, i, p, b'/', digit, ..]
            if digit.is_ascii_digit() && [*s, *i, *p].eq_ignore_ascii_case(b"sip")
    )
}

/// `SIP/2.0 200 OK`; reason phrase, and even the code, may be missing.
fn read_status(line: &[u8], start: usize) -> (StartLine, Option<DefectKind>) {
    let code_at = word_after(line, 0);
    let code_end = end_of_word(line, code_at);
    let code = match line.get(code_at..code_end) {
        Some([a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => Some(
            [a, b, c]
                .iter()
                .fold(0, |code, digit| code * 10 + u16::from(*digit - b'0')),
        ),
        _ => None,
    };
    let reason_at = match code {
        Some(_) => skip_space(line, code_end),
        None => code_at,
    };
    let reason = Span::new(start + reason_at, start + line.len());
    let fault = code.is_none().then_some(DefectKind::BadStatusCode);
    (StartLine::Response { code, reason }, fault)
}

/// `METHOD URI SIP/2.0`. The version may be missing where the URI is one that only SIP asks for.
fn read_request(line: &[u8], start: usize) -> Option<(StartLine, Option<DefectKind>)> {
    let method_end = end_of_word(line, 0);
    if !line.get(..method_end)?.iter().all(|octet| is_token(*octet)) {
        return None;
    }
    let uri_at = skip_space(line, method_end);
    let version_at = line.iter().rposition(|octet| is_space(*octet))? + 1;
    let (uri_end, fault) = if version_at > uri_at && line.get(version_at..).is_some_and(has_version)
    {
        // A URI with space inside is the sender's fault, and kept whole.
        (version_at, None)
    } else {
        let end = end_of_word(line, uri_at);
        if !is_sip_uri(line.get(uri_at..end)?) {
            return None;
        }
        (end, Some(DefectKind::MissingVersion))
    };
    let uri = line.get(uri_at..uri_end)?.trim_ascii_end();
    if uri.is_empty() {
        return None;
    }
    let request = StartLine::Request {
        method: Span::new(start, start + method_end),
        uri: Span::new(start + uri_at, start + uri_at + uri.len()),
    };
    Some((request, fault))
}

fn is_sip_uri(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"<").unwrap_or(text);
    [&b"sip:"[..], b"sips:", b"tel:"].iter().any(|scheme| {
        text.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// RFC 3261 §25.1, `token`.
fn is_token(octet: u8) -> bool {
    octet.is_ascii_uppercase() || octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

fn word_after(line: &[u8], at: usize) -> usize {
    skip_space(line, end_of_word(line, at))
}

fn end_of_word(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + first_of([b' ', b'\t', b'\r'], rest).unwrap_or(rest.len())
}

fn skip_space(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest
        .iter()
        .position(|octet| !is_space(*octet))
        .unwrap_or(rest.len())
}
