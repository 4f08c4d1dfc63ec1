//! What is wrong with a running node, in plain sentences: a pure function of one reading.

mod agents;
mod script;
mod store;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    status::{
        DatagramStatus, GroupStatus, ListenerStatus, SinkStatus, SpoolStatus, StateStatus, Status,
    },
    tracer::TracerStatus,
};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Good,
    /// Worth knowing.
    Note,
    /// Something is lost or will be.
    Bad,
}

/// One sentence about one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: `listener edge`, `destination homer`, `ledger`.
    pub subject: String,
    /// What was found, and what to do about it.
    pub sentence: String,
}

impl Finding {
    fn new(severity: Severity, subject: impl Into<String>, sentence: impl Into<String>) -> Self {
        Self {
            severity,
            subject: subject.into(),
            sentence: sentence.into(),
        }
    }
}

/// Everything worth saying about `status`, by subject.
#[must_use]
pub fn examine(status: &Status) -> Vec<Finding> {
    let mut findings = Vec::new();
    for listener in &status.listeners {
        about_listener(status, listener, &mut findings);
    }
    agents::about(status, &mut findings);
    for sink in &status.sinks {
        about_sink(status, sink, &mut findings);
    }
    if let Some(about) = &status.store {
        store::about(about, status.read_at, &mut findings);
    }
    for group in &status.groups {
        about_group(group, &mut findings);
    }
    about_capture(status, &mut findings);
    about_traces(&status.traces, &mut findings);
    about_state(&status.state, &mut findings);
    if let Some(about) = &status.script {
        script::about(about, &mut findings);
    }
    about_ledger(status, &mut findings);
    findings
}

fn about_capture(status: &Status, findings: &mut Vec<Finding>) {
    if !status.capture_on {
        findings.push(Finding::new(
            Severity::Bad,
            "capture",
            "capturing is off: every frame is skipped until `hepcat capture on`",
        ));
    }
}

fn about_traces(traces: &TracerStatus, findings: &mut Vec<Finding>) {
    let mut say = |severity, sentence| findings.push(Finding::new(severity, "traces", sentence));
    if traces.started > 0 {
        say(
            Severity::Note,
            format!(
                "{} traces that somebody started go on, {} messages traced by such since start: `hepcat trace list` \
                 shows them",
                traces.started, traces.started_traced
            ),
        );
    }
    let held_back = traces.configured_rate_limited + traces.started_rate_limited;
    if held_back > 0 {
        say(
            Severity::Note,
            format!("{held_back} messages were not traced because more came than a trace's rate"),
        );
    }
    let forgotten = traces.forgotten_dialogs + traces.forgotten_transactions;
    if forgotten > 0 {
        say(
            Severity::Bad,
            format!(
                "{forgotten} dialogs and transactions were no longer followed because there were too many: choose \
                 filters that take in less"
            ),
        );
    }
}

fn about_state(state: &StateStatus, findings: &mut Vec<Finding>) {
    let mut say = |severity, sentence| findings.push(Finding::new(severity, "state", sentence));
    match (&state.data_dir, &state.set_aside) {
        (Some(directory), None) => say(Severity::Good, format!("kept in {directory}")),
        (_, Some(file)) => say(
            Severity::Bad,
            format!(
                "the state file was damaged when the node started: it lies in {file}, and what had been decided at \
                 run time (traces, switches) is to be decided again"
            ),
        ),
        (None, None) => say(
            Severity::Good,
            "no data_dir is configured: what is decided at run time ends with the node".to_owned(),
        ),
    }
}

fn about_listener(status: &Status, listener: &ListenerStatus, findings: &mut Vec<Finding>) {
    let subject = format!("listener {}", listener.name);
    let mut say = |severity, sentence: String| {
        findings.push(Finding::new(severity, subject.as_str(), sentence));
    };
    let ListenerStatus {
        transport, address, ..
    } = listener;
    let received = listener.ledger.received;
    let latest = status
        .agents
        .iter()
        .filter(|agent| agent.listener == listener.name)
        .map(|agent| agent.last_seen)
        .max();
    match latest {
        Some(latest) => say(
            Severity::Good,
            format!(
                "{} received on {transport} {address}, the latest {} ago",
                counted(received, "frame"),
                age(status.read_at, latest)
            ),
        ),
        None => say(
            Severity::Note,
            format!(
                "listens on {transport} {address} and has received nothing: check that agents send to this \
                 address and that no firewall stands between"
            ),
        ),
    }
    if let Some(datagrams) = &listener.datagrams {
        about_datagrams(datagrams, received, &mut say);
    }
    if let Some(connections) = &listener.connections {
        say(
            Severity::Good,
            format!("{} open", counted(connections.open, "connection")),
        );
        let refused: u64 = connections.refused.values().sum();
        if refused > 0 {
            say(
                Severity::Bad,
                format!(
                    "refused {} ({}): raise the limit or find who opens so many, or let them in (`hepcat agents`)",
                    counted(refused, "connection"),
                    spelled(&connections.refused)
                ),
            );
        }
        let failed: u64 = connections.handshakes_failed.values().sum();
        if failed > 0 {
            say(
                Severity::Note,
                format!(
                    "{} failed ({}): these agents and this listener do not agree; the log names them",
                    counted(failed, "TLS handshake"),
                    spelled(&connections.handshakes_failed)
                ),
            );
        }
        if connections.truncated > 0 {
            say(
                Severity::Note,
                format!(
                    "{} cut off by the end of a connection",
                    counted(connections.truncated, "frame")
                ),
            );
        }
    }
    let errors: u64 = listener.decode_errors.values().sum();
    if errors > 0 {
        say(
            Severity::Bad,
            format!(
                "{} of what came did not decode ({}): `hepcat agents --sort bad` names who sends it, and \
                 `hepcat tail type:unparsable` shows what comes in frames",
                counted(errors, "piece"),
                spelled(&listener.decode_errors)
            ),
        );
    }
}

fn about_datagrams(
    datagrams: &DatagramStatus,
    received: u64,
    say: &mut impl FnMut(Severity, String),
) {
    let DatagramStatus {
        receive_buffer_wanted: wanted,
        receive_buffer: given,
        ..
    } = *datagrams;
    if given < wanted {
        let sentence = format!(
            "the kernel gives {given} octets of receive buffer where {wanted} were asked for: \
             `sysctl -w net.core.rmem_max={wanted}` and restart, or give hepcat CAP_NET_ADMIN"
        );
        say(Severity::Note, sentence);
    }
    let lost = datagrams.kernel_drops;
    if lost > 0 {
        let sentence = format!(
            "the kernel dropped {} because the receive buffer was full ({received} received): \
             a larger buffer, more cores, or TCP between agent and node",
            counted(lost, "datagram")
        );
        say(Severity::Bad, sentence);
    }
}

fn about_sink(status: &Status, sink: &SinkStatus, findings: &mut Vec<Finding>) {
    let subject = format!("{} {}", sink.kind, sink.name);
    let subject = if sink.kind == sink.name {
        sink.kind.clone()
    } else {
        subject
    };
    let mut say = |severity, sentence: String| {
        findings.push(Finding::new(severity, subject.as_str(), sentence));
    };
    if let Some(destination) = &sink.destination {
        let since = age(status.read_at, destination.since);
        let target = format!("{} {}", destination.transport, destination.target);
        if destination.up {
            say(
                Severity::Good,
                format!(
                    "{} ({target}) for {since}, {} delivered, {} queued",
                    destination.state,
                    counted(sink.delivered, "frame"),
                    sink.queued
                ),
            );
            if destination.breaker != "closed" {
                say(
                    Severity::Note,
                    format!(
                        "failed {} times in a row before this connection: groups pass it over until the \
                         connection has held for 5 s",
                        destination.failures
                    ),
                );
            }
        } else {
            let error = destination
                .last_error
                .as_deref()
                .unwrap_or("no reason is known yet");
            say(
                Severity::Bad,
                format!(
                    "{} ({target}) for {since}: {error}; {} in the queue, which holds {}",
                    destination.state,
                    counted(sink.queued, "frame"),
                    destination.queue_limit
                ),
            );
        }
    }
    if let Some(spool) = sink
        .destination
        .as_ref()
        .and_then(|destination| destination.spool.as_ref())
    {
        about_spool(status, sink, spool, &mut say);
    }
    let dropped: u64 = sink.dropped.values().sum();
    if dropped > 0 {
        say(
            Severity::Bad,
            format!(
                "dropped {} ({})",
                counted(dropped, "frame"),
                spelled(&sink.dropped)
            ),
        );
    }
}

fn about_group(group: &GroupStatus, findings: &mut Vec<Finding>) {
    let subject = format!("group {}", group.name);
    let names = |available: bool| {
        let members = group.members.iter();
        let chosen = members.filter(|member| member.available == available);
        let names: Vec<_> = chosen.map(|member| member.name.as_str()).collect();
        names.join(", ")
    };
    let (up, down) = (names(true), names(false));
    let (severity, mut sentence) = match (up.is_empty(), down.is_empty()) {
        (_, true) => (
            Severity::Good,
            format!("{}: all members are up ({up})", group.kind),
        ),
        (true, _) => (
            Severity::Bad,
            format!(
                "{}: no member is up ({down}): messages wait in their queues",
                group.kind
            ),
        ),
        _ => (
            Severity::Note,
            format!("{}: {up} up, {down} down", group.kind),
        ),
    };
    if let Some(active) = &group.active {
        sentence.push_str(&format!(
            "; {active} takes everything, after {} switches",
            group.switches
        ));
    }
    findings.push(Finding::new(severity, subject, sentence));
}

fn about_spool(
    status: &Status,
    sink: &SinkStatus,
    spool: &SpoolStatus,
    say: &mut impl FnMut(Severity, String),
) {
    let up = sink
        .destination
        .as_ref()
        .is_some_and(|destination| destination.up);
    if !spool.open {
        let sentence =
            "the spool is not open yet: another process or the destination before has it"
                .to_owned();
        return say(Severity::Note, sentence);
    }
    let share = spool.octets.saturating_mul(100) / spool.max_octets.max(1);
    if sink.spooled == 0 {
        say(
            Severity::Good,
            format!(
                "the spool is empty; {} frames went through it",
                spool.replayed
            ),
        );
    } else {
        let since = spool.oldest.map_or_else(String::new, |oldest| {
            format!(", since {}", age(status.read_at, oldest))
        });
        let what = if up { "being replayed" } else { "kept" };
        let sentence = format!(
            "{} frames on disk are {what}{since}: {share} % of the spool's {} octets; {} were delivered from it",
            sink.spooled, spool.max_octets, spool.replayed
        );
        let severity = if share >= 80 {
            Severity::Bad
        } else {
            Severity::Note
        };
        say(severity, sentence);
    }
    if let Some(error) = &spool.failing {
        say(
            Severity::Bad,
            format!(
                "the spool cannot be written: {error}; frames stay in memory, {} were sent unprotected. Make room on \
                 the disk or look at the directory's owner; hepcat tries again by itself",
                spool.bypassed
            ),
        );
    }
    if spool.sync_failures > 0 {
        say(
            Severity::Bad,
            format!(
                "{} syncs of the spool failed: look at the disk, a loss of power may cost more than `fsync` says",
                spool.sync_failures
            ),
        );
    }
    if spool.files_set_aside > 0 {
        say(
            Severity::Note,
            format!(
                "{} files in the spool's directory were no spool files and are called `*.damaged` now",
                spool.files_set_aside
            ),
        );
    }
}

fn about_ledger(status: &Status, findings: &mut Vec<Finding>) {
    let ledger = &status.ledger;
    let intake = &ledger.intake;
    let sum = format!(
        "{} received = {} routed + {} skipped + {} refused",
        counted(intake.received, "frame"),
        intake.routed,
        intake.skipped.values().sum::<u64>(),
        intake.refused.values().sum::<u64>(),
    );
    let (severity, sentence) = match ledger.unaccounted {
        0 => (Severity::Good, sum),
        open if open <= ledger.in_flight_bound => {
            (Severity::Good, format!("{sum}, {open} in flight"))
        }
        open => (
            Severity::Bad,
            format!(
                "{sum}, and {open} are unaccounted for: that is a defect of hepcat, please report it"
            ),
        ),
    };
    findings.push(Finding::new(severity, "ledger", sentence));
}

/// `reason 3, other reason 1`, largest first, without the zeros.
fn spelled(reasons: &crate::status::ByReason) -> String {
    let mut reasons: Vec<_> = reasons.iter().filter(|(_, frames)| **frames > 0).collect();
    reasons.sort_by_key(|(_, frames)| std::cmp::Reverse(**frames));
    let words: Vec<_> = reasons
        .iter()
        .map(|(reason, frames)| format!("{reason} {frames}"))
        .collect();
    words.join(", ")
}

/// `1 frame`, `2 frames`.
fn counted(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}

/// How long ago, in the largest unit that is not zero.
pub(crate) fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
