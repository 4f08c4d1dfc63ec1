//! The order of rows in a segment: those of a call stand together, so that what they share costs once, and a call is
//! read from one page.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
};

use arrow::array::{Array, Int64Array, RecordBatch, StringArray};
use foldhash::fast::FixedState;

use crate::row::{Column, RowBatch};

/// What decides the place of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Which call, as a hash that is never 0; 0 is a row of its own. Two calls of one hash are mixed, and nothing is
    /// wrong.
    call: u64,
    pub(crate) id: i64,
}

const HASHER: FixedState = FixedState::with_seed(0x6865_7063_6174);

/// Decides the places of the rows of a batch.
#[derive(Debug)]
pub(crate) struct Keys<'a> {
    ids: Option<&'a Int64Array>,
    /// The first of these that says something names the call.
    calls: [Option<&'a StringArray>; 3],
}

impl<'a> Keys<'a> {
    pub(crate) const COLUMNS: [Column; 4] = [
        Column::RowId,
        Column::CallId,
        Column::CorrelationId,
        Column::AttachedTo,
    ];

    pub(crate) fn new(batch: &'a RecordBatch) -> Self {
        let texts = |column: Column| -> Option<&StringArray> {
            let array = batch.column_by_name(column.name())?;
            array.as_any().downcast_ref()
        };
        Self {
            ids: RowBatch::longs(batch, Column::RowId),
            calls: [Column::CallId, Column::CorrelationId, Column::AttachedTo].map(texts),
        }
    }

    /// Of the row at `index`, which is below the batch's length.
    pub(crate) fn get(&self, index: usize) -> Key {
        let call = (self.calls.iter().flatten())
            .find(|texts| texts.is_valid(index))
            .map(|texts| texts.value(index))
            .filter(|call| !call.is_empty());
        Key {
            call: call.map_or(0, |call| hash(call) | 1),
            id: self.ids.map_or(0, |ids| ids.value(index)),
        }
    }
}

fn hash(call: &str) -> u64 {
    HASHER.hash_one(Text(call))
}

struct Text<'a>(&'a str);

impl Hash for Text<'_> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write(self.0.as_bytes());
    }
}

/// The rows of a segment to be, each with where it is found now.
#[derive(Debug)]
pub(crate) struct Cluster<P> {
    rows: Vec<(Key, P)>,
}

impl<P> Default for Cluster<P> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<P: Copy> Cluster<P> {
    /// Octets that a row costs while it is sorted: key and place, a share of its call, and where it goes.
    pub(crate) const OCTETS_PER_ROW: u64 = 44;

    pub(crate) fn push(&mut self, key: Key, place: P) {
        self.rows.push((key, place));
    }

    /// The places in the order of the segment.
    pub(crate) fn into_order(self) -> Vec<P> {
        self.into_order_with_ids()
            .into_iter()
            .map(|(_, place)| place)
            .collect()
    }

    /// Identities and places in the order of the segment.
    pub(crate) fn into_order_with_ids(mut self) -> Vec<(i64, P)> {
        let mut first: HashMap<u64, i64, FixedState> =
            HashMap::with_capacity_and_hasher(self.rows.len() / 8, HASHER);
        for (key, _) in self.rows.iter().filter(|(key, _)| key.call != 0) {
            let first = first.entry(key.call).or_insert(key.id);
            *first = key.id.min(*first);
        }
        let first_of = |key: &Key| first.get(&key.call).copied().unwrap_or(key.id);
        // The first identity takes the place of the hash, so that sorting looks nothing up.
        for (key, _) in &mut self.rows {
            key.call = first_of(key).cast_unsigned();
        }
        drop(first);
        self.rows
            .sort_unstable_by_key(|(key, _)| (key.call, key.id));
        self.rows
            .into_iter()
            .map(|(key, place)| (key.id, place))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Row, RowBatchBuilder};

    #[test]
    fn calls_stand_together_in_the_order_of_their_first_rows() {
        let calls = [
            Some("b"),
            None,
            Some("a"),
            Some("b"),
            Some("a"),
            None,
            Some("b"),
        ];
        let mut rows = RowBatchBuilder::default();
        for call_id in calls {
            let row = Row {
                call_id,
                ..Row::default()
            };
            rows.push(&row).expect("small");
        }
        let rows = rows.finish().with_ids((0..7).collect());
        let keys = Keys::new(rows.columns());
        let mut cluster = Cluster::default();
        for place in (0..calls.len()).rev() {
            cluster.push(keys.get(place), place);
        }
        assert_eq!(cluster.into_order(), [0, 3, 6, 1, 2, 4, 5]);
    }
}
