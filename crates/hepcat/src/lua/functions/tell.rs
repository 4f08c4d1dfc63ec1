//! What others are told because of a message: `correlate`, `trace`, `log`.

use std::sync::Arc;

use mlua::{Lua, LuaString, Value, Variadic};

use crate::lua::{
    args::Args,
    chunk_value::shown,
    desk::{Seat, open},
    outcome::{Correlation, Originated, TraceFlags, TraceRequest, TraceScope, TraceTypes},
    refusal::{OrRefuse, refuse},
};

/// Longest text of a log line, in octets; the rest is cut off.
const MAX_LOG: usize = 2_000;

pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    let globals = lua.globals();
    let desk = Arc::clone(seat);
    globals.raw_set(
        "correlate",
        lua.create_function(move |_, given| correlate(&desk, given))?,
    )?;
    let desk = Arc::clone(seat);
    globals.raw_set(
        "trace",
        lua.create_function(move |_, given| trace(&desk, given))?,
    )?;
    let desk = Arc::clone(seat);
    globals.raw_set(
        "log",
        lua.create_function(move |_, (level, text)| log(&desk, &level, &text))?,
    )
}

fn correlate(seat: &Seat, given: Variadic<Value>) -> mlua::Result<bool> {
    const NAME: &str = "correlate";
    const NAMES: &[&str] = &["hep_id", "type1", "correlation1", "type2", "correlation2"];
    let args = Args::new(NAME, NAMES, given)?;
    let name = args.required_text("hep_id")?;
    let first = (
        args.required_text("type1")?,
        args.required_text("correlation1")?,
    );
    let second = (
        args.required_text("type2")?,
        args.required_text("correlation2")?,
    );
    let mut desk = open(seat)?;
    let destination = Arc::clone(desk.names.correlation_target(&name).or_refuse(NAME)?);
    let correlation = Correlation {
        pairs: [first, second],
    };
    drop(correlation.request().or_refuse(NAME)?);
    desk.current().or_refuse(NAME)?;
    let texts = correlation.pairs.iter().flat_map(|(kind, id)| [kind, id]);
    let texts = texts.map(String::as_str);
    desk.decided.make_room(texts).or_refuse(NAME)?;
    desk.decided.originated.push(Originated {
        destination,
        correlation,
    });
    Ok(true)
}

fn trace(seat: &Seat, given: Variadic<Value>) -> mlua::Result<bool> {
    const NAME: &str = "trace";
    const NAMES: &[&str] = &[
        "trace_id",
        "scope",
        "type",
        "trace_attrs",
        "flags",
        "correlation_id",
    ];
    let args = Args::new(NAME, NAMES, given)?;
    let name = args.required_text("trace_id")?;
    let scope = args.text("scope")?.map(|text| scope(&text)).transpose();
    let types = args.text("type")?.map_or(Ok(SIP_ONLY), |text| types(&text));
    let flags = args.text("flags")?.map_or(Ok(BOTH), |text| flags(&text));
    let correlation_id = args.text("correlation_id")?;
    let mut desk = open(seat)?;
    let request = TraceRequest {
        trace_id: Arc::clone(desk.names.known_trace_id(&name).or_refuse(NAME)?),
        scope: scope.or_refuse(NAME)?,
        types: types.or_refuse(NAME)?,
        flags: flags.or_refuse(NAME)?,
        correlation_id,
    };
    desk.current().or_refuse(NAME)?;
    let text = request.correlation_id.as_deref();
    desk.decided.make_room(text).or_refuse(NAME)?;
    desk.decided.traces.push(request);
    Ok(true)
}

const SIP_ONLY: TraceTypes = TraceTypes {
    sip: true,
    xlog: false,
    rest: false,
};
const BOTH: TraceFlags = TraceFlags {
    caller: true,
    callee: true,
};

/// Letters; of several the one that takes in most.
fn scope(text: &str) -> Result<TraceScope, String> {
    let mut widest = None;
    for letter in text.chars() {
        let (rank, scope) = match letter {
            'm' => (0, TraceScope::Message),
            't' => (1, TraceScope::Transaction),
            'd' => (2, TraceScope::Dialog),
            'b' => (3, TraceScope::Session),
            _ => {
                return Err(format!(
                    "scope \"{}\": letters are m, t, d and b",
                    text.escape_default()
                ));
            }
        };
        if widest.is_none_or(|(other, _)| other < rank) {
            widest = Some((rank, scope));
        }
    }
    widest
        .map(|(_, scope)| scope)
        .ok_or_else(|| "scope is empty".to_owned())
}

/// Names with `|` between them. SIP is not taken in unless it is named.
fn types(text: &str) -> Result<TraceTypes, String> {
    let mut types = TraceTypes {
        sip: false,
        xlog: false,
        rest: false,
    };
    for name in text.split('|').map(str::trim) {
        match name {
            "sip" => types.sip = true,
            "xlog" => types.xlog = true,
            "rest" => types.rest = true,
            _ => {
                return Err(format!(
                    "type \"{}\" is none of sip, xlog and rest",
                    name.escape_default()
                ));
            }
        }
    }
    Ok(types)
}

/// `C` is the caller's side, `c` the callee's; none or both are both.
fn flags(text: &str) -> Result<TraceFlags, String> {
    if let Some(other) = text.chars().find(|letter| !matches!(letter, 'C' | 'c')) {
        return Err(format!(
            "flag \"{}\" is neither C nor c",
            other.escape_default()
        ));
    }
    let (caller, callee) = (text.contains('C'), text.contains('c'));
    Ok(if caller == callee {
        BOTH
    } else {
        TraceFlags { caller, callee }
    })
}

fn log(seat: &Seat, level: &LuaString, text: &Value) -> mlua::Result<()> {
    const NAME: &str = "log";
    let text = match text {
        Value::String(text) => text.to_string_lossy(),
        other => other.to_string()?,
    };
    let shown_level = shown(&Value::String(level.clone()));
    let level = level.to_string_lossy().to_ascii_lowercase();
    let desk = open(seat)?;
    let (script, line) = (&*desk.script, printable(&text));
    let level = match level.as_str() {
        "error" | "err" | "critical" | "alert" => tracing::Level::ERROR,
        "warn" | "warning" => tracing::Level::WARN,
        "info" | "notice" => tracing::Level::INFO,
        "debug" | "dbg" => tracing::Level::DEBUG,
        _ => {
            return Err(refuse(
                NAME,
                format!("level {shown_level} is none of error, warn, info and debug"),
            ));
        }
    };
    if !desk.shared.may_log(desk.now()) {
        return Ok(());
    }
    match level {
        tracing::Level::ERROR => tracing::error!(script, line, "script"),
        tracing::Level::WARN => tracing::warn!(script, line, "script"),
        tracing::Level::INFO => tracing::info!(script, line, "script"),
        _ => tracing::debug!(script, line, "script"),
    }
    Ok(())
}

/// A text as a log may have it: one line, not too long.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MAX_LOG));
    for character in text.chars() {
        if line.len() >= MAX_LOG {
            line.push('…');
            break;
        }
        line.push(if character.is_control() {
            ' '
        } else {
            character
        });
    }
    line
}
