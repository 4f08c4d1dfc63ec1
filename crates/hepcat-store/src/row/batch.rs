//! Rows on their way: many of them in arrow columns, which is how they are kept, searched and handed out.

use std::{cell::RefCell, fmt, mem, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, Int64Array, RecordBatch},
    datatypes::Int64Type,
    error::ArrowError,
};

use super::{
    collect::{absent, memory_of},
    columns::{Builders, Column, Row, Rows, schema},
    id::RowId,
    kind::{Malformed, Reader},
    spare,
};
use crate::{error::RowTooLarge, log::FRAME_HEADER};

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
        let columns = self.columns.columns().iter();
        columns.map(|column| memory_of(column.as_ref())).sum()
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

/// Makes a [`RowBatch`], row by row. Where it collects them is kept by the thread from one batch to the next.
#[derive(Debug, Default)]
pub struct RowBatchBuilder {
    /// Made when the first row comes.
    collected: Option<Box<Collected>>,
    rows: usize,
    octets: usize,
}

#[derive(Debug, Default)]
struct Collected {
    builders: Builders,
    /// A frame of the log: room for its head, and the rows as the log will hold them.
    frame: Vec<u8>,
}

/// Batches of fewer rows say that not much is coming.
const FEW_ROWS: usize = 256;

thread_local! {
    static SPARE: RefCell<Option<Box<Collected>>> = const { RefCell::new(None) };
}

impl RowBatchBuilder {
    /// Room for so many rows of average size; it grows where needed.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        let mut builder = Self::default();
        let octets = rows.min(MAX_BATCH_ROWS) * 1_280;
        builder.collected().frame.reserve(octets);
        builder
    }

    fn collected(&mut self) -> &mut Collected {
        self.collected.get_or_insert_with(|| {
            let mut collected = SPARE.take().unwrap_or_default();
            collected.frame = spare::FRAMES.take(FRAME_HEADER);
            collected.frame.resize(FRAME_HEADER, 0);
            collected
        })
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
        let collected = self.collected();
        row.encode(&mut collected.frame);
        // To copy a row is no small part of adding it.
        if row.row_id == 0 {
            collected.builders.append(row);
        } else {
            collected.builders.append(&Row { row_id: 0, ..*row });
        }
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
        let (batch, frame) = self.finish_with_frame();
        keep_frame(frame);
        batch
    }

    /// The batch, and the same rows as a frame of the log that is still to be sealed.
    pub(crate) fn finish_with_frame(mut self) -> (RowBatch, Vec<u8>) {
        let collected = self.collected();
        let columns = collected.builders.finish();
        let frame = mem::take(&mut collected.frame);
        let batch = RecordBatch::try_new(schema(), columns)
            .unwrap_or_else(|_unreachable| RecordBatch::new_empty(schema()));
        debug_assert_eq!(batch.num_rows(), self.rows);
        SPARE.set(self.collected.take());
        if self.rows < FEW_ROWS {
            spare::COLUMNS.release();
        }
        (RowBatch::new(batch), frame)
    }
}

/// Takes back what [`RowBatchBuilder::finish_with_frame`] gave.
pub(crate) fn keep_frame(frame: Vec<u8>) {
    spare::FRAMES.give(frame);
}

/// Makes `rows` rows of those of several batches, column by column. A column that says nothing in any of them is left out
/// of that.
pub(crate) fn combine(
    batches: &[&RecordBatch],
    rows: usize,
    combine: impl Fn(&[&dyn Array]) -> Result<ArrayRef, ArrowError>,
) -> Result<RecordBatch, ArrowError> {
    let of_column = |column: &Column| {
        let columns = (batches.iter())
            .map(|batch| batch.columns().get(*column as usize).map(AsRef::as_ref))
            .collect::<Option<Vec<&dyn Array>>>()
            .ok_or_else(|| ArrowError::SchemaError("a column is missing".to_owned()))?;
        let is_absent = |column: &&dyn Array| column.null_count() == column.len();
        if columns.iter().all(is_absent) {
            return Ok(absent(column.form(), rows));
        }
        combine(&columns)
    };
    let columns = Column::ALL
        .iter()
        .map(of_column)
        .collect::<Result<_, _>>()?;
    RecordBatch::try_new(schema(), columns)
}

/// The rows that the log holds in `octets`.
pub(crate) fn decode(octets: &[u8], rows: usize) -> Result<RowBatch, Malformed> {
    let mut reader = Reader::new(octets);
    let mut builders = Builders::default();
    builders.reserve(octets.len());
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
