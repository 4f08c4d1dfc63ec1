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
    pub(crate) call: u64,
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

/// Where calls began: the smallest identity of a row of each call that was seen lately.
///
/// Segments in which calls stand in this order can be merged from front to back: no call has to be looked for. What is
/// forgotten costs no more than that: a call that goes on after that stands in two places of a merged segment.
#[derive(Debug)]
pub(crate) struct Begun {
    recent: Firsts,
    before: Firsts,
    /// Calls in each of the two.
    most: usize,
}

/// By the hash of a call.
type Firsts = HashMap<u64, i64, FixedState>;

impl Begun {
    /// Remembers at least `most` calls, and at most twice as many.
    pub(crate) fn new(most: usize) -> Self {
        let firsts = || Firsts::with_hasher(HASHER);
        Self {
            recent: firsts(),
            before: firsts(),
            most,
        }
    }

    /// Octets of memory that this has, about.
    pub(crate) fn octets(&self) -> u64 {
        let calls = self.recent.capacity() + self.before.capacity();
        // A bit more than a seventh of a table is free, and each place has an octet beside it.
        calls as u64 * 8 / 7 * (size_of::<(u64, i64)>() as u64 + 1)
    }

    /// The first row of the call that a row belongs to, where rows come in the order of their identities.
    pub(crate) fn first_of(&mut self, key: Key) -> i64 {
        if key.call == 0 {
            return key.id;
        }
        if let Some(first) = self.recent.get(&key.call) {
            return *first;
        }
        let first = self.before.get(&key.call).copied().unwrap_or(key.id);
        if self.recent.len() >= self.most {
            std::mem::swap(&mut self.recent, &mut self.before);
            self.recent.clear();
        }
        self.recent.insert(key.call, first);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Row, RowBatchBuilder};

    fn keys_of(calls: &[Option<&str>]) -> Vec<Key> {
        let mut rows = RowBatchBuilder::default();
        for call_id in calls {
            let row = Row {
                call_id: *call_id,
                ..Row::default()
            };
            rows.push(&row).expect("small");
        }
        let rows = rows.finish().with_ids((0..).take(calls.len()).collect());
        let keys = Keys::new(rows.columns());
        (0..calls.len()).map(|row| keys.get(row)).collect()
    }

    #[test]
    fn a_row_belongs_where_its_call_began() {
        let calls = [Some("b"), None, Some("a"), Some("b"), Some("a"), None];
        let mut begun = Begun::new(10);
        let firsts = keys_of(&calls).into_iter().map(|key| begun.first_of(key));
        assert_eq!(firsts.collect::<Vec<_>>(), [0, 1, 2, 0, 2, 5]);
    }

    #[test]
    fn calls_are_forgotten_when_enough_others_came() {
        let calls = ["a", "b", "c", "a", "d", "e", "f", "g", "b"].map(Some);
        let mut begun = Begun::new(2);
        let firsts = keys_of(&calls).into_iter().map(|key| begun.first_of(key));
        assert_eq!(firsts.collect::<Vec<_>>(), [0, 1, 2, 0, 4, 5, 6, 7, 8]);
    }
}
