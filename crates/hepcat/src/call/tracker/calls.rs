//! Calls: what is kept of a component of legs.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Due, Moment, Tracker, park::PARK_AFTER};
use crate::call::{
    correlation::Mentioned,
    flag::Flag,
    record::{CallId, LegId},
};

/// A call while it is open.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Call {
    /// The id of its first leg.
    pub(super) id: CallId,
    /// When that began, and its Call-ID's digest: of two at one time, the lower.
    pub(super) first: (Moment, u64),
    /// Ids under which it was told of.
    pub(super) told: SmallVec<[CallId; 1]>,
    /// Tells it from another one that had its number before.
    pub(super) generation: u32,
    pub(super) dirty: bool,
    /// When it is looked at next: the one entry of the queue that counts.
    pub(super) due: Moment,
}

impl Tracker {
    /// Makes a call of one leg.
    pub(super) fn open_call(&mut self, leg: usize, received: Moment) {
        let Some(component) = self.state.graph.component_of(leg) else {
            return;
        };
        self.put_call(component);
        self.queue(component, received);
    }

    /// Has the call looked at as soon as it may be idle.
    pub(super) fn queue(&mut self, component: usize, received: Moment) {
        self.look_at(component, received.after(PARK_AFTER));
    }

    /// Has the call looked at at `at`, and not before.
    pub(super) fn look_at(&mut self, component: usize, at: Moment) {
        let call = self.state.calls.get_mut(component).and_then(Option::as_mut);
        if let Some(call) = call {
            call.due = at;
            let due = Due {
                at,
                component,
                generation: call.generation,
            };
            self.put_due(due);
        }
    }

    /// A leg that is over has its call looked at soon.
    pub(super) fn hurry(&mut self, leg: usize, received: Moment) {
        let soon = received.after(self.limits.linger);
        let Some(component) = self.state.graph.component_of(leg) else {
            return;
        };
        let call = self.state.calls.get(component).and_then(Option::as_ref);
        if call.is_some_and(|call| call.due > soon.after(self.limits.linger))
            && self.leg(leg).is_some_and(|leg| leg.state().is_over())
        {
            self.look_at(component, soon);
        }
    }

    pub(super) fn put_call(&mut self, component: usize) {
        self.state.generation = self.state.generation.wrapping_add(1);
        let call = Call {
            id: CallId::from(LegId::from_u64(0)),
            first: (Moment::from_micros(i64::MAX), u64::MAX),
            told: SmallVec::new(),
            generation: self.state.generation,
            dirty: false,
            due: Moment::default(),
        };
        if self.state.calls.len() <= component {
            self.state.calls.resize_with(component + 1, || None);
        }
        if let Some(slot) = self.state.calls.get_mut(component) {
            *slot = Some(call);
        }
    }

    /// Something of `leg` changed: its call has to be told of anew, and may have another first leg.
    pub(super) fn touch(&mut self, leg: usize) {
        let Some(component) = self.state.graph.component_of(leg) else {
            return;
        };
        let Some(known) = self.leg(leg) else { return };
        let (rank, id) = ((known.first, known.key), known.id);
        let Some(call) = self.state.calls.get_mut(component).and_then(Option::as_mut) else {
            return;
        };
        if rank < call.first {
            (call.first, call.id) = (rank, id.into());
        }
        if !call.dirty {
            call.dirty = true;
            self.state.dirty.push((component, call.generation));
        }
    }

    /// Does what a change of the graph asks for; `leg` is one of those it is about.
    pub(super) fn follow(&mut self, leg: usize, mentioned: Mentioned) {
        match mentioned {
            Mentioned::Nothing => {}
            Mentioned::Changed => self.touch(leg),
            Mentioned::Withheld => {
                self.state.counters.withheld += 1;
                if let Some(leg) = self.state.legs.get_mut(leg).and_then(Option::as_mut) {
                    leg.set_flag(Flag::Limited);
                }
                self.touch(leg);
            }
            Mentioned::Merged { kept, gone } => {
                let gone = self.state.calls.get_mut(gone).and_then(Option::take);
                let kept = self.state.calls.get_mut(kept).and_then(Option::as_mut);
                if let (Some(gone), Some(kept)) = (gone, kept) {
                    if gone.first < kept.first {
                        (kept.first, kept.id) = (gone.first, gone.id);
                    }
                    kept.told.extend(gone.told);
                }
                self.touch(leg);
            }
        }
    }
}
