//! Traces that were started at run time.
//!
//! What a trace is stands in its row as one JSON text, which `tracer` reads and writes: new kinds of
//! filters then need no new column. What grows while it runs has columns of its own.

use rusqlite::Connection;

pub(super) const TABLE: &str = "
CREATE TABLE traces (
    name       TEXT    PRIMARY KEY,
    definition TEXT    NOT NULL,
    traced     INTEGER NOT NULL DEFAULT 0,
    ended      TEXT
) STRICT";

/// One trace as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRow {
    /// Its name, which no other has.
    pub name: String,
    /// What it does, as JSON.
    pub definition: String,
    /// Messages that it has traced.
    pub traced: u64,
    /// Why it is over, in one word; `None` while it goes on.
    pub ended: Option<String>,
}

/// Every trace, in the order of their names.
///
/// # Errors
/// When the file cannot be read.
pub fn read_all(connection: &Connection) -> rusqlite::Result<Vec<TraceRow>> {
    let mut statement =
        connection.prepare("SELECT name, definition, traced, ended FROM traces ORDER BY name")?;
    let rows = statement.query_map([], |row| {
        Ok(TraceRow {
            name: row.get(0)?,
            definition: row.get(1)?,
            traced: row.get::<_, i64>(2)?.cast_unsigned(),
            ended: row.get(3)?,
        })
    })?;
    rows.collect()
}

/// Adds a trace, or replaces the one of that name.
///
/// # Errors
/// When the file cannot be written.
pub fn write(connection: &Connection, row: &TraceRow) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT OR REPLACE INTO traces (name, definition, traced, ended) VALUES (?1, ?2, ?3, ?4)",
            (
                &row.name,
                &row.definition,
                row.traced.cast_signed(),
                &row.ended,
            ),
        )
        .map(drop)
}

/// Keeps how far traces have come: name, messages, why it is over. Those that are not there are left out.
///
/// # Errors
/// When the file cannot be written.
pub fn progress(
    connection: &mut Connection,
    of: &[(String, u64, Option<String>)],
) -> rusqlite::Result<()> {
    let change = connection.transaction()?;
    for (name, traced, ended) in of {
        change.execute(
            "UPDATE traces SET traced = ?2, ended = ?3 WHERE name = ?1",
            (name, traced.cast_signed(), ended),
        )?;
    }
    change.commit()
}

/// Takes exactly the trace of that name out, and says whether there was one.
///
/// # Errors
/// When the file cannot be written.
pub fn remove(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    let removed = connection.execute("DELETE FROM traces WHERE name = ?1", [name])?;
    Ok(removed == 1)
}
