//! Messages as rows of the store.

use std::{
    borrow::Cow,
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hepcat_net::{Origin, Unparsable};
use hepcat_sip::{NameAddr, Scan};
use hepcat_store::{Envelope, Part, Row, RowBatchBuilder, RowTooLarge};
use hepcat_wire::{ChunkType, Message, VendorId, Version, trim_nul};

use super::{
    class::class_of,
    octets::{range_of, without_keys, without_likely_keys},
};
use crate::{
    agents::{ClockBounds, sent_time},
    pipeline::scripts::Labels,
    query::MessageView,
};

/// Octets of the head of a chunk: vendor, type, length.
const CHUNK_HEAD: usize = 6;

/// Makes a batch of rows, message by message. Keeps its working space from one batch to the next.
#[derive(Debug, Default)]
pub struct RowWriter {
    rows: RowBatchBuilder,
    texts: Texts,
    envelope: Vec<u8>,
}

/// What a row says of a message beside the message.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever stores a message says all of it"
)]
pub struct About<'a> {
    /// Name of the listener that received it.
    pub listener: &'a str,
    /// What is believed of agents' clocks.
    pub clock: ClockBounds,
    /// What a script wrote on it.
    pub labels: Option<&'a Labels>,
    /// Call-ID of the leg that it belongs to although it does not say so, and why.
    pub attached: Option<(&'a str, &'a str)>,
}

/// What a row says in text and a message does not, one for each column.
#[derive(Debug, Default)]
struct Texts {
    agent: String,
    local_ip: String,
    src_ip: String,
    dst_ip: String,
    src_mac: String,
    dst_mac: String,
}

impl RowWriter {
    /// Adds a message. A sent time outside of the clock's bounds is kept as claimed.
    ///
    /// # Errors
    /// The row is larger than the store takes; the batch is as it was.
    pub fn message(
        &mut self,
        view: &MessageView<'_>,
        about: &About<'_>,
    ) -> Result<(), RowTooLarge> {
        let envelope = view.envelope();
        let message = &envelope.message;
        let received = since_epoch(envelope.received_at);
        let sent = sent_time(message, received);
        let claimed = sent.filter(|sent| about.clock.judge(*sent, received).is_some());
        let sent = sent.filter(|_| claimed.is_none());
        let times = Times {
            received_at: micros(received),
            sent_at: sent.map(micros),
            claimed_at: claimed.map(micros),
        };
        let frame = without_keys(message);
        let payload = view.payload().unwrap_or_default();
        self.texts.of_origin(&envelope.origin);
        self.texts.of_message(message);
        let sip = view.sip();
        let words = Words::of_message(message);
        let sip_words = SipWords::of(sip);
        let labels = about.labels.map(|labels| Labelled::new(labels, envelope));
        let mut row = Row::default();
        row.class = class_of(message.protocol_type(), sip);
        row.hep_version = Some(i32::from(message.version().number()));
        row.payload = payload;
        times.fill(&mut row);
        fill_origin(&mut row, &envelope.origin, about.listener, &self.texts);
        fill_message(&mut row, message, &words, &self.texts);
        sip_words.fill(&mut row, sip);
        if let Some(labels) = &labels {
            labels.fill(&mut row);
        }
        if let Some((call_id, by)) = about.attached {
            (row.attached_to, row.attached_by) = (Some(call_id), Some(by));
        }
        self.envelope.clear();
        frame_around(message, &frame, payload).encode_into(&row, &mut self.envelope);
        row.envelope = &self.envelope;
        self.rows.push(&row)
    }

    /// Adds a frame that did not decode.
    ///
    /// # Errors
    /// As for [`message`](Self::message).
    pub fn unparsable(
        &mut self,
        unparsable: &Unparsable,
        listener: &str,
    ) -> Result<(), RowTooLarge> {
        let frame = without_likely_keys(&unparsable.frame);
        self.texts.of_origin(&unparsable.origin);
        let times = Times {
            received_at: micros(since_epoch(unparsable.received_at)),
            sent_at: None,
            claimed_at: None,
        };
        let mut row = Row::default();
        row.error_reason = Some(unparsable.error.reason());
        row.error_offset = i32::try_from(unparsable.error.offset()).ok();
        row.payload = &frame;
        times.fill(&mut row);
        fill_origin(&mut row, &unparsable.origin, listener, &self.texts);
        self.envelope.clear();
        Envelope::new(&frame)
            .with(Part::Payload, 0..frame.len())
            .encode_into(&row, &mut self.envelope);
        row.envelope = &self.envelope;
        self.rows.push(&row)
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether they should be taken before more is added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows.is_full()
    }

    /// The rows so far; the next begin a new batch.
    #[must_use]
    pub fn take(&mut self) -> RowBatchBuilder {
        std::mem::take(&mut self.rows)
    }
}

/// The frame without what the row holds in columns of its own. Ranges that hold something else after all are kept.
fn frame_around<'a, B: AsRef<[u8]>>(
    message: &Message<B>,
    frame: &'a [u8],
    payload: &[u8],
) -> Envelope<'a> {
    let mut around = Envelope::new(frame);
    // Inflated or unwrapped, it is no piece of the frame, which then keeps it.
    if let Some(range) = range_of(payload, message.as_received())
        && !payload.is_empty()
    {
        around.add(Part::Payload, range);
    }
    if message.version() != Version::V3 {
        return around;
    }
    around.add(Part::FrameLength, 4..6);
    for chunk in message.chunks() {
        if chunk.vendor_id() != VendorId::GENERIC {
            continue;
        }
        let value = chunk.offset() + CHUNK_HEAD;
        let part = match chunk.chunk_type() {
            ChunkType::SRC_IPV4 | ChunkType::SRC_IPV6 => Part::SrcIp,
            ChunkType::DST_IPV4 | ChunkType::DST_IPV6 => Part::DstIp,
            ChunkType::SRC_PORT => Part::SrcPort,
            ChunkType::DST_PORT => Part::DstPort,
            ChunkType::TIME_SEC => Part::Seconds,
            ChunkType::TIME_USEC => Part::Microseconds,
            ChunkType::CORRELATION_ID => Part::CorrelationId,
            ChunkType::PAYLOAD => {
                around.add(Part::ChunkLength, value - 2..value);
                continue;
            }
            _ => continue,
        };
        around.add(part, value..value + chunk.value().len());
    }
    around
}

/// The times of a row, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Times {
    received_at: i64,
    sent_at: Option<i64>,
    claimed_at: Option<i64>,
}

impl Times {
    fn fill(self, row: &mut Row<'_>) {
        row.received_at = self.received_at;
        row.sent_at = self.sent_at;
        row.claimed_at = self.claimed_at;
    }
}

fn fill_origin<'a>(row: &mut Row<'a>, origin: &Origin, listener: &'a str, texts: &'a Texts) {
    row.listener = Some(listener);
    row.agent = Some(&texts.agent);
    row.agent_port = Some(i32::from(origin.peer.port()));
    row.local_ip = Some(&texts.local_ip);
    row.local_port = Some(i32::from(origin.local.port()));
    row.hep_transport = Some(origin.transport.name());
}

fn fill_message<'a, B: AsRef<[u8]>>(
    row: &mut Row<'a>,
    message: &Message<B>,
    words: &'a Words<'a>,
    texts: &'a Texts,
) {
    row.ip_family = message.ip_family().map(i32::from);
    row.ip_protocol = message.ip_protocol().map(|number| i32::from(number.0));
    row.src_ip = said(&texts.src_ip);
    row.src_port = message.src_port().map(i32::from);
    row.dst_ip = said(&texts.dst_ip);
    row.dst_port = message.dst_port().map(i32::from);
    row.protocol_type = message.protocol_type().map(|number| i32::from(number.0));
    row.capture_id = message.capture_id().map(i64::from);
    row.node_name = words.node_name.as_deref();
    row.correlation_id = words.correlation_id.as_deref();
    row.vlan_id = message.vlan_id().map(i32::from);
    row.src_mac = said(&texts.src_mac);
    row.dst_mac = said(&texts.dst_mac);
    row.ethernet_type = message.ethernet_type().map(i32::from);
    row.tcp_flags = message.tcp_flags().map(i32::from);
    row.ip_tos = message.ip_tos().map(i32::from);
    row.mos = message.mos().map(i32::from);
    row.r_factor = message.r_factor().map(i32::from);
    row.jitter = message.jitter().map(i64::from);
    row.geo_location = words.geo_location.as_deref();
    row.transaction_type = words.transaction_type.as_deref();
    row.event_type = message.event_type().map(i32::from);
    row.tag_type = message.tag_type().map(i32::from);
    row.tag_values = words.tag_values.as_deref();
    row.payload_json_keys = words.payload_json_keys.as_deref();
    row.group_id = words.group_id.as_deref();
    row.keep_alive = message.keep_alive().map(i32::from);
    row.extra_correlations = words.extra_correlations.as_deref();
}

/// Texts of a message's chunks.
struct Words<'a> {
    node_name: Option<Cow<'a, str>>,
    correlation_id: Option<Cow<'a, str>>,
    geo_location: Option<Cow<'a, str>>,
    transaction_type: Option<Cow<'a, str>>,
    tag_values: Option<Cow<'a, str>>,
    payload_json_keys: Option<Cow<'a, str>>,
    group_id: Option<Cow<'a, str>>,
    extra_correlations: Option<Cow<'a, str>>,
}

impl<'a> Words<'a> {
    fn of_message<B: AsRef<[u8]>>(message: &'a Message<B>) -> Self {
        let of_chunk = |value: Option<&'a [u8]>| word(value.map(trim_nul));
        Self {
            node_name: of_chunk(message.node_name()),
            correlation_id: of_chunk(message.correlation_id()),
            geo_location: of_chunk(message.geo_location()),
            transaction_type: of_chunk(message.transaction_type()),
            tag_values: of_chunk(message.tag_values()),
            payload_json_keys: of_chunk(message.payload_json_keys()),
            group_id: of_chunk(message.group_id()),
            extra_correlations: of_chunk(message.extra_correlations()),
        }
    }
}

/// Texts of a SIP message.
#[derive(Default)]
struct SipWords<'a> {
    method: Option<Cow<'a, str>>,
    cseq_method: Option<Cow<'a, str>>,
    call_id: Option<Cow<'a, str>>,
    from: NameWords<'a>,
    to: NameWords<'a>,
    ruri_user: Option<Cow<'a, str>>,
    ruri_host: Option<Cow<'a, str>>,
    via_branch: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
    x_call_id: Option<Cow<'a, str>>,
    session_id: Option<Cow<'a, str>>,
}

/// Texts of From or To.
#[derive(Default)]
struct NameWords<'a> {
    user: Option<Cow<'a, str>>,
    host: Option<Cow<'a, str>>,
    tag: Option<Cow<'a, str>>,
}

impl<'a> NameWords<'a> {
    fn of(name: Option<NameAddr<'a>>) -> Self {
        name.map_or_else(Self::default, |name| Self {
            user: word(name.user()),
            host: word(name.host()),
            tag: word(name.tag()),
        })
    }
}

impl<'a> SipWords<'a> {
    fn of(sip: Option<&Scan<'a>>) -> Self {
        let Some(sip) = sip else {
            return Self::default();
        };
        let uri = sip.request_uri();
        Self {
            method: word(sip.method()),
            cseq_method: word(sip.cseq_method()),
            call_id: word(sip.call_id()),
            from: NameWords::of(sip.from()),
            to: NameWords::of(sip.to()),
            ruri_user: word(uri.and_then(|uri| uri.user())),
            ruri_host: word(uri.and_then(|uri| uri.host())),
            via_branch: word(sip.via_branch()),
            user_agent: word(sip.user_agent()),
            x_call_id: word(sip.x_call_id()),
            session_id: word(sip.session_id()),
        }
    }

    fn fill<'b>(&'b self, row: &mut Row<'b>, sip: Option<&Scan<'_>>) {
        row.method = self.method.as_deref();
        row.status = sip.and_then(Scan::status_code).map(i32::from);
        row.cseq_number = sip.and_then(Scan::cseq_number).map(i64::from);
        row.cseq_method = self.cseq_method.as_deref();
        row.call_id = self.call_id.as_deref();
        row.from_user = self.from.user.as_deref();
        row.from_host = self.from.host.as_deref();
        row.from_tag = self.from.tag.as_deref();
        row.to_user = self.to.user.as_deref();
        row.to_host = self.to.host.as_deref();
        row.to_tag = self.to.tag.as_deref();
        row.ruri_user = self.ruri_user.as_deref();
        row.ruri_host = self.ruri_host.as_deref();
        row.via_branch = self.via_branch.as_deref();
        row.user_agent = self.user_agent.as_deref();
        row.x_call_id = self.x_call_id.as_deref();
        row.session_id = self.session_id.as_deref();
    }
}

/// What a script wrote on a message: the first label in columns, all of them as JSON where that does not say it all.
struct Labelled {
    first: [Option<String>; 4],
    all: Option<String>,
}

impl Labelled {
    fn new(labels: &Labels, envelope: &hepcat_net::Envelope) -> Self {
        let json = labels.to_json(envelope);
        let first = json.get(0);
        let text = |name: &str| Some(first?.get(name)?.as_str()?.to_owned());
        let is_all_said = json.as_array().is_some_and(|all| all.len() == 1)
            && first.is_some_and(|first| first.get("report").is_none());
        Self {
            first: ["table", "f1", "f2", "f3"].map(text),
            all: (!is_all_said).then(|| json.to_string()),
        }
    }

    fn fill<'a>(&'a self, row: &mut Row<'a>) {
        let [label_table, label_f1, label_f2, label_f3] = &self.first;
        row.label_table = label_table.as_deref();
        row.label_f1 = label_f1.as_deref();
        row.label_f2 = label_f2.as_deref();
        row.label_f3 = label_f3.as_deref();
        row.labels = self.all.as_deref();
    }
}

impl Texts {
    fn of_origin(&mut self, origin: &Origin) {
        let ip = |address: SocketAddr| Some(address.ip().to_canonical());
        write_address(&mut self.agent, ip(origin.peer));
        write_address(&mut self.local_ip, ip(origin.local));
    }

    fn of_message<B: AsRef<[u8]>>(&mut self, message: &Message<B>) {
        write_address(&mut self.src_ip, message.canonical_src_ip());
        write_address(&mut self.dst_ip, message.canonical_dst_ip());
        write_mac(&mut self.src_mac, message.src_mac());
        write_mac(&mut self.dst_mac, message.dst_mac());
    }
}

fn write_address(text: &mut String, address: Option<IpAddr>) {
    text.clear();
    match address {
        // Four for each message, and the formatter takes several times as long.
        Some(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            for (before, octet) in [("", a), (".", b), (".", c), (".", d)] {
                text.push_str(before);
                push_octet(text, octet);
            }
        }
        Some(IpAddr::V6(address)) => {
            // Writing to a string does not fail.
            let _ok = write!(text, "{address}");
        }
        None => {}
    }
}

fn push_octet(text: &mut String, octet: u8) {
    let digit = |value: u8| char::from(b'0' + value % 10);
    if octet >= 100 {
        text.push(digit(octet / 100));
    }
    if octet >= 10 {
        text.push(digit(octet / 10));
    }
    text.push(digit(octet));
}

fn write_mac(text: &mut String, mac: Option<[u8; 6]>) {
    text.clear();
    if let Some([a, b, c, d, e, f]) = mac {
        let _ok = write!(text, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    }
}

fn said(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn word(octets: Option<&[u8]>) -> Option<Cow<'_, str>> {
    // Nearly all is UTF-8, and the check alone takes a fraction of looking for what is not.
    octets.map(|octets| {
        str::from_utf8(octets).map_or_else(|_| String::from_utf8_lossy(octets), Cow::Borrowed)
    })
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn micros(since_epoch: Duration) -> i64 {
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}
