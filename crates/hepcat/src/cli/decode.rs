//! `hepcat decode`: HEP explained chunk by chunk.

use std::{
    io::{self, BufWriter, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use hepcat_wire::Message;
use serde_json::{Map, Value, json};

use super::exit;
use crate::{
    capfile::{Carrier, Content, Input, Item, Seen},
    render::{self, Contents},
};

const AFTER_HELP: &str = "\
Reads HEP written as hexadecimal text (blank lines between frames), frames as they are on the wire, one or \
many, and HEP in pcap and pcapng; each may be gzipped. Ends with 1 if a frame did not decode.";

/// `hepcat decode`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DecodeArgs {
    /// What to read; `-` is standard input.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// One JSON object a line, one for each frame.
    #[arg(long)]
    json: bool,
}

/// Decodes everything and says what was wrong: 1 if a frame did not decode or the file broke off.
pub(crate) fn run(args: &DecodeArgs) -> ExitCode {
    let shown = args.file.display();
    let input = match Input::open(&args.file) {
        Ok(input) => input,
        Err(error) => return exit::failed(format_args!("cannot read {shown}: {error}")),
    };
    let mut decoding = Decoding {
        input,
        json: args.json,
        frames: 0,
        failed: 0,
        left_out: 0,
    };
    let mut to = BufWriter::new(io::stdout().lock());
    let written = decoding.write(&mut to).and_then(|()| to.flush());
    match written {
        Ok(()) => {}
        // Whoever reads us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(error) => return exit::failed(format_args!("cannot write: {error}")),
    }
    if let Some(fault) = decoding.input.fault() {
        return exit::failed(format_args!("{shown}: {fault}"));
    }
    decoding.note(&shown.to_string());
    if decoding.failed > 0 {
        return ExitCode::from(exit::FAILED);
    }
    ExitCode::SUCCESS
}

struct Decoding {
    input: Input,
    json: bool,
    frames: u64,
    failed: u64,
    /// Payloads that are no HEP.
    left_out: u64,
}

impl Decoding {
    fn write(&mut self, to: &mut impl Write) -> io::Result<()> {
        while let Some(item) = self.input.next() {
            if item.content != Content::Hep {
                self.left_out += 1;
                continue;
            }
            self.frames += 1;
            if self.json {
                self.write_json(&item, to)?;
            } else {
                self.write_text(&item, to)?;
            }
        }
        if self.json
            && let Some(fault) = self.input.fault()
        {
            let error = json!({
                "reason": fault.reason,
                "offset": fault.offset,
                "message": fault.what,
            });
            render::json_line(&json!({ "error": error }), to)?;
        }
        Ok(())
    }

    fn write_json(&mut self, item: &Item, to: &mut impl Write) -> io::Result<()> {
        let mut object = match Message::try_parse_lax(item.octets.as_slice()) {
            Ok(message) => render::json_message(&message, None, Contents::ALL),
            Err((error, frame)) => {
                self.failed += 1;
                render::json_fault(&error, frame, None)
            }
        };
        if let Value::Object(object) = &mut object {
            if item.gzipped {
                object.insert("whole_message_gzip".to_owned(), Value::from(true));
            }
            object.insert("frame".to_owned(), Value::from(self.frames));
            object.insert("found".to_owned(), found(item));
        }
        render::json_line(&object, to)
    }

    fn write_text(&mut self, item: &Item, to: &mut impl Write) -> io::Result<()> {
        if self.frames > 1 {
            writeln!(to)?;
        }
        write!(to, "frame {}{}: ", self.frames, place(item))?;
        let text = match Message::try_parse_lax(item.octets.as_slice()) {
            Ok(message) => render::explain_message(&message),
            Err((error, frame)) => {
                self.failed += 1;
                render::explain_fault(&error, frame)
            }
        };
        to.write_all(text.as_bytes())
    }

    /// What a reader of the output would otherwise not know, on standard error.
    fn note(&self, shown: &str) {
        let mut notes = Vec::new();
        if self.frames == 0 {
            notes.push("no HEP in it".to_owned());
        }
        if self.left_out > 0 {
            notes.push(format!("{} payloads that are no HEP", self.left_out));
        }
        let report = self.input.report();
        for (reason, count) in &report.skipped {
            notes.push(format!("{count} {reason}"));
        }
        for (what, count) in [
            (
                "datagrams without all of their fragments",
                report.fragments_evicted,
            ),
            ("TCP flows given up", report.flows_evicted),
            ("octets of TCP missing", report.tcp_gap_octets),
        ] {
            if count > 0 {
                notes.push(format!("{count} {what}"));
            }
        }
        if !notes.is_empty() {
            anstream::eprintln!("{shown}: {}", notes.join(", "));
        }
    }
}

/// Where the frame stood.
fn found(item: &Item) -> Value {
    let mut object = Map::new();
    if let Some(offset) = item.offset {
        object.insert("offset".to_owned(), Value::from(offset));
    }
    if let Some(seen) = &item.seen {
        object.insert("packet".to_owned(), Value::from(seen.packet));
        if let Some(time) = seen.time {
            object.insert("time".to_owned(), Value::from(render::rfc3339(time)));
        }
        let source = seen.source.to_string();
        object.insert("source".to_owned(), Value::from(source));
        let destination = seen.destination.to_string();
        object.insert("destination".to_owned(), Value::from(destination));
        object.insert("carrier".to_owned(), Value::from(carrier(seen)));
        if seen.cut {
            object.insert("cut".to_owned(), Value::from(true));
        }
    }
    Value::Object(object)
}

fn place(item: &Item) -> String {
    let gzipped = if item.gzipped { ", gzipped" } else { "" };
    match (&item.seen, item.offset) {
        (Some(seen), _) => {
            let cut = if seen.cut { ", cut by the capture" } else { "" };
            format!(
                " (packet {}, {} -> {}, {}{cut}{gzipped})",
                seen.packet,
                seen.source,
                seen.destination,
                carrier(seen)
            )
        }
        (None, offset) => format!(" (octet {}{gzipped})", offset.unwrap_or(0)),
    }
}

fn carrier(seen: &Seen) -> &'static str {
    match seen.carrier {
        Carrier::Udp => "udp",
        Carrier::Tcp => "tcp",
    }
}
