//! Sets of sinks, small enough to be made for every message.

/// Number of a sink, given by whoever builds the topology: counted from 0, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SinkId(pub u16);

/// A set of sinks. Up to 64 sinks it never allocates; a set that is reused does not allocate beyond that either.
#[derive(Debug, Clone, Default)]
pub struct SinkSet {
    /// Sinks 0 to 63.
    first: u64,
    /// The others, 64 in each; may end in zeros.
    rest: Vec<u64>,
}

impl SinkSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink.
    pub fn insert(&mut self, sink: SinkId) {
        let (word, bit) = place(sink);
        if let Some(index) = word.checked_sub(1) {
            if self.rest.len() <= index {
                self.rest.resize(index + 1, 0);
            }
            self.rest[index] |= bit;
        } else {
            self.first |= bit;
        }
    }

    /// Adds all sinks of another set.
    pub fn insert_all(&mut self, other: &Self) {
        self.first |= other.first;
        if self.rest.len() < other.rest.len() {
            self.rest.resize(other.rest.len(), 0);
        }
        for (word, more) in self.rest.iter_mut().zip(&other.rest) {
            *word |= more;
        }
    }

    /// Leaves only what is in another set as well: an unparsable frame goes to the store and the tail at most.
    pub fn retain(&mut self, other: &Self) {
        self.first &= other.first;
        for (index, word) in self.rest.iter_mut().enumerate() {
            *word &= other.rest.get(index).copied().unwrap_or(0);
        }
    }

    /// Takes all sinks out and keeps the memory.
    pub fn clear(&mut self) {
        self.first = 0;
        self.rest.fill(0);
    }

    /// Whether the sink is in it.
    #[must_use]
    pub fn contains(&self, sink: SinkId) -> bool {
        let (word, bit) = place(sink);
        let octets = match word.checked_sub(1) {
            None => self.first,
            Some(index) => self.rest.get(index).copied().unwrap_or(0),
        };
        octets & bit != 0
    }

    /// Whether no sink is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words().all(|word| word == 0)
    }

    /// How many sinks are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The sinks in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = SinkId> + '_ {
        self.words()
            .enumerate()
            .flat_map(|(index, word)| {
                let mut left = word;
                std::iter::from_fn(move || {
                    let bit = (left != 0).then(|| left.trailing_zeros())?;
                    left &= left - 1;
                    Some(index * 64 + usize::try_from(bit).ok()?)
                })
            })
            .filter_map(|sink| u16::try_from(sink).ok().map(SinkId))
    }

    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        std::iter::once(self.first).chain(self.rest.iter().copied())
    }
}

fn place(sink: SinkId) -> (usize, u64) {
    (usize::from(sink.0 / 64), 1 << (sink.0 % 64))
}

impl PartialEq for SinkSet {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SinkSet {}

impl FromIterator<SinkId> for SinkSet {
    fn from_iter<I: IntoIterator<Item = SinkId>>(sinks: I) -> Self {
        let mut set = Self::new();
        for sink in sinks {
            set.insert(sink);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn model(sinks: &BTreeSet<u16>) -> SinkSet {
        sinks.iter().copied().map(SinkId).collect()
    }

    fn listed(set: &SinkSet) -> BTreeSet<u16> {
        set.iter().map(|sink| sink.0).collect()
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(
            a in prop::collection::btree_set(0_u16..200, 0..12),
            b in prop::collection::btree_set(prop_oneof![0_u16..200, Just(u16::MAX)], 0..12),
        ) {
            let (first, second) = (model(&a), model(&b));
            prop_assert_eq!(listed(&first), a.clone());
            prop_assert_eq!(first.len(), a.len());
            prop_assert_eq!(first.is_empty(), a.is_empty());
            prop_assert_eq!(first == second, a == b);
            for sink in &b {
                prop_assert_eq!(first.contains(SinkId(*sink)), a.contains(sink));
            }

            let mut all = first.clone();
            all.insert_all(&second);
            prop_assert_eq!(listed(&all), a.union(&b).copied().collect());

            all.retain(&second);
            prop_assert_eq!(listed(&all), b.clone());

            let mut common = first.clone();
            common.retain(&second);
            prop_assert_eq!(listed(&common), a.intersection(&b).copied().collect());

            all.clear();
            prop_assert_eq!(all, SinkSet::new());
        }
    }
}
