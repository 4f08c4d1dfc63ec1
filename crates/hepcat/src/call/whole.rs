//! Calls out of stored messages: the same code that follows them at ingest, and their diagram.

use std::collections::HashMap;

use super::{
    correlation::Rules,
    ladder::{Ladder, LaneBy},
    limits::Limits,
    moment::Moment,
    record::{CallId, CallRecord, Change, LegId},
    registration::RegistrationRecord,
    seen::Seen,
    tracker::{Placed, Tracker},
};

/// What some messages amount to when they are looked at together.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Whole {
    /// The calls, by time: one where the messages are those of one.
    pub calls: Vec<CallRecord>,
    /// The registrations.
    pub registrations: Vec<RegistrationRecord>,
    /// Where each message belongs, in the order of the messages; what arrived before its call did is placed all the same.
    pub placed: Vec<Placed>,
    /// The diagram of all of them.
    pub ladder: Ladder,
}

impl Whole {
    /// Gathers `messages`, which come in any order, by `rules`: those of today, so a rule that was taught holds for the
    /// past. What is over or was silent too long at `now`, by the clock of reception, is closed. There are no limits but
    /// the number of messages: memory is about 1 kB for each, beside them.
    #[must_use]
    pub fn gather(messages: &[Seen<'_>], rules: &Rules, now: Moment, lane_by: LaneBy) -> Self {
        let limits = Limits {
            max_legs: messages.len().max(1),
            max_legs_per_call: messages.len().max(1),
            max_octets: usize::MAX,
            max_registrations: messages.len().max(1),
            max_changes: usize::MAX,
            ..Limits::default()
        };
        let mut tracker = Tracker::new(limits, rules.clone(), 0);
        let mut order: Vec<usize> = (0..messages.len()).collect();
        // What is no SIP is attached to what is open: all SIP first.
        order.sort_by_key(|place| {
            let seen = messages.get(*place);
            seen.map(|seen| (seen.sip().is_none(), seen.received, seen.row))
        });
        let mut placed: Vec<Option<Placed>> = vec![None; messages.len()];
        for place in order {
            if let (Some(seen), Some(slot)) = (messages.get(place), placed.get_mut(place)) {
                *slot = Some(tracker.ingest(seen));
            }
        }
        tracker.expire(now);
        let (mut calls, mut registrations) = (Vec::new(), Vec::new());
        for change in tracker.take_changes() {
            match change {
                Change::Call(call) => calls.push(*call),
                Change::Registration(registration) => registrations.push(*registration),
                Change::Superseded { .. } => {}
            }
        }
        calls.sort_by_key(|call| (call.started, call.id));
        // Joining gave calls other ids meanwhile.
        let call_of: HashMap<LegId, CallId> = calls
            .iter()
            .flat_map(|call| call.legs.iter().map(|leg| (leg.id, call.id)))
            .collect();
        let placed = placed.into_iter().flatten().map(|placed| Placed {
            place: placed
                .place
                .map(|(leg, call)| (leg, call_of.get(&leg).copied().unwrap_or(call))),
            ..placed
        });
        Self {
            placed: placed.collect(),
            calls,
            registrations,
            ladder: Ladder::new(messages, lane_by),
        }
    }
}
