//! A message as a JSON object. The keys are an interface: they are the same wherever a message is shown.

use std::{
    borrow::Cow,
    io::{self, Write},
    net::SocketAddr,
};

use hepcat_net::Origin;
use hepcat_wire::{DecodeError, InflateLimit, Message, Payload, TimeSource, Version, sniff};
use serde::Serialize;
use serde_json::{Map, Value, ser::Formatter};
use sha2::{Digest, Sha256};

use crate::{agents::ClockFault, query::net_protocol};

use super::{
    Receipt, arrival_of,
    chunk_value::{self, ChunkValue, PartialChunk, blank, hex, mac_text},
    rfc3339, sip,
    text::acts,
};
use crate::pipeline::unwrapped;

/// Longest `payload_first_line`, in octets.
const FIRST_LINE: usize = 80;

/// Which of the larger parts go into the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contents {
    /// `payload` (or `payload_hex`, where it is no UTF-8).
    pub payload: bool,
    /// `payload_sha256`.
    pub digest: bool,
    /// `chunks`, `chunk_order` and `other_chunks`.
    pub chunks: bool,
}

impl Contents {
    /// Everything.
    pub const ALL: Self = Self {
        payload: true,
        digest: true,
        chunks: true,
    };

    /// With or without the payload.
    #[must_use]
    pub const fn payload(self, payload: bool) -> Self {
        Self { payload, ..self }
    }

    /// With or without its digest, which costs about as much as everything else.
    #[must_use]
    pub const fn digest(self, digest: bool) -> Self {
        Self { digest, ..self }
    }

    /// With or without the lists of chunks.
    #[must_use]
    pub const fn chunks(self, chunks: bool) -> Self {
        Self { chunks, ..self }
    }
}

/// The object of a message. Keys come in a fixed order and are left out where the message says nothing.
#[must_use]
pub fn message<B: AsRef<[u8]>>(
    message: &Message<B>,
    receipt: Option<&Receipt<'_>>,
    contents: Contents,
) -> Value {
    let mut object = Map::new();
    put(&mut object, "version", Some(message.version().number()));
    put_receipt(&mut object, receipt);
    put_time(&mut object, message, receipt);
    put_header(&mut object, message);
    put_fields(&mut object, message, receipt);
    if contents.chunks && message.version() == Version::V3 {
        put_chunk_lists(&mut object, message);
    }
    let mut defects: Vec<&str> = message.defects().iter().map(|d| d.reason()).collect();
    let inflated = message.payload().inflate(InflateLimit::default());
    if let Err(error) = &inflated {
        defects.push(error.reason());
    }
    if let Err(error) = message.check_capture() {
        defects.push(error.reason());
    }
    let payload = inflated.unwrap_or(Cow::Borrowed(&[]));
    put_payload(&mut object, message, &payload, contents);
    let unwrapped = unwrapped(message, &payload);
    if let Some(unwrapped) = unwrapped.as_deref().filter(|_| contents.payload) {
        match std::str::from_utf8(unwrapped) {
            Ok(text) => put(&mut object, "unwrapped_payload", Some(text)),
            Err(_) => put(&mut object, "unwrapped_payload_hex", Some(hex(unwrapped))),
        }
    }
    if !defects.is_empty() {
        object.insert("defects".to_owned(), Value::from(defects));
    }
    let scan = hepcat_sip::scan(unwrapped.as_deref().unwrap_or(&payload));
    put(&mut object, "sip", scan.as_ref().map(sip::object));
    if contents.chunks && message.version() == Version::V3 {
        let chunks = message.chunks().map(|c| chunk_object(&c.into()));
        object.insert("chunks".to_owned(), chunks.collect());
    }
    Value::Object(object)
}

/// The object of a frame that is no message: `error` with its evidence, and what could be followed of it.
#[must_use]
pub fn fault(error: &DecodeError, frame: &[u8], receipt: Option<&Receipt<'_>>) -> Value {
    let mut object = Map::new();
    put(&mut object, "version", version_of(frame));
    put_receipt(&mut object, receipt);
    let mut evidence = Map::new();
    put(&mut evidence, "reason", Some(error.reason()));
    put(&mut evidence, "offset", Some(error.offset()));
    put(&mut evidence, "chunk_type", error.chunk_type().map(|t| t.0));
    put(&mut evidence, "needed", error.needed());
    put(&mut evidence, "actual", error.actual());
    put(&mut evidence, "message", Some(error.to_string()));
    object.insert("error".to_owned(), Value::Object(evidence));
    put(&mut object, "length", Some(frame.len()));
    let chunks: Vec<_> = chunk_value::partial(frame)
        .iter()
        .map(chunk_object)
        .collect();
    if !chunks.is_empty() {
        object.insert("chunks".to_owned(), Value::from(chunks));
    }
    Value::Object(object)
}

/// Writes a value on one line, line end included. Characters that act on a terminal are written as JSON
/// escapes, also those that JSON lets stand.
///
/// # Errors
/// Those of the writer.
pub fn to_line(value: &Value, to: &mut impl Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut *to, Careful);
    value.serialize(&mut serializer)?;
    to.write_all(b"\n")
}

/// A value as text of several lines, in which nothing acts on a terminal either.
///
/// # Errors
/// Where the value has no form in JSON.
pub fn to_lines<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(value)?;
    let mut careful = String::with_capacity(text.len());
    for character in text.chars() {
        // Line ends are ours: those of texts are escaped.
        if character == '\n' || !acts(character) {
            careful.push(character);
        } else {
            careful.push_str(&escapes(character));
        }
    }
    Ok(careful)
}

/// A character as JSON escapes it.
fn escapes(character: char) -> String {
    let mut units = [0; 2];
    let units = character.encode_utf16(&mut units).iter();
    units.map(|unit| format!("\\u{unit:04x}")).collect()
}

fn version_of(frame: &[u8]) -> Option<u8> {
    use hepcat_wire::Sniffed;
    match sniff(frame) {
        Sniffed::V1 => Some(1),
        Sniffed::V2 => Some(2),
        Sniffed::V3 => Some(3),
        _ => None,
    }
}

fn put_receipt(object: &mut Map<String, Value>, receipt: Option<&Receipt<'_>>) {
    let Some(receipt) = receipt else { return };
    put(object, "received_at", Some(rfc3339(receipt.arrival())));
    put(object, "listener", Some(receipt.listener));
    put(object, "agent", Some(receipt.agent));
    if let Some(origin) = receipt.origin {
        object.insert("hep_net".to_owned(), net_object(origin));
    }
}

/// What the original's `$hep_net` holds: the connection that HEP came over, not what was captured.
fn net_object(origin: &Origin) -> Value {
    let ip = |end: SocketAddr| end.ip().to_canonical();
    let family = if ip(origin.peer).is_ipv4() {
        "AF_INET"
    } else {
        "AF_INET6"
    };
    let mut net = Map::new();
    put(&mut net, "proto_family", Some(family));
    put(&mut net, "proto_id", Some(net_protocol(origin.transport)));
    put(&mut net, "src_ip", Some(ip(origin.peer).to_string()));
    put(&mut net, "src_port", Some(origin.peer.port()));
    put(&mut net, "dst_ip", Some(ip(origin.local).to_string()));
    put(&mut net, "dst_port", Some(origin.local.port()));
    Value::Object(net)
}

fn put_time<B: AsRef<[u8]>>(
    object: &mut Map<String, Value>,
    message: &Message<B>,
    receipt: Option<&Receipt<'_>>,
) {
    let time = message.time(arrival_of(receipt));
    let source = match time.source {
        TimeSource::Sent => "sent",
        _ if receipt.is_none() => return,
        _ => "arrival",
    };
    put(object, "time", Some(rfc3339(time.since_epoch)));
    put(object, "time_source", Some(source));
    let fault = receipt.and_then(|r| r.clock.judge_message(message, r.arrival()));
    put(object, "clock", fault.map(ClockFault::label));
}

fn put_header<B: AsRef<[u8]>>(object: &mut Map<String, Value>, message: &Message<B>) {
    match message.header_v12() {
        Some(header) => {
            put(
                object,
                "header_length_byte",
                Some(header.header_length_byte),
            );
            put(object, "padding_hex", header.padding.map(|p| hex(&p)));
            put(object, "payload_offset", Some(header.payload_offset));
        }
        None => put(object, "total_length_field", Some(message.as_frame().len())),
    }
}

fn put_fields<B: AsRef<[u8]>>(
    object: &mut Map<String, Value>,
    message: &Message<B>,
    receipt: Option<&Receipt<'_>>,
) {
    let m = message;
    put(object, "ip_family", m.ip_family());
    put(object, "ip_protocol", m.ip_protocol().map(|p| p.0));
    put(
        object,
        "transport",
        m.ip_protocol().and_then(|p| p.transport_name()),
    );
    put(object, "src_ip", m.src_ip().map(|ip| ip.to_string()));
    put(object, "src_port", m.src_port());
    put(object, "dst_ip", m.dst_ip().map(|ip| ip.to_string()));
    put(object, "dst_port", m.dst_port());
    put(object, "time_sec", m.time_sec());
    put(object, "time_usec", m.time_usec());
    let block = m.time_block(arrival_of(receipt));
    put(
        object,
        "time_block_byte_order",
        block.map(|b| b.byte_order.name()),
    );
    put(object, "protocol_type", m.protocol_type().map(|t| t.0));
    put(
        object,
        "protocol_name",
        m.protocol_type().and_then(|t| t.name()),
    );
    put(object, "capture_id", m.capture_id());
    put(object, "keep_alive", m.keep_alive());
    put(
        object,
        "authenticate_key",
        m.auth_key().map(|key| blank(key.len())),
    );
    put(object, "correlation_id", m.correlation_id().map(text));
    put(object, "vlan_id", m.vlan_id());
    put(object, "node_name", m.node_name().map(text));
    put(object, "src_mac", m.src_mac().map(mac_text));
    put(object, "dst_mac", m.dst_mac().map(mac_text));
    put(object, "ethernet_type", m.ethernet_type());
    put(object, "tcp_flags", m.tcp_flags());
    put(object, "ip_tos", m.ip_tos());
    put(object, "mos", m.mos());
    put(object, "r_factor", m.r_factor());
    put(object, "geo_location", m.geo_location().map(text));
    put(object, "jitter", m.jitter());
    put(object, "transaction_type", m.transaction_type().map(text));
    put(object, "payload_json_keys", m.payload_json_keys().map(text));
    put(object, "tag_values", m.tag_values().map(text));
    put(object, "tag_type", m.tag_type());
    put(object, "event_type", m.event_type());
    put(object, "group_id", m.group_id().map(text));
    put(
        object,
        "extra_correlations",
        m.extra_correlations().map(text),
    );
}

fn put_chunk_lists<B: AsRef<[u8]>>(object: &mut Map<String, Value>, message: &Message<B>) {
    let order = message.chunks().map(|chunk| {
        let (vendor, kind) = (chunk.vendor_id().0, chunk.chunk_type().0);
        Value::from(format!(
            "{vendor:04x}:{kind:04x}/{}",
            chunk.value().len() + 6
        ))
    });
    object.insert("chunk_order".to_owned(), order.collect());
    let mut others = Vec::new();
    for chunk in message.chunks() {
        if let ChunkValue::Octets(value, _) = chunk_value::of(&chunk) {
            let mut other = Map::new();
            put(&mut other, "vendor", Some(chunk.vendor_id().0));
            put(&mut other, "type", Some(chunk.chunk_type().0));
            put(&mut other, "value_hex", Some(hex(value)));
            others.push(Value::Object(other));
        }
    }
    if !others.is_empty() {
        object.insert("other_chunks".to_owned(), Value::from(others));
    }
}

fn put_payload<B: AsRef<[u8]>>(
    object: &mut Map<String, Value>,
    message: &Message<B>,
    inflated: &[u8],
    contents: Contents,
) {
    let Some(octets) = message.payload().octets() else {
        put(object, "payload_absent", Some(true));
        return;
    };
    if let Payload::Compressed(_) = message.payload() {
        put(object, "payload_chunk_type", Some(16));
    }
    put(object, "payload_length", Some(octets.len()));
    if contents.digest {
        put(object, "payload_sha256", Some(sha256(octets)));
    }
    // Surplus zeros are a habit of version 1 and 2 senders only; elsewhere they are the payload's own.
    let shown = match (message.version(), message.payload().trimmed()) {
        (Version::V1 | Version::V2, Some(trimmed)) if trimmed.len() < octets.len() => {
            let surplus = octets.len() - trimmed.len();
            put(object, "trailing_zero_bytes", Some(surplus));
            put(
                object,
                "payload_length_without_trailing_zeros",
                Some(trimmed.len()),
            );
            if contents.digest {
                put(
                    object,
                    "payload_sha256_without_trailing_zeros",
                    Some(sha256(trimmed)),
                );
            }
            trimmed
        }
        _ => inflated,
    };
    put(object, "payload_first_line", Some(text(first_line(shown))));
    if contents.payload {
        match std::str::from_utf8(shown) {
            Ok(text) => put(object, "payload", Some(text)),
            Err(_) => put(object, "payload_hex", Some(hex(shown))),
        }
    }
}

pub(super) fn first_line(payload: &[u8]) -> &[u8] {
    let end = payload.iter().position(|&o| o == b'\n');
    let line = payload.get(..end.unwrap_or(payload.len()));
    let line = line.unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.get(..FIRST_LINE).unwrap_or(line)
}

fn chunk_object(chunk: &PartialChunk<'_>) -> Value {
    let mut object = Map::new();
    put(&mut object, "offset", Some(chunk.offset));
    put(&mut object, "vendor", Some(chunk.vendor_id.0));
    put(&mut object, "type", Some(chunk.chunk_type.0));
    put(&mut object, "name", chunk.name());
    put(&mut object, "length", Some(chunk.length()));
    match chunk.meaning() {
        ChunkValue::Number(number) => put(&mut object, "value", Some(number)),
        ChunkValue::Ip(ip) => put(&mut object, "value", Some(ip.to_string())),
        ChunkValue::Mac(mac) => put(&mut object, "value", Some(mac_text(mac))),
        ChunkValue::Text(octets) => match std::str::from_utf8(octets) {
            Ok(text) => put(&mut object, "value", Some(text)),
            Err(_) => put(&mut object, "value_hex", Some(hex(octets))),
        },
        ChunkValue::Key(length) => put(&mut object, "value", Some(blank(length))),
        ChunkValue::Payload(_) => {}
        ChunkValue::Octets(octets, remark) => {
            put(&mut object, "value_hex", Some(hex(octets)));
            put(&mut object, "remark", Some(remark.reason()));
        }
    }
    Value::Object(object)
}

fn sha256(octets: &[u8]) -> String {
    hex(&Sha256::digest(octets))
}

pub(super) fn put<V: Into<Value>>(object: &mut Map<String, Value>, key: &str, value: Option<V>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), value.into());
    }
}

/// For display: octets that are no UTF-8 are replaced.
pub(super) fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

/// Compact, with escapes for what acts on a terminal.
struct Careful;

impl Formatter for Careful {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, c)| acts(*c)) {
            let (before, from) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            writer.write_all(escapes(character).as_bytes())?;
            rest = from.split_at(character.len_utf8()).1;
        }
        writer.write_all(rest.as_bytes())
    }
}
