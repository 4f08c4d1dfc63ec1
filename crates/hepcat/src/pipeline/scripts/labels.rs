//! What a script writes on a message: the labels of `sip_capture` and `report_capture`.

use hepcat_net::Envelope;
use hepcat_wire::{InflateLimit, Message, trim_nul};
use serde_json::{Map, Value, json};

use crate::lua::{CaptureLabel, Report};

/// `table_name` of the original: where `sip_capture` writes unless it is told otherwise.
const SIP_TABLE: &str = "sip_capture";
/// `rtcp_table_name` of the original, for `report_capture`.
const REPORT_TABLE: &str = "rtcp_capture";

/// The labels of one message, in the order in which the script asked for them. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    captures: Vec<CaptureLabel>,
    /// Which fields a report has.
    homer5: bool,
}

impl Labels {
    /// Labels as a script asked for them; `None` where it asked for none. `homer5` is `homer5_on`.
    #[must_use]
    pub fn new(captures: Vec<CaptureLabel>, homer5: bool) -> Option<Self> {
        (!captures.is_empty()).then_some(Self { captures, homer5 })
    }

    /// The array that stands under `labels` in the JSON of the message. `docs/message-json.md` describes it.
    #[must_use]
    pub fn to_json(&self, envelope: &Envelope) -> Value {
        let captures = self.captures.iter();
        captures.map(|label| self.label(label, envelope)).collect()
    }

    fn label(&self, label: &CaptureLabel, envelope: &Envelope) -> Value {
        let mut object = Map::new();
        let usual = if label.report.is_some() {
            REPORT_TABLE
        } else {
            SIP_TABLE
        };
        let table = label.table.as_deref().unwrap_or(usual);
        object.insert("table".to_owned(), Value::from(table));
        for (name, field) in ["f1", "f2", "f3"].into_iter().zip(&label.fields) {
            if let Some(field) = field {
                object.insert(name.to_owned(), Value::from(field.as_str()));
            }
        }
        if let Some(report) = &label.report {
            object.insert("report".to_owned(), self.report(report, envelope));
        }
        Value::Object(object)
    }

    /// HOMER 5 and HOMER 6 call the caller's id by different names, and HOMER 6 has more fields.
    fn report(&self, report: &Report, envelope: &Envelope) -> Value {
        let id = report.correlation_id.as_str();
        if self.homer5 {
            return json!({ "correlation_id": id, "type": report.protocol_type });
        }
        let message = &envelope.message;
        let payload = payload_of(message);
        let extra = message.extra_correlations().map(trim_nul);
        json!({
            "transaction_id": id,
            "type": report.protocol_type,
            "correlation_id": extra.map(String::from_utf8_lossy).unwrap_or_default(),
            "payload_len": payload.len(),
            "capture_ip": envelope.origin.local.ip().to_canonical(),
            "capt_id": message.capture_id().unwrap_or_default(),
            "event": event_of(&payload),
        })
    }
}

fn payload_of<B: AsRef<[u8]>>(message: &Message<B>) -> Vec<u8> {
    let inflated = message.payload().inflate(InflateLimit::default());
    inflated
        .map(|octets| octets.into_owned())
        .unwrap_or_default()
}

/// The text under `Event`, where the payload is a JSON object that has one.
fn event_of(payload: &[u8]) -> String {
    let object: Option<Map<String, Value>> = serde_json::from_slice(payload).ok();
    let event = object.and_then(|mut object| object.remove("Event"));
    match event {
        Some(Value::String(event)) => event,
        _ => String::new(),
    }
}
