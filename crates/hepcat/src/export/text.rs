//! Messages as text: a head line each, then what was captured, then an empty line.

use std::{
    borrow::Cow,
    io::{self, Write},
    net::IpAddr,
};

use bytes::Bytes;
use hepcat_net::Arrival;
use hepcat_wire::Message;

use super::order::Timed;
use crate::{
    pipeline::content,
    render::{escape, escape_str, rfc3339},
};

/// Writes one message.
pub(super) fn write(timed: &Timed<'_>, to: &mut impl Write) -> io::Result<()> {
    let (about, payload) = match &timed.message.arrival {
        Arrival::Message(envelope) => of_message(&envelope.message),
        Arrival::Unparsable(unparsable) => {
            let error = &unparsable.error;
            let about = format!("unparsable {} at octet {}", error.reason(), error.offset());
            (about, Cow::Borrowed(&*unparsable.frame))
        }
        _ => ("unknown".to_owned(), Cow::Borrowed(&[][..])),
    };
    let mark = if timed.is_sent { "" } else { "~" };
    let agent = timed.message.origin().map(|origin| origin.peer.ip());
    let agent = agent.map_or_else(|| "?".to_owned(), |ip| ip.to_string());
    let length = payload.len();
    writeln!(
        to,
        "{}{mark}  {about}  agent {agent}  listener {}  {length} octets",
        rfc3339(timed.at),
        escape_str(&timed.message.listener),
    )?;
    if timed.message.message().is_some() {
        lines(&payload, to)?;
    } else {
        // A frame has no lines.
        writeln!(to, "{}", escape(&payload))?;
    }
    to.write_all(b"\n")
}

fn of_message(message: &Message<Bytes>) -> (String, Cow<'_, [u8]>) {
    let transport = match message.ip_protocol() {
        Some(protocol) => protocol
            .transport_name()
            .map_or_else(|| format!("ip-{}", protocol.0), str::to_owned),
        None => "-".to_owned(),
    };
    let kind = match message.protocol_type() {
        Some(kind) => kind
            .name()
            .map_or_else(|| format!("type-{}", kind.0), str::to_owned),
        None => "-".to_owned(),
    };
    let about = format!(
        "{} -> {}  {transport}  {kind}",
        endpoint(message.src_ip(), message.src_port()),
        endpoint(message.dst_ip(), message.dst_port()),
    );
    // What does not inflate is shown as it came.
    let payload = content(message)
        .unwrap_or_else(|_| Cow::Borrowed(message.payload().octets().unwrap_or_default()));
    (about, payload)
}

fn endpoint(ip: Option<IpAddr>, port: Option<u16>) -> String {
    let ip = match ip {
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(ip) => ip.to_string(),
        None => "?".to_owned(),
    };
    port.map_or_else(|| ip.clone(), |port| format!("{ip}:{port}"))
}

/// Line ends stay, everything else that acts on a terminal is escaped; a last line without one gets one.
fn lines(payload: &[u8], to: &mut impl Write) -> io::Result<()> {
    for line in payload.split_inclusive(|&octet| octet == b'\n') {
        let (text, end): (_, &[u8]) = if let Some(text) = line.strip_suffix(b"\r\n") {
            (text, b"\r\n")
        } else {
            (line.strip_suffix(b"\n").unwrap_or(line), b"\n")
        };
        to.write_all(escape(text).as_bytes())?;
        to.write_all(end)?;
    }
    Ok(())
}
