//! One pass over the header section, and what can be asked afterwards.

use crate::{
    Defect, DefectKind, Header, Headers, Kind, NameAddr, Uri,
    header::{self, Known},
    line::{self, Line, MAX_HEAD, Piece},
    param,
    span::{Span, offset},
    start_line::{self, StartLine},
    via,
};

/// Scans `payload`. `None` where it is not SIP at all; any SIP-like payload, however broken, gives a [`Scan`].
///
/// One pass over the header section, which is looked for in the first 65,535 octets; the body is not looked at.
/// Neither this nor any question to the result allocates, except [`Header::to_unfolded`] of a folded value.
#[must_use]
pub fn scan(payload: &[u8]) -> Option<Scan<'_>> {
    let head = payload.get(..MAX_HEAD).unwrap_or(payload);
    let found = start_line::read(head)?;
    let mut scan = Scan {
        payload,
        start_line: found.line,
        headers: offset(found.next),
        head_end: offset(head.len()),
        fields: Fields::default(),
        defect: found.defect.map(|(kind, at)| Defect::new(kind, offset(at))),
    };
    scan.read_headers(head, found.next);
    Some(scan)
}

/// A SIP message as scanned: offsets into the payload. What is absent or empty is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan<'a> {
    payload: &'a [u8],
    start_line: StartLine,
    /// Where the header section starts.
    headers: u16,
    /// Where the body starts.
    head_end: u16,
    fields: Fields,
    defect: Option<Defect>,
}

/// The first non-empty one of each known header field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fields {
    call_id: Span,
    cseq: Span,
    from: Span,
    to: Span,
    via: Span,
    user_agent: Span,
    server: Span,
    x_call_id: Span,
    session_id: Span,
    contact: Span,
    content_type: Span,
    content_length: Span,
}

impl<'a> Scan<'a> {
    /// The same findings in another copy of the scanned octets, for handing a scan on to where the payload
    /// has another lifetime. Where `payload` is not the same octets the fields are whatever stands in their
    /// places, or absent.
    #[must_use]
    pub fn over<'b>(&self, payload: &'b [u8]) -> Scan<'b> {
        Scan { payload, ..*self }
    }

    /// Request or response.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.start_line {
            StartLine::Request { .. } => Kind::Request,
            StartLine::Response { .. } => Kind::Response,
        }
    }

    /// Method of a request as written; `None` for a response (see [`Self::cseq_method`]).
    #[must_use]
    pub fn method(&self) -> Option<&'a [u8]> {
        match self.start_line {
            StartLine::Request { method, .. } => method.of(self.payload),
            StartLine::Response { .. } => None,
        }
    }

    /// URI of a request line.
    #[must_use]
    pub fn request_uri(&self) -> Option<Uri<'a>> {
        match self.start_line {
            StartLine::Request { uri, .. } => uri.of(self.payload).map(Uri::new),
            StartLine::Response { .. } => None,
        }
    }

    /// Status code of a response, 100 to 999.
    #[must_use]
    pub fn status_code(&self) -> Option<u16> {
        match self.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { code, .. } => code,
        }
    }

    /// Reason phrase of a response; what stands in place of code and phrase where the code is not one.
    #[must_use]
    pub fn reason_phrase(&self) -> Option<&'a [u8]> {
        match self.start_line {
            StartLine::Request { .. } => None,
            StartLine::Response { reason, .. } => reason.of(self.payload),
        }
    }

    /// Call-ID.
    #[must_use]
    pub fn call_id(&self) -> Option<&'a [u8]> {
        self.fields.call_id.of(self.payload)
    }

    /// Number of the `CSeq`, `None` also where it does not fit 32 bits.
    #[must_use]
    pub fn cseq_number(&self) -> Option<u32> {
        decimal(self.cseq_parts()?.0)
    }

    /// Method of the `CSeq`.
    #[must_use]
    pub fn cseq_method(&self) -> Option<&'a [u8]> {
        let method = line::trim(self.cseq_parts()?.1);
        Some(method).filter(|method| !method.is_empty())
    }

    /// From.
    #[must_use]
    pub fn from(&self) -> Option<NameAddr<'a>> {
        self.fields.from.of(self.payload).map(NameAddr::new)
    }

    /// To.
    #[must_use]
    pub fn to(&self) -> Option<NameAddr<'a>> {
        self.fields.to.of(self.payload).map(NameAddr::new)
    }

    /// The first Contact of the first Contact header field.
    #[must_use]
    pub fn contact(&self) -> Option<NameAddr<'a>> {
        let list = self.fields.contact.of(self.payload)?;
        Some(NameAddr::new(param::first_element(list)))
    }

    /// Branch of the topmost Via.
    #[must_use]
    pub fn via_branch(&self) -> Option<&'a [u8]> {
        via::branch(self.fields.via.of(self.payload)?)
    }

    /// Branches of every Via, the topmost first: those of all hops that a request has come through, or
    /// that a response has still to go. A Via without a branch is left out.
    pub fn via_branches(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.headers()
            .filter(|header| header.is(b"Via"))
            .flat_map(|header| param::elements(header.value()))
            .filter_map(via::branch)
    }

    /// Transport of the topmost Via as written: `UDP`, `TCP`, `TLS`, `WS`, ...
    #[must_use]
    pub fn via_transport(&self) -> Option<&'a [u8]> {
        via::transport(self.fields.via.of(self.payload)?)
    }

    /// User-Agent, or else Server.
    #[must_use]
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        self.fields
            .user_agent
            .of(self.payload)
            .or_else(|| self.fields.server.of(self.payload))
    }

    /// X-CID or X-Call-ID, whichever stands first: the Call-ID of another leg of the call.
    #[must_use]
    pub fn x_call_id(&self) -> Option<&'a [u8]> {
        self.fields.x_call_id.of(self.payload)
    }

    /// Session-ID (RFC 7989), the whole value.
    #[must_use]
    pub fn session_id(&self) -> Option<&'a [u8]> {
        self.fields.session_id.of(self.payload)
    }

    /// Content-Type, the whole value.
    #[must_use]
    pub fn content_type(&self) -> Option<&'a [u8]> {
        self.fields.content_type.of(self.payload)
    }

    /// Content-Length in octets.
    #[must_use]
    pub fn content_length(&self) -> Option<usize> {
        decimal(self.fields.content_length.of(self.payload)?)
            .and_then(|length| usize::try_from(length).ok())
    }

    /// The body: as many octets as Content-Length says, all that follow the empty line where it says nothing
    /// or more than there are. Empty where the header section does not end.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        let rest = self.after_head();
        self.content_length()
            .and_then(|length| rest.get(..length))
            .unwrap_or(rest)
    }

    /// All header fields, in order.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        let head = self.payload.get(..usize::from(self.head_end));
        Headers::new(head.unwrap_or_default(), usize::from(self.headers))
    }

    /// The first header field `name`, in any case; the compact name finds the long one and the reverse.
    #[must_use]
    pub fn header(&self, name: &[u8]) -> Option<Header<'a>> {
        self.headers().find(|header| header.is(name))
    }

    /// The first thing that was wrong with the message, in the order of its octets.
    #[must_use]
    pub fn first_defect(&self) -> Option<Defect> {
        self.defect.or_else(|| {
            let at = usize::from(self.head_end);
            self.body_defect()
                .map(|(kind, after)| Defect::new(kind, offset(at + after)))
        })
    }

    fn read_headers(&mut self, head: &[u8], mut at: usize) {
        loop {
            if let Some(plain) = line::read_plain(head, at) {
                if let Some(known) = Known::from_name(plain.name) {
                    self.keep(known, plain.value, at);
                }
                at = plain.next;
                continue;
            }
            match line::read(head, at) {
                Piece::Field(line) => {
                    self.read_field(head, line);
                    at = line.next;
                }
                Piece::Blank { body, bare_lf } => {
                    self.head_end = offset(body);
                    if bare_lf {
                        self.note(DefectKind::BareLf, at);
                    }
                    return;
                }
                Piece::End => {
                    let kind = if self.payload.len() > head.len() {
                        DefectKind::HeadersTooLong
                    } else {
                        DefectKind::HeadersCut
                    };
                    return self.note(kind, head.len());
                }
            }
        }
    }

    /// Any header field that is not a plain one.
    #[cold]
    fn read_field(&mut self, head: &[u8], line: Line) {
        let Some((known, value)) = header::recognise(head, line) else {
            // The half of a name at the end of a cut payload is no fault of its own.
            if line.terminated || line.colon.is_some() {
                self.note(DefectKind::NoHeaderName, line.start);
            }
            return;
        };
        if let Some(known) = known {
            self.keep(known, value, line.start);
        }
        if line.terminated && head.get(line.end.wrapping_sub(1)) != Some(&b'\r') {
            self.note(DefectKind::BareLf, line.end);
        }
    }

    #[inline]
    fn keep(&mut self, known: Known, value: Span, line: usize) {
        let slot = self.fields.slot(known);
        if slot.is_empty() {
            *slot = value;
        } else if known.stands_once() {
            self.note(DefectKind::DuplicateHeader, line);
        }
    }

    #[cold]
    fn note(&mut self, kind: DefectKind, at: usize) {
        if self.defect.is_none() {
            self.defect = Some(Defect::new(kind, offset(at)));
        }
    }

    fn body_defect(&self) -> Option<(DefectKind, usize)> {
        let Fields {
            call_id,
            cseq,
            from,
            to,
            via,
            ..
        } = self.fields;
        if [call_id, cseq, from, to, via]
            .iter()
            .any(|field| field.is_empty())
        {
            return Some((DefectKind::MissingHeader, 0));
        }
        self.fields.content_length.of(self.payload)?;
        let rest = self.after_head().len();
        match self.content_length() {
            None => Some((DefectKind::BadContentLength, 0)),
            Some(length) if length > rest => Some((DefectKind::BodyCut, rest)),
            Some(length) if length < rest => Some((DefectKind::OctetsAfterBody, length)),
            Some(_) => None,
        }
    }

    fn after_head(&self) -> &'a [u8] {
        self.payload
            .get(usize::from(self.head_end)..)
            .unwrap_or_default()
    }

    /// Number and method, the space between them optional.
    fn cseq_parts(&self) -> Option<(&'a [u8], &'a [u8])> {
        let cseq = self.fields.cseq.of(self.payload)?;
        let digits = cseq.iter().take_while(|octet| octet.is_ascii_digit());
        cseq.split_at_checked(digits.count())
    }
}

impl Fields {
    #[inline]
    fn slot(&mut self, known: Known) -> &mut Span {
        match known {
            Known::CallId => &mut self.call_id,
            Known::Cseq => &mut self.cseq,
            Known::From => &mut self.from,
            Known::To => &mut self.to,
            Known::Via => &mut self.via,
            Known::UserAgent => &mut self.user_agent,
            Known::Server => &mut self.server,
            Known::XCallId => &mut self.x_call_id,
            Known::SessionId => &mut self.session_id,
            Known::Contact => &mut self.contact,
            Known::ContentType => &mut self.content_type,
            Known::ContentLength => &mut self.content_length,
        }
    }
}

/// An unsigned decimal number and nothing else.
#[inline]
fn decimal(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
