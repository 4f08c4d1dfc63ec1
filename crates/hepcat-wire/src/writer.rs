//! Writing the chunks of a version 3 frame in an order of the caller's.

use crate::{
    chunk::{CHUNK_HEADER, ChunkType, FRAME_HEADER, VendorId},
    encode_error::EncodeError,
};

/// Writes one version 3 frame chunk by chunk, as told: order, repeats and meaning are the caller's.
///
/// [`MessageBuilder`](crate::MessageBuilder) knows what a good frame is; this only knows that lengths must be true.
/// It appends to a vector and never changes what stood there before.
///
/// ```
/// use hepcat_wire::{ChunkType, ChunkWriter, VendorId};
/// # fn main() -> Result<(), hepcat_wire::EncodeError> {
/// let mut frame = Vec::new();
/// let mut writer = ChunkWriter::new(&mut frame);
/// writer.chunk(VendorId::GENERIC, ChunkType::SRC_PORT, &5060_u16.to_be_bytes())?;
/// writer.finish()?;
/// assert_eq!(frame, b"HEP3\x00\x0e\0\0\0\x07\0\x08\x13\xc4");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ChunkWriter<'v> {
    out: &'v mut Vec<u8>,
    start: usize,
    limit: usize,
}

impl<'v> ChunkWriter<'v> {
    /// Starts a frame at the end of `out`.
    pub fn new(out: &'v mut Vec<u8>) -> Self {
        Self::with_magic(out, *b"HEP3")
    }

    pub(crate) fn with_magic(out: &'v mut Vec<u8>, magic: [u8; 4]) -> Self {
        let start = out.len();
        let [m1, m2, m3, m4] = magic;
        out.extend_from_slice(&[m1, m2, m3, m4, 0, 0]);
        Self {
            out,
            start,
            limit: usize::from(u16::MAX),
        }
    }

    /// Refuses frames above this many octets; at most 65,535.
    #[must_use]
    pub fn limit(self, octets: usize) -> Self {
        Self {
            limit: octets.min(usize::from(u16::MAX)),
            ..self
        }
    }

    /// Octets of the frame so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len() - self.start
    }

    /// Whether the frame has no chunk yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == usize::from(FRAME_HEADER)
    }

    /// Writes a chunk.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] where chunk or frame would pass the limit. The frame is of no use then.
    #[inline]
    pub fn chunk(
        &mut self,
        vendor_id: VendorId,
        chunk_type: ChunkType,
        value: &[u8],
    ) -> Result<(), EncodeError> {
        let length = usize::from(CHUNK_HEADER) + value.len();
        let [v1, v2] = vendor_id.0.to_be_bytes();
        let [t1, t2] = chunk_type.0.to_be_bytes();
        let [l1, l2] = self.checked(length)?.to_be_bytes();
        self.out.extend_from_slice(&[v1, v2, t1, t2, l1, l2]);
        self.out.extend_from_slice(value);
        Ok(())
    }

    /// Writes a chunk as it stood in another frame, header and all.
    pub(crate) fn whole_chunk(&mut self, octets: &[u8]) -> Result<(), EncodeError> {
        self.checked(octets.len())?;
        self.out.extend_from_slice(octets);
        Ok(())
    }

    /// Whether so many octets still fit, and as a length field.
    #[inline]
    fn checked(&self, length: usize) -> Result<u16, EncodeError> {
        let total = self.len().saturating_add(length);
        match u16::try_from(length) {
            Ok(length) if total <= self.limit => Ok(length),
            _ => Err(EncodeError::TooLarge {
                octets: total,
                limit: self.limit,
            }),
        }
    }

    /// Writes the total length.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] where the frame passes the limit.
    #[inline]
    pub fn finish(self) -> Result<(), EncodeError> {
        let octets = self.len();
        let limit = self.limit;
        let too_large = EncodeError::TooLarge { octets, limit };
        if octets > limit {
            return Err(too_large);
        }
        let total = u16::try_from(octets).map_err(|_| too_large)?;
        let frame = self.out.get_mut(self.start..).unwrap_or_default();
        if let Some([_, _, _, _, t1, t2]) = frame.first_chunk_mut::<6>() {
            [*t1, *t2] = total.to_be_bytes();
        }
        Ok(())
    }
}
