//! What becomes of a store that somebody checks, compacts or lets retention remove things from.

use std::collections::BTreeMap;

use hepcat_store::{CheckReport, CompactReport, Damaged, Expired, Files, Retention};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::store::{FilesStatus, RetentionRules, at};

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckStatus {
    /// Segments that hold.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets of them.
    pub octets: u64,
    /// Log files that hold.
    pub log_files: u64,
    /// Rows in log files, as far as these hold.
    pub log_rows: u64,
    /// Files that do not hold.
    pub damaged: Vec<DamagedFile>,
    /// Files that were set aside, by this check or before.
    pub aside: FilesStatus,
    /// It ended early because the node ends.
    pub unfinished: bool,
}

/// A file that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DamagedFile {
    /// Where it lies, or lay before it was set aside.
    pub file: String,
    /// Rows that it should have; 0 where nobody knows.
    pub rows: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl From<&Damaged> for DamagedFile {
    fn from(damaged: &Damaged) -> Self {
        Self {
            file: damaged.path.display().to_string(),
            rows: damaged.rows,
            reason: damaged.what.clone(),
        }
    }
}

impl CheckStatus {
    /// A report, with what lies aside after it.
    #[must_use]
    pub fn new(report: &CheckReport, aside: Files) -> Self {
        Self {
            segments: report.segments,
            rows: report.rows,
            octets: report.octets,
            log_files: report.logs,
            log_rows: report.log_rows,
            damaged: report.damaged.iter().map(DamagedFile::from).collect(),
            aside: aside.into(),
            unfinished: report.unfinished,
        }
    }
}

/// What a compaction did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompactStatus {
    /// Merges.
    pub merges: u64,
    /// Segments that were merged.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets that they had.
    pub octets_before: u64,
    /// Octets that the merged ones have.
    pub octets_after: u64,
    /// Merges that wait for memory, or failed; the log says why, and they are tried again.
    pub postponed: u64,
}

impl From<&CompactReport> for CompactStatus {
    fn from(report: &CompactReport) -> Self {
        Self {
            merges: report.merges,
            segments: report.segments,
            rows: report.rows,
            octets_before: report.octets_before,
            octets_after: report.octets_after,
            postponed: report.postponed,
        }
    }
}

/// What retention removes, or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionPlan {
    /// Whether it was done.
    pub done: bool,
    /// By which rules.
    pub rules: RetentionRules,
    /// Whether rows go by age now: see `clock_believed` of the store's activity.
    pub clock_believed: bool,
    /// Rows that go.
    pub rows: u64,
    /// Octets that go.
    pub octets: u64,
    /// By rule and class.
    pub sums: Vec<ExpiredSum>,
    /// Segment by segment, the oldest first.
    pub segments: Vec<ExpiredSegment>,
}

/// What one rule removes of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpiredSum {
    /// `age`, `class` (the age of its class), `size` or `free`.
    pub rule: String,
    /// The class of traffic.
    pub class: String,
    /// Segments.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets of them.
    pub octets: u64,
    /// When the newest of those rows was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
}

/// A segment that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExpiredSegment {
    /// Its number.
    pub segment: u64,
    /// By which rule: `age`, `class`, `size` or `free`.
    pub rule: String,
    /// Its class of traffic.
    pub class: String,
    /// When its oldest row was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// When its newest row was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
    /// Rows in it.
    pub rows: u64,
    /// Octets of it.
    pub octets: u64,
}

impl RetentionPlan {
    /// What `rules` remove or, where that is not `done`, would.
    #[must_use]
    pub fn new(expired: &[Expired], rules: &Retention, clock_believed: bool, done: bool) -> Self {
        let mut sums: BTreeMap<(&str, &str), ExpiredSum> = BTreeMap::new();
        for one in expired {
            let (rule, class) = (one.reason.name(), one.class.name());
            let sum = sums.entry((rule, class)).or_insert_with(|| ExpiredSum {
                rule: rule.to_owned(),
                class: class.to_owned(),
                segments: 0,
                rows: 0,
                octets: 0,
                newest: None,
            });
            sum.segments += 1;
            sum.rows += one.rows;
            sum.octets += one.octets;
            sum.newest = sum.newest.max(at(one.newest));
        }
        let segments = expired.iter().map(|one| ExpiredSegment {
            segment: one.segment,
            rule: one.reason.name().to_owned(),
            class: one.class.name().to_owned(),
            oldest: at(one.oldest),
            newest: at(one.newest),
            rows: one.rows,
            octets: one.octets,
        });
        Self {
            done,
            rules: RetentionRules::from(rules),
            clock_believed,
            rows: expired.iter().map(|one| one.rows).sum(),
            octets: expired.iter().map(|one| one.octets).sum(),
            sums: sums.into_values().collect(),
            segments: segments.collect(),
        }
    }
}
