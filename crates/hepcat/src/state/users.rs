//! Users, and the key that their passes are signed with.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::agents::{micros, time};
use crate::access::{Hashed, NodeKey, Role, random};

/// Times are microseconds since 1970.
pub(super) const TABLES: &str = "
CREATE TABLE users (
    name       TEXT    PRIMARY KEY,
    role       TEXT    NOT NULL,
    password   TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE node_key (
    only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
    octets   BLOB    NOT NULL
) STRICT";

/// A user, without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The role; `None` where it is one of a later version: such a user may nothing.
    pub role: Option<Role>,
    /// Since when.
    pub created_at: SystemTime,
}

/// Whether there is anybody.
///
/// # Errors
/// When the file cannot be read.
pub fn exist(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare("SELECT EXISTS (SELECT 1 FROM users)")?
        .query_row([], |row| row.get(0))
}

/// Everybody, by name.
///
/// # Errors
/// When the file cannot be read.
pub fn all(connection: &Connection) -> rusqlite::Result<Vec<User>> {
    let mut statement =
        connection.prepare("SELECT name, role, created_at FROM users ORDER BY name")?;
    statement.query_map([], user)?.collect()
}

/// A user and the password.
///
/// # Errors
/// When the file cannot be read.
pub fn find(connection: &Connection, name: &str) -> rusqlite::Result<Option<(User, Hashed)>> {
    connection
        .query_row(
            "SELECT name, role, created_at, password FROM users WHERE name = ?1",
            [name],
            |row| Ok((user(row)?, Hashed::from_text(row.get(3)?))),
        )
        .optional()
}

/// Adds a user; whether the name was free.
///
/// # Errors
/// When the file cannot be written.
pub fn add(
    connection: &Connection,
    name: &str,
    role: Role,
    password: &Hashed,
    now: SystemTime,
) -> rusqlite::Result<bool> {
    let added = connection.execute(
        "INSERT OR IGNORE INTO users (name, role, password, created_at) VALUES (?1, ?2, ?3, ?4)",
        (name, role.name(), password.to_text(), micros(now)),
    )?;
    Ok(added == 1)
}

/// Removes a user and every pass of theirs; whether there was one.
///
/// # Errors
/// When the file cannot be written.
pub fn remove(connection: &mut Connection, name: &str) -> rusqlite::Result<bool> {
    let change = connection.transaction()?;
    change.execute("DELETE FROM passes WHERE user = ?1", [name])?;
    let removed = change.execute("DELETE FROM users WHERE name = ?1", [name])?;
    change.commit()?;
    Ok(removed == 1)
}

/// Gives another password and ends every session; whether there is such a user.
///
/// # Errors
/// When the file cannot be written.
pub fn set_password(
    connection: &mut Connection,
    name: &str,
    password: &Hashed,
) -> rusqlite::Result<bool> {
    let change = connection.transaction()?;
    change.execute(
        "DELETE FROM passes WHERE user = ?1 AND kind = 'session'",
        [name],
    )?;
    let changed = change.execute(
        "UPDATE users SET password = ?2 WHERE name = ?1",
        [name, password.to_text()],
    )?;
    change.commit()?;
    Ok(changed == 1)
}

/// Gives another role; whether there is such a user.
///
/// # Errors
/// When the file cannot be written.
pub fn set_role(connection: &Connection, name: &str, role: Role) -> rusqlite::Result<bool> {
    let changed = connection.execute(
        "UPDATE users SET role = ?2 WHERE name = ?1",
        [name, role.name()],
    )?;
    Ok(changed == 1)
}

/// The node's key, made when it is first asked for. Nothing where the system has no random octets.
///
/// # Errors
/// When the file cannot be read or written.
pub fn key(connection: &Connection) -> rusqlite::Result<Option<NodeKey>> {
    let read = || {
        connection
            .query_row("SELECT octets FROM node_key", [], |row| {
                row.get::<_, Vec<u8>>(0)
            })
            .optional()
    };
    if let Some(octets) = read()? {
        return Ok(Some(NodeKey::new(&octets)));
    }
    let Some(octets) = random::<32>() else {
        return Ok(None);
    };
    // Another process may have been first: its key holds.
    connection.execute(
        "INSERT OR IGNORE INTO node_key (only_one, octets) VALUES (1, ?1)",
        [&octets[..]],
    )?;
    Ok(read()?.map(|octets| NodeKey::new(&octets)))
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        name: row.get(0)?,
        role: row.get::<_, String>(1)?.parse().ok(),
        created_at: time(row.get(2)?),
    })
}
