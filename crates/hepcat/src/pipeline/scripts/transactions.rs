//! The transactions that scripts have seen, of all workers: in parts, so that workers seldom meet.

use std::{hash::BuildHasher, time::SystemTime};

use foldhash::fast::RandomState;
use hepcat_sip::Scan;
use parking_lot::Mutex;

use crate::route::{MAX_TRANSACTIONS, Standing, TRANSACTION_LIFETIME, Transactions};

/// Parts that are locked by themselves: more than there are workers, by default.
const PARTS: usize = 16;

/// The transactions seen, kept through reloads.
#[derive(Debug)]
pub struct SeenTransactions {
    hasher: RandomState,
    parts: [Mutex<Transactions>; PARTS],
}

impl Default for SeenTransactions {
    fn default() -> Self {
        let part = || {
            Mutex::new(Transactions::new(
                MAX_TRANSACTIONS / PARTS,
                TRANSACTION_LIFETIME,
            ))
        };
        Self {
            hasher: RandomState::default(),
            parts: std::array::from_fn(|_| part()),
        }
    }
}

impl SeenTransactions {
    /// How a message that arrived at `at` stands to those before it, which it then belongs to.
    pub fn see(&self, sip: &Scan<'_>, at: SystemTime) -> Standing {
        let hash = self.hasher.hash_one(sip.call_id());
        let part = usize::try_from(hash % PARTS as u64).unwrap_or_default();
        let Some(part) = self.parts.get(part) else {
            return Standing::default();
        };
        part.lock().see(sip, at)
    }

    /// What is remembered, and what was forgotten before its time.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        self.parts.iter().fold((0, 0), |(kept, forgotten), part| {
            let part = part.lock();
            (kept + part.len() as u64, forgotten + part.forgotten())
        })
    }
}
