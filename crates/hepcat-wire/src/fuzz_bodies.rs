//! What the fuzz targets run, so that plain `cargo test` can replay their corpus and every crasher of the past.
//!
//! Each function takes any octets and panics only where this crate is wrong. No part of the API.

use std::{
    borrow::Cow,
    hint::black_box,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;

use crate::{
    AuthKeys, ChunkType, DecodeError, Deframer, DeframerConfig, InflateLimit, IpProtocol, Message,
    MessageBuilder, OnGarbage, Payload, ProtocolType, Rewrite, Target, VendorId, Version, convert,
    from_protobuf, gunzip, sniff, trim_nul,
};

/// Decodes strictly and laxly, and reads everything there is to read.
pub fn parse(octets: &[u8]) {
    black_box(sniff(octets));
    let strict = Message::parse(octets);
    let lax = Message::parse_lax(octets);
    match (&strict, &lax) {
        (Ok(strict), Ok(lax)) => assert_eq!(strict.as_frame(), lax.as_frame()),
        (Ok(_), Err(error)) => panic!("strict, but not lax: {error}"),
        (Err(error), Ok(_)) => {
            assert!(
                matches!(error.reason(), "trailing_data" | "bad_width"),
                "{error}"
            );
        }
        (Err(_), Err(error)) => {
            assert!(error.offset() <= octets.len());
            black_box(error.to_string());
        }
    }
    let Ok(message) = lax else { return };
    assert!(octets.starts_with(message.as_frame()));
    assert_eq!(message.as_received(), octets);
    read_everything(&message);
    if message.version() == Version::V3 {
        let mut at = 6;
        for chunk in message.chunks() {
            assert_eq!(chunk.offset(), at);
            at += chunk.as_octets().len();
            assert!(
                message
                    .chunk(chunk.vendor_id(), chunk.chunk_type())
                    .is_some()
            );
        }
        assert_eq!(at, message.as_frame().len(), "chunks fill the frame");
    }
}

fn read_everything<B: AsRef<[u8]>>(message: &Message<B>) {
    let arrival = Duration::from_secs(1_800_000_000);
    black_box((
        message.ip_family(),
        message.ip_protocol(),
        message.address_family(),
    ));
    black_box((
        message.src_ip(),
        message.dst_ip(),
        message.canonical_src_ip(),
    ));
    black_box((
        message.canonical_dst_ip(),
        message.src_port(),
        message.dst_port(),
    ));
    black_box((
        message.time_sec(),
        message.time_usec(),
        message.time(arrival),
    ));
    black_box((message.time(Duration::ZERO), message.time(Duration::MAX)));
    black_box((message.time_block(arrival), message.header_v12()));
    black_box((
        message.protocol_type(),
        message.capture_id(),
        message.keep_alive(),
    ));
    black_box((
        message.auth_key(),
        message.correlation_id(),
        message.vlan_id(),
    ));
    black_box((message.node_name(), message.src_mac(), message.dst_mac()));
    black_box((
        message.ethernet_type(),
        message.tcp_flags(),
        message.ip_tos(),
    ));
    black_box((message.mos(), message.r_factor(), message.geo_location()));
    black_box((
        message.jitter(),
        message.transaction_type(),
        message.payload_json_keys(),
    ));
    black_box((
        message.tag_values(),
        message.tag_type(),
        message.event_type(),
    ));
    black_box((
        message.group_id(),
        message.extra_correlations(),
        message.payload(),
    ));
    black_box((message.payload().trimmed(), message.check_capture().is_ok()));
    black_box((message.defects(), format!("{message:?}")));
    black_box(AuthKeys::new([&b"myhep"[..], b"x"]).check(message).is_ok());
}

/// Cuts a stream into frames in one read and in many, and compares. The first octet is the settings, the second the
/// number of read sizes that follow.
pub fn deframe(input: &[u8]) {
    let mut input = Input(input);
    let settings = input.octet();
    let on_garbage = if settings & 1 == 0 {
        OnGarbage::Close
    } else {
        OnGarbage::Resync
    };
    let max_frame = if settings & 2 == 0 { 65_535 } else { 64 };
    let count = usize::from(input.octet() % 16);
    let sizes = input.take(count);
    let config = DeframerConfig::default()
        .on_garbage(on_garbage)
        .max_frame(max_frame);
    let whole = deframe_as(config, input.0, &[usize::MAX]);
    let sizes: Vec<usize> = sizes.iter().map(|size| 1 + usize::from(*size)).collect();
    if !sizes.is_empty() {
        assert_eq!(deframe_as(config, input.0, &sizes), whole, "splits matter");
    }
    for frame in whole.iter().flatten() {
        assert!(frame.len() <= max_frame);
        match Message::parse_lax(frame) {
            Ok(message) => assert_eq!(message.as_frame(), frame, "one frame, no more"),
            Err(error) => assert!(error.reason().starts_with("chunk_"), "{error}"),
        }
    }
}

fn deframe_as(
    config: DeframerConfig,
    stream: &[u8],
    sizes: &[usize],
) -> Vec<Result<Bytes, DecodeError>> {
    let mut deframer = Deframer::new(config);
    let mut events = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    let mut octets = 0;
    while !rest.is_empty() {
        let size = sizes
            .next()
            .map_or(rest.len(), |size| (*size).min(rest.len()));
        let (read, after) = rest.split_at(size);
        deframer.buffer_mut().extend_from_slice(read);
        rest = after;
        loop {
            match deframer.next_frame() {
                Ok(Some(frame)) => {
                    octets += frame.len();
                    events.push(Ok(frame));
                }
                Ok(None) => break,
                Err(error) if deframer.is_closed() => {
                    assert_eq!(deframer.next_frame(), Err(error), "closed for good");
                    events.push(Err(error));
                    return events;
                }
                Err(error) => events.push(Err(error)),
            }
            assert!(events.len() <= stream.len() + 1, "no progress");
        }
        assert!(
            deframer.pending() < 65_535,
            "less than a frame stays buffered"
        );
    }
    let passed = deframer.skipped_octets() + deframer.keep_alive_octets();
    let accounted = octets as u64 + passed + deframer.pending() as u64;
    assert_eq!(accounted, stream.len() as u64, "every octet has a place");
    events
}

/// Inflates, as a payload chunk and as a whole message. The first two octets are the limit.
pub fn inflate(input: &[u8]) {
    let mut input = Input(input);
    let max_octets = usize::from(input.number_u16());
    let limit = InflateLimit::default().max_octets(max_octets);
    if let Ok(Cow::Owned(inflated)) = Payload::Compressed(input.0).inflate(limit) {
        assert!(inflated.len() <= max_octets);
        assert!(inflated.capacity() <= max_octets);
    }
    if let Ok(frame) = gunzip(input.0, limit) {
        assert!(frame.len() <= max_octets);
        parse(&frame);
    }
}

/// Reads the protobuf form; what comes out is a frame that decodes strictly.
pub fn protobuf(octets: &[u8]) {
    if let Ok(frame) = from_protobuf(octets) {
        let message = Message::parse(frame).expect("what we write decodes strictly");
        assert_eq!(message.check_capture(), Ok(()));
        parse(message.as_frame());
    }
}

/// Builds a message of the octets, in every version, and compares what decodes with what was built.
pub fn encode(input: &[u8]) {
    let mut input = Input(input);
    let ip_protocol = IpProtocol(input.octet());
    let protocol_type = ProtocolType(1 + input.octet() % 3);
    let (source, destination) = (input.address(), input.address());
    let (seconds, microseconds) = (input.number_u32(), input.number_u32() % 1_000_000);
    let capture_id = input.number_u32() >> (input.octet() % 32);
    let (auth_key, correlation_id) = (input.text(), input.text());
    let (node_name, group_id) = (input.text(), input.text());
    let (vlan_id, mos) = (input.number_u16(), input.number_u16());
    let (vendor_id, chunk_type) = (VendorId(1 + input.number_u16() / 2), input.number_u16());
    let value = input.text();
    let compressed = input.octet() & 1 == 1;
    let payload = input.0;
    let builder = MessageBuilder::new()
        .ip_protocol(ip_protocol)
        .protocol_type(protocol_type)
        .source(source)
        .destination(destination)
        .time(seconds, microseconds)
        .capture_id(capture_id)
        .auth_key(auth_key)
        .correlation_id(correlation_id)
        .node_name(node_name)
        .group_id(group_id)
        .vlan_id(vlan_id)
        .mos(mos)
        .chunk(vendor_id, ChunkType(chunk_type), value)
        .compressed(compressed)
        .payload(payload);
    for version in [Version::V1, Version::V2, Version::V3] {
        let Ok(frame) = builder.encode(version) else {
            continue;
        };
        let message = Message::parse(&frame).expect("what we write decodes strictly");
        assert_eq!(message.version(), version);
        assert_eq!(message.ip_protocol(), Some(ip_protocol));
        assert_eq!(message.protocol_type(), Some(protocol_type));
        assert_eq!(message.src_port(), Some(source.port()));
        assert_eq!(message.dst_port(), Some(destination.port()));
        assert_eq!(message.canonical_src_ip(), Some(source.ip().to_canonical()));
        assert_eq!(
            message.canonical_dst_ip(),
            Some(destination.ip().to_canonical())
        );
        let inflated = message.payload().inflate(InflateLimit::default());
        assert_eq!(inflated.as_deref().ok(), Some(payload));
        if version != Version::V3 {
            continue;
        }
        assert_eq!(message.time_sec(), Some(seconds));
        assert_eq!(message.time_usec(), Some(microseconds));
        assert_eq!(message.capture_id(), Some(capture_id));
        // What is nothing but zeros is left out like what is empty.
        let sent = |text: &'static str, value: &[u8], found: Option<&[u8]>| {
            if value.iter().any(|octet| *octet != 0) {
                assert_eq!(found, Some(value), "{text}");
            }
        };
        sent("auth key", auth_key, message.auth_key());
        sent("correlation ID", correlation_id, message.correlation_id());
        sent("node name", node_name, message.node_name());
        sent("group ID", group_id, message.group_id());
        assert_eq!(message.vlan_id().unwrap_or(0), vlan_id);
        assert_eq!(message.mos().unwrap_or(0), mos);
        let chunk = message.chunk(vendor_id, ChunkType(chunk_type));
        assert_eq!(chunk.map(|chunk| chunk.value()), Some(value));
    }
}

/// Converts a frame to every version, and compares what both say.
pub fn convert(octets: &[u8]) {
    let arrival = Duration::from_secs(1_795_400_000);
    let Ok(message) = Message::parse_lax(octets) else {
        return;
    };
    let converted = [
        convert::to_v3(&message, arrival),
        convert::to_v2(&message, arrival),
        convert::to_v1(&message),
    ];
    for frame in converted.into_iter().flatten() {
        let other = Message::parse_lax(frame).expect("what we write decodes");
        if other.version() == message.version() {
            assert_eq!(
                other.as_frame(),
                message.as_frame(),
                "same version, same octets"
            );
            continue;
        }
        assert_eq!(other.canonical_src_ip(), message.canonical_src_ip());
        assert_eq!(other.canonical_dst_ip(), message.canonical_dst_ip());
        assert_eq!(other.src_port(), message.src_port());
        assert_eq!(other.dst_port(), message.dst_port());
        assert_eq!(other.ip_protocol(), message.ip_protocol());
        assert_eq!(other.protocol_type(), message.protocol_type());
        let limit = InflateLimit::default();
        assert_eq!(
            other.payload().inflate(limit),
            message.payload().inflate(limit)
        );
        if other.version() == Version::V3 && message.version() == Version::V2 {
            let block = message.time_block(arrival);
            assert_eq!(
                other.capture_id(),
                block.map(|block| block.capture_id.into())
            );
            assert_eq!(
                other.time(arrival).since_epoch,
                message.time(arrival).since_epoch
            );
        }
    }
}

/// Edits a frame. The first octets are the edits: kind, vendor, chunk type and length of the value.
pub fn rewrite(input: &[u8]) {
    let mut input = Input(input);
    let count = input.octet() % 4;
    let edits: Vec<[u8; 4]> = (0..count)
        .map(|_| [input.octet(), input.octet(), input.octet(), input.octet()])
        .collect();
    let Ok(message) = Message::parse_lax(input.0) else {
        return;
    };
    let Ok(mut rewrite) = Rewrite::new(&message) else {
        return;
    };
    assert_eq!(
        rewrite.encode().as_deref(),
        Ok(message.as_frame()),
        "no edit, no change"
    );
    for [kind, vendor, chunk_type, length] in edits {
        let (vendor_id, chunk_type) = (VendorId(vendor.into()), ChunkType(chunk_type.into()));
        let target = match kind & 3 {
            0 => Target::generic(chunk_type),
            1 => Target::vendor(vendor_id, chunk_type),
            2 => Target::any_vendor(chunk_type),
            _ => Target::any_vendor(chunk_type).first(),
        };
        let value = vec![b'v'; length.into()];
        match kind >> 2 & 7 {
            0 => _ = rewrite.remove(target),
            1 => _ = rewrite.replace(target, value),
            2 => _ = rewrite.blank(target),
            3 => rewrite.set(target, vendor_id, chunk_type, value),
            _ => rewrite.append(vendor_id, chunk_type, value),
        }
    }
    if let Ok(frame) = rewrite.encode() {
        parse(&frame);
        let edited = Message::parse_lax(frame).expect("an edited frame decodes");
        assert_eq!(
            edited.as_frame().first_chunk::<4>(),
            message.as_frame().first_chunk()
        );
    }
}

/// All of the above.
pub fn all(octets: &[u8]) {
    parse(octets);
    deframe(octets);
    inflate(octets);
    protobuf(octets);
    encode(octets);
    convert(octets);
    rewrite(octets);
    assert!(trim_nul(octets).len() <= octets.len());
}

/// Octets taken from the front as they are needed; zeros when they have run out.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    fn number_u16(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    fn number_u32(&mut self) -> u32 {
        u32::from(self.number_u16()) << 16 | u32::from(self.number_u16())
    }

    /// Up to 255 octets, their number in front.
    fn text(&mut self) -> &'a [u8] {
        let length = self.octet();
        self.take(length.into())
    }

    fn address(&mut self) -> SocketAddr {
        let ip = match self.octet() % 3 {
            0 => IpAddr::from(self.number_u32().to_be_bytes()),
            1 => IpAddr::from(
                std::net::Ipv4Addr::from(self.number_u32())
                    .to_ipv6_mapped()
                    .octets(),
            ),
            _ => {
                let mut octets = [0; 16];
                let taken = self.take(16);
                for (place, octet) in octets.iter_mut().zip(taken) {
                    *place = *octet;
                }
                IpAddr::from(octets)
            }
        };
        SocketAddr::new(ip, self.number_u16())
    }
}
