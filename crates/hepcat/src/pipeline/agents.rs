//! The agents that send to us, told apart by peer address and capture agent ID.
//!
//! Both are outsiders' choice, so the table is bounded: whoever comes after the first
//! [`MAX_AGENTS`] is counted together with the others who did. Those that are refused, and the many IDs of one
//! address, have only a part of it, so that they cannot take the place of agents that are welcome.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hepcat_net::{Arrival, ListenerId, Origin, Transport};
use hepcat_wire::{CaptureIdFix, DecodeError, DecodeErrorKind, trim_nul};

use super::{
    ledger::{Intake, Outcome, Refused},
    notice::Matter,
};
use crate::agents::{AgentRecord, ClockBounds, ClockFault, Pulse, Standing, sent_time};

/// Agents told apart (product decision: enough for every SIP proxy of a large operator, and about
/// 6 MiB when full).
pub const MAX_AGENTS: usize = 10_000;

/// Of those, agents that were refused when they were first seen.
const MAX_STRANGERS: usize = 1_000;

/// Capture agent IDs told apart of one address; frames with others are counted with those that have none.
const MAX_IDS: u16 = 1_000;

/// Node names remembered of one agent, and octets of each.
const MAX_NAMES: usize = 4;
const MAX_NAME: usize = 64;

/// What makes an agent itself: where it sends from, and the capture agent ID it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentKey {
    /// Address of the peer, without its port: every connection has another.
    pub address: IpAddr,
    /// Capture agent ID (chunk 0x000c, or the field of HEPv2), where the frame has one.
    pub capture_id: Option<u32>,
}

/// An agent, and what it sent.
#[derive(Debug, Clone)]
pub struct AgentEntry {
    /// Who it is; `None` stands for all agents beyond the limit together.
    pub key: Option<AgentKey>,
    /// Where it stood when it sent last.
    pub standing: Standing,
    /// Its side of the ledger.
    pub intake: Intake,
    /// What did not decode, frames and octets of streams that are none, by reason; the reasons are a closed set.
    pub unparsable: Vec<(&'static str, u64)>,
    /// Octets of all its frames.
    pub octets: u64,
    /// Arrival of its first frame: ever, where that is remembered.
    pub first_seen: SystemTime,
    /// Arrival of its latest frame.
    pub last_seen: SystemTime,
    /// Listener of its latest frame.
    pub listener: ListenerId,
    /// Transport of its latest frame.
    pub transport: Transport,
    /// HEP versions it has used: bit n for version n.
    pub versions: u8,
    /// Node names (chunk 0x0013) that it gave itself, the latest last.
    pub node_names: Vec<Box<str>>,
    /// Subject of its client certificate.
    pub subject: Option<Box<str>>,
    /// Messages whose sent time lay outside of the bounds, ahead and behind.
    pub clock_faults: [u64; 2],
    /// Connections that were refused for its address or its certificate.
    pub connections_refused: u64,
    pulse: Pulse,
    /// Frames and octets of earlier runs of the process.
    before: (u64, u64),
}

impl AgentEntry {
    /// The HEP versions that it has used, in ascending order.
    pub fn versions(&self) -> impl Iterator<Item = u8> + '_ {
        (1..=3).filter(|version| self.versions & (1 << version) != 0)
    }

    /// Frames a second: of its latest second, or since then where that is long ago.
    #[must_use]
    pub fn rate(&self, now: SystemTime) -> f64 {
        self.pulse.rate(now, self.intake.received)
    }

    /// Microseconds by which its clock is ahead of ours, as far as its messages tell.
    #[must_use]
    pub fn clock_offset(&self) -> Option<i64> {
        self.pulse.offset()
    }

    fn not_decoded(&mut self, reason: &'static str) {
        match (self.unparsable.iter_mut()).find(|(known, _)| *known == reason) {
            Some((_, times)) => *times += 1,
            None => self.unparsable.push((reason, 1)),
        }
    }

    /// Frames and octets received of it in all runs of the process.
    #[must_use]
    pub fn total(&self) -> (u64, u64) {
        let (frames, octets) = self.before;
        (frames + self.intake.received, octets + self.octets)
    }
}

/// The facts of one arrival that concern its agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) key: AgentKey,
    pub(super) origin: &'a Origin,
    pub(super) at: SystemTime,
    /// HEP version; 0 where the frame did not decode.
    version: u8,
    pub(super) octets: usize,
    /// Since 1970, both: what the agent's clock said, and ours.
    sent: Option<Duration>,
    received: Duration,
    /// Why it did not decode, or is not complete.
    pub(super) fault: Option<&'static str>,
    /// It decoded, but lacks a chunk.
    pub(super) incomplete: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn of(arrival: &'a Arrival, fix: CaptureIdFix) -> Option<Self> {
        // A clock of ours before 1970 is absurd; 0 then.
        let since_1970 = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default();
        match arrival {
            Arrival::Message(envelope) => {
                let (message, at) = (&envelope.message, envelope.received_at);
                let received = since_1970(at);
                Some(Self {
                    key: AgentKey {
                        address: envelope.origin.peer.ip(),
                        capture_id: message.capture_id().map(|id| fix.apply(id)),
                    },
                    origin: &envelope.origin,
                    at,
                    version: message.version().number(),
                    octets: message.as_received().len(),
                    sent: sent_time(message, received),
                    received,
                    fault: None,
                    incomplete: false,
                })
            }
            Arrival::Unparsable(unparsable) => Some(Self {
                key: AgentKey {
                    address: unparsable.origin.peer.ip(),
                    capture_id: None,
                },
                origin: &unparsable.origin,
                at: unparsable.received_at,
                version: 0,
                octets: unparsable.frame.len(),
                sent: None,
                received: since_1970(unparsable.received_at),
                fault: Some(DecodeError::reason(&unparsable.error)),
                incomplete: unparsable.error.kind() == DecodeErrorKind::MissingChunk,
            }),
            _ => None,
        }
    }
}

/// Position of an agent in the table; stays valid as long as the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AgentIndex(usize);

/// All agents, each with its counters. Entries are never removed: the ledger must add up.
#[derive(Debug, Default)]
pub(super) struct AgentTable {
    index: HashMap<AgentKey, AgentIndex, foldhash::fast::RandomState>,
    entries: Vec<AgentEntry>,
    others: Option<AgentIndex>,
    strangers: usize,
    /// Capture agent IDs told apart, of each address.
    ids: HashMap<IpAddr, u16, foldhash::fast::RandomState>,
    /// What the log has told of each address, one bit each.
    told: HashMap<IpAddr, u16, foldhash::fast::RandomState>,
    /// Of earlier runs, until they are seen again.
    remembered: HashMap<AgentKey, AgentRecord>,
}

impl AgentTable {
    /// The entry of an agent that stands so with its first frame.
    pub(super) fn find_or_insert(&mut self, seen: &Seen<'_>, standing: Standing) -> AgentIndex {
        if let Some(index) = self.index.get(&seen.key) {
            return *index;
        }
        let place = Place {
            key: seen.key,
            listener: seen.origin.listener,
            transport: seen.origin.transport,
            at: seen.at,
        };
        self.insert(place, standing)
    }

    fn insert(&mut self, mut place: Place, standing: Standing) -> AgentIndex {
        let ids = self.ids.get(&place.key.address).copied().unwrap_or(0);
        if ids >= MAX_IDS && place.key.capture_id.is_some() {
            place.key.capture_id = None;
            if let Some(index) = self.index.get(&place.key) {
                return *index;
            }
        }
        let stranger = matches!(standing, Standing::Refused(_));
        if self.index.len() < MAX_AGENTS && !(stranger && self.strangers >= MAX_STRANGERS) {
            self.strangers += usize::from(stranger);
            *self.ids.entry(place.key.address).or_default() += 1;
            let index = self.push(Some(place.key), place, standing);
            self.index.insert(place.key, index);
            return index;
        }
        match self.others {
            Some(index) => index,
            None => {
                let index = self.push(None, place, standing);
                self.others = Some(index);
                index
            }
        }
    }

    fn push(&mut self, key: Option<AgentKey>, place: Place, standing: Standing) -> AgentIndex {
        let record = key.and_then(|key| self.remembered.remove(&key));
        let mut entry = AgentEntry {
            key,
            standing,
            intake: Intake::default(),
            unparsable: Vec::new(),
            octets: 0,
            first_seen: place.at,
            last_seen: place.at,
            listener: place.listener,
            transport: place.transport,
            versions: 0,
            node_names: Vec::new(),
            subject: None,
            clock_faults: [0; 2],
            connections_refused: 0,
            pulse: Pulse::new(place.at),
            before: (0, 0),
        };
        if let Some(record) = record {
            entry.first_seen = record.first_seen.min(place.at);
            entry.versions = record.versions;
            let names = record.node_names.into_iter().take(MAX_NAMES);
            entry.node_names = names.map(Box::from).collect();
            entry.subject = record.subject.map(Box::from);
            entry.before = (record.frames, record.octets);
        }
        self.entries.push(entry);
        AgentIndex(self.entries.len() - 1)
    }

    /// Takes note of what is the same for a run of frames of one agent.
    pub(super) fn begin_run(
        &mut self,
        index: AgentIndex,
        seen: &Seen<'_>,
        standing: Standing,
        node_name: Option<&[u8]>,
    ) {
        let entry = &mut self.entries[index.0];
        entry.standing = standing;
        entry.listener = seen.origin.listener;
        entry.transport = seen.origin.transport;
        entry.pulse.turn(seen.at, entry.intake.received);
        if let Some(name) = node_name {
            note_name(&mut entry.node_names, trim_nul(name));
        }
        if let Some(tls) = &seen.origin.tls
            && let Some(subject) = &tls.subject
            && entry.subject.as_deref() != Some(subject.as_str())
        {
            entry.subject = Some(subject.as_str().into());
        }
    }

    /// Counts one arrival of this agent.
    #[inline]
    pub(super) fn sight(&mut self, index: AgentIndex, seen: &Seen<'_>, bounds: &ClockBounds) {
        let entry = &mut self.entries[index.0];
        entry.intake.received += 1;
        entry.octets += seen.octets as u64;
        entry.last_seen = seen.at;
        if let Some(sent) = seen.sent {
            entry.pulse.sent(sent, seen.received);
            match bounds.judge(sent, seen.received) {
                None => {}
                Some(ClockFault::Ahead) => entry.clock_faults[0] += 1,
                Some(ClockFault::Behind) => entry.clock_faults[1] += 1,
            }
        }
        if let Some(reason) = seen.fault {
            entry.not_decoded(reason);
        } else {
            entry.versions |= 1 << seen.version;
        }
    }

    /// Counts a connection that was refused.
    pub(super) fn connection_refused(&mut self, place: Place, reason: Refused) {
        let standing = Standing::Refused(reason);
        let index = match self.index.get(&place.key) {
            Some(index) => *index,
            None => self.insert(place, standing),
        };
        let entry = &mut self.entries[index.0];
        entry.standing = standing;
        entry.last_seen = place.at;
        entry.connections_refused += 1;
    }

    /// Counts octets on a connection that are no frame.
    pub(super) fn out_of_step(&mut self, place: Place, standing: Standing, reason: &'static str) {
        let index = match self.index.get(&place.key) {
            Some(index) => *index,
            None => self.insert(place, standing),
        };
        let entry = &mut self.entries[index.0];
        entry.last_seen = place.at;
        entry.not_decoded(reason);
    }

    /// Counts what was decided about one frame of this agent.
    #[inline]
    pub(super) fn settle(&mut self, index: AgentIndex, outcome: Outcome) {
        self.entries[index.0].intake.settle(outcome);
    }

    /// A frame of this agent shows where it stands.
    pub(super) fn stands(&mut self, index: AgentIndex, standing: Standing) {
        self.entries[index.0].standing = standing;
    }

    /// Whether the log has not told this yet of this address.
    pub(super) fn is_news(&mut self, address: IpAddr, matter: Matter) -> bool {
        if self.told.len() >= MAX_AGENTS && !self.told.contains_key(&address) {
            return false;
        }
        let told = self.told.entry(address).or_default();
        let bit = matter.bit();
        let news = *told & bit == 0;
        *told |= bit;
        news
    }

    /// An operator has decided about an address: where its agents stand changes with that.
    pub(super) fn decided(&mut self, address: IpAddr, accepted: Option<bool>) {
        self.told.remove(&address);
        let of_address = |entry: &&mut AgentEntry| entry.key.is_some_and(|k| k.address == address);
        for entry in self.entries.iter_mut().filter(of_address) {
            let by_decision = matches!(
                entry.standing,
                Standing::Quarantined
                    | Standing::Accepted
                    | Standing::Refused(Refused::Agent | Refused::Unknown)
            );
            entry.standing = match accepted {
                Some(true) if by_decision => Standing::Accepted,
                Some(false) if by_decision => Standing::Refused(Refused::Agent),
                _ => entry.standing,
            };
        }
    }

    /// What was decided about an address is taken back: `standing` says where strangers stand at a listener.
    pub(super) fn undecided(
        &mut self,
        address: IpAddr,
        standing: impl Fn(ListenerId) -> Option<Standing>,
    ) {
        let of_address = |entry: &&mut AgentEntry| entry.key.is_some_and(|k| k.address == address);
        for entry in self.entries.iter_mut().filter(of_address) {
            let by_decision = matches!(
                entry.standing,
                Standing::Accepted | Standing::Refused(Refused::Agent)
            );
            if let Some(standing) = standing(entry.listener).filter(|_| by_decision) {
                entry.standing = standing;
            }
        }
    }

    pub(super) fn entries(&self) -> Vec<AgentEntry> {
        self.entries.clone()
    }

    /// Agents of earlier runs that have not sent in this one.
    pub(super) fn remembered(&self) -> Vec<AgentRecord> {
        self.remembered.values().cloned().collect()
    }

    /// Takes over what earlier runs knew; at most as many as can be told apart.
    pub(super) fn remember(&mut self, records: Vec<AgentRecord>) {
        for record in records.into_iter().take(MAX_AGENTS) {
            self.remembered.insert(record.key, record);
        }
    }
}

/// Where and when an agent was met first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) key: AgentKey,
    pub(super) listener: ListenerId,
    pub(super) transport: Transport,
    pub(super) at: SystemTime,
}

/// Puts a name last, and lets the oldest go where there are too many.
fn note_name(names: &mut Vec<Box<str>>, name: &[u8]) {
    if name.is_empty() || names.last().is_some_and(|last| last.as_bytes() == name) {
        return;
    }
    let text = String::from_utf8_lossy(name.get(..MAX_NAME).unwrap_or(name));
    if let Some(at) = names.iter().position(|known| **known == *text) {
        let known = names.remove(at);
        names.push(known);
        return;
    }
    if names.len() == MAX_NAMES {
        names.remove(0);
    }
    names.push(Box::from(text.as_ref()));
}
