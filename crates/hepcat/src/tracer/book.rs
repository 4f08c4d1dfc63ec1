//! Which transactions and dialogs are being followed, for which traces.
//!
//! Bounded in number and in time; time is that of arrival, which the caller gives. Each kind lives in two
//! halves: what is touched moves into the young one, and when that is full or has lasted long enough the
//! old one is let go whole. Letting go of what is not over yet is counted.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hepcat_net::Envelope;
use hepcat_sip::{Kind, Scan};
use hepcat_wire::{ProtocolType, trim_nul};
use sha2::{Digest as _, Sha256};

use super::{Scope, Types, side::Side};

/// Transactions, and as many dialogs, that can be followed at a time: with keys of usual length 10 MiB.
pub const MAX_FOLLOWED: usize = 20_000;

/// How long a transaction is followed after its latest message; as long as a node remembers one at all.
const TRANSACTION_LIFETIME: Duration = crate::route::TRANSACTION_LIFETIME;

/// How long a dialog is followed after its latest message: session timers refresh it earlier, and without
/// them three hours of silence are a call that nobody ended.
const DIALOG_LIFETIME: Duration = Duration::from_secs(3 * 3600);

/// How long the messages of a dialog that has ended are still its own: retransmissions (64·T1, RFC 3261
/// §17.1.1.1).
const LINGERING: Duration = Duration::from_secs(32);

/// Traces that follow one and the same transaction or dialog; more do not.
const MAX_TRACES_EACH: usize = 64;

/// Keys longer than this are kept as a digest: a Call-ID may be as long as a frame.
const LONGEST_KEY: usize = 128;

/// Via hops that are looked at: more have gone in circles.
const MAX_HOPS: usize = 16;

/// What is done for one trace with what belongs to a transaction or dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Following {
    /// Number of the trace.
    pub(super) trace: u32,
    /// Protocol types that are wanted.
    pub(super) types: Types,
    /// Whose side is wanted.
    pub(super) side: Side,
    /// What takes the place of the Call-ID.
    pub(super) correlation: Option<Arc<[u8]>>,
    /// The tag of whoever began the dialog.
    tag: Option<Box<[u8]>>,
}

#[derive(Debug, Default)]
struct Followed {
    traces: Vec<Following>,
    /// When it is over, in milliseconds; its messages are its own for a moment longer.
    over_at: Option<u64>,
    /// An INVITE was accepted: what is refused from then on does not end it.
    accepted: bool,
}

/// Everything that is followed.
#[derive(Debug)]
pub(super) struct Book {
    transactions: Halves,
    dialogs: Halves,
}

/// How much of it there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BookCounts {
    /// Transactions followed now.
    pub transactions: usize,
    /// Dialogs followed now.
    pub dialogs: usize,
    /// Transactions let go before their time because there were too many.
    pub forgotten_transactions: u64,
    /// Dialogs let go before their time because there were too many.
    pub forgotten_dialogs: u64,
}

impl Book {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            transactions: Halves::new(capacity, TRANSACTION_LIFETIME),
            dialogs: Halves::new(capacity, DIALOG_LIFETIME),
        }
    }

    pub(super) fn counts(&self) -> BookCounts {
        BookCounts {
            transactions: self.transactions.len(),
            dialogs: self.dialogs.len(),
            forgotten_transactions: self.transactions.forgotten,
            forgotten_dialogs: self.dialogs.forgotten,
        }
    }

    /// Shows each trace that follows what this message belongs to.
    pub(super) fn each(
        &mut self,
        envelope: &Envelope,
        sip: Option<&Scan<'_>>,
        mut found: impl FnMut(&Following),
    ) {
        let now = millis(envelope.received_at);
        let message = &envelope.message;
        let wanted = message.protocol_type().unwrap_or(ProtocolType::SIP);
        let mut show = |following: &Following| {
            if following.types.contains(wanted) && following.side.has(message) {
                found(following);
            }
        };
        if let Some(sip) = sip
            && let Some((call_id, number)) = sip.call_id().zip(sip.cseq_number())
        {
            for branch in sip.via_branches().take(MAX_HOPS) {
                let key = transaction_key(call_id, number, branch);
                if let Some(followed) = self.transactions.touch(&key, now) {
                    followed.traces.iter().for_each(&mut show);
                }
            }
        }
        let call_id = sip.and_then(Scan::call_id);
        let Some(call_id) = call_id.or_else(|| message.correlation_id().map(trim_nul)) else {
            return;
        };
        let Some(followed) = self.dialogs.touch(&key(call_id), now) else {
            return;
        };
        if followed
            .over_at
            .is_some_and(|over| now > over + as_millis(LINGERING))
            && !sip.is_some_and(begins_again)
        {
            return;
        }
        if let Some(sip) = sip {
            followed.learn(sip, now);
        }
        followed
            .traces
            .iter()
            .filter(|following| sip.is_none_or(|sip| following.is_party(sip)))
            .for_each(show);
    }

    /// Follows what the request belongs to, for one more trace. A request without what would tell its
    /// transaction or dialog is not followed.
    pub(super) fn follow(
        &mut self,
        scope: Scope,
        sip: &Scan<'_>,
        at: SystemTime,
        mut following: Following,
    ) {
        let now = millis(at);
        let followed = match scope {
            Scope::Message => return,
            Scope::Transaction => {
                let number_and_branch = sip.cseq_number().zip(sip.via_branch());
                let Some((call_id, (number, branch))) = sip.call_id().zip(number_and_branch) else {
                    return;
                };
                self.transactions
                    .begin(transaction_key(call_id, number, branch), now)
            }
            Scope::Dialog => {
                let Some(call_id) = sip.call_id() else { return };
                let tag = sip.from().and_then(|from| from.tag());
                following.tag = tag.map(|tag| key(tag).into_boxed_slice());
                self.dialogs.begin(key(call_id), now)
            }
        };
        followed.add(following);
    }

    /// Lets go of everything that is followed for traces of which `stays` says no.
    pub(super) fn retain(&mut self, stays: impl Fn(u32) -> bool) {
        for half in [&mut self.transactions, &mut self.dialogs] {
            half.retain(|following| stays(following.trace));
        }
    }
}

impl Following {
    pub(super) fn new(
        trace: u32,
        types: Types,
        side: Side,
        correlation: Option<Arc<[u8]>>,
    ) -> Self {
        Self {
            trace,
            types,
            side,
            correlation,
            tag: None,
        }
    }

    /// Whether whoever began the dialog is a party of the message. A Call-ID alone is not enough: whoever
    /// chooses it may choose the one of somebody else's call.
    fn is_party(&self, sip: &Scan<'_>) -> bool {
        let Some(own) = &self.tag else { return true };
        let is_own = |tag: Option<&[u8]>| tag.is_some_and(|tag| *key(tag) == **own);
        is_own(sip.from().and_then(|from| from.tag())) || is_own(sip.to().and_then(|to| to.tag()))
    }
}

impl Followed {
    fn add(&mut self, following: Following) {
        self.over_at = None;
        let known = |one: &&mut Following| one.trace == following.trace && one.tag == following.tag;
        if let Some(one) = self.traces.iter_mut().find(known) {
            *one = following;
        } else if self.traces.len() < MAX_TRACES_EACH {
            self.traces.push(following);
        }
    }

    /// A dialog ends with the answer to its BYE, or when its INVITE is refused; one more INVITE, or a
    /// better answer of another branch, and it goes on.
    fn learn(&mut self, sip: &Scan<'_>, now: u64) {
        match (sip.cseq_method(), sip.status_code()) {
            (Some(b"BYE"), Some(200..)) => {
                self.over_at.get_or_insert(now);
            }
            (Some(b"INVITE"), Some(300..)) if !self.accepted => {
                self.over_at.get_or_insert(now);
            }
            (Some(b"INVITE"), Some(300..)) => {}
            (Some(b"INVITE"), status) => {
                self.accepted |= status.is_some_and(|status| status >= 200);
                self.over_at = None;
            }
            _ => {}
        }
    }
}

fn begins_again(sip: &Scan<'_>) -> bool {
    sip.kind() == Kind::Request && sip.method() == Some(b"INVITE")
}

/// Branches are unique by themselves (RFC 3261 §8.1.1.7), where senders follow the rule.
fn transaction_key(call_id: &[u8], number: u32, branch: &[u8]) -> Vec<u8> {
    let mut key = key(call_id);
    key.push(0);
    key.extend(self::key(branch));
    key.extend(number.to_be_bytes());
    key
}

fn key(text: &[u8]) -> Vec<u8> {
    if text.len() <= LONGEST_KEY {
        text.to_vec()
    } else {
        Sha256::digest(text).to_vec()
    }
}

fn millis(at: SystemTime) -> u64 {
    as_millis(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn as_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

type Half = HashMap<Vec<u8>, Followed>;

#[derive(Debug)]
struct Halves {
    young: Half,
    old: Half,
    turned_at: u64,
    /// In each half.
    capacity: usize,
    /// In milliseconds.
    lifetime: u64,
    forgotten: u64,
}

impl Halves {
    fn new(capacity: usize, lifetime: Duration) -> Self {
        Self {
            young: Half::new(),
            old: Half::new(),
            turned_at: 0,
            capacity: (capacity / 2).max(1),
            lifetime: as_millis(lifetime),
            forgotten: 0,
        }
    }

    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// What is followed under the key, made young again.
    fn touch(&mut self, key: &[u8], now: u64) -> Option<&mut Followed> {
        self.turn_in_time(now);
        if !self.young.contains_key(key) {
            let (key, followed) = self.old.remove_entry(key)?;
            self.make_room(now);
            self.young.insert(key, followed);
        }
        self.young.get_mut(key)
    }

    /// The same, begun where there is none.
    fn begin(&mut self, key: Vec<u8>, now: u64) -> &mut Followed {
        self.turn_in_time(now);
        let earlier = self.old.remove(&key);
        if !self.young.contains_key(&key) {
            self.make_room(now);
        }
        self.young
            .entry(key)
            .or_insert_with(|| earlier.unwrap_or_default())
    }

    fn turn_in_time(&mut self, now: u64) {
        // A clock that was set back begins a turn as well, so that nothing lives on in the future.
        let over = now
            .checked_sub(self.turned_at)
            .is_none_or(|age| age > self.lifetime);
        if over {
            self.turn(now);
        }
    }

    fn make_room(&mut self, now: u64) {
        if self.young.len() >= self.capacity {
            let gone = self.turn(now);
            let early = gone.values().filter(|followed| followed.over_at.is_none());
            self.forgotten += early.count() as u64;
        }
    }

    /// Makes the young half the old one, and answers what goes.
    fn turn(&mut self, now: u64) -> Half {
        self.turned_at = now;
        let young = std::mem::take(&mut self.young);
        std::mem::replace(&mut self.old, young)
    }

    fn retain(&mut self, stays: impl Fn(&Following) -> bool) {
        for half in [&mut self.young, &mut self.old] {
            half.retain(|_, followed| {
                followed.traces.retain(|following| stays(following));
                !followed.traces.is_empty()
            });
        }
    }
}
