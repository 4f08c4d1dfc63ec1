//! Which legs are one call, and why: `docs/correlation.md`.
//!
//! ```text
//!   message ── mention ──> values that other legs may mention too (rule, key)
//!                              │
//!                            graph: a group per value, a pair per likeness ──> components of legs: calls
//!                              │
//!                            link: who, by which rule, how sure, joined or only suggested
//! ```

mod affix;
mod graph;
mod link;
mod mention;
mod regroup;
mod rule;

pub use affix::Affix;
pub(super) use graph::{Graph, Member, Mentioned, Pair};
pub use link::{Link, LinkStatus};
pub(super) use mention::{Mentions, correlate_ids, embedded_replaces};
pub use regroup::regroup;
pub use rule::{HeaderRule, Rule, Rules};
