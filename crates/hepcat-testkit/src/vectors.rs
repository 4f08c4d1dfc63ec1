//! The frames of real programs in `testdata/`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Octets that a real program put on the wire, and what a decoder must make of them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Vector {
    /// Name of its file.
    pub file: String,
    /// One datagram, or a stream of packets.
    pub octets: Vec<u8>,
    /// Its entry in the index; `testdata/README.md` describes the fields.
    pub entry: Value,
}

impl Vector {
    /// Whether the octets are a stream (else they are one datagram).
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.entry["carried_over"] == "tcp-stream"
    }

    /// What a decoder must return for the datagram.
    #[must_use]
    pub fn expect(&self) -> &Value {
        &self.entry["expect"]
    }
}

/// The directory `testdata` of the source tree.
#[must_use]
pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// All vectors, in the order of the index.
///
/// # Panics
/// When the index or a file that it names cannot be read.
#[must_use]
pub fn vectors() -> Vec<Vector> {
    let directory = testdata();
    let index = directory.join("index.json");
    let index = fs::read(&index).unwrap_or_else(|error| panic!("{}: {error}", index.display()));
    let index: Value = serde_json::from_slice(&index).expect("the index is JSON");
    let entries = index["vectors"].as_array().expect("a list of vectors");
    entries
        .iter()
        .map(|entry| {
            let file = entry["file"].as_str().expect("a file name").to_owned();
            let text = fs::read_to_string(directory.join(&file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            let octets = from_hex(&text).unwrap_or_else(|| panic!("{file} is no hex text"));
            Vector {
                file,
                octets,
                entry: entry.clone(),
            }
        })
        .collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<Vec<u8>>>()?;
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    whole.then(|| pairs.map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_text_may_be_broken_into_lines() {
        assert_eq!(from_hex("0aF\n0\n").unwrap(), [0x0a, 0xf0]);
        assert_eq!(from_hex("0a0"), None);
        assert_eq!(from_hex("0g"), None);
    }

    #[test]
    fn every_vector_has_the_octets_that_its_entry_counts() {
        let vectors = vectors();
        assert!(vectors.len() > 100);
        for vector in vectors {
            assert_eq!(
                vector.entry["bytes"],
                vector.octets.len(),
                "{}",
                vector.file
            );
        }
    }
}
