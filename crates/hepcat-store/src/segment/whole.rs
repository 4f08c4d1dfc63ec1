//! Reading all rows of a segment, in its order, for another one: as they are held, texts and octets where they lie in the
//! pages.

use std::sync::{Arc, LazyLock};

use arrow::{
    array::{ArrayRef, RecordBatch, new_null_array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{
            ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
        },
    },
    file::{
        metadata::{ColumnChunkMetaData, RowGroupMetaData},
        statistics::Statistics,
    },
};

use super::{PAGE_ROWS, SegmentError, blocks::CheckedFile, guarded, same};
use crate::row::{Column, Form, absent};

/// A segment that is read from front to back.
#[derive(Debug)]
pub(crate) struct Whole {
    file: CheckedFile,
    metadata: ArrowReaderMetadata,
    is_held: bool,
    /// Rows that are decoded at a time, at most.
    step: usize,
    /// The row group that comes after `reader`.
    group: usize,
    reader: Option<ParquetRecordBatchReader>,
}

impl Whole {
    /// `metadata` is that of the file with the types of [`field`]; `is_held` is whether `correlation_id` is as
    /// segments hold it today.
    pub(super) fn new(
        file: CheckedFile,
        metadata: ArrowReaderMetadata,
        is_held: bool,
        step: usize,
    ) -> Self {
        Self {
            file,
            metadata,
            is_held,
            step,
            group: 0,
            reader: None,
        }
    }

    /// The next rows: all columns, those that the segment lacks without values.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatch>, SegmentError> {
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => {
                    if self.group >= self.metadata.metadata().num_row_groups() {
                        return Ok(None);
                    }
                    let mask = present(&self.metadata, self.group);
                    let group = vec![self.group];
                    let reader = guarded(|| {
                        ParquetRecordBatchReaderBuilder::new_with_metadata(
                            self.file.clone(),
                            self.metadata.clone(),
                        )
                        .with_row_groups(group)
                        .with_projection(mask)
                        .with_batch_size(self.step)
                        .build()
                    })?;
                    self.group += 1;
                    none.insert(reader)
                }
            };
            match guarded(|| Ok(reader.next().transpose()?))? {
                Some(batch) if batch.num_rows() > 0 => {
                    return guarded(|| Ok(Some(completed(&batch, self.is_held)?)));
                }
                Some(_) => {}
                None => self.reader = None,
            }
        }
    }
}

/// The columns of a row group that have values.
fn present(metadata: &ArrowReaderMetadata, group: usize) -> ProjectionMask {
    let groups = metadata.metadata().row_groups();
    let columns = groups.get(group).map(RowGroupMetaData::columns);
    let columns = columns.unwrap_or_default().iter().enumerate();
    let has_values = |column: &ColumnChunkMetaData| {
        let absent = column.statistics().and_then(Statistics::null_count_opt);
        absent != u64::try_from(column.num_values()).ok()
    };
    let present = columns.filter(|(_, column)| has_values(column));
    ProjectionMask::leaves(metadata.parquet_schema(), present.map(|(index, _)| index))
}

fn completed(batch: &RecordBatch, is_held: bool) -> Result<RecordBatch, arrow::error::ArrowError> {
    let batch = if is_held {
        batch.clone()
    } else {
        same::shortened(batch)?
    };
    let columns = Column::ALL.iter().zip(SCHEMA.fields());
    let columns = columns.map(
        |(column, field)| match batch.column_by_name(column.name()) {
            Some(array) => Arc::clone(array),
            None if *field.data_type() == DataType::Utf8View => nothing(batch.num_rows()),
            None => absent(column.form(), batch.num_rows()),
        },
    );
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(Arc::clone(&SCHEMA), columns)
}

/// Texts of which there are none; all of them share their memory.
fn nothing(rows: usize) -> ArrayRef {
    static NOTHING: LazyLock<ArrayRef> =
        LazyLock::new(|| new_null_array(&DataType::Utf8View, PAGE_ROWS));
    if rows <= PAGE_ROWS {
        NOTHING.slice(0, rows)
    } else {
        new_null_array(&DataType::Utf8View, rows)
    }
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    Arc::new(Schema::new(
        Column::ALL
            .iter()
            .map(|column| field(*column))
            .collect::<Vec<_>>(),
    ))
});

/// As which type a column is read.
pub(super) fn field(column: Column) -> Field {
    let data_type = match column.form() {
        Form::Class | Form::Word | Form::Text => DataType::Utf8View,
        Form::Octets => DataType::BinaryView,
        form => form.data_type(),
    };
    Field::new(column.name(), data_type, column.form().nullable())
}
