//! Whole messages packed with gzip, as heplify 2 sends them with `payload_zip`.

use crate::{
    error::{DecodeError, DecodeErrorKind},
    payload::{InflateLimit, inflate_gzip},
    version::{Sniffed, sniff},
};

/// The HEP frame in a datagram that is one gzip member (`heplify-v3-ipv4-udp-whole-gzip`).
///
/// [`Message::parse`](crate::Message::parse) knows nothing of this form: whoever wants to accept it asks
/// [`sniff`] first. One level is unpacked.
///
/// # Errors
/// [`DecodeErrorKind::BadCompression`] where the octets do not inflate or pass the limit, and
/// [`DecodeErrorKind::UnknownFormat`] where what comes out is no HEP, such as gzip again.
pub fn gunzip(datagram: &[u8], limit: InflateLimit) -> Result<Vec<u8>, DecodeError> {
    let frame = inflate_gzip(datagram, limit)
        .ok_or(DecodeError::new(DecodeErrorKind::BadCompression, 0))?;
    match sniff(&frame) {
        Sniffed::V1 | Sniffed::V2 | Sniffed::V3 => Ok(frame),
        _ => Err(DecodeError::new(DecodeErrorKind::UnknownFormat, 0)),
    }
}
