//! Made-up frames, chunk by chunk.

use hepcat_wire::{ChunkType, ChunkWriter, VendorId};

/// A version 3 frame of generic chunks.
pub(crate) fn generic(chunks: &[(u16, &[u8])]) -> Vec<u8> {
    let mut frame = Vec::new();
    let mut writer = ChunkWriter::new(&mut frame);
    for (chunk_type, value) in chunks {
        writer
            .chunk(VendorId::GENERIC, ChunkType(*chunk_type), value)
            .unwrap();
    }
    writer.finish().unwrap();
    frame
}
