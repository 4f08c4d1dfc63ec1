//! A scan, and every question to it, leaves the allocator alone.

use std::hint::black_box;

use hepcat_sip::scan;

const INVITE: &[u8] = include_bytes!("messages/invite.sip");

#[test]
fn a_scan_with_every_field_read() {
    let allocations = allocation_counter::measure(|| {
        let sip = scan(black_box(INVITE)).expect("an INVITE");
        black_box((sip.method(), sip.status_code(), sip.reason_phrase()));
        black_box((sip.call_id(), sip.cseq_number(), sip.cseq_method()));
        for address in [sip.from(), sip.to(), sip.contact()].into_iter().flatten() {
            black_box((
                address.display(),
                address.user(),
                address.host(),
                address.tag(),
            ));
            black_box((address.uri().scheme(), address.uri().port()));
        }
        black_box(sip.request_uri().map(|uri| (uri.user(), uri.host())));
        black_box((sip.via_branch(), sip.via_transport(), sip.user_agent()));
        black_box((sip.x_call_id(), sip.session_id(), sip.content_type()));
        black_box((sip.body(), sip.first_defect(), sip.header(b"Allow")));
        black_box(sip.headers().count());
    });
    assert_eq!(allocations.count_total, 0);
}

#[test]
fn unfolding_a_value_that_is_not_folded() {
    let sip = scan(INVITE).expect("an INVITE");
    let allow = sip.header(b"Allow").expect("it has one");
    let allocations = allocation_counter::measure(|| {
        black_box(allow.to_unfolded());
    });
    assert_eq!(allocations.count_total, 0);
}
