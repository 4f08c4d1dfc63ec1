//! Agents as the whole node knows them: in this run, in earlier ones, and what was decided about them.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Node, Running, report::timestamp};
use crate::{
    agents::{AgentRecord, Decision, Standing},
    pipeline::agents::AgentEntry,
    state::{self, StateError},
    status::{AgentStatus, ClockStatus, DecisionStatus, IntakeStatus},
};

/// How often agents are written down: what a kill costs of their records, not of decisions.
const KEEP_EVERY: Duration = Duration::from_secs(30);

/// An agent that an operator names cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum UnknownAgent {
    /// No agent has that name.
    #[error(
        "no agent is called `{name}`: an address can be decided about before it has sent anything"
    )]
    Nobody {
        /// What was asked for.
        name: String,
    },
    /// Several have.
    #[error(
        "agents at several addresses call themselves `{name}`: say which address of {}",
        spelled(addresses)
    )]
    Several {
        /// What was asked for.
        name: String,
        /// Where they send from, in order.
        addresses: Vec<IpAddr>,
    },
}

fn spelled(addresses: &[IpAddr]) -> String {
    let words: Vec<_> = addresses.iter().map(IpAddr::to_string).collect();
    words.join(", ")
}

impl Node {
    /// Every agent that was heard in this run or is remembered of earlier ones.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentStatus> {
        let ledger = self.pipeline.ledger();
        let (heard, remembered) = (ledger.snapshot().agents, ledger.remembered());
        let decisions = Decisions(ledger.decisions());
        let running = self.running.lock();
        let mut agents = running.agents(&heard, &decisions);
        agents.extend(
            remembered
                .iter()
                .map(|record| about_record(record, &decisions)),
        );
        agents
    }

    /// Everything that was decided.
    #[must_use]
    pub fn agent_decisions(&self) -> Vec<DecisionStatus> {
        let decisions = self.pipeline.ledger().decisions();
        let each = decisions
            .into_iter()
            .map(|(address, decision)| DecisionStatus {
                address,
                decision: decision.label().to_owned(),
            });
        each.collect()
    }

    /// The address of the agent that somebody names by address, node name or certificate subject.
    ///
    /// # Errors
    /// When that is nobody, or several.
    pub fn find_agent(&self, name: &str) -> Result<IpAddr, UnknownAgent> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(address.to_canonical());
        }
        let named = |agent: &&AgentStatus| {
            agent.node_names.iter().any(|own| own == name) || agent.subject.as_deref() == Some(name)
        };
        let agents = self.agents();
        let addresses = agents.iter().filter(named);
        let mut addresses: Vec<IpAddr> = addresses
            .filter_map(|agent| agent.agent.parse().ok())
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let name = name.to_owned();
        match addresses.as_slice() {
            [] => Err(UnknownAgent::Nobody { name }),
            [one] => Ok(*one),
            _ => Err(UnknownAgent::Several { name, addresses }),
        }
    }

    /// Decides about an address, or takes a decision back: kept first, then in force.
    ///
    /// # Errors
    /// When it cannot be kept; nothing has changed then.
    pub async fn decide_about_agent(
        &self,
        address: IpAddr,
        decision: Option<Decision>,
    ) -> Result<(), StateError> {
        let now = SystemTime::now();
        self.state
            .call(move |connection| state::agents::decide(connection, address, decision, now))
            .await?;
        let ledger = self.pipeline.ledger();
        ledger.decide(address, decision);
        if decision.is_none() {
            ledger.stand_as_strangers(address, &self.pipeline.topology());
        }
        let decision = decision.map_or("forgotten", Decision::label);
        tracing::info!(agent = %address, decision, "decided about an agent");
        Ok(())
    }

    /// Takes over what earlier runs kept.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) async fn recall_agents(&self) -> Result<(), StateError> {
        let read = |connection: &mut rusqlite::Connection| {
            let decisions = state::agents::decisions(connection)?;
            Ok((decisions, state::agents::read_all(connection)?))
        };
        let (decisions, records) = self.state.call(read).await?;
        let ledger = self.pipeline.ledger();
        for (address, decision) in decisions {
            ledger.decide(address, Some(decision));
        }
        ledger.remember(records);
        Ok(())
    }

    /// Writes agents down every now and then, until the node closes.
    pub(super) fn keep_agents(self: &Arc<Self>) {
        let node = Arc::clone(self);
        self.tasks.spawn(async move {
            let mut since = SystemTime::UNIX_EPOCH;
            let mut failing = false;
            loop {
                let pause = tokio::time::sleep(KEEP_EVERY);
                let open = node.closing.run_until_cancelled(pause).await.is_some();
                let now = SystemTime::now();
                // A clock that was set back would hide who sends now: all are written then.
                let from = if now < since {
                    SystemTime::UNIX_EPOCH
                } else {
                    since
                };
                let kept = node.write_agents(from).await;
                // Once when it begins to fail, not every time.
                if let Err(error) = &kept
                    && !failing
                {
                    tracing::error!(%error, "agents cannot be written down");
                }
                failing = kept.is_err();
                if !failing {
                    since = now;
                }
                if !open {
                    return;
                }
            }
        });
    }

    /// Writes down those that sent after `since` and were not turned away.
    async fn write_agents(&self, since: SystemTime) -> Result<(), StateError> {
        let heard = self.pipeline.ledger().snapshot().agents;
        let records: Vec<_> = {
            let running = self.running.lock();
            let welcome = |entry: &&AgentEntry| {
                !matches!(entry.standing, Standing::Refused(_)) || entry.intake.routed > 0
            };
            let fresh = heard.iter().filter(|entry| entry.last_seen >= since);
            let records = fresh
                .filter(welcome)
                .filter_map(|entry| running.record(entry));
            records.collect()
        };
        if records.is_empty() {
            return Ok(());
        }
        self.state
            .call(move |connection| state::agents::write(connection, &records))
            .await
    }
}

/// Decisions in the order of addresses.
pub(super) struct Decisions(pub(super) Vec<(IpAddr, Decision)>);

impl Decisions {
    fn about(&self, address: IpAddr) -> Option<String> {
        let at = self
            .0
            .binary_search_by_key(&address, |(address, _)| *address);
        at.ok().map(|at| self.0[at].1.label().to_owned())
    }
}

impl Running {
    pub(super) fn agents(&self, heard: &[AgentEntry], decisions: &Decisions) -> Vec<AgentStatus> {
        let now = SystemTime::now();
        let about = |entry| self.about_agent(entry, decisions, now);
        heard.iter().map(about).collect()
    }

    fn about_agent(
        &self,
        agent: &AgentEntry,
        decisions: &Decisions,
        now: SystemTime,
    ) -> AgentStatus {
        let (frames_ever, octets_ever) = agent.total();
        let [ahead, behind] = agent.clock_faults;
        AgentStatus {
            agent: agent
                .key
                .map_or_else(|| "other".to_owned(), |key| key.address.to_string()),
            capture_id: agent.key.and_then(|key| key.capture_id),
            state: agent.standing.label().to_owned(),
            decision: agent.key.and_then(|key| decisions.about(key.address)),
            listener: self.listener_name(agent.listener).to_owned(),
            transport: agent.transport.name().to_owned(),
            versions: agent.versions().collect(),
            node_names: agent.node_names.iter().map(ToString::to_string).collect(),
            subject: agent.subject.as_deref().map(str::to_owned),
            ledger: IntakeStatus::from(&agent.intake),
            unparsable: (agent.unparsable.iter())
                .map(|(reason, frames)| ((*reason).to_owned(), *frames))
                .collect(),
            octets: agent.octets,
            rate: agent.rate(now),
            clock: ClockStatus {
                offset_micros: agent.clock_offset(),
                ahead,
                behind,
            },
            connections_refused: agent.connections_refused,
            frames_ever,
            octets_ever,
            first_seen: timestamp(agent.first_seen),
            last_seen: timestamp(agent.last_seen),
        }
    }

    fn record(&self, agent: &AgentEntry) -> Option<AgentRecord> {
        let (frames, octets) = agent.total();
        Some(AgentRecord {
            key: agent.key?,
            first_seen: agent.first_seen,
            last_seen: agent.last_seen,
            listener: self.listener_name(agent.listener).to_owned(),
            transport: agent.transport.name().to_owned(),
            versions: agent.versions,
            node_names: agent.node_names.iter().map(ToString::to_string).collect(),
            subject: agent.subject.as_deref().map(str::to_owned),
            frames,
            octets,
        })
    }
}

/// An agent that has not sent in this run.
fn about_record(record: &AgentRecord, decisions: &Decisions) -> AgentStatus {
    AgentStatus {
        agent: record.key.address.to_string(),
        capture_id: record.key.capture_id,
        state: "silent".to_owned(),
        decision: decisions.about(record.key.address),
        listener: record.listener.clone(),
        transport: record.transport.clone(),
        versions: (1..=3)
            .filter(|n| record.versions & (1 << n) != 0)
            .collect(),
        node_names: record.node_names.clone(),
        subject: record.subject.clone(),
        ledger: IntakeStatus::default(),
        unparsable: Default::default(),
        octets: 0,
        rate: 0.0,
        clock: ClockStatus::default(),
        connections_refused: 0,
        frames_ever: record.frames,
        octets_ever: record.octets,
        first_seen: timestamp(record.first_seen),
        last_seen: timestamp(record.last_seen),
    }
}
