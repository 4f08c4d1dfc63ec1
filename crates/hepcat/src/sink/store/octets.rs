//! A frame as the store may keep it: octet for octet, but for the authenticate key.

use std::{borrow::Cow, ops::Range};

use hepcat_wire::{ChunkType, Message};

/// The octets of `message` as they were received, with every authenticate key as zeros of the same length.
pub(super) fn without_keys<B: AsRef<[u8]>>(message: &Message<B>) -> Cow<'_, [u8]> {
    let received = message.as_received();
    if message.auth_key().is_none() {
        return Cow::Borrowed(received);
    }
    let mut frame = received.to_vec();
    for chunk in message.chunks() {
        if chunk.is_generic(ChunkType::AUTH_KEY)
            && let Some(range) = range_of(chunk.value(), received)
            && let Some(key) = frame.get_mut(range)
        {
            key.fill(0);
        }
    }
    Cow::Owned(frame)
}

/// The same of octets that did not decode: whatever follows the head of a chunk that would be a key, as far as it says
/// that it goes.
pub(super) fn without_likely_keys(frame: &[u8]) -> Cow<'_, [u8]> {
    /// Vendor 0, type 0x000e.
    const HEAD: [u8; 4] = [0, 0, 0, 0x0e];
    let mut blanked = Cow::Borrowed(frame);
    for head in memchr::memmem::find_iter(frame, &HEAD) {
        let from = head + HEAD.len();
        let Some(length) = frame.get(from..).and_then(<[u8]>::first_chunk) else {
            break;
        };
        // The length counts the head; one that promises more than there is ends with the frame.
        let end = head + usize::from(u16::from_be_bytes(*length));
        if let Some(key) = (blanked.to_mut()).get_mut(from + 2..end.min(frame.len())) {
            key.fill(0);
        }
    }
    blanked
}

/// Where in `whole` the octets of `part` lie, if they are a piece of it and no copy.
pub(super) fn range_of(part: &[u8], whole: &[u8]) -> Option<Range<usize>> {
    let from = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let range = from..from.checked_add(part.len())?;
    (range.end <= whole.len()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_found_and_a_copy_is_none() {
        let whole = *b"0123456789";
        assert_eq!(range_of(&whole[3..5], &whole), Some(3..5));
        assert_eq!(range_of(&whole[10..], &whole), Some(10..10));
        assert_eq!(range_of(&whole, &whole[2..]), None);
        assert_eq!(range_of(&whole[..5], &whole[..4]), None);
    }

    #[test]
    fn keys_in_what_did_not_decode_are_blanked_as_far_as_they_go() {
        let frame = b"HEP3\xff\xff\0\0\0\x0e\0\x0akey!\0\0\0\x0e\xff\xffcut";
        let expected = b"HEP3\xff\xff\0\0\0\x0e\0\x0a\0\0\0\0\0\0\0\x0e\xff\xff\0\0\0";
        assert_eq!(*without_likely_keys(frame), *expected);
        assert!(matches!(without_likely_keys(b"HEP3"), Cow::Borrowed(_)));
        // A length that is shorter than the head leaves everything as it is.
        let short = b"\0\0\0\x0e\0\x02rest";
        assert_eq!(*without_likely_keys(short), *short);
    }
}
