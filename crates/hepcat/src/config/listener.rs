//! The `[[listener]]` tables.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use bytesize::ByteSize;
use hepcat_net::Transport;

use super::{
    Admission, Agents, Fault, Hep, Marked, Socket, certificates, hep_id,
    reader::{Bare, Table},
};
use crate::agents::Limits;

/// One socket that agents send to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Listener {
    /// What metrics, routes and reports call it; the socket's text where none is given.
    pub name: Marked<String>,
    /// Transport, host and port.
    pub socket: Marked<Socket>,
    /// Certificates; set exactly for TLS.
    pub tls: Option<ListenerTls>,
    /// Limits of the connections of a stream listener.
    pub stream: StreamLimits,
    /// Receive buffer asked of the kernel for each UDP socket.
    pub receive_buffer: ByteSize,
    /// UDP sockets that share the port (`SO_REUSEPORT`); `None` is the library's choice: one for each core that
    /// the process may use, at most 4.
    pub sockets: Option<NonZeroUsize>,
    /// Keeps `[::]` from taking IPv4 as well: another listener has `0.0.0.0` on the same port.
    pub v6_only: bool,
    /// What a stream listener does with octets that are no HEP.
    pub on_garbage: OnGarbage,
    /// Whether capture agent IDs that were byte-swapped into the high half are put right.
    pub capture_id_fix: CaptureIdFix,
    /// What it asks of agents.
    pub admission: Admission,
}

/// Limits of a stream listener.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StreamLimits {
    /// Connections at once.
    pub max_connections: usize,
    /// Connections at once from one address.
    pub max_connections_per_peer: usize,
    /// Time from the first octet of a message to its last.
    pub message_timeout: Duration,
    /// Time without a complete message after which a connection is closed.
    pub idle_timeout: Duration,
    /// Time for the TLS handshake.
    pub handshake_timeout: Duration,
    /// Frames in a row that do not decode and close a connection; `None` never. `bad_frames` of `[agents]`.
    pub bad_frames: Option<NonZeroU32>,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            // OpenSIPS's tcp_max_connections.
            max_connections: 2048,
            // A proxy opens one per worker; hundreds from one address are a mistake or an attack.
            max_connections_per_peer: 256,
            // OpenSIPS's tcp_max_msg_time.
            message_timeout: Duration::from_secs(4),
            // Far above OpenSIPS's 120 s: what an agent writes while we close is lost, and a quiet agent is no fault.
            idle_timeout: Duration::from_secs(3600),
            // OpenSIPS has 100 ms fixed, too short for a full handshake over a long line.
            handshake_timeout: Duration::from_secs(5),
            bad_frames: Limits::default().bad_frames,
        }
    }
}

/// Certificates of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenerTls {
    /// Certificate chain in PEM.
    pub cert: Marked<PathBuf>,
    /// Private key of it in PEM.
    pub key: Marked<PathBuf>,
    /// Whether agents must show a certificate.
    pub client_auth: ClientAuth,
    /// Authorities in PEM that an agent's certificate must come from; set unless `client_auth` is off.
    pub ca: Option<Marked<PathBuf>>,
    /// Certificates for other server names.
    pub domains: Vec<TlsDomain>,
}

/// Certificate of one server name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsDomain {
    /// Server name that an agent asks for.
    pub name: Marked<String>,
    /// Certificate chain in PEM.
    pub cert: Marked<PathBuf>,
    /// Private key of it in PEM.
    pub key: Marked<PathBuf>,
}

/// Whether a TLS listener asks agents for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No.
    #[default]
    Off,
    /// Yes, but one without is welcome.
    Optional,
    /// Yes, and none is refused.
    Required,
}

/// What a stream listener does with octets that are no HEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnGarbage {
    /// Closes the connection: what follows cannot be trusted.
    #[default]
    Close,
    /// Looks for the next frame, counting what is skipped.
    Resync,
}

/// What to do about capture agent IDs that some senders swap into the high half of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaptureIdFix {
    /// The number as it came.
    #[default]
    Off,
    /// Shifted down when the low 16 bits are all zero.
    Auto,
    /// Always shifted down.
    High16,
}

/// What the kernel is asked for. A queued datagram of 629 octets (the mean of a SIP mix) is charged about 1.3 KiB,
/// so this holds the tenth of a second that the process may stand still at 120,000 a second.
const RECEIVE_BUFFER: ByteSize = ByteSize::mib(16);

impl Listener {
    /// A listener with nothing but its socket.
    pub(super) fn plain(socket: Marked<Socket>) -> Self {
        Self {
            name: socket.clone().map(|socket| socket.to_string()),
            socket,
            tls: None,
            stream: StreamLimits::default(),
            receive_buffer: RECEIVE_BUFFER,
            sockets: None,
            v6_only: false,
            on_garbage: OnGarbage::default(),
            capture_id_fix: CaptureIdFix::default(),
            admission: Admission::default(),
        }
    }

    /// Whether a socket that serves the other can serve this one as it is: what is asked of agents is no
    /// matter of sockets.
    pub(crate) fn is_served_like(&self, other: &Self) -> bool {
        let same = Self {
            admission: other.admission.clone(),
            ..self.clone()
        };
        same == *other
    }

    pub(super) fn read(table: &Table<'_>, hep: &Hep, agents: &Agents) -> Option<Self> {
        let name = read_name(table);
        table.require("socket", "add socket = \"hep_udp:0.0.0.0:9060\"");
        let socket = table.text("socket").and_then(|text| {
            match Socket::parse_listener(&text, hep.hep_port) {
                Ok(socket) => Some(text.map(|_| socket)),
                Err(error) => {
                    let message = format!("`socket`: {}", error.message());
                    let fault = Fault::within(&text, error.span(), message, error.remedy());
                    table.reader().fault(fault);
                    None
                }
            }
        });
        let tls = table.table("tls", ListenerTls::read).flatten();
        let mut stream = StreamLimits::read(table);
        stream.bad_frames = agents.limits.bad_frames;
        let admission = Admission::read(table, &agents.admission);
        let receive_buffer = table.size("receive_buffer", ByteSize::kib(4)..=ByteSize::gib(1));
        let sockets = table.number::<usize>("sockets", 1..=64);
        let on_garbage = table.choice(
            "on_garbage",
            &[("close", OnGarbage::Close), ("resync", OnGarbage::Resync)],
        );
        let capture_id_fix = read_capture_id_fix(table);

        let socket = socket?;
        refuse_useless_keys(table, socket.transport);
        let plain = Self::plain(socket);
        Some(Self {
            name: name.unwrap_or(plain.name),
            tls,
            stream,
            receive_buffer: receive_buffer.map_or(plain.receive_buffer, Marked::into_inner),
            sockets: sockets.and_then(|sockets| NonZeroUsize::new(*sockets)),
            v6_only: false,
            on_garbage: on_garbage.map_or(plain.on_garbage, Marked::into_inner),
            capture_id_fix: capture_id_fix.unwrap_or(plain.capture_id_fix),
            admission,
            socket: plain.socket,
        })
    }
}

/// A name, if there is one and it is good.
pub(super) fn read_name(table: &Table<'_>) -> Option<Marked<String>> {
    let name = table.text("name")?;
    if let Err((message, remedy)) = hep_id::check_name(&name) {
        table.fault(&name, message, remedy);
        return None;
    }
    Some(name)
}

/// A key that the transport gives no meaning is a mistake about the transport.
fn refuse_useless_keys(table: &Table<'_>, transport: Transport) {
    const STREAM: [&str; 5] = [
        "max_connections",
        "max_connections_per_peer",
        "message_timeout",
        "idle_timeout",
        "on_garbage",
    ];
    let useless: Vec<_> = match transport {
        Transport::Udp => STREAM
            .into_iter()
            .chain(["handshake_timeout", "tls"])
            .collect(),
        Transport::Tcp => vec!["receive_buffer", "sockets", "handshake_timeout", "tls"],
        _ => vec!["receive_buffer", "sockets"],
    };
    for key in useless.into_iter().filter(|key| table.has(key)) {
        let message = format!("`{key}` means nothing for hep_{}", transport.name());
        let fault = Fault::at_mark(
            &table.key_mark(key),
            message,
            "remove it, or change the socket",
        );
        table.reader().fault(fault);
    }
    if transport == Transport::Tls {
        let remedy = "add tls = { cert = \"server.pem\", key = \"server.key\" }";
        table.require("tls", remedy);
    }
}

fn read_capture_id_fix(table: &Table<'_>) -> Option<CaptureIdFix> {
    const KEY: &str = "capture_id_fix";
    let choices = [
        ("off", CaptureIdFix::Off),
        ("auto", CaptureIdFix::Auto),
        ("high16", CaptureIdFix::High16),
    ];
    if table.is_boolean(KEY) {
        let auto = |on| {
            if on {
                CaptureIdFix::Auto
            } else {
                CaptureIdFix::Off
            }
        };
        return table.flag(KEY).map(|on| auto(*on));
    }
    table.choice(KEY, &choices).map(Marked::into_inner)
}

impl StreamLimits {
    fn read(table: &Table<'_>) -> Self {
        const SECOND: Duration = Duration::from_secs(1);
        const DAY: Duration = Duration::from_secs(86_400);
        const TICK: Duration = Duration::from_millis(10);
        const HOUR: Duration = Duration::from_secs(3600);
        let d = Self::default();
        Self {
            max_connections: table
                .number("max_connections", 1..=1_000_000)
                .map_or(d.max_connections, Marked::into_inner),
            max_connections_per_peer: table
                .number("max_connections_per_peer", 1..=1_000_000)
                .map_or(d.max_connections_per_peer, Marked::into_inner),
            message_timeout: table
                .duration("message_timeout", Bare::Refused, TICK..=HOUR)
                .map_or(d.message_timeout, Marked::into_inner),
            idle_timeout: table
                .duration("idle_timeout", Bare::Refused, SECOND..=DAY * 365)
                .map_or(d.idle_timeout, Marked::into_inner),
            handshake_timeout: table
                .duration("handshake_timeout", Bare::Refused, TICK..=HOUR)
                .map_or(d.handshake_timeout, Marked::into_inner),
            ..d
        }
    }
}

impl ListenerTls {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        let (cert, key) = read_pair(table);
        let client_auth = table.choice(
            "client_auth",
            &[
                ("off", ClientAuth::Off),
                ("optional", ClientAuth::Optional),
                ("required", ClientAuth::Required),
            ],
        );
        let ca = table.path("ca");
        let domains = table
            .tables("domains", TlsDomain::read)
            .into_iter()
            .flatten();
        let domains: Vec<_> = domains.collect();
        certificates::check_domains(table, domains.iter().map(|domain| &domain.name));
        let client_auth = match client_auth {
            Some(choice) if *choice != ClientAuth::Off && !table.has("ca") => {
                let remedy =
                    "add ca = \"…\", the authorities in PEM that sign your agents' certificates";
                table.fault(
                    &choice,
                    "agents' certificates cannot be verified without `ca`",
                    remedy,
                );
                *choice
            }
            Some(choice) => *choice,
            None => ClientAuth::default(),
        };
        if let Some(ca) = &ca
            && client_auth == ClientAuth::Off
        {
            let remedy = "add client_auth = \"required\" (or \"optional\"), or remove `ca`";
            table.fault(ca, "`ca` means nothing while `client_auth` is off", remedy);
        }
        if let Some(ca) = &ca {
            certificates::check_ca(table, ca);
        }
        Some(Self {
            cert: cert?,
            key: key?,
            client_auth,
            ca,
            domains,
        })
    }
}

impl TlsDomain {
    fn read(table: &Table<'_>) -> Option<Self> {
        table.require("name", "add the server name that agents ask for");
        let name = table.text("name");
        let (cert, key) = read_pair(table);
        Some(Self {
            name: name?,
            cert: cert?,
            key: key?,
        })
    }
}

/// `cert` and `key` of a server, both of which must be there.
fn read_pair(table: &Table<'_>) -> (Option<Marked<PathBuf>>, Option<Marked<PathBuf>>) {
    table.require("cert", "add the certificate chain in PEM");
    table.require("key", "add the private key of the certificate in PEM");
    let (cert, key) = (table.path("cert"), table.path("key"));
    certificates::check_pair(table, cert.as_ref(), key.as_ref());
    (cert, key)
}
