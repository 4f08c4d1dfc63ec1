//! What outlives a message: counters, tables, rate limits; and `hash`, which needs no memory.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mlua::{BString, Lua, Value, Variadic};

use crate::lua::{
    chunk_value::{octets_of, shown, text_of},
    desk::{Desk, Seat, open},
    hash,
    refusal::{OrRefuse, refuse},
    shared::{Cell, Table},
};

/// How long an entry of a table lasts unless the script says otherwise.
const TTL: Duration = Duration::from_secs(3_600);
/// How long it can last.
const MAX_TTL: f64 = 7.0 * 86_400.0;

pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    let globals = lua.globals();

    let desk = Arc::clone(seat);
    let count = lua.create_function(
        move |_, (name, label, by): (BString, Option<BString>, Option<Value>)| {
            const NAME: &str = "count";
            let by = match by {
                None => 1,
                Some(Value::Integer(by)) if by >= 0 => by.unsigned_abs(),
                Some(other) => {
                    let what =
                        format!("{} cannot be counted: a whole number from 0", shown(&other));
                    return Err(refuse(NAME, what));
                }
            };
            let label = label.as_deref().map_or(&b""[..], Vec::as_slice);
            let mut desk = open(&desk)?;
            let counter = desk.counter(&name, label).or_refuse(NAME)?;
            counter.fetch_add(by, Ordering::Relaxed);
            Ok(())
        },
    )?;
    globals.raw_set("count", count)?;

    let hash = lua.create_function(|_, (text, n): (BString, Value)| {
        const NAME: &str = "hash";
        match n {
            Value::Integer(n @ 1..) => {
                let bucket = hash::of(&text) % n.unsigned_abs();
                // Lists of Lua start at 1.
                Ok(i64::try_from(bucket).unwrap_or(0) + 1)
            }
            other => Err(refuse(
                NAME,
                format!("{} is no number of buckets", shown(&other)),
            )),
        }
    })?;
    globals.raw_set("hash", hash)?;

    let desk = Arc::clone(seat);
    let ratelimit = lua.create_function(
        move |_, (name, rate, burst, key): (BString, f64, Option<f64>, Option<BString>)| {
            const NAME: &str = "ratelimit";
            if !(rate > 0.0 && rate.is_finite()) {
                return Err(refuse(NAME, format!("{rate} a second is no rate")));
            }
            let burst = burst.unwrap_or(rate).max(1.0);
            let mut bucket = Vec::from(name);
            if let Some(key) = key {
                bucket.push(0);
                bucket.extend_from_slice(&key);
            }
            let desk = open(&desk)?;
            Ok(desk.shared.rates().take(&bucket, rate, burst, desk.now()))
        },
    )?;
    globals.raw_set("ratelimit", ratelimit)?;
    install_tables(lua, seat)
}

fn install_tables(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    let globals = lua.globals();

    let desk = Arc::clone(seat);
    let table_get = lua.create_function(move |lua, (name, key): (Value, Value)| {
        const NAME: &str = "table_get";
        let (name, key) = (
            text_of(&name).or_refuse(NAME)?,
            octets_of(&key).or_refuse(NAME)?,
        );
        let desk = open(&desk)?;
        let cell = table(&desk, NAME, &name)?.get(&key, desk.now());
        match cell {
            None => Ok(Value::Nil),
            Some(Cell::Text(text)) => lua.create_string(&text).map(Value::String),
            Some(Cell::Integer(number)) => Ok(Value::Integer(number)),
            Some(Cell::Number(number)) => Ok(Value::Number(number)),
            Some(Cell::Boolean(truth)) => Ok(Value::Boolean(truth)),
        }
    })?;
    globals.raw_set("table_get", table_get)?;

    for (function, only_new) in [("table_set", false), ("table_add", true)] {
        let desk = Arc::clone(seat);
        let put = lua.create_function(move |_, given: Variadic<Value>| {
            let [name, key, value, ttl] = four(&given);
            let (name, key) = (
                text_of(name).or_refuse(function)?,
                octets_of(key).or_refuse(function)?,
            );
            let cell = cell(value).or_refuse(function)?;
            let ttl = time_to_live(ttl).or_refuse(function)?;
            let desk = open(&desk)?;
            let (table, now) = (table(&desk, function, &name)?, desk.now());
            if only_new {
                table.add(&key, cell, ttl, now).or_refuse(function)
            } else {
                table.set(&key, cell, ttl, now).or_refuse(function)?;
                Ok(true)
            }
        })?;
        globals.raw_set(function, put)?;
    }

    let desk = Arc::clone(seat);
    let table_incr = lua.create_function(move |_, given: Variadic<Value>| {
        const NAME: &str = "table_incr";
        let [name, key, by, ttl] = four(&given);
        let (name, key) = (
            text_of(name).or_refuse(NAME)?,
            octets_of(key).or_refuse(NAME)?,
        );
        let by = match by {
            Value::Nil => 1,
            Value::Integer(by) => *by,
            other => return Err(refuse(NAME, format!("{} is no whole number", shown(other)))),
        };
        let ttl = time_to_live(ttl).or_refuse(NAME)?;
        let desk = open(&desk)?;
        let table = table(&desk, NAME, &name)?;
        table.increment(&key, by, ttl, desk.now()).or_refuse(NAME)
    })?;
    globals.raw_set("table_incr", table_incr)?;

    let desk = Arc::clone(seat);
    let table_del = lua.create_function(move |_, (name, key): (Value, Value)| {
        const NAME: &str = "table_del";
        let (name, key) = (
            text_of(&name).or_refuse(NAME)?,
            octets_of(&key).or_refuse(NAME)?,
        );
        let desk = open(&desk)?;
        Ok(table(&desk, NAME, &name)?.remove(&key, desk.now()))
    })?;
    globals.raw_set("table_del", table_del)
}

fn table(desk: &Desk, function: &str, name: &str) -> mlua::Result<Arc<Table>> {
    desk.shared.tables().table(name).or_refuse(function)
}

/// Four arguments; those that are missing are nil.
fn four(given: &Variadic<Value>) -> [&Value; 4] {
    std::array::from_fn(|index| given.get(index).unwrap_or(&Value::Nil))
}

fn cell(value: &Value) -> Result<Cell, String> {
    match value {
        Value::String(text) => Ok(Cell::Text(text.as_bytes().to_vec().into())),
        Value::Integer(number) => Ok(Cell::Integer(*number)),
        Value::Number(number) => Ok(Cell::Number(*number)),
        Value::Boolean(truth) => Ok(Cell::Boolean(*truth)),
        other => Err(format!(
            "a {} cannot be shared: text, number or boolean",
            other.type_name()
        )),
    }
}

/// Seconds, with fractions.
fn time_to_live(value: &Value) -> Result<Duration, String> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is that long is refused anyway"
    )]
    let seconds = match value {
        Value::Nil => return Ok(TTL),
        Value::Integer(seconds) => *seconds as f64,
        Value::Number(seconds) => *seconds,
        _ => f64::NAN,
    };
    if seconds > 0.0 && seconds <= MAX_TTL {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!(
            "{} is no time to live: seconds, up to seven days",
            shown(value)
        ))
    }
}
