//! Frames of real programs, from `testdata/`.

/// The octets of a vector.
pub(crate) fn vector(file: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    unhex(&text)
}

/// Octets of hexadecimal text; blanks and line ends between digits do not matter.
pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap())
        .collect();
    let pairs = digits.chunks_exact(2);
    assert!(pairs.remainder().is_empty(), "odd number of digits");
    pairs.map(|pair| pair[0] << 4 | pair[1]).collect()
}
