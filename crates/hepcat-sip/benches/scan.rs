//! The scan of an INVITE of 1 KB with every field read, beside two yardsticks over the same text.
//!
//! `httparse` splits header fields and knows nothing of SIP; `rsipstack` is a SIP stack's parser. Both leave
//! most of the fields that the scan's figure includes unread.
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hepcat_sip::scan;
use rsipstack::sip::{HeadersExt, SipMessage, ToTypedHeader};

const INVITE: &[u8] = include_bytes!("../tests/messages/invite.sip");

fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sip");
    group.throughput(Throughput::Bytes(INVITE.len() as u64));
    group.bench_function("hepcat/scan and every field", |bencher| {
        bencher.iter(|| read_every_field(black_box(INVITE)));
    });
    group.bench_function("hepcat/scan alone", |bencher| {
        bencher.iter(|| scan(black_box(INVITE)).is_some());
    });
    let start = INVITE
        .iter()
        .position(|octet| *octet == b'\n')
        .expect("lines")
        + 1;
    let headers = INVITE.get(start..).expect("a line after the first");
    group.bench_function("httparse/parse_headers", |bencher| {
        bencher.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let parsed = httparse::parse_headers(black_box(headers), &mut fields);
            matches!(parsed, Ok(httparse::Status::Complete((_, found))) if found.len() == 16)
        });
    });
    group.bench_function("rsipstack/typed From and To", |bencher| {
        bencher.iter(|| {
            let message = SipMessage::try_from(black_box(INVITE)).expect("well-formed");
            let from = message.from_header().and_then(ToTypedHeader::typed);
            let to = message.to_header().and_then(ToTypedHeader::typed);
            (message, from, to)
        });
    });
    group.finish();
}

fn read_every_field(payload: &[u8]) {
    let sip = scan(payload).expect("an INVITE");
    black_box((sip.method(), sip.status_code(), sip.call_id()));
    black_box((sip.cseq_number(), sip.cseq_method()));
    for address in [sip.from(), sip.to()].into_iter().flatten() {
        black_box((address.user(), address.host(), address.tag()));
    }
    black_box(
        sip.request_uri()
            .map(|uri| (uri.as_bytes(), uri.user(), uri.host())),
    );
    black_box((
        sip.via_branch(),
        sip.user_agent(),
        sip.x_call_id(),
        sip.session_id(),
    ));
}

criterion_group!(benches, scans);
criterion_main!(benches);
