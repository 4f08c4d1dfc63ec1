//! A decoded frame.

use std::{fmt, time::Duration};

use crate::{
    chunk::{Chunk, ChunkType, Chunks, FRAME_HEADER, VendorId},
    defects::Defects,
    error::{DecodeError, DecodeErrorKind},
    field_map::{FieldMap, Mode, slot},
    payload::Payload,
    protocol_type::ProtocolType,
    time::{MessageTime, TimeBlock},
    v12::{self, HeaderV12},
    version::Version,
};

/// A view over the octets of one frame: `Message<&[u8]>` to look at it, `Message<Bytes>` to keep it.
///
/// Decoding notes where each field stands, copies nothing and allocates nothing; accessors read from the octets. All
/// fields are as sent: what they mean where senders lie is the caller's decision, with the methods that say so.
///
/// ```
/// # fn main() -> Result<(), hepcat_wire::DecodeError> {
/// let frame = b"HEP3\x00\x1a\0\0\0\x07\0\x08\x13\xc4\0\0\0\x0f\0\x0cINVITE";
/// let message = hepcat_wire::Message::parse(frame)?;
/// assert_eq!(message.src_port(), Some(5060));
/// assert_eq!(message.payload().octets(), Some(&b"INVITE"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy)]
pub struct Message<B> {
    pub(crate) octets: B,
    pub(crate) map: FieldMap,
}

impl<B: AsRef<[u8]>> Message<B> {
    /// Decodes one frame and nothing but that.
    ///
    /// # Errors
    /// Whatever is wrong with the frame, also what [`parse_lax`](Self::parse_lax) puts up with: octets after the
    /// declared total, and a generic chunk of the wrong width.
    #[inline]
    pub fn parse(frame: B) -> Result<Self, DecodeError> {
        let mut message = Self::unread(frame);
        message.map.fill(message.octets.as_ref(), Mode::Strict)?;
        Ok(message)
    }

    /// Decodes one datagram or deframed frame as a capture node does: what can be put up with is noted in
    /// [`defects`](Self::defects).
    ///
    /// # Errors
    /// Where the frame cannot be followed to its end; half a result is never given.
    #[inline]
    pub fn parse_lax(frame: B) -> Result<Self, DecodeError> {
        let mut message = Self::unread(frame);
        message.map.fill(message.octets.as_ref(), Mode::Lax)?;
        Ok(message)
    }

    /// As [`parse_lax`](Self::parse_lax), giving the octets back where they do not decode.
    ///
    /// # Errors
    /// As [`parse_lax`](Self::parse_lax).
    #[inline]
    pub fn try_parse_lax(frame: B) -> Result<Self, (DecodeError, B)> {
        let mut message = Self::unread(frame);
        match message.map.fill(message.octets.as_ref(), Mode::Lax) {
            Ok(()) => Ok(message),
            Err(error) => Err((error, message.octets)),
        }
    }

    #[inline]
    const fn unread(frame: B) -> Self {
        Self {
            octets: frame,
            map: FieldMap::new(),
        }
    }

    /// What the message decoded in spite of.
    #[must_use]
    pub const fn defects(&self) -> Defects {
        self.map.defects
    }

    /// Version of the protocol.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.map.version
    }

    /// Exactly the HEP packet: without octets that follow its declared total.
    #[inline]
    #[must_use]
    pub fn as_frame(&self) -> &[u8] {
        let received = self.octets.as_ref();
        received
            .get(..usize::from(self.map.frame_len))
            .unwrap_or(received)
    }

    /// The octets that were given to be decoded.
    #[must_use]
    pub fn as_received(&self) -> &[u8] {
        self.octets.as_ref()
    }

    /// Gives the octets back.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.octets
    }

    /// The octets, as the type that holds them.
    #[must_use]
    pub const fn inner(&self) -> &B {
        &self.octets
    }

    /// The same message over borrowed octets.
    #[must_use]
    pub fn borrowed(&self) -> Message<&[u8]> {
        Message {
            octets: self.octets.as_ref(),
            map: self.map,
        }
    }

    /// All chunks in wire order, known or not; none in versions 1 and 2.
    #[must_use]
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks::new(match self.map.version {
            Version::V3 => self
                .as_frame()
                .get(usize::from(FRAME_HEADER)..)
                .unwrap_or_default(),
            Version::V1 | Version::V2 => &[],
        })
    }

    /// The last chunk of this vendor and type, of whatever width.
    #[must_use]
    pub fn chunk(&self, vendor_id: VendorId, chunk_type: ChunkType) -> Option<Chunk<'_>> {
        self.chunks()
            .filter(|chunk| chunk.vendor_id() == vendor_id && chunk.chunk_type() == chunk_type)
            .last()
    }

    /// The captured payload. A plain one wins over a compressed one, whatever their order.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> Payload<'_> {
        if self.map.version != Version::V3 {
            let at = self.map.value_at(slot(ChunkType::PAYLOAD));
            return Payload::Plain(self.as_frame().get(at..).unwrap_or_default());
        }
        if let Some(octets) = self.value(ChunkType::PAYLOAD) {
            Payload::Plain(octets)
        } else if let Some(octets) = self.value(ChunkType::COMPRESSED_PAYLOAD) {
            Payload::Compressed(octets)
        } else {
            Payload::Absent
        }
    }

    /// Whether the message has what capturing it takes: a protocol type, and a payload unless it is a correlation
    /// event of OpenSIPS with something to correlate.
    ///
    /// # Errors
    /// [`DecodeErrorKind::MissingChunk`] with the type of the chunk that is missing.
    pub fn check_capture(&self) -> Result<(), DecodeError> {
        let missing = |chunk_type| {
            let end = usize::from(self.map.frame_len);
            Err(DecodeError::new(DecodeErrorKind::MissingChunk, end).of_chunk(chunk_type))
        };
        let Some(protocol_type) = self.protocol_type() else {
            return missing(ChunkType::PROTOCOL_TYPE);
        };
        let has_payload =
            self.map.has(ChunkType::PAYLOAD) || self.map.has(ChunkType::COMPRESSED_PAYLOAD);
        let correlates = protocol_type == ProtocolType::OPENSIPS_CONTROL
            && (self.map.has(ChunkType::CORRELATION_ID)
                || self.map.has(ChunkType::EXTRA_CORRELATIONS));
        if has_payload || correlates {
            Ok(())
        } else {
            missing(ChunkType::PAYLOAD)
        }
    }

    /// Length byte, padding and payload offset of versions 1 and 2.
    #[must_use]
    pub fn header_v12(&self) -> Option<HeaderV12> {
        if self.map.version == Version::V3 {
            return None;
        }
        let frame = self.octets.as_ref();
        let payload_offset = self.map.value_at(slot(ChunkType::PAYLOAD));
        let padding = match self.map.version {
            Version::V2 => frame
                .get(payload_offset.checked_sub(2)?..)?
                .first_chunk()
                .copied(),
            _ => None,
        };
        Some(HeaderV12 {
            header_length_byte: *frame.get(1)?,
            padding,
            payload_offset,
        })
    }

    /// Time and capture agent ID of version 2, in the octet order that gives a time that can be: little-endian, or
    /// big-endian where only that lies between 2000 and a day after `arrival` (since 1970).
    #[must_use]
    pub fn time_block(&self, arrival: Duration) -> Option<TimeBlock> {
        let block = v12::time_block(self.octets.as_ref(), &self.map)?;
        Some(TimeBlock::read(block, Some(arrival)))
    }

    /// When the message was captured; `arrival` (since 1970) where the frame does not say or cannot be believed.
    ///
    /// Version 3 is taken at its word, but zero seconds with zero microseconds are no time. Version 2 is judged as
    /// in [`time_block`](Self::time_block). Version 1 has no time.
    #[must_use]
    pub fn time(&self, arrival: Duration) -> MessageTime {
        if let Some(block) = self.time_block(arrival) {
            return if block.plausible {
                MessageTime::sent(block.seconds, block.microseconds)
            } else {
                MessageTime {
                    implausible: true,
                    ..MessageTime::arrival(arrival)
                }
            };
        }
        match (self.time_sec(), self.time_usec().unwrap_or(0)) {
            (None, _) | (Some(0), 0) => MessageTime::arrival(arrival),
            (Some(seconds), microseconds) => MessageTime::sent(seconds, microseconds),
        }
    }
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Message<B> {
    fn as_ref(&self) -> &[u8] {
        self.as_frame()
    }
}

impl<B> fmt::Debug for Message<B> {
    /// Version, size and defects; never payload or keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("version", &self.map.version)
            .field("length", &self.map.frame_len)
            .field("defects", &self.map.defects)
            .finish_non_exhaustive()
    }
}
