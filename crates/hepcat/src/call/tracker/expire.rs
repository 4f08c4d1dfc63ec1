//! Closing what is over, what is silent, and what there is no room for.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{
    MAX_CLOSED, Tracker,
    park::PARK_AFTER,
    parked::{QUEUES, Queue},
};
use crate::call::{
    heard::TRANSACTION,
    moment::Moment,
    record::{Change, Closed, Kind, State},
};

/// So many calls are looked at to find one that is over.
const CANDIDATES: usize = 32;
/// How often an open call is looked at.
const LOOK: std::time::Duration = std::time::Duration::from_mins(5);
/// How long a registration that is over is remembered.
const REGISTRATION_LINGER: std::time::Duration = std::time::Duration::from_hours(1);

/// When a call has to be looked at. The earliest is the greatest, as a heap wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Due {
    pub(super) at: Moment,
    pub(super) component: usize,
    pub(super) generation: u32,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.component, other.generation).cmp(&(
            self.at,
            self.component,
            self.generation,
        ))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Tracker {
    /// Closes what is over or was silent too long at `now`, by the clock of reception. What has to be told of it waits
    /// in [`Self::take_changes`].
    pub fn expire(&mut self, now: Moment) {
        self.state.now = self.state.now.max(now);
        while let Some(due) = self.take_due(now) {
            // Most are idle. Who is closed at once for that is found among the parked.
            if !self.is_awaited(due) || self.park(due.component, now, PARK_AFTER) {
                continue;
            }
            let Some(at) = self.due_of(due) else { continue };
            if at <= now {
                let closed = if self.is_over(due.component) {
                    Closed::Over
                } else {
                    Closed::Idle
                };
                self.close(due.component, closed);
                continue;
            }
            self.forget_transmissions(due.component, now);
            let parked_at = self.parked_at(due.component);
            let next = parked_at.unwrap_or_else(|| now.after(LOOK));
            self.look_at(due.component, at.min(next));
        }
        self.expire_parked(now);
        self.expire_aliases(now);
        self.state.registrations.expire(now, REGISTRATION_LINGER);
    }

    /// Notes when a call is to be looked at.
    pub(super) fn put_due(&mut self, due: Due) {
        let is_last = self.soon.back().is_none_or(|last| last.at <= due.at);
        if is_last && due.at.distance(self.state.now) <= PARK_AFTER {
            self.soon.push_back(due);
        } else {
            self.state.due.push(due);
        }
    }

    /// The next call to be looked at, where that is not after `now`.
    fn take_due(&mut self, now: Moment) -> Option<Due> {
        let soon = self.soon.front().copied();
        let due = match (soon, self.state.due.peek().copied()) {
            (Some(one), Some(other)) if other.at < one.at => other,
            (one, other) => one.or(other)?,
        };
        if due.at > now {
            return None;
        }
        if soon == Some(due) {
            self.soon.pop_front();
        } else {
            self.state.due.pop();
        }
        Some(due)
    }

    /// Has all calls looked at that are not parked, as after a restart.
    pub(super) fn rebuild_due(&mut self) {
        let calls = self.state.calls.iter().enumerate();
        self.state.due = calls
            .filter_map(|(component, call)| {
                let call = call.as_ref()?;
                Some(Due {
                    at: call.due,
                    component,
                    generation: call.generation,
                })
            })
            .collect();
    }

    /// Whether the call of `due` is to be looked at then, and not at another time.
    pub(super) fn is_awaited(&self, due: Due) -> bool {
        let call = self.state.calls.get(due.component).and_then(Option::as_ref);
        call.is_some_and(|call| (call.generation, call.due) == (due.generation, due.at))
    }

    /// When the call of `due` has to be closed if nothing more is heard; nothing where it is no more.
    fn due_of(&self, due: Due) -> Option<Moment> {
        if !self.is_awaited(due) {
            return None;
        }
        self.state
            .graph
            .legs_of(due.component)
            .iter()
            .filter_map(|leg| self.leg(*leg))
            .map(|leg| {
                leg.last_received
                    .after(self.limits.patience(leg.kind(), leg.state()))
            })
            .max()
    }

    fn is_over(&self, component: usize) -> bool {
        let legs = self.state.graph.legs_of(component).iter();
        legs.filter_map(|leg| self.leg(*leg))
            .all(|leg| leg.state().is_over())
    }

    fn forget_transmissions(&mut self, component: usize, now: Moment) {
        for leg in self.state.graph.legs_of(component) {
            if let Some(leg) = self.state.legs.get_mut(*leg).and_then(Option::as_mut)
                && leg.last_received.after(TRANSACTION) < now
                && leg.state() == State::InCall
            {
                leg.forget_transmissions();
            }
        }
    }

    /// Makes room: closes what is over, or else what is idle in call, or else what would be closed soonest; what is being
    /// set up last. Gives whether there was one to close.
    pub(super) fn evict(&mut self) -> bool {
        if self.evict_parked(Queue::Over) {
            return true;
        }
        let mut candidates: SmallVec<[(Moment, Due); CANDIDATES]> = SmallVec::new();
        while candidates.len() < CANDIDATES {
            let Some(due) = self.take_due(Moment::from_micros(i64::MAX)) else {
                break;
            };
            if let Some(at) = self.due_of(due) {
                candidates.push((at, due));
                if self.is_over(due.component) {
                    break;
                }
            }
        }
        let last = candidates.last().map(|(_, due)| *due);
        let over = last.filter(|due| self.is_over(due.component));
        let soonest = candidates
            .iter()
            .map(|(at, due)| ((self.is_set_up(due.component), *at), *due))
            .min_by_key(|(rank, _)| *rank);
        // Those that are parked were heard of longer ago: they go before who is no better.
        let is_set_up = soonest.is_some_and(|((is_set_up, _), _)| is_set_up);
        let is_idle = over.is_none()
            && QUEUES.into_iter().any(|queue| {
                (queue != Queue::Setup || is_set_up) && self.state.parked.front(queue).is_some()
            });
        let chosen = over.or_else(|| soonest.map(|(_, due)| due).filter(|_| !is_idle));
        let next_look = self.state.now.after(PARK_AFTER);
        for (at, due) in candidates.iter().copied() {
            if Some(due) != chosen {
                // Not before it has to be: the next one that room is needed for shall see others.
                self.look_at(due.component, at.min(next_look));
            }
        }
        match (chosen, over) {
            (Some(due), Some(_)) => {
                self.state.counters.cut_short += 1;
                self.close(due.component, Closed::Over);
            }
            (Some(due), None) => self.close(due.component, Closed::Evicted),
            (None, _) => return QUEUES.into_iter().any(|queue| self.evict_parked(queue)),
        }
        true
    }

    /// Closes every call, as at the end of a replay. Each is told of once more.
    pub fn close_all(&mut self) {
        let open: Vec<usize> = (0..self.state.calls.len()).collect();
        for component in open {
            let closed = if self.is_over(component) {
                Closed::Over
            } else {
                Closed::Idle
            };
            self.close(component, closed);
        }
        self.close_all_parked();
        self.state.due.clear();
        self.soon.clear();
    }

    fn close(&mut self, component: usize, closed: Closed) {
        let Some(record) = self.call_record(component, Some(closed)) else {
            return;
        };
        self.count_closed(closed);
        self.supersede(component);
        self.finish(Change::Call(Box::new(record)));
        if let Some(slot) = self.state.calls.get_mut(component) {
            *slot = None;
        }
        for number in self.state.graph.remove(component, self.state.now) {
            self.forget_leg(number);
        }
    }

    /// Whether a call is not answered yet: what is lost of it is what is asked for most.
    fn is_set_up(&self, component: usize) -> bool {
        let mut legs = self.state.graph.legs_of(component).iter();
        legs.any(|leg| {
            self.leg(*leg)
                .is_some_and(|leg| leg.kind() == Kind::Call && leg.state() != State::InCall)
        })
    }

    pub(super) fn count_closed(&mut self, closed: Closed) {
        let counter = match closed {
            Closed::Over => &mut self.state.counters.closed_over,
            Closed::Idle => &mut self.state.counters.closed_idle,
            Closed::Evicted => &mut self.state.counters.evicted,
        };
        *counter += 1;
    }

    fn forget_leg(&mut self, number: usize) {
        let Some(leg) = self.state.legs.get_mut(number).and_then(Option::take) else {
            return;
        };
        let _keys = self.take_from_index(number, &leg);
        if let Some(kept) = &leg.kept {
            self.state.parked.vacate(kept);
        }
        self.state.exchanges.remove(&leg.key);
        self.remember_closed(leg.key);
        self.spare(leg);
    }

    /// Notes that a Call-ID was closed.
    pub(super) fn remember_closed(&mut self, key: u64) {
        if self.index.closed.insert(key, ()).is_none() {
            self.state.closed.push_back(key);
        }
        if self.state.closed.len() > MAX_CLOSED
            && let Some(oldest) = self.state.closed.pop_front()
        {
            self.index.closed.remove(&oldest);
        }
    }
}
