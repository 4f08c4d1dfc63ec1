//! The first of a few octets in a short text.
//!
//! Header lines and addresses are a few dozen octets long: there, eight octets at a time in one word beat `memchr`,
//! whose call costs more than its search. In a text of kilobytes it is the other way round, but no header is.

/// Offset of the first octet of `text` that is one of `octets`.
#[inline]
pub(crate) fn first_of<const N: usize>(octets: [u8; N], text: &[u8]) -> Option<usize> {
    let (words, tail) = text.as_chunks();
    let mut at = 0;
    for word in words {
        if let Some(found) = first_in(octets, *word) {
            return Some(at + found);
        }
        at += word.len();
    }
    // The last word once more, shifted to the end: what it repeats is known to hold nothing.
    match text.last_chunk() {
        Some(word) => first_in(octets, *word).map(|found| text.len() - word.len() + found),
        None => tail.iter().position(|octet| octets.contains(octet)),
    }
}

/// Offset of the first of `octets` in eight.
#[inline]
fn first_in<const N: usize>(octets: [u8; N], word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const TOPS: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    // The lowest top bit stands in the first octet that is equal; those above it mean nothing.
    let found = octets.iter().fold(0, |found, octet| {
        let differences = word ^ (ONES * u64::from(*octet));
        found | (differences.wrapping_sub(ONES) & !differences)
    });
    let found = found & TOPS;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::first_of;

    #[test]
    fn the_first_one_is_found_wherever_it_stands() {
        for length in 0..200 {
            let mut text = vec![b'x'; length];
            assert_eq!(first_of([b':', b'\n'], &text), None);
            for at in (0..length).rev() {
                text[at] = if at % 2 == 0 { b':' } else { b'\n' };
                assert_eq!(first_of([b':', b'\n'], &text), Some(at));
                assert_eq!(first_of([b'\n', b';', b':'], &text), Some(at));
                assert_eq!(first_of([b';'], &text), None);
            }
        }
    }

    #[test]
    fn octets_that_resemble_the_wanted_one_are_not_found() {
        for octet in 0..=u8::MAX {
            let text = [octet; 40];
            let found = first_of([b'\n'], &text);
            assert_eq!(found.is_some(), octet == b'\n');
            let found = first_of([0x80, 0xff, 0x00], &text);
            assert_eq!(found.is_some(), [0x80, 0xff, 0x00].contains(&octet));
        }
    }
}
