//! What is counted of the script.

use std::fmt;

use super::{Writer, by_reason, names};
use crate::status::ScriptStatus;

pub(super) fn script(out: &mut Writer<'_>, script: &ScriptStatus) -> fmt::Result {
    let one = |value: u64| [(vec![], value)];
    out.put(&names::SCRIPT_RUNS, one(script.runs))?;
    out.put(&names::SCRIPT_ERRORS, by_reason([(vec![], &script.errors)]))?;
    out.put_seconds(&names::SCRIPT_SECONDS, script.seconds)?;
    out.put(&names::SCRIPT_WORKERS, one(script.workers))?;
    out.put(&names::SCRIPT_QUEUED, one(script.queued))?;
    out.put(
        &names::SCRIPT_NOT_SENT,
        by_reason([(vec![], &script.not_sent)]),
    )?;
    out.put(&names::SCRIPT_TRANSACTIONS, one(script.transactions))?;
    out.put(
        &names::SCRIPT_TRANSACTIONS_FORGOTTEN,
        one(script.transactions_forgotten),
    )?;
    out.put(&names::SCRIPT_LOG_SUPPRESSED, one(script.log_suppressed))?;
    let counters = script.counters.iter();
    out.put(
        &names::SCRIPT_COUNTER,
        counters.map(|one| (vec![one.name.as_str(), one.label.as_str()], one.value)),
    )
}
