//! Frames as subjects: what a query sees of a message, and of one that did not decode.

use std::{
    cell::OnceCell,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hepcat_net::{Envelope, Origin, Transport, Unparsable};
use hepcat_sip::{NameAddr, Scan, Uri};
use hepcat_store::Class;
use hepcat_wire::{Payload, trim_nul};

use crate::{
    agents::{ClockBounds, ClockFault, sent_time},
    sink::store::class::class_of,
};

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
        let received = since_epoch(self.envelope.received_at);
        self.clock.judge_message(&self.envelope.message, received)
    }

    /// When it was sent, as far as that is believed, else when it was received; since 1970.
    fn time(&self) -> Duration {
        let received = since_epoch(self.envelope.received_at);
        sent_time(&self.envelope.message, received)
            .filter(|sent| self.clock.judge(*sent, received).is_none())
            .unwrap_or(received)
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

    /// Shows `fits` the URIs that `field` is about.
    fn any_uri(&self, field: &Field, fits: &mut dyn FnMut(Uri<'_>) -> bool) -> bool {
        let Some(sip) = self.sip() else { return false };
        let asks = |one| *field == one || matches!(field, Field::User | Field::Domain);
        let uri = |name: Option<NameAddr<'a>>| name.map(|name| name.uri());
        [
            uri(sip.from()).filter(|_| asks(Field::From)),
            uri(sip.to()).filter(|_| asks(Field::To)),
            sip.request_uri().filter(|_| asks(Field::RequestUri)),
        ]
        .into_iter()
        .flatten()
        .any(fits)
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
            Field::Time => fits(time(self.time())),
            Field::Received => fits(time(since_epoch(self.envelope.received_at))),
            Field::Class => {
                let class = class_of(message.protocol_type(), self.sip());
                fits(Value::Text(class.name().as_bytes()))
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
            Field::Payload => text(self.payload.filter(|octets| !octets.is_empty()), fits),
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
            Field::CorrelationId => text(message.correlation_id().map(trim_nul), fits),
            Field::CSeq => number(self.sip().and_then(Scan::cseq_number).map(i64::from), fits),
            Field::XCallId => text(self.sip().and_then(Scan::x_call_id), fits),
            Field::SessionId => text(self.sip().and_then(Scan::session_id), fits),
            Field::Branch => text(self.sip().and_then(Scan::via_branch), fits),
            Field::FromTag => {
                let from = self.sip().and_then(Scan::from);
                text(from.and_then(|from| from.tag()), fits)
            }
            Field::ToTag => text(self.sip().and_then(Scan::to).and_then(|to| to.tag()), fits),
            Field::From | Field::To | Field::RequestUri | Field::User => {
                self.any_uri(field, &mut |uri| any_user(uri, fits))
            }
            Field::Domain => self.any_uri(field, &mut |uri| text(uri.host(), fits)),
            Field::UserAgent => text(self.sip().and_then(Scan::user_agent), fits),
            Field::Header(name) => {
                let header = self.sip().and_then(|s| s.header(name.as_bytes()));
                text(header.map(|h| h.value()), fits)
            }
            Field::Last
            | Field::Error
            | Field::LabelTable
            | Field::LabelField(_)
            | Field::AttachedTo
            | Field::State
            | Field::Flag
            | Field::ReleasedBy
            | Field::Reason
            | Field::Codec
            | Field::Media
            | Field::Legs
            | Field::Messages
            | Field::Setup
            | Field::Ring
            | Field::Talk
            | Field::Duration => false,
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
            Field::Error => fits(Value::Text(self.unparsable.error.reason().as_bytes())),
            Field::Class => fits(Value::Text(Class::Other.name().as_bytes())),
            Field::Time | Field::Received => fits(time(since_epoch(self.unparsable.received_at))),
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

/// The same of a transport by its name.
pub(crate) fn net_protocol_named(name: &str) -> &'static str {
    let transport = match name {
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        _ => Transport::Udp,
    };
    net_protocol(transport)
}

fn end_of(address: SocketAddr) -> Value<'static> {
    Value::Endpoint(Some(address.ip().to_canonical()), Some(address.port()))
}

fn any_end(address: Option<std::net::IpAddr>, port: Option<u16>, fits: Fits<'_>) -> bool {
    (address.is_some() || port.is_some()) && fits(Value::Endpoint(address, port))
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn time(since_epoch: Duration) -> Value<'static> {
    Value::Time(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
}

/// The user, and the user with the host.
fn any_user(uri: Uri<'_>, fits: Fits<'_>) -> bool {
    let Some(user) = uri.user() else { return false };
    any_user_at_host(user, uri.host(), fits)
}

/// Octets of `user@host` for which nothing is allocated.
const USER_AT_HOST: usize = 256;

/// `user`, and `user@host`: without what may stand between them in a URI, which may be a password.
pub(crate) fn any_user_at_host(user: &[u8], host: Option<&[u8]>, fits: Fits<'_>) -> bool {
    if fits(Value::Text(user)) {
        return true;
    }
    let Some(host) = host else { return false };
    let length = user.len() + 1 + host.len();
    let mut room = [0; USER_AT_HOST];
    if let Some(both) = room.get_mut(..length)
        && let Some((first, rest)) = both.split_at_mut_checked(user.len())
        && let Some((at, last)) = rest.split_first_mut()
    {
        first.copy_from_slice(user);
        *at = b'@';
        last.copy_from_slice(host);
        return fits(Value::Text(both));
    }
    fits(Value::Text(&[user, b"@", host].concat()))
}
