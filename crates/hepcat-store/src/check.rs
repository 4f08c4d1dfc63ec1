//! Reading everything to see whether it holds.

use std::{path::PathBuf, sync::Arc};

use crate::{
    row::Column,
    segment::{Segment, SegmentError, read_rows},
    store::Inner,
};

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// Segments that hold.
    pub segments: u64,
    /// Rows in them.
    pub rows: u64,
    /// Octets of them.
    pub octets: u64,
    /// Segments that do not; each was set aside.
    pub damaged: Vec<Damaged>,
}

/// A segment that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged {
    /// Where it was.
    pub path: PathBuf,
    /// Rows that it should have.
    pub rows: u64,
    /// What is wrong with it.
    pub what: String,
}

/// Reads every octet of every segment.
pub(crate) fn run(inner: &Arc<Inner>) -> CheckReport {
    let mut report = CheckReport::default();
    for segment in inner.live.view().segments.iter() {
        match check(segment) {
            Ok(()) => {
                report.segments += 1;
                report.rows += segment.entry.rows;
                report.octets += segment.entry.octets;
            }
            Err(error) => {
                report.damaged.push(Damaged {
                    path: segment.path.clone(),
                    rows: segment.entry.rows,
                    what: error.to_string(),
                });
                inner.report_unreadable(segment, &error);
            }
        }
    }
    report
}

fn check(segment: &Arc<Segment>) -> Result<(), SegmentError> {
    // What is held may be of before the damage.
    segment.forget();
    let opened = segment.open(0)?;
    let mut rows = 0;
    for group in 0..opened.row_groups().len() {
        let mut reader = opened.read(group, Column::ALL, None, false)?;
        while let Some(batch) = read_rows(&mut reader, Column::ALL, false)? {
            rows += batch.num_rows() as u64;
        }
        for column in crate::segment::FILTERED {
            opened.filter(group, *column)?;
        }
    }
    if rows == segment.entry.rows {
        Ok(())
    } else {
        Err(SegmentError::Damaged(format!(
            "it has {rows} rows, not {}",
            segment.entry.rows
        )))
    }
}
