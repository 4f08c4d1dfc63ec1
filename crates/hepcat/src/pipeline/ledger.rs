//! The ledger: where every frame that was received went.
//!
//! `received = refused{reason} + skipped{reason} + routed`, counted in frames, per listener and per
//! agent, since the process started. A batch is entered once when it arrives ([`Ledger::receive`]) and
//! once when it has been decided ([`Ledger::settle`]), each under one lock, so a snapshot is consistent:
//! what is received and not yet settled is exactly the batches that handlers hold at that moment.

use std::collections::HashMap;

use hepcat_net::{Batch, ListenerId};
use hepcat_wire::CaptureIdFix;
use parking_lot::Mutex;

use super::agents::{AgentEntry, AgentIndex, AgentKey, AgentTable, Seen};

/// Why a frame was not routed although it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// It did not decode, and more such octets came than the configuration keeps.
    UnparsableRate,
}

impl Refused {
    /// All reasons, for metrics that show zero before anything happened.
    pub const ALL: [Self; 1] = [Self::UnparsableRate];

    /// Label of metrics and JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UnparsableRate => "unparsable_rate",
        }
    }
}

/// Whose decision it was that a frame goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skipped {
    /// A route with an empty `to`.
    Route,
    /// A script that called `drop()`.
    Script,
    /// A callback that said so.
    Callback,
}

impl Skipped {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::Route, Self::Script, Self::Callback];

    /// Label of metrics and JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Script => "script",
            Self::Callback => "callback",
        }
    }
}

/// What became of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Handed to the sinks that its route names.
    Routed,
    /// Not taken in.
    Refused(Refused),
    /// Taken in, and meant for no sink.
    Skipped(Skipped),
}

/// One side of the ledger: a listener's, an agent's or the whole node's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intake {
    /// Frames that arrived.
    pub received: u64,
    /// Frames handed to sinks.
    pub routed: u64,
    /// Frames refused, by [`Refused`].
    pub refused: [u64; Refused::ALL.len()],
    /// Frames skipped, by [`Skipped`].
    pub skipped: [u64; Skipped::ALL.len()],
    /// Of those received, messages that lack a chunk which capturing needs; they stand beside the
    /// equation.
    pub incomplete: u64,
}

impl Intake {
    /// Frames received of which nothing is said yet: those that handlers hold right now.
    #[must_use]
    pub fn unaccounted(&self) -> u64 {
        let settled =
            self.routed + self.refused.iter().sum::<u64>() + self.skipped.iter().sum::<u64>();
        self.received.saturating_sub(settled)
    }

    pub(super) fn settle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Routed => self.routed += 1,
            Outcome::Refused(reason) => self.refused[reason as usize] += 1,
            Outcome::Skipped(reason) => self.skipped[reason as usize] += 1,
        }
    }
}

/// What [`Ledger::receive`] remembers of a batch until [`Ledger::settle`].
#[derive(Debug, Default)]
pub struct Receipt {
    agents: Vec<AgentIndex>,
    listener: Option<ListenerId>,
}

/// One consistent reading.
#[derive(Debug, Clone, Default)]
pub struct LedgerSnapshot {
    /// By listener, also those that a reload removed.
    pub listeners: Vec<(ListenerId, Intake)>,
    /// By agent, at most [`super::agents::MAX_AGENTS`] and one for the rest.
    pub agents: Vec<AgentEntry>,
}

impl LedgerSnapshot {
    /// The whole node's side.
    #[must_use]
    pub fn total(&self) -> Intake {
        self.listeners
            .iter()
            .fold(Intake::default(), |mut sum, (_, one)| {
                sum.received += one.received;
                sum.routed += one.routed;
                sum.incomplete += one.incomplete;
                for (to, from) in sum.refused.iter_mut().zip(one.refused) {
                    *to += from;
                }
                for (to, from) in sum.skipped.iter_mut().zip(one.skipped) {
                    *to += from;
                }
                sum
            })
    }
}

/// The receiving half of the ledger (each sink keeps its own half under its own lock).
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    listeners: HashMap<ListenerId, Intake>,
    agents: AgentTable,
}

impl Ledger {
    /// Enters a batch that has just arrived. A batch comes from one listener.
    ///
    /// `fix` is what that listener does about capture agent IDs.
    pub fn receive(
        &self,
        batch: &Batch,
        listener: ListenerId,
        fix: CaptureIdFix,
        receipt: &mut Receipt,
    ) {
        receipt.agents.clear();
        receipt.listener = Some(listener);
        let mut state = self.state.lock();
        let State { listeners, agents } = &mut *state;
        let side = listeners.entry(listener).or_default();
        side.received += batch.len() as u64;
        let mut run: Option<(AgentKey, AgentIndex)> = None;
        for arrival in batch {
            let Some(seen) = Seen::of(arrival, fix) else {
                continue;
            };
            // Frames of one agent come in runs: look the agent up once a run.
            let index = match run {
                Some((key, index)) if key == seen.key => index,
                _ => agents.find_or_insert(&seen),
            };
            run = Some((seen.key, index));
            agents.sight(index, &seen);
            side.incomplete += u64::from(seen.incomplete);
            receipt.agents.push(index);
        }
    }

    /// Enters what was decided about each frame of the batch, in its order.
    pub fn settle(&self, receipt: &Receipt, outcomes: &[Outcome]) {
        let Some(listener) = receipt.listener else {
            return;
        };
        let mut state = self.state.lock();
        let State { listeners, agents } = &mut *state;
        let side = listeners.entry(listener).or_default();
        for (index, outcome) in receipt.agents.iter().zip(outcomes) {
            side.settle(*outcome);
            agents.settle(*index, *outcome);
        }
    }

    /// Reads everything at one moment.
    #[must_use]
    pub fn snapshot(&self) -> LedgerSnapshot {
        let state = self.state.lock();
        let mut listeners: Vec<_> = state
            .listeners
            .iter()
            .map(|(id, intake)| (*id, *intake))
            .collect();
        listeners.sort_by_key(|(id, _)| *id);
        LedgerSnapshot {
            listeners,
            agents: state.agents.entries(),
        }
    }
}
