//! The captured payload, and inflating it under a limit.

use std::{
    borrow::Cow,
    io::{Read, Write},
};

use flate2::{Decompress, FlushDecompress, Status, bufread::GzDecoder, write::GzEncoder};

use crate::{
    chunk::{ChunkType, trim_nul},
    error::{DecodeError, DecodeErrorKind},
};

/// What a message carries.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload<'a> {
    /// Neither of the payload chunks is there. An empty payload is [`Plain`](Self::Plain) or
    /// [`Compressed`](Self::Compressed).
    Absent,
    /// As captured (generic chunk `0x000f`; the rest of the frame in versions 1 and 2).
    Plain(&'a [u8]),
    /// Said to be compressed (generic chunk `0x0010`).
    Compressed(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// The octets as they stand in the frame, compressed or not.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> Option<&'a [u8]> {
        match self {
            Self::Absent => None,
            Self::Plain(octets) | Self::Compressed(octets) => Some(octets),
        }
    }

    /// [`octets`](Self::octets) without NULs at the end: OpenSIPS 3 and 4 send 8 or 32 of them behind the payload
    /// of versions 1 and 2 (`opensips-v1-ipv4-udp-invite`).
    #[must_use]
    pub fn trimmed(self) -> Option<&'a [u8]> {
        self.octets().map(trim_nul)
    }

    /// The payload as it was captured; nothing where there is none.
    ///
    /// What a compressed payload is, its first octets say: gzip (OpenSIPS), zlib (captagent, hep-c), text that is not
    /// compressed at all (relayed by OpenSIPS, `opensips-relay-v3-decompressed-mislabelled`), else raw deflate. One
    /// member is inflated; octets behind it are ignored.
    ///
    /// # Errors
    /// [`DecodeErrorKind::BadCompression`] where the octets do not inflate or pass the limit. The compressed octets
    /// remain readable.
    pub fn inflate(self, limit: InflateLimit) -> Result<Cow<'a, [u8]>, DecodeError> {
        let octets = match self {
            Self::Absent => return Ok(Cow::Borrowed(&[])),
            Self::Plain(octets) => return Ok(Cow::Borrowed(octets)),
            Self::Compressed(octets) => octets,
        };
        let inflated = match Compression::of(octets) {
            Compression::None => return Ok(Cow::Borrowed(octets)),
            Compression::Gzip => inflate_gzip(octets, limit),
            Compression::Zlib => inflate_deflate(octets, true, limit),
            Compression::Deflate => inflate_deflate(octets, false, limit),
        };
        match inflated {
            Some(payload) => Ok(Cow::Owned(payload)),
            None => Err(DecodeError::new(DecodeErrorKind::BadCompression, 0)
                .lengths(limit.for_input(octets.len()), octets.len())
                .of_chunk(ChunkType::COMPRESSED_PAYLOAD)),
        }
    }
}

impl std::fmt::Debug for Payload<'_> {
    /// Kind and length: payloads carry phone numbers.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Plain(octets) => write!(f, "Plain({} octets)", octets.len()),
            Self::Compressed(octets) => write!(f, "Compressed({} octets)", octets.len()),
        }
    }
}

/// How far to inflate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InflateLimit {
    max_octets: usize,
    max_ratio: usize,
}

impl InflateLimit {
    /// At most this many octets come out.
    #[must_use]
    pub const fn max_octets(self, max_octets: usize) -> Self {
        Self { max_octets, ..self }
    }

    /// At most this many times the compressed octets come out.
    #[must_use]
    pub const fn max_ratio(self, max_ratio: usize) -> Self {
        Self { max_ratio, ..self }
    }

    /// Octets that may come out of so many.
    fn for_input(self, octets: usize) -> usize {
        self.max_octets.min(octets.saturating_mul(self.max_ratio))
    }
}

impl Default for InflateLimit {
    /// 65,535 octets, what a frame holds that is not compressed, and 1,000 to 1, below the 1,032 to 1 that deflate
    /// can reach.
    fn default() -> Self {
        Self {
            max_octets: 65_535,
            max_ratio: 1000,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zlib,
    Deflate,
}

impl Compression {
    /// How many octets must look like text: sixteen of random octets do so once in five million.
    const TEXT_OCTETS: usize = 16;

    fn of(octets: &[u8]) -> Self {
        match octets {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [first, second, ..]
                if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0 =>
            {
                Self::Zlib
            }
            _ if octets.iter().take(Self::TEXT_OCTETS).all(is_text) => Self::None,
            _ => Self::Deflate,
        }
    }
}

fn is_text(octet: &u8) -> bool {
    matches!(octet, b' '..=b'~' | b'\r' | b'\n' | b'\t')
}

/// One gzip member; `None` where it is broken or too large.
pub(crate) fn inflate_gzip(octets: &[u8], limit: InflateLimit) -> Option<Vec<u8>> {
    let mut out = Bounded::new(octets.len(), limit);
    let mut decoder = GzDecoder::new(octets);
    let mut piece = [0; 4096];
    loop {
        match decoder.read(&mut piece) {
            Ok(0) => return Some(out.octets),
            Ok(count) => out.push(piece.get(..count)?)?,
            Err(_) => return None,
        }
    }
}

fn inflate_deflate(octets: &[u8], zlib_header: bool, limit: InflateLimit) -> Option<Vec<u8>> {
    let mut out = Bounded::new(octets.len(), limit);
    let mut decoder = Decompress::new(zlib_header);
    let mut piece = [0; 4096];
    loop {
        let consumed = usize::try_from(decoder.total_in()).ok()?;
        let before = decoder.total_out();
        let status = decoder
            .decompress(octets.get(consumed..)?, &mut piece, FlushDecompress::None)
            .ok()?;
        let count = usize::try_from(decoder.total_out() - before).ok()?;
        out.push(piece.get(..count)?)?;
        match status {
            Status::StreamEnd => return Some(out.octets),
            // Neither taking nor giving: the end is missing.
            _ if count == 0 && decoder.total_in() == consumed as u64 => return None,
            _ => {}
        }
    }
}

/// A vector that never has room for more than the limit.
struct Bounded {
    octets: Vec<u8>,
    limit: usize,
}

impl Bounded {
    fn new(compressed: usize, limit: InflateLimit) -> Self {
        let limit = limit.for_input(compressed);
        Self {
            octets: Vec::with_capacity(limit.min(compressed.saturating_mul(4))),
            limit,
        }
    }

    fn push(&mut self, piece: &[u8]) -> Option<()> {
        let needed = self.octets.len().checked_add(piece.len())?;
        if needed > self.limit {
            return None;
        }
        if needed > self.octets.capacity() {
            let capacity = needed.max(self.octets.capacity() * 2).min(self.limit);
            self.octets.reserve_exact(capacity - self.octets.len());
        }
        self.octets.extend_from_slice(piece);
        Some(())
    }
}

/// A gzip member of the octets, where that is smaller than they are.
pub(crate) fn gzip_if_smaller(octets: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(octets).ok()?;
    encoder
        .finish()
        .ok()
        .filter(|gzip| gzip.len() < octets.len())
}
