//! Agents: what was decided about their addresses, and what is remembered of those who sent.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, Row};

use crate::{
    agents::{AgentRecord, Decision},
    pipeline::agents::{AgentKey, MAX_AGENTS},
};

/// Times are microseconds since 1970; a capture agent ID of -1 stands for none.
pub(super) const TABLES: &str = "
CREATE TABLE agent_decisions (
    address    TEXT    PRIMARY KEY,
    decision   TEXT    NOT NULL CHECK (decision IN ('accepted', 'refused')),
    decided_at INTEGER NOT NULL
) STRICT;
CREATE TABLE agents (
    address    TEXT    NOT NULL,
    capture_id INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    listener   TEXT    NOT NULL,
    transport  TEXT    NOT NULL,
    versions   INTEGER NOT NULL,
    node_names TEXT    NOT NULL,
    subject    TEXT,
    frames     INTEGER NOT NULL,
    octets     INTEGER NOT NULL,
    PRIMARY KEY (address, capture_id)
) STRICT;
CREATE INDEX agents_by_last_seen ON agents (last_seen);";

/// Everything that was decided, in the order of the addresses' text. A row that says nothing to us is left out.
///
/// # Errors
/// When the file cannot be read.
pub fn decisions(connection: &Connection) -> rusqlite::Result<Vec<(IpAddr, Decision)>> {
    let mut statement =
        connection.prepare("SELECT address, decision FROM agent_decisions ORDER BY address")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut decisions = Vec::new();
    for row in rows {
        let (address, decision) = row?;
        decisions.extend(address.parse().ok().zip(Decision::from_label(&decision)));
    }
    Ok(decisions)
}

/// Keeps a decision about an address, or forgets it.
///
/// # Errors
/// When the file cannot be written.
pub fn decide(
    connection: &Connection,
    address: IpAddr,
    decision: Option<Decision>,
    now: SystemTime,
) -> rusqlite::Result<()> {
    let address = address.to_string();
    match decision {
        Some(decision) => connection.execute(
            "INSERT OR REPLACE INTO agent_decisions (address, decision, decided_at) VALUES (?1, ?2, ?3)",
            (address, decision.label(), micros(now)),
        ),
        None => connection.execute("DELETE FROM agent_decisions WHERE address = ?1", [address]),
    }
    .map(drop)
}

/// What is remembered of agents, those heard last first. A row that says nothing to us is left out.
///
/// # Errors
/// When the file cannot be read.
pub fn read_all(connection: &Connection) -> rusqlite::Result<Vec<AgentRecord>> {
    let mut statement = connection.prepare(
        "SELECT address, capture_id, first_seen, last_seen, listener, transport, versions, node_names,
                subject, frames, octets
         FROM agents ORDER BY last_seen DESC",
    )?;
    let rows = statement.query_map([], record)?;
    let mut records = Vec::new();
    for row in rows {
        records.extend(row?);
    }
    Ok(records)
}

/// Remembers agents, and forgets those that were heard longest ago where there are more than can be told apart.
///
/// # Errors
/// When the file cannot be written.
pub fn write(connection: &mut Connection, records: &[AgentRecord]) -> rusqlite::Result<()> {
    let change = connection.transaction()?;
    {
        let mut insert = change.prepare(
            "INSERT OR REPLACE INTO agents (address, capture_id, first_seen, last_seen, listener,
                 transport, versions, node_names, subject, frames, octets)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?;
        for record in records {
            insert.execute((
                record.key.address.to_string(),
                record.key.capture_id.map_or(-1, i64::from),
                micros(record.first_seen),
                micros(record.last_seen),
                &record.listener,
                &record.transport,
                record.versions,
                serde_json::to_string(&record.node_names).unwrap_or_default(),
                &record.subject,
                record.frames.cast_signed(),
                record.octets.cast_signed(),
            ))?;
        }
    }
    change.execute(
        "DELETE FROM agents WHERE rowid IN
             (SELECT rowid FROM agents ORDER BY last_seen DESC LIMIT -1 OFFSET ?1)",
        [i64::try_from(MAX_AGENTS).unwrap_or(i64::MAX)],
    )?;
    change.commit()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Option<AgentRecord>> {
    let address: String = row.get(0)?;
    let Ok(address) = address.parse() else {
        return Ok(None);
    };
    let names: String = row.get(7)?;
    Ok(Some(AgentRecord {
        key: AgentKey {
            address,
            capture_id: u32::try_from(row.get::<_, i64>(1)?).ok(),
        },
        first_seen: time(row.get(2)?),
        last_seen: time(row.get(3)?),
        listener: row.get(4)?,
        transport: row.get(5)?,
        versions: row.get(6)?,
        node_names: serde_json::from_str(&names).unwrap_or_default(),
        subject: row.get(8)?,
        frames: row.get::<_, i64>(9)?.cast_unsigned(),
        octets: row.get::<_, i64>(10)?.cast_unsigned(),
    }))
}

pub(super) fn micros(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn time(micros: i64) -> SystemTime {
    let since_1970 = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    UNIX_EPOCH.checked_add(since_1970).unwrap_or(UNIX_EPOCH)
}
