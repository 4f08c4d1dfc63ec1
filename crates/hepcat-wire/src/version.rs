//! HEP versions, and telling from its first octets what a datagram is.

use std::fmt;

/// Version of the protocol that a frame is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Version {
    /// Fixed header without a time; the payload is SIP.
    V1,
    /// The fixed header of version 1 and a block with time and capture agent ID; the payload is SIP.
    V2,
    /// A header of six octets and any number of chunks.
    V3,
}

impl Version {
    /// `1`, `2` or `3`.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.number().fmt(f)
    }
}

/// What the first octets of a datagram say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sniffed {
    /// HEPv1.
    V1,
    /// HEPv2.
    V2,
    /// HEPv3, also under its other names `EEP3` and `EEP1`.
    V3,
    /// Fewer than 6 octets, only CR, LF and NUL, or the greeting `HELLO` of HFP: count it, it is no error.
    KeepAlive,
    /// A gzip member; heplify packs whole messages so ([`gunzip`](crate::gunzip)).
    Gzip,
    /// The protobuf form of heplify 1.x ([`from_protobuf`](crate::from_protobuf)).
    Protobuf,
    /// Nothing known.
    Unknown,
}

/// The names under which HEPv3 travels: the published one, the one that revision 37 allows besides, and that of
/// the 2013 draft. All three are framed alike; nothing studied sends the last two.
pub(crate) const MAGICS: [[u8; 4]; 3] = [*b"HEP3", *b"EEP3", *b"EEP1"];

/// Tells what a datagram is, by its first octets only: a frame of a known version need not decode.
#[must_use]
pub fn sniff(datagram: &[u8]) -> Sniffed {
    if let Some(magic) = datagram.first_chunk::<4>()
        && MAGICS.contains(magic)
    {
        return Sniffed::V3;
    }
    match datagram {
        [0x01, ..] => Sniffed::V1,
        [0x02, ..] => Sniffed::V2,
        short if short.len() < 6 => Sniffed::KeepAlive,
        [0x08, ..] => Sniffed::Protobuf,
        [0x1f, 0x8b, ..] => Sniffed::Gzip,
        [b'H', b'E', b'L', b'L', b'O', ..] => Sniffed::KeepAlive,
        other if other.iter().all(|octet| is_keep_alive(*octet)) => Sniffed::KeepAlive,
        _ => Sniffed::Unknown,
    }
}

/// Octets that senders put between messages to keep a path open.
pub(crate) const fn is_keep_alive(octet: u8) -> bool {
    matches!(octet, b'\r' | b'\n' | 0)
}
