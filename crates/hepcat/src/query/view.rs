//! Frames as subjects: what a query sees of a message, and of one that did not decode.

use std::{cell::OnceCell, net::SocketAddr, time::UNIX_EPOCH};

use hepcat_net::{Envelope, Origin, Transport, Unparsable};
use hepcat_sip::{Scan, Uri};
use hepcat_wire::{Payload, trim_nul};

use crate::agents::{ClockBounds, ClockFault};

use super::{
    field::{Field, UNPARSABLE},
    subject::{Subject, Value},
};

/// A message as queries see it. Made per message, on the stack; SIP is scanned when the first query needs it, once.
#[derive(Debug)]
pub struct MessageView<'a> {
    envelope: &'a Envelope,
    listener: &'a str,
    payload: Option<&'a [u8]>,
    sip: OnceCell<Option<Scan<'a>>>,
    clock: ClockBounds,
}

impl<'a> MessageView<'a> {
    /// The view of `envelope`, received by the listener of that name. A compressed payload cannot be looked into.
    #[must_use]
    pub fn new(envelope: &'a Envelope, listener: &'a str) -> Self {
        let payload = match envelope.message.payload() {
            Payload::Plain(octets) => Some(octets),
            _ => None,
        };
        Self {
            envelope,
            listener,
            payload,
            sip: OnceCell::new(),
            clock: ClockBounds::default(),
        }
    }

    /// The same with other bounds of what is believed of agents' clocks.
    #[must_use]
    pub fn with_clock(mut self, clock: ClockBounds) -> Self {
        self.clock = clock;
        self
    }

    fn clock_fault(&self) -> Option<ClockFault> {
        let received = self.envelope.received_at.duration_since(UNIX_EPOCH);
        let received = received.unwrap_or_default();
        self.clock.judge_message(&self.envelope.message, received)
    }

    /// The same with the payload that was compressed in the frame.
    #[must_use]
    pub fn with_payload(mut self, inflated: &'a [u8]) -> Self {
        self.payload = Some(inflated);
        self.sip = OnceCell::new();
        self
    }

    /// The same with the scan of its payload, where that has been made already.
    #[must_use]
    pub fn with_scan(mut self, scan: Option<Scan<'a>>) -> Self {
        self.sip = OnceCell::from(scan);
        self
    }

    /// The payload as it is looked at: not compressed. `None` where there is none, or it cannot be inflated.
    #[must_use]
    pub fn payload(&self) -> Option<&'a [u8]> {
        self.payload
    }

    /// The scan of the payload, made now if it was not before; `None` where the payload is not SIP.
    #[must_use]
    pub fn sip(&self) -> Option<&Scan<'a>> {
        // Whatever the protocol type says: relays rewrite it, and what is shown as SIP can be asked as SIP.
        self.sip
            .get_or_init(|| hepcat_sip::scan(self.payload?))
            .as_ref()
    }

    /// The message and where it came from.
    #[must_use]
    pub fn envelope(&self) -> &'a Envelope {
        self.envelope
    }

    fn any_user(&self, fits: Fits<'_>) -> bool {
        let Some(sip) = self.sip() else { return false };
        sip.from().is_some_and(|from| any_of_uri(from.uri(), fits))
            || sip.to().is_some_and(|to| any_of_uri(to.uri(), fits))
            || sip.request_uri().is_some_and(|uri| any_of_uri(uri, fits))
    }
}

type Fits<'f> = &'f mut dyn FnMut(Value<'_>) -> bool;

impl Subject for MessageView<'_> {
    fn any(&self, field: &Field, fits: Fits<'_>) -> bool {
        let message = &self.envelope.message;
        let text = |octets: Option<&[u8]>, fits: Fits<'_>| {
            octets.is_some_and(|octets| fits(Value::Text(octets)))
        };
        let number = |number: Option<i64>, fits: Fits<'_>| {
            number.is_some_and(|number| fits(Value::Number(number)))
        };
        match field {
            Field::Listener
            | Field::Agent
            | Field::NetProtocol
            | Field::NetSource
            | Field::NetDestination => {
                any_of_origin(&self.envelope.origin, self.listener, field, fits)
            }
            Field::Type => number(message.protocol_type().map(|t| i64::from(t.0)), fits),
            Field::Version => number(Some(i64::from(message.version().number())), fits),
            Field::CaptureId => number(message.capture_id().map(i64::from), fits),
            Field::Node => text(message.node_name().map(trim_nul), fits),
            Field::Clock => text(
                self.clock_fault().map(|fault| fault.label().as_bytes()),
                fits,
            ),
            Field::Source => any_end(message.canonical_src_ip(), message.src_port(), fits),
            Field::Destination => any_end(message.canonical_dst_ip(), message.dst_port(), fits),
            Field::Payload => text(self.payload, fits),
            Field::Method => {
                let method = self
                    .sip()
                    .and_then(|s| s.method().or_else(|| s.cseq_method()));
                text(method, fits)
            }
            Field::Status => {
                let code = self.sip().and_then(Scan::status_code);
                number(code.map(i64::from), fits)
            }
            Field::CallId => {
                let call_id = self.sip().and_then(Scan::call_id);
                text(
                    call_id.or_else(|| message.correlation_id().map(trim_nul)),
                    fits,
                )
            }
            Field::From => self
                .sip()
                .and_then(Scan::from)
                .is_some_and(|from| any_of_uri(from.uri(), fits)),
            Field::To => self
                .sip()
                .and_then(Scan::to)
                .is_some_and(|to| any_of_uri(to.uri(), fits)),
            Field::User => self.any_user(fits),
            Field::UserAgent => text(self.sip().and_then(Scan::user_agent), fits),
            Field::Header(name) => {
                let header = self.sip().and_then(|s| s.header(name.as_bytes()));
                text(header.map(|h| h.value()), fits)
            }
            Field::Setup | Field::Duration => false,
        }
    }
}

/// A frame that did not decode, as queries see it: where it came from, and that it is one.
#[derive(Debug, Clone, Copy)]
pub struct UnparsableView<'a> {
    unparsable: &'a Unparsable,
    listener: &'a str,
}

impl<'a> UnparsableView<'a> {
    /// The view of `unparsable`, received by the listener of that name.
    #[must_use]
    pub fn new(unparsable: &'a Unparsable, listener: &'a str) -> Self {
        Self {
            unparsable,
            listener,
        }
    }
}

impl Subject for UnparsableView<'_> {
    fn any(&self, field: &Field, fits: Fits<'_>) -> bool {
        match field {
            Field::Type => fits(Value::Text(UNPARSABLE.as_bytes())),
            _ => any_of_origin(&self.unparsable.origin, self.listener, field, fits),
        }
    }
}

fn any_of_origin(origin: &Origin, listener: &str, field: &Field, fits: Fits<'_>) -> bool {
    match field {
        Field::Listener => fits(Value::Text(listener.as_bytes())),
        Field::Agent => fits(Value::Address(origin.peer.ip().to_canonical())),
        Field::NetProtocol => fits(Value::Text(net_protocol(origin.transport).as_bytes())),
        Field::NetSource => fits(end_of(origin.peer)),
        Field::NetDestination => fits(end_of(origin.local)),
        _ => false,
    }
}

/// The transport as a socket of the configuration begins.
pub(crate) fn net_protocol(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "hep_tcp",
        Transport::Tls => "hep_tls",
        _ => "hep_udp",
    }
}

fn end_of(address: SocketAddr) -> Value<'static> {
    Value::Endpoint(Some(address.ip().to_canonical()), Some(address.port()))
}

fn any_end(address: Option<std::net::IpAddr>, port: Option<u16>, fits: Fits<'_>) -> bool {
    (address.is_some() || port.is_some()) && fits(Value::Endpoint(address, port))
}

/// The user, and the user with the host.
fn any_of_uri(uri: Uri<'_>, fits: Fits<'_>) -> bool {
    let Some(user) = uri.user() else { return false };
    fits(Value::Text(user)) || user_at_host(uri, user).is_some_and(|both| fits(Value::Text(both)))
}

/// From the user to the end of the host, as it stands in the URI (a password in between stays). `None` for a URI
/// without host.
fn user_at_host<'a>(uri: Uri<'a>, user: &[u8]) -> Option<&'a [u8]> {
    let host = uri.host()?;
    let text = uri.as_bytes();
    let after_scheme = uri.scheme().map_or(0, |scheme| scheme.len() + 1);
    let rest = text.get(after_scheme..)?.trim_ascii_start();
    // The user part may hold an `@` and a password one more: the host stands behind the last of them.
    let mut at = user.len();
    loop {
        at += rest.get(at..)?.iter().position(|octet| *octet == b'@')? + 1;
        if rest.get(at..)?.starts_with(host) {
            return rest.get(..at + host.len());
        }
    }
}
