//! The `hep_id` text of OpenSIPS: `[name] host:port; transport=tcp; version=3`.
//!
//! Where the original accepts a text, so do we and with the same result, except where it silently threw a part
//! of the text away or changed it: a name or a value cut by a space, a second address, a transport that the
//! version cannot use, a port that does not fit. Those are errors here, each with its place in the text. More
//! than the original: IPv6 addresses in brackets, `uri=` for the address, white space of any amount.

use std::{fmt, ops::Range};

use hepcat_net::Transport;

use super::{
    Version,
    socket::{DESTINATION_PORT, Host, Socket, SocketError, parse_address},
};

/// A `hep_id`, read. `Display` writes it in full in the form it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HepId {
    /// What routes and `correlate` call it.
    pub name: String,
    /// Where it sends and how; the port is 9060 where none is written.
    pub socket: Socket,
    /// HEP version that it speaks; 3 where none is written.
    pub version: Version,
    /// Whether the version was written: one that was not is no wish to convert what comes in another.
    pub version_given: bool,
}

impl fmt::Display for HepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Socket {
            transport,
            host,
            port,
        } = &self.socket;
        write!(
            f,
            "[{}] {host}:{port}; transport={}",
            self.name,
            transport.name()
        )?;
        if self.version_given {
            write!(f, "; version={}", self.version.number())?;
        }
        Ok(())
    }
}

/// Longest name of a destination, in octets.
const MAX_NAME: usize = 128;

/// Reads one `hep_id`.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse(text: &str) -> Result<HepId, Vec<SocketError>> {
    let mut faults = Vec::new();
    let whole = Word::trimmed(text, 0..text.len());
    let Some((name, spec)) = split_name(whole, &mut faults) else {
        return Err(faults);
    };
    let spec = read_spec(spec, &mut faults);
    let transport = choose_transport(&spec, &mut faults);
    match (name, spec.address, transport) {
        (Some(name), Some((host, port)), Some(transport)) if faults.is_empty() => Ok(HepId {
            name: name.text.to_owned(),
            socket: Socket::new(transport, host, port.unwrap_or(DESTINATION_PORT)),
            version: spec
                .version
                .as_ref()
                .map_or(Version::V3, |(version, _)| *version),
            version_given: spec.version.is_some(),
        }),
        _ => {
            faults.sort_by_key(|fault| fault.span().start);
            Err(faults)
        }
    }
}

/// The name of a text that need not be good otherwise.
pub(super) fn name(text: &str) -> Option<&str> {
    let (name, _) = text.trim().strip_prefix('[')?.split_once(']')?;
    Some(name.trim())
}

/// Body of the fuzz target: any text is read or refused, refusals point into the text, and what was read is
/// read the same when it is written out.
///
/// # Panics
/// When one of that does not hold.
#[doc(hidden)]
pub fn fuzz(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    match parse(&text) {
        Ok(id) => assert_eq!(parse(&id.to_string()), Ok(id), "not read back"),
        Err(faults) => {
            assert!(!faults.is_empty(), "refused without a reason");
            for fault in faults {
                assert!(
                    text.get(fault.span()).is_some(),
                    "{fault:?} is not in the text"
                );
            }
        }
    }
}

/// A piece of the text and where it stands.
#[derive(Debug, Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Word<'a> {
    /// The octets `range` of `text` without the white space around them.
    fn trimmed(text: &'a str, range: Range<usize>) -> Self {
        let part = text.get(range.clone()).unwrap_or_default();
        let trimmed = part.trim_start();
        Self {
            text: trimmed.trim_end(),
            at: range.start + part.len() - trimmed.len(),
        }
    }

    /// A part of this word, without the white space around it.
    fn part(self, range: Range<usize>) -> Self {
        let part = Self::trimmed(self.text, range);
        Self {
            at: self.at + part.at,
            ..part
        }
    }

    fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        let after = at + separator.len_utf8();
        Some((self.part(0..at), self.part(after..self.text.len())))
    }

    fn fault(self, message: impl Into<String>, remedy: impl Into<String>) -> SocketError {
        SocketError::new(self.span(), message, remedy)
    }
}

const FORM: &str = "write [name] host:port; transport=tcp; version=3";

/// What follows the name, and the name where it is a good one.
fn split_name<'a>(
    whole: Word<'a>,
    faults: &mut Vec<SocketError>,
) -> Option<(Option<Word<'a>>, Word<'a>)> {
    if !whole.text.starts_with('[') {
        faults.push(whole.fault("it does not begin with a name in brackets", FORM));
        return None;
    }
    let Some(end) = whole.text.find(']') else {
        faults.push(whole.fault("the bracket of the name is not closed", FORM));
        return None;
    };
    let name = whole.part(1..end);
    let spec = whole.part(end + 1..whole.text.len());
    match check_name(name.text) {
        Ok(()) => Some((Some(name), spec)),
        Err((message, remedy)) => {
            // An empty name has no octets to point at: the brackets do.
            let span = if name.text.is_empty() {
                whole.at..whole.at + end + 1
            } else {
                name.span()
            };
            faults.push(SocketError::new(span, message, remedy));
            Some((None, spec))
        }
    }
}

/// Whether a text can name a destination or listener.
pub(crate) fn is_name(text: &str) -> bool {
    check_name(text).is_ok()
}

/// As [`is_name`], with what is wrong and what to do about it.
pub(super) fn check_name(name: &str) -> Result<(), (String, &'static str)> {
    const REMEDY: &str = "choose one word of letters, digits, `_`, `-` or `.`";
    if name.is_empty() {
        return Err(("the name is empty".to_owned(), REMEDY));
    }
    if name.contains(char::is_whitespace) {
        return Err((format!("the name `{name}` is cut by white space"), REMEDY));
    }
    if name
        .chars()
        .any(|c| c.is_control() || matches!(c, '[' | ']' | '"'))
    {
        return Err((
            "the name holds a character that no name can have".to_owned(),
            REMEDY,
        ));
    }
    if name.len() > MAX_NAME {
        let message = format!(
            "the name is {} octets long; {MAX_NAME} are allowed",
            name.len()
        );
        return Err((message, REMEDY));
    }
    Ok(())
}

/// What the part after the name says.
#[derive(Default)]
struct Spec<'a> {
    address: Option<(Host, Option<u16>)>,
    transport: Option<(Transport, Word<'a>)>,
    version: Option<(Version, Word<'a>)>,
}

fn read_spec<'a>(spec: Word<'a>, faults: &mut Vec<SocketError>) -> Spec<'a> {
    let mut read = Spec::default();
    let mut address_seen = false;
    let mut items: Vec<_> = split_items(spec);
    // One final semicolon is good manners.
    if items.len() > 1 && items.last().is_some_and(|item| item.text.is_empty()) {
        items.pop();
    }
    for (index, item) in items.into_iter().enumerate() {
        if item.text.is_empty() {
            faults.push(if index == 0 {
                item.fault("the address is missing", FORM)
            } else {
                item.fault(
                    "there is nothing between two semicolons",
                    "remove one of them",
                )
            });
            address_seen |= index == 0;
            continue;
        }
        let (key, value) = match item.split_once('=') {
            Some((key, value)) => (Some(key), value),
            None => (None, item),
        };
        match key.map(|key| key.text) {
            None if index > 0 => {
                let is_address = item.text.contains(['.', ':']);
                faults.push(explain_stray(item, is_address, address_seen));
                address_seen |= is_address;
            }
            None | Some("uri") if address_seen => faults.push(item.fault(
                "this is a second address",
                "a hep_id has one address: write another hep_id for this one",
            )),
            None | Some("uri") => {
                address_seen = true;
                read.address = read_address(value, faults);
            }
            Some("transport") => {
                let transport = read_transport(value, faults);
                read.transport = transport.map(|transport| (transport, value));
            }
            Some("version") => {
                let version = read_version(value, faults);
                read.version = version.map(|version| (version, value));
            }
            Some(unknown) => {
                // Without the semicolon after it, the address is taken for a part of the next key.
                address_seen |= index == 0 && unknown.contains(char::is_whitespace);
                faults.push(explain_key(key.unwrap_or(item)));
            }
        }
    }
    if !address_seen {
        faults.push(spec.fault("there is no address", FORM));
    }
    read
}

fn split_items(spec: Word<'_>) -> Vec<Word<'_>> {
    let mut start = 0;
    let ends = spec.text.match_indices(';').map(|(at, _)| at);
    ends.chain([spec.text.len()])
        .map(|end| {
            let item = spec.part(start..end);
            start = end + 1;
            item
        })
        .collect()
}

/// An item after the first that has no `=`.
fn explain_stray(item: Word<'_>, is_address: bool, address_seen: bool) -> SocketError {
    if matches!(item.text, "transport" | "version" | "uri") {
        let message = format!("`{}` has no value", item.text);
        return item.fault(message, format!("write {}=…, or remove it", item.text));
    }
    match (is_address, address_seen) {
        (true, true) => item.fault(
            "this is a second address",
            "a hep_id has one address: write another hep_id for this one",
        ),
        (true, false) => item.fault(
            "the address does not come first",
            format!("move it behind the name, or write uri={}", item.text),
        ),
        (false, _) => item.fault(
            format!("`{}` is no parameter of a hep_id", item.text),
            "write transport=udp|tcp|tls or version=1|2|3",
        ),
    }
}

fn explain_key(key: Word<'_>) -> SocketError {
    if key.text.contains(char::is_whitespace) {
        let message = format!("`{}` is two parameters in one", key.text);
        return key.fault(message, "write `;` between two parameters");
    }
    let known = ["transport", "version", "uri"];
    let lower = key.text.to_ascii_lowercase();
    let message = format!("`{}` is no parameter of a hep_id", key.text);
    match super::reader::closest(&lower, known.into_iter()) {
        Some(name) if name == lower => {
            key.fault(message, format!("write it in lower case: {name}"))
        }
        Some(name) => key.fault(message, format!("did you mean `{name}`?")),
        None => key.fault(message, "a hep_id knows transport, version and uri"),
    }
}

fn read_address(word: Word<'_>, faults: &mut Vec<SocketError>) -> Option<(Host, Option<u16>)> {
    let fault = if let Some(at) = word.text.find(',') {
        let second = word.part(at + 1..word.text.len());
        second.fault(
            "this is a second address",
            "a hep_id has one address: write another hep_id for this one",
        )
    } else if let Some(at) = word.text.find(char::is_whitespace) {
        let rest = word.part(at..word.text.len());
        rest.fault(
            format!("`{}` does not belong to the address before it", rest.text),
            "write host:port without white space, and `;` before what follows",
        )
    } else if word.text.contains('=') {
        word.fault(
            format!("`{}` is two parameters in one", word.text),
            "write `;` between two parameters",
        )
    } else {
        match parse_address(word.text, 1) {
            Ok(address) => return Some(address),
            Err(error) => explain_address(word, error),
        }
    };
    faults.push(fault);
    None
}

/// A better remedy for the forms that other programs use.
fn explain_address(word: Word<'_>, error: SocketError) -> SocketError {
    let scheme = word.text.split(':').next().unwrap_or_default();
    let lower = scheme.to_ascii_lowercase();
    let placed = error.after(word.at);
    let remedy = match lower.strip_prefix("hep_").unwrap_or(&lower) {
        "hep" => "write host:port without `hep:`".to_owned(),
        scheme @ ("udp" | "tcp" | "tls") => {
            format!("write host:port and then `; transport={scheme}`")
        }
        _ => match word.text.rsplit_once('/') {
            Some((address, scheme @ ("udp" | "tcp" | "tls"))) => {
                format!("write {address}; transport={scheme}")
            }
            _ => return placed,
        },
    };
    SocketError::new(placed.span(), placed.message(), remedy)
}

fn read_transport(word: Word<'_>, faults: &mut Vec<SocketError>) -> Option<Transport> {
    match word.text.to_ascii_lowercase().as_str() {
        "udp" => Some(Transport::Udp),
        "tcp" => Some(Transport::Tcp),
        "tls" => Some(Transport::Tls),
        _ => {
            faults.push(explain_value(word, "transport", "udp, tcp or tls"));
            None
        }
    }
}

fn read_version(word: Word<'_>, faults: &mut Vec<SocketError>) -> Option<Version> {
    let digits = !word.text.is_empty() && word.text.bytes().all(|b| b.is_ascii_digit());
    match word.text.trim_start_matches('0') {
        "1" if digits => Some(Version::V1),
        "2" if digits => Some(Version::V2),
        "3" if digits => Some(Version::V3),
        _ => {
            faults.push(explain_value(word, "version", "1, 2 or 3"));
            None
        }
    }
}

fn explain_value(word: Word<'_>, key: &str, values: &str) -> SocketError {
    let remedy = format!("write {key}= and one of {values}");
    if word.text.is_empty() {
        word.fault(format!("`{key}` has no value"), remedy)
    } else if word.text.contains('=') {
        let message = format!("`{}` is two parameters in one", word.text);
        word.fault(message, "write `;` between two parameters")
    } else {
        word.fault(format!("`{}` is no {key}", word.text), remedy)
    }
}

/// The transport that the version allows.
fn choose_transport(spec: &Spec<'_>, faults: &mut Vec<SocketError>) -> Option<Transport> {
    let version = spec
        .version
        .as_ref()
        .map_or(Version::V3, |(version, _)| *version);
    match (&spec.transport, version) {
        (None, Version::V1 | Version::V2) => Some(Transport::Udp),
        (None, _) => Some(Transport::Tcp),
        (
            Some((transport @ (Transport::Tcp | Transport::Tls), word)),
            Version::V1 | Version::V2,
        ) => {
            faults.push(word.fault(
                format!(
                    "version {} cannot go over {}: only version 3 can",
                    version.number(),
                    transport.name()
                ),
                "write transport=udp, or version=3",
            ));
            None
        }
        (Some((transport, _)), _) => Some(*transport),
    }
}

#[cfg(test)]
mod tests;
