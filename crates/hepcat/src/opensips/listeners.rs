//! `socket = hep_udp:…` and its older name `listen`: sockets to listeners.

use hepcat_net::Transport;

use super::lexer::{Kind, Token};
use crate::config::{DESTINATION_PORT, Socket};

/// What one line declares.
#[derive(Debug)]
pub(super) struct Declared {
    /// One for each port.
    pub(super) sockets: Vec<Socket>,
    /// `tag NAME`.
    pub(super) tag: Option<String>,
    /// Suffixes that have no counterpart, and why.
    pub(super) notes: Vec<String>,
}

/// Listeners that one range of ports may make.
const MAX_RANGE: u16 = 64;

/// Reads a socket of HEP; `None` for any other. `default_port` is what `hep_port` says.
///
/// # Errors
/// Why there is no listener for it.
pub(super) fn read(tokens: &[Token], default_port: u16) -> Option<Result<Declared, String>> {
    let words = words(tokens);
    let (socket, suffixes) = words.split_first()?;
    let (scheme, address) = socket.split_once(':')?;
    let transport = match scheme.to_ascii_lowercase().as_str() {
        "hep_udp" => Transport::Udp,
        "hep_tcp" => Transport::Tcp,
        "hep_tls" => Transport::Tls,
        _ => return None,
    };
    let sockets = match read_address(transport, address, default_port) {
        Ok(sockets) => sockets,
        Err(why) => return Some(Err(why)),
    };
    let mut declared = Declared {
        sockets,
        tag: None,
        notes: Vec::new(),
    };
    read_suffixes(suffixes, &mut declared);
    Some(Ok(declared))
}

/// Tokens that touch each other are one word; strings that follow each other are one as well.
fn words(tokens: &[Token]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut end = None;
    let mut in_text = false;
    for token in tokens {
        let is_text = matches!(token.kind, Kind::Text(_));
        let text = match &token.kind {
            Kind::Word(text) | Kind::Text(text) => text.clone(),
            Kind::Variable(text) => format!("${text}"),
            Kind::Sign(sign) => (*sign).to_owned(),
            Kind::Other(c) => c.to_string(),
        };
        let joined = end == Some(token.span.octets.start) || (in_text && is_text);
        match words.last_mut() {
            Some(word) if joined => word.push_str(&text),
            _ => words.push(text),
        }
        end = Some(token.span.octets.end);
        in_text = is_text;
    }
    words
}

fn read_address(
    transport: Transport,
    address: &str,
    default_port: u16,
) -> Result<Vec<Socket>, String> {
    // The colon before a port stands behind the bracket of an IPv6 address.
    let after_bracket = address.rfind(']').map_or(0, |at| at + 1);
    let (head, tail) = address.split_at(after_bracket);
    let (host, ports) = match tail.split_once(':') {
        Some((host, ports)) => (format!("{head}{host}"), Some(ports)),
        None => (address.to_owned(), None),
    };
    let host = if host == "*" {
        "0.0.0.0".to_owned()
    } else {
        host
    };
    let (first, last) = match ports {
        None => (default_port, default_port),
        Some(ports) => {
            let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
            let port = |text: &str| {
                text.trim()
                    .parse::<u16>()
                    .map_err(|_| format!("`{text}` is no port"))
            };
            (port(first)?, port(last)?)
        }
    };
    if first > last {
        return Err(format!("the range {first}-{last} runs backwards"));
    }
    if last - first >= MAX_RANGE {
        return Err(format!(
            "{first}-{last} are more than {MAX_RANGE} listeners: write those that are used"
        ));
    }
    let socket = |port: u16| {
        // Port 0 is the default, too.
        let port = if port == 0 { default_port } else { port };
        let text = format!("hep_{}:{host}:{port}", transport.name());
        Socket::parse_listener(&text, DESTINATION_PORT).map_err(|error| error.message().to_owned())
    };
    (first..=last).map(socket).collect()
}

fn read_suffixes(words: &[String], declared: &mut Declared) {
    let mut words = words.iter().map(String::as_str);
    let mut note = |text: String| declared.notes.push(text);
    while let Some(word) = words.next() {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "as" => note(format!(
                "as {}: HEP does not say where it was received, so there is nothing to advertise",
                words.next().unwrap_or_default()
            )),
            "use_workers" | "use_children" => note(format!(
                "{lower} {}: nothing to set, a listener uses the cores that there are (`sockets` bounds that for UDP)",
                words.next().unwrap_or_default()
            )),
            "use_auto_scaling_profile" => note(format!(
                "{lower} {}: there are no processes to scale",
                words.next().unwrap_or_default()
            )),
            "tag" => declared.tag = words.next().map(str::to_owned),
            "tos" => note(format!(
                "tos {}: a listener sends nothing that could be marked",
                words.next().unwrap_or_default()
            )),
            "anycast"
            | "frag"
            | "reuse_port"
            | "allow_proxy_protocol"
            | "send_proxy_protocol"
            | "accept_subdomain_alias" => note(format!("{lower}: it has no counterpart")),
            _ => note(format!("{word}: not known, left out")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{
        super::{lexer, source::Sources},
        *,
    };

    fn declared(text: &str) -> Option<Result<Declared, String>> {
        let mut sources = Sources::default();
        let file = sources.add(Path::new("opensips.cfg"), text.to_owned());
        let tokens = lexer::tokens(&sources, file).unwrap();
        read(&tokens, 9060)
    }

    #[test]
    fn each_port_is_a_socket() {
        for (text, sockets) in [
            ("hep_udp:10.0.0.1", &["hep_udp:10.0.0.1:9060"][..]),
            ("HEP_TCP:10.0.0.1:0", &["hep_tcp:10.0.0.1:9060"]),
            ("hep_udp:*:6060", &["hep_udp:0.0.0.0:6060"]),
            ("\"hep_tls:\" \"[::1]\" ':9061'", &["hep_tls:[::1]:9061"]),
            ("hep_udp:[2001:db8::1]", &["hep_udp:[2001:db8::1]:9060"]),
            (
                "hep_udp:eth0:9080-9082 use_workers 4",
                &[
                    "hep_udp:eth0:9080",
                    "hep_udp:eth0:9081",
                    "hep_udp:eth0:9082",
                ],
            ),
        ] {
            let read = declared(text).unwrap().unwrap();
            let read: Vec<_> = read.sockets.iter().map(ToString::to_string).collect();
            assert_eq!(read, sockets, "{text}");
        }
        assert!(declared("udp:10.0.0.1:5060").is_none());
        assert!(declared("10.0.0.1").is_none());
    }

    #[test]
    fn suffixes_are_named_or_noted() {
        let read = declared("hep_udp:10.0.0.1 as 192.0.2.1:9060 use_workers 4 tag edge anycast xy");
        let read = read.unwrap().unwrap();
        assert_eq!(read.tag.as_deref(), Some("edge"));
        assert_eq!(read.notes.len(), 4, "{:?}", read.notes);
    }

    #[test]
    fn what_is_no_address_is_said() {
        for (text, why) in [
            ("hep_udp:10.0.0.1:99999", "no port"),
            ("hep_udp:10.0.0.1:", "no port"),
            ("hep_udp:10.0.0.1:9082-9080", "backwards"),
            ("hep_udp:10.0.0.1:1-65535", "more than 64"),
            ("hep_udp:", "empty"),
            ("hep_udp:[::1:9060", "no port"),
        ] {
            let error = declared(text).unwrap().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
