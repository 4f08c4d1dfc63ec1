//! A frame explained chunk by chunk, for people.

use std::fmt::{self, Write};

use hepcat_wire::{ChunkType, DecodeError, InflateLimit, Message, Payload, TimeSource, Version};

use super::{
    arrival_of,
    chunk_value::{self, ChunkValue, PartialChunk, Remark, blank, hex, mac_text},
    escape, rfc3339,
};
use crate::pipeline::unwrapped;

/// Octets of an unknown value that are shown; the length says how many there are.
const SHOWN_OCTETS: usize = 64;
/// Characters of a text value that are shown.
const SHOWN_TEXT: usize = 200;

/// Text of several lines, each ended.
#[must_use]
pub fn message<B: AsRef<[u8]>>(message: &Message<B>) -> String {
    let mut text = Text::default();
    let frame = message.as_frame();
    let chunks: Vec<PartialChunk<'_>> = message.chunks().map(PartialChunk::from).collect();
    match message.version() {
        Version::V3 => text.line(format_args!(
            "HEPv3, {} octets, {} chunks",
            frame.len(),
            chunks.len()
        )),
        other => text.line(format_args!(
            "HEPv{}, {} octets",
            other.number(),
            frame.len()
        )),
    }
    if message.version() == Version::V3 {
        table(&mut text, &chunks);
    } else {
        header_v12(&mut text, message);
    }
    for defect in message.defects().iter() {
        text.line(format_args!("  ! {}", defect.reason()));
    }
    let surplus = message.as_received().len() - frame.len();
    if surplus > 0 {
        text.line(format_args!(
            "  ! {surplus} octets behind the declared end are left out"
        ));
    }
    if let Err(error) = message.check_capture() {
        text.line(format_args!("  ! {}: {error}", error.reason()));
    }
    payload(&mut text, message);
    text.0
}

/// The same for a frame that is no message: what could be followed, then what is wrong where.
#[must_use]
pub fn fault(error: &DecodeError, frame: &[u8]) -> String {
    let mut text = Text::default();
    text.line(format_args!("not decodable, {} octets", frame.len()));
    let chunks = chunk_value::partial(frame);
    if !chunks.is_empty() {
        table(&mut text, &chunks);
    }
    text.line(format_args!("  ! {}: {error}", error.reason()));
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, arguments: fmt::Arguments<'_>) {
        self.0
            .write_fmt(arguments)
            .expect("writing to a String cannot fail");
        self.0.push('\n');
    }
}

fn table(text: &mut Text, chunks: &[PartialChunk<'_>]) {
    text.line(format_args!(
        "  {:>6}  {:<6}  {:<6}  {:<20}  {:>6}  value",
        "offset", "vendor", "type", "name", "length"
    ));
    for chunk in chunks {
        let value = value(chunk);
        text.line(format_args!(
            "  {:>6}  {:#06x}  {:#06x}  {:<20}  {:>6}  {value}",
            chunk.offset,
            chunk.vendor_id.0,
            chunk.chunk_type.0,
            chunk.name().unwrap_or("-"),
            chunk.length(),
        ));
    }
}

fn value(chunk: &PartialChunk<'_>) -> String {
    match chunk.meaning() {
        ChunkValue::Number(number) => match meaning(chunk.chunk_type, number) {
            Some(meaning) => format!("{number} ({meaning})"),
            None => number.to_string(),
        },
        ChunkValue::Ip(ip) => ip.to_string(),
        ChunkValue::Mac(mac) => mac_text(mac),
        ChunkValue::Text(octets) => shorten(escape(octets)),
        ChunkValue::Key(length) => blank(length.min(SHOWN_TEXT)),
        ChunkValue::Payload(length) => format!("{length} octets, below"),
        ChunkValue::Octets(octets, remark) => {
            let shown = octets.get(..SHOWN_OCTETS).unwrap_or(octets);
            let more = if shown.len() < octets.len() {
                "…"
            } else {
                ""
            };
            let remark = match remark {
                Remark::Unknown => "unknown",
                Remark::BadWidth => "! wrong width",
            };
            format!("{}{more} ({remark})", hex(shown))
        }
    }
}

fn shorten(text: String) -> String {
    match text.char_indices().nth(SHOWN_TEXT) {
        None => text,
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}

/// What a number stands for.
fn meaning(chunk_type: ChunkType, number: u64) -> Option<String> {
    let small = u8::try_from(number).ok();
    match chunk_type {
        ChunkType::IP_FAMILY => match number {
            2 => Some("IPv4".to_owned()),
            10 | 23 | 24 | 26 | 28 | 30 => Some("IPv6".to_owned()),
            _ => None,
        },
        ChunkType::IP_PROTOCOL => small
            .and_then(|n| hepcat_wire::IpProtocol(n).transport_name())
            .map(str::to_owned),
        ChunkType::PROTOCOL_TYPE => small
            .and_then(|n| hepcat_wire::ProtocolType(n).name())
            .map(str::to_owned),
        ChunkType::TIME_SEC => Some(rfc3339(std::time::Duration::from_secs(number))),
        ChunkType::ETHERNET_TYPE | ChunkType::TCP_FLAGS | ChunkType::IP_TOS => {
            Some(format!("{number:#x}"))
        }
        _ => None,
    }
}

fn header_v12<B: AsRef<[u8]>>(text: &mut Text, message: &Message<B>) {
    let Some(header) = message.header_v12() else {
        return;
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let family = message.ip_family().unwrap_or(0);
    text.line(format_args!(
        "  header length byte    {}",
        header.header_length_byte
    ));
    text.line(format_args!("  ip family             {family}"));
    let protocol = message.ip_protocol().map(|p| match p.transport_name() {
        Some(name) => format!("{} ({name})", p.0),
        None => p.0.to_string(),
    });
    text.line(format_args!("  ip protocol           {}", shown(protocol)));
    let endpoint = |ip: Option<std::net::IpAddr>, port: Option<u16>| match (ip, port) {
        (Some(ip), Some(port)) => std::net::SocketAddr::new(ip, port).to_string(),
        _ => "-".to_owned(),
    };
    text.line(format_args!(
        "  source                {}",
        endpoint(message.src_ip(), message.src_port())
    ));
    text.line(format_args!(
        "  destination           {}",
        endpoint(message.dst_ip(), message.dst_port())
    ));
    let no_end = arrival_of(None);
    if let Some(block) = message.time_block(no_end) {
        let time = message.time(no_end);
        let note = if time.source == TimeSource::Sent {
            rfc3339(time.since_epoch)
        } else {
            "! cannot be".to_owned()
        };
        text.line(format_args!(
            "  time                  {}.{:06} ({note}, {}-endian)",
            block.seconds,
            block.microseconds,
            block.byte_order.name()
        ));
        text.line(format_args!("  capture id            {}", block.capture_id));
    }
    if let Some(padding) = header.padding {
        text.line(format_args!("  padding               {}", hex(&padding)));
    }
    text.line(format_args!(
        "  payload starts at     {}",
        header.payload_offset
    ));
}

fn payload<B: AsRef<[u8]>>(text: &mut Text, message: &Message<B>) {
    let payload = message.payload();
    let Some(octets) = payload.octets() else {
        text.line(format_args!("  no payload"));
        return;
    };
    let inflated = match payload.inflate(InflateLimit::default()) {
        Ok(inflated) => inflated,
        Err(error) => {
            text.line(format_args!("  ! {}: {error}", error.reason()));
            return;
        }
    };
    let shown: &[u8] = match (message.version(), payload.trimmed()) {
        (Version::V1 | Version::V2, Some(trimmed)) => trimmed,
        _ => &inflated,
    };
    let mut remark = String::new();
    if matches!(payload, Payload::Compressed(_)) {
        write!(remark, ", {} inflated", inflated.len()).expect("writing to a String cannot fail");
    }
    if shown.len() < inflated.len() {
        let zeros = inflated.len() - shown.len();
        write!(remark, ", of which {zeros} zeros at the end")
            .expect("writing to a String cannot fail");
    }
    text.line(format_args!("  payload, {} octets{remark}:", octets.len()));
    lines(text, shown);
    let unwrapped = unwrapped(message, shown);
    if let Some(unwrapped) = &unwrapped {
        text.line(format_args!(
            "  wrapped in it (HOMER 6), {} octets:",
            unwrapped.len()
        ));
        lines(text, unwrapped);
    }
    let sip = hepcat_sip::scan(unwrapped.as_deref().unwrap_or(shown));
    if let Some(defect) = sip.and_then(|sip| sip.first_defect()) {
        text.line(format_args!("  ! sip {}: {defect}", defect.reason()));
    }
}

fn lines(text: &mut Text, shown: &[u8]) {
    for line in shown.split_inclusive(|&o| o == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        text.line(format_args!("  | {}", escape(line)));
    }
}
