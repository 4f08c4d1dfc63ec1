//! Socket texts: `hep_udp:HOST[:PORT]`, as OpenSIPS writes them.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use hepcat_net::{Transport, destination::is_service};

/// Default port of a HEP destination (OpenSIPS's compiled constant, and what collectors listen on).
pub const DESTINATION_PORT: u16 = 9060;

/// A host as written: an address, or a name left to resolve.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IPv4 address, or an IPv6 address that was written in brackets.
    Ip(IpAddr),
    /// A host name; for a listener also the name of a network interface.
    Name(String),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// Transport, host and port. `Display` writes it the way it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Socket {
    /// How HEP travels.
    pub transport: Transport,
    /// Where to listen or to send.
    pub host: Host,
    /// Port; 0 lets the system choose, for listeners only.
    pub port: u16,
}

impl Socket {
    /// A socket from its parts.
    #[must_use]
    pub fn new(transport: Transport, host: Host, port: u16) -> Self {
        Self {
            transport,
            host,
            port,
        }
    }

    /// Reads where HEP is sent to; without a port it is [`DESTINATION_PORT`], and 0 is a fault.
    ///
    /// # Errors
    /// The first thing that is wrong and where it stands in `text`.
    pub fn parse_destination(text: &str) -> Result<Self, SocketError> {
        Self::parse(text, DESTINATION_PORT, 1)
    }

    /// Reads where to listen; without a port it is `default_port`.
    ///
    /// # Errors
    /// The first thing that is wrong and where it stands in `text`.
    pub fn parse_listener(text: &str, default_port: u16) -> Result<Self, SocketError> {
        Self::parse(text, default_port, 0)
    }

    fn parse(text: &str, default_port: u16, least_port: u16) -> Result<Self, SocketError> {
        const FORM: &str = "write hep_udp:HOST:PORT, hep_tcp:HOST:PORT or hep_tls:HOST:PORT";
        let all = 0..text.len();
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(SocketError::new(
                all,
                format!("`{text}` names no transport"),
                FORM,
            ));
        };
        let transport = match scheme.to_ascii_lowercase().as_str() {
            "hep_udp" => Transport::Udp,
            "hep_tcp" => Transport::Tcp,
            "hep_tls" => Transport::Tls,
            _ => {
                let message = format!("`{scheme}` is no HEP transport");
                return Err(SocketError::new(0..scheme.len(), message, FORM));
            }
        };
        let (host, port) =
            parse_address(rest, least_port).map_err(|e| e.after(scheme.len() + 1))?;
        Ok(Self::new(transport, host, port.unwrap_or(default_port)))
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hep_{}:{}:{}",
            self.transport.name(),
            self.host,
            self.port
        )
    }
}

/// What is wrong with a socket text or a `hep_id`, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketError {
    span: Range<usize>,
    message: String,
    remedy: String,
}

impl SocketError {
    pub(super) fn new(
        span: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            span,
            message: message.into(),
            remedy: remedy.into(),
        }
    }

    /// The same error in a text that has `octets` more in front.
    pub(super) fn after(mut self, octets: usize) -> Self {
        self.span = self.span.start + octets..self.span.end + octets;
        self
    }

    /// The octets of the text that are at fault.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to write instead.
    #[must_use]
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (at character {}): {}",
            self.message,
            self.span.start + 1,
            self.remedy
        )
    }
}

impl std::error::Error for SocketError {}

/// Reads `HOST[:PORT]`; the port is `None` where it is not written.
pub(super) fn parse_address(
    text: &str,
    least_port: u16,
) -> Result<(Host, Option<u16>), SocketError> {
    if text.starts_with('[') {
        return parse_bracketed(text, least_port);
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Err(SocketError::new(
            0..text.len(),
            format!("the IPv6 address `{text}` stands without brackets"),
            format!("write [{text}], with :PORT after the bracket if you need one"),
        ));
    }
    let (host_text, port_text) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let host = parse_host(host_text)?;
    if let (Host::Name(name), Some(_)) = (&host, port_text)
        && is_service(name)
    {
        return Err(SocketError::new(
            host_text.len()..text.len(),
            format!("`{name}` is a service, and its SRV records say the port"),
            "remove the port, or name a host",
        ));
    }
    let port = port_text
        .map(|port| parse_port(port, least_port).map_err(|e| e.after(host_text.len() + 1)))
        .transpose()?;
    Ok((host, port))
}

fn parse_bracketed(text: &str, least_port: u16) -> Result<(Host, Option<u16>), SocketError> {
    const FORM: &str = "write [ADDRESS]:PORT, such as [2001:db8::1]:9060";
    let inner = text.strip_prefix('[').unwrap_or(text);
    let Some((address, rest)) = inner.split_once(']') else {
        return Err(SocketError::new(
            0..text.len(),
            "the bracket `[` is not closed",
            FORM,
        ));
    };
    let Ok(ip) = address.parse::<Ipv6Addr>() else {
        let message = format!("`{address}` is no IPv6 address");
        return Err(SocketError::new(1..1 + address.len(), message, FORM));
    };
    let host = Host::Ip(IpAddr::V6(ip));
    if rest.is_empty() {
        return Ok((host, None));
    }
    let at = address.len() + 2;
    let Some(port) = rest.strip_prefix(':') else {
        let message = format!("`{rest}` after the bracket is no port");
        return Err(SocketError::new(at..text.len(), message, FORM));
    };
    let port = parse_port(port, least_port).map_err(|e| e.after(at + 1))?;
    Ok((host, Some(port)))
}

fn parse_host(text: &str) -> Result<Host, SocketError> {
    const FORM: &str = "write an IPv4 address, an IPv6 address in brackets, or a host name";
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    let all = 0..text.len();
    if text.is_empty() {
        return Err(SocketError::new(all, "the address is empty", FORM));
    }
    let stranger = |c: &char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    if let Some((at, c)) = text.char_indices().find(|(_, c)| stranger(c)) {
        let message = format!("{c:?} cannot stand in an address");
        return Err(SocketError::new(at..at + c.len_utf8(), message, FORM));
    }
    // RFC 1123 §2.1: the last label of a name is never all digits, so this was meant as an IPv4 address.
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) {
        let message = format!("`{text}` is neither an IPv4 address nor a host name");
        return Err(SocketError::new(all, message, FORM));
    }
    // RFC 1035 §2.3.4.
    if name.len() > 253
        || name
            .split('.')
            .any(|label| label.is_empty() || label.len() > 63)
    {
        let message = format!("`{text}` is not a host name");
        return Err(SocketError::new(all, message, FORM));
    }
    Ok(Host::Name(text.to_owned()))
}

fn parse_port(text: &str, least: u16) -> Result<u16, SocketError> {
    let remedy = format!("write a port from {} to 65535", least);
    let all = 0..text.len();
    if text.is_empty() {
        return Err(SocketError::new(
            all,
            "there is no port after the colon",
            remedy,
        ));
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(SocketError::new(
            all,
            format!("`{text}` is no port"),
            remedy,
        ));
    }
    match text.parse::<u16>() {
        Ok(port) if port >= least => Ok(port),
        _ => Err(SocketError::new(
            all,
            format!("port {text} is out of range"),
            remedy,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_read_and_written_alike() {
        for (text, shown) in [
            ("hep_udp:10.0.0.1:9060", "hep_udp:10.0.0.1:9060"),
            (
                "HEP_TLS:collector.example.net",
                "hep_tls:collector.example.net:5656",
            ),
            ("hep_tcp:[2001:db8::1]:1", "hep_tcp:[2001:db8::1]:1"),
            ("hep_tcp:[::]", "hep_tcp:[::]:5656"),
            ("hep_udp:eth0:0", "hep_udp:eth0:0"),
        ] {
            let socket = Socket::parse_listener(text, 5656).unwrap();
            assert_eq!(socket.to_string(), shown);
        }
    }

    #[test]
    fn each_fault_points_at_its_octets() {
        for (text, at, message) in [
            ("10.0.0.1", "10.0.0.1", "names no transport"),
            ("hep-udp:10.0.0.1", "hep-udp", "no HEP transport"),
            ("udp:10.0.0.1", "udp", "no HEP transport"),
            ("hep_udp:", "", "empty"),
            ("hep_udp::9060", "", "empty"),
            ("hep_udp:10.0.0.1:", "", "no port"),
            ("hep_udp:10.0.0.1:0", "0", "out of range"),
            ("hep_udp:10.0.0.1:65536", "65536", "out of range"),
            ("hep_udp:10.0.0.1:+90", "+90", "is no port"),
            ("hep_udp:10.0.0.1:9060/x", "9060/x", "is no port"),
            ("hep_udp:10.0.0.300:1", "10.0.0.300", "neither"),
            ("hep_udp:2001:db8::1", "2001:db8::1", "brackets"),
            ("hep_udp:[2001:db8::1", "[2001:db8::1", "not closed"),
            ("hep_udp:[2001:zz::1]:1", "2001:zz::1", "no IPv6"),
            ("hep_udp:[::1]9060", "9060", "after the bracket"),
            ("hep_udp:a b:1", " ", "cannot stand"),
            ("hep_udp:é.example:1", "é", "cannot stand"),
            ("hep_udp:a..b:1", "a..b", "not a host name"),
            ("hep_udp:_hep._udp.a.b:1", ":1", "is a service"),
        ] {
            let error = Socket::parse_destination(text).unwrap_err();
            assert_eq!(text.get(error.span()), Some(at), "{text}: {error}");
            assert!(error.message().contains(message), "{text}: {error}");
        }
    }
}
