//! What must hold for any input: the body of the fuzz target and of the property test.

use crate::{NameAddr, Scan, Uri, scan};

/// Scans `payload`, asks everything, and checks that what comes back stands in `payload`.
///
/// # Panics
/// When a promise is broken: that is the finding.
pub fn sip_scan(payload: &[u8]) {
    let Some(sip) = scan(payload) else { return };
    for slice in answers(&sip) {
        assert!(lies_in(payload, slice), "a slice of something else");
    }
    let mut last = payload.as_ptr();
    for header in sip.headers() {
        assert!(lies_in(payload, header.name()) && lies_in(payload, header.value()));
        assert!(header.name().as_ptr() >= last, "header fields out of order");
        last = header.value().as_ptr();
        assert!(header.to_unfolded().len() <= header.value().len());
        assert!(sip.header(header.name()).is_some());
    }
    assert_eq!(
        sip.call_id(),
        sip.headers()
            .filter(|header| header.is(b"Call-ID"))
            .map(|header| header.value())
            .find(|value| !value.is_empty())
    );
    if let Some(defect) = sip.first_defect() {
        assert!(defect.offset() <= payload.len());
        assert!(!defect.to_string().is_empty());
    }
    assert!(sip.method().is_none() || sip.status_code().is_none());
    assert_eq!(scan(payload), Some(sip), "the same octets, the same answer");
}

/// Everything that can be asked, as slices.
fn answers<'a>(sip: &Scan<'a>) -> Vec<&'a [u8]> {
    let mut answers: Vec<&[u8]> = [
        sip.method(),
        sip.reason_phrase(),
        sip.call_id(),
        sip.cseq_method(),
        sip.via_branch(),
        sip.via_transport(),
        sip.user_agent(),
        sip.x_call_id(),
        sip.session_id(),
        sip.content_type(),
        Some(sip.body()),
    ]
    .into_iter()
    .flatten()
    .collect();
    answers.extend(sip.request_uri().into_iter().flat_map(uri_parts));
    for address in [sip.from(), sip.to(), sip.contact()].into_iter().flatten() {
        answers.extend(address_parts(&address));
    }
    answers
}

fn address_parts<'a>(address: &NameAddr<'a>) -> impl Iterator<Item = &'a [u8]> {
    [address.display(), address.tag(), address.param(b"expires")]
        .into_iter()
        .flatten()
        .chain(uri_parts(address.uri()))
}

fn uri_parts(uri: Uri<'_>) -> impl Iterator<Item = &[u8]> {
    // A port is a number: only that it can be asked for is of interest here.
    std::hint::black_box(uri.port());
    [Some(uri.as_bytes()), uri.scheme(), uri.user(), uri.host()]
        .into_iter()
        .flatten()
}

fn lies_in(payload: &[u8], slice: &[u8]) -> bool {
    slice.is_empty()
        || (payload.as_ptr_range().start <= slice.as_ptr_range().start
            && slice.as_ptr_range().end <= payload.as_ptr_range().end)
}
