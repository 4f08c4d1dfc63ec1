//! The `[[trace]]` tables: the trace ids of OpenSIPS's `tracer`, as far as they lead to HEP.

use super::{
    Config, Fault, Marked, hep_id,
    reader::{Table, closest},
    route::read_query,
};
use crate::{
    query::Query,
    tracer::{Scope, Types, read_types},
};

/// Where the messages of a trace id go, and which they are. Several tables of one trace id are all served.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// Its name: what `trace()` of a script calls it.
    pub trace_id: Marked<String>,
    /// Destinations and groups, in the order in which they get the copies; at least one.
    pub to: Vec<Marked<String>>,
    /// What begins it by itself; `None` for one that waits for a script.
    pub when: Option<Marked<Query>>,
    /// How much of a call; `None` leaves it to the message: the dialog of an initial INVITE, else the
    /// transaction of a request, else the message.
    pub scope: Option<Scope>,
    /// Protocol types.
    pub types: Types,
    /// Messages in one second; `None` is no limit.
    pub rate: Option<u32>,
    /// Whether it is on.
    pub on: bool,
}

/// The highest rate that can be written, far above what a node takes in.
const HIGHEST_RATE: i64 = 10_000_000;

impl Trace {
    pub(super) fn read(table: &Table<'_>) -> Option<Self> {
        table.require(
            "trace_id",
            "add trace_id = \"…\", or the form of OpenSIPS: trace_id = \"[name]uri=hep:hep_id\"",
        );
        let written = table.text("trace_id");
        let is_original = (written.as_ref()).is_some_and(|text| text.trim_start().starts_with('['));
        let mut to = table.texts("to").unwrap_or_default();
        if is_original {
            if let Some(first) = to.first() {
                let message = "`to` stands beside a trace_id that names its destination";
                table.fault(first, message, "remove one of the two");
            }
        } else {
            table.require("to", "add to = [\"…\"]: the destinations of the copies");
            if table.has("to") && to.is_empty() {
                let fault = Fault::at_mark(
                    &table.key_mark("to"),
                    "`to` is empty: the trace leads nowhere",
                    "name a destination, or set on = false",
                );
                table.reader().fault(fault);
            }
        }
        let when = read_query(table);
        let types = table.texts("types").map_or(Types::SIP, |names| {
            names.iter().fold(Types::NONE, |types, name| {
                match read_types(std::slice::from_ref(&**name)) {
                    Ok(_) => Types::named(name).map_or(types, |known| types.with(known)),
                    Err(what) => {
                        let message = format!("`types`: {what}");
                        table.fault(name, message, "docs/query.md lists the names of `type:`");
                        types
                    }
                }
            })
        });
        let scope = table.choice("scope", &Scope::NAMES).map(Marked::into_inner);
        let rate = table
            .number("rate", 1..=HIGHEST_RATE)
            .map(Marked::into_inner);
        let on = table.flag("on").is_none_or(Marked::into_inner);
        let written = written?;
        let trace_id = if is_original {
            let (name, target) = read_original(table, &written)?;
            to = vec![target];
            name
        } else {
            if let Err((message, remedy)) = hep_id::check_name(&written) {
                table.fault(&written, message, remedy);
                return None;
            }
            written
        };
        Some(Self {
            trace_id,
            to,
            when,
            scope,
            types,
            rate,
            on,
        })
    }
}

/// `[name]uri=hep:hep_id`, as `modparam("tracer", "trace_id", …)` has it.
fn read_original(
    table: &Table<'_>,
    text: &Marked<String>,
) -> Option<(Marked<String>, Marked<String>)> {
    const REMEDY: &str = "write \"[name]uri=hep:hep_id\"";
    let wrong = |message: &str| {
        table.fault(text, format!("`trace_id`: {message}"), REMEDY);
        None
    };
    let Some((name, rest)) = text
        .trim()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    else {
        return wrong("the name does not end");
    };
    let mut uri = None;
    for part in rest
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let Some((key, value)) = part.split_once('=') else {
            return wrong(&format!("`{part}` is no key with a value"));
        };
        match key.trim() {
            "uri" => uri = Some(value.trim()),
            "table" => return wrong("a table is one of a database, and copies go out as HEP"),
            other => return wrong(&format!("unknown key `{other}`")),
        }
    }
    let Some(target) = uri.and_then(|uri| uri.strip_prefix("hep:")) else {
        return wrong(
            "the uri is none of HEP: files, databases, syslog and plain SIP are not served",
        );
    };
    let name = name.trim();
    for name in [name, target] {
        if let Err((message, remedy)) = hep_id::check_name(name) {
            table.fault(text, message, remedy);
            return None;
        }
    }
    let marked = |value: &str| Marked::new(value.to_owned(), text.mark().clone());
    Some((marked(name), marked(target)))
}

/// Every destination of a trace is one of the configuration. `unread` names those with faults of their own.
pub(super) fn check(config: &Config, unread: &[String], note: &mut dyn FnMut(Fault)) {
    let read = || config.destinations.iter().map(|one| one.name.as_str());
    let groups = || config.groups.iter().map(|one| one.name.as_str());
    let unread = || unread.iter().map(String::as_str);
    let names = || read().chain(groups()).chain(unread());
    for target in config.traces.iter().flat_map(|trace| &trace.to) {
        if names().any(|known| known == target.as_str()) {
            continue;
        }
        let message = format!(
            "a trace leads to `{}`, which is no destination and no group",
            **target
        );
        let remedy = match closest(target, names()) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!(
                "add a [[destination]] of that name, or a hep_id [{}]",
                **target
            ),
        };
        note(Fault::at(target, message, remedy));
    }
}
