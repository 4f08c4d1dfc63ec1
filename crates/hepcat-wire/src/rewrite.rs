//! Editing a frame chunk by chunk: what is not edited keeps its octets and its place.

use std::borrow::Cow;

use crate::{
    chunk::{Chunk, ChunkType, VendorId},
    encode_error::EncodeError,
    message::Message,
    version::{MAGICS, Version},
    writer::ChunkWriter,
};

/// Which chunks an edit is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    vendor_id: Option<VendorId>,
    chunk_type: ChunkType,
    first_only: bool,
}

impl Target {
    /// All chunks of a generic type.
    #[must_use]
    pub const fn generic(chunk_type: ChunkType) -> Self {
        Self::vendor(VendorId::GENERIC, chunk_type)
    }

    /// All chunks of this vendor's type.
    #[must_use]
    pub const fn vendor(vendor_id: VendorId, chunk_type: ChunkType) -> Self {
        Self {
            vendor_id: Some(vendor_id),
            chunk_type,
            first_only: false,
        }
    }

    /// All chunks of the type, whoever's it is: how OpenSIPS scripts name chunks.
    #[must_use]
    pub const fn any_vendor(chunk_type: ChunkType) -> Self {
        Self {
            vendor_id: None,
            chunk_type,
            first_only: false,
        }
    }

    /// The first of them only.
    #[must_use]
    pub const fn first(self) -> Self {
        Self {
            first_only: true,
            ..self
        }
    }

    fn matches(&self, piece: &Piece<'_>) -> bool {
        self.chunk_type == piece.chunk_type
            && self
                .vendor_id
                .is_none_or(|vendor_id| vendor_id == piece.vendor_id)
    }
}

/// Edits of one version 3 frame. Each chunk that no edit is about comes out as it went in, and in its place; of the
/// frame's header only the total length changes.
///
/// ```
/// use hepcat_wire::{ChunkType, Message, Rewrite, Target};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let frame = b"HEP3\x00\x19\0\0\0\x0e\0\x0bmyhep\0\0\0\x0f\0\x08hi";
/// let message = Message::parse(frame)?;
/// let mut rewrite = Rewrite::new(&message)?;
/// rewrite.remove(Target::generic(ChunkType::AUTH_KEY));
/// assert_eq!(rewrite.encode()?, b"HEP3\x00\x0e\0\0\0\x0f\0\x08hi");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Rewrite<'a> {
    magic: [u8; 4],
    pieces: Vec<Piece<'a>>,
}

#[derive(Debug, Clone)]
struct Piece<'a> {
    vendor_id: VendorId,
    chunk_type: ChunkType,
    content: Content<'a>,
}

#[derive(Clone)]
enum Content<'a> {
    /// Header and value as received.
    Kept(&'a [u8]),
    /// A new value.
    New(Cow<'a, [u8]>),
}

impl<'a> Rewrite<'a> {
    /// Edits of a version 3 message.
    ///
    /// # Errors
    /// [`EncodeError::NotConvertible`] for versions 1 and 2, which have no chunks:
    /// [`convert::to_v3`](crate::convert::to_v3) gives them some.
    pub fn new<B: AsRef<[u8]>>(message: &'a Message<B>) -> Result<Self, EncodeError> {
        if message.version() != Version::V3 {
            return Err(EncodeError::NotConvertible {
                version: message.version(),
                field: "chunk",
            });
        }
        let [magic, ..] = MAGICS;
        Ok(Self {
            magic: message.as_frame().first_chunk().copied().unwrap_or(magic),
            pieces: message.chunks().map(Piece::kept).collect(),
        })
    }

    /// Takes chunks out; tells how many.
    pub fn remove(&mut self, target: Target) -> usize {
        let before = self.pieces.len();
        let mut done = false;
        self.pieces.retain(|piece| {
            let hit = !(done && target.first_only) && target.matches(piece);
            done |= hit;
            !hit
        });
        before - self.pieces.len()
    }

    /// Gives chunks another value, in their places and under their vendors; tells how many.
    pub fn replace(&mut self, target: Target, value: impl Into<Cow<'a, [u8]>>) -> usize {
        let value = value.into();
        self.edit(target, |piece| piece.content = Content::New(value.clone()))
    }

    /// Overwrites values with zeros of the same length, so that neither length nor order changes; tells how many.
    pub fn blank(&mut self, target: Target) -> usize {
        self.edit(target, |piece| {
            piece.content = Content::New(vec![0; piece.value().len()].into());
        })
    }

    /// Puts a chunk in the place of the first that the target names, or where there is none before the payload, where
    /// readers that stop early find it.
    pub fn set(
        &mut self,
        target: Target,
        vendor_id: VendorId,
        chunk_type: ChunkType,
        value: impl Into<Cow<'a, [u8]>>,
    ) {
        let new = Piece::new(vendor_id, chunk_type, value.into());
        match self.pieces.iter_mut().find(|piece| target.matches(piece)) {
            Some(piece) => *piece = new,
            None => {
                let at = self.pieces.iter().position(Piece::is_payload);
                self.pieces.insert(at.unwrap_or(self.pieces.len()), new);
            }
        }
    }

    /// Adds a chunk behind all others.
    pub fn append(
        &mut self,
        vendor_id: VendorId,
        chunk_type: ChunkType,
        value: impl Into<Cow<'a, [u8]>>,
    ) {
        self.pieces
            .push(Piece::new(vendor_id, chunk_type, value.into()));
    }

    /// The edited frame.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] where it passes 65,535 octets.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let octets: usize = self
            .pieces
            .iter()
            .map(|piece| 6 + piece.value().len())
            .sum();
        let mut frame = Vec::with_capacity(6 + octets);
        let mut writer = ChunkWriter::with_magic(&mut frame, self.magic);
        for piece in &self.pieces {
            match &piece.content {
                Content::Kept(octets) => writer.whole_chunk(octets)?,
                Content::New(value) => writer.chunk(piece.vendor_id, piece.chunk_type, value)?,
            }
        }
        writer.finish()?;
        Ok(frame)
    }

    fn edit(&mut self, target: Target, change: impl FnMut(&mut Piece<'a>)) -> usize {
        let limit = if target.first_only { 1 } else { usize::MAX };
        let hits = self.pieces.iter_mut().filter(|piece| target.matches(piece));
        hits.take(limit).map(change).count()
    }
}

impl<'a> Piece<'a> {
    fn kept(chunk: Chunk<'a>) -> Self {
        Self {
            vendor_id: chunk.vendor_id(),
            chunk_type: chunk.chunk_type(),
            content: Content::Kept(chunk.as_octets()),
        }
    }

    const fn new(vendor_id: VendorId, chunk_type: ChunkType, value: Cow<'a, [u8]>) -> Self {
        Self {
            vendor_id,
            chunk_type,
            content: Content::New(value),
        }
    }

    fn value(&self) -> &[u8] {
        match &self.content {
            Content::Kept(octets) => octets.get(6..).unwrap_or_default(),
            Content::New(value) => value,
        }
    }

    fn is_payload(&self) -> bool {
        self.vendor_id == VendorId::GENERIC
            && matches!(
                self.chunk_type,
                ChunkType::PAYLOAD | ChunkType::COMPRESSED_PAYLOAD
            )
    }
}

impl std::fmt::Debug for Content<'_> {
    /// Whether it was edited, never what it is.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kept(_) => "Kept",
            Self::New(_) => "New",
        })
    }
}
