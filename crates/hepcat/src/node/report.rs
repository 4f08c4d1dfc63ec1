//! One reading of everything that is running.

mod script;

use std::{collections::BTreeMap, time::SystemTime};

use hepcat_net::{
    ListenerId, Transport,
    destination::{DestinationStats, SpoolStats},
    listener::{ByReason, ListenerStats, MAX_BATCH},
};
use hepcat_wire::Version;
use jiff::{SignedDuration, Timestamp};

use super::{Node, Running, RunningListener, agents::Decisions};
use crate::{
    pipeline::{Group, ledger::LedgerSnapshot},
    sink::{SinkLedger, destination::DestinationSink},
    status::{
        self, ConnectionStatus, DatagramStatus, DestinationStatus, GroupStatus, IntakeStatus,
        LedgerStatus, ListenerStatus, MemberStatus, SinkStatus, SpoolStatus, StateStatus, Status,
    },
};

impl Node {
    /// Reads the whole node.
    #[must_use]
    pub fn status(&self) -> Status {
        // Before the lock: it asks the disk.
        let store = (self.store.as_ref()).map(|store| store.status(Timestamp::now()));
        let running = self.running.lock();
        let ledger = self.pipeline.ledger().snapshot();
        let decisions = Decisions(self.pipeline.ledger().decisions());
        let listeners: Vec<_> = running
            .listeners
            .iter()
            .map(|listener| about_listener(listener, &ledger))
            .collect();
        let read_at = Timestamp::now();
        let mut sinks = running.sinks(read_at);
        sinks.push(SinkStatus::new(
            "tail".to_owned(),
            "tail",
            &self.pipeline.tail().ledger(),
        ));
        if let Some(store) = &self.store {
            let ledger = store.ledger();
            sinks.push(SinkStatus::new("store".to_owned(), "store", &ledger));
        }
        let intake = ledger.total();
        let open_sinks: u64 = sinks.iter().map(|sink| sink.unaccounted).sum();
        Status {
            node: running.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: timestamp(self.started_at),
            read_at,
            ready: self.is_ready(),
            capture_on: self.pipeline.is_capturing(),
            state: self.about_state(),
            traces: self.pipeline.tracer().status(read_at),
            config: running.file.as_ref().map(|file| file.display().to_string()),
            ledger: LedgerStatus {
                unaccounted: intake.unaccounted() + open_sinks,
                intake: IntakeStatus::from(&intake),
                in_flight_bound: in_flight_bound(&listeners),
            },
            agents: running.agents(&ledger.agents, &decisions),
            groups: running
                .groups
                .iter()
                .map(|group| running.about_group(group))
                .collect(),
            listeners,
            sinks,
            script: self.pipeline.topology().scripts().map(script::about),
            store,
            access: self.access.counters().read(),
        }
    }
}

impl Node {
    fn about_state(&self) -> StateStatus {
        let shown = |path: &std::path::Path| path.display().to_string();
        StateStatus {
            data_dir: self.state.directory().map(shown),
            set_aside: self.state.set_aside().map(shown),
        }
    }
}

/// Frames that handlers can hold at once: one batch for each task that reads.
fn in_flight_bound(listeners: &[ListenerStatus]) -> u64 {
    let readers = listeners.iter().map(|listener| {
        let sockets = listener
            .datagrams
            .as_ref()
            .map_or(0, |datagrams| datagrams.sockets);
        sockets
            + listener
                .connections
                .as_ref()
                .map_or(0, |connections| connections.open)
    });
    readers.sum::<u64>() * MAX_BATCH as u64
}

impl Running {
    /// Every destination by name: those in use, and what those that are gone had counted.
    fn sinks(&self, read_at: Timestamp) -> Vec<SinkStatus> {
        let mut sums: BTreeMap<&str, SinkLedger> = BTreeMap::new();
        for (name, ledger) in &self.retired {
            sums.entry(name.as_str()).or_default().succeed(ledger);
        }
        // In the order of their lives: what one leaves on disk the next one finds there.
        for sink in self.draining.iter().chain(&self.destinations) {
            sums.entry(sink.spec().name.as_str())
                .or_default()
                .succeed(&sink.ledger());
        }
        sums.into_iter()
            .map(|(name, ledger)| {
                let in_use = self
                    .destinations
                    .iter()
                    .find(|sink| *sink.spec().name == *name);
                let mut status = SinkStatus::new(name.to_owned(), "destination", &ledger);
                status.destination = in_use.map(|sink| about_destination(sink, read_at));
                status
            })
            .collect()
    }

    fn about_group(&self, group: &Group) -> GroupStatus {
        let spec = group.spec();
        let available = |name: &str| {
            let mut destinations = self.destinations.iter();
            let sink = destinations.find(|sink| *sink.spec().name == name);
            sink.is_some_and(|sink| sink.destination().health().available)
        };
        let members = spec
            .names()
            .zip(group.given())
            .map(|(name, placed)| MemberStatus {
                name: name.to_owned(),
                available: available(name),
                placed,
            });
        GroupStatus {
            name: spec.name.to_string(),
            kind: spec.kind.label().to_owned(),
            active: group.active().map(str::to_owned),
            switches: group.switches(),
            members: members.collect(),
        }
    }

    pub(super) fn listener_name(&self, id: ListenerId) -> &str {
        self.listener_names
            .get(usize::from(id.0))
            .map_or("", |name| name)
    }
}

fn about_listener(listener: &RunningListener, ledger: &LedgerSnapshot) -> ListenerStatus {
    let stats = listener.handle.stats();
    let intake = ledger
        .listeners
        .iter()
        .find(|(id, _)| *id == listener.id)
        .map(|(_, side)| *side);
    let intake = intake.unwrap_or_default();
    let mut decode_errors = by_reason(&stats.decode_errors);
    if intake.incomplete > 0 {
        decode_errors.insert("missing_chunk".to_owned(), intake.incomplete);
    }
    let transport = listener.handle.transport();
    let versions = [Version::V1, Version::V2, Version::V3]
        .map(|version| (version.number().to_string(), stats.messages.get(version)));
    ListenerStatus {
        name: listener.spec.name.to_string(),
        transport: transport.name().to_owned(),
        address: listener.handle.local_addr(),
        ledger: IntakeStatus::from(&intake),
        versions: versions.into(),
        octets: stats.octets,
        keep_alives: stats.keep_alives,
        decode_errors,
        defects: by_reason(&stats.defects),
        datagrams: (transport == Transport::Udp).then(|| about_datagrams(&stats)),
        connections: (transport != Transport::Udp).then(|| about_connections(&stats)),
    }
}

fn about_datagrams(stats: &ListenerStats) -> DatagramStatus {
    let buffer = stats.receive_buffer;
    DatagramStatus {
        kernel_drops: stats.kernel_drops,
        receive_buffer_wanted: buffer.map_or(0, |buffer| buffer.wanted as u64),
        receive_buffer: buffer.map_or(0, |buffer| buffer.granted as u64),
        sockets: stats.sockets as u64,
    }
}

fn about_connections(stats: &ListenerStats) -> ConnectionStatus {
    ConnectionStatus {
        open: stats.connections_open,
        accepted: stats.connections_accepted,
        refused: by_reason(&stats.connections_refused),
        closed: by_reason(&stats.connections_closed),
        handshakes_failed: by_reason(&stats.tls_handshake_failures),
        truncated: stats.truncated,
    }
}

fn about_destination(sink: &DestinationSink, read_at: Timestamp) -> DestinationStatus {
    let stats: DestinationStats = sink.destination().stats();
    let ago = SignedDuration::try_from(stats.state_for).unwrap_or_default();
    DestinationStatus {
        transport: stats.transport.name().to_owned(),
        target: format!("{}:{}", sink.spec().socket.host, sink.spec().socket.port),
        up: stats.state.is_connected(),
        state: stats.state.label().to_owned(),
        since: read_at.saturating_sub(ago).unwrap_or(read_at),
        available: stats.available,
        breaker: stats.breaker.label().to_owned(),
        failures: stats.failures,
        breaker_opened: stats.link.breaker_opened,
        peer: stats.peer,
        last_error: stats.last_error.map(|error| error.words),
        connects: stats.link.connects,
        connect_failures: stats.link.connect_failures,
        queued_octets: stats.queued_octets as u64,
        queue_limit: sink.spec().queue.frames as u64,
        repeated: stats.link.repeats + stats.spool.as_ref().map_or(0, |spool| spool.repeated),
        spool: stats.spool.map(about_spool),
    }
}

fn about_spool(stats: SpoolStats) -> SpoolStatus {
    SpoolStatus {
        open: stats.open,
        octets: stats.octets,
        max_octets: stats.max_octets,
        files: stats.files,
        oldest: stats.oldest.map(timestamp),
        written: stats.written,
        replayed: stats.replayed,
        bypassed: stats.bypassed,
        write_failures: stats.write_failures,
        sync_failures: stats.sync_failures,
        files_set_aside: stats.files_set_aside,
        failing: stats.failing,
    }
}

fn by_reason(reasons: &ByReason) -> status::ByReason {
    reasons
        .iter()
        .map(|(reason, frames)| (reason.to_owned(), frames))
        .collect()
}

pub(super) fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}
