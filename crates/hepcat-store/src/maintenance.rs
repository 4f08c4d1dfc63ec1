//! The thread that tidies up: retention, then compaction, at intervals.

use std::sync::Arc;

use crate::{
    compact,
    retention::{self, Run},
    store::Inner,
};

/// Runs until the store closes.
pub(crate) fn run(inner: &Arc<Inner>) {
    let interval = inner.options.maintenance;
    if interval.is_zero() {
        return;
    }
    while !inner.pause_unless_closed(interval) {
        retention::run(inner, Run::Real);
        compact::run(inner);
    }
}
