//! Frames of real programs, from `testdata/`.

use crate::hex::unhex;

/// The octets of a vector.
pub(crate) fn vector(file: &str) -> Vec<u8> {
    let path = format!("{}/../../testdata/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    unhex(&text)
}
