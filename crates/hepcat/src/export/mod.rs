//! Messages of the store as files: for Wireshark, for people, for programs.
//!
//! ```text
//!                      ┌ pcapng: carriage ─ framing ─ streams ─ packets ─ blocks
//! messages ─ in order ─┼ text:   a head line, then what was captured
//!                      └ json:   one object a line
//! ```
//!
//! Pure: messages in, octets out. No form leaves a message out: what cannot stand as the packet that it was stands as
//! the HEP frame that we received, and the [`Report`] says how many and why. What is promised of each form is in
//! `docs/export.md`.

mod order;
mod pcapng;
mod report;
mod text;

use std::io::{self, Write};

use crate::{
    agents::ClockBounds,
    render::{Contents, json_line},
    search::StoredMessage,
};

use order::in_order;

pub use report::Report;

/// What kind of file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Packets for Wireshark and its kin.
    Pcapng,
    /// Text for people.
    Text,
    /// A JSON object for each message, one a line.
    Json,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pcapng, Self::Text, Self::Json];

    /// The name in commands and addresses: `pcapng`, `text`, `json`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcapng => "pcapng",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// The format with this name, or whose files end so: `jsonl` is `json`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.name() == name || format.extension() == name)
    }

    /// How files of it end, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Pcapng => "pcapng",
            Self::Text => "txt",
            Self::Json => "jsonl",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pcapng => "application/x-pcapng",
            Self::Text => "text/plain; charset=utf-8",
            Self::Json => "application/x-ndjson",
        }
    }
}

/// Writes `messages` to `to`, by their time: the sent one where `clock` believes it, else that of arrival; by id where
/// times are equal. Each block or line is one small write: give it a buffer.
///
/// # Errors
/// Those of the writer.
pub fn write<'a>(
    messages: impl IntoIterator<Item = &'a StoredMessage>,
    format: Format,
    clock: ClockBounds,
    to: &mut impl Write,
) -> io::Result<Report> {
    let shown = Shown {
        clock,
        contents: Contents::ALL,
        left_out: None,
    };
    write_part(messages, format, &shown, to)
}

/// What is shown of messages in a file.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Which times are believed.
    pub clock: ClockBounds,
    /// The larger parts of each message, where a file is JSON.
    pub contents: Contents,
    /// Why these are not all messages that were asked for.
    pub left_out: Option<&'a str>,
}

/// The same of messages that may not be all that were asked for: the file says why. In the head of a pcapng file, in
/// the first line of text, in the last object of JSON.
///
/// # Errors
/// Those of the writer.
pub fn write_part<'a>(
    messages: impl IntoIterator<Item = &'a StoredMessage>,
    format: Format,
    shown: &Shown<'_>,
    to: &mut impl Write,
) -> io::Result<Report> {
    let Shown {
        clock,
        contents,
        left_out,
    } = *shown;
    let messages = in_order(messages, clock);
    let mut report = Report {
        messages: messages.len() as u64,
        ..Report::default()
    };
    match format {
        Format::Pcapng => pcapng::write(&messages, left_out, to, &mut report)?,
        Format::Text => {
            if let Some(why) = left_out {
                writeln!(to, "# older messages are left out: {why}\n")?;
            }
            for timed in &messages {
                text::write(timed, to)?;
            }
        }
        Format::Json => {
            for timed in &messages {
                json_line(&timed.message.json(clock, contents), to)?;
            }
            if let Some(why) = left_out {
                json_line(&serde_json::json!({ "left_out": why }), to)?;
            }
        }
    }
    Ok(report)
}
