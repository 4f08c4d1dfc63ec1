//! What is wrong with the store, and for how long there is room.

use bytesize::ByteSize;
use jiff::Timestamp;

use super::{Finding, Severity, age, counted, spelled};
use crate::status::{StoreActivity, StoreStatus};

/// Room for fewer days than this is worth knowing.
const FEW_DAYS: f64 = 7.0;
/// Generations that wait while everything is as it should be: one is being written.
const USUALLY_WAITING: u64 = 1;

pub(super) fn about(store: &StoreStatus, now: Timestamp, findings: &mut Vec<Finding>) {
    let mut say = |severity, sentence: String| {
        findings.push(Finding::new(severity, "store", sentence));
    };
    say(Severity::Good, contents(store, now));
    about_room(store, &mut say);
    about_damage(store, &mut say);
    if let Some(activity) = &store.activity {
        about_memory(activity, &mut say);
        about_writing(activity, &mut say);
        about_compaction(activity, &mut say);
        about_retention(store, activity, &mut say);
    }
}

fn contents(store: &StoreStatus, now: Timestamp) -> String {
    let kept = format!(
        "{} in {} of {}",
        counted(store.rows, "row"),
        size(store.octets),
        store.directory
    );
    let each = match store.octets_per_row {
        Some(octets) => format!(", {octets:.0} octets each"),
        None => String::new(),
    };
    match (store.oldest, store.newest) {
        (Some(oldest), Some(newest)) => format!(
            "{kept}{each}, the oldest received {} ago, the newest {} ago",
            age(now, oldest),
            age(now, newest)
        ),
        _ => format!("{kept}: nothing was kept yet"),
    }
}

fn about_room(store: &StoreStatus, say: &mut impl FnMut(Severity, String)) {
    let Some(free) = store.free_octets else {
        return say(
            Severity::Note,
            "the file system does not say how much of it is free".to_owned(),
        );
    };
    let least = store.retention.min_free_octets.unwrap_or(0);
    if free < least {
        return say(
            Severity::Bad,
            format!(
                "{} of the disk are free and `min_free` is {}: nothing becomes a segment, what is oldest goes, and \
                 memory fills. Make room on the disk",
                size(free),
                size(least)
            ),
        );
    }
    match (store.days_left, store.octets_per_day) {
        (Some(days), Some(pace)) => {
            let sentence = format!(
                "{} of the disk are free: at {} a day there is room for {}, then the oldest goes",
                size(free),
                size(pace),
                spelled_days(days)
            );
            let severity = match days < FEW_DAYS {
                true => Severity::Note,
                false => Severity::Good,
            };
            say(severity, sentence);
        }
        _ => say(
            Severity::Good,
            format!(
                "{} of the disk are free; too little came lately to say for how many days",
                size(free)
            ),
        ),
    }
}

fn spelled_days(days: f64) -> String {
    match days {
        days if days < 2.0 => format!("{:.0} hours", days * 24.0),
        days if days < 10_000.0 => format!("{days:.0} days"),
        _ => "many years".to_owned(),
    }
}

fn about_damage(store: &StoreStatus, say: &mut impl FnMut(Severity, String)) {
    let damaged = store.activity.as_ref().map(|activity| &activity.damaged);
    let found: u64 = damaged.map_or(0, |damaged| damaged.values().sum());
    let aside = store.aside.files;
    let lies = format!("{} in {}/aside", counted(aside, "file"), store.directory);
    if let Some(damaged) = damaged.filter(|_| found > 0) {
        let rows = store.activity.as_ref().map_or(0, |one| one.damaged_rows);
        say(
            Severity::Bad,
            format!(
                "{found} of its files were found damaged since the start ({}), {} are missing in every answer; {lies}. \
                 Look at the disk; `hepcat store check` reads everything",
                spelled(damaged),
                counted(rows, "row")
            ),
        );
    } else if aside > 0 {
        say(
            Severity::Note,
            format!(
                "{lies} were damaged in an earlier run: keep them for whoever repairs, or delete them"
            ),
        );
    }
}

fn about_memory(activity: &StoreActivity, say: &mut impl FnMut(Severity, String)) {
    let memory = &activity.memory;
    let used = format!("{} of {}", size(memory.used), size(memory.limit));
    if memory.short {
        // From seven eighths on only rows on their way get any.
        let severity = match memory.used > memory.limit / 8 * 7 {
            true => Severity::Bad,
            false => Severity::Note,
        };
        say(
            severity,
            format!(
                "memory is short, {used} in use ({}): live views are told what they miss, from three quarters on \
                 searches are refused. Raise `[store] memory`, or see below what holds up writing",
                spelled(&memory.by_use)
            ),
        );
    }
    if activity.searches_refused > 0 {
        say(
            Severity::Note,
            format!(
                "{} refused because memory was short ({used} in use now)",
                match activity.searches_refused {
                    1 => "1 search was".to_owned(),
                    searches => format!("{searches} searches were"),
                }
            ),
        );
    }
}

fn about_writing(activity: &StoreActivity, say: &mut impl FnMut(Severity, String)) {
    let waiting = activity.generations_waiting;
    let failed = activity.flush_failures;
    match (waiting > USUALLY_WAITING, failed > 0) {
        (true, true) => say(
            Severity::Bad,
            format!(
                "{waiting} generations of rows wait to be written, and writing failed {failed} times since the start: \
                 the log says why, a full disk is the usual cause"
            ),
        ),
        (true, false) => say(
            Severity::Note,
            format!(
                "it is behind: {waiting} generations of rows wait to be written; a faster disk or more memory helps \
                 where this lasts"
            ),
        ),
        (false, true) => say(
            Severity::Note,
            format!("writing segments failed {failed} times since the start and goes well now"),
        ),
        (false, false) => {}
    }
    let lost = activity.rows_lost;
    if lost > 0 {
        say(
            Severity::Bad,
            format!(
                "{} could not be written as segments whatever was tried: their log files lie in aside/",
                counted(lost, "row")
            ),
        );
    }
    let unsynced = activity.rows_unsynced;
    if unsynced > 0 {
        say(
            Severity::Bad,
            format!(
                "the log could not be synced for {}: a loss of power before they were written as segments would have \
                 cost them. Look at the disk",
                counted(unsynced, "row")
            ),
        );
    }
}

fn about_compaction(activity: &StoreActivity, say: &mut impl FnMut(Severity, String)) {
    let (waits, failures) = (activity.compaction_waits, activity.compaction_failures);
    if failures > 0 {
        say(
            Severity::Note,
            format!(
                "compaction failed {failures} times since the start, and tries again: the log says why"
            ),
        );
    }
    if waits > 0 && activity.memory.short {
        say(
            Severity::Note,
            format!("compaction waited for memory {waits} times since the start"),
        );
    }
}

fn about_retention(
    store: &StoreStatus,
    activity: &StoreActivity,
    say: &mut impl FnMut(Severity, String),
) {
    let removed = match activity.expired_segments {
        0 => "nothing was removed since the start".to_owned(),
        _ => format!(
            "{} removed since the start",
            counted(activity.expired_rows, "row")
        ),
    };
    let rules = store.retention.spelled();
    say(Severity::Good, format!("kept {rules}; {removed}"));
    if !activity.clock_believed {
        say(
            Severity::Note,
            "the clock is far from the newest row that was there at the start: nothing goes by age until the node has \
             run for a day"
                .to_owned(),
        );
    }
}

fn size(octets: u64) -> String {
    ByteSize::b(octets).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{FilesStatus, MemoryStatus, RetentionRules};

    fn store() -> StoreStatus {
        StoreStatus {
            directory: "/data/store".to_owned(),
            rows: 10_000,
            octets: 1 << 20,
            octets_per_row: Some(104.8),
            free_octets: Some(100 << 30),
            octets_per_day: Some(1 << 30),
            days_left: Some(99.0),
            retention: RetentionRules {
                max_age_seconds: Some(30 * 86_400),
                min_free_octets: Some(1 << 30),
                ..RetentionRules::default()
            },
            activity: Some(StoreActivity {
                memory: MemoryStatus {
                    limit: 256 << 20,
                    used: 10 << 20,
                    ..MemoryStatus::default()
                },
                clock_believed: true,
                ..StoreActivity::default()
            }),
            ..StoreStatus::default()
        }
    }

    /// What is said that is not good, with how bad it is.
    fn said(store: &StoreStatus) -> Vec<(Severity, String)> {
        let mut findings = Vec::new();
        about(store, Timestamp::UNIX_EPOCH, &mut findings);
        findings.retain(|finding| finding.severity != Severity::Good);
        let each = findings.into_iter();
        each.map(|finding| (finding.severity, finding.sentence))
            .collect()
    }

    fn only(store: &StoreStatus, severity: Severity, parts: &[&str]) {
        let said = said(store);
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].0, severity, "{said:?}");
        for part in parts {
            assert!(said[0].1.contains(part), "no `{part}` in: {}", said[0].1);
        }
    }

    fn with(change: impl FnOnce(&mut StoreActivity)) -> StoreStatus {
        let mut store = store();
        change(store.activity.as_mut().expect("it is open"));
        store
    }

    #[test]
    fn a_store_that_is_well_has_nothing_against_it() {
        assert_eq!(said(&store()), []);
    }

    #[test]
    fn room_for_a_few_days_is_noted_and_none_is_bad() {
        let mut store = store();
        store.days_left = Some(1.5);
        only(&store, Severity::Note, &["36 hours", "1.0 GiB a day"]);
        store.free_octets = Some(1 << 20);
        only(&store, Severity::Bad, &["1.0 MiB", "`min_free` is 1.0 GiB"]);
    }

    #[test]
    fn damage_is_bad_where_it_is_new_and_noted_where_it_is_old() {
        let mut store = store();
        store.aside = FilesStatus {
            files: 2,
            octets: 10,
        };
        only(
            &store,
            Severity::Note,
            &["2 files in /data/store/aside", "earlier run"],
        );
        let activity = store.activity.as_mut().expect("it is open");
        activity.damaged = [("segment".to_owned(), 2), ("log".to_owned(), 0)].into();
        activity.damaged_rows = 77;
        only(
            &store,
            Severity::Bad,
            &["segment 2", "77 rows", "hepcat store check"],
        );
    }

    #[test]
    fn short_memory_is_noted_until_only_ingest_gets_any() {
        let short = |used| {
            with(|activity| {
                activity.memory.used = used;
                activity.memory.short = true;
            })
        };
        only(
            &short(150 << 20),
            Severity::Note,
            &["150.0 MiB of 256.0 MiB"],
        );
        only(&short(230 << 20), Severity::Bad, &["memory is short"]);
    }

    #[test]
    fn a_store_that_is_behind_says_whether_it_tries_in_vain() {
        let behind = with(|activity| activity.generations_waiting = 2);
        only(&behind, Severity::Note, &["it is behind"]);
        let failing = with(|activity| {
            activity.generations_waiting = 2;
            activity.flush_failures = 9;
        });
        only(&failing, Severity::Bad, &["failed 9 times"]);
    }

    #[test]
    fn a_clock_that_is_not_believed_is_said() {
        let doubted = with(|activity| activity.clock_believed = false);
        only(&doubted, Severity::Note, &["nothing goes by age"]);
    }
}
