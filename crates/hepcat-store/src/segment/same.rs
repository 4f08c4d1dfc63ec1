//! What `correlation_id` says is mostly what `call_id` says: a segment holds it once.
//!
//! It is text without any pattern, so that a second copy costs as much as everything that is known of two or three
//! messages beside their payloads.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, StringArray, StringBuilder},
    error::ArrowError,
};

use crate::row::Column;

/// Stands for the text in `call_id`. A text that begins with it has it twice.
const SAME: &str = "=";

/// First version of the schema in which segments do this.
pub(super) const SINCE: u32 = 2;

/// A text other than that in `call_id` as a segment holds it.
pub(super) fn held(text: &[u8]) -> Box<[u8]> {
    let more: &[u8] = if text.starts_with(SAME.as_bytes()) {
        SAME.as_bytes()
    } else {
        &[]
    };
    [more, text].concat().into()
}

/// The rows as a segment holds them.
pub(super) fn shortened(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    replaced(batch, |text, call_id, out| {
        if Some(text) == call_id {
            out.append_value(SAME);
        } else if text.starts_with(SAME) {
            out.append_value(format!("{SAME}{text}"));
        } else {
            out.append_value(text);
        }
    })
}

/// The rows as they were before.
pub(super) fn restored(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    replaced(batch, |text, call_id, out| {
        match text.strip_prefix(SAME) {
            Some("") => out.append_option(call_id),
            Some(longer) => out.append_value(longer),
            None => out.append_value(text),
        };
    })
}

/// The same with another `correlation_id`, of the rows that have one.
fn replaced(
    batch: &RecordBatch,
    replace: impl Fn(&str, Option<&str>, &mut StringBuilder),
) -> Result<RecordBatch, ArrowError> {
    let texts = |column: Column| -> Option<&StringArray> {
        batch.column_by_name(column.name())?.as_any().downcast_ref()
    };
    let Some(texts_before) = texts(Column::CorrelationId) else {
        return Ok(batch.clone());
    };
    let call_ids = texts(Column::CallId);
    let mut texts_after = StringBuilder::with_capacity(batch.num_rows(), 0);
    for (row, text) in texts_before.iter().enumerate() {
        let call_id = call_ids.filter(|call_ids| call_ids.is_valid(row));
        match text {
            Some(text) => replace(
                text,
                call_id.map(|call_ids| call_ids.value(row)),
                &mut texts_after,
            ),
            None => texts_after.append_null(),
        }
    }
    let schema = batch.schema();
    let at = schema.index_of(Column::CorrelationId.name())?;
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    if let Some(place) = columns.get_mut(at) {
        *place = Arc::new(texts_after.finish());
    }
    RecordBatch::try_new(schema, columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Row, RowBatchBuilder};

    #[test]
    fn every_pair_of_texts_comes_back() {
        let texts = [
            None,
            Some(""),
            Some("="),
            Some("=="),
            Some("=a"),
            Some("a"),
            Some("a=b"),
        ];
        let mut builder = RowBatchBuilder::default();
        for call_id in texts {
            for correlation_id in texts {
                let row = Row {
                    call_id,
                    correlation_id,
                    ..Row::default()
                };
                builder.push(&row).expect("small");
            }
        }
        let rows = builder.finish();
        let held = shortened(rows.columns()).expect("columns of one length");
        assert_eq!(
            restored(&held).expect("columns of one length"),
            *rows.columns()
        );
        let held: &StringArray = held
            .column_by_name("correlation_id")
            .and_then(|texts| texts.as_any().downcast_ref())
            .expect("texts");
        assert_eq!(held.iter().filter(|text| *text == Some(SAME)).count(), 6);
    }
}
