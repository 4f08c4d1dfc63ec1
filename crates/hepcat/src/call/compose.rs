//! A call's record out of those of its legs, and what can be done with it when the call is no longer in memory.

use std::time::Duration;

use super::{
    correlation::{Link, LinkStatus, Rule, regroup},
    flag::{Flag, Flags},
    moment::Moment,
    record::{CallId, CallRecord, Closed, Kind, LegId, LegRecord, State},
};

impl CallRecord {
    /// Says so where a part of the call is gone: retention removed what was received before `oldest`. Gives whether
    /// that changed anything.
    pub fn partition_removed(&mut self, oldest: Moment) -> bool {
        let is_new = |flags: Flags| !flags.has(Flag::PartitionRemoved);
        for leg in self.legs.iter_mut().filter(|leg| leg.started < oldest) {
            leg.flags.set(Flag::PartitionRemoved);
        }
        let cut = self.legs.iter().any(|leg| !is_new(leg.flags));
        let changed = cut && is_new(self.flags);
        self.flags.set_if(Flag::PartitionRemoved, cut);
        changed
    }

    /// The calls that it becomes when an operator takes the links of `leg` by `key` away: what
    /// [`crate::call::Tracker::unlink`] does for one that is open. The first one has its id.
    #[must_use]
    pub fn unlink(mut self, leg: LegId, key: u64) -> Vec<Self> {
        for link in &mut self.links {
            if link.key == key && (link.from == leg || link.to == leg) {
                link.status = LinkStatus::Unlinked;
            }
        }
        let ids: Vec<LegId> = self.legs.iter().map(|leg| leg.id).collect();
        let groups = regroup(&ids, &self.links);
        let mut calls: Vec<Self> = Vec::with_capacity(groups.len());
        for group in groups {
            let legs: Vec<LegRecord> = self
                .legs
                .iter()
                .filter(|leg| group.contains(&leg.id))
                .cloned()
                .collect();
            let about = |link: &&Link| group.contains(&link.from) || group.contains(&link.to);
            let links = self.links.iter().filter(about).cloned().collect();
            let first = legs.first().map_or(self.id, |leg| leg.id.into());
            let id = if calls.is_empty() { self.id } else { first };
            calls.push(compose(id, legs, links, self.closed));
        }
        calls
    }

    /// The call that it becomes when an operator joins it with another one: what [`crate::call::Tracker::link`] does for
    /// open ones. It has the id of the one that began first, which supersedes the other.
    #[must_use]
    pub fn link(self, other: Self) -> Self {
        let (one, other) = if (other.started, other.id) < (self.started, self.id) {
            (other, self)
        } else {
            (self, other)
        };
        let mut links = one.links;
        if let (Some(to), Some(from)) = (one.legs.first(), other.legs.first()) {
            links.push(Link {
                from: from.id,
                to: to.id,
                rule: Rule::Manual,
                header: None,
                confidence: Rule::Manual.confidence(),
                value: "".into(),
                status: LinkStatus::Joined,
                key: from.id.as_u64() ^ to.id.as_u64(),
            });
        }
        links.extend(other.links);
        links.sort_unstable();
        links.dedup();
        let mut legs = one.legs;
        legs.extend(other.legs);
        sort_legs(one.id, &mut legs);
        compose(one.id, legs, links, one.closed.and(other.closed))
    }
}

/// Brings legs into their order: the one that gave the call its id, then the others by time.
pub(super) fn sort_legs(id: CallId, legs: &mut [LegRecord]) {
    legs.sort_by(|one, other| {
        let rank = |leg: &LegRecord| (CallId::from(leg.id) != id, leg.started);
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.call_id.cmp(&other.call_id))
    });
}

/// The record of a call of `legs`, which are in order: [`sort_legs`].
pub(super) fn compose(
    id: CallId,
    legs: Vec<LegRecord>,
    links: Vec<Link>,
    closed: Option<Closed>,
) -> CallRecord {
    let first = legs.first();
    let going_on = legs
        .iter()
        .any(|leg| leg.state == State::InCall && leg.kind == first_kind(&legs));
    let state = match first.map_or(State::Unknown, |leg| leg.state) {
        _ if going_on => State::InCall,
        state => state,
    };
    let started = legs.iter().map(|leg| leg.started).min().unwrap_or_default();
    let answered = legs.iter().filter_map(|leg| leg.answered).min();
    let all_over = legs.iter().all(|leg| leg.ended.is_some());
    let ended = legs
        .iter()
        .filter_map(|leg| leg.ended)
        .max()
        .filter(|_| all_over || state.is_over());
    let lapse = |from: Option<Moment>| -> Option<Duration> { ended?.since(from?) };
    let mut agents: Vec<Box<str>> = legs
        .iter()
        .flat_map(|leg| leg.agents.iter().cloned())
        .collect();
    agents.sort_unstable();
    agents.dedup();
    CallRecord {
        id,
        kind: first_kind(&legs),
        state,
        started,
        last: legs.iter().map(|leg| leg.last).max().unwrap_or_default(),
        answered: first.and_then(|leg| leg.answered),
        ended,
        setup: first.and_then(|leg| leg.setup),
        ring: first.and_then(|leg| leg.ring),
        talk: lapse(answered),
        duration: lapse(Some(started)),
        released_by: first.and_then(|leg| leg.released_by),
        final_code: first.and_then(|leg| leg.final_code),
        final_phrase: first.and_then(|leg| leg.final_phrase.clone()),
        reason: legs.iter().find_map(|leg| leg.reason.clone()),
        from: first.map(|leg| leg.from.clone()).unwrap_or_default(),
        to: first.map(|leg| leg.to.clone()).unwrap_or_default(),
        codec: first.and_then(|leg| leg.codec.clone()),
        messages: legs.iter().map(|leg| leg.messages).sum(),
        retransmissions: legs.iter().map(|leg| leg.retransmissions).sum(),
        duplicates: legs.iter().map(|leg| leg.duplicates).sum(),
        flags: legs
            .iter()
            .fold(Flags::default(), |flags, leg| flags.union(leg.flags)),
        agents,
        links,
        closed,
        legs,
    }
}

fn first_kind(legs: &[LegRecord]) -> Kind {
    legs.first().map_or(Kind::Other, |leg| leg.kind)
}
