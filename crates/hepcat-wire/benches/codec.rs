//! Speed of decoding, encoding and deframing, and of the other codec beside it: `cargo bench -p hepcat-wire`.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hepcat_wire::{Deframer, DeframerConfig, Message, MessageBuilder, Version};

const ARRIVAL: Duration = Duration::from_secs(1_800_000_000);

/// An INVITE with which the frame has 1,024 octets.
fn invite() -> Vec<u8> {
    let mut sip = b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP pc33.atlanta.example.com:5060;branch=z9hG4bK776asdhds\r\n\
        Max-Forwards: 70\r\n\
        From: Alice <sip:alice@atlanta.example.com>;tag=1928301774\r\n\
        To: Bob <sip:bob@biloxi.example.com>\r\n\
        Call-ID: a84b4c76e66710@pc33.atlanta.example.com\r\n\
        CSeq: 314159 INVITE\r\n\
        Contact: <sip:alice@pc33.atlanta.example.com>\r\n\
        Content-Type: application/sdp\r\n\
        User-Agent: bench\r\n\r\n"
        .to_vec();
    sip.resize(864, b'a');
    sip
}

fn builder(payload: &[u8]) -> MessageBuilder<'_> {
    MessageBuilder::new()
        .source("192.0.2.1:5060".parse().expect("a literal"))
        .destination("198.51.100.2:5070".parse().expect("a literal"))
        .time(1_700_735_504, 123_456)
        .capture_id(2001)
        .auth_key(b"myhep")
        .correlation_id(b"a84b4c76e66710@pc33.atlanta.example.com")
        .vlan_id(100)
        .payload(payload)
}

fn frame() -> Vec<u8> {
    let frame = builder(&invite()).encode(Version::V3).expect("it fits");
    assert_eq!(frame.len(), 1028);
    frame
}

/// Every generic field of HEP3 rev. 37, each kept from being optimised away.
fn read_every_field(message: &Message<&[u8]>) {
    black_box(message.ip_family());
    black_box(message.ip_protocol());
    black_box(message.src_ip());
    black_box(message.dst_ip());
    black_box(message.src_port());
    black_box(message.dst_port());
    black_box(message.time(ARRIVAL));
    black_box(message.protocol_type());
    black_box(message.capture_id());
    black_box(message.keep_alive());
    black_box(message.auth_key());
    black_box(message.payload());
    black_box(message.correlation_id());
    black_box(message.vlan_id());
    black_box(message.node_name());
    black_box(message.src_mac());
    black_box(message.dst_mac());
    black_box(message.ethernet_type());
    black_box(message.tcp_flags());
    black_box(message.ip_tos());
    black_box(message.mos());
    black_box(message.r_factor());
    black_box(message.geo_location());
    black_box(message.jitter());
    black_box(message.transaction_type());
    black_box(message.payload_json_keys());
    black_box(message.tag_values());
    black_box(message.tag_type());
    black_box(message.event_type());
    black_box(message.group_id());
    black_box(message.extra_correlations());
}

fn decode(c: &mut Criterion) {
    let frame = frame();
    let mut group = c.benchmark_group("decode_v3_sip_1k");
    group.throughput(Throughput::Elements(1));
    group.bench_function("hepcat_parse_only", |b| {
        b.iter(|| black_box(Message::parse_lax(black_box(&frame[..])).is_ok()));
    });
    group.bench_function("hepcat_every_field", |b| {
        b.iter(|| {
            let message = Message::parse_lax(black_box(&frame[..])).expect("it decodes");
            read_every_field(&message);
        });
    });
    group.bench_function("hep_crate_0_1_2", |b| {
        b.iter(|| black_box(hep::parse_packet(black_box(&frame[..])).expect("it decodes")));
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let payload = invite();
    let mut group = c.benchmark_group("encode_v3_sip_1k");
    group.throughput(Throughput::Elements(1));
    let mut out = Vec::with_capacity(2048);
    group.bench_function("into_a_reused_vector", |b| {
        b.iter(|| {
            out.clear();
            let written = builder(black_box(&payload)).encode_into(Version::V3, &mut out);
            written.expect("it fits");
            black_box(&out);
        });
    });
    group.finish();
}

fn deframe(c: &mut Criterion) {
    let frame = frame();
    let stream = frame.repeat((1 << 20) / frame.len());
    let mut group = c.benchmark_group("deframe_1_mib");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    for read_size in [4096, 16 * 1024, 64 * 1024] {
        group.bench_function(format!("reads_of_{}_kib", read_size / 1024), |b| {
            b.iter(|| {
                let config = DeframerConfig::default().read_size(read_size);
                let mut deframer = Deframer::new(config);
                let mut frames = 0;
                for read in stream.chunks(read_size) {
                    deframer.buffer_mut().extend_from_slice(read);
                    while let Some(frame) = deframer.next_frame().expect("a good stream") {
                        black_box(frame);
                        frames += 1;
                    }
                }
                assert_eq!(frames, stream.len() / frame.len());
            });
        });
    }
    group.finish();
}

criterion_group!(benches, decode, encode, deframe);
criterion_main!(benches);
