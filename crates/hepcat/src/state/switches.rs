//! Switches that were turned at run time, by name: what they say beats the configuration until it is
//! taken back.

use rusqlite::{Connection, OptionalExtension as _};

pub(super) const TABLE: &str = "
CREATE TABLE switches (
    name  TEXT    PRIMARY KEY,
    is_on INTEGER NOT NULL CHECK (is_on IN (0, 1))
) STRICT";

/// Whether frames are taken in.
pub const CAPTURE: &str = "capture";

/// How the switch was left; `None` when nobody ever turned it.
///
/// # Errors
/// When the file cannot be read.
pub fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<bool>> {
    connection
        .query_row(
            "SELECT is_on FROM switches WHERE name = ?1",
            [name],
            |row| row.get(0),
        )
        .optional()
}

/// Turns the switch.
///
/// # Errors
/// When the file cannot be written.
pub fn write(connection: &Connection, name: &str, is_on: bool) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO switches (name, is_on) VALUES (?1, ?2)
             ON CONFLICT (name) DO UPDATE SET is_on = excluded.is_on",
            (name, is_on),
        )
        .map(drop)
}
