//! Compaction: small segments of one class and hour become one in which calls stand together again.
//!
//! Calls cross generations, and there are more rows than memory holds. But calls have the same order in every segment,
//! so the inputs are read side by side, a few rows of each at a time, and each call is put together from them. Which rows
//! come next is found from the keys alone, before that.

mod due;
mod inputs;
mod order;

use std::{io, sync::Arc};

use arrow::array::RecordBatch;
pub(crate) use due::{Limits, Merge, due};
use inputs::Input;
use order::{Calls, Order, Run};

use crate::{
    counters::add,
    manifest::{Edit, SegmentEntry, Why},
    memory::{Use, for_compaction},
    segment::{Keys, Segment, SegmentError, SegmentWriter, read_rows, written_octets},
    store::Inner,
};

/// Octets that a row has in memory, about, where it is decoded.
const ROW: u64 = 1_300;
/// Octets that a fresh segment takes which is read, beside rows that are decoded: a page of each column, what
/// decompresses it, dictionaries (measured, 40 of them side by side).
const FRESH_PAGES: u64 = 7 << 17;
/// Octets that the pages of a merged segment take which is read. They are larger.
const MERGED_PAGES: u64 = 6 << 20;
/// Rows that are written at a time.
const CHUNK: usize = 2_048;

/// What a compaction did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompactReport {
    /// Merges.
    pub merges: u64,
    /// Segments that were merged.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets that they had.
    pub octets_before: u64,
    /// Octets that they have now.
    pub octets_after: u64,
    /// Merges that wait for memory, or failed.
    pub postponed: u64,
}

/// What a merge may have under this budget, of which compaction has its share: at most five eighths of that are for the
/// order of rows and what is written, the rest for reading. A call that two segments share costs its texts twice: with
/// half as many rows in each, at 10,000 messages a second, a message has four octets more.
pub(crate) fn limits(budget: u64, wanted: u64) -> Limits {
    let mine = for_compaction(budget);
    let taken = |rows: u64| rows * order::OCTETS_PER_ROW / 2 + written_octets(rows);
    // What is written grows up to the rows of a row group only.
    let (mut rows, mut more) = (10_000, wanted);
    while more > rows + 1_000 {
        let middle = rows.midpoint(more);
        if taken(middle) > mine / 8 * 5 {
            more = middle;
        } else {
            rows = middle;
        }
    }
    let rows = if taken(wanted) <= mine / 8 * 5 {
        wanted
    } else {
        rows
    };
    let reading = mine.saturating_sub(taken(rows));
    Limits {
        rows,
        decoded: reading / 6,
        pages: reading / 6 * 5,
    }
}

/// Merges whatever is due, one after the other.
pub(crate) fn run(inner: &Arc<Inner>) -> CompactReport {
    let _one_at_a_time = inner.compacting.lock();
    let mut report = CompactReport::default();
    while !inner.is_to_end() {
        let view = inner.live.view();
        let limits = limits(inner.memory.budget(), inner.options.compact_rows);
        let now = inner.options.clock.now();
        let Some(merge) = due(&view.segments, now, limits, &inner.options) else {
            break;
        };
        drop(view);
        match merge_segments(inner, &merge, &mut report) {
            Ok(true) => {}
            Ok(false) => {
                report.postponed += 1;
                add(&inner.counters.compaction_waits, 1);
                break;
            }
            Err(MergeError::Input(segment, error)) => inner.report_unreadable(&segment, &error),
            Err(MergeError::Io(error)) => {
                tracing::error!(%error, "segments not merged");
                report.postponed += 1;
                add(&inner.counters.compaction_failures, 1);
                break;
            }
        }
    }
    report
}

enum MergeError {
    Io(io::Error),
    Input(Arc<Segment>, SegmentError),
}

impl From<io::Error> for MergeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whether there was memory to do it.
fn merge_segments(
    inner: &Arc<Inner>,
    merge: &Merge,
    report: &mut CompactReport,
) -> Result<bool, MergeError> {
    let rows: u64 = merge.inputs.iter().map(|segment| segment.entry.rows).sum();
    let limits = limits(inner.memory.budget(), inner.options.compact_rows);
    let pages: u64 = merge.inputs.iter().map(|segment| pages(segment)).sum();
    let decoded = limits.decoded.min(rows * ROW);
    let needed = rows * order::OCTETS_PER_ROW / 2 + pages + decoded + written_octets(rows);
    let mut memory = inner.memory.reserve(Use::Compaction, needed);
    if memory.is_none() {
        // What searches left behind gives way.
        inner.forget_footers();
        memory = inner.memory.reserve(Use::Compaction, needed);
    }
    let Some(_memory) = memory else {
        return Ok(false);
    };
    let octets: u64 = merge
        .inputs
        .iter()
        .map(|segment| segment.entry.octets)
        .sum();
    inner.check_free_space(octets)?;
    let entry = write(inner, merge, order(merge)?, decoded)?;
    let numbers: Vec<u64> = merge
        .inputs
        .iter()
        .map(|segment| segment.entry.number)
        .collect();
    let merged = inner.segment(&entry);
    let after = entry.octets;
    {
        let mut manifest = inner.manifest.lock();
        let unchanged = numbers
            .iter()
            .all(|number| manifest.state().segments.contains_key(number));
        if !unchanged {
            // Retention took one of them while we merged.
            merged.doom();
            return Ok(true);
        }
        let edit = Edit {
            add: vec![entry],
            remove: numbers.clone(),
            why: Why::Compact,
            ..Edit::default()
        };
        if let Err(error) = manifest.commit(edit) {
            merged.doom();
            return Err(error.into());
        }
    }
    inner.live.exchange(None, vec![merged], &numbers);
    for segment in &merge.inputs {
        segment.doom();
    }
    add(&inner.counters.merged_segments, numbers.len() as u64);
    add(&inner.counters.merged_rows, rows);
    report.merges += 1;
    report.segments += numbers.len() as u64;
    report.rows += rows;
    report.octets_before += octets;
    report.octets_after += after;
    Ok(true)
}

/// Octets that the pages of a segment take while it is read.
pub(super) fn pages(segment: &Segment) -> u64 {
    let rows = segment.entry.rows;
    let most = if segment.entry.level == 0 {
        FRESH_PAGES
    } else {
        MERGED_PAGES
    };
    most.min(rows * ROW)
}

fn order(merge: &Merge) -> Result<Order, MergeError> {
    let mut calls = Calls::default();
    for segment in &merge.inputs {
        calls.begin_input(usize::try_from(segment.entry.rows).unwrap_or_default());
        each_batch(segment, &mut |batch| {
            let keys = Keys::new(batch);
            for row in 0..batch.num_rows() {
                calls.see(keys.get(row));
            }
        })?;
    }
    Ok(calls.into_order())
}

/// Hands the keys of all rows of a segment to `see`, in their order.
fn each_batch(segment: &Arc<Segment>, see: &mut dyn FnMut(&RecordBatch)) -> Result<(), MergeError> {
    let failed = |error| MergeError::Input(Arc::clone(segment), error);
    let opened = segment.open(0).map_err(failed)?;
    let columns = &Keys::COLUMNS;
    let mut seen = 0;
    for group in 0..opened.row_groups().len() {
        let mut reader = opened.read(group, columns, None, false).map_err(failed)?;
        while let Some(batch) = read_rows(&mut reader, columns, false).map_err(failed)? {
            seen += batch.num_rows() as u64;
            see(&batch);
        }
    }
    if seen == segment.entry.rows {
        Ok(())
    } else {
        Err(failed(SegmentError::Damaged(format!(
            "it has {seen} rows, not {}",
            segment.entry.rows
        ))))
    }
}

fn write(
    inner: &Arc<Inner>,
    merge: &Merge,
    order: Order,
    decoded: u64,
) -> Result<SegmentEntry, MergeError> {
    let number = inner.manifest.lock().next_segment();
    let planned = SegmentEntry::planned(number, merge.class, merge.hour, merge.level);
    let numbers = merge.inputs.iter().map(|segment| segment.entry.number);
    let mut inputs = (merge.inputs.iter())
        .map(|segment| Input::open(segment, decoded / merge.inputs.len().max(1) as u64))
        .collect::<Result<Vec<Input>, MergeError>>()?;
    let mut writer = SegmentWriter::begin(
        &inner.options.disk,
        &inner.paths,
        inner.node,
        planned,
        numbers.collect(),
    )?;
    let mut runs = Vec::new();
    let mut rows = 0;
    for run in order {
        rows += run.rows;
        runs.push(run);
        if rows >= CHUNK {
            if inner.is_to_end() {
                return Err(io::Error::other("the store is closing").into());
            }
            write_runs(&mut inputs, &runs, &mut writer)?;
            runs.clear();
            rows = 0;
        }
    }
    write_runs(&mut inputs, &runs, &mut writer)?;
    if let Some((segment, _)) =
        (merge.inputs.iter().zip(&inputs)).find(|(_, input)| !input.is_done())
    {
        let error = SegmentError::Damaged("it has other rows than a moment ago".to_owned());
        return Err(MergeError::Input(Arc::clone(segment), error));
    }
    Ok(writer.finish()?)
}

/// Writes the rows that come next.
fn write_runs(
    inputs: &mut [Input],
    runs: &[Run],
    writer: &mut SegmentWriter,
) -> Result<(), MergeError> {
    let mut wanted = vec![0; inputs.len()];
    for run in runs {
        if let Some(wanted) = wanted.get_mut(run.input) {
            *wanted += run.rows;
        }
    }
    for (input, wanted) in inputs.iter_mut().zip(&wanted) {
        input.decode(*wanted)?;
    }
    let mut batches: Vec<&RecordBatch> = Vec::new();
    // Of each input, which batch and which of its rows is next.
    let mut next = Vec::with_capacity(inputs.len());
    for input in &*inputs {
        let (decoded, row) = input.decoded();
        next.push((batches.len(), row));
        batches.extend(decoded);
    }
    let mut places = Vec::with_capacity(runs.iter().map(|run| run.rows).sum());
    for run in runs {
        let Some((batch, row)) = next.get_mut(run.input) else {
            continue;
        };
        for _ in 0..run.rows {
            while batches
                .get(*batch)
                .is_some_and(|rows| *row >= rows.num_rows())
            {
                *batch += 1;
                *row = 0;
            }
            places.push((*batch, *row));
            *row += 1;
        }
    }
    if !places.is_empty() {
        writer.write(&batches, &places)?;
    }
    for (input, wanted) in inputs.iter_mut().zip(&wanted) {
        input.advance(*wanted);
    }
    Ok(())
}
