//! Chunks by name or number: `hep_get`, `hep_set`, `hep_del`, and what the frame travelled by: `hep_net`.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hepcat_wire::{AddressFamily, ChunkType, Target, VendorId, Version};
use mlua::{BString, Lua, Table, Value, Variadic};

use crate::lua::{
    args::Args,
    chunk_key::{ChunkKey, End, Meaning},
    chunk_value::{self, DataType, Decoded, Written, integer_of, shown, text_of},
    desk::{Current, Seat, edited, open},
    refusal::{OrRefuse, refuse},
    reply::{NIL, Reply, Text, address, octets},
};

pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    let globals = lua.globals();

    let desk = Arc::clone(seat);
    let hep_get = lua.create_function(move |lua, given: Variadic<Value>| {
        const NAME: &str = "hep_get";
        let asked = Asked::to_read(NAME, given)?;
        let mut desk = open(&desk)?;
        let current = desk.current().or_refuse(NAME)?;
        let value = get(lua, current, asked.key, asked.data_type).or_refuse(NAME)?;
        let there = !matches!(value, Reply::Right(Value::Nil));
        let vendor = there.then_some(asked.key.vendor_id.0);
        Ok((value, vendor))
    })?;
    globals.raw_set("hep_get", hep_get)?;

    let desk = Arc::clone(seat);
    let hep_set = lua.create_function(move |_, given: Variadic<Value>| {
        const NAME: &str = "hep_set";
        let (asked, data) = Asked::to_write(NAME, given)?;
        let mut desk = open(&desk)?;
        let current = desk.current().or_refuse(NAME)?;
        set(current, asked.key, &data, asked.data_type).or_refuse(NAME)
    })?;
    globals.raw_set("hep_set", hep_set)?;

    let desk = Arc::clone(seat);
    let hep_del = lua.create_function(move |_, given: Variadic<Value>| {
        const NAME: &str = "hep_del";
        let asked = Asked::to_read(NAME, given)?;
        let mut desk = open(&desk)?;
        let current = desk.current().or_refuse(NAME)?;
        del(current, asked.key).or_refuse(NAME)
    })?;
    globals.raw_set("hep_del", hep_del)?;

    let desk = Arc::clone(seat);
    let hep_net = lua.create_function(move |lua, name: BString| {
        const NAME: &str = "hep_net";
        let mut desk = open(&desk)?;
        let origin = Arc::clone(&desk.current().or_refuse(NAME)?.envelope.origin);
        let (peer, local): (SocketAddr, SocketAddr) = (origin.peer, origin.local);
        match name.as_slice() {
            b"proto_family" => {
                let family = if peer.is_ipv4() {
                    "AF_INET"
                } else {
                    "AF_INET6"
                };
                octets(lua, Some(family.as_bytes()))
            }
            b"proto_id" => {
                let mut text = Text::default();
                text.push("hep_").push(origin.transport.name());
                octets(lua, Some(text.as_bytes()))
            }
            b"src_ip" => address(lua, Some(peer.ip())),
            b"dst_ip" => address(lua, Some(local.ip())),
            b"src_port" => Ok(Reply::Right(Value::Integer(peer.port().into()))),
            b"dst_port" => Ok(Reply::Right(Value::Integer(local.port().into()))),
            _ => Err(refuse(NAME, format!("no field {name:?}"))),
        }
    })?;
    globals.raw_set("hep_net", hep_net)
}

/// Which chunk, and as what.
struct Asked {
    key: ChunkKey,
    data_type: Option<DataType>,
}

impl Asked {
    /// `(chunk, [type], [vendor])`, type and vendor in any order; `(type, chunk, [vendor])`; or a table.
    fn to_read(function: &'static str, given: Variadic<Value>) -> mlua::Result<Self> {
        if let [Value::Table(table)] = given.as_slice() {
            return Self::from_table(function, table, &["chunk", "type", "vendor"]);
        }
        let values: Vec<&Value> = given.iter().collect();
        let (chunk, rest) = match values.as_slice() {
            [first, chunk, rest @ ..] if is_data_type(first) => {
                (*chunk, [&[*first], rest].concat())
            }
            [chunk, rest @ ..] => (*chunk, rest.to_vec()),
            [] => return Err(refuse(function, "chunk is missing")),
        };
        Self::of(chunk, &rest).or_refuse(function)
    }

    /// `(chunk, data, [type], [vendor])`, type and vendor in any order; `(type, chunk, [vendor], data)` of older
    /// scripts; or a table.
    fn to_write(function: &'static str, given: Variadic<Value>) -> mlua::Result<(Self, Value)> {
        let missing = || refuse(function, "chunk and data are needed");
        if let [Value::Table(table)] = given.as_slice() {
            let asked = Self::from_table(function, table, &["chunk", "data", "type", "vendor"])?;
            let data: Value = table.raw_get("data")?;
            return if data.is_nil() {
                Err(missing())
            } else {
                Ok((asked, data))
            };
        }
        let values: Vec<&Value> = given.iter().collect();
        let (chunk, data, rest) = match values.as_slice() {
            [first, chunk, data] if is_data_type(first) => (*chunk, *data, vec![*first]),
            [first, chunk, vendor, data] if is_data_type(first) => {
                (*chunk, *data, vec![*first, *vendor])
            }
            [chunk, data, rest @ ..] => (*chunk, *data, rest.to_vec()),
            _ => return Err(missing()),
        };
        if data.is_nil() {
            return Err(missing());
        }
        let asked = Self::of(chunk, &rest).or_refuse(function)?;
        asked.key.check_writable().or_refuse(function)?;
        Ok((asked, data.clone()))
    }

    fn from_table(
        function: &'static str,
        table: &Table,
        names: &'static [&'static str],
    ) -> mlua::Result<Self> {
        let given = Variadic::from_iter([Value::Table(table.clone())]);
        let args = Args::new(function, names, given)?;
        let chunk = args
            .value("chunk")
            .ok_or_else(|| refuse(function, "chunk is missing"))?;
        let rest: Vec<&Value> = ["type", "vendor"]
            .iter()
            .filter_map(|name| args.value(name))
            .collect();
        let asked = Self::of(chunk, &rest).or_refuse(function)?;
        if names.contains(&"data") {
            asked.key.check_writable().or_refuse(function)?;
        }
        Ok(asked)
    }

    /// A chunk, and behind it a data type and a vendor as far as they are given.
    fn of(chunk: &Value, rest: &[&Value]) -> Result<Self, String> {
        let key = match chunk {
            Value::String(_) => ChunkKey::parse(text_of(chunk)?.trim())?,
            _ => ChunkKey::numbered(integer_of(chunk)?)?,
        };
        let (mut data_type, mut vendor_id) = (None, None);
        for value in rest.iter().filter(|value| !value.is_nil()) {
            let named = match value {
                Value::String(text) => DataType::parse(&text.as_bytes()),
                _ => None,
            };
            if let Some(named) = named {
                data_type = Some(named);
            } else if let Ok(number) = integer_of(value) {
                let number = u16::try_from(number)
                    .map_err(|_| format!("{number} is no vendor: 0 to 65535"))?;
                vendor_id = Some(VendorId(number));
            } else {
                let names = DataType::NAMES.map(|(name, _)| name).join(", ");
                let what = shown(value);
                return Err(format!(
                    "{what} is neither a vendor nor a data type ({names})"
                ));
            }
        }
        Ok(Self {
            key: key.of_vendor(vendor_id),
            data_type,
        })
    }
}

fn is_data_type(value: &Value) -> bool {
    matches!(value, Value::String(text) if DataType::parse(&text.as_bytes()).is_some())
}

/// The value of a chunk, nil where there is none.
pub(in crate::lua) fn get(
    lua: &Lua,
    current: &mut Current,
    key: ChunkKey,
    data_type: Option<DataType>,
) -> Result<Reply, String> {
    let number = |number: Option<u32>| {
        Ok(number.map_or(NIL, |number| Reply::Right(Value::Integer(number.into()))))
    };
    let failed = |error: mlua::Error| error.to_string();
    let as_number = data_type.is_some_and(|data_type| data_type.width().is_some());
    let message = current.message();
    let named = |name: Option<&'static str>, code: Option<u8>| match name.filter(|_| !as_number) {
        Some(name) => octets(lua, Some(name.as_bytes())).map_err(failed),
        None => number(code.map(u32::from)),
    };
    match key.meaning() {
        Some(Meaning::IpFamily) => {
            let family = message.ip_family();
            let name = family
                .and_then(AddressFamily::from_wire)
                .map(|family| match family {
                    AddressFamily::V6 => "AF_INET6",
                    _ => "AF_INET",
                });
            named(name, family)
        }
        Some(Meaning::IpProtocol) => {
            let protocol = message.ip_protocol();
            named(
                protocol.and_then(|p| p.transport_name()),
                protocol.map(|p| p.0),
            )
        }
        Some(Meaning::ProtocolType) => {
            let code = message.protocol_type().map(|code| code.0);
            named(code.and_then(chunk_value::protocol_type_name), code)
        }
        Some(Meaning::Address(end)) => {
            let ip = match end {
                End::Source => message.canonical_src_ip(),
                End::Destination => message.canonical_dst_ip(),
            };
            address(lua, ip).map_err(failed)
        }
        Some(Meaning::Payload) => {
            let there = message.payload().octets().is_some();
            let payload = there.then(|| current.payload().clone());
            octets(lua, payload.as_deref()).map_err(failed)
        }
        Some(Meaning::Integer(_)) => match key.chunk_type {
            // These three stand in the headers of versions 1 and 2 as well.
            ChunkType::SRC_PORT => number(message.src_port().map(u32::from)),
            ChunkType::DST_PORT => number(message.dst_port().map(u32::from)),
            ChunkType::TIME_SEC => number(message.time_sec()),
            ChunkType::TIME_USEC => number(message.time_usec()),
            ChunkType::CAPTURE_ID => number(message.capture_id()),
            _ => chunk(lua, current, key, data_type),
        },
        Some(Meaning::Key) => {
            let hidden = message.auth_key().map(|value| vec![b'*'; value.len()]);
            octets(lua, hidden.as_deref()).map_err(failed)
        }
        Some(Meaning::Mac) => {
            let mac = match key.chunk_type {
                ChunkType::SRC_MAC => message.src_mac(),
                _ => message.dst_mac(),
            };
            crate::lua::reply::mac(lua, mac).map_err(failed)
        }
        Some(Meaning::Text) | None => chunk(lua, current, key, data_type),
    }
}

/// The octets of a chunk read as a type.
fn chunk(
    lua: &Lua,
    current: &Current,
    key: ChunkKey,
    data_type: Option<DataType>,
) -> Result<Reply, String> {
    let Some(chunk) = current.message().chunk(key.vendor_id, key.chunk_type) else {
        return Ok(NIL);
    };
    let usual = match (key.meaning(), chunk.value().len()) {
        (Some(Meaning::Integer(1)), 1) => DataType::Uint8,
        (Some(Meaning::Integer(2)), 2) => DataType::Uint16,
        (Some(Meaning::Integer(4)), 4) => DataType::Uint32,
        _ => DataType::Octets,
    };
    let value = match chunk_value::decode(key, chunk.value(), data_type.unwrap_or(usual))? {
        Decoded::Integer(number) => Ok(Reply::Right(Value::Integer(number))),
        Decoded::Address(ip) => address(lua, Some(ip)),
        Decoded::Octets => octets(lua, Some(chunk.value())),
    };
    value.map_err(|error| error.to_string())
}

/// Writes a chunk; `false` where the message's version has none.
pub(in crate::lua) fn set(
    current: &mut Current,
    key: ChunkKey,
    data: &Value,
    data_type: Option<DataType>,
) -> Result<bool, String> {
    let written = chunk_value::encode(key, data, data_type)?;
    if key.meaning() == Some(Meaning::Payload)
        && let Written::Octets(payload) = &written
    {
        current
            .set_payload(payload)
            .map_err(|error| error.to_string())?;
        return Ok(true);
    }
    if current.message().version() != Version::V3 {
        return Ok(false);
    }
    let value = match written {
        Written::Octets(value) => value,
        Written::Address(ip) => {
            let end = match key.meaning() {
                Some(Meaning::Address(End::Destination)) => End::Destination,
                _ => End::Source,
            };
            return set_address(current, end, ip).map(|()| true);
        }
    };
    let target = Target::vendor(key.vendor_id, key.chunk_type);
    let frame = edited(current.message(), |rewrite| {
        if rewrite.replace(target, value.clone()) == 0 {
            rewrite.set(target, key.vendor_id, key.chunk_type, value);
        }
    });
    current.replace_frame(frame.map_err(|error| error.to_string())?);
    Ok(true)
}

/// Gives an end another address. Both ends are of one family afterwards, and the family says so: where only one is
/// IPv4, it is written as an IPv4-mapped address.
fn set_address(current: &mut Current, end: End, ip: IpAddr) -> Result<(), String> {
    let message = current.message();
    let (src, dst) = match end {
        End::Source => (Some(ip.to_canonical()), message.canonical_dst_ip()),
        End::Destination => (message.canonical_src_ip(), Some(ip.to_canonical())),
    };
    let all_v4 = [src, dst].iter().flatten().all(IpAddr::is_ipv4);
    let ends = [
        (src, ChunkType::SRC_IPV4, ChunkType::SRC_IPV6),
        (dst, ChunkType::DST_IPV4, ChunkType::DST_IPV6),
    ];
    let family = if all_v4 {
        AddressFamily::V4
    } else {
        AddressFamily::V6
    };
    let frame = edited(message, |rewrite| {
        for (ip, v4, v6) in ends {
            let Some(ip) = ip else { continue };
            let (wanted, other) = if all_v4 { (v4, v6) } else { (v6, v4) };
            let value = match ip {
                IpAddr::V4(ip) if all_v4 => ip.octets().to_vec(),
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            let target = Target::generic(wanted);
            if rewrite.replace(target, value.clone()) == 0 {
                let place = Target::generic(other).first();
                rewrite.set(place, VendorId::GENERIC, wanted, value);
            }
            rewrite.remove(Target::generic(other));
        }
        let said = message.ip_family().and_then(AddressFamily::from_wire);
        if said != Some(family) || message.address_family() != Some(family) {
            let target = Target::generic(ChunkType::IP_FAMILY);
            rewrite.set(
                target,
                VendorId::GENERIC,
                ChunkType::IP_FAMILY,
                vec![family.to_wire()],
            );
        }
    });
    current.replace_frame(frame.map_err(|error| error.to_string())?);
    Ok(())
}

/// Takes a chunk out; tells whether there was one.
fn del(current: &mut Current, key: ChunkKey) -> Result<bool, String> {
    if current.message().version() != Version::V3 {
        return Ok(false);
    }
    let types: &[ChunkType] = match key.meaning() {
        Some(Meaning::Address(End::Source)) => &[ChunkType::SRC_IPV4, ChunkType::SRC_IPV6],
        Some(Meaning::Address(End::Destination)) => &[ChunkType::DST_IPV4, ChunkType::DST_IPV6],
        Some(Meaning::Payload) => &[ChunkType::PAYLOAD, ChunkType::COMPRESSED_PAYLOAD],
        _ => &[key.chunk_type],
    };
    let mut removed = 0;
    let frame = edited(current.message(), |rewrite| {
        for chunk_type in types {
            removed += rewrite.remove(Target::vendor(key.vendor_id, *chunk_type));
        }
    });
    let frame = frame.map_err(|error| error.to_string())?;
    if removed > 0 {
        current.replace_frame(frame);
        if key.meaning() == Some(Meaning::Payload) {
            current.forget_payload();
        }
    }
    Ok(removed > 0)
}
