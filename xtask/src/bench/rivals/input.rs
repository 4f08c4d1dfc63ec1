//! The messages, written once in the forms that the others read.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use hepcat_testkit::traffic::{SipMessage, Traffic};
use serde_json::{Value, json};

/// 2026-11-23 00:00:00 UTC: as the example `store_figures` has it, whose messages are these.
const BEGIN: i64 = 1_795_392_000_000_000;
const SEED: u64 = 1;
/// Rows of one COPY, each in a transaction of its own: what heplify-server does by default (`DBBulk`).
const BULK: usize = 400;

/// The tables of heplify-server that SIP goes to.
pub(super) const TABLES: [&str; 3] = [
    "hep_proto_1_call",
    "hep_proto_1_registration",
    "hep_proto_1_default",
];

/// Messages and what is asked about them.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) rows: u64,
    pub(super) rate: f64,
    /// One message a line, fields apart by tabulators: time, method, status, CSeq, Call-ID, users, host, tag, addresses,
    /// payload (escaped as COPY has it).
    pub(super) lines: PathBuf,
    /// A script for `psql` that copies them.
    pub(super) copy: PathBuf,
    pub(super) call_id: String,
    pub(super) user: String,
    pub(super) status: u16,
    pub(super) text: String,
}

impl Input {
    pub(super) fn make(place: &Path, rows: u64, rate: f64) -> Result<Self> {
        let mut input = Self {
            rows,
            rate,
            lines: place.join("messages.tsv"),
            copy: place.join("copy.sql"),
            call_id: String::new(),
            user: String::new(),
            status: 486,
            text: String::new(),
        };
        let mut lines = BufWriter::new(File::create(&input.lines)?);
        let mut copy = BufWriter::new(File::create(&input.copy)?);
        let mut bulks: [Vec<String>; 3] = Default::default();
        let messages = Traffic::new(rate, BEGIN, SEED).take(usize::try_from(rows)?);
        for (number, message) in (0..).zip(messages) {
            input.pick(number, &message);
            writeln!(lines, "{}", line(&message))?;
            let (bulk, table) = match message.cseq_method {
                "REGISTER" => (&mut bulks[1], TABLES[1]),
                "OPTIONS" => (&mut bulks[2], TABLES[2]),
                _ => (&mut bulks[0], TABLES[0]),
            };
            bulk.push(copy_line(&message));
            if bulk.len() == BULK {
                write_bulk(&mut copy, table, bulk)?;
            }
        }
        for (bulk, table) in bulks.iter_mut().zip(TABLES) {
            write_bulk(&mut copy, table, bulk)?;
        }
        lines.flush()?;
        copy.flush()?;
        (!input.call_id.is_empty() && !input.text.is_empty())
            .then_some(input)
            .context("too few messages to ask for something")
    }

    fn pick(&mut self, number: u64, message: &SipMessage) {
        let is_invite = message.method == Some("INVITE");
        if self.call_id.is_empty() && number >= self.rows / 2 && is_invite {
            self.call_id.clone_from(&message.call_id);
            self.user.clone_from(&message.from_user);
        }
        if self.text.is_empty() && number >= self.rows / 10 * 9 && is_invite {
            self.text = format!("ftag={}", message.from_tag);
        }
    }

    /// What is asked, by the names of the questions.
    pub(super) fn questions(&self) -> Value {
        json!({
            "call_id": self.call_id,
            "user": self.user,
            "status": self.status,
            "newest": 200,
            "text": self.text,
        })
    }
}

fn line(message: &SipMessage) -> String {
    let fields = [
        message.at.to_string(),
        message.method.unwrap_or_default().to_owned(),
        message.status.map_or_else(String::new, |s| s.to_string()),
        message.cseq.to_string(),
        message.cseq_method.to_owned(),
        message.call_id.clone(),
        message.from_user.clone(),
        message.to_user.clone(),
        message.host.clone(),
        message.from_tag.clone(),
        message.to_tag.clone().unwrap_or_default(),
        message.branch.clone(),
        message.user_agent.to_owned(),
        message.source.0.clone(),
        message.source.1.to_string(),
        message.destination.0.clone(),
        message.destination.1.to_string(),
        escaped(&String::from_utf8_lossy(&message.payload)),
    ];
    fields.join("\t")
}

/// A row of heplify-server's tables: sid, create_date, protocol_header, data_header, raw. The keys are those that it
/// writes; what a message does not have is an empty text there too.
fn copy_line(message: &SipMessage) -> String {
    let (seconds, micros) = (
        message.at.div_euclid(1_000_000),
        message.at.rem_euclid(1_000_000),
    );
    let protocol = json!({
        "protocolFamily": 2,
        "protocol": 17,
        "srcIp": message.source.0,
        "dstIp": message.destination.0,
        "srcPort": message.source.1,
        "dstPort": message.destination.1,
        "timeSeconds": seconds,
        "timeUseconds": micros,
        "payloadType": 1,
        "captureId": "sbc-paris-1",
    });
    let (ruri_user, ruri_domain) = match message.method {
        Some(_) => (message.to_user.as_str(), message.host.as_str()),
        None => ("", ""),
    };
    // Of a response it is the status code.
    let method = message.method.map(str::to_owned);
    let method = method.or_else(|| Some(message.status?.to_string()));
    let data = json!({
        "ruri_domain": ruri_domain,
        "ruri_user": ruri_user,
        "from_user": message.from_user,
        "to_user": message.to_user,
        "pid_user": "",
        "auth_user": "",
        "callid": message.call_id,
        "method": method.unwrap_or_default(),
        "user_agent": message.user_agent,
    });
    let mut row = String::with_capacity(1_800);
    // Writing to a string does not fail.
    let _ok = write!(
        row,
        "{}\t{}\t{}\t{}\t{}",
        message.call_id,
        crate::bench::ask::rfc3339(message.at),
        escaped(&protocol.to_string()),
        escaped(&data.to_string()),
        escaped(&String::from_utf8_lossy(&message.payload)),
    );
    row
}

/// As COPY has it (PostgreSQL 15, COPY, text format).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

fn write_bulk(copy: &mut impl Write, table: &str, bulk: &mut Vec<String>) -> Result<()> {
    if bulk.is_empty() {
        return Ok(());
    }
    writeln!(
        copy,
        "BEGIN;\nCOPY {table} (sid, create_date, protocol_header, data_header, raw) FROM STDIN;"
    )?;
    for row in bulk.drain(..) {
        writeln!(copy, "{row}")?;
    }
    writeln!(copy, "\\.\nCOMMIT;")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_stays_on_its_line() {
        let message = Traffic::new(100.0, BEGIN, 1).next().expect("endless");
        for row in [line(&message), copy_line(&message)] {
            assert!(!row.contains(['\n', '\r']));
        }
        assert_eq!(line(&message).split('\t').count(), 18);
        assert_eq!(copy_line(&message).split('\t').count(), 5);
    }

    #[test]
    fn every_message_is_copied_once() {
        let place = tempfile::tempdir().expect("a directory");
        let input = Input::make(place.path(), 2_000, 100.0).expect("made");
        let copied = std::fs::read_to_string(&input.copy).expect("a file");
        let rows = copied
            .lines()
            .filter(|line| line.contains("protocolFamily"));
        assert_eq!(rows.count(), 2_000);
        assert_eq!(
            copied.matches("\nCOPY ").count(),
            copied.matches("COMMIT;").count()
        );
        assert!(!input.user.is_empty());
    }
}
