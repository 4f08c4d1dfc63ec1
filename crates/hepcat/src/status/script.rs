//! The script in a reading of the node.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ByReason;

/// The script, and what it did since the process started; a reload keeps the figures.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
pub struct ScriptStatus {
    /// Its file.
    pub file: String,
    /// The entry points that it defines.
    pub entry_points: Vec<String>,
    /// Threads that run it.
    pub workers: u64,
    /// Messages that it was asked about.
    pub runs: u64,
    /// Messages for which it was ended by an error, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub errors: ByReason,
    /// The latest error.
    pub last_error: Option<String>,
    /// Time that workers spent on messages.
    pub seconds: f64,
    /// Messages that wait for a worker, or that one is working on.
    pub queued: u64,
    /// Messages of our own that were not sent, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub not_sent: ByReason,
    /// Requests and branches of transactions that are remembered.
    pub transactions: u64,
    /// Those forgotten before their time.
    pub transactions_forgotten: u64,
    /// Lines that it may not log any more, because there were too many.
    pub log_suppressed: u64,
    /// Its own counters.
    pub counters: Vec<CounterStatus>,
}

/// A counter of a script.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CounterStatus {
    /// What the script calls it.
    pub name: String,
    /// Its label; may be empty.
    pub label: String,
    /// What it counted since the process started.
    pub value: u64,
}
