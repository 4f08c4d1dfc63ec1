//! Traces as a table.

use jiff::{SignedDuration, Timestamp};

use crate::{render::escape_str, tracer::TraceStatus};

const HEAD: [&str; 7] = ["ID", "STATE", "TRACED", "LEFT", "SCOPE", "TO", "FILTER"];

/// One line for each, columns as wide as they must be.
pub(super) fn of(traces: &[TraceStatus], now: Timestamp) -> String {
    if traces.is_empty() {
        return "no traces".to_owned();
    }
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(traces.iter().map(|trace| row(trace, now)));
    let widths: Vec<_> = (0..HEAD.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().zip(&widths);
        let line: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        line.join("  ").trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn row(trace: &TraceStatus, now: Timestamp) -> [String; 7] {
    let state = match &trace.ended {
        Some(why) => format!("ended ({why})"),
        None => trace.state.clone(),
    };
    let mut traced = match trace.limit {
        Some(limit) => format!("{} of {limit}", trace.traced),
        None => trace.traced.to_string(),
    };
    if trace.rate_limited > 0 {
        traced.push_str(&format!(" (+{} over the rate)", trace.rate_limited));
    }
    let left = match (trace.until, &trace.ended) {
        (Some(until), None) => left(until.duration_since(now)),
        _ => "-".to_owned(),
    };
    let filter = &trace.filter;
    let parts = [
        ("caller", &filter.caller),
        ("callee", &filter.callee),
        ("address", &filter.address),
        ("when", &filter.when),
    ];
    let parts: Vec<_> = parts
        .into_iter()
        .filter_map(|(name, value)| Some(format!("{name} {}", escape_str(value.as_deref()?))))
        .collect();
    let filter = match parts.is_empty() {
        true => "by script".to_owned(),
        false => parts.join(", "),
    };
    let scope = trace.scope.clone().unwrap_or_else(|| "auto".to_owned());
    let to: Vec<_> = (trace.to.iter())
        .map(|name| match trace.missing.contains(name) {
            true => format!("{name} (not configured)"),
            false => name.clone(),
        })
        .collect();
    let to = to.join(", ");
    [trace.id.clone(), state, traced, left, scope, to, filter].map(|cell| escape_str(&cell))
}

fn left(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    match (seconds / 86_400, seconds / 3600, seconds / 60) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {}m", minutes % 60),
        (days, hours, _) => format!("{days}d {}h", hours % 24),
    }
}
