//! One reading of the whole node: what `/metrics` renders, `/api/v1/status` serves and `hepcat doctor`
//! explains. All three say the same because all three read this.

mod script;
mod store;
mod tending;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use script::{CounterStatus, ScriptStatus};
pub use store::{
    ClassStatus, FilesStatus, HourStatus, MemoryStatus, RetentionRules, StoreActivity, StoreReport,
    StoreStatus,
};
pub use tending::{
    CheckStatus, CompactStatus, DamagedFile, ExpiredSegment, ExpiredSum, RetentionPlan,
};

use crate::{
    access::AccessStatus,
    pipeline::ledger::{Intake, Refused, Skipped},
    sink::SinkLedger,
    tracer::TracerStatus,
};

/// Counters by their label; the label is one of a closed set.
pub type ByReason = BTreeMap<String, u64>;

/// The node at one moment.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Its configured name.
    pub node: String,
    /// Version of the program.
    pub version: String,
    /// When the process started to serve.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When this was read.
    #[schema(value_type = String, format = DateTime)]
    pub read_at: Timestamp,
    /// Whether it takes frames in: false while starting and draining.
    pub ready: bool,
    /// The configuration file, where there is one.
    pub config: Option<String>,
    /// Whether frames are taken in; while they are not, each counts as skipped.
    pub capture_on: bool,
    /// What outlives the process.
    pub state: StateStatus,
    /// Traces, all together.
    pub traces: TracerStatus,
    /// Every listener that is served.
    pub listeners: Vec<ListenerStatus>,
    /// Every sink, destinations first.
    pub sinks: Vec<SinkStatus>,
    /// Every group.
    #[serde(default)]
    pub groups: Vec<GroupStatus>,
    /// Every agent, at most 10,000 and one for the rest.
    pub agents: Vec<AgentStatus>,
    /// The sum over listeners, and what it leaves open.
    pub ledger: LedgerStatus,
    /// The script that routes ask, where there is one.
    #[serde(default)]
    pub script: Option<ScriptStatus>,
    /// The store, where there is one.
    #[serde(default)]
    pub store: Option<StoreStatus>,
    /// Who got in, who did not, and what became of the audit log.
    #[serde(default)]
    pub access: AccessStatus,
}

/// Where things are kept that a restart must not forget.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct StateStatus {
    /// The data directory; `None` where what is decided at run time ends with the process.
    pub data_dir: Option<String>,
    /// Where a damaged state file was put at start.
    pub set_aside: Option<String>,
}

/// The node's side of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LedgerStatus {
    /// Frames received and what was decided about them.
    #[serde(flatten)]
    pub intake: IntakeStatus,
    /// What the equations leave open: frames that handlers hold at this moment.
    pub unaccounted: u64,
    /// The most that handlers can hold: `unaccounted` is never above it.
    pub in_flight_bound: u64,
}

/// `received = refused{reason} + skipped{reason} + routed`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct IntakeStatus {
    /// Frames that arrived.
    pub received: u64,
    /// Frames handed to sinks.
    pub routed: u64,
    /// Frames refused, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub refused: ByReason,
    /// Frames skipped, by whose decision.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub skipped: ByReason,
}

impl From<&Intake> for IntakeStatus {
    fn from(intake: &Intake) -> Self {
        let refused = Refused::ALL.iter().zip(intake.refused);
        let skipped = Skipped::ALL.iter().zip(intake.skipped);
        Self {
            received: intake.received,
            routed: intake.routed,
            refused: refused
                .map(|(reason, n)| (reason.label().to_owned(), n))
                .collect(),
            skipped: skipped
                .map(|(reason, n)| (reason.label().to_owned(), n))
                .collect(),
        }
    }
}

/// A listener and what it saw.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListenerStatus {
    /// Its configured name.
    pub name: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Where it is bound.
    #[schema(value_type = String)]
    pub address: SocketAddr,
    /// Its side of the ledger.
    pub ledger: IntakeStatus,
    /// Frames by HEP version.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub versions: ByReason,
    /// Octets read.
    pub octets: u64,
    /// Keep-alives and probes.
    pub keep_alives: u64,
    /// Frames that did not decode, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub decode_errors: ByReason,
    /// Defects that were tolerated, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub defects: ByReason,
    /// Set for UDP.
    pub datagrams: Option<DatagramStatus>,
    /// Set for TCP and TLS.
    pub connections: Option<ConnectionStatus>,
}

/// What only a datagram socket has.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DatagramStatus {
    /// Datagrams that the kernel dropped because the receive buffer was full.
    pub kernel_drops: u64,
    /// Octets of receive buffer asked for, per socket.
    pub receive_buffer_wanted: u64,
    /// Octets that the kernel gives, per socket.
    pub receive_buffer: u64,
    /// Sockets that share the address.
    pub sockets: u64,
}

/// What only a stream listener has.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ConnectionStatus {
    /// Connections open now.
    pub open: u64,
    /// Connections accepted since start.
    pub accepted: u64,
    /// Connections refused, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub refused: ByReason,
    /// Connections closed, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub closed: ByReason,
    /// TLS handshakes that failed, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub handshakes_failed: ByReason,
    /// Frames of which only a part arrived before the end of a connection.
    pub truncated: u64,
}

/// A sink and its half of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SinkStatus {
    /// Name of the destination, `tail` or `store`.
    pub name: String,
    /// `destination`, `tail` or `store`.
    pub kind: String,
    /// Frames that routes gave to this sink.
    pub offered: u64,
    /// Messages of our own.
    pub originated: u64,
    /// What its spool held at start.
    pub carried_over: u64,
    /// Frames that it is done with.
    pub delivered: u64,
    /// Frames in memory, the one being written included.
    pub queued: u64,
    /// Frames on disk.
    pub spooled: u64,
    /// Frames given up, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub dropped: ByReason,
    /// What the two sides differ by: 0.
    pub unaccounted: u64,
    /// Set for a destination that is in use (not one that a reload removed).
    pub destination: Option<DestinationStatus>,
}

impl SinkStatus {
    /// A sink from its half of the ledger.
    #[must_use]
    pub fn new(name: String, kind: &str, ledger: &SinkLedger) -> Self {
        Self {
            name,
            kind: kind.to_owned(),
            offered: ledger.offered,
            originated: ledger.originated,
            carried_over: ledger.carried_over,
            delivered: ledger.delivered,
            queued: ledger.queued,
            spooled: ledger.spooled,
            dropped: ledger
                .dropped
                .iter()
                .map(|(reason, n)| ((*reason).to_owned(), *n))
                .collect(),
            unaccounted: ledger.unaccounted(),
            destination: None,
        }
    }
}

/// How a destination is doing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationStatus {
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
    /// Host and port as configured.
    pub target: String,
    /// Whether frames can be written to it now.
    pub up: bool,
    /// State of its connection, in one word.
    pub state: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Whether groups that can choose give it messages: it is up, takes frames, and its breaker is closed.
    pub available: bool,
    /// State of its circuit breaker: `closed`, `open` or `half_open`.
    pub breaker: String,
    /// Failures in a row.
    pub failures: u32,
    /// Times that the breaker opened since start.
    pub breaker_opened: u64,
    /// Address of the peer, while connected.
    #[schema(value_type = Option<String>)]
    pub peer: Option<SocketAddr>,
    /// What went wrong last, in words.
    pub last_error: Option<String>,
    /// Connections made since start.
    pub connects: u64,
    /// Attempts that failed since start.
    pub connect_failures: u64,
    /// Octets queued.
    pub queued_octets: u64,
    /// Frames that the queue may hold.
    pub queue_limit: u64,
    /// Frames sent again that may have arrived before.
    pub repeated: u64,
    /// Set where the destination has a spool.
    pub spool: Option<SpoolStatus>,
}

/// What a destination's spool does. The frames in it are `spooled` in the sink's ledger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SpoolStatus {
    /// Whether it is open: until then what it holds is not known.
    pub open: bool,
    /// Octets of its files.
    pub octets: u64,
    /// Octets that they may have.
    pub max_octets: u64,
    /// How many files there are.
    pub files: u64,
    /// When the oldest of them was begun.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// Frames written to disk since start.
    pub written: u64,
    /// Frames delivered that were on disk.
    pub replayed: u64,
    /// Frames sent from memory that should have been on disk first.
    pub bypassed: u64,
    /// Writes that failed.
    pub write_failures: u64,
    /// Syncs that failed.
    pub sync_failures: u64,
    /// Files that were no spool files and have been renamed.
    pub files_set_aside: u64,
    /// Why nothing can be written now, in words.
    pub failing: Option<String>,
}

/// A group and whom it gave what.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GroupStatus {
    /// Its configured name.
    pub name: String,
    /// `all`, `failover`, `balance` or `any`.
    pub kind: String,
    /// The member that takes everything, in a `failover` group that has had something to give.
    pub active: Option<String>,
    /// How often another member became the active one.
    pub switches: u64,
    /// Its members, in the order of the configuration.
    pub members: Vec<MemberStatus>,
}

/// A destination as member of a group.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MemberStatus {
    /// Name of the destination.
    pub name: String,
    /// Whether it can be chosen.
    pub available: bool,
    /// Messages that the group placed with it.
    pub placed: u64,
}

/// An agent and what it sent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgentStatus {
    /// Peer address; `other` for all agents beyond the limit together.
    pub agent: String,
    /// Its capture agent ID, where its frames have one.
    pub capture_id: Option<u32>,
    /// `accepted`, `quarantined` or `refused`: where it stood when it sent last; `silent` where it has not sent in
    /// this run of the node.
    pub state: String,
    /// What an operator said about its address: `accepted`, `refused` or nothing.
    pub decision: Option<String>,
    /// Name of the listener of its latest frame.
    pub listener: String,
    /// Transport of its latest frame.
    pub transport: String,
    /// HEP versions it has used.
    #[schema(value_type = Vec<u32>)]
    pub versions: Vec<u8>,
    /// Node names that it gave itself, the latest last.
    pub node_names: Vec<String>,
    /// Subject of its client certificate.
    pub subject: Option<String>,
    /// Its side of the ledger.
    pub ledger: IntakeStatus,
    /// What did not decode, by reason: frames, and octets of streams that are none.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub unparsable: ByReason,
    /// Octets of all its frames.
    pub octets: u64,
    /// Frames a second: in its latest second, or since then where that is long ago.
    pub rate: f64,
    /// What its clock says.
    pub clock: ClockStatus,
    /// Connections refused for its address or its certificate.
    pub connections_refused: u64,
    /// Frames received of it, in this run and those before that are remembered.
    pub frames_ever: u64,
    /// Octets of them.
    pub octets_ever: u64,
    /// Arrival of its first frame, in this run or one before that is remembered.
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Timestamp,
    /// Arrival of its latest frame.
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Timestamp,
}

/// The clock of an agent, as its messages tell it.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ClockStatus {
    /// Microseconds by which it is ahead of ours, negative where it is behind; the median over the latest seconds of
    /// the least delayed message of each. `None` where no message carried a time.
    pub offset_micros: Option<i64>,
    /// Messages whose sent time lay too far after their arrival.
    pub ahead: u64,
    /// Messages whose sent time lay too far before it.
    pub behind: u64,
}

impl ClockStatus {
    /// The offset in a few characters: `+3.2 s`, `-12 ms`, `-`.
    #[must_use]
    pub fn spelled(&self) -> String {
        let Some(offset) = self.offset_micros else {
            return "-".to_owned();
        };
        let sign = if offset < 0 { '-' } else { '+' };
        let seconds = Duration::from_micros(offset.unsigned_abs()).as_secs_f64();
        match seconds {
            seconds if seconds < 0.000_5 => "0 ms".to_owned(),
            seconds if seconds < 1.0 => format!("{sign}{:.0} ms", seconds * 1_000.0),
            seconds if seconds < 120.0 => format!("{sign}{seconds:.1} s"),
            seconds if seconds < 7_200.0 => format!("{sign}{:.0} min", seconds / 60.0),
            seconds if seconds < 172_800.0 => format!("{sign}{:.0} h", seconds / 3_600.0),
            seconds => format!("{sign}{:.0} d", seconds / 86_400.0),
        }
    }
}

/// Destinations and groups: what `/api/v1/destinations` serves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DestinationListing {
    /// Every destination, by name; one that a reload removed stays with what it had counted.
    pub destinations: Vec<SinkStatus>,
    /// Every group, in the order of the configuration.
    pub groups: Vec<GroupStatus>,
}

/// The ledger whole: what `/api/v1/ledger` serves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LedgerListing {
    /// The sum over listeners, and what it leaves open.
    pub ledger: LedgerStatus,
    /// Listener by listener.
    pub listeners: Vec<ListenerLedger>,
    /// Sink by sink.
    pub sinks: Vec<SinkStatus>,
}

/// A listener's side of the ledger.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ListenerLedger {
    /// Name of the listener.
    pub name: String,
    /// What it received, and what was decided about that.
    pub ledger: IntakeStatus,
}

impl From<Status> for DestinationListing {
    fn from(status: Status) -> Self {
        let mut destinations = status.sinks;
        destinations.retain(|sink| sink.kind == "destination");
        Self {
            destinations,
            groups: status.groups,
        }
    }
}

impl From<Status> for LedgerListing {
    fn from(status: Status) -> Self {
        let listeners = status.listeners.into_iter().map(|listener| ListenerLedger {
            name: listener.name,
            ledger: listener.ledger,
        });
        Self {
            ledger: status.ledger,
            listeners: listeners.collect(),
            sinks: status.sinks,
        }
    }
}

/// What an operator said about an address.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionStatus {
    /// The address.
    #[schema(value_type = String)]
    pub address: IpAddr,
    /// `accepted` or `refused`.
    pub decision: String,
}

/// Agents and decisions: what `/api/v1/agents` serves.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AgentListing {
    /// By address and capture agent ID.
    pub agents: Vec<AgentStatus>,
    /// By address, also of those that never sent.
    pub decisions: Vec<DecisionStatus>,
}
