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
        while let Some(due) = self.state.due.peek().copied().filter(|due| due.at <= now) {
            self.state.due.pop();
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
            if self.park(due.component, now, PARK_AFTER) {
                continue;
            }
            let parked_at = self.parked_at(due.component);
            let next = parked_at.unwrap_or_else(|| now.after(LOOK));
            self.look_at(due.component, at.min(next));
        }
        self.expire_parked(now);
        self.expire_aliases(now);
        self.state.registrations.expire(now, REGISTRATION_LINGER);
    }

    /// When the call of `due` has to be closed if nothing more is heard; nothing where it is no more.
    fn due_of(&self, due: Due) -> Option<Moment> {
        let call = self.state.calls.get(due.component)?.as_ref()?;
        if (call.generation, call.due) != (due.generation, due.at) {
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
            let Some(due) = self.state.due.pop() else {
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
        let is_idle = over.is_none()
            && [Queue::Talking, Queue::Fresh, Queue::Other]
                .into_iter()
                .any(|queue| self.state.parked.front(queue).is_some());
        let soonest = || {
            let candidates = candidates.iter();
            candidates.min_by_key(|(at, due)| (self.is_set_up(due.component), *at))
        };
        let chosen = over.or_else(|| soonest().map(|(_, due)| *due).filter(|_| !is_idle));
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
        self.state.exchanges.remove(&leg.key);
        self.remember_closed(leg.key);
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
