//! The state written in pieces, while messages are taken in: what it says is what was known when it was begun.

use std::time::Duration;

use serde_json::Result;

use super::{Tracker, TrackerState, parked::Queue};
use crate::call::registration::Registrations;

/// What is written at once.
#[derive(Debug)]
#[non_exhaustive]
pub struct Saving {
    /// The state as JSON, without parked legs and registrations.
    pub state: Vec<u8>,
    /// Registrations: see [`TrackerState::set_registrations`].
    pub registrations: Vec<u8>,
}

impl Tracker {
    /// Begins to write the state: gives what is written at once, and has [`Self::save_some`] give the rest. All that can be
    /// are parked for it, as that is their shortest form. One at a time: what was begun before is given up.
    ///
    /// # Errors
    /// Never, as far as anybody knows: the state is plain data.
    pub fn begin_saving(&mut self) -> Result<Saving> {
        let now = self.state.now;
        for component in 0..self.state.calls.len() {
            self.park(component, now, Duration::ZERO);
        }
        let registrations = self.state.registrations.pack(&self.state.exchanges);
        let apart = (
            std::mem::take(&mut self.state.registrations),
            std::mem::take(&mut self.state.exchanges),
        );
        self.state.parked.is_apart = true;
        let state = serde_json::to_vec(&self.state);
        self.state.parked.is_apart = false;
        (self.state.registrations, self.state.exchanges) = apart;
        self.state.parked.begin_saving();
        Ok(Saving {
            state: state?,
            registrations,
        })
    }

    /// Adds parked legs to `to` until it has `enough` octets: each behind its length, four octets, the low one first.
    /// Gives whether that was the last of them.
    pub fn save_some(&mut self, to: &mut Vec<u8>, enough: usize) -> bool {
        self.state.parked.save(to, enough)
    }
}

impl TrackerState {
    /// Adds a leg that [`Tracker::save_some`] gave, without its length.
    pub fn add_parked(&mut self, leg: &[u8]) {
        // Where it waits is found out when a tracker goes on from the state.
        self.parked.put(leg.into(), &[], false, None, Queue::Other);
    }

    /// Takes in the registrations that [`Tracker::begin_saving`] gave; `false` where they are none.
    #[must_use]
    pub fn set_registrations(&mut self, packed: &[u8]) -> bool {
        let registrations = Registrations::unpack(packed);
        let is_read = registrations.is_some();
        if let Some(registrations) = registrations {
            (self.registrations, self.exchanges) = registrations;
        }
        is_read
    }
}
