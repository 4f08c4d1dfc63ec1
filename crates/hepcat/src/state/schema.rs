//! The version of the file, and how an earlier one becomes the present one.

use std::path::Path;

use rusqlite::{Connection, ffi};

use super::{StateError, agents, audit, passes, superseded, switches, traces, users};

/// What makes the tables, in the order in which they came to be. The number of statements that a file has
/// seen is its version (`user_version`), so statements are only ever added, at the end.
const STATEMENTS: &[&str] = &[
    traces::TABLE,
    switches::TABLE,
    agents::TABLES,
    superseded::TABLE,
    users::TABLES,
    passes::TABLE,
    audit::TABLE,
];

/// Marks the file as ours (`application_id`): "hcat".
const OWNER: i32 = 0x6863_6174;

/// Refuses a database that is not ours, or of a later version.
pub(super) fn check_owner(connection: &Connection, path: &Path) -> Result<(), StateError> {
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if owner != OWNER && (owner != 0 || objects > 0) {
        return Err(StateError::Foreign {
            path: path.to_owned(),
        });
    }
    let found = version(connection)?;
    if found > STATEMENTS.len() {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found,
            known: STATEMENTS.len(),
        });
    }
    Ok(())
}

/// Reads through the file, which is small, and says so if it is damaged.
pub(super) fn check_integrity(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(
        ffi::Error::new(ffi::SQLITE_CORRUPT),
        Some(verdict),
    ))
}

/// Brings the file to the present version; all of it or nothing.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let seen = version(connection)?;
    let Some(missing) = STATEMENTS.get(seen..).filter(|missing| !missing.is_empty()) else {
        return Ok(());
    };
    let change = connection.transaction()?;
    change.pragma_update(None, "application_id", OWNER)?;
    for statement in missing {
        change.execute_batch(statement)?;
    }
    change.execute_batch(&format!("PRAGMA user_version = {}", STATEMENTS.len()))?;
    change.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // A negative version is none of ours: as good as a later one.
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
