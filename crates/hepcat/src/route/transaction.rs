//! The SIP transactions that a node has seen copies of: enough to tell a further branch from a first
//! request, and an answer to something seen from one to nothing.
//!
//! A node that sees copies has no transactions of its own. It remembers of each request its Call-ID, `CSeq`
//! and topmost Via branch, as hashes, for as long as an answer may take. What it remembers is bounded in
//! number and in time, and time is that of arrival, which the caller gives: nothing here reads a clock.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use foldhash::quality::RandomState;
use hepcat_sip::{Kind, Scan};

/// Transactions remembered by a node: ten seconds of 20,000 requests a second, and about 16 MiB when full.
pub const MAX_TRANSACTIONS: usize = 200_000;

/// How long a transaction is remembered after its latest message. Timer C of a proxy, which ends an
/// INVITE that nobody answers, is over three minutes (RFC 3261 §16.6); every other timer is shorter.
pub const TRANSACTION_LIFETIME: Duration = Duration::from_secs(300);

/// What a captured SIP message is to the transactions seen before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Standing {
    /// A request that was seen before with another Via branch: the same request, sent on. Said of every
    /// copy of that branch except retransmissions.
    pub further_branch: bool,
    /// The first final reply of 300 and above to a request that was seen.
    pub failure: bool,
}

/// The memory of one part of the calls; one for each part that is looked at by itself.
#[derive(Debug)]
pub struct Transactions {
    hasher: RandomState,
    /// What was seen since `turned_at`.
    young: Seen,
    /// What was seen in the turn before that.
    old: Seen,
    turned_at: u64,
    /// Memories that fit one turn. A transaction takes two, its request and its branch, and there are two
    /// turns, so this is also how many transactions fit.
    capacity: usize,
    /// In milliseconds.
    lifetime: u64,
    forgotten: u64,
}

type Seen = HashMap<u64, Memory, foldhash::fast::RandomState>;

/// What is remembered under one key: of a request where it was first seen, of a branch how it stands.
#[derive(Debug, Clone, Copy)]
struct Memory {
    /// Arrival of the latest message, in milliseconds since 1970.
    at: u64,
    /// Of a request: the branch that it was first seen with. Of a branch: whether it has its final answer.
    fact: u64,
}

const OPEN: u64 = 0;
const ANSWERED: u64 = 1;

impl Transactions {
    /// A memory of at most `capacity` transactions, each for `lifetime` after its latest message.
    #[must_use]
    pub fn new(capacity: usize, lifetime: Duration) -> Self {
        Self {
            hasher: RandomState::default(),
            young: Seen::default(),
            old: Seen::default(),
            turned_at: 0,
            capacity: capacity.max(2),
            lifetime: millis(lifetime),
            forgotten: 0,
        }
    }

    /// Looks at a message that arrived at `at`, says how it stands, and remembers it. A message without
    /// Call-ID, `CSeq` or Via branch belongs to no transaction.
    pub fn see(&mut self, sip: &Scan<'_>, at: SystemTime) -> Standing {
        let now = millis(at.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.turn(now);
        let Some((call_id, method, branch)) = identity(sip) else {
            return Standing::default();
        };
        let branch_key = self.hasher.hash_one((call_id, method, branch));
        match sip.kind() {
            Kind::Request => {
                let tag = sip.from().and_then(|from| from.tag());
                let request_key =
                    self.hasher
                        .hash_one((call_id, sip.cseq_number(), method, tag, "request"));
                self.see_request(request_key, branch_key, now)
            }
            Kind::Response => self.see_reply(branch_key, sip.status_code(), now),
        }
    }

    /// How many memories there are; each transaction takes up to two, and as many again for a while.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memories let go before their time because there were too many.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn see_request(&mut self, request: u64, branch: u64, now: u64) -> Standing {
        let first_branch = self.recall(request, now);
        let known_branch = self.recall(branch, now);
        self.remember(request, first_branch.unwrap_or(branch), now);
        self.remember(branch, known_branch.unwrap_or(OPEN), now);
        Standing {
            further_branch: first_branch.is_some_and(|first| first != branch)
                && known_branch.is_none(),
            failure: false,
        }
    }

    fn see_reply(&mut self, branch: u64, status: Option<u16>, now: u64) -> Standing {
        let Some(state) = self.recall(branch, now) else {
            return Standing::default();
        };
        let is_final = status.is_some_and(|status| status >= 200);
        let state_now = if is_final { ANSWERED } else { state };
        self.remember(branch, state_now, now);
        Standing {
            further_branch: false,
            failure: state == OPEN && status.is_some_and(|status| status >= 300),
        }
    }

    fn recall(&self, key: u64, now: u64) -> Option<u64> {
        let memory = self.young.get(&key).or_else(|| self.old.get(&key))?;
        (now.saturating_sub(memory.at) <= self.lifetime).then_some(memory.fact)
    }

    fn remember(&mut self, key: u64, fact: u64, now: u64) {
        self.young.insert(key, Memory { at: now, fact });
    }

    /// Begins a new turn when this one has lasted a lifetime or is full. What is not seen again for two
    /// turns is gone.
    fn turn(&mut self, now: u64) {
        // A clock that was set back begins a turn as well, so that nothing lives on in the future.
        let over = now
            .checked_sub(self.turned_at)
            .is_none_or(|age| age > self.lifetime);
        let full = self.young.len() + 2 > self.capacity;
        if !over && !full {
            return;
        }
        let young = std::mem::take(&mut self.young);
        let gone = std::mem::replace(&mut self.old, young);
        let early = |memory: &&Memory| now.saturating_sub(memory.at) <= self.lifetime;
        self.forgotten += gone.values().filter(early).count() as u64;
        self.turned_at = now;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Call-ID, method and topmost Via branch; `None` for what is no transaction. An ACK is part of the
/// transaction it acknowledges or of none (RFC 3261 §17.1.1.3, §13.2.2.4), so it is no request of its own.
fn identity<'a>(sip: &Scan<'a>) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
    let method = sip.cseq_method().or_else(|| sip.method())?;
    if method == b"ACK" {
        return None;
    }
    Some((sip.call_id()?, method, sip.via_branch()?))
}

#[cfg(test)]
mod tests;
