//! What was wrong with a message that was scanned all the same.

use std::fmt;

/// The first thing that was wrong, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defect {
    kind: DefectKind,
    offset: u16,
}

impl Defect {
    pub(crate) fn new(kind: DefectKind, offset: u16) -> Self {
        Self { kind, offset }
    }

    /// What was wrong.
    #[must_use]
    pub fn kind(self) -> DefectKind {
        self.kind
    }

    /// A short fixed label, fit for a metric: `headers_cut`, `bare_lf`, ...
    #[must_use]
    pub fn reason(self) -> &'static str {
        self.kind.reason()
    }

    /// Octets from the start of the payload to the place (65,535 where it is beyond).
    #[must_use]
    pub fn offset(self) -> usize {
        usize::from(self.offset)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {}", self.kind.describe(), self.offset)
    }
}

/// Kinds of [`Defect`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DefectKind {
    /// Spaces or NULs before the start line (empty lines there are no defect: RFC 3261 §7.5).
    LeadingOctets,
    /// The request line ends without a SIP version.
    MissingVersion,
    /// A status line without a code of three digits.
    BadStatusCode,
    /// A line that ends in LF alone.
    BareLf,
    /// A line of the header section with no colon, or with no name before it.
    NoHeaderName,
    /// A second Call-ID, `CSeq`, From, To or Content-Length; the first is used.
    DuplicateHeader,
    /// The payload ends before the empty line that ends the header section.
    HeadersCut,
    /// The header section does not end within 65,535 octets; the rest is not looked at.
    HeadersTooLong,
    /// Call-ID, `CSeq`, From, To or Via is absent or empty.
    MissingHeader,
    /// Content-Length is not a decimal number.
    BadContentLength,
    /// The body is shorter than its Content-Length.
    BodyCut,
    /// There are octets after the Content-Length is used up.
    OctetsAfterBody,
}

impl DefectKind {
    /// A short fixed label, fit for a metric.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::LeadingOctets => "leading_octets",
            Self::MissingVersion => "missing_version",
            Self::BadStatusCode => "bad_status_code",
            Self::BareLf => "bare_lf",
            Self::NoHeaderName => "no_header_name",
            Self::DuplicateHeader => "duplicate_header",
            Self::HeadersCut => "headers_cut",
            Self::HeadersTooLong => "headers_too_long",
            Self::MissingHeader => "missing_header",
            Self::BadContentLength => "bad_content_length",
            Self::BodyCut => "body_cut",
            Self::OctetsAfterBody => "octets_after_body",
        }
    }

    fn describe(self) -> &'static str {
        match self {
            Self::LeadingOctets => "octets before the start line",
            Self::MissingVersion => "request line without a SIP version",
            Self::BadStatusCode => "status line without a code of three digits",
            Self::BareLf => "line ends in LF alone",
            Self::NoHeaderName => "line without a header field name",
            Self::DuplicateHeader => "second header field of a kind that stands once",
            Self::HeadersCut => "payload ends inside the header section",
            Self::HeadersTooLong => "header section longer than 65535 octets",
            Self::MissingHeader => "mandatory header field missing",
            Self::BadContentLength => "content length is not a number",
            Self::BodyCut => "body shorter than its content length",
            Self::OctetsAfterBody => "octets after the body",
        }
    }
}
