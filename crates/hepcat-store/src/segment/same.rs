//! What `correlation_id` says is mostly what `call_id` says: a segment holds it once.
//!
//! It is text without any pattern, so that a second copy costs as much as everything that is known of two or three
//! messages beside their payloads.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, StringBuilder, StringViewArray},
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
pub(crate) fn shortened(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
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
    let Ok(at) = batch.schema_ref().index_of(Column::CorrelationId.name()) else {
        return Ok(batch.clone());
    };
    let call_ids = batch.column_by_name(Column::CallId.name());
    let call_ids = call_ids.and_then(Texts::of);
    let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
    let Some((texts_before, place)) = columns
        .get_mut(at)
        .and_then(|place| Some((Texts::of(&Arc::clone(place))?, place)))
    else {
        return Ok(batch.clone());
    };
    let mut texts_after = StringBuilder::with_capacity(batch.num_rows(), 0);
    for row in 0..batch.num_rows() {
        let call_id = call_ids.as_ref().and_then(|call_ids| call_ids.get(row));
        match texts_before.get(row) {
            Some(text) => replace(text, call_id, &mut texts_after),
            None => texts_after.append_null(),
        }
    }
    let texts_after = texts_after.finish();
    *place = match texts_before {
        Texts::Plain(_) => Arc::new(texts_after),
        Texts::Views(_) => Arc::new(StringViewArray::from(&texts_after)),
    };
    RecordBatch::try_new(batch.schema(), columns)
}

/// A column of texts.
enum Texts {
    Plain(StringArray),
    Views(StringViewArray),
}

impl Texts {
    fn of(array: &ArrayRef) -> Option<Self> {
        let plain = array.as_string_opt::<i32>().cloned().map(Self::Plain);
        plain.or_else(|| array.as_string_view_opt().cloned().map(Self::Views))
    }

    fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Plain(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Views(texts) => texts.is_valid(row).then(|| texts.value(row)),
        }
    }
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
