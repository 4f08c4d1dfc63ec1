//! What the store is made of, and what it has done.

use std::fmt;

use jiff::Timestamp;

use super::{Writer, by_reason, names};
use crate::status::{StoreActivity, StoreStatus};

pub(super) fn store(out: &mut Writer<'_>, store: &StoreStatus) -> fmt::Result {
    let in_segments = store.rows.saturating_sub(store.rows_in_memory);
    let rows = [("memory", store.rows_in_memory), ("segments", in_segments)];
    out.put(&names::STORE_ROWS, rows.map(|(place, n)| (vec![place], n)))?;
    out.put(&names::STORE_SEGMENTS, one(store.segments))?;
    let octets = [
        ("segments", store.octets),
        ("log", store.log.octets),
        ("aside", store.aside.octets),
    ];
    out.put(
        &names::STORE_OCTETS,
        octets.map(|(part, n)| (vec![part], n)),
    )?;
    out.put(&names::STORE_FILES_ASIDE, one(store.aside.files))?;
    let free = store.free_octets.map(|octets| (vec![], octets));
    out.put(&names::STORE_FREE, free)?;
    let seconds = |at: Option<Timestamp>| {
        at.and_then(|at| u64::try_from(at.as_second()).ok())
            .map(|seconds| (vec![], seconds))
    };
    out.put(&names::STORE_OLDEST, seconds(store.oldest))?;
    out.put(&names::STORE_NEWEST, seconds(store.newest))?;
    match &store.activity {
        Some(activity) => self::activity(out, activity),
        None => Ok(()),
    }
}

fn activity(out: &mut Writer<'_>, activity: &StoreActivity) -> fmt::Result {
    let memory = &activity.memory;
    let uses = by_reason([(vec![], &memory.by_use)]);
    out.put(&names::STORE_MEMORY, uses)?;
    out.put(&names::STORE_MEMORY_LIMIT, one(memory.limit))?;
    out.put(&names::STORE_MEMORY_SHORT, one(u64::from(memory.short)))?;
    out.put(&names::STORE_WAITING, one(activity.generations_waiting))?;
    out.put(&names::STORE_OFFERED, one(activity.rows_offered))?;
    out.put(&names::STORE_KEPT, one(activity.rows_kept))?;
    let dropped = by_reason([(vec![], &activity.rows_dropped)]);
    out.put(&names::STORE_DROPPED, dropped)?;
    out.put(&names::STORE_UNSYNCED, one(activity.rows_unsynced))?;
    out.put(&names::STORE_LOST, one(activity.rows_lost))?;
    out.put(&names::STORE_REPLAYED, one(activity.rows_replayed))?;
    out.put(&names::STORE_LOG_FRAMES, one(activity.log_frames))?;
    out.put(&names::STORE_LOG_OCTETS, one(activity.log_octets))?;
    out.put(&names::STORE_LOG_SYNCS, one(activity.log_syncs))?;
    out.put(&names::STORE_FLUSHES, one(activity.flushes))?;
    out.put(&names::STORE_FLUSH_FAILURES, one(activity.flush_failures))?;
    out.put(&names::STORE_MERGED_SEGMENTS, one(activity.merged_segments))?;
    out.put(&names::STORE_MERGED_ROWS, one(activity.merged_rows))?;
    out.put(
        &names::STORE_COMPACTION_WAITS,
        one(activity.compaction_waits),
    )?;
    let failures = one(activity.compaction_failures);
    out.put(&names::STORE_COMPACTION_FAILURES, failures)?;
    let expired = one(activity.expired_segments);
    out.put(&names::STORE_EXPIRED_SEGMENTS, expired)?;
    out.put(&names::STORE_EXPIRED_ROWS, one(activity.expired_rows))?;
    let believed = u64::from(activity.clock_believed);
    out.put(&names::STORE_CLOCK_BELIEVED, one(believed))?;
    out.put(&names::STORE_SEARCHES, one(activity.searches))?;
    let refused = one(activity.searches_refused);
    out.put(&names::STORE_SEARCHES_REFUSED, refused)?;
    let cancelled = one(activity.searches_cancelled);
    out.put(&names::STORE_SEARCHES_CANCELLED, cancelled)?;
    let damaged = by_reason([(vec![], &activity.damaged)]);
    out.put(&names::STORE_DAMAGED, damaged)?;
    out.put(&names::STORE_DAMAGED_ROWS, one(activity.damaged_rows))
}

fn one(value: u64) -> [(Vec<&'static str>, u64); 1] {
    [(vec![], value)]
}
