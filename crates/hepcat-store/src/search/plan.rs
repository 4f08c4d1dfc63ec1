//! What a search does in which order, and what it need not look at.

use std::ops::{Range, RangeInclusive};

use super::{
    Cursor, Search,
    eval::possible_classes,
    filter::{Filter, Test, TextTest},
};
use crate::{
    manifest::SegmentEntry,
    row::{Class, Column, Form},
    segment::{Opened, SegmentError},
};

/// A part of a filter that must fit, and the columns that it looks at.
#[derive(Debug)]
pub(super) struct Conjunct {
    pub(super) filter: Filter,
    pub(super) columns: Vec<Column>,
}

#[derive(Debug)]
pub(super) struct Plan {
    /// Cheap ones first.
    pub(super) conjuncts: Vec<Conjunct>,
    pub(super) classes: Option<Vec<Class>>,
    pub(super) received: Range<i64>,
    pub(super) time: Range<i64>,
    pub(super) after: Option<Cursor>,
}

/// Whether any row, or every row, can fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    None,
    Some,
    All,
}

impl Plan {
    pub(super) fn new(search: &Search) -> Self {
        let mut parts = Vec::new();
        flatten(&search.filter, &mut parts);
        let mut conjuncts: Vec<(u32, Conjunct)> = parts
            .into_iter()
            .map(|filter| {
                let mut columns = Vec::new();
                filter.columns(&mut columns);
                let cost = columns.iter().map(|column| cost(*column)).sum();
                (cost, Conjunct { filter, columns })
            })
            .collect();
        conjuncts.sort_by_key(|(cost, _)| *cost);
        Self {
            conjuncts: conjuncts
                .into_iter()
                .map(|(_, conjunct)| conjunct)
                .collect(),
            classes: possible_classes(&search.filter),
            received: search.received.clone(),
            time: search.time.clone(),
            after: search.after,
        }
    }

    pub(super) fn admits_segment(&self, entry: &SegmentEntry) -> bool {
        let class = self
            .classes
            .as_ref()
            .is_none_or(|classes| classes.contains(&entry.class));
        let ids = self.conjuncts.iter().all(|conjunct| {
            may_fit(&conjunct.filter, &mut |column, ranges| {
                column != Column::RowId || any_within(ranges, entry.ids)
            })
        });
        class && ids && self.stamps(entry.received, entry.time) != Within::None
    }

    /// What these smallest and largest stamps leave of the ranges that were asked for.
    pub(super) fn stamps(&self, received: (i64, i64), time: (i64, i64)) -> Within {
        let received_within = within(&self.received, received);
        let time_within = within(&self.time, time);
        let after = match self.after {
            None => Within::All,
            Some(cursor) if received.1 < cursor.received_at => Within::All,
            Some(cursor) if received.0 > cursor.received_at => Within::None,
            Some(_) => Within::Some,
        };
        let all = [received_within, time_within, after];
        if all.contains(&Within::None) {
            Within::None
        } else if all.contains(&Within::Some) {
            Within::Some
        } else {
            Within::All
        }
    }

    pub(super) fn admits_stamp(&self, received: i64, time: i64, id: i64) -> bool {
        self.received.contains(&received)
            && self.time.contains(&time)
            && self
                .after
                .is_none_or(|after| (received, id) < (after.received_at, after.row_id))
    }

    /// Whether any row of a row group can fit, by what the footer says.
    pub(super) fn admits_group(&self, opened: &Opened, group: usize) -> Within {
        let everything = (i64::MIN, i64::MAX);
        let received = opened
            .bounds(group, Column::ReceivedAt)
            .unwrap_or(everything);
        let sent = opened.bounds(group, Column::SentAt);
        // Rows without `sent_at` have the time at which they were received.
        let time = sent.map_or(received, |sent| {
            (sent.0.min(received.0), sent.1.max(received.1))
        });
        let stamps = self.stamps(received, time);
        let possible = self.conjuncts.iter().all(|conjunct| {
            may_fit(&conjunct.filter, &mut |column, ranges| {
                opened
                    .bounds(group, column)
                    .is_none_or(|bounds| any_within(ranges, bounds))
            })
        });
        if possible { stamps } else { Within::None }
    }

    /// The same by Bloom filters, which have to be read.
    pub(super) fn admits_by_filter(
        &self,
        opened: &Opened,
        group: usize,
    ) -> Result<bool, SegmentError> {
        for conjunct in &self.conjuncts {
            if !filter_admits(&conjunct.filter, opened, group)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn within(asked: &Range<i64>, there: (i64, i64)) -> Within {
    if there.1 < asked.start || there.0 >= asked.end {
        Within::None
    } else if asked.contains(&there.0) && asked.contains(&there.1) {
        Within::All
    } else {
        Within::Some
    }
}

fn flatten(filter: &Filter, into: &mut Vec<Filter>) {
    match filter {
        Filter::All(parts) => parts.iter().for_each(|part| flatten(part, into)),
        other => into.push(other.clone()),
    }
}

/// How dear a column is to read, very roughly.
fn cost(column: Column) -> u32 {
    match (column, column.form()) {
        (Column::Payload, _) => 100,
        (Column::Envelope, _) => 20,
        (_, Form::Text) => 6,
        (_, Form::Word) => 3,
        _ => 1,
    }
}

/// Whether one of `ranges` has a number between the smallest and the largest that are there.
fn any_within(ranges: &[RangeInclusive<i64>], (least, most): (i64, i64)) -> bool {
    ranges
        .iter()
        .any(|range| *range.start() <= most && *range.end() >= least)
}

fn may_fit(
    filter: &Filter,
    numbers: &mut dyn FnMut(Column, &[RangeInclusive<i64>]) -> bool,
) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(|part| may_fit(part, numbers)),
        Filter::Any(parts) => parts.iter().any(|part| may_fit(part, numbers)),
        Filter::Number(column, ranges) => numbers(*column, ranges),
        _ => true,
    }
}

fn filter_admits(filter: &Filter, opened: &Opened, group: usize) -> Result<bool, SegmentError> {
    match filter {
        Filter::All(parts) => {
            for part in parts {
                if !filter_admits(part, opened, group)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Filter::Any(parts) => {
            for part in parts {
                if filter_admits(part, opened, group)? {
                    return Ok(true);
                }
            }
            Ok(parts.is_empty())
        }
        Filter::Text(column, TextTest(Test::Is(texts))) => opened.may_hold(group, *column, texts),
        _ => Ok(true),
    }
}
