//! `hepcat agents`: who sends to a node, and who may.

use std::process::ExitCode;

use anstream::{print, println};
use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use reqwest::{Response, Url};
use serde_json::Value;

use super::{NodeArgs, exit};
use crate::{
    doctor::age,
    render::{columns, escape_str, json_lines},
    status::{AgentListing, AgentStatus},
};

/// Shows the agents of a running node; accepts, refuses and forgets them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct AgentsArgs {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// One JSON object with `agents` and `decisions` instead of a table.
    #[arg(long)]
    json: bool,
    /// Only agents in this state.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// In which order; numbers and times greatest first.
    #[arg(long, value_enum, default_value_t)]
    sort: Sort,
    /// Which agents, in the query language (agent, capture_id, listener, node, version; a word alone is looked for in
    /// node names): hepcat agents 'agent:10.1.0.0/16 listener:edge'
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Everything about the agents of one address, with the frames that quarantine keeps of it.
    Show(OneArgs),
    /// Lets an address send, now and after a restart.
    Accept(OneArgs),
    /// Refuses what an address sends, now and after a restart.
    Refuse(OneArgs),
    /// Takes a decision back: the address is as good as any that was never heard of.
    Forget(OneArgs),
}

#[derive(Debug, Args)]
struct OneArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// Address of the agent, or its node name or certificate subject where only one address has it.
    #[arg(value_name = "AGENT")]
    agent: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum State {
    /// What it sends is taken.
    Accepted,
    /// What it sends is kept apart until somebody decides.
    Quarantined,
    /// What it sends is refused.
    Refused,
    /// It sent in an earlier run of the node, and not in this one.
    Silent,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Sort {
    /// By address and capture agent ID.
    #[default]
    Agent,
    /// By frames a second.
    Rate,
    /// By frames received.
    Received,
    /// By frames refused.
    Refused,
    /// By frames that did not decode.
    Bad,
    /// By how far the clock is off.
    Clock,
    /// By the arrival of the latest frame.
    LastSeen,
}

pub(super) async fn run(arguments: AgentsArgs) -> ExitCode {
    let done = match arguments.action {
        None => list(arguments.list).await,
        Some(Action::Show(one)) => show(one).await,
        Some(Action::Accept(one)) => decide(one, "accept").await,
        Some(Action::Refuse(one)) => decide(one, "refuse").await,
        Some(Action::Forget(one)) => decide(one, "forget").await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::failed(format_args!("{error:#}")),
    }
}

async fn list(arguments: ListArgs) -> Result<()> {
    let state = arguments.state.and_then(|state| state.to_possible_value());
    let mut url = Url::parse("http://node/api/v1/agents")?;
    url.query_pairs_mut()
        .append_pair("q", &arguments.query.join(" "))
        .append_pair("state", state.as_ref().map_or("", |state| state.get_name()));
    let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let request = arguments.node.get(path.trim_start_matches('/'))?;
    let answer = understood(arguments.node.send(request).await?).await?;
    let mut listing: AgentListing = answer
        .json()
        .await
        .context("the answer is no list of agents")?;
    sort(&mut listing.agents, arguments.sort);
    if arguments.json {
        println!("{}", json_lines(&listing)?);
    } else {
        if state.is_some() || !arguments.query.is_empty() {
            // Who was not asked for is not missing either.
            listing.decisions.clear();
        }
        print!("{}", table(&listing));
    }
    Ok(())
}

fn sort(agents: &mut [AgentStatus], by: Sort) {
    let refused = |agent: &AgentStatus| agent.ledger.refused.values().sum::<u64>();
    let bad = |agent: &AgentStatus| agent.unparsable.values().sum::<u64>();
    let off = |agent: &AgentStatus| agent.clock.offset_micros.map(i64::unsigned_abs);
    match by {
        // The node sorts so; equal ones stay in that order below.
        Sort::Agent => {}
        Sort::Rate => agents.sort_by(|a, b| b.rate.total_cmp(&a.rate)),
        Sort::Received => agents.sort_by_key(|a| std::cmp::Reverse(a.ledger.received)),
        Sort::Refused => agents.sort_by_key(|a| std::cmp::Reverse(refused(a))),
        Sort::Bad => agents.sort_by_key(|a| std::cmp::Reverse(bad(a))),
        Sort::Clock => agents.sort_by_key(|a| std::cmp::Reverse(off(a))),
        Sort::LastSeen => agents.sort_by_key(|a| std::cmp::Reverse(a.last_seen)),
    }
}

fn table(listing: &AgentListing) -> String {
    let now = Timestamp::now();
    let head = [
        "AGENT",
        "ID",
        "STATE",
        "NODE",
        "LISTENER",
        "HEP",
        "PER S",
        "RECEIVED",
        "REFUSED",
        "BAD",
        "CLOCK",
        "LAST SEEN",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(listing.agents.iter().map(|agent| row(agent, now)));
    let mut text = match listing.agents.is_empty() {
        true => "no agents\n".to_owned(),
        false => columns::render(&rows),
    };
    let unheard = |address: &str| !listing.agents.iter().any(|agent| agent.agent == address);
    for decision in &listing.decisions {
        let address = decision.address.to_string();
        if unheard(&address) {
            text.push_str(&format!(
                "{address} is {} and not listed above\n",
                decision.decision
            ));
        }
    }
    text
}

fn row(agent: &AgentStatus, now: Timestamp) -> Vec<String> {
    let versions: Vec<_> = agent.versions.iter().map(u8::to_string).collect();
    vec![
        agent.agent.clone(),
        agent
            .capture_id
            .map_or_else(|| "-".to_owned(), |id| id.to_string()),
        agent.state.clone(),
        agent
            .node_names
            .last()
            .map_or_else(|| "-".to_owned(), |name| escape_str(name)),
        format!("{} {}", agent.transport, agent.listener),
        versions.join(","),
        format!("{:.1}", agent.rate),
        agent.ledger.received.to_string(),
        agent.ledger.refused.values().sum::<u64>().to_string(),
        agent.unparsable.values().sum::<u64>().to_string(),
        agent.clock.spelled(),
        format!("{} ago", age(now, agent.last_seen)),
    ]
}

async fn show(arguments: OneArgs) -> Result<()> {
    let request = arguments.node.get(&path(&arguments.agent)?)?;
    let answer = understood(arguments.node.send(request).await?).await?;
    let value: Value = answer.json().await.context("the answer is no JSON")?;
    println!("{}", json_lines(&value)?);
    Ok(())
}

async fn decide(arguments: OneArgs, action: &str) -> Result<()> {
    let request = arguments
        .node
        .post(&format!("{}/{action}", path(&arguments.agent)?))?;
    let answer = understood(arguments.node.send(request).await?).await?;
    let value: Value = answer.json().await.context("the answer is no JSON")?;
    let address = value["address"].as_str().unwrap_or_default();
    match value["decision"].as_str() {
        Some(decision) => println!("{address} is {decision}"),
        None => println!("nothing is decided about {address}"),
    }
    Ok(())
}

/// The path of one agent, whatever stands in its name.
fn path(agent: &str) -> Result<String> {
    let mut url = Url::parse("http://node/api/v1/agents")?;
    match url.path_segments_mut() {
        Ok(mut segments) => segments.push(agent),
        Err(()) => bail!("no path for {agent}"),
    };
    Ok(url.path().trim_start_matches('/').to_owned())
}

/// The answer, unless it is a problem: then its words.
async fn understood(answer: Response) -> Result<Response> {
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap_or_default();
    match problem["detail"].as_str() {
        Some(detail) => bail!("{detail}"),
        None => bail!("the node answered {status}"),
    }
}
