//! Tables that scripts share between messages and workers: bounded, each entry with an end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;

/// Most tables.
const MAX_TABLES: usize = 64;
/// Most entries of one table; beyond it the entry that would end first makes room.
const MAX_ENTRIES: usize = 100_000;
/// Longest key, in octets.
const MAX_KEY: usize = 512;
/// Longest value, in octets.
const MAX_VALUE: usize = 4_096;

/// Why something is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::lua) enum TableError {
    #[error("there are {MAX_TABLES} tables already")]
    TooManyTables,
    #[error("a key of {0} octets is longer than {MAX_KEY}")]
    LongKey(usize),
    #[error("a value of {0} octets is longer than {MAX_VALUE}")]
    LongValue(usize),
    #[error("the entry holds no integer")]
    NoInteger,
}

/// A value in a table.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::lua) enum Cell {
    Text(Box<[u8]>),
    Integer(i64),
    Number(f64),
    Boolean(bool),
}

/// How large a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReading {
    /// Its name.
    pub name: Arc<str>,
    /// Entries, those included whose time is over and that nobody has asked for since.
    pub entries: usize,
    /// Entries that had to go before their time because the table was full.
    pub evicted: u64,
}

#[derive(Debug, Default)]
pub(in crate::lua) struct Tables {
    by_name: Mutex<BTreeMap<Arc<str>, Arc<Table>>>,
}

impl Tables {
    /// The table of that name, made now if there was none.
    pub(in crate::lua) fn table(&self, name: &str) -> Result<Arc<Table>, TableError> {
        let mut by_name = self.by_name.lock();
        if let Some(table) = by_name.get(name) {
            return Ok(Arc::clone(table));
        }
        if name.len() > MAX_KEY {
            return Err(TableError::LongKey(name.len()));
        }
        if by_name.len() >= MAX_TABLES {
            return Err(TableError::TooManyTables);
        }
        let table = by_name.entry(Arc::from(name)).or_default();
        Ok(Arc::clone(table))
    }

    pub(super) fn reading(&self) -> Vec<TableReading> {
        let by_name = self.by_name.lock();
        let readings = by_name.iter().map(|(name, table)| {
            let rows = table.rows.lock();
            TableReading {
                name: Arc::clone(name),
                entries: rows.by_key.len(),
                evicted: rows.evicted,
            }
        });
        readings.collect()
    }
}

/// One table. Time is given.
#[derive(Debug, Default)]
pub(in crate::lua) struct Table {
    rows: Mutex<Rows>,
}

#[derive(Debug, Default)]
struct Rows {
    by_key: HashMap<Arc<[u8]>, Row, foldhash::fast::RandomState>,
    /// By end, and by number where ends are equal.
    by_end: BTreeMap<(Duration, u64), Arc<[u8]>>,
    numbers: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Row {
    cell: Cell,
    end: (Duration, u64),
}

impl Table {
    pub(in crate::lua) fn get(&self, key: &[u8], now: Duration) -> Option<Cell> {
        let mut rows = self.rows.lock();
        rows.expire(now);
        rows.by_key.get(key).map(|row| row.cell.clone())
    }

    /// Keeps a value until `ttl` from now.
    pub(in crate::lua) fn set(
        &self,
        key: &[u8],
        cell: Cell,
        ttl: Duration,
        now: Duration,
    ) -> Result<(), TableError> {
        check(key, &cell)?;
        self.rows
            .lock()
            .put(key, cell, now.saturating_add(ttl), now);
        Ok(())
    }

    /// As [`set`](Self::set), but only where there is no entry; tells whether there was none.
    pub(in crate::lua) fn add(
        &self,
        key: &[u8],
        cell: Cell,
        ttl: Duration,
        now: Duration,
    ) -> Result<bool, TableError> {
        check(key, &cell)?;
        let mut rows = self.rows.lock();
        rows.expire(now);
        let new = !rows.by_key.contains_key(key);
        if new {
            rows.put(key, cell, now.saturating_add(ttl), now);
        }
        Ok(new)
    }

    /// Adds to an integer, which keeps its end; a new one starts at 0 and ends `ttl` from now.
    pub(in crate::lua) fn increment(
        &self,
        key: &[u8],
        by: i64,
        ttl: Duration,
        now: Duration,
    ) -> Result<i64, TableError> {
        check(key, &Cell::Integer(by))?;
        let mut rows = self.rows.lock();
        rows.expire(now);
        match rows.by_key.get_mut(key).map(|row| &mut row.cell) {
            Some(Cell::Integer(number)) => {
                *number = number.wrapping_add(by);
                Ok(*number)
            }
            Some(_) => Err(TableError::NoInteger),
            None => {
                rows.put(key, Cell::Integer(by), now.saturating_add(ttl), now);
                Ok(by)
            }
        }
    }

    /// Takes an entry out; tells whether there was one.
    pub(in crate::lua) fn remove(&self, key: &[u8], now: Duration) -> bool {
        let mut rows = self.rows.lock();
        rows.expire(now);
        rows.take_out(key)
    }
}

impl Rows {
    fn put(&mut self, key: &[u8], cell: Cell, end: Duration, now: Duration) {
        self.take_out(key);
        if self.by_key.len() >= MAX_ENTRIES {
            self.expire(now);
        }
        if self.by_key.len() >= MAX_ENTRIES
            && let Some((_, first)) = self.by_end.pop_first()
        {
            self.by_key.remove(&first);
            self.evicted += 1;
        }
        let key: Arc<[u8]> = key.into();
        self.numbers += 1;
        let end = (end, self.numbers);
        self.by_end.insert(end, Arc::clone(&key));
        self.by_key.insert(key, Row { cell, end });
    }

    fn take_out(&mut self, key: &[u8]) -> bool {
        let Some(row) = self.by_key.remove(key) else {
            return false;
        };
        self.by_end.remove(&row.end);
        true
    }

    fn expire(&mut self, now: Duration) {
        while let Some(entry) = self.by_end.first_entry()
            && entry.key().0 <= now
        {
            self.by_key.remove(&entry.remove());
        }
    }
}

fn check(key: &[u8], cell: &Cell) -> Result<(), TableError> {
    if key.len() > MAX_KEY {
        return Err(TableError::LongKey(key.len()));
    }
    match cell {
        Cell::Text(text) if text.len() > MAX_VALUE => Err(TableError::LongValue(text.len())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);
    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn entries_end() {
        let table = Table::default();
        table.set(b"a", Cell::Integer(1), TTL, NOW).expect("kept");
        assert_eq!(table.get(b"a", NOW), Some(Cell::Integer(1)));
        assert!(
            !table
                .add(b"a", Cell::Boolean(true), TTL, NOW)
                .expect("short")
        );
        let later = NOW + TTL;
        assert_eq!(table.get(b"a", later), None);
        assert!(
            table
                .add(b"a", Cell::Boolean(true), TTL, later)
                .expect("short")
        );
        assert!(table.remove(b"a", later));
        assert!(!table.remove(b"a", later));
    }

    #[test]
    fn integers_keep_their_end_when_they_grow() {
        let table = Table::default();
        assert_eq!(table.increment(b"n", 2, TTL, NOW), Ok(2));
        let later = NOW + TTL - Duration::from_secs(1);
        assert_eq!(table.increment(b"n", 3, TTL, later), Ok(5));
        assert_eq!(table.increment(b"n", 1, TTL, NOW + TTL), Ok(1));
        table
            .set(b"t", Cell::Boolean(true), TTL, NOW)
            .expect("kept");
        assert_eq!(
            table.increment(b"t", 1, TTL, NOW),
            Err(TableError::NoInteger)
        );
    }

    #[test]
    fn a_full_table_gives_up_what_would_end_first() {
        let table = Table::default();
        for number in 0..MAX_ENTRIES + 10 {
            let ttl = TTL + Duration::from_micros(number as u64);
            let key = number.to_be_bytes();
            table.set(&key, Cell::Integer(0), ttl, NOW).expect("kept");
        }
        assert_eq!(table.get(&9_usize.to_be_bytes(), NOW), None);
        assert!(table.get(&10_usize.to_be_bytes(), NOW).is_some());
        assert_eq!(table.rows.lock().evicted, 10);
        assert_eq!(table.rows.lock().by_end.len(), MAX_ENTRIES);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let tables = Tables::default();
        let table = tables.table("t").expect("room");
        let long = Cell::Text(vec![0; MAX_VALUE + 1].into());
        assert_eq!(
            table.set(b"k", long, TTL, NOW),
            Err(TableError::LongValue(MAX_VALUE + 1))
        );
        let key = [0; MAX_KEY + 1];
        assert_eq!(
            table.increment(&key, 1, TTL, NOW),
            Err(TableError::LongKey(MAX_KEY + 1))
        );
        for number in 1..MAX_TABLES {
            tables.table(&format!("t{number}")).expect("room");
        }
        assert_eq!(
            tables.table("one more").err(),
            Some(TableError::TooManyTables)
        );
    }
}
