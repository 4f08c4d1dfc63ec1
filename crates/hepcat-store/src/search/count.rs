//! Counting rows that fit, by time and by what columns say. Rows are read in no order and handed to nobody: of a row
//! group only the columns are read that filter and count need.

use std::{collections::HashMap, time::Duration};

use arrow::{
    array::{
        Array, AsArray, DictionaryArray, Int32Array, Int64Array, PrimitiveArray, RecordBatch,
        StringArray,
    },
    datatypes::Int32Type,
};
use foldhash::fast::RandomState;

use super::{
    Found, SearchError, SearchReport, Stop, look_at,
    plan::Plan,
    scan::{Place, ScanError, rows_of, select_group, select_memory, short},
};
use crate::{
    hot::HotBatch,
    row::{Column, Stamps},
    segment::{Opened, guarded, read_rows},
};

/// How many different values, and times of them, are counted apart at most.
pub const MAX_COUNTS: usize = 100_000;
/// What a value takes beside its octets: two entries of tables, and what these keep free.
const ENTRY: u64 = 128;

/// What rows are counted by: two of the same are counted together.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CountBy {
    /// Their time (`sent_at`, else `received_at`), in spans of so long, which begin at multiples of it since 1970. Rows
    /// of all times together where `None`.
    pub span: Option<Duration>,
    /// What the first of these columns says that has a value: numbers or text. All rows together where there are none.
    pub values: Vec<Column>,
}

/// What a column says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Counted {
    /// A number.
    Number(i64),
    /// A text.
    Text(Box<str>),
}

/// So many rows of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Count {
    /// Where its span of time begins, microseconds since 1970; 0 where time does not count.
    pub from: i64,
    /// What the columns say; `None` where none of them has a value.
    pub value: Option<Counted>,
    /// How many there are.
    pub rows: u64,
}

/// What was counted.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Counts {
    /// One for each kind of which there are rows, by time, then by value.
    pub counts: Vec<Count>,
    /// Rows that are in none of them, because [`MAX_COUNTS`] or memory was reached before their kind came up.
    pub beyond: u64,
    /// Why it ended before everything was looked at.
    pub ended_by: Option<SearchError>,
    /// Where it ended early: what was received later than this is counted, what was received before may be.
    pub counted_since: Option<i64>,
    /// What it took. `rows` are those that were counted.
    pub report: SearchReport,
}

impl CountBy {
    /// Width of a span in microseconds, at least one.
    fn width(&self) -> Option<i64> {
        let width = self.span?.as_micros();
        Some(i64::try_from(width).unwrap_or(i64::MAX).max(1))
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = self.values.clone();
        if self.span.is_some() {
            columns.extend([Column::ReceivedAt, Column::SentAt]);
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }
}

impl Found {
    /// Counts what is there to be found.
    pub(super) fn count(mut self, by: &CountBy) -> Counts {
        let mut tally = Tally::within(self.limit);
        let ended_by = loop {
            if let Err(reason) = self.stop.check() {
                break Some(reason.into());
            }
            if self.items.is_empty() {
                break None;
            }
            if let Err(error) = self.count_further(by, &mut tally) {
                break Some(error);
            }
        };
        let counted_since = ended_by.and(self.front);
        self.report.rows = tally.total();
        let report = self.report;
        self.end();
        let (counts, beyond) = tally.finish();
        Counts {
            counts,
            beyond,
            ended_by,
            counted_since,
            report,
        }
    }

    fn count_further(&mut self, by: &CountBy, tally: &mut Tally) -> Result<(), SearchError> {
        let places = self.next_places()?;
        let (plan, stop, limit) = (&self.plan, &self.stop, self.limit);
        let counted = look_at(&places, |_, place| {
            let mut tally = Tally::within(limit);
            match place {
                Place::Memory(batch) => count_memory(batch, plan, by, &mut tally),
                Place::Group { opened, group, .. } => {
                    count_group(opened, *group, plan, by, stop, &mut tally)?;
                }
            }
            Ok(tally)
        });
        for counted in self.readable(&places, counted)? {
            tally.merge(counted);
        }
        self.hold(tally.octets)?;
        self.note_front();
        Ok(())
    }
}

fn count_memory(batch: &HotBatch, plan: &Plan, by: &CountBy, tally: &mut Tally) {
    let selected = select_memory(batch, plan);
    tally.add(batch.rows.columns(), by, selected.set_indices());
}

fn count_group(
    opened: &Opened,
    group: usize,
    plan: &Plan,
    by: &CountBy,
    stop: &Stop,
    tally: &mut Tally,
) -> Result<(), ScanError> {
    let selected = select_group(opened, group, plan, stop)?;
    let rows = match &selected {
        Some(selected) => selected.count_set_bits(),
        None => rows_of(opened, group),
    };
    let columns = by.columns();
    if rows == 0 {
        return Ok(());
    }
    if columns.is_empty() {
        tally.put(0, None, rows as u64);
        return Ok(());
    }
    let mut reader = opened.read(group, &columns, selected.as_ref(), true)?;
    let mut read = 0;
    while let Some(batch) = read_rows(&mut reader, &columns, true)? {
        stop.check().map_err(ScanError::Stopped)?;
        // What a dictionary claims to hold can be damaged.
        guarded(|| {
            tally.add(&batch, by, 0..batch.num_rows());
            Ok(())
        })?;
        read += batch.num_rows();
    }
    if read == rows {
        Ok(())
    } else {
        Err(short().into())
    }
}

/// Counts that grow.
#[derive(Debug)]
struct Tally {
    /// Numbers of the values that came up.
    numbers: HashMap<Counted, u32, RandomState>,
    rows: HashMap<(i64, Option<u32>), u64, RandomState>,
    octets: u64,
    most_octets: u64,
    beyond: u64,
}

impl Tally {
    fn within(most_octets: u64) -> Self {
        Self {
            numbers: HashMap::default(),
            rows: HashMap::default(),
            octets: 0,
            most_octets,
            beyond: 0,
        }
    }

    fn total(&self) -> u64 {
        self.rows.values().sum::<u64>() + self.beyond
    }

    /// Adds these rows of a batch.
    fn add(&mut self, batch: &RecordBatch, by: &CountBy, rows: impl Iterator<Item = usize>) {
        let stamps = Stamps::new(batch);
        let width = by.width();
        let mut columns: Vec<Values<'_>> = by
            .values
            .iter()
            .filter_map(|column| Values::of(batch, *column))
            .collect();
        // Neighbours are often of one kind: messages of one call, or of one second.
        let mut run: Option<((i64, Kind), u64)> = None;
        for row in rows {
            let from = width.map_or(0, |width| span_of(stamps.time(row), width));
            let value = match columns
                .iter_mut()
                .find_map(|column| column.number(row, self))
            {
                Some(Numbered::Known(number)) => Kind::Of(Some(number)),
                Some(Numbered::TooMany) => Kind::Beyond,
                None => Kind::Of(None),
            };
            if let Some((kind, count)) = &mut run
                && *kind == (from, value)
            {
                *count += 1;
                continue;
            }
            self.end_run(run.replace(((from, value), 1)));
        }
        self.end_run(run);
    }

    fn end_run(&mut self, run: Option<((i64, Kind), u64)>) {
        match run {
            Some(((from, Kind::Of(value)), rows)) => self.put_numbered(from, value, rows),
            Some(((_, Kind::Beyond), rows)) => self.beyond += rows,
            None => {}
        }
    }

    fn put(&mut self, from: i64, value: Option<Counted>, rows: u64) {
        match value.map(|value| self.number_of(value)) {
            None => self.put_numbered(from, None, rows),
            Some(Numbered::Known(number)) => self.put_numbered(from, Some(number), rows),
            Some(Numbered::TooMany) => self.beyond += rows,
        }
    }

    fn put_numbered(&mut self, from: i64, value: Option<u32>, rows: u64) {
        if let Some(count) = self.rows.get_mut(&(from, value)) {
            *count += rows;
        } else if self.rows.len() < MAX_COUNTS && self.octets + ENTRY <= self.most_octets {
            self.octets += ENTRY;
            self.rows.insert((from, value), rows);
        } else {
            self.beyond += rows;
        }
    }

    fn number_of(&mut self, value: Counted) -> Numbered {
        if let Some(number) = self.numbers.get(&value) {
            return Numbered::Known(*number);
        }
        let length = match &value {
            Counted::Number(_) => 0,
            Counted::Text(text) => text.len() as u64,
        };
        let octets = self.octets + ENTRY + length;
        match u32::try_from(self.numbers.len()) {
            Ok(number) if self.numbers.len() < MAX_COUNTS && octets <= self.most_octets => {
                self.octets = octets;
                self.numbers.insert(value, number);
                Numbered::Known(number)
            }
            _ => Numbered::TooMany,
        }
    }

    fn merge(&mut self, other: Self) {
        let (counts, beyond) = other.finish();
        self.beyond += beyond;
        for count in counts {
            self.put(count.from, count.value, count.rows);
        }
    }

    fn finish(self) -> (Vec<Count>, u64) {
        let values: HashMap<u32, Counted, RandomState> = self
            .numbers
            .into_iter()
            .map(|(value, number)| (number, value))
            .collect();
        let mut counts: Vec<Count> = self
            .rows
            .into_iter()
            .map(|((from, number), rows)| Count {
                from,
                value: number.and_then(|number| values.get(&number).cloned()),
                rows,
            })
            .collect();
        counts.sort_unstable();
        (counts, self.beyond)
    }
}

/// Where a row is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// With those of this value, or of none.
    Of(Option<u32>),
    Beyond,
}

/// What a value is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbered {
    Known(u32),
    TooMany,
}

/// The span of time that `time` is in.
fn span_of(time: i64, width: i64) -> i64 {
    time.div_euclid(width).saturating_mul(width)
}

/// A column of a batch.
enum Values<'a> {
    Words {
        keys: &'a PrimitiveArray<Int32Type>,
        texts: &'a StringArray,
        /// What is known of the texts of the dictionary.
        numbers: Vec<Option<Numbered>>,
    },
    Texts(&'a StringArray),
    Ints(&'a Int32Array),
    Longs(&'a Int64Array),
}

impl<'a> Values<'a> {
    fn of(batch: &'a RecordBatch, column: Column) -> Option<Self> {
        let array = batch.column_by_name(column.name())?.as_any();
        if let Some(words) = array.downcast_ref::<DictionaryArray<Int32Type>>() {
            let texts = words.values().as_string_opt::<i32>()?;
            return Some(Self::Words {
                keys: words.keys(),
                texts,
                numbers: vec![None; texts.len()],
            });
        }
        if let Some(texts) = array.downcast_ref() {
            return Some(Self::Texts(texts));
        }
        if let Some(ints) = array.downcast_ref() {
            return Some(Self::Ints(ints));
        }
        array.downcast_ref().map(Self::Longs)
    }

    /// Number of the value in this row, if it has one.
    fn number(&mut self, row: usize, tally: &mut Tally) -> Option<Numbered> {
        match self {
            Self::Words {
                keys,
                texts,
                numbers,
            } => {
                if keys.is_null(row) {
                    return None;
                }
                let place = usize::try_from(keys.value(row)).ok()?;
                let known = numbers.get_mut(place)?;
                if known.is_none() && texts.is_valid(place) {
                    *known = Some(tally.number_of(Counted::Text(texts.value(place).into())));
                }
                *known
            }
            Self::Texts(texts) => (texts.is_valid(row))
                .then(|| tally.number_of(Counted::Text(texts.value(row).into()))),
            Self::Ints(ints) => (ints.is_valid(row))
                .then(|| tally.number_of(Counted::Number(ints.value(row).into()))),
            Self::Longs(longs) => {
                (longs.is_valid(row)).then(|| tally.number_of(Counted::Number(longs.value(row))))
            }
        }
    }
}
