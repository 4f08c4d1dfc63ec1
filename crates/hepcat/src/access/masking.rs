//! What of a message somebody does not get to see: hidden when it is shown, never where it is kept.
//!
//! Masking writes over octets and keeps their number: a masked message has the lengths, offsets and line ends of the
//! one that was captured, so that whatever is made of messages (lists, ladders, files) is made of masked ones in the
//! same way. Only a payload that was compressed or wrapped changes its form, because its octets say nothing in place.
//!
//! What tells messages apart stays: `Call-ID`, `CSeq`, `Via`, tags, and the addresses that HEP gives.

mod json;
mod rtcp;
mod sip;
mod text;

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use hepcat_net::{Arrival, Envelope, Unparsable};
use hepcat_wire::{ChunkType, Message, Payload, ProtocolType, Rewrite, Target, VendorId, Version};

pub use json::mask as mask_json;
pub use sip::is_credential;

use crate::{
    pipeline::content,
    render::Contents,
    search::{MessagePage, StoredMessage},
};

/// What stands in place of what is hidden.
const STAR: u8 = b'*';

/// What is hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Masking {
    /// The last so many digits of numbers; 0 hides none.
    pub digits: u8,
    /// What stands below the header fields: session descriptions, text, everything that is no SIP.
    pub bodies: bool,
    /// Credentials and challenges, and keys of media.
    pub digests: bool,
    /// Everything of a payload but what messages are listed by.
    pub payload: bool,
}

impl Masking {
    /// Nothing is hidden.
    pub const NONE: Self = Self {
        digits: 0,
        bodies: false,
        digests: false,
        payload: false,
    };

    /// Everything is hidden that can be: for who has no business here.
    pub const ALL: Self = Self {
        digits: u8::MAX,
        bodies: true,
        digests: true,
        payload: true,
    };

    /// Whether anything is hidden.
    #[must_use]
    pub fn hides(self) -> bool {
        self != Self::NONE
    }

    /// What both hide.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            digits: self.digits.max(other.digits),
            bodies: self.bodies || other.bodies,
            digests: self.digests || other.digests,
            payload: self.payload || other.payload,
        }
    }

    /// The larger parts of a message that may be shown.
    #[must_use]
    pub fn contents(self, wanted: Contents) -> Contents {
        // A digest of what was captured could be compared with guesses; one of what is shown says nothing.
        let wanted = wanted.digest(wanted.digest && !self.hides());
        wanted.payload(wanted.payload && !self.payload)
    }

    /// Hides it in each message of a page.
    pub fn hide_in(self, page: &mut MessagePage) {
        if self.hides() {
            for message in &mut page.messages {
                self.hide(message);
            }
        }
    }

    /// Hides it in a message.
    pub fn hide(self, message: &mut StoredMessage) {
        if !self.hides() {
            return;
        }
        message.arrival = self.arrival(&message.arrival);
        if let Some(labels) = &mut message.labels {
            mask_json(self, labels);
        }
    }

    /// The same arrival with that hidden.
    #[must_use]
    pub fn arrival(self, arrival: &Arrival) -> Arrival {
        if !self.hides() {
            return arrival.clone();
        }
        match arrival {
            Arrival::Message(envelope) => self.envelope(envelope),
            Arrival::Unparsable(unparsable) => Arrival::Unparsable(Unparsable::new(
                self.unparsable(&unparsable.frame),
                unparsable.error,
                Arc::clone(&unparsable.origin),
                unparsable.received_at,
            )),
            other => other.clone(),
        }
    }

    fn envelope(self, envelope: &Envelope) -> Arrival {
        let masked = Bytes::from(self.frame(&envelope.message));
        let origin = || Arc::clone(&envelope.origin);
        match Message::try_parse_lax(masked) {
            Ok(message) => Arrival::Message(Envelope::new(message, origin(), envelope.received_at)),
            // Only values were written over: this does not happen, and shows nothing if it does.
            Err((error, frame)) => Arrival::Unparsable(Unparsable::new(
                self.unparsable(&frame),
                error,
                origin(),
                envelope.received_at,
            )),
        }
    }

    /// What did not decode may be anything, so nothing of it is shown but that it is HEP, and how long.
    fn unparsable(self, frame: &[u8]) -> Bytes {
        const HEADER: usize = 6;
        let mut masked = frame.to_vec();
        if let Some(rest) = masked.get_mut(HEADER..) {
            rest.fill(0);
        }
        masked.into()
    }

    /// The frame with that hidden.
    fn frame(self, message: &Message<Bytes>) -> Vec<u8> {
        let mut frame = message.as_frame().to_vec();
        for chunk in message.chunks().filter(|chunk| self.is_about(chunk)) {
            let hidden = self.chunk(chunk.value());
            write_over(&mut frame, message.as_frame(), chunk.value(), &hidden);
        }
        let Some(octets) = message.payload().octets() else {
            return frame;
        };
        let is_plain = matches!(message.payload(), Payload::Plain(_));
        match content(message) {
            Ok(Cow::Borrowed(shown)) if is_plain => {
                let hidden = self.content(message.protocol_type(), shown);
                write_over(&mut frame, message.as_frame(), octets, &hidden);
                frame
            }
            Ok(shown) => {
                let hidden = self.content(message.protocol_type(), &shown);
                repacked(&frame, &hidden).unwrap_or_else(|| {
                    write_over(&mut frame, message.as_frame(), octets, &starred(octets));
                    frame
                })
            }
            // What does not inflate cannot be looked into.
            Err(_) => {
                write_over(&mut frame, message.as_frame(), octets, &starred(octets));
                frame
            }
        }
    }

    /// Whether a chunk other than the payload may say what is hidden: texts, and those of vendors.
    fn is_about(self, chunk: &hepcat_wire::Chunk<'_>) -> bool {
        const TEXTS: [ChunkType; 6] = [
            ChunkType::GEO_LOCATION,
            ChunkType::TRANSACTION_TYPE,
            ChunkType::PAYLOAD_JSON_KEYS,
            ChunkType::TAG_VALUES,
            ChunkType::GROUP_ID,
            ChunkType::EXTRA_CORRELATIONS,
        ];
        chunk.vendor_id() != VendorId::GENERIC || TEXTS.contains(&chunk.chunk_type())
    }

    fn chunk(self, value: &[u8]) -> Vec<u8> {
        if self.payload || self.bodies {
            return starred(value);
        }
        let mut hidden = value.to_vec();
        text::hide_numbers(&mut hidden, self.digits);
        hidden
    }

    /// The same octets of a payload with that hidden; as many as there were.
    #[must_use]
    pub fn content(self, kind: Option<ProtocolType>, payload: &[u8]) -> Vec<u8> {
        let mut hidden = payload.to_vec();
        if hepcat_sip::scan(payload).is_some() {
            sip::hide(self, &mut hidden);
        } else if kind == Some(ProtocolType::RTCP) {
            rtcp::hide(self, &mut hidden);
        } else {
            if self.payload || self.bodies {
                return starred(payload);
            }
            text::hide_numbers(&mut hidden, self.digits);
        }
        hidden
    }
}

/// Writes `hidden` over the place of `part` within `whole`, in a copy of that.
fn write_over(copy: &mut [u8], whole: &[u8], part: &[u8], hidden: &[u8]) {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize);
    let place = start.and_then(|start| copy.get_mut(start..start.checked_add(part.len())?));
    match place {
        Some(place) if place.len() == hidden.len() => place.copy_from_slice(hidden),
        // A part is of its whole: if it ever is not, nothing is shown.
        _ => copy.fill(0),
    }
}

/// A version 3 frame whose payload is these octets as they are. Nothing where they do not fit.
fn repacked(frame: &[u8], payload: &[u8]) -> Option<Vec<u8>> {
    let message = Message::parse_lax(frame).ok()?;
    if message.version() != Version::V3 {
        return None;
    }
    let mut rewrite = Rewrite::new(&message).ok()?;
    let plain = Target::generic(ChunkType::PAYLOAD);
    let compressed = Target::generic(ChunkType::COMPRESSED_PAYLOAD);
    rewrite.remove(compressed);
    rewrite.remove(plain);
    rewrite.set(plain, VendorId::GENERIC, ChunkType::PAYLOAD, payload);
    rewrite.encode().ok()
}

/// As many stars; line ends stay.
fn starred(octets: &[u8]) -> Vec<u8> {
    let star = |octet: &u8| match octet {
        b'\r' | b'\n' => *octet,
        _ => STAR,
    };
    octets.iter().map(star).collect()
}
