//! Octets as text.

/// Octets of hexadecimal text; blanks and line ends between digits do not matter.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|digit| !digit.is_ascii_whitespace())
        .map(|digit| match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            other => panic!("{other:?} is no digit"),
        })
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "odd number of digits");
    pairs.map(|pair| pair[0] << 4 | pair[1]).collect()
}
