//! Keys of the tracker's indexes: 64 bits in place of a text.

use std::hash::{BuildHasherDefault, Hasher};

use twox_hash::XxHash3_64;

/// Turns texts into 64-bit keys: XXH3 with a seed of this tracker's own, so that nobody can prepare two
/// Call-IDs that meet. XXH3 is specified, so a saved state stays readable by later versions; by chance two of ten
/// million open texts meet once in 370,000 such sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest {
    seed: u64,
}

impl Digest {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    pub(super) fn of(self, text: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(self.seed, text)
    }

    /// In another name space than [`Self::of`], and than any other number's.
    pub(super) fn in_space(self, space: u8, text: &[u8]) -> u64 {
        XxHash3_64::oneshot_with_seed(
            self.seed.rotate_left(u32::from(space)) ^ u64::from(space),
            text,
        )
    }
}

/// What is kept of a digest that is compared within one leg only: 40 bits. Of the 64 things that a leg remembers at most, two
/// are taken for one in a leg of a billion.
pub(super) const fn narrow(digest: u64) -> u64 {
    digest & (u64::MAX >> 24)
}

/// Folds a number into a key.
pub(super) const fn mix(key: u64, number: u64) -> u64 {
    let folded = (key ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) as u128;
    let product = folded.wrapping_mul(0xd6e8_feb8_6659_fd93_a076_1d64_78bd_642f);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "both halves are folded into one"
    )]
    let mixed = (product >> 64) as u64 ^ product as u64;
    mixed
}

/// A map by such keys: they are hashed already.
pub(super) type KeyMap<V> = std::collections::HashMap<u64, V, BuildHasherDefault<AsIs>>;

/// The hasher that takes a key as it is.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A saved state depends on it.
    #[test]
    fn the_digest_is_that_of_the_specification() {
        assert_eq!(Digest::new(0).of(b""), 0x2d06_8005_38d3_94c2);
    }

    #[test]
    fn spaces_and_seeds_keep_texts_apart() {
        let digest = Digest::new(7);
        assert_ne!(digest.in_space(1, b"a"), digest.in_space(2, b"a"));
        assert_ne!(digest.of(b"a"), Digest::new(8).of(b"a"));
        assert_ne!(mix(1, 2), mix(2, 1));
    }
}
