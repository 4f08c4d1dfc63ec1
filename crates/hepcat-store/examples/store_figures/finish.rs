//! What somebody else filled: counted, compacted as if its hours were over, weighed.

use std::path::Path;

use hepcat_store::{Clock, Column, Filter, Search, Store, SystemClock};
use serde_json::{Value, json};

use crate::{Arguments, Fallible, compact, octets_of, open};

/// Memory for counting: everything is looked at at once.
const COUNTING: u64 = 4 << 30;

pub(crate) fn run(directory: &Path, arguments: &Arguments) -> Fallible<Value> {
    let now = SystemClock::default().now();
    let (store, _clock) = open(directory, COUNTING, now)?;
    let (messages, distinct) = count(&store)?;
    let newest = newest(&store)?;
    store.close();
    let now = now.max(newest);
    let (store, clock) = open(directory, arguments.memory, now)?;
    let (report, used) = compact(&store, &clock);
    let stats = store.stats();
    let records = stats.rows_in_memory + stats.rows_in_segments - messages;
    store.close();
    let octets = octets_of(directory);
    let per_message = octets as f64 / messages.max(1) as f64;
    println!("{messages} messages, {distinct} different ones, {records} records");
    println!("the whole directory, the log apart: {per_message:.1} octets a message");
    Ok(json!({
        "messages": messages,
        "distinct": distinct,
        "records": records,
        "octets": octets,
        "octets_per_message": per_message,
        "merges": report.merges,
        "compacted_rows": report.rows,
        "compacting_us": used.as_secs_f64() * 1e6 / report.rows.max(1) as f64,
    }))
}

/// Rows that are messages, and how many different times of capture they have: a generator that gives each message a time
/// of its own finds out so what is missing and what is there twice.
fn count(store: &Store) -> Fallible<(u64, u64)> {
    let mut search = Search::new(Filter::Present(Column::Record).negated());
    search.columns = Some(vec![Column::SentAt]);
    search.memory = COUNTING / 8;
    let mut times = Vec::new();
    for rows in store.search(search)? {
        times.extend(rows?.rows().iter().map(|row| row.sent_at));
    }
    let messages = times.len() as u64;
    times.sort_unstable();
    times.dedup();
    Ok((messages, times.len() as u64))
}

/// When the newest row was received.
fn newest(store: &Store) -> Fallible<i64> {
    let mut search = Search::default();
    search.limit = Some(1);
    search.columns = Some(Vec::new());
    for rows in store.search(search)? {
        if let Some(row) = rows?.rows().get(0) {
            return Ok(row.received_at);
        }
    }
    Ok(i64::MIN)
}
