//! What is counted of each agent, and what is known of it.

use std::fmt;

use super::{Writer, by_reason, intake, names};
use crate::status::AgentStatus;

const STATES: [&str; 3] = ["accepted", "quarantined", "refused"];

pub(super) fn agents(out: &mut Writer<'_>, agents: &[AgentStatus]) -> fmt::Result {
    let capture_id = |agent: &AgentStatus| agent.capture_id.map(|id| id.to_string());
    let ids: Vec<String> = agents
        .iter()
        .map(|agent| capture_id(agent).unwrap_or_default())
        .collect();
    let each = || {
        let labelled = agents.iter().zip(&ids);
        labelled.map(|(one, id)| (vec![one.agent.as_str(), id.as_str()], one))
    };
    intake(
        out,
        &[
            names::AGENT_RECEIVED,
            names::AGENT_ROUTED,
            names::AGENT_REFUSED,
            names::AGENT_SKIPPED,
        ],
        || each().map(|(labels, one)| (labels, &one.ledger)),
    )?;
    out.put(
        &names::AGENT_UNPARSABLE,
        by_reason(each().map(|(labels, one)| (labels, &one.unparsable))),
    )?;
    let last_seen = each().map(|(labels, one)| {
        let seconds = u64::try_from(one.last_seen.as_second());
        (labels, seconds.unwrap_or_default())
    });
    out.put(&names::AGENT_LAST_SEEN, last_seen)?;
    let octets = each().map(|(labels, one)| (labels, one.octets));
    out.put(&names::AGENT_OCTETS, octets)?;
    let offsets = each().filter_map(|(labels, one)| {
        let micros = one.clock.offset_micros?;
        Some((labels, micros as f64 / 1e6))
    });
    out.put_measured(&names::AGENT_CLOCK_OFFSET, offsets)?;
    let faults = each().flat_map(|(labels, one)| {
        let clock = &one.clock;
        [("ahead", clock.ahead), ("behind", clock.behind)].map(|(side, messages)| {
            let mut labels = labels.clone();
            labels.push(side);
            (labels, messages)
        })
    });
    out.put(&names::AGENT_CLOCK_FAULTS, faults)?;
    let refused = each().map(|(labels, one)| (labels, one.connections_refused));
    out.put(&names::AGENT_CONNECTIONS_REFUSED, refused)?;
    let states = STATES.map(|state| {
        let standing = agents.iter().filter(|agent| agent.state == state);
        (vec![state], standing.count() as u64)
    });
    out.put(&names::AGENTS, states)
}
