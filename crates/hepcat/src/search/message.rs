//! Rows of the store as the messages that they were.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use hepcat_net::{Arrival, Envelope, ListenerId, Origin, Transport, Unparsable};
use hepcat_store::{Column, Row, RowId};
use hepcat_wire::{DecodeError, Message};
use serde_json::{Value, json};

use crate::{
    agents::ClockBounds,
    render::{Contents, Summary, arrival_json, arrival_summary},
};

/// A message, or a frame that did not decode, as it was received; keys of agents are blank in it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredMessage {
    /// Where the store has it.
    pub id: RowId,
    /// The frame, where it came from and when.
    pub arrival: Arrival,
    /// Name of the listener that received it.
    pub listener: Arc<str>,
    /// What a script wrote on it.
    pub labels: Option<Value>,
    /// Where it says nothing of a call itself: Call-ID of the one to which it was attached, and why.
    pub attached: Option<(Arc<str>, Arc<str>)>,
}

impl StoredMessage {
    /// The columns without which a row is no message.
    pub const COLUMNS: [Column; 25] = [
        Column::RowId,
        Column::Record,
        Column::ReceivedAt,
        Column::SentAt,
        Column::ClaimedAt,
        Column::Listener,
        Column::Agent,
        Column::AgentPort,
        Column::LocalIp,
        Column::LocalPort,
        Column::HepTransport,
        Column::LabelTable,
        Column::LabelF1,
        Column::LabelF2,
        Column::LabelF3,
        Column::Labels,
        Column::SrcIp,
        Column::DstIp,
        Column::SrcPort,
        Column::DstPort,
        Column::CorrelationId,
        Column::AttachedTo,
        Column::AttachedBy,
        Column::Payload,
        Column::Envelope,
    ];

    /// The message of a row that has [`COLUMNS`](Self::COLUMNS) filled in. `None` where it is a record, and where the
    /// frame cannot be made again.
    #[must_use]
    pub fn from_row(row: &Row<'_>) -> Option<Self> {
        if row.record.is_some() {
            return None;
        }
        let frame = Bytes::from(row.frame()?);
        let origin = Arc::new(origin(row));
        let received_at = system_time(row.received_at);
        let arrival = match decode(&frame) {
            Ok(message) => Arrival::Message(Envelope::new(message, origin, received_at)),
            Err(error) => Arrival::Unparsable(Unparsable::new(frame, error, origin, received_at)),
        };
        Some(Self {
            id: row.id(),
            arrival,
            listener: row.listener.unwrap_or_default().into(),
            labels: labels(row),
            attached: (row.attached_to)
                .map(|call_id| (call_id.into(), row.attached_by.unwrap_or_default().into())),
        })
    }

    /// The message, if it is one.
    #[must_use]
    pub fn message(&self) -> Option<&Message<Bytes>> {
        match &self.arrival {
            Arrival::Message(envelope) => Some(&envelope.message),
            _ => None,
        }
    }

    /// The octets as they were received, with keys blank.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        match &self.arrival {
            Arrival::Message(envelope) => envelope.message.as_received(),
            Arrival::Unparsable(unparsable) => &unparsable.frame,
            _ => &[],
        }
    }

    /// Where it came from.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        crate::pipeline::origin(&self.arrival)
    }

    /// When it was read from the socket.
    #[must_use]
    pub fn received_at(&self) -> SystemTime {
        match &self.arrival {
            Arrival::Message(envelope) => envelope.received_at,
            Arrival::Unparsable(unparsable) => unparsable.received_at,
            _ => UNIX_EPOCH,
        }
    }

    /// The object that stands for it everywhere, with its `id`, `labels`, `attached_to` and `attached_by`.
    #[must_use]
    pub fn json(&self, clock: ClockBounds, contents: Contents) -> Value {
        let mut value = arrival_json(&self.arrival, &self.listener, clock, contents);
        if let Value::Object(object) = &mut value {
            object.shift_insert(0, "id".to_owned(), Value::from(self.id.to_string()));
            if let Some(labels) = &self.labels {
                object.insert("labels".to_owned(), labels.clone());
            }
            if let Some((call_id, by)) = &self.attached {
                object.insert("attached_to".to_owned(), Value::from(&**call_id));
                object.insert("attached_by".to_owned(), Value::from(&**by));
            }
        }
        value
    }

    /// What stands in a line about it.
    #[must_use]
    pub fn summary(&self) -> Summary {
        arrival_summary(&self.arrival, &self.listener)
    }
}

/// Decodes as the node did when it came: what lacks a chunk that capturing needs is no message.
fn decode(frame: &Bytes) -> Result<Message<Bytes>, DecodeError> {
    let message = Message::parse_lax(frame.clone())?;
    message.check_capture()?;
    Ok(message)
}

fn origin(row: &Row<'_>) -> Origin {
    let transport = match row.hep_transport {
        Some("tcp") => Transport::Tcp,
        Some("tls") => Transport::Tls,
        _ => Transport::Udp,
    };
    Origin::new(
        // Numbers of listeners are those of one run; the name is what is kept.
        ListenerId(u16::MAX),
        transport,
        socket_address(row.agent, row.agent_port),
        socket_address(row.local_ip, row.local_port),
    )
}

fn socket_address(ip: Option<&str>, port: Option<i32>) -> SocketAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    let ip = ip.and_then(|ip| ip.parse().ok()).unwrap_or(unknown);
    let port = port.and_then(|port| u16::try_from(port).ok());
    SocketAddr::new(ip, port.unwrap_or_default())
}

fn system_time(micros: i64) -> SystemTime {
    let since_epoch = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    UNIX_EPOCH.checked_add(since_epoch).unwrap_or(UNIX_EPOCH)
}

/// The labels as they were written: from JSON where four columns do not say it all.
fn labels(row: &Row<'_>) -> Option<Value> {
    if let Some(all) = row.labels {
        return serde_json::from_str(all).ok();
    }
    let table = row.label_table?;
    let mut label = json!({ "table": table });
    for (name, value) in [
        ("f1", row.label_f1),
        ("f2", row.label_f2),
        ("f3", row.label_f3),
    ] {
        if let Some(value) = value {
            label[name] = Value::from(value);
        }
    }
    Some(json!([label]))
}
