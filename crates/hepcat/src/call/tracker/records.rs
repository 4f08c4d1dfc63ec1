//! What is told of calls.

use std::collections::HashMap;

use super::Tracker;
use crate::call::{
    compose::{compose, sort_legs},
    correlation::{Link, LinkStatus, Rule},
    leg::{Context, Head},
    moment::Moment,
    record::{CallId, CallRecord, Change, Closed, LegId, LegRecord},
    registration::RegistrationRecord,
};

/// An open call, as [`Tracker::open_by_start`] lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenCall {
    /// When its first leg began.
    pub started: Moment,
    /// Its id at that time: joined with an earlier one it has that one's.
    pub id: CallId,
    /// Digest of the Call-ID of that leg.
    key: u64,
}

impl Tracker {
    /// What changed since it was asked last: calls that were closed, and the present state of open ones. What is told
    /// under an id takes the place of what was told before.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.state.finished).into();
        for (component, generation) in std::mem::take(&mut self.state.dirty) {
            let call = self.state.calls.get_mut(component).and_then(Option::as_mut);
            let Some(call) = call.filter(|call| call.generation == generation && call.dirty) else {
                continue;
            };
            call.dirty = false;
            self.supersede(component);
            let record = self.call_record(component, None);
            changes.extend(std::mem::take(&mut self.state.finished));
            changes.extend(record.map(|record| Change::Call(Box::new(record))));
        }
        changes.extend(self.take_parked_changes());
        let now = self.state.now;
        let registrations = self.state.registrations.take_changes(now);
        changes.extend(registrations.map(|record| Change::Registration(Box::new(record))));
        changes
    }

    /// The same but for calls that go on. Whoever keeps one row for each call asks this, and [`Self::open_calls`] for the
    /// others; their records are not made in vain.
    pub fn take_finished(&mut self) -> Vec<Change> {
        let mut changes: Vec<Change> = std::mem::take(&mut self.state.finished).into();
        let now = self.state.now;
        let registrations = self.state.registrations.take_changes(now);
        changes.extend(registrations.map(|record| Change::Registration(Box::new(record))));
        // What would be told of calls that are closed by now is not remembered without end.
        let calls = &self.state.calls;
        if self.state.dirty.len() > 2 * calls.len() + 1_024 {
            self.state.dirty.retain(|(component, generation)| {
                let call = calls.get(*component).and_then(Option::as_ref);
                call.is_some_and(|call| call.generation == *generation)
            });
        }
        changes
    }

    /// The record of an open call as of now.
    #[must_use]
    pub fn call(&self, id: CallId) -> Option<CallRecord> {
        // A call has the id of its first leg.
        match self.index.ids.get(&id.as_u64()) {
            Some(number) => {
                let component = self.state.graph.component_of(*number)?;
                let call = self.state.calls.get(component)?.as_ref()?;
                (call.id == id).then(|| self.call_record(component, None))?
            }
            None => self.record_of_parked(self.parked_by_id(LegId::from_u64(id.as_u64()))?),
        }
    }

    /// The record of the open call that has a leg of this Call-ID.
    #[must_use]
    pub fn call_with(&self, call_id: &str) -> Option<CallRecord> {
        self.record_with(self.digest.of(call_id.as_bytes()))
    }

    fn record_with(&self, key: u64) -> Option<CallRecord> {
        match self.index.legs.get(&key) {
            Some(number) => self.call_record(self.state.graph.component_of(*number)?, None),
            None => self.record_of_parked(self.parked_with(key)?),
        }
    }

    /// The records of all open calls as of now, in no order. Each is made when it is asked for.
    pub fn open_calls(&self) -> impl Iterator<Item = CallRecord> {
        let parked = self.state.parked.iter();
        self.calls()
            .filter_map(|(component, _)| self.call_record(component, None))
            .chain(parked.filter_map(|(spot, _)| self.record_of_parked(spot)))
    }

    /// The open calls without their records, those that began last first. Whoever wants the newest of many makes their
    /// records with [`Self::record_of`], and no others.
    #[must_use]
    pub fn open_by_start(&self) -> Vec<OpenCall> {
        let awake = self.calls().map(|(_, call)| OpenCall {
            started: call.first.0,
            id: call.id,
            key: call.first.1,
        });
        let parked = self.state.parked.iter().filter_map(|(_, packed)| {
            let head = Head::of(packed)?;
            Some(OpenCall {
                started: head.first(),
                id: head.id().into(),
                key: head.key(),
            })
        });
        let mut open: Vec<OpenCall> = awake.chain(parked).collect();
        open.sort_unstable_by_key(|open| std::cmp::Reverse((open.started, open.id)));
        open
    }

    /// The record of an open call as of now; `None` once it is closed, or part of another one.
    #[must_use]
    pub fn record_of(&self, open: &OpenCall) -> Option<CallRecord> {
        match self.index.legs.get(&open.key) {
            Some(number) => {
                let component = self.state.graph.component_of(*number)?;
                let call = self.state.calls.get(component)?.as_ref()?;
                (call.id == open.id).then(|| self.call_record(component, None))?
            }
            None => {
                let spot = self.parked_with(open.key)?;
                let id = self.state.parked.head(spot)?.id();
                (open.id == id.into()).then(|| self.record_of_parked(spot))?
            }
        }
    }

    /// The registrations that are remembered, as of now, in no order.
    pub fn registrations(&self) -> impl Iterator<Item = RegistrationRecord> {
        self.state.registrations.records(self.state.now)
    }

    fn calls(&self) -> impl Iterator<Item = (usize, &super::Call)> {
        let calls = self.state.calls.iter().enumerate();
        calls.filter_map(|(component, call)| Some((component, call.as_ref()?)))
    }

    /// Ids under which the call was told of before give way to its present one.
    pub(super) fn supersede(&mut self, component: usize) {
        let Some(call) = self.state.calls.get_mut(component).and_then(Option::as_mut) else {
            return;
        };
        let by = call.id;
        let told = std::mem::replace(&mut call.told, smallvec::smallvec![by]);
        for id in told.into_iter().filter(|id| *id != by) {
            self.finish(Change::Superseded { id, by });
        }
    }

    pub(super) fn finish(&mut self, change: Change) {
        if self.state.finished.len() >= self.limits.max_changes {
            self.state.finished.pop_front();
            self.state.counters.changes_dropped += 1;
        }
        self.state.finished.push_back(change);
    }

    pub(super) fn call_record(
        &self,
        component: usize,
        closed: Option<Closed>,
    ) -> Option<CallRecord> {
        let call = self.state.calls.get(component)?.as_ref()?;
        let mut legs: Vec<LegRecord> = self
            .state
            .graph
            .legs_of(component)
            .iter()
            .filter_map(|number| self.leg(*number))
            .map(|leg| {
                let session = leg.registration;
                leg.record(Context {
                    agents: &self.state.agents,
                    closed,
                    registration: session
                        .and_then(|session| self.state.registrations.id_of(session)),
                })
            })
            .collect();
        sort_legs(call.id, &mut legs);
        let links = self.links_of(component, &legs);
        Some(compose(call.id, legs, links, closed))
    }

    /// Links of the legs of a call, joined or not.
    fn links_of(&self, component: usize, legs: &[LegRecord]) -> Vec<Link> {
        let started: HashMap<LegId, (Moment, &str)> = legs
            .iter()
            .map(|leg| (leg.id, (leg.started, &*leg.call_id)))
            .collect();
        let place = |number: usize| {
            let leg = self.leg(number)?;
            let own = started.get(&leg.id).copied();
            Some((own.unwrap_or((leg.first, &leg.call_id)), leg.id))
        };
        let mut links: Vec<Link> = Vec::new();
        for group in self.state.graph.groups_of(component) {
            let members = group.members().iter();
            // Who is named is what the others point to; else who came first.
            let anchor = members
                .clone()
                .filter_map(|member| {
                    Some(((member.rule != Rule::Named, place(member.leg)?), member))
                })
                .min_by_key(|(rank, _)| *rank);
            let Some((_, anchor)) = anchor else { continue };
            let Some((_, to)) = place(anchor.leg) else {
                continue;
            };
            for member in members.filter(|member| member.leg != anchor.leg) {
                let Some((_, from)) = place(member.leg) else {
                    continue;
                };
                let both_named = member.rule == Rule::Named && anchor.rule == Rule::Named;
                let told = if member.rule == Rule::Named {
                    anchor
                } else {
                    member
                };
                links.push(Link {
                    from,
                    to,
                    rule: if both_named {
                        Rule::Correlate
                    } else {
                        told.rule
                    },
                    header: told.header.clone(),
                    confidence: member.confidence.min(anchor.confidence),
                    value: group.text(member.key).into(),
                    status: worse(member.status, anchor.status),
                    key: member.key,
                });
            }
        }
        for (number, pair) in self.state.graph.pairs_of(component) {
            let (Some(one), Some(other)) = (place(number), place(pair.other)) else {
                continue;
            };
            links.push(Link {
                from: one.max(other).1,
                to: one.min(other).1,
                rule: pair.rule,
                header: None,
                confidence: pair.confidence,
                value: pair.value.clone(),
                status: pair.status,
                key: pair.key,
            });
        }
        links.sort_unstable();
        links.dedup();
        links
    }
}

/// Of a link's two ends, what keeps it from joining.
fn worse(one: LinkStatus, other: LinkStatus) -> LinkStatus {
    if one == LinkStatus::Joined {
        other
    } else {
        one
    }
}
