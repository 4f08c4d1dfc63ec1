//! The audit log: who signed in, who opened which call, who changed what.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::agents::micros;

/// Times are microseconds since 1970.
pub(super) const TABLE: &str = "
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    user    TEXT    NOT NULL,
    role    TEXT    NOT NULL,
    address TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL
) STRICT";

/// Octets of a text at most: what somebody types as a user's name is kept no longer.
const LONGEST_TEXT: usize = 512;
/// Entries are counted, and the oldest removed, with every so many.
const TIDIED_EVERY: i64 = 64;

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number, larger than that of every earlier one.
    pub id: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: a user's name, or what was typed as one; empty where nobody signed in.
    pub user: String,
    /// The role at that time; `link` for who came by a link, `open` where nobody has to sign in, `shell` for the
    /// command line, empty where nobody signed in.
    pub role: String,
    /// From where; empty for the command line.
    pub address: String,
    /// What.
    pub action: String,
    /// To what: the call, the user, the query.
    pub subject: String,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// What is older goes.
    pub max_age: Duration,
    /// Entries that are kept at most.
    pub max_entries: u64,
}

/// Writes an entry; what is too old, and what is too much, goes now and then.
///
/// # Errors
/// When the file cannot be written.
pub fn write(connection: &Connection, entry: &Entry, bounds: Bounds) -> rusqlite::Result<()> {
    connection
        .prepare(
            "INSERT INTO audit (at, user, role, address, action, subject) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            entry.at.as_microsecond(),
            shortened(&entry.user),
            &entry.role,
            &entry.address,
            &entry.action,
            shortened(&entry.subject),
        ))?;
    let last = connection.last_insert_rowid();
    if last % TIDIED_EVERY == 0 {
        tidy(connection, last, bounds)?;
    }
    Ok(())
}

fn tidy(connection: &Connection, last: i64, bounds: Bounds) -> rusqlite::Result<()> {
    let most = i64::try_from(bounds.max_entries).unwrap_or(i64::MAX);
    let oldest = SystemTime::now().checked_sub(bounds.max_age);
    connection
        .execute(
            "DELETE FROM audit WHERE id <= ?1 OR at < ?2",
            (last.saturating_sub(most), oldest.map_or(i64::MIN, micros)),
        )
        .map(drop)
}

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// Only those before the one with this number.
    pub before: Option<i64>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those in whose user, address, action or subject this stands, in upper or lower case (of ASCII).
    pub text: String,
}

/// Entries, the newest first.
///
/// # Errors
/// When the file cannot be read.
pub fn list(connection: &Connection, sought: &Sought, limit: u32) -> rusqlite::Result<Vec<Entry>> {
    // What stands between the fields can be in none of them.
    let mut statement = connection.prepare(
        "SELECT id, at, user, role, address, action, subject FROM audit
         WHERE id < ?1 AND (?2 IS NULL OR action = ?2)
         AND (?3 = '' OR instr(lower(user || char(10) || address || char(10) || action || char(10) || subject), lower(?3)) > 0)
         ORDER BY id DESC LIMIT ?4",
    )?;
    let before = sought.before.unwrap_or(i64::MAX);
    let rows = statement.query_map((before, &sought.action, &sought.text, limit), |row| {
        Ok(Entry {
            id: row.get(0)?,
            at: Timestamp::from_microsecond(row.get(1)?).unwrap_or_default(),
            user: row.get(2)?,
            role: row.get(3)?,
            address: row.get(4)?,
            action: row.get(5)?,
            subject: row.get(6)?,
        })
    })?;
    rows.collect()
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONGEST_TEXT))
        .unwrap_or(text)
}
