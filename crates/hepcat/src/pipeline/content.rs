//! What was captured, out of its wrappings: gzip, and the JSON of HOMER 6. The frame stays as it was sent.

use std::borrow::Cow;

use hepcat_net::trace::unwrap_homer6;
use hepcat_wire::{DecodeError, InflateLimit, Message, ProtocolType};

/// What was captured. Borrowed from the frame, unless it had to be inflated or unwrapped.
///
/// # Errors
/// Where a compressed payload does not inflate.
pub fn content<B: AsRef<[u8]>>(message: &Message<B>) -> Result<Cow<'_, [u8]>, DecodeError> {
    let inflated = message.payload().inflate(InflateLimit::default())?;
    Ok(unwrapped(message, &inflated).map_or(inflated, Cow::Owned))
}

/// The SIP text in a payload as HOMER 6 writes it: `{"payload": text}`. `None` where it stands for itself, which one
/// look at its first octet says. Other types are JSON for their own sake.
pub fn unwrapped<B: AsRef<[u8]>>(message: &Message<B>, inflated: &[u8]) -> Option<Vec<u8>> {
    if message.protocol_type() != Some(ProtocolType::SIP) {
        return None;
    }
    unwrap_homer6(inflated)
}
