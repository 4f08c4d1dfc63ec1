//! Legs and what they have in common, kept as a graph so that a link can be taken away again.
//!
//! Legs that mention one value are members of that value's group; likenesses that hold only for a time (media
//! addresses) are pairs. Legs that are reached through joined members and pairs are one component. Joining renames the
//! smaller component; parting walks the graph of one.

use serde::{Deserialize, Serialize};
use slab::Slab;
use smallvec::SmallVec;

use super::{LinkStatus, Rule};
use crate::call::{digest::KeyMap, moment::Moment, text::kept};

/// Groups that one leg is a member of, and pairs of it; more are not remembered.
const MAX_GROUPS: usize = 32;
const MAX_PAIRS: usize = 16;
/// A value that so many legs mention says nothing about any two of them: a constant, or a trunk's name.
const MAX_MEMBERS: usize = 32;

/// What a mention did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::call) enum Mentioned {
    /// Nothing that records would show differently.
    Nothing,
    /// The leg's calls have to be written anew.
    Changed,
    /// Two components became one: this is the one that is no more.
    Merged { kept: usize, gone: usize },
    /// A limit kept it from joining.
    Withheld,
}

/// The graph. Legs are known by the numbers that the tracker gives them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::call) struct Graph {
    legs: Slab<Node>,
    groups: Slab<Group>,
    by_key: KeyMap<usize>,
    components: Slab<Component>,
    max_legs: usize,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Node {
    component: usize,
    groups: SmallVec<[usize; 2]>,
    pairs: Vec<Pair>,
    /// Legs that keep a pair with this one.
    paired_by: Vec<usize>,
}

/// Two legs with a likeness. Kept at the leg that came later.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::call) struct Pair {
    pub(in crate::call) other: usize,
    pub(in crate::call) rule: Rule,
    pub(in crate::call) confidence: u8,
    pub(in crate::call) value: Box<str>,
    pub(in crate::call) key: u64,
    pub(in crate::call) status: LinkStatus,
}

/// A value and the legs that mention it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::call) struct Group {
    keys: SmallVec<[(u64, Box<str>); 1]>,
    members: SmallVec<[Member; 2]>,
    /// Made by a `correlate` message, and kept until then though it may have no members.
    until: Option<Moment>,
}

/// A leg that mentions a value, or is named by it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::call) struct Member {
    pub(in crate::call) leg: usize,
    pub(in crate::call) key: u64,
    pub(in crate::call) rule: Rule,
    pub(in crate::call) confidence: u8,
    pub(in crate::call) header: Option<Box<str>>,
    pub(in crate::call) status: LinkStatus,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Component {
    legs: SmallVec<[usize; 2]>,
}

impl Graph {
    /// A graph whose components have at most so many legs.
    pub(in crate::call) fn new(max_legs: usize) -> Self {
        Self {
            max_legs,
            ..Self::default()
        }
    }

    /// Adds a leg as a component of its own. The number is its place in a slab of the tracker's, which is filled in
    /// the same order.
    pub(in crate::call) fn add_leg(&mut self) -> usize {
        let leg = self.legs.vacant_key();
        let legs = SmallVec::from_slice(&[leg]);
        let component = self.components.insert(Component { legs });
        self.legs.insert(Node {
            component,
            ..Node::default()
        })
    }

    /// Whether nothing in the graph hangs on `leg`: no value, and no likeness.
    pub(in crate::call) fn is_alone(&self, leg: usize) -> bool {
        self.legs.get(leg).is_some_and(|node| {
            node.groups.is_empty() && node.pairs.is_empty() && node.paired_by.is_empty()
        })
    }

    pub(in crate::call) fn component_of(&self, leg: usize) -> Option<usize> {
        Some(self.legs.get(leg)?.component)
    }

    pub(in crate::call) fn legs_of(&self, component: usize) -> &[usize] {
        self.components
            .get(component)
            .map_or(&[], |component| &component.legs)
    }

    /// A leg that mentions, or is named by, the value of `key`.
    pub(in crate::call) fn leg_by_key(&self, key: u64) -> Option<usize> {
        let group = self.groups.get(*self.by_key.get(&key)?)?;
        group
            .members
            .iter()
            .find(|member| member.is_joined())
            .map(|member| member.leg)
    }

    /// `leg` has the Call-ID of `key`: where that was mentioned before, it is named. `confidence` is that of naming.
    pub(in crate::call) fn name(&mut self, leg: usize, key: u64) -> Mentioned {
        match self.by_key.get(&key) {
            Some(group) => self.join(*group, Member::named(leg, key)),
            None => Mentioned::Nothing,
        }
    }

    /// `member.leg` mentions a value that reads `text`. `named` is the leg that has the value as its Call-ID.
    pub(in crate::call) fn mention(
        &mut self,
        member: Member,
        text: &[u8],
        named: Option<usize>,
    ) -> [Mentioned; 2] {
        let group = self.group(member.key, text);
        let named = named.filter(|named| *named != member.leg);
        let first = named.map_or(Mentioned::Nothing, |named| {
            self.join(group, Member::named(named, member.key))
        });
        let second = self.join(group, member);
        self.drop_if_unused(group);
        [first, second]
    }

    /// The values of `keys` are about one call. Gives the group, whose members the caller adds.
    pub(in crate::call) fn alias(
        &mut self,
        keys: &[(u64, &[u8])],
        until: Moment,
    ) -> Vec<Mentioned> {
        let mut merged = Vec::new();
        let Some((first, text)) = keys.first() else {
            return merged;
        };
        let kept = self.group(*first, text);
        for (key, text) in keys.iter().skip(1) {
            let other = self.group(*key, text);
            if other == kept || self.groups.get(other).is_none() {
                continue;
            }
            let gone = self.groups.remove(other);
            for (key, _) in &gone.keys {
                self.by_key.insert(*key, kept);
            }
            if let Some(group) = self.groups.get_mut(kept) {
                group.keys.extend(gone.keys);
            }
            for member in gone.members {
                if let Some(node) = self.legs.get_mut(member.leg) {
                    node.groups.retain(|group| *group != other);
                }
                merged.push(self.join(kept, member));
            }
        }
        if let Some(group) = self.groups.get_mut(kept) {
            group.until = group.until.max(Some(until));
        }
        merged
    }

    /// Two legs are alike. `joins` where that is enough to make them one call.
    pub(in crate::call) fn pair(&mut self, leg: usize, pair: Pair) -> Mentioned {
        let Some(node) = self.legs.get(leg) else {
            return Mentioned::Nothing;
        };
        let known =
            |pairs: &[Pair], other| pairs.iter().any(|p| p.other == other && p.key == pair.key);
        let back = self
            .legs
            .get(pair.other)
            .is_some_and(|node| known(&node.pairs, leg));
        if back || leg == pair.other || known(&node.pairs, pair.other) {
            return Mentioned::Nothing;
        }
        if node.pairs.len() >= MAX_PAIRS {
            return Mentioned::Withheld;
        }
        let (other, mut pair) = (pair.other, pair);
        let mut outcome = Mentioned::Changed;
        if pair.status == LinkStatus::Joined {
            outcome = self.unite(leg, other);
            if outcome == Mentioned::Withheld {
                pair.status = LinkStatus::Withheld;
            }
        }
        if let Some(node) = self.legs.get_mut(leg) {
            node.pairs.push(pair);
        }
        if let Some(node) = self.legs.get_mut(other) {
            node.paired_by.push(leg);
        }
        match outcome {
            Mentioned::Nothing => Mentioned::Changed,
            outcome => outcome,
        }
    }

    fn group(&mut self, key: u64, text: &[u8]) -> usize {
        if let Some(group) = self.by_key.get(&key) {
            return *group;
        }
        let keys = SmallVec::from_iter([(key, kept(text))]);
        let group = self.groups.insert(Group {
            keys,
            ..Group::default()
        });
        self.by_key.insert(key, group);
        group
    }

    fn join(&mut self, group: usize, mut member: Member) -> Mentioned {
        let (Some(known), Some(node)) = (self.groups.get_mut(group), self.legs.get_mut(member.leg))
        else {
            return Mentioned::Nothing;
        };
        let place = known
            .members
            .iter()
            .position(|other| other.leg == member.leg);
        if let Some(old) = place.and_then(|place| known.members.get(place)) {
            let better = (member.confidence, std::cmp::Reverse(member.rule))
                > (old.confidence, std::cmp::Reverse(old.rule));
            let decided = matches!(old.status, LinkStatus::Unlinked | LinkStatus::Withheld);
            if !better || decided {
                return Mentioned::Nothing;
            }
        } else if node.groups.len() >= MAX_GROUPS {
            return Mentioned::Withheld;
        }
        let peers = known
            .members
            .iter()
            .filter(|other| other.is_joined() && other.leg != member.leg);
        let peer = peers.clone().map(|other| other.leg).next();
        if member.is_joined() && peers.count() >= MAX_MEMBERS {
            member.status = LinkStatus::Withheld;
        }
        // What more members would say is not remembered one by one.
        if place.is_none() && known.members.len() >= 2 * MAX_MEMBERS {
            return Mentioned::Withheld;
        }
        let (leg, joins) = (member.leg, member.is_joined());
        let withheld = member.status == LinkStatus::Withheld;
        let place =
            match place.and_then(|place| known.members.get_mut(place).map(|old| (place, old))) {
                Some((place, old)) => {
                    *old = member;
                    place
                }
                None => {
                    node.groups.push(group);
                    known.members.push(member);
                    known.members.len() - 1
                }
            };
        match peer {
            Some(peer) if joins => match self.unite(leg, peer) {
                Mentioned::Nothing => Mentioned::Changed,
                Mentioned::Withheld => {
                    if let Some(member) = self
                        .groups
                        .get_mut(group)
                        .and_then(|g| g.members.get_mut(place))
                    {
                        member.status = LinkStatus::Withheld;
                    }
                    Mentioned::Withheld
                }
                merged => merged,
            },
            _ if withheld => Mentioned::Withheld,
            _ if self
                .groups
                .get(group)
                .is_some_and(|group| group.members.len() > 1) =>
            {
                Mentioned::Changed
            }
            _ => Mentioned::Nothing,
        }
    }

    fn unite(&mut self, one: usize, other: usize) -> Mentioned {
        let (Some(one), Some(other)) = (self.component_of(one), self.component_of(other)) else {
            return Mentioned::Nothing;
        };
        if one == other {
            return Mentioned::Nothing;
        }
        let (ours, theirs) = (self.legs_of(one).len(), self.legs_of(other).len());
        if ours + theirs > self.max_legs {
            return Mentioned::Withheld;
        }
        let (kept, gone) = if ours >= theirs {
            (one, other)
        } else {
            (other, one)
        };
        let moved = self.components.remove(gone).legs;
        for leg in &moved {
            if let Some(node) = self.legs.get_mut(*leg) {
                node.component = kept;
            }
        }
        if let Some(component) = self.components.get_mut(kept) {
            component.legs.extend(moved);
        }
        Mentioned::Merged { kept, gone }
    }

    /// Takes the link that `leg` has by `key` away, for good. Gives the components that its component became, the one
    /// that keeps its number first; nothing where there is no such link.
    pub(in crate::call) fn unlink(&mut self, leg: usize, key: u64) -> Option<Vec<usize>> {
        let mut found = false;
        if let Some(group) = self
            .by_key
            .get(&key)
            .and_then(|group| self.groups.get_mut(*group))
        {
            for member in group.members.iter_mut().filter(|member| member.leg == leg) {
                member.status = LinkStatus::Unlinked;
                found = true;
            }
        }
        let component = self.component_of(leg)?;
        let legs: SmallVec<[usize; 8]> = self.legs_of(component).into();
        for at in legs {
            let pairs = self.legs.get_mut(at).map(|node| node.pairs.iter_mut());
            for pair in pairs.into_iter().flatten() {
                if pair.key == key && (at == leg || pair.other == leg) {
                    pair.status = LinkStatus::Unlinked;
                    found = true;
                }
            }
        }
        found.then(|| self.split(component))
    }

    fn split(&mut self, component: usize) -> Vec<usize> {
        let mut rest: Vec<usize> = self.legs_of(component).to_vec();
        let mut parts = Vec::new();
        while let Some(start) = rest.first().copied() {
            let mut part = vec![start];
            let mut at = 0;
            while let Some(leg) = part.get(at).copied() {
                at += 1;
                let next: Vec<usize> = rest
                    .iter()
                    .copied()
                    .filter(|other| !part.contains(other) && self.touch(leg, *other))
                    .collect();
                part.extend(next);
            }
            rest.retain(|leg| !part.contains(leg));
            parts.push(part);
        }
        let mut components = vec![component];
        for part in parts.iter().skip(1) {
            let new = self.components.insert(Component::default());
            components.push(new);
            for leg in part {
                if let Some(node) = self.legs.get_mut(*leg) {
                    node.component = new;
                }
            }
        }
        for (component, part) in components.iter().zip(parts) {
            if let Some(component) = self.components.get_mut(*component) {
                component.legs = part.into();
            }
        }
        components
    }

    /// Whether a joined link connects the two.
    fn touch(&self, one: usize, other: usize) -> bool {
        let (Some(node), Some(other_node)) = (self.legs.get(one), self.legs.get(other)) else {
            return false;
        };
        let joined = |pairs: &[Pair], leg| {
            pairs
                .iter()
                .any(|pair| pair.other == leg && pair.status == LinkStatus::Joined)
        };
        let in_group = |group: &Group, leg| {
            group
                .members
                .iter()
                .any(|member| member.leg == leg && member.is_joined())
        };
        joined(&node.pairs, other)
            || joined(&other_node.pairs, one)
            || node
                .groups
                .iter()
                .filter_map(|group| self.groups.get(*group))
                .any(|group| in_group(group, one) && in_group(group, other))
    }

    /// Forgets a component with its legs; gives their numbers.
    pub(in crate::call) fn remove(
        &mut self,
        component: usize,
        now: Moment,
    ) -> SmallVec<[usize; 2]> {
        let Some(component) = self.components.try_remove(component) else {
            return SmallVec::new();
        };
        for leg in &component.legs {
            let Some(node) = self.legs.try_remove(*leg) else {
                continue;
            };
            // Suggestions reach beyond the component.
            for pair in &node.pairs {
                if let Some(other) = self.legs.get_mut(pair.other) {
                    other.paired_by.retain(|by| by != leg);
                }
            }
            for by in &node.paired_by {
                if let Some(other) = self.legs.get_mut(*by) {
                    other.pairs.retain(|pair| pair.other != *leg);
                }
            }
            for group in node.groups {
                if let Some(known) = self.groups.get_mut(group) {
                    known.members.retain(|member| member.leg != *leg);
                    if known.until.is_some_and(|until| until <= now) {
                        known.until = None;
                    }
                    self.drop_if_unused(group);
                }
            }
        }
        component.legs
    }

    /// Forgets what a `correlate` message made and nobody joined.
    pub(in crate::call) fn expire_group(&mut self, key: u64, now: Moment) {
        let Some(group) = self.by_key.get(&key).copied() else {
            return;
        };
        if let Some(known) = self.groups.get_mut(group)
            && known.until.is_some_and(|until| until <= now)
        {
            known.until = None;
        }
        self.drop_if_unused(group);
    }

    fn drop_if_unused(&mut self, group: usize) {
        let unused = |group: &Group| group.members.is_empty() && group.until.is_none();
        if self.groups.get(group).is_some_and(unused) {
            for (key, _) in self.groups.remove(group).keys {
                self.by_key.remove(&key);
            }
        }
    }

    /// The groups of which legs of `component` are members, each once.
    pub(in crate::call) fn groups_of(&self, component: usize) -> Vec<&Group> {
        let mut numbers: Vec<usize> = self
            .legs_of(component)
            .iter()
            .filter_map(|leg| self.legs.get(*leg))
            .flat_map(|node| node.groups.iter().copied())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
            .into_iter()
            .filter_map(|group| self.groups.get(group))
            .collect()
    }

    /// The pairs of legs of `component`, each with the leg that it is kept at; also those that are kept at legs of
    /// other components. What joins two legs of it may come twice.
    pub(in crate::call) fn pairs_of(
        &self,
        component: usize,
    ) -> impl Iterator<Item = (usize, &Pair)> {
        let node_of = |leg: usize| Some((leg, self.legs.get(leg)?));
        let own = self.legs_of(component).iter().copied();
        own.filter_map(node_of).flat_map(move |(leg, node)| {
            let here = node.pairs.iter().map(move |pair| (leg, pair));
            let elsewhere = node.paired_by.iter().copied().filter_map(node_of);
            here.chain(elsewhere.flat_map(move |(by, node)| {
                let pairs = node.pairs.iter().filter(move |pair| pair.other == leg);
                pairs.map(move |pair| (by, pair))
            }))
        })
    }

    /// How many groups there are.
    pub(in crate::call) fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Whether `leg` is a member of the group of `key` already.
    pub(in crate::call) fn is_member(&self, leg: usize, key: u64) -> bool {
        self.by_key
            .get(&key)
            .and_then(|group| self.groups.get(*group))
            .is_some_and(|group| group.members.iter().any(|member| member.leg == leg))
    }
}

impl Group {
    pub(in crate::call) fn members(&self) -> &[Member] {
        &self.members
    }

    pub(in crate::call) fn text(&self, key: u64) -> &str {
        self.keys
            .iter()
            .find(|(known, _)| *known == key)
            .map_or("", |(_, text)| text)
    }
}

impl Member {
    fn named(leg: usize, key: u64) -> Self {
        Self {
            leg,
            key,
            rule: Rule::Named,
            confidence: Rule::Named.confidence(),
            header: None,
            status: LinkStatus::Joined,
        }
    }

    fn is_joined(&self) -> bool {
        self.status == LinkStatus::Joined
    }
}
