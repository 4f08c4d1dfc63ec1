//! The script and what is counted of it.

use std::collections::BTreeMap;

use crate::{
    pipeline::scripts::Scripts,
    status::{ByReason, CounterStatus, ScriptStatus},
};

pub(super) fn about(scripts: &Scripts) -> ScriptStatus {
    let reading = scripts.state().reading();
    let counters = reading.shared.counters.iter().map(|counter| CounterStatus {
        name: counter.name.to_string(),
        label: counter.label.to_string(),
        value: counter.value,
    });
    ScriptStatus {
        file: scripts.script().name().to_owned(),
        entry_points: (scripts.script().entries().iter())
            .map(|entry| entry.name().to_owned())
            .collect(),
        workers: scripts.workers() as u64,
        runs: reading.shared.runs,
        last_error: reading.shared.last_error.as_ref().map(ToString::to_string),
        seconds: reading.time.as_secs_f64(),
        queued: reading.queued,
        not_sent: by_reason(reading.not_sent),
        transactions: reading.transactions,
        transactions_forgotten: reading.transactions_forgotten,
        log_suppressed: reading.shared.log_suppressed,
        counters: counters.collect(),
        errors: by_reason(reading.shared.errors),
    }
}

fn by_reason(reasons: BTreeMap<&'static str, u64>) -> ByReason {
    let named = |(reason, count): (&str, u64)| (reason.to_owned(), count);
    reasons.into_iter().map(named).collect()
}
