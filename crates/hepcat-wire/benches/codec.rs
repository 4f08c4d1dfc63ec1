//! Speed of decoding, encoding and deframing, and of the other codec beside it: `cargo bench -p hepcat-wire`.

use std::{hint::black_box, net::IpAddr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hepcat_wire::{
    Deframer, DeframerConfig, IpProtocol, Message, MessageBuilder, Payload, ProtocolType, Version,
};

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
    sip.resize(861, b'a');
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
    assert_eq!(frame.len(), 1024);
    frame
}

/// Every generic field of HEP3 rev. 37.
#[derive(Default)]
struct Fields<'a> {
    ip: (Option<u8>, Option<IpProtocol>),
    addresses: (Option<IpAddr>, Option<IpAddr>),
    ports: (Option<u16>, Option<u16>),
    time: (Option<u32>, Option<u32>),
    protocol_type: Option<ProtocolType>,
    capture_id: Option<u32>,
    keep_alive: Option<u16>,
    auth_key: Option<&'a [u8]>,
    payload: Option<Payload<'a>>,
    correlation_id: Option<&'a [u8]>,
    vlan_id: Option<u16>,
    node_name: Option<&'a [u8]>,
    macs: (Option<[u8; 6]>, Option<[u8; 6]>),
    ethernet_type: Option<u16>,
    tcp_flags: Option<u8>,
    ip_tos: Option<u8>,
    mos: Option<u16>,
    r_factor: Option<u16>,
    geo_location: Option<&'a [u8]>,
    jitter: Option<u32>,
    transaction_type: Option<&'a [u8]>,
    payload_json_keys: Option<&'a [u8]>,
    tag_values: Option<&'a [u8]>,
    tag_type: Option<u16>,
    event_type: Option<u16>,
    group_id: Option<&'a [u8]>,
    extra_correlations: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// One after the other, as a caller does that keeps them.
    fn read(&mut self, message: &'a Message<&[u8]>) {
        self.ip = (message.ip_family(), message.ip_protocol());
        self.addresses = (message.src_ip(), message.dst_ip());
        self.ports = (message.src_port(), message.dst_port());
        self.time = (message.time_sec(), message.time_usec());
        self.protocol_type = message.protocol_type();
        self.capture_id = message.capture_id();
        self.keep_alive = message.keep_alive();
        self.auth_key = message.auth_key();
        self.payload = Some(message.payload());
        self.correlation_id = message.correlation_id();
        self.vlan_id = message.vlan_id();
        self.node_name = message.node_name();
        self.macs = (message.src_mac(), message.dst_mac());
        self.ethernet_type = message.ethernet_type();
        self.tcp_flags = message.tcp_flags();
        self.ip_tos = message.ip_tos();
        self.mos = message.mos();
        self.r_factor = message.r_factor();
        self.geo_location = message.geo_location();
        self.jitter = message.jitter();
        self.transaction_type = message.transaction_type();
        self.payload_json_keys = message.payload_json_keys();
        self.tag_values = message.tag_values();
        self.tag_type = message.tag_type();
        self.event_type = message.event_type();
        self.group_id = message.group_id();
        self.extra_correlations = message.extra_correlations();
    }
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
            let mut fields = Fields::default();
            fields.read(&message);
            black_box(&fields);
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
