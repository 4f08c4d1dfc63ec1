//! The fields of a scanned SIP message as JSON.

use hepcat_sip::{Kind, NameAddr, Scan};
use serde_json::{Map, Value};

use super::json::{put, text};

/// Fields that the message has, in a fixed order; octets that are no UTF-8 are replaced.
pub(super) fn object(scan: &Scan<'_>) -> Value {
    let mut object = Map::new();
    let kind = match scan.kind() {
        Kind::Request => "request",
        Kind::Response => "response",
    };
    put(&mut object, "kind", Some(kind));
    put(&mut object, "method", scan.method().map(text));
    put(
        &mut object,
        "request_uri",
        scan.request_uri().map(|uri| text(uri.as_bytes())),
    );
    put(&mut object, "status_code", scan.status_code());
    put(&mut object, "reason_phrase", scan.reason_phrase().map(text));
    put(&mut object, "call_id", scan.call_id().map(text));
    put(&mut object, "cseq_number", scan.cseq_number());
    put(&mut object, "cseq_method", scan.cseq_method().map(text));
    put(&mut object, "from", scan.from().map(|n| name_addr(&n)));
    put(&mut object, "to", scan.to().map(|n| name_addr(&n)));
    put(&mut object, "via_branch", scan.via_branch().map(text));
    put(&mut object, "user_agent", scan.user_agent().map(text));
    put(&mut object, "x_call_id", scan.x_call_id().map(text));
    put(&mut object, "session_id", scan.session_id().map(text));
    put(&mut object, "content_type", scan.content_type().map(text));
    if let Some(defect) = scan.first_defect() {
        let mut fault = Map::new();
        put(&mut fault, "reason", Some(defect.reason()));
        put(&mut fault, "offset", Some(defect.offset()));
        object.insert("defect".to_owned(), Value::Object(fault));
    }
    Value::Object(object)
}

fn name_addr(address: &NameAddr<'_>) -> Value {
    let mut object = Map::new();
    put(&mut object, "display", address.display().map(text));
    put(&mut object, "uri", Some(text(address.uri().as_bytes())));
    put(&mut object, "user", address.user().map(text));
    put(&mut object, "host", address.host().map(text));
    put(&mut object, "tag", address.tag().map(text));
    Value::Object(object)
}
