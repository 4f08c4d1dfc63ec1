//! `GET /api/v1/agents`, `GET /api/v1/agents/{agent}` and what is decided about one.

use std::net::IpAddr;

use axum::{
    Json,
    extract::{Path, Query as Parameters, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{
    asking, gate,
    openapi::{Ambiguous, BadRequest, NotFound, NotKept},
    problem::Problem,
    server::Shared,
};
use crate::{
    agents::Decision,
    node::UnknownAgent,
    query::{Field, Query, Subject, Value},
    render::{Contents, arrival_json},
    state::StateError,
    status::{AgentListing, AgentStatus},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParameters {
    /// Which agents, in the query language: `agent`, `capture_id`, `listener`, `node` and `version` say something of
    /// one.
    #[serde(default)]
    q: String,
    /// Only those in this state.
    #[serde(default)]
    state: String,
}

/// Whom an address of the interface names.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(names("agent"), parameter_in = Path)]
pub(super) struct Named(
    /// Address, or a node name or certificate subject that only one address has
    String,
);

/// Who sends, and what was decided about whom.
#[utoipa::path(
    get,
    path = "/api/v1/agents",
    params(ListParameters),
    responses(
        (status = 200, description = "Agents and decisions", body = AgentListing),
        BadRequest,
    ),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<ListParameters>,
) -> Response {
    let query = match Query::parse(&parameters.q) {
        Ok(query) => query,
        Err(error) => return asking::misread(&parameters.q, &error).into_response(),
    };
    let mut agents = shared.node.agents();
    agents.retain(|agent| {
        (parameters.state.is_empty() || agent.state == parameters.state) && query.matches(agent)
    });
    agents.sort_by_key(order);
    Json(AgentListing {
        agents,
        decisions: shared.node.agent_decisions(),
    })
    .into_response()
}

/// By address and capture agent ID, those beyond the limit last.
fn order(agent: &AgentStatus) -> (bool, Option<IpAddr>, Option<u32>) {
    let address = agent.agent.parse().ok();
    (address.is_none(), address, agent.capture_id)
}

/// Everything about the agents of one address.
#[utoipa::path(
    get,
    path = "/api/v1/agents/{agent}",
    params(Named),
    responses(
        (status = 200, description = "Its rows, what was decided, and what quarantine keeps of it", body = Object),
        NotFound,
        Ambiguous,
    ),
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Path(Named(agent)): Path<Named>,
) -> Response {
    let address = match shared.node.find_agent(&agent) {
        Ok(address) => address,
        Err(error) => return unknown(&error),
    };
    let name = address.to_string();
    let mut agents = shared.node.agents();
    agents.retain(|agent| agent.agent == name);
    agents.sort_by_key(|agent| agent.capture_id);
    let decisions = shared.node.agent_decisions();
    let decision = decisions.into_iter().find(|one| one.address == address);
    if agents.is_empty() && decision.is_none() {
        return unknown(&UnknownAgent::Nobody { name: agent });
    }
    let topology = shared.node.pipeline().topology();
    let kept = shared.node.pipeline().ledger().quarantined(address);
    let masking = gate::viewer().masking;
    let quarantined: Vec<_> = kept
        .iter()
        .map(|arrival| {
            let listener = topology.listener_name(arrival);
            arrival_json(
                &masking.arrival(arrival),
                listener,
                topology.clock(),
                masking.contents(Contents::ALL.digest(false)),
            )
        })
        .collect();
    Json(json!({
        "address": name,
        "decision": decision.map(|one| one.decision),
        "agents": agents,
        "quarantined": quarantined,
    }))
    .into_response()
}

/// Lets an address send, now and after a restart.
#[utoipa::path(
    post,
    path = "/api/v1/agents/{agent}/accept",
    params(Named),
    responses(
        (status = 200, description = "The address, and what is decided about it now", body = Object),
        NotFound,
        Ambiguous,
        NotKept,
    ),
)]
pub(super) async fn accept(shared: State<Shared>, agent: Path<Named>) -> Response {
    decide(shared, agent, Some(Decision::Accepted)).await
}

/// Refuses what an address sends, now and after a restart.
#[utoipa::path(
    post,
    path = "/api/v1/agents/{agent}/refuse",
    params(Named),
    responses(
        (status = 200, description = "The address, and what is decided about it now", body = Object),
        NotFound,
        Ambiguous,
        NotKept,
    ),
)]
pub(super) async fn refuse(shared: State<Shared>, agent: Path<Named>) -> Response {
    decide(shared, agent, Some(Decision::Refused)).await
}

/// Takes a decision back.
#[utoipa::path(
    post,
    path = "/api/v1/agents/{agent}/forget",
    params(Named),
    responses(
        (status = 200, description = "The address, and what is decided about it now", body = Object),
        NotFound,
        Ambiguous,
        NotKept,
    ),
)]
pub(super) async fn forget(shared: State<Shared>, agent: Path<Named>) -> Response {
    decide(shared, agent, None).await
}

async fn decide(
    State(shared): State<Shared>,
    Path(Named(agent)): Path<Named>,
    decision: Option<Decision>,
) -> Response {
    let address = match shared.node.find_agent(&agent) {
        Ok(address) => address,
        Err(error) => return unknown(&error),
    };
    match shared.node.decide_about_agent(address, decision).await {
        Ok(()) => Json(json!({
            "address": address,
            "decision": decision.map(Decision::label),
        }))
        .into_response(),
        Err(error) => not_kept(&error),
    }
}

fn unknown(error: &UnknownAgent) -> Response {
    let status = match error {
        UnknownAgent::Nobody { .. } => StatusCode::NOT_FOUND,
        UnknownAgent::Several { .. } => StatusCode::CONFLICT,
    };
    Problem::new(
        status,
        "/problems/agent",
        "agent not known",
        error.to_string(),
    )
    .into_response()
}

fn not_kept(error: &StateError) -> Response {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "/problems/state",
        "decision not kept",
        error.to_string(),
    )
    .into_response()
}

impl Subject for AgentStatus {
    fn any(&self, field: &Field, fits: &mut dyn FnMut(Value<'_>) -> bool) -> bool {
        match field {
            Field::Agent => self
                .agent
                .parse()
                .is_ok_and(|address| fits(Value::Address(address))),
            Field::Listener => fits(Value::Text(self.listener.as_bytes())),
            Field::CaptureId => self
                .capture_id
                .is_some_and(|id| fits(Value::Number(i64::from(id)))),
            Field::Version => self
                .versions
                .iter()
                .any(|version| fits(Value::Number(i64::from(*version)))),
            // A bare word is looked for in what an agent calls itself.
            Field::Node | Field::Payload => self
                .node_names
                .iter()
                .any(|name| fits(Value::Text(name.as_bytes()))),
            _ => false,
        }
    }
}
