//! Reports about a store as text.

use bytesize::ByteSize;
use jiff::Timestamp;

use crate::{
    doctor::age,
    render::columns,
    status::{CheckStatus, CompactStatus, FilesStatus, RetentionPlan, StoreReport},
};

pub(super) fn check(report: &CheckStatus) -> String {
    let mut text = String::new();
    for damaged in &report.damaged {
        let rows = match damaged.rows {
            0 => String::new(),
            rows => format!(", {rows} rows"),
        };
        text.push_str(&format!(
            "DAMAGED {}{rows}: {}\n",
            damaged.file, damaged.reason
        ));
    }
    text.push_str(&format!(
        "{} segments with {} rows ({}) and {} log files with {} rows hold; {} damaged\n",
        report.segments,
        report.rows,
        size(report.octets),
        report.log_files,
        report.log_rows,
        report.damaged.len(),
    ));
    if report.aside.files > 0 {
        let FilesStatus { files, octets } = report.aside;
        text.push_str(&format!(
            "{files} files ({}) lie in aside/: they were damaged, now or earlier, and count no more\n",
            size(octets)
        ));
    }
    if report.unfinished {
        text.push_str("not everything was read: the node ends\n");
    }
    text
}

pub(super) fn stats(report: &StoreReport, hours: usize) -> String {
    let now = Timestamp::now();
    let store = &report.store;
    let mut lines = vec![
        line("directory", store.directory.clone()),
        line(
            "rows",
            format!("{}, {} of them in memory", store.rows, store.rows_in_memory),
        ),
        line(
            "segments",
            format!(
                "{}, {}, {} octets a row",
                store.segments,
                size(store.octets),
                mean(store.octets_per_row)
            ),
        ),
        line(
            "log",
            format!("{} files, {}", store.log.files, size(store.log.octets)),
        ),
    ];
    if store.aside.files > 0 {
        let FilesStatus { files, octets } = store.aside;
        lines.push(line(
            "aside",
            format!("{files} damaged files, {}", size(octets)),
        ));
    }
    let ago = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| age(now, at));
    lines.push(line("oldest", ago(store.oldest)));
    lines.push(line("newest", ago(store.newest)));
    lines.push(line("retention", store.retention.spelled()));
    lines.push(line("room", room(report)));
    if let Some(activity) = &store.activity {
        let memory = &activity.memory;
        let uses: Vec<String> = memory
            .by_use
            .iter()
            .filter(|(_, octets)| **octets > 0)
            .map(|(name, octets)| format!("{name} {}", size(*octets)))
            .collect();
        let uses = if uses.is_empty() {
            String::new()
        } else {
            format!(" ({})", uses.join(", "))
        };
        let words = format!("{} of {}{uses}", size(memory.used), size(memory.limit));
        lines.push(line("memory", words));
        lines.push(line(
            "compaction",
            format!(
                "{} segments merged, {} rows",
                activity.merged_segments, activity.merged_rows
            ),
        ));
        lines.push(line(
            "removed",
            format!(
                "{} segments, {} rows",
                activity.expired_segments, activity.expired_rows
            ),
        ));
    }
    let mut text = columns::render(&lines);
    if !report.classes.is_empty() {
        text.push('\n');
        text.push_str(&columns::render(&classes(report, now)));
        text.push('\n');
        text.push_str(&columns::render(&by_hour(report, hours)));
    }
    text
}

fn classes(report: &StoreReport, now: Timestamp) -> Vec<Vec<String>> {
    let head = ["CLASS", "SEGMENTS", "ROWS", "SIZE", "PER ROW", "OLDEST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(report.classes.iter().map(|class| {
        vec![
            class.class.clone(),
            class.segments.to_string(),
            class.rows.to_string(),
            size(class.octets),
            mean(class.octets_per_row),
            class
                .oldest
                .map_or_else(String::new, |oldest| age(now, oldest)),
        ]
    }));
    rows
}

fn by_hour(report: &StoreReport, hours: usize) -> Vec<Vec<String>> {
    let head = ["HOUR", "SEGMENTS", "ROWS", "SIZE", "PER ROW"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(report.hours.iter().take(hours).map(|hour| {
        vec![
            hour.hour.strftime("%F %H:00Z").to_string(),
            hour.segments.to_string(),
            hour.rows.to_string(),
            size(hour.octets),
            mean(hour.octets_per_row),
        ]
    }));
    rows
}

/// How much there is room for.
fn room(report: &StoreReport) -> String {
    let store = &report.store;
    let free = match store.free_octets {
        Some(octets) => format!("{} free", size(octets)),
        None => "the file system does not say what is free".to_owned(),
    };
    match (store.octets_per_day, store.days_left) {
        (Some(pace), Some(days)) => format!(
            "{free}; at {} a day, {days:.1} days until the oldest goes for want of it",
            size(pace)
        ),
        _ => format!("{free}; too little came lately to say for how many days"),
    }
}

pub(super) fn compact(report: &CompactStatus) -> String {
    let mut text = match report.merges {
        0 => "nothing was due\n".to_owned(),
        merges => format!(
            "{} segments with {} rows became {merges}: {} instead of {}\n",
            report.segments,
            report.rows,
            size(report.octets_after),
            size(report.octets_before)
        ),
    };
    if report.postponed > 0 {
        text.push_str(
            "a merge waits for memory, or failed: the log says which, and it is tried again\n",
        );
    }
    text
}

pub(super) fn retention(plan: &RetentionPlan) -> String {
    let mut text = format!("rules: {}\n", plan.rules.spelled());
    if !plan.clock_believed {
        text.push_str(
            "the clock is far from the newest row: a node lets nothing go by age until it has run for a day\n",
        );
    }
    let goes = if plan.done { "went" } else { "would go" };
    if plan.segments.is_empty() {
        text.push_str(&format!("nothing {goes}\n"));
        return text;
    }
    let head = ["RULE", "CLASS", "SEGMENTS", "ROWS", "SIZE", "NEWEST"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(plan.sums.iter().map(|sum| {
        let newest = sum
            .newest
            .map(|newest| newest.strftime("%F %TZ").to_string());
        vec![
            sum.rule.clone(),
            sum.class.clone(),
            sum.segments.to_string(),
            sum.rows.to_string(),
            size(sum.octets),
            newest.unwrap_or_default(),
        ]
    }));
    text.push_str(&columns::render(&rows));
    text.push_str(&format!(
        "{} segments with {} rows ({}) {goes}\n",
        plan.segments.len(),
        plan.rows,
        size(plan.octets)
    ));
    text
}

fn line(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn size(octets: u64) -> String {
    ByteSize::b(octets).to_string()
}

fn mean(octets: Option<f64>) -> String {
    octets.map_or_else(|| "-".to_owned(), |octets| format!("{octets:.1}"))
}
