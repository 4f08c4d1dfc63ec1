//! Rendezvous hashing: to which member of a group a call belongs.
//!
//! Every member gets a score for the call, and the highest wins (Thaler and Ravishankar, 1998; with weights
//! after Schindelhauer and Schomaker, 2005). So when a member goes, only its own calls move, each to the
//! member that was second for it, and when it returns they come back.
//!
//! The hash is written out here because its values are a promise: every node, every version and every
//! machine that has the same members must place a call alike, and no hasher of a library promises that.
//! It is FNV-1a over the octets and the finaliser of SplitMix64 over that and the member's own hash.

/// What a call's messages have in common, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u64);

/// A member's half of its scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    hash: u64,
    weight: f64,
}

impl Key {
    /// The key of a call, by its Call-ID.
    pub(super) fn of_call(call_id: &[u8]) -> Self {
        Self(fnv1a(&[call_id]))
    }

    /// The key of what belongs to no call, by parts that are the same for all messages of one agent.
    pub(super) fn of_parts(parts: &[&[u8]]) -> Self {
        Self(fnv1a(parts))
    }
}

impl Place {
    /// The place of the destination called `name`, with its share beside the others.
    pub(super) fn new(name: &str, weight: u32) -> Self {
        Self {
            hash: fnv1a(&[name.as_bytes()]),
            weight: f64::from(weight),
        }
    }

    /// Higher than any other member's for as many keys as the weight's share says.
    fn score(self, key: Key) -> f64 {
        // 53 bits are what a double holds exactly; the half keeps it off both 0 and 1.
        let mixed = splitmix(key.0 ^ splitmix(self.hash)) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let unit = (mixed as f64 + 0.5) / (1_u64 << 53) as f64;
        -self.weight / unit.ln()
    }
}

/// The position of the member that `key` belongs to, among those that may be chosen.
pub(super) fn choose(
    places: &[Place],
    key: Key,
    may_be_chosen: impl Fn(usize) -> bool,
) -> Option<usize> {
    let candidates = (0..places.len()).filter(|index| may_be_chosen(*index));
    candidates.max_by(|a, b| places[*a].score(key).total_cmp(&places[*b].score(key)))
}

fn fnv1a(parts: &[&[u8]]) -> u64 {
    let octets = parts.iter().flat_map(|part| part.iter());
    octets.fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places(weights: &[u32]) -> Vec<Place> {
        let named = weights.iter().enumerate();
        named
            .map(|(n, weight)| Place::new(&format!("homer-{n}"), *weight))
            .collect()
    }

    fn key(number: usize) -> Key {
        Key::of_call(format!("{number}@proxy.example").as_bytes())
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // The test vectors of the FNV reference and of SplitMix64 with seed 0.
        assert_eq!(fnv1a(&[b""]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(&[b"foobar"]), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1a(&[b"foo", b"bar"]), fnv1a(&[b"foobar"]));
        assert_eq!(splitmix(0), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn a_call_is_placed_as_it_always_was() {
        let places = places(&[1, 1, 1]);
        let placed: Vec<_> = (0..16)
            .map(|n| choose(&places, key(n), |_| true).expect("a member"))
            .collect();
        assert_eq!(placed, [0, 1, 1, 1, 2, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn weights_are_shares() {
        let places = places(&[1, 2, 5]);
        let mut taken = [0_u32; 3];
        for number in 0..16_000 {
            taken[choose(&places, key(number), |_| true).expect("a member")] += 1;
        }
        for (taken, weight) in taken.iter().zip([1, 2, 5]) {
            let expected = weight * 2000;
            assert!(taken.abs_diff(expected) < 200, "{taken} for {weight}");
        }
    }

    #[test]
    fn nobody_to_choose_is_nobody() {
        assert_eq!(choose(&places(&[1, 1]), key(1), |_| false), None);
        assert_eq!(choose(&[], key(1), |_| true), None);
    }

    proptest! {
        #[test]
        fn only_the_calls_of_a_member_that_goes_move(
            weights in prop::collection::vec(1_u32..100, 2..8),
            gone in 0_usize..8,
            number in any::<usize>(),
        ) {
            let places = places(&weights);
            let gone = gone % places.len();
            let before = choose(&places, key(number), |_| true);
            let after = choose(&places, key(number), |index| index != gone);
            if before == Some(gone) {
                prop_assert_ne!(after, before);
            } else {
                prop_assert_eq!(after, before);
            }
        }
    }
}
