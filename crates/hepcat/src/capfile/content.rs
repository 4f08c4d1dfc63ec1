//! What a payload holds, told from its first octets: ports say nothing about SIP or HEP.

use std::io::Read;

use flate2::bufread::GzDecoder;
use hepcat_wire::{Message, Version};

/// Largest HEP message (its length field has 16 bits).
pub(super) const MAX_FRAME: usize = 65_535;

/// What a payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A HEP frame, well formed or not.
    Hep,
    /// One SIP message.
    Sip,
    /// Something else; the label says what, as far as that is known: `rtcp`, `rtp`, `keep_alive`,
    /// `other`.
    Other(&'static str),
}

/// Octets that were recognised: as they are, or, for a gzipped HEP message, what was inside.
#[derive(Debug)]
pub(super) enum Recognised {
    AsIs(Content),
    Inflated(Vec<u8>),
}

/// Looks at the payload of one UDP datagram.
pub(super) fn of_datagram(payload: &[u8]) -> Recognised {
    if is_hep3(payload) {
        return Recognised::AsIs(Content::Hep);
    }
    if is_keep_alive(payload) {
        return Recognised::AsIs(Content::Other("keep_alive"));
    }
    if let Gzip::Message { frame, .. } = gzip(payload) {
        return Recognised::Inflated(frame);
    }
    if is_sip(payload) {
        return Recognised::AsIs(Content::Sip);
    }
    if is_hep12(payload) {
        return Recognised::AsIs(Content::Hep);
    }
    Recognised::AsIs(Content::Other(match payload {
        [first, 200..=207, ..] if first >> 6 == 2 => "rtcp",
        [first, ..] if first >> 6 == 2 => "rtp",
        _ => "other",
    }))
}

/// The magic of HEPv3 under any of its names (hep-wire: `HEP3`, and `EEP3`, `EEP1` of the drafts).
pub(super) fn is_hep3(octets: &[u8]) -> bool {
    matches!(octets.get(..4), Some(b"HEP3" | b"EEP3" | b"EEP1"))
}

fn is_keep_alive(payload: &[u8]) -> bool {
    payload.len() < 6 || payload.iter().all(|o| matches!(o, b'\r' | b'\n' | 0))
}

/// HEPv1 and v2 have no magic: the family must be known, the transport one that occurs, and either the
/// length byte one that emitters write or the payload SIP.
fn is_hep12(payload: &[u8]) -> bool {
    let Ok(message) = Message::parse_lax(payload) else {
        return false;
    };
    if !matches!(message.version(), Version::V1 | Version::V2) {
        return false;
    }
    let transport = matches!(payload.get(3), Some(1 | 6 | 17 | 22 | 50 | 132));
    let usual_length = matches!(payload.get(1), Some(16 | 28 | 40 | 52));
    transport && (usual_length || message.payload().octets().is_some_and(is_sip))
}

/// A payload whose first line is a SIP start line (RFC 3261 §7.1, §7.2).
pub(super) fn is_sip(payload: &[u8]) -> bool {
    let start = payload
        .iter()
        .position(|o| !matches!(o, b'\r' | b'\n'))
        .unwrap_or(payload.len());
    let rest = payload.get(start..).unwrap_or_default();
    let line = match memchr::memchr(b'\n', rest.get(..MAX_LINE.min(rest.len())).unwrap_or(rest)) {
        Some(end) => rest.get(..end).unwrap_or_default(),
        None => return false,
    };
    is_sip_line(line)
}

/// Longer request URIs do not occur.
pub(super) const MAX_LINE: usize = 8 * 1024;

/// A SIP start line without its line end.
pub(super) fn is_sip_line(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    if line.len() >= 8
        && line
            .get(..8)
            .is_some_and(|l| l.eq_ignore_ascii_case(b"SIP/2.0 "))
    {
        return true;
    }
    let method = line.iter().position(|&o| o == b' ').unwrap_or(0);
    let version = line.len().checked_sub(8).and_then(|at| line.get(at..));
    // Between the two stands a URI: a method that is followed by the version alone is none.
    let has_uri = method + b"  SIP/2.0".len() < line.len();
    has_uri
        && (1..=32).contains(&method)
        && line.iter().take(method).all(|&o| is_token(o))
        && version.is_some_and(|v| v.eq_ignore_ascii_case(b" SIP/2.0"))
}

/// RFC 3261 §25.1, `token`.
pub(super) fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet)
}

/// One gzip member at the start of some octets.
pub(super) enum Gzip {
    /// A HEP message; `consumed` octets of the input are its member.
    Message { frame: Vec<u8>, consumed: usize },
    /// The member goes on behind the octets at hand.
    Incomplete,
    /// Not gzip, or broken, or something else inside, or more than a HEP message can hold.
    No,
}

pub(super) fn gzip(octets: &[u8]) -> Gzip {
    if !octets.starts_with(&[0x1f, 0x8b]) {
        return Gzip::No;
    }
    let mut member = GzDecoder::new(octets);
    let mut frame = Vec::new();
    let limit = MAX_FRAME as u64 + 1;
    match member.by_ref().take(limit).read_to_end(&mut frame) {
        Ok(_) if is_hep3(&frame) && frame.len() <= MAX_FRAME => {
            let left = member.into_inner().len();
            Gzip::Message {
                frame,
                consumed: octets.len() - left,
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Gzip::Incomplete,
        Ok(_) | Err(_) => Gzip::No,
    }
}
