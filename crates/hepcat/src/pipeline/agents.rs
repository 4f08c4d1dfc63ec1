//! The agents that send to us, told apart by peer address and capture agent ID.
//!
//! Both are outsiders' choice, so the table is bounded: whoever comes after the first
//! [`MAX_AGENTS`] is counted together with the others who did.

use std::{collections::HashMap, net::IpAddr, time::SystemTime};

use hepcat_net::{Arrival, ListenerId, Origin, Transport};
use hepcat_wire::{CaptureIdFix, DecodeError, DecodeErrorKind};

use super::ledger::{Intake, Outcome};

/// Agents told apart (product decision: enough for every SIP proxy of a large operator, and about
/// 2 MiB when full).
pub const MAX_AGENTS: usize = 10_000;

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
    /// Its side of the ledger.
    pub intake: Intake,
    /// Frames that did not decode, by reason; the reasons are a closed set.
    pub unparsable: Vec<(&'static str, u64)>,
    /// Octets of all its frames.
    pub octets: u64,
    /// Arrival of its first frame.
    pub first_seen: SystemTime,
    /// Arrival of its latest frame.
    pub last_seen: SystemTime,
    /// Listener of its latest frame.
    pub listener: ListenerId,
    /// Transport of its latest frame.
    pub transport: Transport,
    /// HEP versions it has used: bit n for version n.
    pub versions: u8,
}

impl AgentEntry {
    /// The HEP versions that it has used, in ascending order.
    pub fn versions(&self) -> impl Iterator<Item = u8> + '_ {
        (1..=3).filter(|version| self.versions & (1 << version) != 0)
    }
}

/// The facts of one arrival that concern its agent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) key: AgentKey,
    pub(super) listener: ListenerId,
    pub(super) transport: Transport,
    pub(super) at: SystemTime,
    /// HEP version; 0 where the frame did not decode.
    version: u8,
    octets: usize,
    /// Why it did not decode, or is not complete.
    pub(super) fault: Option<&'static str>,
    /// It decoded, but lacks a chunk.
    pub(super) incomplete: bool,
}

impl Seen {
    pub(super) fn of(arrival: &Arrival, fix: CaptureIdFix) -> Option<Self> {
        let (origin, at, capture_id, version, octets, error): (&Origin, _, _, _, _, _) =
            match arrival {
                Arrival::Message(envelope) => (
                    &envelope.origin,
                    envelope.received_at,
                    envelope.message.capture_id().map(|id| fix.apply(id)),
                    envelope.message.version().number(),
                    envelope.message.as_received().len(),
                    None,
                ),
                Arrival::Unparsable(unparsable) => (
                    &unparsable.origin,
                    unparsable.received_at,
                    None,
                    0,
                    unparsable.frame.len(),
                    Some(&unparsable.error),
                ),
                _ => return None,
            };
        Some(Self {
            key: AgentKey {
                address: origin.peer.ip(),
                capture_id,
            },
            listener: origin.listener,
            transport: origin.transport,
            at,
            version,
            octets,
            fault: error.map(DecodeError::reason),
            incomplete: error.is_some_and(|error| error.kind() == DecodeErrorKind::MissingChunk),
        })
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
}

impl AgentTable {
    pub(super) fn find_or_insert(&mut self, seen: &Seen) -> AgentIndex {
        if let Some(index) = self.index.get(&seen.key) {
            return *index;
        }
        if self.index.len() < MAX_AGENTS {
            let index = self.push(Some(seen.key), seen);
            self.index.insert(seen.key, index);
            return index;
        }
        match self.others {
            Some(index) => index,
            None => {
                let index = self.push(None, seen);
                self.others = Some(index);
                index
            }
        }
    }

    fn push(&mut self, key: Option<AgentKey>, seen: &Seen) -> AgentIndex {
        self.entries.push(AgentEntry {
            key,
            intake: Intake::default(),
            unparsable: Vec::new(),
            octets: 0,
            first_seen: seen.at,
            last_seen: seen.at,
            listener: seen.listener,
            transport: seen.transport,
            versions: 0,
        });
        AgentIndex(self.entries.len() - 1)
    }

    /// Counts one arrival of this agent.
    pub(super) fn sight(&mut self, index: AgentIndex, seen: &Seen) {
        let entry = &mut self.entries[index.0];
        entry.intake.received += 1;
        entry.octets += seen.octets as u64;
        entry.last_seen = seen.at;
        entry.listener = seen.listener;
        entry.transport = seen.transport;
        if let Some(reason) = seen.fault {
            match entry
                .unparsable
                .iter_mut()
                .find(|(known, _)| *known == reason)
            {
                Some((_, frames)) => *frames += 1,
                None => entry.unparsable.push((reason, 1)),
            }
        } else {
            entry.versions |= 1 << seen.version;
        }
    }

    /// Counts what was decided about one frame of this agent.
    pub(super) fn settle(&mut self, index: AgentIndex, outcome: Outcome) {
        self.entries[index.0].intake.settle(outcome);
    }

    pub(super) fn entries(&self) -> Vec<AgentEntry> {
        self.entries.clone()
    }
}
