//! What stands out among agents: those that wait, are refused, are not understood, or whose clock is off. The others are
//! as they should be, and there may be thousands.

use super::{Finding, Severity, counted, spelled};
use crate::status::{AgentStatus, Status};

/// Nobody reads more: beyond this, agents are left out.
const MOST_FINDINGS: usize = 200;

/// Why frames of an agent were refused, and what can be done about it.
const REASONS: [(&str, &str); 7] = [
    ("key", "it sends no key, or none that is configured"),
    ("address", "its address is in none of the ranges of `allow`"),
    (
        "certificate",
        "its certificate's subject is not in `subjects`",
    ),
    (
        "agent",
        "an operator refused it; `hepcat agents forget` takes that back",
    ),
    ("unknown", "nobody accepted it; `hepcat agents accept` does"),
    (
        "rate",
        "it sends more than `messages_per_second` or `octets_per_second` allow",
    ),
    ("muted", "too many in a row did not decode"),
];

pub(super) fn about(status: &Status, findings: &mut Vec<Finding>) {
    let mut waiting: Vec<&str> = Vec::new();
    let (mut named, mut left_out) = (0, 0_u64);
    for agent in &status.agents {
        if agent.state == "quarantined" && !waiting.contains(&agent.agent.as_str()) {
            waiting.push(&agent.agent);
        }
        let before = findings.len();
        if named <= MOST_FINDINGS {
            about_one(agent, findings);
            named += findings.len() - before;
        } else {
            let mut more = Vec::new();
            about_one(agent, &mut more);
            left_out += u64::from(!more.is_empty());
        }
    }
    if left_out > 0 {
        let sentence = format!(
            "{left_out} more stand out: `hepcat agents --sort refused`, `--sort bad` and `--sort clock` show them"
        );
        findings.push(Finding::new(Severity::Note, "agents", sentence));
    }
    if !waiting.is_empty() {
        findings.push(Finding::new(
            Severity::Bad,
            "agents",
            about_quarantine(&waiting),
        ));
    }
}

fn about_quarantine(waiting: &[&str]) -> String {
    let some = waiting.get(..5).unwrap_or(waiting).join(", ");
    let (who, more) = match waiting.len() {
        1 => ("1 address waits".to_owned(), ""),
        2..=5 => (format!("{} addresses wait", waiting.len()), ""),
        _ => (format!("{} addresses wait", waiting.len()), ", …"),
    };
    format!("{who} in quarantine ({some}{more}): `hepcat agents accept` lets one in")
}

fn about_one(agent: &AgentStatus, findings: &mut Vec<Finding>) {
    let name = match agent.capture_id {
        Some(id) => format!("agent {} ({id})", agent.agent),
        None => format!("agent {}", agent.agent),
    };
    let mut say = |severity, sentence: String| {
        findings.push(Finding::new(severity, name.as_str(), sentence));
    };
    for (reason, why) in REASONS {
        let frames = agent.ledger.refused.get(reason).copied().unwrap_or(0);
        if frames > 0 {
            let severity = match reason {
                "agent" => Severity::Note,
                _ => Severity::Bad,
            };
            say(
                severity,
                format!("refused {} of it: {why}", counted(frames, "frame")),
            );
        }
    }
    if agent.connections_refused > 0 {
        let connections = counted(agent.connections_refused, "connection");
        let severity = match agent.decision.as_deref() {
            Some("refused") => Severity::Note,
            _ => Severity::Bad,
        };
        say(
            severity,
            format!(
                "refused {connections} of it: its address or its certificate may not send, or an operator refused it"
            ),
        );
    }
    let bad: u64 = agent.unparsable.values().sum();
    if bad > 0 {
        let taken = match agent.transport.as_str() {
            "udp" => "versions 1, 2 and 3",
            _ => "version 3",
        };
        say(
            Severity::Bad,
            format!(
                "{} of what it sent did not decode ({}): is it HEP? over {} that is {taken}",
                counted(bad, "piece"),
                spelled(&agent.unparsable),
                agent.transport
            ),
        );
    }
    let faults = agent.clock.ahead + agent.clock.behind;
    if faults > 0 {
        say(
            Severity::Note,
            format!(
                "its clock is off by {}: {} outside of the bounds, which are marked",
                agent.clock.spelled(),
                counted(faults, "message")
            ),
        );
    }
}
