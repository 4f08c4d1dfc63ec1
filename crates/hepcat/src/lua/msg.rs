//! `msg`: the message, as a value of Lua.

use mlua::{Lua, UserData, UserDataFields, Value};

use super::desk::{Current, Seat, open};

/// The one value of its kind in a state; it shows whatever message lies on the desk.
#[derive(Debug)]
pub(super) struct Msg {
    seat: Seat,
}

impl Msg {
    pub(super) const fn new(seat: Seat) -> Self {
        Self { seat }
    }
}

type Read = fn(&Lua, &mut Current) -> mlua::Result<Value>;

/// Every field that can be read.
const FIELDS: &[(&str, Read)] = &[
    ("call_id", |lua, m| {
        octets(lua, m.sip().and_then(|sip| sip.call_id()))
    }),
    ("method", |lua, m| {
        octets(lua, m.sip().and_then(|sip| sip.method()))
    }),
];

impl UserData for Msg {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        for (name, read) in FIELDS {
            fields.add_field_method_get(*name, move |lua, msg: &Self| {
                read(
                    lua,
                    open(&msg.seat)?.current().map_err(mlua::Error::external)?,
                )
            });
        }
    }
}

fn octets(lua: &Lua, octets: Option<&[u8]>) -> mlua::Result<Value> {
    match octets {
        Some(octets) => lua.create_string(octets).map(Value::String),
        None => Ok(Value::Nil),
    }
}
