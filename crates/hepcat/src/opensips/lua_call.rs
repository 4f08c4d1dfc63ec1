//! The functions of a script that concern HEP, and a few that any script calls.

use std::collections::BTreeSet;

use super::{
    destinations::Destinations,
    expression::Expression,
    lua_expression::{self, Needs, Refused, quote},
    statement::Call,
};

/// What a script may name.
pub(super) struct Names<'a> {
    pub(super) destinations: &'a mut Destinations,
    pub(super) trace_ids: &'a BTreeSet<String>,
}

/// A condition that is a call.
pub(super) struct Tested {
    /// What has to be done before the condition.
    pub(super) before: Option<String>,
    pub(super) condition: String,
    pub(super) relays: bool,
    pub(super) keeps: bool,
}

/// Whether a function makes something of the message that `drop` does not undo in OpenSIPS.
pub(super) fn keeps(name: &str) -> bool {
    matches!(
        name,
        "hep_relay" | "sip_capture" | "report_capture" | "trace" | "sip_trace" | "correlate"
    )
}

/// A call as a statement of its own.
pub(super) fn statement(
    call: &Call,
    names: &Names<'_>,
    needs: &mut Needs,
) -> Result<String, Refused> {
    if call.name.eq_ignore_ascii_case("hep_get") {
        let get = Get::read(call, needs)?;
        return Ok(get.assignment());
    }
    if call.name.eq_ignore_ascii_case("xlog") {
        return log(call, needs);
    }
    plain(call, names, needs)
}

/// A condition that is nothing but a call, or its negation; `None` for any other condition.
pub(super) fn tested(
    condition: &Expression,
    names: &Names<'_>,
    needs: &mut Needs,
) -> Result<Option<Tested>, Refused> {
    let (call, negated) = match condition {
        Expression::Call(call) => (call, false),
        Expression::Not(inner) => match &**inner {
            Expression::Call(call) => (call, true),
            _ => return Ok(None),
        },
        _ => return Ok(None),
    };
    let lower = call.name.to_ascii_lowercase();
    let text = match lower.as_str() {
        "hep_get" => {
            let get = Get::read(call, needs)?;
            let sign = if negated { "==" } else { "~=" };
            let condition = format!("{} {sign} nil", get.first());
            return Ok(Some(Tested {
                before: Some(get.assignment()),
                condition,
                relays: false,
                keeps: false,
            }));
        }
        "hep_set" | "hep_del" | "hep_relay" | "sip_capture" | "report_capture" | "correlate"
        | "trace" | "sip_trace" => plain(call, names, needs)?,
        _ => return Ok(None),
    };
    let condition = if negated { format!("not {text}") } else { text };
    Ok(Some(Tested {
        before: None,
        condition,
        relays: lower == "hep_relay",
        keeps: keeps(&lower),
    }))
}

/// A function that is called the same way here.
fn plain(call: &Call, names: &Names<'_>, needs: &mut Needs) -> Result<String, Refused> {
    let lower = call.name.to_ascii_lowercase();
    let own: Vec<_> = call.arguments.iter().map(Option::as_ref).collect();
    let (name, arguments) = match lower.as_str() {
        "hep_relay" if own.is_empty() => ("hep_relay", vec!["next_hop".to_owned()]),
        "hep_resume_sip" if own.is_empty() => ("hep_resume_sip", Vec::new()),
        "hep_set" => ("hep_set", values(&set_order(&own), needs)?),
        "hep_del" => ("hep_del", values(&own, needs)?),
        "sip_capture" => ("sip_capture", values(&own, needs)?),
        "report_capture" => ("report_capture", values(&own, needs)?),
        "correlate" => {
            let mut arguments = values(&own, needs)?;
            let target = literal(&own, 0).ok_or("the hep_id of correlate is not written out")?;
            let known = names.destinations.find(target);
            let known = known.ok_or_else(|| format!("there is no hep_id `{target}`"))?;
            if !names.destinations.is_v3(known) {
                return Err(format!(
                    "`{target}` takes HEP version 1 or 2, which carry no correlation"
                ));
            }
            if let (Some(first), Some(second)) = (literal(&own, 1), literal(&own, 3))
                && first == second
            {
                return Err("the two types of a correlation must differ".to_owned());
            }
            if let Some(argument) = arguments.first_mut() {
                *argument = quote(known);
            }
            ("correlate", arguments)
        }
        "trace" | "sip_trace" => {
            let id = literal(&own, 0).ok_or("the trace id is not written out")?;
            if !names.trace_ids.contains(id) {
                return Err(format!("the configuration has no trace `{id}`"));
            }
            ("trace", values(&own, needs)?)
        }
        _ => return Err(format!("{}() has no counterpart", call.name)),
    };
    Ok(format!("{name}({})", arguments.join(", ")))
}

fn literal<'e>(arguments: &[Option<&'e Expression>], at: usize) -> Option<&'e str> {
    match arguments.get(at) {
        Some(Some(Expression::Text(text))) if !text.contains('$') => Some(text),
        _ => None,
    }
}

/// The arguments as they are; those left out at the end are left out here.
fn values(arguments: &[Option<&Expression>], needs: &mut Needs) -> Result<Vec<String>, Refused> {
    let mut values = arguments
        .iter()
        .map(|argument| match argument {
            Some(expression) => lua_expression::value(expression, needs),
            None => Ok("nil".to_owned()),
        })
        .collect::<Result<Vec<_>, _>>()?;
    while values.last().is_some_and(|value| value == "nil") {
        values.pop();
    }
    Ok(values)
}

fn is_data_type(expression: Option<&Expression>) -> bool {
    const TYPES: [&str; 7] = [
        "uint8",
        "uint16",
        "uint32",
        "inet4-addr",
        "inet6-addr",
        "utf8-string",
        "octet-string",
    ];
    match expression {
        Some(Expression::Text(text)) => TYPES.iter().any(|own| own.eq_ignore_ascii_case(text)),
        _ => false,
    }
}

/// `hep_set(type, chunk, vendor, data)` of version 2 in the order of version 3: chunk, data, type, vendor.
fn set_order<'e>(own: &[Option<&'e Expression>]) -> Vec<Option<&'e Expression>> {
    match own {
        [kind, chunk, vendor, data] if is_data_type(*kind) => vec![*chunk, *data, *kind, *vendor],
        _ => own.to_vec(),
    }
}

/// Whether the original shows the values of this chunk by name (`SIP`, `udp`, `AF_INET`), whatever type it is asked for,
/// where ours shows the number to whoever asks for one. `chunk` as it stands in the script.
fn has_named_values(chunk: &str) -> bool {
    let chunk = chunk.trim_matches('"').to_ascii_lowercase();
    let number = match chunk.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => chunk.parse().ok(),
    };
    matches!(number, Some(1 | 2 | 11))
        || matches!(chunk.as_str(), "proto_family" | "proto_id" | "proto_type")
}

/// `hep_get` gives its values back instead of setting variables.
struct Get {
    call: String,
    data: Option<String>,
    vendor: Option<String>,
}

impl Get {
    fn read(call: &Call, needs: &mut Needs) -> Result<Self, Refused> {
        let own: Vec<_> = call.arguments.iter().map(Option::as_ref).collect();
        let at = |index: usize| own.get(index).copied().flatten();
        // Version 2 began with the type and had the vendor before the data.
        let [chunk, kind, data, vendor] = if is_data_type(at(0)) {
            [at(1), at(0), at(3), at(2)]
        } else {
            [at(0), at(1), at(2), at(3)]
        };
        let target = |own: Option<&Expression>| match own {
            None => Ok(None),
            Some(Expression::Variable(name)) => lua_expression::target(name).map(Some),
            Some(_) => Err("hep_get needs variables to put its values into".to_owned()),
        };
        let (data, vendor) = (target(data)?, target(vendor)?);
        let mut arguments = values(&[chunk, kind], needs)?;
        if arguments
            .first()
            .is_some_and(|chunk| has_named_values(chunk))
        {
            arguments.truncate(1);
        }
        Ok(Self {
            call: format!("hep_get({})", arguments.join(", ")),
            data,
            vendor,
        })
    }

    /// The variable that tells whether there is a value.
    fn first(&self) -> &str {
        let first = self.data.as_deref().or(self.vendor.as_deref());
        first.unwrap_or("nil")
    }

    fn assignment(&self) -> String {
        match (&self.data, &self.vendor) {
            (Some(data), Some(vendor)) => format!("{data}, {vendor} = {}", self.call),
            (Some(data), None) => format!("{data} = {}", self.call),
            (None, Some(vendor)) => format!("_, {vendor} = {}", self.call),
            (None, None) => self.call.clone(),
        }
    }
}

/// `xlog([level], text)`.
fn log(call: &Call, needs: &mut Needs) -> Result<String, Refused> {
    let own: Vec<_> = call.arguments.iter().map(Option::as_ref).collect();
    let (level, text) = match own.as_slice() {
        [Some(Expression::Text(level)), Some(text)] => (level.as_str(), text),
        [Some(text)] => ("L_ERR", text),
        _ => return Err("this form of xlog has no counterpart".to_owned()),
    };
    let level = match level.to_ascii_uppercase().trim_start_matches("L_") {
        "ALERT" | "CRIT" | "ERR" => "error",
        "WARN" => "warn",
        "NOTICE" | "INFO" => "info",
        "DBG" => "debug",
        other => return Err(format!("`{other}` is no level of the log")),
    };
    let text = match text {
        // A line of the log needs no line break.
        Expression::Text(text) => lua_expression::interpolated(text.trim_end_matches('\n'), needs)?,
        other => lua_expression::value(other, needs)?,
    };
    Ok(format!("log({}, {text})", quote(level)))
}
