//! What is written on a message that is kept: `sip_capture`, `report_capture`.

use std::sync::Arc;

use mlua::{Lua, Value, Variadic};

use crate::lua::{
    args::Args,
    chunk_value,
    desk::{Seat, open},
    outcome::{CaptureLabel, Report},
    refusal::OrRefuse,
};

pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    let globals = lua.globals();
    let desk = Arc::clone(seat);
    globals.raw_set(
        "sip_capture",
        lua.create_function(move |_, given| sip_capture(&desk, given))?,
    )?;
    let desk = Arc::clone(seat);
    globals.raw_set(
        "report_capture",
        lua.create_function(move |_, given| report_capture(&desk, given))?,
    )
}

fn sip_capture(seat: &Seat, given: Variadic<Value>) -> mlua::Result<bool> {
    const NAME: &str = "sip_capture";
    let names = &["table", "custom_field1", "custom_field2", "custom_field3"];
    let args = Args::new(NAME, names, given)?;
    let label = CaptureLabel {
        table: args.text("table")?,
        fields: [
            args.text("custom_field1")?,
            args.text("custom_field2")?,
            args.text("custom_field3")?,
        ],
        report: None,
    };
    let mut desk = open(seat)?;
    let is_sip = desk.current().or_refuse(NAME)?.sip().is_some();
    if is_sip {
        let texts = label.fields.iter().chain([&label.table]).flatten();
        let texts = texts.map(String::as_str);
        desk.decided.make_room(texts).or_refuse(NAME)?;
        desk.decided.captures.push(label);
    }
    Ok(is_sip)
}

fn report_capture(seat: &Seat, given: Variadic<Value>) -> mlua::Result<bool> {
    const NAME: &str = "report_capture";
    let args = Args::new(NAME, &["correlation_id", "table", "proto_type"], given)?;
    let correlation_id = args.text("correlation_id")?.unwrap_or_default();
    let table = args.text("table")?;
    let given = args.value("proto_type").map(chunk_value::protocol_type);
    let given = given.transpose().or_refuse(NAME)?;
    let mut desk = open(seat)?;
    let own = desk.current().or_refuse(NAME)?.message().protocol_type();
    if correlation_id.is_empty() {
        return Ok(false);
    }
    let texts = [Some(correlation_id.as_str()), table.as_deref()];
    desk.decided
        .make_room(texts.into_iter().flatten())
        .or_refuse(NAME)?;
    desk.decided.captures.push(CaptureLabel {
        table,
        fields: Default::default(),
        report: Some(Report {
            correlation_id,
            protocol_type: given.or_else(|| own.map(|own| own.0)).unwrap_or(1),
        }),
    });
    Ok(true)
}
