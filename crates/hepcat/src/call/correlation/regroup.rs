//! Calls from legs and links that are no longer in memory.

use std::collections::HashMap;

use super::{Link, LinkStatus};
use crate::call::record::LegId;

/// The legs in groups that are one call each, by those of `links` that joined. For calls that were closed: where an
/// operator joins or parts legs of the past, the stored records are all there is. Groups and the legs in them come in
/// the order of `legs`; links to other legs are passed over.
#[must_use]
pub fn regroup(legs: &[LegId], links: &[Link]) -> Vec<Vec<LegId>> {
    let places: HashMap<LegId, usize> = legs.iter().copied().zip(0..).collect();
    let mut roots: Vec<usize> = (0..legs.len()).collect();
    for link in links
        .iter()
        .filter(|link| link.status == LinkStatus::Joined)
    {
        if let (Some(from), Some(to)) = (places.get(&link.from), places.get(&link.to)) {
            let (one, other) = (root(&mut roots, *from), root(&mut roots, *to));
            let (low, high) = (one.min(other), one.max(other));
            if let Some(slot) = roots.get_mut(high) {
                *slot = low;
            }
        }
    }
    let mut groups: Vec<(usize, Vec<LegId>)> = Vec::new();
    for (at, leg) in legs.iter().enumerate() {
        let root = root(&mut roots, at);
        match groups.iter_mut().find(|(known, _)| *known == root) {
            Some((_, group)) => group.push(*leg),
            None => groups.push((root, vec![*leg])),
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The root of `at`, on the way to which each second step is cut short.
fn root(roots: &mut [usize], mut at: usize) -> usize {
    while let Some(parent) = roots.get(at).copied().filter(|parent| *parent != at) {
        let grandparent = roots.get(parent).copied().unwrap_or(parent);
        if let Some(slot) = roots.get_mut(at) {
            *slot = grandparent;
        }
        at = grandparent;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::{super::Rule, *};

    #[test]
    fn only_joined_links_join() {
        let leg = |number| LegId::from_u64(number);
        let link = |from, to, status| Link {
            from: leg(from),
            to: leg(to),
            rule: Rule::Manual,
            header: None,
            confidence: 100,
            value: "".into(),
            status,
            key: 0,
        };
        let legs = [1, 2, 3, 4, 5].map(leg);
        let links = [
            link(5, 1, LinkStatus::Joined),
            link(2, 3, LinkStatus::Suggested),
            link(3, 5, LinkStatus::Joined),
            link(4, 9, LinkStatus::Joined),
            link(4, 2, LinkStatus::Unlinked),
        ];
        let groups = regroup(&legs, &links);
        assert_eq!(
            groups,
            [vec![leg(1), leg(3), leg(5)], vec![leg(2)], vec![leg(4)]]
        );
    }
}
