//! What a chunk's value means, for showing.

use std::net::{Ipv4Addr, Ipv6Addr};

use hepcat_wire::{Chunk, ChunkType, VendorId};

/// A value read by its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ChunkValue<'a> {
    Number(u64),
    Ip(std::net::IpAddr),
    Mac([u8; 6]),
    Text(&'a [u8]),
    /// An authenticate key of this many octets, which is all that is said about it.
    Key(usize),
    /// Shown apart.
    Payload(usize),
    /// Nobody knows what it means, or it has the wrong width for what it should be.
    Octets(&'a [u8], Remark),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remark {
    Unknown,
    BadWidth,
}

impl Remark {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "unknown_chunk",
            Self::BadWidth => "bad_width",
        }
    }
}

/// Stands for a key: as long as the key, so that its length can be checked.
pub(super) fn blank(length: usize) -> String {
    "*".repeat(length)
}

pub(super) fn of<'a>(chunk: &Chunk<'a>) -> ChunkValue<'a> {
    of_parts(chunk.vendor_id(), chunk.chunk_type(), chunk.value())
}

pub(super) fn of_parts(vendor_id: VendorId, chunk_type: ChunkType, value: &[u8]) -> ChunkValue<'_> {
    if vendor_id != VendorId::GENERIC {
        return ChunkValue::Octets(value, Remark::Unknown);
    }
    let read = match chunk_type {
        ChunkType::AUTH_KEY => return ChunkValue::Key(value.len()),
        ChunkType::PAYLOAD | ChunkType::COMPRESSED_PAYLOAD => {
            return ChunkValue::Payload(value.len());
        }
        ChunkType::IP_FAMILY
        | ChunkType::IP_PROTOCOL
        | ChunkType::PROTOCOL_TYPE
        | ChunkType::TCP_FLAGS
        | ChunkType::IP_TOS => number::<1>(value),
        ChunkType::SRC_PORT
        | ChunkType::DST_PORT
        | ChunkType::KEEP_ALIVE
        | ChunkType::VLAN_ID
        | ChunkType::ETHERNET_TYPE
        | ChunkType::MOS
        | ChunkType::R_FACTOR
        | ChunkType::TAG_TYPE
        | ChunkType::EVENT_TYPE => number::<2>(value),
        ChunkType::TIME_SEC | ChunkType::TIME_USEC | ChunkType::CAPTURE_ID | ChunkType::JITTER => {
            number::<4>(value)
        }
        ChunkType::SRC_IPV4 | ChunkType::DST_IPV4 => ipv4(value),
        ChunkType::SRC_IPV6 | ChunkType::DST_IPV6 => {
            let octets = <[u8; 16]>::try_from(value).ok();
            octets.map(|o| ChunkValue::Ip(Ipv6Addr::from(o).into()))
        }
        ChunkType::SRC_MAC | ChunkType::DST_MAC => mac(value),
        known if known.name().is_some() => Some(ChunkValue::Text(value)),
        _ => return ChunkValue::Octets(value, Remark::Unknown),
    };
    read.unwrap_or(ChunkValue::Octets(value, Remark::BadWidth))
}

fn number<'a, const WIDTH: usize>(value: &[u8]) -> Option<ChunkValue<'a>> {
    (value.len() == WIDTH).then(|| {
        let number = value.iter().fold(0, |sum, &o| sum << 8 | u64::from(o));
        ChunkValue::Number(number)
    })
}

/// Four octets, or an IPv4-mapped address of sixteen (hep-wire: the HFP ping sends one).
fn ipv4<'a>(value: &[u8]) -> Option<ChunkValue<'a>> {
    if let Ok(octets) = <[u8; 4]>::try_from(value) {
        return Some(ChunkValue::Ip(Ipv4Addr::from(octets).into()));
    }
    let mapped = <[u8; 16]>::try_from(value).ok().map(Ipv6Addr::from)?;
    Some(ChunkValue::Ip(mapped.to_ipv4_mapped()?.into()))
}

fn mac<'a>(value: &[u8]) -> Option<ChunkValue<'a>> {
    let low = match value.len() {
        6 => value,
        8 => value.get(2..)?,
        _ => return None,
    };
    <[u8; 6]>::try_from(low).ok().map(ChunkValue::Mac)
}

pub(super) fn mac_text(mac: [u8; 6]) -> String {
    let octets: Vec<_> = mac.iter().map(|o| format!("{o:02x}")).collect();
    octets.join(":")
}

pub(super) fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut text, octet| {
        write!(text, "{octet:02x}").expect("writing to a String cannot fail");
        text
    })
}

/// The chunks of a frame that does not decode, as far as they can be followed: header and value of each.
pub(super) fn partial(frame: &[u8]) -> Vec<PartialChunk<'_>> {
    let mut chunks = Vec::new();
    if !matches!(frame.get(..4), Some(b"HEP3" | b"EEP3" | b"EEP1")) {
        return chunks;
    }
    let total = match frame.get(4..6) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])).min(frame.len()),
        _ => return chunks,
    };
    let mut offset = 6;
    while let Some(rest) = frame.get(offset..total)
        && let Some(&[v1, v2, t1, t2, l1, l2]) = rest.first_chunk::<6>()
    {
        let length = usize::from(u16::from_be_bytes([l1, l2]));
        let Some(value) = rest.get(6..length) else {
            break;
        };
        chunks.push(PartialChunk {
            offset,
            vendor_id: VendorId(u16::from_be_bytes([v1, v2])),
            chunk_type: ChunkType(u16::from_be_bytes([t1, t2])),
            value,
        });
        offset += length;
    }
    chunks
}

/// A chunk outside a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct PartialChunk<'a> {
    pub(super) offset: usize,
    pub(super) vendor_id: VendorId,
    pub(super) chunk_type: ChunkType,
    pub(super) value: &'a [u8],
}

impl<'a> From<Chunk<'a>> for PartialChunk<'a> {
    fn from(chunk: Chunk<'a>) -> Self {
        Self {
            offset: chunk.offset(),
            vendor_id: chunk.vendor_id(),
            chunk_type: chunk.chunk_type(),
            value: chunk.value(),
        }
    }
}

impl<'a> PartialChunk<'a> {
    /// Of the generic types; other vendors' numbers mean something else.
    pub(super) fn name(&self) -> Option<&'static str> {
        (self.vendor_id == VendorId::GENERIC)
            .then(|| self.chunk_type.name())
            .flatten()
    }

    /// Octets of header and value.
    pub(super) fn length(&self) -> usize {
        self.value.len() + 6
    }

    pub(super) fn meaning(&self) -> ChunkValue<'a> {
        of_parts(self.vendor_id, self.chunk_type, self.value)
    }
}
