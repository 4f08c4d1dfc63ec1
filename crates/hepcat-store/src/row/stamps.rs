//! When rows were, and which they are: what order, ranges and bounds go by.

use arrow::array::{Array, Int64Array, RecordBatch, TimestampMicrosecondArray};

use super::{batch::RowBatch, columns::Column};

/// The times and identity of each row.
pub(crate) struct Stamps<'a> {
    received: Option<&'a TimestampMicrosecondArray>,
    sent: Option<&'a TimestampMicrosecondArray>,
    ids: Option<&'a Int64Array>,
}

impl<'a> Stamps<'a> {
    pub(crate) const COLUMNS: [Column; 3] = [Column::ReceivedAt, Column::SentAt, Column::RowId];

    pub(crate) fn new(batch: &'a RecordBatch) -> Self {
        let times = |column: Column| batch.column_by_name(column.name())?.as_any().downcast_ref();
        Self {
            received: times(Column::ReceivedAt),
            sent: times(Column::SentAt),
            ids: RowBatch::longs(batch, Column::RowId),
        }
    }

    pub(crate) fn received(&self, index: usize) -> i64 {
        self.received.map_or(0, |times| times.value(index))
    }

    pub(crate) fn time(&self, index: usize) -> i64 {
        self.sent
            .filter(|times| times.is_valid(index))
            .map_or_else(|| self.received(index), |times| times.value(index))
    }

    pub(crate) fn id(&self, index: usize) -> i64 {
        self.ids.map_or(0, |ids| ids.value(index))
    }
}
