//! Rows of calls in whose place others stand: an operator parted or joined calls that were rows already.

use rusqlite::Connection;

pub(super) const TABLE: &str = "
CREATE TABLE superseded_rows (
    row_id INTEGER PRIMARY KEY
) STRICT";

/// Rows that are remembered; of more the oldest are forgotten, which are the next that retention removes.
pub const MAX_ROWS: i64 = 100_000;

/// All of them.
///
/// # Errors
/// When the file cannot be read.
pub fn read_all(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut statement = connection.prepare("SELECT row_id FROM superseded_rows")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Adds some, and forgets the oldest beyond [`MAX_ROWS`].
///
/// # Errors
/// When the file cannot be written.
pub fn add(connection: &mut Connection, row_ids: &[i64]) -> rusqlite::Result<()> {
    let change = connection.transaction()?;
    for row_id in row_ids {
        change.execute(
            "INSERT OR IGNORE INTO superseded_rows (row_id) VALUES (?1)",
            [row_id],
        )?;
    }
    // An identity begins with the generation of the log: the lower, the older.
    change.execute(
        "DELETE FROM superseded_rows WHERE row_id NOT IN
             (SELECT row_id FROM superseded_rows ORDER BY row_id DESC LIMIT ?1)",
        [MAX_ROWS],
    )?;
    change.commit()
}
