//! Finding the rows of one row group, or of one batch in memory, that fit.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;

use super::{
    Stop, StopReason,
    eval::Evaluator,
    plan::{Plan, Within},
};
use crate::{
    hot::HotBatch,
    row::{Column, Stamps},
    segment::{Opened, Segment, SegmentError, guarded, read_rows},
};

/// Where rows are.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Memory(Arc<HotBatch>),
    Group {
        segment: Arc<Segment>,
        opened: Arc<Opened>,
        group: usize,
    },
}

impl Place {
    /// Octets of a row there, in the mean and about.
    pub(super) fn row_octets(&self) -> u64 {
        match self {
            Self::Memory(batch) => batch.rows.memory() as u64 / batch.rows.len().max(1) as u64,
            Self::Group { opened, group, .. } => opened.row_octets(*group),
        }
    }
}

/// A row that fits, without its columns. Ordered by age: the newest is the largest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Match {
    pub(super) received: i64,
    pub(super) id: i64,
    /// Number of the place.
    pub(super) place: u32,
    /// Which of its rows.
    pub(super) row: u32,
}

/// Why a scan did not end.
#[derive(Debug)]
pub(super) enum ScanError {
    Segment(SegmentError),
    Stopped(StopReason),
}

impl From<SegmentError> for ScanError {
    fn from(error: SegmentError) -> Self {
        Self::Segment(error)
    }
}

fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The rows of a batch in memory that fit.
pub(super) fn scan_memory(batch: &HotBatch, place: u32, plan: &Plan) -> Vec<Match> {
    let stamps = Stamps::new(batch.rows.columns());
    select_memory(batch, plan)
        .set_indices()
        .map(|row| Match {
            received: stamps.received(row),
            id: stamps.id(row),
            place,
            row: small(row),
        })
        .collect()
}

/// Which rows of a batch in memory fit.
pub(super) fn select_memory(batch: &HotBatch, plan: &Plan) -> BooleanBuffer {
    let columns = batch.rows.columns();
    let mut evaluator = Evaluator::default();
    let mut fitting = BooleanBuffer::new_set(columns.num_rows());
    for conjunct in &plan.conjuncts {
        if !fitting.has_true() {
            return fitting;
        }
        fitting = &fitting & &evaluator.evaluate(&conjunct.filter, columns);
    }
    let stamps = Stamps::new(columns);
    BooleanBuffer::collect_bool(columns.num_rows(), |row| {
        fitting.value(row)
            && plan.admits_stamp(stamps.received(row), stamps.time(row), stamps.id(row))
    })
}

/// The rows of a row group that fit.
pub(super) fn scan_group(
    opened: &Opened,
    group: usize,
    place: u32,
    plan: &Plan,
    stop: &Stop,
) -> Result<Vec<Match>, ScanError> {
    let selected = select_group(opened, group, plan, stop)?;
    if selected
        .as_ref()
        .is_some_and(|selected| !selected.has_true())
    {
        return Ok(Vec::new());
    }
    stamp(
        opened,
        group,
        place,
        selected.as_ref(),
        rows_of(opened, group),
    )
}

/// How many rows a row group has.
pub(super) fn rows_of(opened: &Opened, group: usize) -> usize {
    opened
        .row_groups()
        .get(group)
        .and_then(|group| usize::try_from(group.num_rows()).ok())
        .unwrap_or_default()
}

/// Which rows of a row group fit; `None` is every row.
pub(super) fn select_group(
    opened: &Opened,
    group: usize,
    plan: &Plan,
    stop: &Stop,
) -> Result<Option<BooleanBuffer>, ScanError> {
    let rows = rows_of(opened, group);
    let mut selected: Option<BooleanBuffer> = None;
    if plan.admits_group(opened, group) != Within::All {
        selected = Some(within_stamps(opened, group, rows, plan, stop)?);
    }
    for conjunct in &plan.conjuncts {
        if selected
            .as_ref()
            .is_some_and(|selected| !selected.has_true())
        {
            break;
        }
        let mut evaluator = Evaluator::default();
        let mut verdicts = Bits::with_capacity(rows);
        let mut reader = opened.read(group, &conjunct.columns, selected.as_ref(), true)?;
        loop {
            stop.check().map_err(ScanError::Stopped)?;
            let Some(batch) = read_rows(&mut reader, &conjunct.columns, true)? else {
                break;
            };
            // Filters over what a dictionary claims to hold can meet damage too.
            let fitting = guarded(|| Ok(evaluator.evaluate(&conjunct.filter, &batch)))?;
            verdicts.extend(&fitting);
        }
        selected = Some(narrow(selected.as_ref(), verdicts, rows)?);
    }
    Ok(selected)
}

/// Which rows of a row group have the times that were asked for.
fn within_stamps(
    opened: &Opened,
    group: usize,
    rows: usize,
    plan: &Plan,
    stop: &Stop,
) -> Result<BooleanBuffer, ScanError> {
    let mut verdicts = Bits::with_capacity(rows);
    let mut reader = opened.read(group, &Stamps::COLUMNS, None, false)?;
    while let Some(batch) = read_rows(&mut reader, &Stamps::COLUMNS, false)? {
        stop.check().map_err(ScanError::Stopped)?;
        let stamps = Stamps::new(&batch);
        verdicts.extend(&BooleanBuffer::collect_bool(batch.num_rows(), |row| {
            plan.admits_stamp(stamps.received(row), stamps.time(row), stamps.id(row))
        }));
    }
    Ok(narrow(None, verdicts, rows)?)
}

/// Times and identities of the selected rows.
fn stamp(
    opened: &Opened,
    group: usize,
    place: u32,
    selected: Option<&BooleanBuffer>,
    rows: usize,
) -> Result<Vec<Match>, ScanError> {
    let columns = [Column::ReceivedAt, Column::RowId];
    let indices: Vec<usize> = match selected {
        Some(selected) => selected.set_indices().collect(),
        None => (0..rows).collect(),
    };
    let mut matches = Vec::with_capacity(indices.len());
    let mut indices = indices.into_iter();
    let mut reader = opened.read(group, &columns, selected, false)?;
    while let Some(batch) = read_rows(&mut reader, &columns, false)? {
        let stamps = Stamps::new(&batch);
        matches.extend(
            (0..batch.num_rows())
                .zip(indices.by_ref())
                .map(|(at, row)| Match {
                    received: stamps.received(at),
                    id: stamps.id(at),
                    place,
                    row: small(row),
                }),
        );
    }
    if indices.next().is_some() {
        return Err(short().into());
    }
    Ok(matches)
}

pub(super) fn short() -> SegmentError {
    SegmentError::Damaged("a column has fewer rows than its row group".into())
}

/// A growing row of bits.
struct Bits(arrow::array::BooleanBufferBuilder);

impl Bits {
    fn with_capacity(bits: usize) -> Self {
        Self(arrow::array::BooleanBufferBuilder::new(bits))
    }

    fn extend(&mut self, bits: &BooleanBuffer) {
        self.0.append_buffer(bits);
    }
}

/// The selection that is left when each selected row has a verdict.
fn narrow(
    selected: Option<&BooleanBuffer>,
    mut verdicts: Bits,
    rows: usize,
) -> Result<BooleanBuffer, SegmentError> {
    let verdicts = verdicts.0.finish();
    let Some(selected) = selected else {
        return if verdicts.len() == rows {
            Ok(verdicts)
        } else {
            Err(short())
        };
    };
    let mut narrowed = arrow::array::BooleanBufferBuilder::new(rows);
    narrowed.append_n(rows, false);
    let mut asked = 0;
    for (verdict, row) in selected.set_indices().enumerate() {
        asked += 1;
        if verdict < verdicts.len() && verdicts.value(verdict) {
            narrowed.set_bit(row, true);
        }
    }
    if asked == verdicts.len() {
        Ok(narrowed.finish())
    } else {
        Err(short())
    }
}
