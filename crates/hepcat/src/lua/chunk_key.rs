//! Which chunk a script means, and what kind of value is in it.

use std::fmt::Display;

use hepcat_wire::{ChunkType, VendorId, fixed_width};

use super::names::suggestion;

/// What OpenSIPS calls chunks. The names of HEP3 rev. 37 are understood beside these.
const OPENSIPS_NAMES: [(&str, ChunkType); 11] = [
    ("proto_family", ChunkType::IP_FAMILY),
    ("proto_id", ChunkType::IP_PROTOCOL),
    ("src_ip", ChunkType::SRC_IPV4),
    ("dst_ip", ChunkType::DST_IPV4),
    ("src_port", ChunkType::SRC_PORT),
    ("dst_port", ChunkType::DST_PORT),
    ("timestamp", ChunkType::TIME_SEC),
    ("timestamp_us", ChunkType::TIME_USEC),
    ("proto_type", ChunkType::PROTOCOL_TYPE),
    ("captagent_id", ChunkType::CAPTURE_ID),
    ("payload", ChunkType::PAYLOAD),
];

/// The last generic type of a contiguous number (HEP3 rev. 37).
const LAST_GENERIC: u16 = 0x0029;

/// Types that belong to vendor 0 in OpenSIPS's documentation, whatever vendor a script gives.
const ALWAYS_GENERIC: std::ops::RangeInclusive<u16> = 0x0001..=0x0012;

/// An end of the captured packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

/// What the value of a generic chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    IpFamily,
    IpProtocol,
    Address(End),
    /// An unsigned integer of so many octets.
    Integer(usize),
    ProtocolType,
    Mac,
    Key,
    Payload,
    /// Octets, usually text.
    Text,
}

/// A chunk of the script's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkKey {
    pub(super) vendor_id: VendorId,
    pub(super) chunk_type: ChunkType,
}

impl ChunkKey {
    /// The generic chunk of that type.
    pub(super) const fn generic(chunk_type: ChunkType) -> Self {
        Self {
            vendor_id: VendorId::GENERIC,
            chunk_type,
        }
    }

    /// The chunk that a script's text means: a name in any case, which is a generic chunk's, or a number, decimal or
    /// `0x…`, as in [`numbered`](Self::numbered).
    ///
    /// # Errors
    /// Neither a known name nor a number from 1 to 65535.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(number) = parse_number(text) {
            return Self::numbered(number);
        }
        let named = OPENSIPS_NAMES.into_iter().chain(generic_names());
        named
            .clone()
            .find(|(name, _)| name.eq_ignore_ascii_case(text))
            .map(|(_, chunk_type)| Self::generic(chunk_type))
            .ok_or_else(|| {
                let near = suggestion(text, named.map(|(name, _)| name));
                format!("unknown chunk name \"{}\"{near}", text.escape_default())
            })
    }

    /// The chunk of a number, for which no vendor is given: vendor 0 for the types that OpenSIPS documents as generic,
    /// else OpenSIPS itself, as its scripts expect.
    ///
    /// # Errors
    /// Not a number from 1 to 65535.
    pub(super) fn numbered<N: TryInto<u16> + Display + Copy>(number: N) -> Result<Self, String> {
        let chunk_type = match number.try_into() {
            Ok(0) | Err(_) => return Err(format!("{number} is no chunk type: 1 to 65535")),
            Ok(number) => ChunkType(number),
        };
        let vendor_id = match ALWAYS_GENERIC.contains(&chunk_type.0) {
            true => VendorId::GENERIC,
            false => VendorId::OPENSIPS,
        };
        Ok(Self {
            vendor_id,
            chunk_type,
        })
    }

    /// The same type under the vendor that was given, if one was.
    pub(super) fn of_vendor(self, vendor_id: Option<VendorId>) -> Self {
        Self {
            vendor_id: vendor_id.unwrap_or(self.vendor_id),
            ..self
        }
    }

    /// What is in it; `None` for chunks of vendors, and for generic ones without a meaning.
    pub(super) fn meaning(self) -> Option<Meaning> {
        if self.vendor_id != VendorId::GENERIC {
            return None;
        }
        self.chunk_type.name()?;
        Some(match self.chunk_type {
            ChunkType::IP_FAMILY => Meaning::IpFamily,
            ChunkType::IP_PROTOCOL => Meaning::IpProtocol,
            ChunkType::SRC_IPV4 | ChunkType::SRC_IPV6 => Meaning::Address(End::Source),
            ChunkType::DST_IPV4 | ChunkType::DST_IPV6 => Meaning::Address(End::Destination),
            ChunkType::PROTOCOL_TYPE => Meaning::ProtocolType,
            ChunkType::SRC_MAC | ChunkType::DST_MAC => Meaning::Mac,
            ChunkType::AUTH_KEY => Meaning::Key,
            ChunkType::PAYLOAD | ChunkType::COMPRESSED_PAYLOAD => Meaning::Payload,
            other => fixed_width(other).map_or(Meaning::Text, Meaning::Integer),
        })
    }

    /// Whether a script may write it.
    ///
    /// # Errors
    /// A type that belongs to vendor 0 under another vendor, and a type without meaning under vendor 0.
    pub(super) fn check_writable(self) -> Result<(), String> {
        let generic = self.vendor_id == VendorId::GENERIC;
        if !generic && ALWAYS_GENERIC.contains(&self.chunk_type.0) {
            return Err(format!(
                "chunk {} belongs to vendor 0, not {}",
                self.chunk_type, self.vendor_id.0
            ));
        }
        if generic && self.chunk_type.name().is_none() {
            return Err(format!(
                "chunk {} has no meaning under vendor 0",
                self.chunk_type
            ));
        }
        Ok(())
    }

    /// How it is named in errors.
    pub(super) fn shown(self) -> String {
        match self.meaning().and_then(|_| self.chunk_type.name()) {
            Some(name) => format!("{name} ({})", self.chunk_type),
            None => format!("chunk {} of vendor {}", self.chunk_type, self.vendor_id.0),
        }
    }
}

/// A number as OpenSIPS writes them: decimal, or hexadecimal behind `0x`.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn generic_names() -> impl Iterator<Item = (&'static str, ChunkType)> + Clone {
    (1..=LAST_GENERIC)
        .chain([ChunkType::EXTRA_CORRELATIONS.0])
        .map(ChunkType)
        .filter_map(|chunk_type| Some((chunk_type.name()?, chunk_type)))
}
