//! Compaction: small segments of one class and hour become one in which calls stand together again.
//!
//! Calls cross generations, so the rows of the merged segment have another order than those of any input, and there
//! are more of them than memory holds. So the order is made from the keys alone; then every row goes, compressed, to
//! the part of a temporary file where its neighbours will be; then one part after the other is put in order and
//! written.

mod due;
mod spill;

use std::{io, sync::Arc};

use arrow::array::RecordBatch;
pub(crate) use due::{Merge, due};
use spill::Spill;

use crate::{
    counters::add,
    manifest::{Edit, SegmentEntry, Why},
    memory::Use,
    row::{Column, Rows},
    segment::{Cluster, Keys, Segment, SegmentError, SegmentWriter, read_rows, written_octets},
    store::Inner,
};

/// Octets of a row in memory, about.
const ROW: u64 = 1_300;
/// Octets that reading a row group takes.
const DECODING: u64 = 6 << 20;
/// Rows that are put in order at a time.
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

/// Rows that a merged segment may have under this budget: their keys are an eighth of it. A call that two segments share
/// costs its texts twice: with half as many rows in each, at 10,000 messages a second, a message has four octets more.
pub(crate) fn most_rows(budget: u64, wanted: u64) -> u64 {
    wanted.min((budget / 8 / Cluster::<(u32, u32)>::OCTETS_PER_ROW).max(10_000))
}

/// Merges whatever is due, one after the other.
pub(crate) fn run(inner: &Arc<Inner>) -> CompactReport {
    let _one_at_a_time = inner.compacting.lock();
    let mut report = CompactReport::default();
    while !inner.is_to_end() {
        let view = inner.live.view();
        let rows = most_rows(inner.memory.budget(), inner.options.compact_rows);
        let now = inner.options.clock.now();
        let Some(merge) = due(&view.segments, now, rows, &inner.options) else {
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
    let part = (inner.memory.budget() / 16 / ROW)
        .max(2_000)
        .min(rows.max(1));
    let parts = rows.div_ceil(part);
    let needed = rows * Cluster::<(u32, u32)>::OCTETS_PER_ROW
        + part * ROW
        + DECODING
        + written_octets(rows)
        + parts * spill::BUFFER as u64;
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
    let order = order(merge)?;
    let entry = write(
        inner,
        merge,
        &order,
        usize::try_from(part).unwrap_or(usize::MAX),
    )?;
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

/// Row identities in the order of the merged segment, each with its input and its row there.
type Order = Vec<(i64, (u32, u32))>;

fn order(merge: &Merge) -> Result<Order, MergeError> {
    let mut cluster = Cluster::default();
    for (input, segment) in (0..).zip(&merge.inputs) {
        let mut place = 0;
        each_batch(segment, &Keys::COLUMNS, &mut |batch| {
            let keys = Keys::new(batch);
            for row in 0..batch.num_rows() {
                cluster.push(keys.get(row), (input, place));
                place += 1;
            }
            Ok(())
        })?;
    }
    Ok(cluster.into_order_with_ids())
}

/// Hands all rows of a segment to `see`, in their order.
fn each_batch(
    segment: &Arc<Segment>,
    columns: &[Column],
    see: &mut dyn FnMut(&RecordBatch) -> io::Result<()>,
) -> Result<(), MergeError> {
    let failed = |error| MergeError::Input(Arc::clone(segment), error);
    let opened = segment.open(0).map_err(failed)?;
    let mut seen = 0;
    for group in 0..opened.row_groups().len() {
        let mut reader = opened.read(group, columns, None, false).map_err(failed)?;
        while let Some(batch) = read_rows(&mut reader, columns, false).map_err(failed)? {
            seen += batch.num_rows() as u64;
            see(&batch)?;
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
    order: &Order,
    part: usize,
) -> Result<SegmentEntry, MergeError> {
    let number = inner.manifest.lock().next_segment();
    let planned = SegmentEntry::planned(number, merge.class, merge.hour, merge.level);
    let replaces = merge
        .inputs
        .iter()
        .map(|segment| segment.entry.number)
        .collect();
    let temporary = inner.paths.temporary().join(format!("{number:016x}.rows"));
    // Where each row of each input goes.
    let mut goes: Vec<Vec<u32>> = merge
        .inputs
        .iter()
        .map(|segment| vec![0; usize::try_from(segment.entry.rows).unwrap_or_default()])
        .collect();
    for (position, (_, (input, row))) in (0..).zip(order) {
        if let Some(place) = goes
            .get_mut(*input as usize)
            .and_then(|rows| rows.get_mut(*row as usize))
        {
            *place = position;
        }
    }
    let mut spill = Spill::new(&inner.options.disk, temporary, order.len().div_ceil(part));
    for (segment, goes) in merge.inputs.iter().zip(&goes) {
        let mut goes = goes.iter();
        each_batch(segment, Column::ALL, &mut |batch| {
            if inner.is_to_end() {
                return Err(io::Error::other("the store is closing"));
            }
            for (row, position) in Rows::new(batch).iter().zip(goes.by_ref()) {
                let position = *position as usize;
                spill.push(position / part, position, &row)?;
            }
            Ok(())
        })?;
    }
    drop(goes);
    let mut writer = SegmentWriter::begin(
        &inner.options.disk,
        &inner.paths,
        inner.node,
        planned,
        replaces,
    )?;
    for (number, part_order) in (0..).zip(order.chunks(part)) {
        write_part(&mut spill, number, number * part, part_order, &mut writer)?;
    }
    drop(spill);
    Ok(writer.finish()?)
}

/// Puts the rows of one part in order and writes them.
fn write_part(
    spill: &mut Spill,
    number: usize,
    first: usize,
    order: &[(i64, (u32, u32))],
    writer: &mut SegmentWriter,
) -> io::Result<()> {
    let taken = spill.take(number)?;
    let mut rows = taken.rows();
    while rows.len() > 0 {
        let count = rows.len().min(CHUNK);
        let identified = rows.by_ref().take(count).map(|(position, octets)| {
            let id = order.get(position - first).map_or(0, |(id, _)| *id);
            (id, octets)
        });
        let batch = crate::row::decode_each(identified, count)
            .map_err(|_malformed| io::Error::from(io::ErrorKind::InvalidData))?;
        writer.write(batch.columns())?;
    }
    Ok(())
}
