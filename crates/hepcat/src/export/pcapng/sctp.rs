//! SCTP packets with one chunk of data (RFC 9260 §3), which no crate that we know builds without a whole stack.

use std::io;

/// Octets before the data: common header 12, chunk header 16.
const HEAD: usize = 28;
/// Chunk type of data.
const DATA: u8 = 0;

/// One chunk of data.
#[derive(Debug)]
pub(super) struct DataChunk<'a> {
    pub(super) verification_tag: u32,
    /// Transmission sequence number.
    pub(super) transmission: u32,
    /// Stream sequence number; all is in stream 0.
    pub(super) in_stream: u16,
    /// The first piece of its message.
    pub(super) is_first: bool,
    /// The last piece of its message.
    pub(super) is_last: bool,
    pub(super) octets: &'a [u8],
}

/// The packet, padded and with its checksum.
pub(super) fn packet(source: u16, destination: u16, chunk: &DataChunk<'_>) -> io::Result<Vec<u8>> {
    let length = u16::try_from(16 + chunk.octets.len()).map_err(io::Error::other)?;
    let flags = u8::from(chunk.is_first) << 1 | u8::from(chunk.is_last);
    let mut packet = Vec::with_capacity(HEAD + chunk.octets.len().next_multiple_of(4));
    packet.extend_from_slice(&source.to_be_bytes());
    packet.extend_from_slice(&destination.to_be_bytes());
    packet.extend_from_slice(&chunk.verification_tag.to_be_bytes());
    // The checksum, for now.
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(&[DATA, flags]);
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&chunk.transmission.to_be_bytes());
    // Stream 0.
    packet.extend_from_slice(&[0; 2]);
    packet.extend_from_slice(&chunk.in_stream.to_be_bytes());
    // Payload protocol: not said, as SIP has none (RFC 4168 §5).
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(chunk.octets);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let checksum = crc32c(&packet);
    // It goes out with its lowest octet first (RFC 9260, appendix A).
    if let Some(place) = packet.get_mut(8..12) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    Ok(packet)
}

/// CRC-32C (RFC 9260, appendix A). Bit by bit: SCTP is rare, and a crate for it is not worth its place.
fn crc32c(octets: &[u8]) -> u32 {
    /// The polynomial 0x1EDC6F41, mirrored.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !octets.iter().fold(u32::MAX, |sum, &octet| {
        (0..8).fold(sum ^ u32::from(octet), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_its_standard() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
