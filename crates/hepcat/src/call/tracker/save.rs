//! The state written in pieces, while messages are taken in: what it says is what was known when it was begun.

use std::time::Duration;

use serde_json::Result;

use super::{Tracker, TrackerState, parked::Queue};

impl Tracker {
    /// Begins to write the state: gives what is written at once, as JSON, and has [`Self::save_some`] give the rest. All
    /// that can be are parked for it, as that is their shortest form. One at a time: what was begun before is given up.
    ///
    /// # Errors
    /// Never, as far as anybody knows: the state is plain data.
    pub fn begin_saving(&mut self) -> Result<Vec<u8>> {
        let now = self.state.now;
        for component in 0..self.state.calls.len() {
            self.park(component, now, Duration::ZERO);
        }
        self.state.parked.is_apart = true;
        let state = serde_json::to_vec(&self.state);
        self.state.parked.is_apart = false;
        self.state.parked.begin_saving();
        state
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
        self.parked.put(leg.into(), &[], Queue::Other);
    }
}
