//! Every frame in `testdata/`, as real programs sent it, decodes to what `testdata/index.json` says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hex;
mod vectors;

use std::time::Duration;

use hepcat_wire::{
    ChunkType, Deframer, InflateLimit, Message, Payload, VendorId, convert, gunzip, trim_nul,
};
use hex::unhex;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vectors::vector;

/// A day after the frames were captured.
const ARRIVAL: Duration = Duration::from_secs(1_795_477_000);

fn entries() -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/index.json");
    let index: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    index["vectors"].as_array().unwrap().clone()
}

fn sha256(octets: &[u8]) -> String {
    digits(&Sha256::digest(octets))
}

fn digits(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn file(entry: &Value) -> &str {
    entry["file"].as_str().unwrap()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn is_datagram(entry: &Value) -> bool {
    entry["carried_over"] == "udp"
}

#[test]
fn the_corpus_is_complete_and_unchanged() {
    let entries = entries();
    assert_eq!(entries.len(), 106);
    for entry in &entries {
        let octets = vector(file(entry));
        assert_eq!(octets.len(), size(&entry["bytes"]), "{}", file(entry));
        assert_eq!(sha256(&octets), entry["sha256"], "{}", file(entry));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata");
    let files = std::fs::read_dir(path).unwrap().filter(|file| {
        let path = file.as_ref().unwrap().path();
        path.extension().is_some_and(|extension| extension == "hex")
    });
    assert_eq!(files.count(), entries.len());
}

#[test]
fn every_datagram_decodes_as_expected() {
    let mut seen = 0;
    for entry in entries().iter().filter(|entry| is_datagram(entry)) {
        let mut octets = vector(file(entry));
        if entry["whole_message_gzip"] == true {
            octets = gunzip(&octets, InflateLimit::default()).unwrap();
            assert_eq!(octets.len(), size(&entry["inner_bytes"]));
            assert_eq!(sha256(&octets), entry["inner_sha256"]);
        }
        check(file(entry), &octets, &entry["expect"]);
        assert_eq!(
            Message::parse_lax(&octets).unwrap().version().number(),
            entry["hep_version"],
        );
        seen += 1;
    }
    assert_eq!(seen, 102);
}

#[test]
fn every_stream_gives_the_same_messages_however_it_was_read() {
    for entry in entries().iter().filter(|entry| !is_datagram(entry)) {
        if entry["whole_message_gzip"] == true {
            continue;
        }
        let octets = vector(file(entry));
        let messages = entry["messages"].as_array().unwrap();
        let expected: Vec<&[u8]> = messages
            .iter()
            .map(|message| {
                let offset = size(&message["offset"]);
                &octets[offset..offset + size(&message["length"])]
            })
            .collect();
        let seen = entry["read_sizes_seen"].as_array().unwrap();
        let mut splits: Vec<Vec<usize>> = vec![
            vec![octets.len()],
            vec![1],
            vec![5],
            vec![6, 1],
            seen.iter().map(size).collect(),
        ];
        let mut random = random_numbers(0x9e37_79b9);
        splits.extend((0..20).map(|_| (0..50).map(|_| 1 + random() % 3000).collect()));
        for sizes in splits {
            let frames = deframe(&octets, &sizes);
            assert_eq!(frames, expected, "{} read as {sizes:?}", file(entry));
        }
        for (frame, message) in expected.iter().zip(messages) {
            check(file(entry), frame, &message["expect"]);
        }
    }
}

#[test]
fn the_members_of_a_gzip_stream_decode_one_by_one_and_the_stream_itself_is_refused() {
    let entries = entries();
    let entry = entries
        .iter()
        .find(|entry| file(entry) == "heplify-v3-heptcp-gzip-stream.hex")
        .unwrap();
    let octets = vector(file(entry));
    for message in entry["messages"].as_array().unwrap() {
        let offset = size(&message["offset"]);
        let member = &octets[offset..offset + size(&message["length"])];
        let frame = gunzip(member, InflateLimit::default()).unwrap();
        assert_eq!(sha256(&frame), message["inner_sha256"]);
        check(file(entry), &frame, &message["expect"]);
    }
    let mut deframer = Deframer::default();
    deframer.buffer_mut().extend_from_slice(&octets);
    assert_eq!(
        deframer.next_frame().unwrap_err().reason(),
        "unknown_format"
    );
}

/// What relays were given decodes as well; where it came as hexadecimal text it is no file of its own.
#[test]
fn what_went_into_the_relays_decodes() {
    let mut seen = 0;
    for entry in &entries() {
        let octets = match (entry["input"].as_str(), entry["input_hex"].as_str()) {
            (Some(file), _) => vector(file),
            (_, Some(text)) => unhex(text),
            _ => continue,
        };
        let message = Message::parse(&octets).unwrap();
        let payload = message.payload().inflate(InflateLimit::default()).unwrap();
        let first = payload.split(|octet| *octet == b'\r').next().unwrap();
        // What went in is SIP or a report as JSON, once inflated.
        assert!(
            first.ends_with(b"SIP/2.0") || first.starts_with(b"{ "),
            "{}",
            file(entry)
        );
        seen += 1;
    }
    assert_eq!(seen, 14);
}

/// A frame decoded for relaying goes out as it came in, and through version 3 no field of it is lost.
#[test]
fn every_frame_survives_re_emission_and_conversion() {
    for entry in entries().iter().filter(|entry| is_datagram(entry)) {
        if entry["whole_message_gzip"] == true {
            continue;
        }
        let octets = vector(file(entry));
        let message = Message::parse_lax(&octets).unwrap();
        assert_eq!(message.as_frame(), octets);

        let frame = convert::to_v3(&message, ARRIVAL).unwrap();
        let converted = Message::parse_lax(&frame).unwrap();
        assert_eq!(converted.src_ip(), message.src_ip());
        assert_eq!(converted.dst_ip(), message.dst_ip());
        assert_eq!(converted.src_port(), message.src_port());
        assert_eq!(converted.dst_port(), message.dst_port());
        assert_eq!(converted.ip_protocol(), message.ip_protocol());
        assert_eq!(converted.capture_id(), message.capture_id());
        assert_eq!(converted.protocol_type(), message.protocol_type());
        assert_eq!(converted.payload(), message.payload());
        assert_eq!(
            converted.time(ARRIVAL).since_epoch,
            message.time(ARRIVAL).since_epoch
        );
    }
}

fn deframe(octets: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut deframer = Deframer::default();
    let mut frames = Vec::new();
    let mut rest = octets;
    let mut sizes = sizes.iter().cycle();
    while !rest.is_empty() {
        let (read, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        deframer.buffer_mut().extend_from_slice(read);
        while let Some(frame) = deframer.next_frame().unwrap() {
            frames.push(frame.to_vec());
        }
        rest = after;
    }
    assert!(!deframer.is_mid_frame());
    frames
}

/// Numbers that look random and are the same every time (xorshift).
fn random_numbers(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    }
}

/// Compares a decoded frame with its entry: every field that the entry has, and none that it has not.
fn check(file: &str, octets: &[u8], expect: &Value) {
    let message = Message::parse_lax(octets).unwrap_or_else(|error| panic!("{file}: {error}"));
    let number = |key: &str| expect[key].as_u64();
    let text = |key: &str| expect[key].as_str().map(str::to_owned);

    if message
        .defects()
        .iter()
        .all(|defect| defect.reason() != "bad_width")
    {
        Message::parse(octets).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    assert_eq!(
        message.ip_family().map(u64::from),
        number("ip_family"),
        "{file}"
    );
    assert_eq!(
        message.ip_protocol().map(|p| p.0.into()),
        number("ip_protocol"),
        "{file}"
    );
    assert_eq!(
        message.src_port().map(u64::from),
        number("src_port"),
        "{file}"
    );
    assert_eq!(
        message.dst_port().map(u64::from),
        number("dst_port"),
        "{file}"
    );
    assert_eq!(
        message.src_ip().map(|ip| ip.to_string()),
        text("src_ip"),
        "{file}"
    );
    assert_eq!(
        message.dst_ip().map(|ip| ip.to_string()),
        text("dst_ip"),
        "{file}"
    );
    assert_eq!(
        message.time_sec().map(u64::from),
        number("time_sec"),
        "{file}"
    );
    assert_eq!(
        message.time_usec().map(u64::from),
        number("time_usec"),
        "{file}"
    );
    assert_eq!(
        message.capture_id().map(u64::from),
        number("capture_id"),
        "{file}"
    );
    let value =
        |octets: Option<&[u8]>| octets.map(|octets| String::from_utf8(octets.to_vec()).unwrap());
    assert_eq!(
        value(message.correlation_id()),
        text("correlation_id"),
        "{file}"
    );
    assert_eq!(
        value(message.auth_key()),
        text("authenticate_key"),
        "{file}"
    );
    assert_eq!(value(message.node_name()), text("node_name"), "{file}");
    assert_eq!(
        value(message.extra_correlations()),
        text("extra_correlations"),
        "{file}"
    );
    assert_eq!(
        message.vlan_id().map(u64::from),
        number("vlan_id"),
        "{file}"
    );
    assert_eq!(message.ip_tos().map(u64::from), number("ip_tos"), "{file}");
    assert_eq!(message.mos().map(u64::from), number("mos"), "{file}");

    check_header(file, &message, expect);
    check_payload(file, &message, expect);
    check_chunks(file, &message, expect);
}

fn check_header(file: &str, message: &Message<&[u8]>, expect: &Value) {
    let Some(header) = message.header_v12() else {
        assert_eq!(
            message.as_frame().len(),
            size(&expect["total_length_field"]),
            "{file}"
        );
        let protocol_type = message.protocol_type().unwrap();
        assert_eq!(
            u64::from(protocol_type.0),
            expect["protocol_type"],
            "{file}"
        );
        return;
    };
    assert_eq!(
        u64::from(header.header_length_byte),
        expect["header_length_byte"],
        "{file}"
    );
    assert_eq!(
        header.payload_offset,
        size(&expect["payload_offset"]),
        "{file}"
    );
    let padding = header.padding.map(|padding| digits(&padding));
    assert_eq!(padding.as_deref(), expect["padding_hex"].as_str(), "{file}");
    let block = message.time_block(ARRIVAL);
    assert_eq!(
        block.map(|block| block.byte_order.name()),
        expect["time_block_byte_order"].as_str(),
        "{file}"
    );
    assert!(block.is_none_or(|block| block.plausible), "{file}");
}

fn check_payload(file: &str, message: &Message<&[u8]>, expect: &Value) {
    if expect["payload_absent"] == true {
        assert_eq!(message.payload(), Payload::Absent, "{file}");
        return;
    }
    let payload = message.payload();
    let octets = payload.octets().unwrap();
    let is_compressed = matches!(payload, Payload::Compressed(_));
    assert_eq!(is_compressed, expect["payload_chunk_type"] == 16, "{file}");
    assert_eq!(octets.len(), size(&expect["payload_length"]), "{file}");
    assert_eq!(sha256(octets), expect["payload_sha256"], "{file}");
    if let Some(first_line) = expect["payload_first_line"].as_str() {
        assert!(
            String::from_utf8_lossy(octets).starts_with(first_line),
            "{file}"
        );
    }
    let trimmed = payload.trimmed().unwrap();
    assert_eq!(trimmed, trim_nul(octets));
    if let Some(zeros) = expect["trailing_zero_bytes"].as_u64() {
        assert_eq!((octets.len() - trimmed.len()) as u64, zeros, "{file}");
        let length = &expect["payload_length_without_trailing_zeros"];
        assert_eq!(trimmed.len(), size(length), "{file}");
        let digest = &expect["payload_sha256_without_trailing_zeros"];
        assert_eq!(sha256(trimmed), *digest, "{file}");
    }
}

fn check_chunks(file: &str, message: &Message<&[u8]>, expect: &Value) {
    if let Some(order) = expect["chunk_order"].as_array() {
        let chunks: Vec<String> = message
            .chunks()
            .map(|chunk| {
                format!(
                    "{:04x}:{:04x}/{}",
                    chunk.vendor_id().0,
                    chunk.chunk_type().0,
                    chunk.as_octets().len()
                )
            })
            .collect();
        assert_eq!(chunks, *order, "{file}");
    }
    let octets: usize = message.chunks().map(|chunk| chunk.as_octets().len()).sum();
    if message.version().number() == 3 {
        assert_eq!(octets + 6, message.as_frame().len(), "{file}");
    }
    for other in expect["other_chunks"].as_array().into_iter().flatten() {
        let vendor_id = VendorId(u16::try_from(size(&other["vendor"])).unwrap());
        let chunk_type = ChunkType(u16::try_from(size(&other["type"])).unwrap());
        let chunk = message.chunk(vendor_id, chunk_type).unwrap();
        assert_eq!(digits(chunk.value()), other["value_hex"], "{file}");
    }
}
