//! The store's part of a reading.

use std::{collections::BTreeMap, path::Path, time::Duration};

use bytesize::ByteSize;
use hepcat_store::{Files, Inventory, MemoryStats, Retention, SegmentSummary, StoreStats};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ByReason;

const MICROS_PER_HOUR: i64 = 3_600_000_000;
const MICROS_PER_DAY: i64 = 24 * MICROS_PER_HOUR;
/// What less of it has passed says nothing about a day.
const LEAST_OF_A_DAY: i64 = MICROS_PER_HOUR / 6;

/// A store at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoreStatus {
    /// Its directory.
    pub directory: String,
    /// Rows in segments and in memory.
    pub rows: u64,
    /// Rows in memory; the log has them too.
    pub rows_in_memory: u64,
    /// Segments.
    pub segments: u64,
    /// Octets of segments.
    pub octets: u64,
    /// Octets of a row in segments, in the mean; null where there are none.
    pub octets_per_row: Option<f64>,
    /// Log files.
    pub log: FilesStatus,
    /// Files that were found damaged and set aside, in this run or an earlier one.
    pub aside: FilesStatus,
    /// When the oldest row was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// When the newest row was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
    /// Octets that may still be written to the file system.
    pub free_octets: Option<u64>,
    /// Octets of segments that a day takes, by the last 24 hours or as much of them as there is; null where that is
    /// less than ten minutes.
    pub octets_per_day: Option<u64>,
    /// Days at that pace until the oldest rows go for want of room; null where nobody can say.
    pub days_left: Option<f64>,
    /// By which rules rows go.
    pub retention: RetentionRules,
    /// What it has done since it was opened; null where nobody has it open.
    pub activity: Option<StoreActivity>,
}

/// How many files, and how large.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FilesStatus {
    /// How many.
    pub files: u64,
    /// Octets of all of them.
    pub octets: u64,
}

impl From<Files> for FilesStatus {
    fn from(files: Files) -> Self {
        Self {
            files: files.count,
            octets: files.octets,
        }
    }
}

/// How long rows are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RetentionRules {
    /// Age in seconds at which rows go; null is never.
    pub max_age_seconds: Option<u64>,
    /// Ages in seconds of single classes of traffic.
    pub classes: BTreeMap<String, u64>,
    /// Octets that segments may have together.
    pub max_octets: Option<u64>,
    /// Octets of the file system that stay free.
    pub min_free_octets: Option<u64>,
}

impl From<&Retention> for RetentionRules {
    fn from(retention: &Retention) -> Self {
        let classes = retention.classes.iter();
        Self {
            max_age_seconds: retention.max_age.map(|age| age.as_secs()),
            classes: classes
                .map(|(class, age)| (class.name().to_owned(), age.as_secs()))
                .collect(),
            max_octets: retention.max_octets,
            min_free_octets: retention.min_free,
        }
    }
}

impl RetentionRules {
    /// The rules in a few words: `30 d (options 1 d), at most 500.0 GiB, 1.0 GiB stay free`.
    #[must_use]
    pub fn spelled(&self) -> String {
        let mut words = match self.max_age_seconds {
            Some(age) => span(Duration::from_secs(age)),
            None => "for ever".to_owned(),
        };
        let classes: Vec<String> = self
            .classes
            .iter()
            .map(|(class, age)| format!("{class} {}", span(Duration::from_secs(*age))))
            .collect();
        if !classes.is_empty() {
            words.push_str(&format!(" ({})", classes.join(", ")));
        }
        if let Some(octets) = self.max_octets {
            words.push_str(&format!(", at most {}", ByteSize::b(octets)));
        }
        if let Some(octets) = self.min_free_octets {
            words.push_str(&format!(", {} stay free", ByteSize::b(octets)));
        }
        words
    }
}

/// A span in its largest whole unit.
fn span(age: Duration) -> String {
    match age.as_secs() {
        seconds if seconds % 86_400 == 0 => format!("{} d", seconds / 86_400),
        seconds if seconds % 3_600 == 0 => format!("{} h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}

/// What an open store has done and does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoreActivity {
    /// Memory, by what for.
    pub memory: MemoryStatus,
    /// Generations of rows in memory that wait to be written as segments.
    pub generations_waiting: u64,
    /// Rows handed to the log.
    pub rows_offered: u64,
    /// Rows that are as durable as `fsync` says.
    pub rows_kept: u64,
    /// Rows that were not kept, by reason.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub rows_dropped: ByReason,
    /// Rows that are searched although their sync failed.
    pub rows_unsynced: u64,
    /// Rows that could never be written as a segment; their log file is set aside.
    pub rows_lost: u64,
    /// Rows read back from the log at the start.
    pub rows_replayed: u64,
    /// Frames written to the log.
    pub log_frames: u64,
    /// Octets written to the log.
    pub log_octets: u64,
    /// Syncs of the log.
    pub log_syncs: u64,
    /// Generations written as segments.
    pub flushes: u64,
    /// Times that writing one failed, and was or will be tried again.
    pub flush_failures: u64,
    /// Segments that were merged.
    pub merged_segments: u64,
    /// Rows in them.
    pub merged_rows: u64,
    /// Times that compaction waited for memory.
    pub compaction_waits: u64,
    /// Times that compaction failed, and will be tried again.
    pub compaction_failures: u64,
    /// Segments that retention removed.
    pub expired_segments: u64,
    /// Rows in them.
    pub expired_rows: u64,
    /// Whether rows go by age; not while the clock is far from the newest row that was there at the start.
    pub clock_believed: bool,
    /// Searches that began.
    pub searches: u64,
    /// Searches that were refused because memory was short.
    pub searches_refused: u64,
    /// Searches that ended because the client had gone.
    pub searches_cancelled: u64,
    /// What was found damaged since the start: `segment`, `log`, `manifest`.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub damaged: ByReason,
    /// Rows in segments that were found damaged.
    pub damaged_rows: u64,
}

/// Octets of memory in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemoryStatus {
    /// The budget.
    pub limit: u64,
    /// All that is in use.
    pub used: u64,
    /// What is in use, by what for: `ingest`, `flush`, `compaction`, `search`, `footers`, `calls`.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub by_use: ByReason,
    /// Whether half of it is in use: live views are told what they miss.
    pub short: bool,
}

impl From<&MemoryStats> for MemoryStatus {
    fn from(memory: &MemoryStats) -> Self {
        let by_use = [
            ("ingest", memory.ingest),
            ("flush", memory.flush),
            ("compaction", memory.compaction),
            ("search", memory.search),
            ("footers", memory.footers),
            ("calls", memory.beside),
        ];
        Self {
            limit: memory.budget,
            used: memory.total(),
            by_use: named(by_use),
            short: memory.is_short(),
        }
    }
}

fn named<const N: usize>(counts: [(&str, u64); N]) -> ByReason {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

impl StoreActivity {
    fn new(stats: &StoreStats, clock_believed: bool) -> Self {
        Self {
            memory: MemoryStatus::from(&stats.memory),
            generations_waiting: stats.frozen,
            rows_offered: stats.offered,
            rows_kept: stats.kept,
            rows_dropped: named([
                ("memory", stats.dropped_memory),
                ("disk_full", stats.dropped_disk_full),
                ("log", stats.dropped_log),
                ("closed", stats.dropped_closed),
            ]),
            rows_unsynced: stats.unsynced,
            rows_lost: stats.lost_unwritable,
            rows_replayed: stats.replayed,
            log_frames: stats.log_frames,
            log_octets: stats.log_octets,
            log_syncs: stats.log_syncs,
            flushes: stats.flushes,
            flush_failures: stats.flush_failures,
            merged_segments: stats.merged_segments,
            merged_rows: stats.merged_rows,
            compaction_waits: stats.compaction_waits,
            compaction_failures: stats.compaction_failures,
            expired_segments: stats.expired_segments,
            expired_rows: stats.expired_rows,
            clock_believed,
            searches: stats.searches,
            searches_refused: stats.searches_refused,
            searches_cancelled: stats.searches_cancelled,
            damaged: named([
                ("segment", stats.damaged_segments),
                ("log", stats.damaged_logs),
                ("manifest", stats.rebuilt_manifests),
            ]),
            damaged_rows: stats.damaged_rows,
        }
    }
}

impl StoreStatus {
    /// What lies in `directory`.
    #[must_use]
    pub fn new(directory: &Path, inventory: &Inventory, rules: &Retention, now: Timestamp) -> Self {
        let sum = Sum::of(&inventory.segments);
        let segments = inventory.segments.iter();
        let segments = segments.map(|one| (one.oldest, one.newest, one.octets));
        let per_day = pace(segments, now.as_microsecond());
        let below = |most: u64| most.saturating_sub(sum.octets);
        let above = |free: u64| free.saturating_sub(rules.min_free.unwrap_or(0));
        let room = [rules.max_octets.map(below), inventory.free.map(above)];
        let room = room.into_iter().flatten().min();
        let pace = per_day.filter(|octets| *octets > 0);
        Self {
            directory: directory.display().to_string(),
            rows: sum.rows,
            segments: sum.segments,
            octets: sum.octets,
            octets_per_row: sum.octets_per_row(),
            log: inventory.log.into(),
            aside: inventory.aside.into(),
            oldest: inventory.received.and_then(|(oldest, _)| at(oldest)),
            newest: inventory.received.and_then(|(_, newest)| at(newest)),
            free_octets: inventory.free,
            octets_per_day: per_day,
            days_left: room.zip(pace).map(|(room, pace)| room as f64 / pace as f64),
            retention: RetentionRules::from(rules),
            ..Self::default()
        }
    }

    /// The same of a store that is open.
    #[must_use]
    pub fn with_activity(self, stats: &StoreStats, clock_believed: bool) -> Self {
        Self {
            rows: self.rows + stats.rows_in_memory,
            rows_in_memory: stats.rows_in_memory,
            activity: Some(StoreActivity::new(stats, clock_believed)),
            ..self
        }
    }
}

/// Microseconds since 1970 as others write them.
pub(super) fn at(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

/// Octets that a day takes, by those segments that have rows of the last one. Of each its oldest and newest time and its
/// octets are given.
fn pace(segments: impl Iterator<Item = (i64, i64, u64)>, now: i64) -> Option<u64> {
    let since = now.saturating_sub(MICROS_PER_DAY);
    let lately = segments.filter(|(_, newest, _)| *newest > since);
    let (first, octets) = lately.fold((now, 0_u64), |(first, sum), (oldest, _, octets)| {
        (first.min(oldest), sum + octets)
    });
    let span = now.saturating_sub(first.max(since));
    if span < LEAST_OF_A_DAY {
        return None;
    }
    let day = u128::from(MICROS_PER_DAY.unsigned_abs());
    let per_day = u128::from(octets) * day / u128::from(span.unsigned_abs());
    u64::try_from(per_day).ok()
}

/// Segments together.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    segments: u64,
    rows: u64,
    octets: u64,
}

impl Sum {
    fn of<'a>(segments: impl IntoIterator<Item = &'a SegmentSummary>) -> Self {
        let mut sum = Self::default();
        segments.into_iter().for_each(|one| sum.add(one));
        sum
    }

    fn add(&mut self, segment: &SegmentSummary) {
        self.segments += 1;
        self.rows += segment.rows;
        self.octets += segment.octets;
    }

    fn octets_per_row(self) -> Option<f64> {
        (self.rows > 0).then(|| self.octets as f64 / self.rows as f64)
    }
}

/// A store by class and by hour: what `/api/v1/store` serves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StoreReport {
    /// The whole.
    #[serde(flatten)]
    pub store: StoreStatus,
    /// By class of traffic; rows in memory are in none.
    pub classes: Vec<ClassStatus>,
    /// By hour of reception, the newest first.
    pub hours: Vec<HourStatus>,
}

/// Segments of one class of traffic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassStatus {
    /// The class.
    pub class: String,
    /// Its segments.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets of them.
    pub octets: u64,
    /// Octets of a row, in the mean.
    pub octets_per_row: Option<f64>,
    /// When the oldest row was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub oldest: Option<Timestamp>,
    /// When the newest row was received.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub newest: Option<Timestamp>,
}

/// Segments of one hour of reception.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HourStatus {
    /// When the hour begins.
    #[schema(value_type = String, format = DateTime)]
    pub hour: Timestamp,
    /// Its segments.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets of them.
    pub octets: u64,
    /// Octets of a row, in the mean.
    pub octets_per_row: Option<f64>,
}

impl StoreReport {
    /// `store` with what `inventory` says of classes and hours.
    #[must_use]
    pub fn new(store: StoreStatus, inventory: &Inventory) -> Self {
        let mut classes: BTreeMap<_, Vec<&SegmentSummary>> = BTreeMap::new();
        let mut hours: BTreeMap<i64, Sum> = BTreeMap::new();
        for segment in &inventory.segments {
            classes.entry(segment.class).or_default().push(segment);
            hours.entry(segment.hour).or_default().add(segment);
        }
        let classes = classes.into_iter().map(|(class, segments)| {
            let sum = Sum::of(segments.iter().copied());
            ClassStatus {
                class: class.name().to_owned(),
                segments: sum.segments,
                rows: sum.rows,
                octets: sum.octets,
                octets_per_row: sum.octets_per_row(),
                oldest: segments.iter().map(|one| one.oldest).min().and_then(at),
                newest: segments.iter().map(|one| one.newest).max().and_then(at),
            }
        });
        let hours = hours.into_iter().rev().filter_map(|(hour, sum)| {
            Some(HourStatus {
                hour: at(hour.checked_mul(MICROS_PER_HOUR)?)?,
                segments: sum.segments,
                rows: sum.rows,
                octets: sum.octets,
                octets_per_row: sum.octets_per_row(),
            })
        });
        Self {
            store,
            classes: classes.collect(),
            hours: hours.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_spelled_in_whole_units() {
        let rules = RetentionRules {
            max_age_seconds: Some(30 * 86_400),
            classes: [("options".to_owned(), 3_600), ("log".to_owned(), 90)].into(),
            max_octets: Some(500 << 30),
            min_free_octets: Some(1 << 30),
        };
        assert_eq!(
            rules.spelled(),
            "30 d (log 90 s, options 1 h), at most 500.0 GiB, 1.0 GiB stay free"
        );
        assert_eq!(RetentionRules::default().spelled(), "for ever");
    }

    #[test]
    fn a_day_is_told_from_the_part_of_it_that_there_is() {
        let hour = MICROS_PER_HOUR;
        let now = 1_000 * hour;
        let told = |segments: &[(i64, i64, u64)]| pace(segments.iter().copied(), now);
        // Two hours of ten octets each.
        let two = [(now - 2 * hour, now - hour, 10), (now - hour, now, 10)];
        assert_eq!(told(&two), Some(240));
        // A whole day and what came before it.
        let day = [
            (now - 30 * hour, now - 25 * hour, 7),
            (now - 24 * hour, now, 48),
        ];
        assert_eq!(told(&day), Some(48));
        assert_eq!(told(&[(now - hour / 10, now, 10)]), None);
        assert_eq!(told(&[]), None);
    }
}
