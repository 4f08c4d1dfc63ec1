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

/// The eleven usual chunks of a SIP message over UDP and IPv4.
pub(crate) const USUAL: [(u16, &[u8]); 11] = [
    (0x0001, &[2]),
    (0x0002, &[17]),
    (0x0003, &[192, 0, 2, 1]),
    (0x0004, &[198, 51, 100, 2]),
    (0x0007, &[0x13, 0xc4]),
    (0x0008, &[0x13, 0xce]),
    (0x0009, &[0x65, 0x5f, 0x2a, 0x10]),
    (0x000a, &[0x00, 0x01, 0xe2, 0x40]),
    (0x000b, &[1]),
    (0x000c, &[0, 0, 0x12, 0x34]),
    (0x000f, b"PING"),
];
