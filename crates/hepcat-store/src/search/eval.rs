//! Filters over columns: the same for what is in memory and what a segment holds.

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, DictionaryArray, Int32Array, Int64Array,
        RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    buffer::{BooleanBuffer, NullBuffer},
    compute::take,
    datatypes::{Int32Type, Schema},
};

use super::filter::{Filter, RowTest, TextTest, merged};
use crate::row::{Class, Column, Rows};

/// Evaluates filters over the batches of one row group. Remembers what it found out about the texts of a dictionary,
/// which the batches share.
#[derive(Debug, Default)]
pub(super) struct Evaluator {
    known: HashMap<(usize, Column), Known>,
}

/// What is known of the texts of a dictionary.
#[derive(Debug)]
struct Known {
    /// The dictionary: held, so that its address is not given to another.
    values: ArrayRef,
    verdicts: Vec<Option<bool>>,
}

/// The same with these columns as texts where they are numbers of a dictionary: single rows are read from texts.
fn spelled_out(batch: &RecordBatch, columns: &[Column]) -> RecordBatch {
    let schema = batch.schema();
    let spelled = schema.fields().iter().zip(batch.columns());
    let spelled = spelled.map(|(field, array)| {
        let is_asked = columns.iter().any(|column| column.name() == field.name());
        let words = array
            .as_any()
            .downcast_ref::<DictionaryArray<Int32Type>>()
            .filter(|_| is_asked)
            .and_then(|words| take(words.values(), words.keys(), None).ok());
        match words {
            Some(texts) => (
                Arc::new(
                    field
                        .as_ref()
                        .clone()
                        .with_data_type(texts.data_type().clone()),
                ),
                texts,
            ),
            None => (Arc::clone(field), Arc::clone(array)),
        }
    });
    let (fields, arrays): (Vec<_>, Vec<_>) = spelled.unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap_or_else(|_| batch.clone())
}

impl Evaluator {
    /// Which rows of the batch fit.
    pub(super) fn evaluate(&mut self, filter: &Filter, batch: &RecordBatch) -> BooleanBuffer {
        let rows = batch.num_rows();
        match filter {
            Filter::All(parts) => {
                parts
                    .iter()
                    .fold(BooleanBuffer::new_set(rows), |so_far, part| {
                        if so_far.has_true() {
                            &so_far & &self.evaluate(part, batch)
                        } else {
                            so_far
                        }
                    })
            }
            Filter::Any(parts) => parts
                .iter()
                .fold(BooleanBuffer::new_unset(rows), |so_far, part| {
                    &so_far | &self.evaluate(part, batch)
                }),
            Filter::Not(part) => !&self.evaluate(part, batch),
            Filter::Class(classes) => {
                let named =
                    |text: &[u8]| classes.iter().any(|class| class.name().as_bytes() == text);
                self.text(
                    std::ptr::from_ref(filter).addr(),
                    Column::Class,
                    &named,
                    batch,
                )
            }
            Filter::Present(column) => match batch.column_by_name(column.name()) {
                Some(array) => present(array.logical_nulls(), rows),
                None => BooleanBuffer::new_unset(rows),
            },
            Filter::Number(column, ranges) => number(*column, ranges, batch),
            Filter::Text(column, test) => {
                let address = std::ptr::from_ref::<TextTest>(test).addr();
                self.text(address, *column, &|text| test.matches(text), batch)
            }
            Filter::Rows(RowTest { test, columns }) => {
                let batch = spelled_out(batch, columns);
                let rows = Rows::new(&batch);
                BooleanBuffer::collect_bool(batch.num_rows(), |index| {
                    rows.get(index).is_some_and(|row| test(&row))
                })
            }
        }
    }

    fn text(
        &mut self,
        filter: usize,
        column: Column,
        fits: &dyn Fn(&[u8]) -> bool,
        batch: &RecordBatch,
    ) -> BooleanBuffer {
        let rows = batch.num_rows();
        let Some(array) = batch.column_by_name(column.name()) else {
            return BooleanBuffer::new_unset(rows);
        };
        let array = array.as_any();
        if let Some(array) = array.downcast_ref::<StringArray>() {
            return BooleanBuffer::collect_bool(rows, |index| {
                array.is_valid(index) && fits(array.value(index).as_bytes())
            });
        }
        if let Some(array) = array.downcast_ref::<BinaryArray>() {
            return BooleanBuffer::collect_bool(rows, |index| {
                array.is_valid(index) && fits(array.value(index))
            });
        }
        match array.downcast_ref::<DictionaryArray<Int32Type>>() {
            Some(array) => self.dictionary((filter, column), fits, array),
            None => BooleanBuffer::new_unset(rows),
        }
    }

    fn dictionary(
        &mut self,
        key: (usize, Column),
        fits: &dyn Fn(&[u8]) -> bool,
        array: &DictionaryArray<Int32Type>,
    ) -> BooleanBuffer {
        let values = array.values();
        let Some(texts) = values.as_string_opt::<i32>() else {
            return BooleanBuffer::new_unset(array.len());
        };
        let fresh = || Known {
            values: Arc::clone(values),
            verdicts: vec![None; values.len()],
        };
        let known = self.known.entry(key).or_insert_with(fresh);
        if !same(&known.values, values) {
            *known = fresh();
        }
        let verdicts = &mut known.verdicts;
        let keys = array.keys();
        BooleanBuffer::collect_bool(array.len(), |index| {
            if keys.is_null(index) {
                return false;
            }
            let Ok(place) = usize::try_from(keys.value(index)) else {
                return false;
            };
            let Some(verdict) = verdicts.get_mut(place) else {
                return false;
            };
            *verdict
                .get_or_insert_with(|| texts.is_valid(place) && fits(texts.value(place).as_bytes()))
        })
    }
}

fn same(one: &ArrayRef, other: &ArrayRef) -> bool {
    let (Some(one), Some(other)) = (one.as_string_opt::<i32>(), other.as_string_opt::<i32>())
    else {
        return false;
    };
    one.len() == other.len()
        && one.values().as_ptr() == other.values().as_ptr()
        && one.offsets().as_ptr() == other.offsets().as_ptr()
}

fn present(nulls: Option<NullBuffer>, rows: usize) -> BooleanBuffer {
    nulls.map_or_else(
        || BooleanBuffer::new_set(rows),
        |nulls| nulls.inner().clone(),
    )
}

fn number(column: Column, ranges: &[RangeInclusive<i64>], batch: &RecordBatch) -> BooleanBuffer {
    let rows = batch.num_rows();
    let ranges = merged(ranges.to_vec());
    let fits = |value: i64| {
        let at = ranges.partition_point(|range| *range.end() < value);
        ranges.get(at).is_some_and(|range| *range.start() <= value)
    };
    let Some(array) = batch.column_by_name(column.name()) else {
        return BooleanBuffer::new_unset(rows);
    };
    let array = array.as_any();
    if let Some(array) = array.downcast_ref::<Int32Array>() {
        BooleanBuffer::collect_bool(rows, |index| {
            array.is_valid(index) && fits(array.value(index).into())
        })
    } else if let Some(array) = array.downcast_ref::<Int64Array>() {
        BooleanBuffer::collect_bool(rows, |index| {
            array.is_valid(index) && fits(array.value(index))
        })
    } else if let Some(array) = array.downcast_ref::<TimestampMicrosecondArray>() {
        BooleanBuffer::collect_bool(rows, |index| {
            array.is_valid(index) && fits(array.value(index))
        })
    } else {
        BooleanBuffer::new_unset(rows)
    }
}

/// The classes that a filter can fit at all; `None` is every class.
pub(super) fn possible_classes(filter: &Filter) -> Option<Vec<Class>> {
    match filter {
        Filter::Class(classes) => Some(classes.clone()),
        Filter::All(parts) => parts
            .iter()
            .filter_map(possible_classes)
            .reduce(|one, other| {
                one.into_iter()
                    .filter(|class| other.contains(class))
                    .collect()
            }),
        Filter::Any(parts) => {
            let each: Option<Vec<Vec<Class>>> = parts.iter().map(possible_classes).collect();
            Some(each?.into_iter().flatten().collect())
        }
        _ => None,
    }
}
