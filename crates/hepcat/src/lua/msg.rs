//! `msg`: the message, as a value of Lua.

use std::{collections::HashMap, sync::Arc, time::UNIX_EPOCH};

use foldhash::fast::RandomState;
use hepcat_sip::{Kind, NameAddr, Scan};
use hepcat_wire::{ChunkType, VendorId, trim_nul};
use mlua::{BString, Lua, Table, Value};

use super::{
    chunk_key::ChunkKey,
    chunk_value::text_of,
    desk::{Current, Seat, open},
    functions::chunks,
    names::suggestion,
    refusal::{OrRefuse, refuse},
    reply::{Reply, address, mac, octets},
};

type Read = fn(&Lua, &mut Current) -> mlua::Result<Reply>;

/// Every field that can be read.
pub(super) const FIELDS: &[(&str, Read)] = &[
    // What the frame says.
    ("version", |_, m| {
        number(Some(m.message().version().number()))
    }),
    ("ip_family", |_, m| number(m.message().ip_family())),
    ("ip_protocol", |_, m| {
        number(m.message().ip_protocol().map(|p| p.0))
    }),
    ("transport", |lua, m| {
        let name = m.message().ip_protocol().and_then(|p| p.transport_name());
        octets(lua, name.map(str::as_bytes))
    }),
    ("src_ip", |lua, m| {
        address(lua, m.message().canonical_src_ip())
    }),
    ("dst_ip", |lua, m| {
        address(lua, m.message().canonical_dst_ip())
    }),
    ("src_port", |_, m| number(m.message().src_port())),
    ("dst_port", |_, m| number(m.message().dst_port())),
    ("time_sec", |_, m| number(m.message().time_sec())),
    ("time_usec", |_, m| number(m.message().time_usec())),
    ("time", |_, m| {
        let arrival = m.envelope.received_at.duration_since(UNIX_EPOCH);
        let time = m.message().time(arrival.unwrap_or_default());
        Ok(Reply::Right(Value::Number(time.since_epoch.as_secs_f64())))
    }),
    ("protocol_type", |_, m| {
        number(m.message().protocol_type().map(|t| t.0))
    }),
    ("protocol_name", |lua, m| {
        let name = m.message().protocol_type().and_then(|t| t.name());
        octets(lua, name.map(str::as_bytes))
    }),
    ("capture_id", |_, m| number(m.message().capture_id())),
    ("keep_alive", |_, m| number(m.message().keep_alive())),
    ("auth_key", |lua, m| {
        let hidden = m.message().auth_key().map(|key| vec![b'*'; key.len()]);
        octets(lua, hidden.as_deref())
    }),
    ("correlation_id", |lua, m| {
        octets(lua, m.message().correlation_id().map(trim_nul))
    }),
    ("vlan_id", |_, m| number(m.message().vlan_id())),
    ("node_name", |lua, m| {
        octets(lua, m.message().node_name().map(trim_nul))
    }),
    ("src_mac", |lua, m| mac(lua, m.message().src_mac())),
    ("dst_mac", |lua, m| mac(lua, m.message().dst_mac())),
    ("ethernet_type", |_, m| number(m.message().ethernet_type())),
    ("tcp_flags", |_, m| number(m.message().tcp_flags())),
    ("ip_tos", |_, m| number(m.message().ip_tos())),
    ("mos", |_, m| number(m.message().mos())),
    ("r_factor", |_, m| number(m.message().r_factor())),
    ("geo_location", |lua, m| {
        octets(lua, m.message().geo_location())
    }),
    ("jitter", |_, m| number(m.message().jitter())),
    ("transaction_type", |lua, m| {
        octets(lua, m.message().transaction_type())
    }),
    ("payload_json_keys", |lua, m| {
        octets(lua, m.message().payload_json_keys())
    }),
    ("tag_values", |lua, m| octets(lua, m.message().tag_values())),
    ("tag_type", |_, m| number(m.message().tag_type())),
    ("event_type", |_, m| number(m.message().event_type())),
    ("group_id", |lua, m| octets(lua, m.message().group_id())),
    ("extra_correlations", |lua, m| {
        octets(lua, m.message().extra_correlations())
    }),
    ("payload", |lua, m| {
        let there = m.message().payload().octets().is_some();
        octets(lua, there.then(|| m.payload()).map(AsRef::as_ref))
    }),
    // How it came.
    ("listener", |lua, m| {
        octets(lua, Some(m.listener.as_bytes()))
    }),
    ("agent", |lua, m| {
        address(lua, Some(m.envelope.origin.peer.ip()))
    }),
    ("peer_port", |_, m| {
        number(Some(m.envelope.origin.peer.port()))
    }),
    ("local_ip", |lua, m| {
        address(lua, Some(m.envelope.origin.local.ip()))
    }),
    ("local_port", |_, m| {
        number(Some(m.envelope.origin.local.port()))
    }),
    ("hep_transport", |lua, m| {
        octets(lua, Some(m.envelope.origin.transport.name().as_bytes()))
    }),
    ("tls_subject", |lua, m| {
        let tls = m.envelope.origin.tls.as_ref();
        octets(
            lua,
            tls.and_then(|tls| tls.subject.as_deref())
                .map(str::as_bytes),
        )
    }),
    ("tls_server_name", |lua, m| {
        let tls = m.envelope.origin.tls.as_ref();
        octets(
            lua,
            tls.and_then(|tls| tls.server_name.as_deref())
                .map(str::as_bytes),
        )
    }),
    ("received_at", |_, m| {
        let arrival = m.envelope.received_at.duration_since(UNIX_EPOCH);
        Ok(Reply::Right(Value::Number(
            arrival.unwrap_or_default().as_secs_f64(),
        )))
    }),
    // The SIP in it.
    ("is_sip", |_, m| boolean(m.sip().is_some())),
    ("is_request", |_, m| is_kind(m, Kind::Request)),
    ("is_reply", |_, m| is_kind(m, Kind::Response)),
    ("method", |lua, m| {
        sip(lua, m, |s| s.method().or_else(|| s.cseq_method()))
    }),
    ("status", |_, m| {
        number(m.sip().and_then(|s| s.status_code()))
    }),
    ("reason", |lua, m| sip(lua, m, |s| s.reason_phrase())),
    ("call_id", |lua, m| sip(lua, m, |s| s.call_id())),
    ("cseq", |_, m| number(m.sip().and_then(|s| s.cseq_number()))),
    ("cseq_method", |lua, m| sip(lua, m, |s| s.cseq_method())),
    ("ruri", |lua, m| {
        sip(lua, m, |s| Some(s.request_uri()?.as_bytes()))
    }),
    ("ruri_user", |lua, m| {
        sip(lua, m, |s| s.request_uri()?.user())
    }),
    ("ruri_host", |lua, m| {
        sip(lua, m, |s| s.request_uri()?.host())
    }),
    ("from", |lua, m| header_value(lua, m, b"From")),
    ("from_uri", |lua, m| sip(lua, m, |s| uri(s.from()))),
    ("from_user", |lua, m| sip(lua, m, |s| s.from()?.user())),
    ("from_host", |lua, m| sip(lua, m, |s| s.from()?.host())),
    ("from_tag", |lua, m| sip(lua, m, |s| s.from()?.tag())),
    ("to", |lua, m| header_value(lua, m, b"To")),
    ("to_uri", |lua, m| sip(lua, m, |s| uri(s.to()))),
    ("to_user", |lua, m| sip(lua, m, |s| s.to()?.user())),
    ("to_host", |lua, m| sip(lua, m, |s| s.to()?.host())),
    ("to_tag", |lua, m| sip(lua, m, |s| s.to()?.tag())),
    ("contact", |lua, m| header_value(lua, m, b"Contact")),
    ("contact_user", |lua, m| {
        sip(lua, m, |s| s.contact()?.user())
    }),
    ("contact_host", |lua, m| {
        sip(lua, m, |s| s.contact()?.host())
    }),
    ("user_agent", |lua, m| sip(lua, m, |s| s.user_agent())),
    ("via_branch", |lua, m| sip(lua, m, |s| s.via_branch())),
    ("via_transport", |lua, m| sip(lua, m, |s| s.via_transport())),
    ("x_call_id", |lua, m| sip(lua, m, |s| s.x_call_id())),
    ("session_id", |lua, m| sip(lua, m, |s| s.session_id())),
    ("content_type", |lua, m| sip(lua, m, |s| s.content_type())),
    ("body", |lua, m| sip(lua, m, |s| Some(s.body()))),
];

/// Every field that can be written, and the chunk behind it.
const WRITABLE: &[(&str, ChunkType)] = &[
    ("ip_protocol", ChunkType::IP_PROTOCOL),
    ("src_ip", ChunkType::SRC_IPV4),
    ("dst_ip", ChunkType::DST_IPV4),
    ("src_port", ChunkType::SRC_PORT),
    ("dst_port", ChunkType::DST_PORT),
    ("time_sec", ChunkType::TIME_SEC),
    ("time_usec", ChunkType::TIME_USEC),
    ("protocol_type", ChunkType::PROTOCOL_TYPE),
    ("capture_id", ChunkType::CAPTURE_ID),
    ("keep_alive", ChunkType::KEEP_ALIVE),
    ("auth_key", ChunkType::AUTH_KEY),
    ("correlation_id", ChunkType::CORRELATION_ID),
    ("vlan_id", ChunkType::VLAN_ID),
    ("node_name", ChunkType::NODE_NAME),
    ("src_mac", ChunkType::SRC_MAC),
    ("dst_mac", ChunkType::DST_MAC),
    ("ethernet_type", ChunkType::ETHERNET_TYPE),
    ("tcp_flags", ChunkType::TCP_FLAGS),
    ("ip_tos", ChunkType::IP_TOS),
    ("mos", ChunkType::MOS),
    ("r_factor", ChunkType::R_FACTOR),
    ("geo_location", ChunkType::GEO_LOCATION),
    ("jitter", ChunkType::JITTER),
    ("transaction_type", ChunkType::TRANSACTION_TYPE),
    ("payload_json_keys", ChunkType::PAYLOAD_JSON_KEYS),
    ("tag_values", ChunkType::TAG_VALUES),
    ("tag_type", ChunkType::TAG_TYPE),
    ("event_type", ChunkType::EVENT_TYPE),
    ("group_id", ChunkType::GROUP_ID),
    ("extra_correlations", ChunkType::EXTRA_CORRELATIONS),
    ("payload", ChunkType::PAYLOAD),
];

/// Makes the value: a table that is empty but for its methods, so that every field is asked of the message on the desk.
/// A userdata would check with every field whether it is the right one, which there is no doubt about.
pub(super) fn create(lua: &Lua, seat: &Seat) -> mlua::Result<Table> {
    let msg = lua.create_table()?;
    install_methods(lua, seat, &msg)?;
    let fields = lua.create_table()?;
    let readable: HashMap<&[u8], Read, RandomState> = FIELDS
        .iter()
        .map(|(name, read)| (name.as_bytes(), *read))
        .collect();
    let desk = Arc::clone(seat);
    let read = lua.create_function(move |lua, (_, name): (Itself, BString)| {
        match readable.get(name.as_slice()) {
            Some(read) => read(lua, open(&desk)?.current().or_refuse("msg")?),
            None => Err(no_field(&name)),
        }
    })?;
    fields.raw_set("__index", read)?;
    let desk = Arc::clone(seat);
    let write = lua.create_function(move |_, (_, name, value): (Itself, BString, Value)| {
        let known = WRITABLE
            .iter()
            .find(|(known, _)| known.as_bytes() == name.as_slice());
        let Some((name, chunk_type)) = known else {
            return Err(not_writable(&name));
        };
        write(
            open(&desk)?.current().or_refuse("msg")?,
            name,
            *chunk_type,
            &value,
        )
    })?;
    fields.raw_set("__newindex", write)?;
    fields.raw_set("__name", "msg")?;
    fields.raw_set("__metatable", false)?;
    msg.set_metatable(Some(fields))?;
    Ok(msg)
}

/// The first argument of a method, which is `msg` itself. Reading it as a truth value costs nothing.
type Itself = bool;

fn install_methods(lua: &Lua, seat: &Seat, msg: &Table) -> mlua::Result<()> {
    let desk = Arc::clone(seat);
    let header = lua.create_function(move |lua, (_, name): (Itself, BString)| {
        header_value(lua, open(&desk)?.current().or_refuse("header")?, &name)
    })?;
    msg.raw_set("header", header)?;

    let desk = Arc::clone(seat);
    let headers = lua.create_function(move |lua, (_, name): (Itself, Option<BString>)| {
        let name = name.as_deref().map(Vec::as_slice);
        headers(lua, open(&desk)?.current().or_refuse("headers")?, name)
    })?;
    msg.raw_set("headers", headers)?;

    let desk = Arc::clone(seat);
    let sdp = lua.create_function(move |lua, (_, kind): (Itself, Option<BString>)| {
        let kind = kind.as_deref().map(Vec::as_slice);
        sdp(lua, open(&desk)?.current().or_refuse("sdp")?, kind)
    })?;
    msg.raw_set("sdp", sdp)?;

    let desk = Arc::clone(seat);
    let chunk = lua.create_function(
        move |lua, (_, chunk, vendor): (Itself, Value, Option<u16>)| {
            const NAME: &str = "chunk";
            let key = match &chunk {
                Value::Integer(number) => ChunkKey::numbered(*number),
                other => text_of(other).and_then(|text| ChunkKey::parse(&text)),
            };
            let key = key.or_refuse(NAME)?.of_vendor(vendor.map(VendorId));
            let mut desk = open(&desk)?;
            chunks::get(lua, desk.current().or_refuse(NAME)?, key, None).or_refuse(NAME)
        },
    )?;
    msg.raw_set("chunk", chunk)
}

fn no_field(name: &[u8]) -> mlua::Error {
    let name = String::from_utf8_lossy(name);
    let near = suggestion(&name, FIELDS.iter().map(|(name, _)| name));
    refuse(
        "msg",
        format!("no field \"{}\"{near}", name.escape_default()),
    )
}

fn not_writable(name: &[u8]) -> mlua::Error {
    let name = String::from_utf8_lossy(name);
    let what = match FIELDS.iter().any(|(known, _)| *known == name) {
        true => "can be read only",
        false => "is no field",
    };
    refuse("msg", format!("\"{}\" {what}", name.escape_default()))
}

fn write(
    current: &mut Current,
    name: &str,
    chunk_type: ChunkType,
    value: &Value,
) -> mlua::Result<()> {
    let function = || format!("msg.{name}");
    let key = ChunkKey::generic(chunk_type);
    if value.is_nil() {
        return Err(refuse(
            &function(),
            "nil is no value; hep_del takes a chunk out",
        ));
    }
    if chunks::set(current, key, value, None).or_refuse(&function())? {
        return Ok(());
    }
    let version = current.message().version().number();
    Err(refuse(
        &function(),
        format!("a message of HEP version {version} has no such chunk"),
    ))
}

fn number<N: Into<i64>>(number: Option<N>) -> mlua::Result<Reply> {
    let value = number.map_or(Value::Nil, |number| Value::Integer(number.into()));
    Ok(Reply::Right(value))
}

fn boolean(truth: bool) -> mlua::Result<Reply> {
    Ok(Reply::Right(Value::Boolean(truth)))
}

/// A part of the SIP message.
fn sip(
    lua: &Lua,
    current: &mut Current,
    part: impl for<'a> FnOnce(&Scan<'a>) -> Option<&'a [u8]>,
) -> mlua::Result<Reply> {
    octets(lua, current.sip().as_ref().and_then(part))
}

fn is_kind(current: &mut Current, kind: Kind) -> mlua::Result<Reply> {
    boolean(current.sip().is_some_and(|sip| sip.kind() == kind))
}

fn uri<'a>(end: Option<NameAddr<'a>>) -> Option<&'a [u8]> {
    Some(end?.uri().as_bytes())
}

/// The first header field of that name, on one line.
fn header_value(lua: &Lua, current: &mut Current, name: &[u8]) -> mlua::Result<Reply> {
    let header = current.sip().and_then(|sip| sip.header(name));
    octets(lua, header.map(|header| header.to_unfolded()).as_deref())
}

/// The values of all header fields of that name; without a name all header fields, each as a table of name and value.
fn headers(lua: &Lua, current: &mut Current, name: Option<&[u8]>) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let Some(sip) = current.sip() else {
        return Ok(list);
    };
    for header in sip.headers() {
        let value = lua.create_string(header.to_unfolded())?;
        match name {
            Some(name) if header.is(name) => list.raw_push(value)?,
            Some(_) => {}
            None => {
                let entry = lua.create_table_with_capacity(0, 2)?;
                entry.raw_set("name", lua.create_string(header.name())?)?;
                entry.raw_set("value", value)?;
                list.raw_push(entry)?;
            }
        }
    }
    Ok(list)
}

/// The lines of the SDP; of one kind those behind `kind=`, else all as they are.
fn sdp(lua: &Lua, current: &mut Current, kind: Option<&[u8]>) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    let is_sdp = current.message().protocol_type() == Some(hepcat_wire::ProtocolType::SDP);
    let body = match current.sip() {
        Some(sip) if sip.content_type().is_some_and(holds_sdp) => sip.body(),
        None if is_sdp => current.payload(),
        _ => return Ok(list),
    };
    for line in body.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // Bodies of several parts have lines of other kinds between those of the SDP.
        let [_, b'=', value @ ..] = line else {
            continue;
        };
        match kind {
            Some(kind) if line.get(..1) != Some(kind) => {}
            Some(_) => list.raw_push(lua.create_string(value)?)?,
            None => list.raw_push(lua.create_string(line)?)?,
        }
    }
    Ok(list)
}

fn holds_sdp(content_type: &[u8]) -> bool {
    let starts = |with: &[u8]| {
        let start = content_type.get(..with.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    starts(b"application/sdp") || starts(b"multipart/")
}
