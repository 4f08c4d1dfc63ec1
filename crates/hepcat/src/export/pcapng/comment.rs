//! What is known of a packet and has no place in it.

use crate::{
    export::order::Timed,
    render::{escape, escape_str, rfc3339},
};

use super::carriage::Parcel;

/// Longest text of a sender, in characters.
const WORD: usize = 120;

/// The comment on piece `number` of `count` of a message: `key value` pairs, divided by `; `.
pub(super) fn of(
    timed: &Timed<'_>,
    parcel: &Parcel<'_>,
    (number, count): (usize, usize),
    is_cut: bool,
) -> String {
    let mut parts = Vec::new();
    let mut say = |key: &str, value: String| parts.push(format!("{key} {value}"));
    if let Some(origin) = timed.message.origin() {
        let transport = origin.transport.name();
        say("agent", format!("{} over {transport}", origin.peer));
    }
    say("listener", escape_str(&timed.message.listener));
    let message = timed.message.message();
    if let Some(id) = message.and_then(|m| m.capture_id()) {
        say("capture id", id.to_string());
    }
    if let Some(name) = message.and_then(|m| m.node_name()) {
        say("node", word(name));
    }
    say("received", rfc3339(timed.received));
    if let Some((claimed, fault)) = timed.claimed {
        let fault = fault.label();
        say(
            "claimed",
            format!("{} ({fault}, not believed)", rfc3339(claimed)),
        );
    } else if !timed.is_sent {
        say("time", "of arrival".to_owned());
    }
    if let Some(protocol) = message.and_then(|m| m.ip_protocol())
        && parcel.as_hep.is_none()
        && let Some(name @ ("tls" | "ws")) = protocol.transport_name()
    {
        say("captured from", name.to_owned());
    }
    if let Some(id) = message.and_then(|m| m.correlation_id()) {
        say("correlation", word(id));
    }
    if let Some(vlan) = message.and_then(|m| m.vlan_id()) {
        say("vlan", vlan.to_string());
    }
    say("id", timed.message.id.to_string());
    if let Some(reason) = parcel.as_hep {
        say("HEP frame", format!("({reason})"));
    }
    if count > 1 {
        say("piece", format!("{number} of {count}"));
    }
    if is_cut {
        say("end", "missing".to_owned());
    }
    parts.join("; ")
}

/// Text of a sender, harmless to show and short.
pub(super) fn word(octets: &[u8]) -> String {
    let text = escape(octets);
    match text.char_indices().nth(WORD) {
        None => text,
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
    }
}
