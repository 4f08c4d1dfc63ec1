//! Values of chunks, as scripts write and read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hepcat_wire::{AddressFamily, IpProtocol};
use mlua::Value;

use super::chunk_key::{ChunkKey, Meaning, parse_number};

/// How OpenSIPS's scripts name the type of a chunk's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataType {
    Uint8,
    Uint16,
    Uint32,
    Inet4,
    Inet6,
    Utf8,
    Octets,
}

impl DataType {
    pub(super) const NAMES: [(&str, Self); 7] = [
        ("uint8", Self::Uint8),
        ("uint16", Self::Uint16),
        ("uint32", Self::Uint32),
        ("inet4-addr", Self::Inet4),
        ("inet6-addr", Self::Inet6),
        ("utf8-string", Self::Utf8),
        ("octet-string", Self::Octets),
    ];

    /// The type of that name, in any case.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        let (_, found) = names.find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()))?;
        Some(found)
    }

    pub(super) fn name(self) -> &'static str {
        let mut names = Self::NAMES.into_iter();
        names
            .find(|(_, it)| *it == self)
            .map_or("", |(name, _)| name)
    }

    /// Octets of a value; `None` for texts.
    pub(super) const fn width(self) -> Option<usize> {
        match self {
            Self::Uint8 => Some(1),
            Self::Uint16 => Some(2),
            Self::Uint32 | Self::Inet4 => Some(4),
            Self::Inet6 => Some(16),
            Self::Utf8 | Self::Octets => None,
        }
    }

    const fn is_integer(self) -> bool {
        matches!(self, Self::Uint8 | Self::Uint16 | Self::Uint32)
    }
}

/// What is written into a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Octets(Vec<u8>),
    Address(IpAddr),
}

/// The octets for a chunk. Without a type a value is written as the chunk needs it, and as text into chunks of vendors.
///
/// # Errors
/// A type that the chunk does not have, a value that does not fit the type, a text that is not UTF-8.
pub(super) fn encode(
    key: ChunkKey,
    data: &Value,
    data_type: Option<DataType>,
) -> Result<Written, String> {
    let fixed = match key.meaning() {
        None | Some(Meaning::Text | Meaning::Key) => {
            return encode_as(data, data_type.unwrap_or(DataType::Utf8)).map(Written::Octets);
        }
        Some(Meaning::Payload) => {
            return encode_as(data, data_type.unwrap_or(DataType::Octets)).map(Written::Octets);
        }
        Some(fixed) => fixed,
    };
    check_width(key, fixed, data_type)?;
    Ok(Written::Octets(match fixed {
        Meaning::Address(_) => {
            let text = text_of(data)?;
            let address: Result<IpAddr, _> = text.trim().parse();
            let address = address.map_err(|_| not_an_address(&text))?;
            if data_type == Some(DataType::Inet4) && address.is_ipv6() {
                return Err(format!("\"{text}\" is no IPv4 address"));
            }
            if data_type == Some(DataType::Inet6) && address.is_ipv4() {
                return Err(format!("\"{text}\" is no IPv6 address"));
            }
            return Ok(Written::Address(address));
        }
        Meaning::IpFamily => vec![family(data)?],
        Meaning::IpProtocol => vec![ip_protocol(data)?],
        Meaning::ProtocolType => vec![protocol_type(data)?],
        Meaning::Mac => mac(data)?,
        Meaning::Integer(octets) => integer_octets(data, octets)?,
        Meaning::Text | Meaning::Key | Meaning::Payload => Vec::new(),
    }))
}

/// A type of numbers or addresses must be the one that the chunk has.
fn check_width(key: ChunkKey, fixed: Meaning, data_type: Option<DataType>) -> Result<(), String> {
    let Some(data_type) = data_type else {
        return Ok(());
    };
    let Some(width) = data_type.width() else {
        return Ok(());
    };
    let (needed, fits) = match fixed {
        Meaning::Address(_) => ("an address".to_owned(), !data_type.is_integer()),
        Meaning::Mac => ("a MAC address".to_owned(), false),
        Meaning::Integer(octets) => (
            octets_text(octets),
            width == octets && data_type.is_integer(),
        ),
        _ => (octets_text(1), width == 1),
    };
    if fits {
        Ok(())
    } else {
        Err(format!(
            "wrong width: {} takes {needed}, {} has {}",
            key.shown(),
            data_type.name(),
            octets_text(width)
        ))
    }
}

fn encode_as(data: &Value, data_type: DataType) -> Result<Vec<u8>, String> {
    match data_type {
        DataType::Uint8 => integer_octets(data, 1),
        DataType::Uint16 => integer_octets(data, 2),
        DataType::Uint32 => integer_octets(data, 4),
        DataType::Inet4 => {
            let text = text_of(data)?;
            let address: Ipv4Addr = text.parse().map_err(|_| not_an_address(&text))?;
            Ok(address.octets().to_vec())
        }
        DataType::Inet6 => {
            let text = text_of(data)?;
            let address: Ipv6Addr = text.parse().map_err(|_| not_an_address(&text))?;
            Ok(address.octets().to_vec())
        }
        DataType::Utf8 => text_of(data).map(String::into_bytes),
        DataType::Octets => octets_of(data),
    }
}

/// A value of a chunk without a meaning of its own, read as a type.
///
/// # Errors
/// The chunk has not as many octets as the type.
pub(super) fn decode(key: ChunkKey, octets: &[u8], data_type: DataType) -> Result<Decoded, String> {
    let wrong = |needed: usize| {
        format!(
            "wrong width: {} has {}, {} has {}",
            key.shown(),
            octets_text(octets.len()),
            data_type.name(),
            octets_text(needed)
        )
    };
    if let Some(width) = data_type.width()
        && width != octets.len()
    {
        return Err(wrong(width));
    }
    Ok(match data_type {
        DataType::Uint8 | DataType::Uint16 | DataType::Uint32 => {
            let number = octets.iter().fold(0, |n, octet| n << 8 | i64::from(*octet));
            Decoded::Integer(number)
        }
        DataType::Inet4 | DataType::Inet6 => match ip_of(octets) {
            Some(address) => Decoded::Address(address),
            None => return Err(wrong(octets.len())),
        },
        DataType::Utf8 | DataType::Octets => Decoded::Octets,
    })
}

/// What a chunk's octets were read as.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    Integer(i64),
    Address(IpAddr),
    /// The octets as they are.
    Octets,
}

fn ip_of(octets: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

/// Octets of a text, or of a number as it is written.
///
/// # Errors
/// Other values.
pub(super) fn octets_of(data: &Value) -> Result<Vec<u8>, String> {
    match data {
        Value::String(text) => Ok(text.as_bytes().to_vec()),
        Value::Integer(number) => Ok(number.to_string().into_bytes()),
        Value::Number(number) => Ok(number.to_string().into_bytes()),
        other => Err(format!("a {} is no text", other.type_name())),
    }
}

/// As [`octets_of`], of UTF-8.
///
/// # Errors
/// As [`octets_of`], and a text that is not UTF-8.
pub(super) fn text_of(data: &Value) -> Result<String, String> {
    String::from_utf8(octets_of(data)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!(
            "the text is not UTF-8 at octet {}; octet-string takes any octets",
            at + 1
        )
    })
}

/// A whole number: Lua's own, or a text of one.
///
/// # Errors
/// Anything else.
pub(super) fn integer_of(data: &Value) -> Result<i64, String> {
    let not_whole = || format!("{} is no whole number", shown(data));
    match data {
        Value::Integer(number) => Ok(*number),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a whole number in the range"
        )]
        Value::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => Ok(*number as i64),
        Value::String(_) => {
            let text = text_of(data)?;
            let number = parse_number(text.trim()).and_then(|number| i64::try_from(number).ok());
            number
                .or_else(|| text.trim().parse().ok())
                .ok_or_else(not_whole)
        }
        _ => Err(not_whole()),
    }
}

fn integer_octets(data: &Value, octets: usize) -> Result<Vec<u8>, String> {
    let number = integer_of(data)?;
    let bytes = number.to_be_bytes();
    let (above, value) = bytes.split_at(bytes.len().saturating_sub(octets));
    if number < 0 || above.iter().any(|octet| *octet != 0) {
        return Err(format!("{number} does not fit {}", octets_text(octets)));
    }
    Ok(value.to_vec())
}

fn family(data: &Value) -> Result<u8, String> {
    if let Ok(number) = integer_of(data) {
        let number = u8::try_from(number).ok();
        let known = number.filter(|number| AddressFamily::from_wire(*number).is_some());
        return known.ok_or_else(|| format!("{} is no address family", shown(data)));
    }
    match text_of(data)?.to_ascii_uppercase().as_str() {
        "AF_INET" => Ok(AddressFamily::V4.to_wire()),
        "AF_INET6" => Ok(AddressFamily::V6.to_wire()),
        _ => Err(format!("{} is neither AF_INET nor AF_INET6", shown(data))),
    }
}

fn ip_protocol(data: &Value) -> Result<u8, String> {
    if let Ok(number) = integer_of(data) {
        return u8::try_from(number)
            .map_err(|_| format!("{number} does not fit {}", octets_text(1)));
    }
    let text = text_of(data)?.to_ascii_lowercase();
    let found = match text.as_str() {
        "udp" => IpProtocol::UDP,
        "tcp" => IpProtocol::TCP,
        "tls" => IpProtocol::TLS,
        "sctp" => IpProtocol::SCTP,
        "ws" | "wss" => IpProtocol::WS,
        _ => {
            return Err(format!(
                "{} is none of udp, tcp, tls, sctp, ws and wss",
                shown(data)
            ));
        }
    };
    Ok(found.0)
}

/// OpenSIPS's names of protocol types, by number from 1.
const PROTOCOL_TYPES: [&str; 12] = [
    "SIP", "XMPP", "SDP", "RTP", "RTCP", "MGCP", "MEGACO", "M2UA", "M3UA", "IAX", "H322", "H321",
];

/// The number of a protocol type: given as such, or by OpenSIPS's name of it.
///
/// # Errors
/// Anything else.
pub(super) fn protocol_type(data: &Value) -> Result<u8, String> {
    if let Ok(number) = integer_of(data) {
        return u8::try_from(number)
            .map_err(|_| format!("{number} does not fit {}", octets_text(1)));
    }
    let text = text_of(data)?;
    PROTOCOL_TYPES
        .iter()
        .position(|name| name.eq_ignore_ascii_case(&text))
        .and_then(|index| u8::try_from(index + 1).ok())
        .ok_or_else(|| format!("{} is no protocol type", shown(data)))
}

/// OpenSIPS's name of a protocol type.
pub(super) fn protocol_type_name(number: u8) -> Option<&'static str> {
    PROTOCOL_TYPES
        .get(usize::from(number).checked_sub(1)?)
        .copied()
}

/// Eight octets with the address in the lower six (HEP3 rev. 37).
fn mac(data: &Value) -> Result<Vec<u8>, String> {
    let text = text_of(data)?;
    let octets: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|part| (part.len() == 2).then(|| u8::from_str_radix(part, 16).ok())?)
        .collect();
    match octets {
        Some(octets) if octets.len() == 6 => Ok([&[0, 0], octets.as_slice()].concat()),
        _ => Err(format!("{} is no MAC address", shown(data))),
    }
}

fn not_an_address(text: &str) -> String {
    format!("\"{}\" is no address", text.escape_default())
}

fn octets_text(octets: usize) -> String {
    match octets {
        1 => "1 octet".to_owned(),
        octets => format!("{octets} octets"),
    }
}

/// A value in an error: short, and printable.
pub(super) fn shown(data: &Value) -> String {
    const LONGEST: usize = 40;
    match data {
        Value::String(text) => {
            let text = text.to_string_lossy();
            let cut: String = text.chars().take(LONGEST).collect();
            let more = if cut.len() < text.len() { "…" } else { "" };
            format!("\"{}{more}\"", cut.escape_debug())
        }
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        other => other.type_name().to_owned(),
    }
}
