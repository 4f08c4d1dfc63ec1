//! A message as one line: when, where, who to whom, what, size.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use hepcat_sip::Kind;
use hepcat_wire::{DecodeError, Message, ProtocolType, TimeSource};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::{Receipt, arrival_of, escape, escape_str, json::first_line, timestamp};
use crate::pipeline::content;

/// Longest text taken from a payload that is no SIP, in characters.
const EXCERPT: usize = 60;
/// Longest of any other text of a sender.
const WORD: usize = 120;

/// Colours of a line.
#[derive(Debug, Clone, Copy, Default)]
pub struct Palette {
    dim: Style,
    request: Style,
    good: Style,
    redirected: Style,
    bad: Style,
}

impl Palette {
    /// No colours.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// For a terminal; print through `anstream`, which honours `NO_COLOR` and pipes.
    #[must_use]
    pub fn coloured() -> Self {
        Self {
            dim: Style::new().dimmed(),
            request: AnsiColor::Cyan.on_default().bold(),
            good: AnsiColor::Green.on_default(),
            redirected: AnsiColor::Yellow.on_default(),
            bad: AnsiColor::Red.on_default(),
        }
    }
}

/// What a line says. Every text in it is already harmless to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    time: Option<Timestamp>,
    /// The time is ours because the sender gave none.
    arrival: bool,
    listener: Option<String>,
    agent: Option<String>,
    source: String,
    destination: String,
    transport: String,
    what: What,
    call_id: Option<String>,
    from: Option<String>,
    to: Option<String>,
    /// Octets of payload, or of the frame where there is no message.
    size: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum What {
    Request(String),
    Response(u16, String),
    /// Name of the protocol and the start of the payload.
    Other(String, String),
    #[default]
    Nothing,
    Unparsable(String),
}

impl Summary {
    /// The summary of a message.
    #[must_use]
    pub fn of_message<B: AsRef<[u8]>>(message: &Message<B>, receipt: Option<&Receipt<'_>>) -> Self {
        let arrival = arrival_of(receipt);
        let time = message.time(arrival);
        let known = receipt.is_some() || time.source == TimeSource::Sent;
        let payload = content(message).unwrap_or_default();
        let endpoint = |ip: Option<_>, port: Option<u16>| endpoint(ip, port.map(u64::from));
        let mut summary = Self {
            time: known.then(|| timestamp(time.since_epoch)),
            arrival: known && time.source == TimeSource::Arrival,
            listener: receipt.map(|r| word_str(r.listener)),
            agent: receipt.map(|r| word_str(r.agent)),
            source: endpoint(
                message.src_ip().map(|ip| ip.to_string()),
                message.src_port(),
            ),
            destination: endpoint(
                message.dst_ip().map(|ip| ip.to_string()),
                message.dst_port(),
            ),
            transport: match message.ip_protocol() {
                Some(protocol) => protocol
                    .transport_name()
                    .map_or_else(|| format!("ip-{}", protocol.0), str::to_owned),
                None => "-".to_owned(),
            },
            size: message.payload().octets().map_or(0, <[u8]>::len),
            ..Self::default()
        };
        match hepcat_sip::scan(&payload) {
            Some(scan) => {
                summary.what = match scan.kind() {
                    Kind::Request => What::Request(word(scan.method().unwrap_or_default())),
                    Kind::Response => What::Response(
                        scan.status_code().unwrap_or(0),
                        word(scan.reason_phrase().unwrap_or_default()),
                    ),
                };
                summary.call_id = scan.call_id().map(word);
                let who = |n: &hepcat_sip::NameAddr<'_>| n.user().or_else(|| n.host()).map(word);
                summary.from = scan.from().as_ref().and_then(who);
                summary.to = scan.to().as_ref().and_then(who);
            }
            None => {
                summary.what = other(message.protocol_type(), &payload);
                summary.call_id = message.correlation_id().map(word);
            }
        }
        summary
    }

    /// The summary of a frame that is no message.
    #[must_use]
    pub fn of_fault(error: &DecodeError, frame: &[u8], receipt: Option<&Receipt<'_>>) -> Self {
        Self {
            time: receipt.map(|r| timestamp(r.arrival())),
            arrival: true,
            listener: receipt.map(|r| word_str(r.listener)),
            agent: receipt.map(|r| word_str(r.agent)),
            what: What::Unparsable(format!("{} at octet {}", error.reason(), error.offset())),
            size: frame.len(),
            ..Self::default()
        }
    }

    /// The summary of a message that comes as JSON, as [`json_message`](super::json_message) and
    /// [`json_fault`](super::json_fault) write it. Keys that are missing leave blanks.
    #[must_use]
    pub fn of_json(object: &Value) -> Self {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let number = |key: &str| object.get(key).and_then(Value::as_u64);
        let time = text("time").or_else(|| text("received_at"));
        let size = |key| usize::try_from(number(key).unwrap_or(0)).unwrap_or(usize::MAX);
        let mut summary = Self {
            time: time.and_then(|t| t.parse().ok()),
            arrival: text("time_source") != Some("sent"),
            listener: text("listener").map(word_str),
            agent: text("agent").map(word_str),
            ..Self::default()
        };
        if let Some(error) = object.get("error") {
            let reason = error.get("reason").and_then(Value::as_str);
            let offset = error.get("offset").and_then(Value::as_u64).unwrap_or(0);
            let reason = word_str(reason.unwrap_or("unknown"));
            summary.what = What::Unparsable(format!("{reason} at octet {offset}"));
            summary.size = size("length");
            return summary;
        }
        summary.source = endpoint(text("src_ip").map(word_str), number("src_port"));
        summary.destination = endpoint(text("dst_ip").map(word_str), number("dst_port"));
        summary.transport = match (text("transport"), number("ip_protocol")) {
            (Some(name), _) => word_str(name),
            (None, Some(protocol)) => format!("ip-{protocol}"),
            (None, None) => "-".to_owned(),
        };
        summary.size = size("payload_length");
        if let Some(sip) = object.get("sip") {
            summary.read_sip(sip);
        } else {
            let protocol = number("protocol_type").and_then(|n| u8::try_from(n).ok());
            let line = text("payload_first_line").unwrap_or_default();
            summary.what = other(protocol.map(ProtocolType), line.as_bytes());
            summary.call_id = text("correlation_id").map(word_str);
        }
        summary
    }

    fn read_sip(&mut self, sip: &Value) {
        let text = |key: &str| sip.get(key).and_then(Value::as_str).map(word_str);
        self.what = if sip.get("kind").and_then(Value::as_str) == Some("response") {
            let code = sip.get("status_code").and_then(Value::as_u64).unwrap_or(0);
            What::Response(
                u16::try_from(code).unwrap_or(0),
                text("reason_phrase").unwrap_or_default(),
            )
        } else {
            What::Request(text("method").unwrap_or_default())
        };
        self.call_id = text("call_id");
        let who = |key: &str| {
            let address = sip.get(key)?;
            let part = |name| address.get(name).and_then(Value::as_str);
            part("user").or_else(|| part("host")).map(word_str)
        };
        self.from = who("from");
        self.to = who("to");
    }

    /// The line, without a line end. Times are of this time zone, without the date.
    #[must_use]
    pub fn line(&self, palette: &Palette, zone: &TimeZone) -> String {
        let Palette { dim, .. } = *palette;
        let mut words = vec![format!("{dim}{}{dim:#}", self.clock(zone))];
        words.extend(self.listener.clone());
        words.extend(self.agent.clone());
        if !self.source.is_empty() || !self.destination.is_empty() {
            words.push(format!("{:>21} -> {:<21}", self.source, self.destination));
            words.push(format!("{:<4}", self.transport));
        }
        words.push(self.what(palette));
        words.extend(self.call_id.clone());
        match (&self.from, &self.to) {
            (None, None) => {}
            (from, to) => words.push(format!(
                "{} -> {}",
                from.as_deref().unwrap_or("-"),
                to.as_deref().unwrap_or("-")
            )),
        }
        words.push(format!("{dim}{} B{dim:#}", self.size));
        words.join("  ")
    }

    /// A time that is not the sender's own is marked.
    fn clock(&self, zone: &TimeZone) -> String {
        let Some(time) = self.time else {
            return "--:--:--.------ ".to_owned();
        };
        let clock = time
            .to_zoned(zone.clone())
            .strftime("%H:%M:%S%.6f")
            .to_string();
        let mark = if self.arrival { '~' } else { ' ' };
        format!("{clock}{mark}")
    }

    fn what(&self, palette: &Palette) -> String {
        let (style, text) = match &self.what {
            What::Request(method) => (palette.request, method.clone()),
            What::Response(code, reason) => {
                let style = match code {
                    100..=199 => palette.dim,
                    200..=299 => palette.good,
                    300..=399 => palette.redirected,
                    _ => palette.bad,
                };
                (style, format!("{code} {reason}"))
            }
            What::Other(protocol, excerpt) if excerpt.is_empty() => (palette.dim, protocol.clone()),
            What::Other(protocol, excerpt) => (palette.dim, format!("{protocol}: {excerpt}")),
            What::Nothing => (palette.dim, "no payload".to_owned()),
            What::Unparsable(reason) => (palette.bad, format!("unparsable: {reason}")),
        };
        format!("{style}{}{style:#}", text.trim_end())
    }
}

fn other(protocol: Option<ProtocolType>, payload: &[u8]) -> What {
    let name = match protocol {
        Some(protocol) => protocol
            .name()
            .map_or_else(|| format!("type-{}", protocol.0), str::to_owned),
        None if payload.is_empty() => return What::Nothing,
        None => "-".to_owned(),
    };
    What::Other(name, cut(escape(first_line(payload)), EXCERPT))
}

fn endpoint(ip: Option<String>, port: Option<u64>) -> String {
    let mut text = match ip {
        Some(ip) if ip.contains(':') => format!("[{ip}]"),
        Some(ip) => ip,
        None => "?".to_owned(),
    };
    if let Some(port) = port {
        write!(text, ":{port}").expect("writing to a String cannot fail");
    }
    text
}

fn word(octets: &[u8]) -> String {
    cut(escape(octets), WORD)
}

fn word_str(text: &str) -> String {
    cut(escape_str(text), WORD)
}

/// The start of a text, marked where there was more.
fn cut(text: String, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text,
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
