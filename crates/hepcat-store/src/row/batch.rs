//! Rows on their way: many of them in arrow columns, which is how they are kept, searched and handed out.

use std::{fmt, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, Int64Array, RecordBatch},
    datatypes::Int64Type,
};

use super::{
    columns::{Builders, Column, Row, Rows, schema},
    id::RowId,
    kind::{Malformed, Reader},
};
use crate::error::RowTooLarge;

/// Most octets of one row, all columns together: 1 MiB.
pub const MAX_ROW_OCTETS: usize = 1 << 20;
/// Most octets of one batch: beyond it, [`RowBatchBuilder::push`] asks for the next. 16 MiB.
pub const MAX_BATCH_OCTETS: usize = 16 << 20;
/// Most rows of one batch.
pub const MAX_BATCH_ROWS: usize = 8_192;

/// Rows for [`Store::append`](crate::Store::append), or found by a search.
#[derive(Clone)]
pub struct RowBatch {
    columns: RecordBatch,
}

impl RowBatch {
    pub(crate) fn new(columns: RecordBatch) -> Self {
        Self { columns }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Access to single rows; make it once and use it for all.
    #[must_use]
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(&self.columns)
    }

    /// The arrow columns.
    #[must_use]
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// Octets of memory that it holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.columns.get_array_memory_size()
    }

    /// The same rows with the identities of `node` and `generation` from `first` on.
    pub(crate) fn identified(&self, node: u16, generation: u32, first: u32) -> Self {
        let ids = (first..)
            .take(self.len())
            .map(|place| RowId::new(node, generation, place).get())
            .collect();
        self.with_ids(ids)
    }

    /// The same rows with these identities, one for each.
    pub(crate) fn with_ids(&self, ids: Vec<i64>) -> Self {
        let mut columns: Vec<ArrayRef> = self.columns.columns().to_vec();
        if let Some(place) = columns.get_mut(Column::RowId as usize) {
            *place = Arc::new(Int64Array::from(ids));
        }
        RecordBatch::try_new(schema(), columns).map_or_else(|_unreachable| self.clone(), Self::new)
    }

    /// The numbers in a column of the kind `Id`, `Long`.
    pub(crate) fn longs(batch: &RecordBatch, column: Column) -> Option<&Int64Array> {
        batch
            .column_by_name(column.name())?
            .as_any()
            .downcast_ref::<arrow::array::PrimitiveArray<Int64Type>>()
    }
}

impl fmt::Debug for RowBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowBatch")
            .field("rows", &self.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Rows<'a> {
    /// All rows in turn.
    pub fn iter(&self) -> impl Iterator<Item = Row<'a>> {
        (0..).map_while(|index| self.get(index))
    }
}

impl Row<'_> {
    /// The time by which rows are asked for: `sent_at`, else `received_at`.
    #[must_use]
    pub fn time(&self) -> i64 {
        self.sent_at.unwrap_or(self.received_at)
    }

    /// Identity of the row.
    #[must_use]
    pub fn id(&self) -> RowId {
        RowId::from_number(self.row_id)
    }

    /// The frame as it was received, of a row that has the columns of every [`Part`](super::Part). `None` for rows that
    /// have none, such as records, and where it is damaged.
    #[must_use]
    pub fn frame(&self) -> Option<Vec<u8>> {
        super::envelope::rebuild(self)
    }
}

/// Makes a [`RowBatch`], row by row.
#[derive(Debug)]
pub struct RowBatchBuilder {
    builders: Builders,
    rows: usize,
    octets: usize,
    /// The rows as the log will hold them.
    encoded: Vec<u8>,
}

/// A batch and the same rows in the form of the log.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) batch: RowBatch,
    pub(crate) octets: Vec<u8>,
}

impl Default for RowBatchBuilder {
    fn default() -> Self {
        Self::with_capacity(64)
    }
}

impl RowBatchBuilder {
    /// Room for so many rows of average size; it grows where needed.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let rows = rows.min(MAX_BATCH_ROWS);
        Self {
            builders: Builders::with_capacity(rows, rows * 1_024),
            rows: 0,
            octets: 0,
            encoded: Vec::with_capacity(rows * 1_280),
        }
    }

    /// Adds a row; `row_id` is ignored.
    ///
    /// # Errors
    /// The row is larger than [`MAX_ROW_OCTETS`]; the batch is as it was.
    pub fn push(&mut self, row: &Row<'_>) -> Result<(), RowTooLarge> {
        let octets = row.octets();
        if octets > MAX_ROW_OCTETS {
            return Err(RowTooLarge { octets });
        }
        let row = Row { row_id: 0, ..*row };
        row.encode(&mut self.encoded);
        self.builders.append(&row);
        self.rows += 1;
        self.octets += octets;
        Ok(())
    }

    /// How many rows are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether it should be appended before more is added: [`MAX_BATCH_ROWS`] or [`MAX_BATCH_OCTETS`] are reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows >= MAX_BATCH_ROWS || self.octets >= MAX_BATCH_OCTETS
    }

    /// Octets of the rows in it.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The batch.
    #[must_use]
    pub fn finish(self) -> RowBatch {
        self.finish_encoded().batch
    }

    pub(crate) fn finish_encoded(self) -> Encoded {
        let rows = self.rows;
        let columns = self.builders.finish();
        let batch = RecordBatch::try_new(schema(), columns)
            .unwrap_or_else(|_unreachable| RecordBatch::new_empty(schema()));
        debug_assert_eq!(batch.num_rows(), rows);
        Encoded {
            batch: RowBatch::new(batch),
            octets: self.encoded,
        }
    }
}

/// The rows that the log holds in `octets`.
pub(crate) fn decode(octets: &[u8], rows: usize) -> Result<RowBatch, Malformed> {
    let mut reader = Reader::new(octets);
    let mut builders = Builders::with_capacity(rows, octets.len());
    for _ in 0..rows {
        let row = Row::decode(&mut reader)?;
        if row.octets() > MAX_ROW_OCTETS {
            return Err(Malformed);
        }
        builders.append(&row);
    }
    if !reader.is_empty() {
        return Err(Malformed);
    }
    let batch = RecordBatch::try_new(schema(), builders.finish()).map_err(|_uneven| Malformed)?;
    Ok(RowBatch::new(batch))
}

/// `rows` rows, each of an identity and the octets that the log would hold.
pub(crate) fn decode_each<'a>(
    each: impl Iterator<Item = (i64, &'a [u8])>,
    rows: usize,
) -> Result<RowBatch, Malformed> {
    let mut builders = Builders::with_capacity(rows, rows * 1_100);
    for (row_id, octets) in each {
        let mut reader = Reader::new(octets);
        let row = Row::decode(&mut reader)?;
        if !reader.is_empty() {
            return Err(Malformed);
        }
        builders.append(&Row { row_id, ..row });
    }
    let batch = RecordBatch::try_new(schema(), builders.finish()).map_err(|_uneven| Malformed)?;
    Ok(RowBatch::new(batch))
}
