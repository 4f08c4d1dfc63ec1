//! What outlives the process of an agent.

use std::time::SystemTime;

use crate::pipeline::agents::AgentKey;

/// What is remembered of an agent from one run of the process to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRecord {
    /// Who it is.
    pub key: AgentKey,
    /// Arrival of its first frame ever.
    pub first_seen: SystemTime,
    /// Arrival of its latest frame.
    pub last_seen: SystemTime,
    /// Name of the listener of its latest frame.
    pub listener: String,
    /// Transport of its latest frame: `udp`, `tcp`, `tls`.
    pub transport: String,
    /// HEP versions that it has used: bit n for version n.
    pub versions: u8,
    /// Node names that it gave itself, the latest last.
    pub node_names: Vec<String>,
    /// Subject of its client certificate.
    pub subject: Option<String>,
    /// Frames received of it in all runs.
    pub frames: u64,
    /// Octets of them.
    pub octets: u64,
}
