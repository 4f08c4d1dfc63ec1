//! The inputs of a merge: segments that are read from front to back, a few rows of each at a time.

use std::{collections::VecDeque, sync::Arc};

use arrow::array::RecordBatch;

use super::MergeError;
use crate::segment::{Segment, SegmentError, Whole};

/// Rows that are decoded at a time.
const MOST_ROWS: u64 = 2_048;
/// No fewer: to begin with takes as long as some rows.
const FEWEST_ROWS: u64 = 16;

/// One segment that is being read.
#[derive(Debug)]
pub(super) struct Input {
    segment: Arc<Segment>,
    rows: Whole,
    /// Rows that were decoded and not yet taken; of the first of them, so many were.
    decoded: VecDeque<RecordBatch>,
    taken: usize,
    available: usize,
    /// Rows that were decoded.
    seen: u64,
}

impl Input {
    /// Decoded rows may take so many octets.
    pub(super) fn open(segment: &Arc<Segment>, octets: u64) -> Result<Self, MergeError> {
        let rows = segment
            .open(0)
            .and_then(|opened| {
                let groups = 0..opened.row_groups().len();
                let row = groups.map(|group| opened.row_octets(group)).max();
                let step = octets / row.unwrap_or(0).max(1);
                let step = step.clamp(FEWEST_ROWS, MOST_ROWS);
                opened.whole(usize::try_from(step).unwrap_or(usize::MAX))
            })
            .map_err(|error| MergeError::Input(Arc::clone(segment), error))?;
        Ok(Self {
            segment: Arc::clone(segment),
            rows,
            decoded: VecDeque::new(),
            taken: 0,
            available: 0,
            seen: 0,
        })
    }

    /// Decodes until there are so many rows to be taken.
    pub(super) fn decode(&mut self, rows: usize) -> Result<(), MergeError> {
        while self.available < rows {
            let failed = |error| MergeError::Input(Arc::clone(&self.segment), error);
            let Some(batch) = self.rows.next().map_err(failed)? else {
                return Err(failed(SegmentError::Damaged(format!(
                    "it has {} rows, not {}",
                    self.seen, self.segment.entry.rows
                ))));
            };
            self.seen += batch.num_rows() as u64;
            self.available += batch.num_rows();
            self.decoded.push_back(batch);
        }
        Ok(())
    }

    /// What was decoded, and the row of the first of it that is taken next.
    pub(super) fn decoded(&self) -> (impl Iterator<Item = &RecordBatch>, usize) {
        (self.decoded.iter(), self.taken)
    }

    /// Lets rows go that were taken.
    pub(super) fn advance(&mut self, rows: usize) {
        self.available = self.available.saturating_sub(rows);
        self.taken += rows;
        while let Some(batch) = self.decoded.front()
            && batch.num_rows() <= self.taken
        {
            self.taken -= batch.num_rows();
            self.decoded.pop_front();
        }
    }

    /// Whether all rows were taken that the manifest says it has.
    pub(super) fn is_done(&self) -> bool {
        self.available == 0 && self.seen == self.segment.entry.rows
    }
}
