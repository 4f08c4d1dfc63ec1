//! Groups at work: which member takes a message.
//!
//! A group is no sink: it has no queue and its ledger is that of its members. Who is up is read once for a
//! batch, from the destinations themselves; then every message of the batch is placed by plain functions.
//! Whatever the state of the members, a message is always given to one of them: where none is up, the one
//! that it belongs to keeps it in its queue or spool.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hepcat_net::destination::Health;
use parking_lot::Mutex;

use super::rendezvous::{self, Key, Place};
use crate::config::{self, GroupKind};

/// No member has been chosen yet.
const NOBODY: usize = usize::MAX;

/// At most one line about a change of the active member in this time.
const LOG_PERIOD: Duration = Duration::from_secs(60);

/// A configured group and what it remembers: it goes on through a reload that does not change it.
#[derive(Debug)]
pub struct Group {
    spec: config::Group,
    places: Vec<Place>,
    /// Positions of the members by priority.
    ranked: Vec<usize>,
    /// `failover`: position of the member that takes everything.
    active: AtomicUsize,
    switches: AtomicU64,
    /// By member: messages given to it.
    given: Vec<AtomicU64>,
    said_at: Mutex<Option<Instant>>,
}

/// Who takes the messages of one batch, as far as that is the same for all of them. Reused from batch to
/// batch.
#[derive(Debug, Default)]
pub(super) struct Choice {
    /// `failover`: the member that takes all of them.
    one: usize,
    /// By member, as read at the beginning of the batch.
    health: Vec<Health>,
    /// By member: whether it may be chosen.
    usable: Vec<bool>,
    /// `any`, by member: frames queued, with those of this batch, and frames ever given.
    load: Vec<(u64, u64)>,
    /// By member: messages of this batch given to it.
    given: Vec<u64>,
}

impl Group {
    /// A group as configured, which goes on where `earlier`, of the same name, was.
    #[must_use]
    pub fn new(spec: config::Group, earlier: Option<&Self>) -> Self {
        let places = spec.members.iter();
        let places = places.map(|member| Place::new(&member.name, member.weight));
        let mut ranked: Vec<_> = (0..spec.members.len()).collect();
        ranked.sort_by_key(|index| spec.members[*index].priority);
        let active = earlier
            .and_then(Self::active)
            .and_then(|name| spec.names().position(|own| own == name));
        Self {
            places: places.collect(),
            ranked,
            active: AtomicUsize::new(active.unwrap_or(NOBODY)),
            switches: AtomicU64::new(0),
            given: spec.members.iter().map(|_| AtomicU64::new(0)).collect(),
            said_at: Mutex::default(),
            spec,
        }
    }

    /// As configured.
    #[must_use]
    pub fn spec(&self) -> &config::Group {
        &self.spec
    }

    /// The member that takes everything, in a `failover` group that has had something to give.
    #[must_use]
    pub fn active(&self) -> Option<&str> {
        let member = self.spec.members.get(self.active.load(Ordering::Relaxed))?;
        Some(&member.name)
    }

    /// How often another member became the active one.
    #[must_use]
    pub fn switches(&self) -> u64 {
        self.switches.load(Ordering::Relaxed)
    }

    /// Messages given to each member, in their order.
    pub fn given(&self) -> impl Iterator<Item = u64> + '_ {
        self.given.iter().map(|given| given.load(Ordering::Relaxed))
    }

    /// Reads who may be chosen for the messages of a batch. `health` is that of the members, in their order.
    pub(super) fn begin(&self, choice: &mut Choice, health: impl Iterator<Item = Health>) {
        choice.given.clear();
        choice.given.resize(self.spec.members.len(), 0);
        if self.spec.kind == GroupKind::All {
            return;
        }
        choice.health.clear();
        choice.health.extend(health);
        choice.usable.clear();
        choice.load.clear();
        match self.spec.kind {
            GroupKind::All => {}
            GroupKind::Failover => choice.one = self.fail_over(&choice.health),
            GroupKind::Balance => usable(&choice.health, self.spec.hold, &mut choice.usable),
            GroupKind::Any => {
                let members = choice.health.iter();
                choice.usable.extend(members.map(|member| member.available));
                let queued = choice.health.iter().map(|member| member.queued);
                choice.load.extend(queued.zip(self.given()));
            }
        }
    }

    /// Gives one message to `take`'s members, by their position. `key` is asked for where it decides.
    pub(super) fn place(
        &self,
        choice: &mut Choice,
        key: impl FnOnce() -> Key,
        mut take: impl FnMut(usize),
    ) {
        let chosen = match self.spec.kind {
            GroupKind::All => {
                for (member, given) in choice.given.iter_mut().enumerate() {
                    *given += 1;
                    take(member);
                }
                return;
            }
            GroupKind::Failover => choice.one,
            GroupKind::Balance => {
                let key = key();
                let usable = |index: usize| choice.usable.get(index) == Some(&true);
                let up = rendezvous::choose(&self.places, key, usable);
                // Nobody is up: it waits where it belongs.
                up.or_else(|| rendezvous::choose(&self.places, key, |_| true))
                    .unwrap_or(NOBODY)
            }
            GroupKind::Any => {
                let least = least_loaded(&choice.usable, &choice.load);
                if let Some((queued, given)) = choice.load.get_mut(least) {
                    *queued += 1;
                    *given += 1;
                }
                least
            }
        };
        if let Some(given) = choice.given.get_mut(chosen) {
            *given += 1;
            take(chosen);
        }
    }

    /// Counts what a batch was given.
    pub(super) fn end(&self, choice: &Choice) {
        for (sum, given) in self.given.iter().zip(&choice.given) {
            if *given > 0 {
                sum.fetch_add(*given, Ordering::Relaxed);
            }
        }
    }

    fn fail_over(&self, members: &[Health]) -> usize {
        let before = self.active.load(Ordering::Relaxed);
        let active = (before != NOBODY).then_some(before);
        let now = successor(&self.ranked, active, members, self.spec.hold);
        // Batches run beside each other: whoever changes it first says so.
        if now != before
            && self
                .active
                .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            && before != NOBODY
        {
            self.switches.fetch_add(1, Ordering::Relaxed);
            self.say_switch(before, now);
        }
        now
    }

    fn say_switch(&self, from: usize, to: usize) {
        let now = Instant::now();
        let mut said_at = self.said_at.lock();
        if said_at.is_some_and(|at| now.duration_since(at) < LOG_PERIOD) {
            return;
        }
        *said_at = Some(now);
        drop(said_at);
        let name = |index: usize| self.spec.members.get(index).map_or("", |m| m.name.as_str());
        tracing::warn!(
            group = self.spec.name.as_str(),
            from = name(from),
            to = name(to),
            "group switched"
        );
    }
}

/// Who is to take everything now: the active member while it is up, unless one before it has been back for
/// `hold`; else the first that is up; else the first.
fn successor(ranked: &[usize], active: Option<usize>, members: &[Health], hold: Duration) -> usize {
    let up = |index: usize| members.get(index).is_some_and(|member| member.available);
    let held = |index: usize| {
        let back_for = members.get(index).and_then(|member| member.back_for);
        up(index) && back_for.is_none_or(|back_for| back_for >= hold)
    };
    let first = ranked.iter().copied();
    if let Some(active) = active.filter(|active| up(*active)) {
        let mut before = first.take_while(|index| *index != active);
        return before.find(|index| held(*index)).unwrap_or(active);
    }
    first
        .clone()
        .find(|index| up(*index))
        .or_else(|| ranked.first().copied())
        .unwrap_or(NOBODY)
}

/// Those that are up and have been back for `hold`; without such, those that are up.
fn usable(members: &[Health], hold: Duration, usable: &mut Vec<bool>) {
    let held =
        |member: &Health| member.available && member.back_for.is_none_or(|back| back >= hold);
    usable.extend(members.iter().map(held));
    if !usable.contains(&true) {
        usable.clear();
        usable.extend(members.iter().map(|member| member.available));
    }
}

/// The member that is up with the least load, of several the one that had the least so far; without one that is
/// up, the least of all.
fn least_loaded(usable: &[bool], load: &[(u64, u64)]) -> usize {
    let nobody_is_up = !usable.contains(&true);
    let candidates = usable.iter().zip(load).enumerate();
    candidates
        .filter(|(_, (usable, _))| nobody_is_up || **usable)
        .min_by_key(|(_, (_, load))| **load)
        .map_or(0, |(index, _)| index)
}

/// A group of a topology: which sinks its members are.
#[derive(Debug, Clone)]
pub struct GroupEntry {
    /// The group.
    pub group: Arc<Group>,
    /// Positions of its members in [`Topology::sinks`](super::Topology::sinks), in their order.
    pub sinks: Vec<usize>,
}

#[cfg(test)]
mod tests;
