//! Passes: sessions, tokens and links, each by the digest of its secret.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::agents::{micros, time};
use crate::access::{PassDigest, PassKind, Rights, Role};

/// Sessions, and links, of one user at most: the oldest goes when there are more.
const MOST_OF_A_USER: i64 = 100;

/// Times are microseconds since 1970. `rights` are words with commas between; `call` is the one that a link leads to.
pub(super) const TABLE: &str = "
CREATE TABLE passes (
    digest     BLOB    PRIMARY KEY,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    user       TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    rights     TEXT    NOT NULL,
    call       TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX passes_by_user ON passes (user, kind)";

/// A pass as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// Names it among all of a node; nothing can be opened with it.
    pub id: String,
    /// What it is for.
    pub kind: PassKind,
    /// Whose it is, or who made it.
    pub user: String,
    /// What it is called.
    pub name: String,
    /// The most that it lets in for.
    pub rights: Rights,
    /// The call that a link leads to.
    pub call: Option<String>,
    /// Since when.
    pub created_at: SystemTime,
    /// Until when.
    pub expires_at: SystemTime,
}

const COLUMNS: &str =
    "passes.id, kind, user, passes.name, rights, call, passes.created_at, expires_at";

/// Keeps a pass; those that have expired go.
///
/// # Errors
/// When the file cannot be written.
pub fn add(
    connection: &mut Connection,
    digest: &PassDigest,
    pass: &Pass,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let change = connection.transaction()?;
    change.execute("DELETE FROM passes WHERE expires_at <= ?1", [micros(now)])?;
    change.execute(
        "DELETE FROM passes WHERE kind = ?2 AND digest IN
             (SELECT digest FROM passes WHERE user = ?1 AND kind = ?2 ORDER BY created_at DESC LIMIT -1 OFFSET ?3)",
        (&pass.user, pass.kind.name(), MOST_OF_A_USER - 1),
    )?;
    change.execute(
        "INSERT INTO passes (digest, id, kind, user, name, rights, call, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            digest.as_bytes(),
            &pass.id,
            pass.kind.name(),
            &pass.user,
            &pass.name,
            pass.rights.to_text(),
            &pass.call,
            micros(pass.created_at),
            micros(pass.expires_at),
        ),
    )?;
    change.commit()
}

/// A pass that has not expired, and the role that its user has now; no role where there is no such user.
///
/// # Errors
/// When the file cannot be read.
pub fn find(
    connection: &Connection,
    digest: &PassDigest,
    now: SystemTime,
) -> rusqlite::Result<Option<(Pass, Option<Role>)>> {
    let statement = format!(
        "SELECT {COLUMNS}, users.role FROM passes LEFT JOIN users ON users.name = passes.user
         WHERE digest = ?1 AND expires_at > ?2"
    );
    connection
        .prepare(&statement)?
        .query_row((digest.as_bytes(), micros(now)), |row| {
            let role = row.get::<_, Option<String>>(8)?;
            Ok(pass(row)?.map(|pass| (pass, role.and_then(|role| role.parse().ok()))))
        })
        .optional()
        .map(Option::flatten)
}

/// Passes of a kind that have not expired, the newest first; of one user where one is named.
///
/// # Errors
/// When the file cannot be read.
pub fn list(
    connection: &Connection,
    kind: PassKind,
    user: Option<&str>,
    now: SystemTime,
) -> rusqlite::Result<Vec<Pass>> {
    let statement = format!(
        "SELECT {COLUMNS} FROM passes
         WHERE kind = ?1 AND expires_at > ?2 AND (?3 IS NULL OR user = ?3) ORDER BY created_at DESC"
    );
    let mut statement = connection.prepare(&statement)?;
    let rows = statement.query_map((kind.name(), micros(now), user), pass)?;
    let passes: rusqlite::Result<Vec<Option<Pass>>> = rows.collect();
    passes.map(|passes| passes.into_iter().flatten().collect())
}

/// Revokes the pass of this digest.
///
/// # Errors
/// When the file cannot be written.
pub fn revoke(connection: &Connection, digest: &PassDigest) -> rusqlite::Result<bool> {
    let gone = connection.execute("DELETE FROM passes WHERE digest = ?1", [digest.as_bytes()])?;
    Ok(gone > 0)
}

/// Revokes every session of a user; tells how many that were.
///
/// # Errors
/// When the file cannot be written.
pub fn revoke_sessions(connection: &Connection, user: &str) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM passes WHERE kind = ?1 AND user = ?2",
        (PassKind::Session.name(), user),
    )
}

/// Revokes what this id, or this name, stands for among passes of a kind; tells how many that were.
///
/// # Errors
/// When the file cannot be written.
pub fn revoke_named(
    connection: &Connection,
    kind: PassKind,
    user: Option<&str>,
    id: &str,
) -> rusqlite::Result<usize> {
    connection.execute(
        "DELETE FROM passes WHERE kind = ?1 AND (id = ?2 OR name = ?2) AND (?3 IS NULL OR user = ?3)",
        (kind.name(), id, user),
    )
}

fn pass(row: &Row<'_>) -> rusqlite::Result<Option<Pass>> {
    let Some(kind) = PassKind::from_name(&row.get::<_, String>(1)?) else {
        return Ok(None);
    };
    Ok(Some(Pass {
        id: row.get(0)?,
        kind,
        user: row.get(2)?,
        name: row.get(3)?,
        // Of a later version: a pass without rights.
        rights: Rights::from_text(&row.get::<_, String>(4)?).unwrap_or_default(),
        call: row.get(5)?,
        created_at: time(row.get(6)?),
        expires_at: time(row.get(7)?),
    }))
}
