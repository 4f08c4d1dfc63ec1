//! The ledger: where every frame that was received went.
//!
//! `received = refused{reason} + skipped{reason} + routed`, counted in frames, per listener and per
//! agent, since the process started. A batch is entered once when it arrives ([`Ledger::receive`]) and
//! once when it has been decided ([`Ledger::settle`]), each under one lock, so a snapshot is consistent:
//! what is received and not yet settled is exactly the batches that handlers hold at that moment.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Instant, SystemTime},
};

use hepcat_net::{Arrival, Batch, ListenerId, StreamFault};
use hepcat_wire::{CaptureIdFix, Message};
use parking_lot::Mutex;

use super::{
    agents::{AgentEntry, AgentIndex, AgentKey, AgentTable, Place, Seen},
    notice::{Matter, Notice, Notices},
    topology::Topology,
};
use crate::agents::{
    AddressBook, AgentRecord, ClockBounds, Conduct, Decision, Guard, Limits, Standing,
};

/// Why a frame was not routed although it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Refused {
    /// It did not decode, and more such octets came than the configuration keeps.
    UnparsableRate,
    /// Its address is in none of the ranges that may send.
    Address,
    /// It carries no key, or none that is accepted.
    Key,
    /// Its sender showed no certificate whose subject may send.
    Certificate,
    /// An operator refused its address.
    Agent,
    /// Nobody has accepted its address, and unknown agents are refused.
    Unknown,
    /// Nobody has decided about its address: it is kept apart.
    Quarantine,
    /// Its address has sent more than it may.
    Rate,
    /// It did not decode, like many before it from the same address.
    Muted,
}

impl Refused {
    /// All reasons, for metrics that show zero before anything happened.
    pub const ALL: [Self; 9] = [
        Self::UnparsableRate,
        Self::Address,
        Self::Key,
        Self::Certificate,
        Self::Agent,
        Self::Unknown,
        Self::Quarantine,
        Self::Rate,
        Self::Muted,
    ];

    /// Label of metrics and JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UnparsableRate => "unparsable_rate",
            Self::Address => "address",
            Self::Key => "key",
            Self::Certificate => "certificate",
            Self::Agent => "agent",
            Self::Unknown => "unknown",
            Self::Quarantine => "quarantine",
            Self::Rate => "rate",
            Self::Muted => "muted",
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
    /// Capturing is switched off.
    CaptureOff,
}

impl Skipped {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::Route, Self::Script, Self::Callback, Self::CaptureOff];

    /// Label of metrics and JSON.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Script => "script",
            Self::Callback => "callback",
            Self::CaptureOff => "capture_off",
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
    /// What the log is to be told.
    notices: Vec<Notice>,
}

/// What a batch meets when it arrives.
#[derive(Debug, Clone, Copy)]
pub struct Gate<'a> {
    /// The listener that received it.
    pub listener: ListenerId,
    /// Its name.
    pub name: &'a str,
    /// What that listener does about capture agent IDs.
    pub fix: CaptureIdFix,
    /// What it asks of agents.
    pub guard: &'a Guard,
    /// What is believed of agents' clocks.
    pub clock: ClockBounds,
}

impl Gate<'_> {
    fn notice(&self, address: IpAddr, matter: Matter) -> Notice {
        Notice {
            address,
            listener: self.name.into(),
            matter,
        }
    }

    /// A peer that shows no capture agent ID, here and now.
    fn place(&self, (address, transport): (IpAddr, hepcat_net::Transport)) -> Place {
        Place {
            key: AgentKey {
                address,
                capture_id: None,
            },
            listener: self.listener,
            transport,
            at: SystemTime::now(),
        }
    }
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
    notices: Notices,
}

#[derive(Debug, Default)]
struct State {
    listeners: HashMap<ListenerId, Intake>,
    agents: AgentTable,
    book: AddressBook,
}

/// Frames of one agent that follow each other in a batch: what is looked up once for all of them.
#[derive(Debug, Clone, Copy)]
struct Run {
    key: AgentKey,
    index: AgentIndex,
    standing: Standing,
    /// Nothing more is to be asked about its frames, as long as they decode.
    easy: bool,
}

impl Ledger {
    /// Enters a batch that has just arrived. A batch comes from one listener.
    ///
    /// What the listener's guard, an operator's decision or a limit refuses is counted as that and taken out of the
    /// batch.
    pub fn receive(&self, batch: &mut Batch, gate: &Gate<'_>, receipt: &mut Receipt) {
        receipt.agents.clear();
        receipt.listener = Some(gate.listener);
        let mut state = self.state.lock();
        let State {
            listeners,
            agents,
            book,
        } = &mut *state;
        let side = listeners.entry(gate.listener).or_default();
        side.received += batch.len() as u64;
        let asks = gate.guard.asks_for_key() || book.has_rate();
        let mut run: Option<Run> = None;
        let mut clock = Clock::default();
        batch.retain(|arrival| {
            let Some(seen) = Seen::of(arrival, gate.fix) else {
                return false;
            };
            let mut current = match run {
                Some(run) if run.key == seen.key => run,
                _ => {
                    let standing = book.standing(gate.guard, seen.origin);
                    let mut begun = begin_run(agents, gate.guard, arrival, &seen, standing);
                    begun.easy =
                        standing == Standing::Accepted && !asks && !book.is_bad(seen.key.address);
                    begun
                }
            };
            agents.sight(current.index, &seen, &gate.clock);
            side.incomplete += u64::from(seen.incomplete);
            let refused = if current.easy && seen.fault.is_none() {
                None
            } else {
                // Whatever it was: the next frame is looked at again.
                current.easy = false;
                judge(
                    book,
                    gate.guard,
                    current.standing,
                    arrival,
                    &seen,
                    &mut clock,
                )
            };
            run = Some(current);
            let Some(refused) = refused else {
                receipt.agents.push(current.index);
                return true;
            };
            if matches!(refused, Refused::Key) {
                agents.stands(current.index, Standing::Refused(refused));
            }
            side.settle(Outcome::Refused(refused));
            agents.settle(current.index, Outcome::Refused(refused));
            let matter = Matter::Frames(refused, seen.fault);
            if agents.is_news(seen.key.address, matter) {
                receipt.notices.push(gate.notice(seen.key.address, matter));
            }
            false
        });
        drop(state);
        if !receipt.notices.is_empty() {
            self.notices.tell(&mut receipt.notices);
        }
    }

    /// Whether a connection from this address has a chance: where it has none the reason, counted and told.
    pub fn admit(
        &self,
        gate: &Gate<'_>,
        place: (IpAddr, hepcat_net::Transport),
    ) -> Option<Refused> {
        let standing = {
            let state = self.state.lock();
            state.book.standing_of_address(gate.guard, place.0)
        };
        let Standing::Refused(refused) = standing else {
            return None;
        };
        self.refuse_connection(gate, place, refused);
        Some(refused)
    }

    /// Counts a connection that is refused, and tells of it.
    pub fn refuse_connection(
        &self,
        gate: &Gate<'_>,
        place: (IpAddr, hepcat_net::Transport),
        refused: Refused,
    ) {
        let place = gate.place(place);
        let matter = Matter::Connections(refused);
        let is_news = {
            let mut state = self.state.lock();
            state.agents.connection_refused(place, refused);
            state.agents.is_news(place.key.address, matter)
        };
        self.tell(is_news, gate, place.key.address, matter);
    }

    /// Counts octets of a stream that are no frame for whoever sent them, and tells of what made a stream useless.
    pub fn stream_fault(
        &self,
        gate: &Gate<'_>,
        place: (IpAddr, hepcat_net::Transport),
        fault: StreamFault,
    ) {
        let place = gate.place(place);
        let matter = Matter::Stream(fault);
        let is_news = {
            let mut state = self.state.lock();
            if let StreamFault::OutOfStep(reason) = fault {
                let standing = (state.book).standing_of_address(gate.guard, place.key.address);
                state.agents.out_of_step(place, standing, reason);
            }
            state.agents.is_news(place.key.address, matter)
        };
        self.tell(is_news, gate, place.key.address, matter);
    }

    fn tell(&self, is_news: bool, gate: &Gate<'_>, address: IpAddr, matter: Matter) {
        if is_news {
            self.notices.tell(&mut vec![gate.notice(address, matter)]);
        }
    }

    /// Limits that hold from now on.
    pub fn limit(&self, limits: Limits) {
        self.state.lock().book.limit(limits);
    }

    /// Notes what an operator decided about an address, or that nothing is decided any more.
    pub fn decide(&self, address: IpAddr, decision: Option<Decision>) {
        let mut state = self.state.lock();
        state.book.decide(address, decision);
        let accepted = decision.map(|decision| decision == Decision::Accepted);
        state.agents.decided(address, accepted);
    }

    /// Nothing is decided about an address any more: its agents stand where the listeners of their latest frames let
    /// strangers stand.
    pub(crate) fn stand_as_strangers(&self, address: IpAddr, topology: &Topology) {
        let state = &mut *self.state.lock();
        let book = &state.book;
        state.agents.undecided(address, |listener| {
            let guard = &topology.listener(listener)?.guard;
            Some(book.standing_of_address(guard, address))
        });
    }

    /// Everything that operators decided.
    #[must_use]
    pub fn decisions(&self) -> Vec<(IpAddr, Decision)> {
        self.state.lock().book.decisions()
    }

    /// The latest frames of an address in quarantine, oldest first.
    #[must_use]
    pub fn quarantined(&self, address: IpAddr) -> Vec<Arrival> {
        self.state.lock().book.quarantine.of(address)
    }

    /// Takes over what earlier runs of the process knew of agents.
    pub fn remember(&self, records: Vec<AgentRecord>) {
        self.state.lock().agents.remember(records);
    }

    /// Agents of earlier runs that have not sent in this one.
    #[must_use]
    pub fn remembered(&self) -> Vec<AgentRecord> {
        self.state.lock().agents.remembered()
    }

    /// Enters what was decided about each frame of the batch, in its order.
    pub fn settle(&self, receipt: &Receipt, outcomes: &[Outcome]) {
        let Some(listener) = receipt.listener else {
            return;
        };
        let mut state = self.state.lock();
        let State {
            listeners, agents, ..
        } = &mut *state;
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

/// The time, read when somebody asks, and once for a batch.
#[derive(Debug, Default)]
struct Clock(Option<Instant>);

impl Clock {
    fn now(&mut self) -> Instant {
        *self.0.get_or_insert_with(Instant::now)
    }
}

fn begin_run(
    agents: &mut AgentTable,
    guard: &Guard,
    arrival: &Arrival,
    seen: &Seen<'_>,
    standing: Standing,
) -> Run {
    // Somebody without the key is a stranger, and has no more room in the table than other strangers.
    let keyless = standing == Standing::Accepted && guard.asks_for_key() && !opens(guard, arrival);
    let met_as = match keyless {
        true => Standing::Refused(Refused::Key),
        false => standing,
    };
    let index = agents.find_or_insert(seen, met_as);
    let node_name = match arrival {
        Arrival::Message(envelope) => envelope.message.node_name(),
        _ => None,
    };
    agents.begin_run(index, seen, standing, node_name);
    Run {
        key: seen.key,
        index,
        standing,
        easy: false,
    }
}

/// Looks at one frame as closely as the configuration asks: address range and certificate, key, decision, what
/// does not decode, rate.
fn judge(
    book: &mut AddressBook,
    guard: &Guard,
    standing: Standing,
    arrival: &Arrival,
    seen: &Seen<'_>,
    clock: &mut Clock,
) -> Option<Refused> {
    if let Standing::Refused(refused) = standing {
        return Some(refused);
    }
    if guard.asks_for_key() && !opens(guard, arrival) {
        return Some(Refused::Key);
    }
    let address = seen.key.address;
    if standing == Standing::Quarantined {
        book.quarantine.keep(address, arrival);
        return Some(Refused::Quarantine);
    }
    if seen.fault.is_some() {
        if book.bad(address, clock.now()) != Conduct::Fair {
            return Some(Refused::Muted);
        }
    } else {
        book.good(address);
    }
    if book.has_rate() && !book.take(address, seen.octets as u64, clock.now()) {
        return Some(Refused::Rate);
    }
    None
}

/// Whether the frame carries a key that is accepted. One that is set aside for a chunk that it lacks may; one that
/// does not decode cannot.
fn opens(guard: &Guard, arrival: &Arrival) -> bool {
    match arrival {
        Arrival::Message(envelope) => guard.opens(&envelope.message),
        Arrival::Unparsable(unparsable) => {
            Message::parse_lax(unparsable.frame.as_ref()).is_ok_and(|message| guard.opens(&message))
        }
        _ => false,
    }
}
