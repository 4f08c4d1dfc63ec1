//! What was decided about a message, as text and as JSON.

use std::fmt::Write as _;

use hepcat_sip::{Kind, scan};
use hepcat_wire::Message;
use serde_json::{Map, Value, json};

use super::trial::{Decided, Said, Sent};
use crate::{
    lua::{CounterReading, Verdict},
    pipeline::content,
    render::{self, Contents},
    route::Decision,
};

/// Some lines: one says what the message is and where it goes, the others, indented, what else the script did.
pub(super) fn text(number: u64, decided: &Decided) -> String {
    let mut text = format!("{number}  {}", what(&decided.envelope.message));
    let mut line = |words: String| {
        // Writing to a `String` does not fail.
        let _infallible = write!(text, "{words}");
    };
    match &decided.script {
        None => line(format!("  not asked: {}\n", by_route(decided))),
        Some(said) => {
            let entries: Vec<_> = said.entries.iter().map(|entry| entry.name()).collect();
            line(format!(
                "  {}: {}\n",
                entries.join(", "),
                by_script(said, decided)
            ));
            for detail in details(said, decided) {
                line(format!("     {detail}\n"));
            }
        }
    }
    text
}

/// Method or status, and the Call-ID; the protocol type of what is not SIP.
fn what<B: AsRef<[u8]>>(message: &Message<B>) -> String {
    let payload = content(message).unwrap_or_default();
    let Some(sip) = scan(&payload) else {
        let protocol_type = message.protocol_type().map_or(0, |kind| kind.0);
        return format!("type {protocol_type}");
    };
    let shown = |octets: Option<&[u8]>| octets.map(render::escape).unwrap_or_default();
    let start = match sip.kind() {
        Kind::Request => shown(sip.method()).to_string(),
        Kind::Response => format!(
            "{} {}",
            sip.status_code().unwrap_or_default(),
            shown(sip.cseq_method())
        ),
    };
    format!("{start} {}", shown(sip.call_id()))
}

fn by_route(decided: &Decided) -> String {
    let to = names(&decided.route);
    match decided.decision {
        Decision::Skip(route) => format!("route {} skips it", route + 1),
        Decision::Route(route) => format!("route {} to {to}", route + 1),
        Decision::Default => format!("to {to}"),
    }
}

fn by_script(said: &Said, decided: &Decided) -> String {
    let verdict = match said.verdict {
        Verdict::Drop => "dropped".to_owned(),
        Verdict::Relay => format!("relayed to {}", names(&said.relay)),
        _ => format!("left to its route, {}", by_route(decided)),
    };
    match said.skipped {
        true => format!("{verdict}; later entry points skipped"),
        false => verdict,
    }
}

fn details(said: &Said, decided: &Decided) -> Vec<String> {
    let mut details = Vec::new();
    if let Some(error) = &said.error {
        details.push(format!("failed ({}): {error}", error.reason().label()));
    }
    if let Some(edited) = &said.edited {
        let (before, after) = (
            decided.envelope.message.as_frame().len(),
            edited.message.as_frame().len(),
        );
        details.push(format!("edited: {before} octets became {after}"));
    }
    details.extend(said.originated.iter().map(sent));
    if let Some(labels) = &said.labels
        && let Value::Array(labels) = labels.to_json(&decided.envelope)
    {
        details.extend(labels.iter().map(|label| format!("captured: {label}")));
    }
    details.extend(said.traces.iter().map(|id| format!("traced: {id}")));
    details
}

fn sent(sent: &Sent) -> String {
    let [(type1, id1), (type2, id2)] = &sent.message.correlation.pairs;
    let error = sent.error.as_ref().map(|error| format!(" ({error})"));
    format!(
        "correlated: {}={} and {}={} to {}{}",
        render::escape_str(type1),
        render::escape_str(id1),
        render::escape_str(type2),
        render::escape_str(id2),
        names(&sent.to),
        error.unwrap_or_default()
    )
}

fn names<S: AsRef<str>>(names: &[S]) -> String {
    if names.is_empty() {
        return "nowhere".to_owned();
    }
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.join(", ")
}

/// One object; `docs/routes.md` describes it.
pub(super) fn json(decided: &Decided) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put(
        "message",
        render::json_message(&decided.envelope.message, None, CONTENTS),
    );
    put("route", json!(strings(&decided.route)));
    put("asked", json!(decided.script.is_some()));
    let (decision, to) = match &decided.script {
        Some(said) if said.verdict == Verdict::Drop => ("drop", Vec::new()),
        Some(said) if said.verdict == Verdict::Relay => ("relay", strings(&said.relay)),
        _ => match decided.decision {
            Decision::Skip(_) => ("skip", Vec::new()),
            _ => ("route", strings(&decided.route)),
        },
    };
    put("decision", json!(decision));
    put("to", json!(to));
    let Some(said) = &decided.script else {
        return Value::Object(object);
    };
    let entries: Vec<_> = said.entries.iter().map(|entry| entry.name()).collect();
    put("entry_points", json!(entries));
    put("skipped", json!(said.skipped));
    if let Some(edited) = &said.edited {
        put(
            "edited",
            render::json_message(&edited.message, None, CONTENTS),
        );
    }
    if !said.originated.is_empty() {
        put(
            "originated",
            said.originated.iter().map(sent_json).collect(),
        );
    }
    if let Some(labels) = &said.labels {
        put("labels", labels.to_json(&decided.envelope));
    }
    if !said.traces.is_empty() {
        put("traces", json!(strings(&said.traces)));
    }
    if let Some(error) = &said.error {
        let error = json!({
            "reason": error.reason().label(),
            "line": error.line(),
            "message": error.message(),
        });
        put("error", error);
    }
    Value::Object(object)
}

const CONTENTS: Contents = Contents::ALL.digest(false);

fn sent_json(sent: &Sent) -> Value {
    let pairs = sent.message.correlation.pairs.iter();
    let correlation: Map<String, Value> = pairs
        .map(|(kind, id)| (kind.clone(), Value::from(id.as_str())))
        .collect();
    json!({
        "destination": &*sent.message.destination,
        "correlation": correlation,
        "to": strings(&sent.to),
        "error": sent.error,
    })
}

fn strings<S: AsRef<str>>(names: &[S]) -> Vec<&str> {
    names.iter().map(AsRef::as_ref).collect()
}

/// `name{label} = value`.
pub(super) fn counter(counter: &CounterReading) -> String {
    let name = &counter.name;
    match &*counter.label {
        "" => format!("{name} = {}", counter.value),
        label => format!(
            "{name}{{{}}} = {}",
            render::escape_str(label),
            counter.value
        ),
    }
}
