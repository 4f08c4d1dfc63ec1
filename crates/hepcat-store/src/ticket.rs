//! What an append gives back: when its rows are kept, or why they are not.

use std::{sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex};

use crate::{error::AppendError, hot::Appended};

/// Says when appended rows are durable as far as the policy promises it.
#[derive(Debug, Clone)]
pub struct Ticket {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    outcome: Mutex<Option<Result<Appended, AppendError>>>,
    done: Condvar,
}

impl Ticket {
    pub(crate) fn new() -> Self {
        Self {
            state: Arc::default(),
        }
    }

    pub(crate) fn complete(&self, outcome: Result<Appended, AppendError>) {
        let mut place = self.state.outcome.lock();
        if place.is_none() {
            *place = Some(outcome);
            self.state.done.notify_all();
        }
    }

    /// Waits until the rows are kept.
    ///
    /// # Errors
    /// Why they are not; they are counted under that reason.
    pub fn wait(&self) -> Result<Appended, AppendError> {
        let mut outcome = self.state.outcome.lock();
        loop {
            match *outcome {
                Some(outcome) => return outcome,
                None => self.state.done.wait(&mut outcome),
            }
        }
    }

    /// The same, for at most so long; `None` is not yet.
    #[must_use]
    pub fn wait_for(&self, limit: Duration) -> Option<Result<Appended, AppendError>> {
        let mut outcome = self.state.outcome.lock();
        if outcome.is_none() {
            self.state
                .done
                .wait_while_for(&mut outcome, |outcome| outcome.is_none(), limit);
        }
        *outcome
    }
}
