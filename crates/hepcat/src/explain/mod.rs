//! Why a call went as it did, in sentences that lead to their evidence. Pure: no clock, no store.
//!
//! ```text
//!   CallRecord, Seen ..., Ladder ──> Case (what rules may ask) ──> rules ──> Explanation ──> JSON, text
//! ```
//!
//! Every rule stands in `rules.rs`, one function each; `docs/explain.md` lists them. What is shown of messages is text
//! that others wrote: characters that act instead of being seen are replaced, and long values are cut.

mod case;
mod codes;
mod joined;
mod rules;

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

pub use self::joined::joined_text;
use self::{case::Case, rules::RULES};
use crate::call::{CallRecord, Moment, Seen, ladder::Ladder};

/// Evidence of one finding; more of the same kind says nothing new.
const MOST_EVIDENCE: usize = 6;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Weight {
    /// Why it did not work.
    Cause,
    /// Something is wrong, though it may not be why.
    Trouble,
    /// Worth knowing.
    Remark,
}

impl Weight {
    /// The name in answers.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Cause => "cause",
            Self::Trouble => "trouble",
            Self::Remark => "remark",
        }
    }
}

/// A message that a finding rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// Row of the store. Written as text: JavaScript has no numbers that large.
    #[serde(serialize_with = "as_text")]
    pub row: u64,
    /// Method, or status and phrase.
    pub label: Box<str>,
    /// When, by the ladder's clock.
    pub at: Moment,
}

/// One sentence, or a few that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Name of its rule.
    pub rule: &'static str,
    /// How much it matters.
    pub weight: Weight,
    /// What it says.
    pub says: String,
    /// What it rests on, in causal order.
    pub evidence: Vec<Evidence>,
}

/// What there is to say about a call: what matters most first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// Nothing where nothing was odd.
    pub findings: Vec<Finding>,
}

impl Explanation {
    /// What `messages` tell about `call`; `ladder` is the diagram of the same messages.
    #[must_use]
    pub fn of(call: &CallRecord, messages: &[Seen<'_>], ladder: &Ladder) -> Self {
        let case = Case::new(call, messages, ladder);
        let mut findings: Vec<Finding> = RULES
            .iter()
            .filter_map(|rule| {
                let told = (rule.tell)(&case)?;
                let mut evidence = told.evidence;
                evidence.sort_by_key(|one| one.0);
                evidence.dedup_by_key(|one| one.0);
                evidence.truncate(MOST_EVIDENCE);
                Some(Finding {
                    rule: rule.name,
                    weight: rule.weight,
                    says: told.says,
                    evidence: evidence.into_iter().map(|(_, one)| one).collect(),
                })
            })
            .collect();
        findings.sort_by_key(|finding| finding.weight);
        Self { findings }
    }

    /// As lines of text: a mark, the sentence folded at `width`, and when its evidence was. Empty where there is
    /// nothing to say.
    #[must_use]
    pub fn text(&self, width: usize) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let mark = match finding.weight {
                Weight::Cause => "!! ",
                Weight::Trouble => " ! ",
                Weight::Remark => " - ",
            };
            text.push_str(mark);
            let mut column = mark.len();
            for word in finding.says.split(' ') {
                let length = word.chars().count();
                if column + length > width && column > mark.len() {
                    text.push_str("\n   ");
                    column = mark.len();
                }
                // Writing into a string does not fail.
                let _ignored = write!(text, "{word} ");
                column += length + 1;
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

fn as_text<S: Serializer>(row: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(row)
}
