//! From matches to rows: the columns of what was found, read only now.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{BooleanBufferBuilder, RecordBatch},
    compute::interleave_record_batch,
};

use super::scan::{Match, Place};
use crate::{
    row::{Column, RowBatch},
    segment::{Segment, SegmentError, guarded, read_rows},
};

/// Rows, and the segments that could not give theirs.
pub(super) struct Gathered {
    pub(super) rows: Option<RowBatch>,
    pub(super) failed: Vec<(Arc<Segment>, SegmentError)>,
}

/// The rows of `matches`, in their order, with these columns.
pub(super) fn gather(matches: &[Match], places: &[Place], columns: &[Column]) -> Gathered {
    let mut by_place: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for found in matches {
        by_place.entry(found.place).or_default().push(found.row);
    }
    let mut batches: Vec<RecordBatch> = Vec::new();
    // Where a row of a place has come to lie: batch, and row in it.
    let mut lies: BTreeMap<(u32, u32), (usize, usize)> = BTreeMap::new();
    let mut failed = Vec::new();
    for (number, mut rows) in by_place {
        rows.sort_unstable();
        let place = usize::try_from(number)
            .ok()
            .and_then(|number| places.get(number));
        match place {
            Some(Place::Memory(batch)) => {
                let projected = project(batch.rows.columns(), columns);
                for row in rows {
                    lies.insert((number, row), (batches.len(), row as usize));
                }
                batches.extend(projected);
            }
            Some(Place::Group {
                segment,
                opened,
                group,
            }) => {
                let length = rows.last().map_or(0, |last| *last as usize + 1);
                let total = opened
                    .row_groups()
                    .get(*group)
                    .and_then(|group| usize::try_from(group.num_rows()).ok())
                    .unwrap_or(length);
                match read_group(opened, *group, &rows, total, columns) {
                    Ok(read) => {
                        let mut rows = rows.into_iter();
                        for batch in read {
                            for (at, row) in (0..batch.num_rows()).zip(rows.by_ref()) {
                                lies.insert((number, row), (batches.len(), at));
                            }
                            batches.push(batch);
                        }
                    }
                    Err(error) => failed.push((Arc::clone(segment), error)),
                }
            }
            None => {}
        }
    }
    let order: Vec<(usize, usize)> = matches
        .iter()
        .filter_map(|found| lies.get(&(found.place, found.row)).copied())
        .collect();
    let references: Vec<&RecordBatch> = batches.iter().collect();
    let rows = if order.is_empty() {
        None
    } else {
        guarded(|| Ok(interleave_record_batch(&references, &order)?)).ok()
    };
    Gathered {
        rows: rows.map(RowBatch::new),
        failed,
    }
}

fn project(batch: &RecordBatch, columns: &[Column]) -> Option<RecordBatch> {
    let indices: Vec<usize> = columns.iter().map(|column| *column as usize).collect();
    batch.project(&indices).ok()
}

fn read_group(
    opened: &crate::segment::Opened,
    group: usize,
    rows: &[u32],
    total: usize,
    columns: &[Column],
) -> Result<Vec<RecordBatch>, SegmentError> {
    let mut selected = BooleanBufferBuilder::new(total);
    selected.append_n(total, false);
    for row in rows {
        if (*row as usize) < total {
            selected.set_bit(*row as usize, true);
        }
    }
    let mut reader = opened.read(group, columns, Some(&selected.finish()), false)?;
    let mut batches = Vec::new();
    while let Some(batch) = read_rows(&mut reader, columns, false)? {
        batches.push(batch);
    }
    let read: usize = batches.iter().map(RecordBatch::num_rows).sum();
    if read == rows.len() {
        Ok(batches)
    } else {
        Err(SegmentError::Damaged(
            "a column has fewer rows than its row group".into(),
        ))
    }
}
