//! `hep_id` and URIs of SIP as OpenSIPS reads them, which is not always what they seem to say.

use hepcat_net::Transport;

use crate::config::{DESTINATION_PORT, HepId, Socket, Version, hep_id};

/// What a `hep_id` comes to, and what has to be said about it.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) id: HepId,
    pub(super) notes: Vec<String>,
}

/// Reads the text the way the module does; where the module refuses it, the way hepcat does.
///
/// # Errors
/// Why neither can.
pub(super) fn read(text: &str) -> Result<Read, String> {
    let refused = match read_original(text) {
        Ok(read) => return Ok(read),
        Err(refused) => refused,
    };
    match hep_id::parse(text) {
        Ok(id) => Ok(Read {
            id,
            notes: vec![format!(
                "OpenSIPS refuses this text ({refused}); here it means what it says"
            )],
        }),
        Err(_) => Err(refused),
    }
}

fn read_original(text: &str) -> Result<Read, String> {
    let mut notes = Vec::new();
    let inner = text.trim().strip_prefix('[');
    let inner = inner.ok_or("it does not begin with a name in brackets")?;
    let (name, spec) = inner
        .split_once(']')
        .ok_or("the bracket of the name is not closed")?;
    let name = name.trim_start();
    let (name, cut) = name.split_once(' ').unwrap_or((name, ""));
    if !cut.trim().is_empty() {
        notes.push(format!(
            "OpenSIPS takes `{name}` for the name and leaves out the rest"
        ));
    }
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    let (mut transport, mut version) = (None, None);
    let mut items: Vec<_> = spec.split(';').collect();
    if items.len() > 1 && items.last().is_some_and(|item| item.trim().is_empty()) {
        items.pop();
    }
    let mut items = items.into_iter();
    let address = items.next().unwrap_or_default();
    if address.contains('=') {
        return Err("the address must come first".to_owned());
    }
    let (host, port) = read_address(address, &mut notes)?;
    for item in items {
        let (key, value) = item
            .split_once('=')
            .ok_or("an item between semicolons is empty or has no value")?;
        if value.contains('=') {
            return Err("there is more than one `=` in an item".to_owned());
        }
        let written = value.trim();
        let value = word(written, &mut notes);
        match key.trim() {
            "transport" => transport = Some(read_transport(value)?),
            "version" => version = Some(read_version(value)?),
            key => return Err(format!("`{key}` is no parameter of a hep_id")),
        }
    }
    let old = matches!(version, Some(Version::V1 | Version::V2));
    let transport = match transport {
        Some(Transport::Tcp | Transport::Tls) if old => {
            notes.push("OpenSIPS moves versions 1 and 2 to UDP".to_owned());
            Transport::Udp
        }
        Some(transport) => transport,
        None if old => Transport::Udp,
        None => Transport::Tcp,
    };
    let socket = socket(transport, host, port)?;
    let id = HepId {
        name: name.to_owned(),
        socket,
        version: version.unwrap_or(Version::V3),
        version_given: version.is_some(),
    };
    Ok(Read { id, notes })
}

/// A socket that hepcat takes.
fn socket(transport: Transport, host: &str, port: u16) -> Result<Socket, String> {
    let text = format!("hep_{}:{host}:{port}", transport.name());
    Socket::parse_destination(&text).map_err(|error| error.message().to_owned())
}

fn read_address<'a>(item: &'a str, notes: &mut Vec<String>) -> Result<(&'a str, u16), String> {
    let address = word(item.trim(), notes);
    if address.is_empty() {
        return Err("there is no address".to_owned());
    }
    let Some((host, port)) = address.split_once(':') else {
        return Ok((address, DESTINATION_PORT));
    };
    let digits = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    let number = port.parse::<u64>().ok().filter(|_| digits);
    let number = number.ok_or_else(|| format!("`{port}` is no port"))?;
    match u16::try_from(number) {
        Ok(0) => {
            notes.push("port 0 means the default".to_owned());
            Ok((host, DESTINATION_PORT))
        }
        Ok(port) => Ok((host, port)),
        Err(_) => Err(format!("port {port} is out of range")),
    }
}

/// The piece of a text that the module's parser keeps.
fn word<'a>(text: &'a str, notes: &mut Vec<String>) -> &'a str {
    let begins = |c: char| c.is_alphanumeric() || c == '$';
    let keeps = |c: char| c.is_alphanumeric() || "@()/:._-$".contains(c);
    let start = text.find(begins).unwrap_or(text.len());
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.find(|c| !keeps(c)).unwrap_or(rest.len());
    let kept = rest.get(..end).unwrap_or_default();
    if kept != text {
        notes.push(format!("of `{text}` OpenSIPS reads `{kept}`"));
    }
    kept
}

fn read_transport(value: &str) -> Result<Transport, String> {
    match value.to_ascii_lowercase().as_str() {
        "udp" => Ok(Transport::Udp),
        "tcp" => Ok(Transport::Tcp),
        "tls" => Ok(Transport::Tls),
        _ => Err(format!("`{value}` is no transport")),
    }
}

fn read_version(value: &str) -> Result<Version, String> {
    let digits = value.bytes().all(|octet| octet.is_ascii_digit());
    match value.trim_start_matches('0') {
        "1" if digits => Ok(Version::V1),
        "2" if digits => Ok(Version::V2),
        "3" if digits => Ok(Version::V3),
        _ => Err(format!("`{value}` is no version")),
    }
}

/// Where `hep_relay` sends for a next hop: HEP to the host of a SIP URI, port 5060 where none is written.
///
/// # Errors
/// Why that is nowhere.
pub(super) fn next_hop(uri: &str) -> Result<Socket, String> {
    const SIP_PORT: u16 = 5060;
    let (scheme, rest) = uri.trim().split_once(':').ok_or("it is no SIP URI")?;
    let default = match scheme.to_ascii_lowercase().as_str() {
        "sip" => Transport::Udp,
        "sips" => Transport::Tls,
        _ => return Err("it is no SIP URI".to_owned()),
    };
    let mut parts = rest.split(';');
    let address = parts.next().unwrap_or_default();
    let address = address.rsplit('@').next().unwrap_or_default();
    let transport = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case("transport")
            .then_some(value.trim())
    });
    let transport = transport.map_or(Ok(default), read_transport)?;
    let text = format!("hep_{}:{address}", transport.name());
    match Socket::parse_listener(&text, SIP_PORT) {
        Ok(socket) if socket.port != 0 => Ok(socket),
        Ok(_) => Err("its port is 0".to_owned()),
        Err(error) => Err(error.message().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_mean_what_the_module_makes_of_them() {
        for (text, id, notes) in [
            (
                "[h] 10.0.0.1:8001; transport=tcp; version=3",
                "[h] 10.0.0.1:8001; transport=tcp; version=3",
                0,
            ),
            ("[h]10.0.0.1", "[h] 10.0.0.1:9060; transport=tcp", 0),
            (
                "[h] 10.0.0.1:9060 ; version=3;",
                "[h] 10.0.0.1:9060; transport=tcp; version=3",
                0,
            ),
            (
                "[ h ] 10.0.0.1:0; transport=UDP",
                "[h] 10.0.0.1:9060; transport=udp",
                1,
            ),
            (
                "[h] 10.0.0.1; transport=tcp; transport=udp",
                "[h] 10.0.0.1:9060; transport=udp",
                0,
            ),
            (
                "[h] 10.0.0.1; version=2",
                "[h] 10.0.0.1:9060; transport=udp; version=2",
                0,
            ),
            (
                "[h] 10.0.0.1; version=1; transport=tls",
                "[h] 10.0.0.1:9060; transport=udp; version=1",
                1,
            ),
            ("[h x] 10.0.0.1 9060", "[h] 10.0.0.1:9060; transport=tcp", 2),
            (
                "[h] 10.0.0.1:9060,10.0.0.2:9060",
                "[h] 10.0.0.1:9060; transport=tcp",
                1,
            ),
            (
                "[h] [2001:db8::1]:9061",
                "[h] [2001:db8::1]:9061; transport=tcp",
                1,
            ),
            (
                "[h] version=3; uri=10.0.0.1",
                "[h] 10.0.0.1:9060; transport=tcp; version=3",
                1,
            ),
        ] {
            let read = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (read.id.to_string(), read.notes.len()),
                (id.to_owned(), notes),
                "{text}"
            );
        }
    }

    #[test]
    fn what_neither_reads_is_refused_with_the_reason() {
        for (text, reason) in [
            ("10.0.0.1", "brackets"),
            ("[h 10.0.0.1", "not closed"),
            ("[] 10.0.0.1", "empty"),
            ("[h]", "no address"),
            ("[h] 10.0.0.1:90600", "out of range"),
            ("[h] 10.0.0.1:90x", "no port"),
            ("[h] 10.0.0.1; Transport=tcp", "no parameter"),
            ("[h] 10.0.0.1; transport=tcp version=3", "more than one"),
            ("[h] 10.0.0.1; transport", "no value"),
            ("[h] 10.0.0.1;; transport=tcp", "empty"),
            ("[h] 10.0.0.1; version=4", "no version"),
            ("[h] 10.0.0.1; transport=ud p", "no transport"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn a_next_hop_has_the_port_of_sip() {
        for (uri, socket) in [
            ("sip:192.168.153.157", "hep_udp:192.168.153.157:5060"),
            ("sip:a@10.0.0.1:9060;transport=TCP", "hep_tcp:10.0.0.1:9060"),
            ("sips:[2001:db8::1]", "hep_tls:[2001:db8::1]:5060"),
        ] {
            assert_eq!(next_hop(uri).unwrap().to_string(), socket, "{uri}");
        }
        for uri in [
            "10.0.0.1",
            "tel:123",
            "sip:",
            "sip:10.0.0.1;transport=sctp",
            "sip:$si",
        ] {
            assert!(next_hop(uri).is_err(), "{uri}");
        }
    }
}
