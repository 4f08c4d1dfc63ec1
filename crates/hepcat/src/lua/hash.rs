//! A hash that stays the same: between workers, restarts and versions.

/// FNV-1a in 64 bits, with the finalizer of splitmix64 behind it, because the low bits of FNV-1a alone spread texts
/// that differ in one digit unevenly.
pub(super) fn of(octets: &[u8]) -> u64 {
    let hash = octets
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
        });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn texts_that_hardly_differ_are_spread_evenly() {
        let mut buckets = [0_u32; 3];
        for number in 0..3_000 {
            let call_id = format!("a84b4c76e66710-{number}@pc33.atlanta.example");
            let bucket = usize::try_from(of(call_id.as_bytes()) % 3).expect("below 3");
            buckets[bucket] += 1;
        }
        assert!(
            buckets.iter().all(|count| (900..1_100).contains(count)),
            "{buckets:?}"
        );
    }

    #[test]
    fn it_stays_what_it_was() {
        assert_eq!(of(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(of(b"a84b4c76e66710@pc33.atlanta.com") % 1_000, 737);
    }
}
