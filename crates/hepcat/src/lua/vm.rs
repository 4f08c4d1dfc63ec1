//! One Lua state with a script in it: what the script finds there, and what it does not.

use std::collections::BTreeSet;

use mlua::{Function, Lua, LuaOptions, StdLib, Table, Value};

use super::{
    desk::Seat,
    entry::{EntryPoint, EntryPoints},
    functions,
    guard::Guard,
    limits::Limits,
    msg,
    names::ScriptNames,
};

/// Lua cuts longer names of chunks, and with them the place of an error.
pub(super) const CHUNK_NAME: &str = "script";

/// A state in which a script was executed, with the functions that it defined.
#[derive(Debug)]
pub(super) struct Vm {
    lua: Lua,
    msg: Table,
    entries: [Option<Function>; EntryPoint::ALL.len()],
}

impl Vm {
    /// A state for scripts: libraries, functions of hepcat, `msg`, limits. No script yet.
    pub(super) fn empty(seat: &Seat, guard: &Guard, limits: &Limits) -> mlua::Result<Self> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::UTF8;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        let msg = msg::create(&lua, seat)?;
        lua.globals().raw_set("msg", &msg)?;
        functions::install(&lua, seat)?;
        lua.load(include_str!("prelude.lua"))
            .set_name("=prelude")
            .exec()?;
        lua.set_memory_limit(limits.memory)?;
        guard.watch(&lua)?;
        Ok(Self {
            lua,
            msg,
            entries: Default::default(),
        })
    }

    /// Executes the text of a script, which defines its functions.
    pub(super) fn load(&mut self, source: &str, names: &ScriptNames) -> mlua::Result<()> {
        self.lua
            .load(source)
            .set_mode(mlua::chunk::ChunkMode::Text)
            .set_name(format!("={CHUNK_NAME}"))
            .exec()?;
        let globals = self.lua.globals();
        for entry in EntryPoint::ALL {
            let given = names
                .named_hep_route()
                .filter(|_| entry == EntryPoint::HepRoute);
            let name = given.unwrap_or_else(|| entry.name());
            self.entries[entry.index()] = match globals.raw_get(name)? {
                Value::Nil if given.is_some() => {
                    return Err(mlua::Error::runtime(format!(
                        "no function {name}, which the parameter hep_route names"
                    )));
                }
                Value::Nil => None,
                Value::Function(function) => Some(function),
                other => {
                    let kind = other.type_name();
                    return Err(mlua::Error::runtime(format!(
                        "{name} is a {kind}, not a function"
                    )));
                }
            };
        }
        Ok(())
    }

    /// The entry points that the script defined.
    pub(super) fn entries(&self) -> EntryPoints {
        let mut entries = EntryPoints::default();
        for entry in EntryPoint::ALL {
            if self.entries[entry.index()].is_some() {
                entries.insert(entry);
            }
        }
        entries
    }

    /// Calls an entry point, if the script has it; tells whether it has.
    pub(super) fn call(&self, entry: EntryPoint) -> mlua::Result<bool> {
        let Some(function) = &self.entries[entry.index()] else {
            return Ok(false);
        };
        function.call::<()>(&self.msg).map(|()| true)
    }

    /// Names of global variables.
    pub(super) fn globals(&self) -> BTreeSet<String> {
        let globals = self.lua.globals();
        let pairs = globals.pairs::<String, Value>();
        pairs.filter_map(|pair| Some(pair.ok()?.0)).collect()
    }

    /// The state itself.
    pub(super) const fn lua(&self) -> &Lua {
        &self.lua
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{super::desk::Desk, super::shared::Shared, *};

    fn vm() -> Vm {
        let limits = Limits::default();
        let seat = Desk::unused(Arc::default(), Arc::new(Shared::new()));
        let guard = Guard::new(&limits);
        guard.start(limits.deadline);
        Vm::empty(&seat, &guard, &limits).expect("it starts")
    }

    /// Names between backquotes, as far as they begin with one: `hep_set` of `hep_set(chunk, …)`.
    fn documented() -> BTreeSet<&'static str> {
        let page = include_str!("../../../../docs/lua.md");
        let quoted = page.split('`').skip(1).step_by(2);
        quoted
            .map(|text| {
                let text = text.strip_prefix("msg:").unwrap_or(text);
                let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
                end.and_then(|end| text.get(..end)).unwrap_or(text)
            })
            .collect()
    }

    #[test]
    fn every_function_and_field_is_documented() {
        let vm = vm();
        let documented = documented();
        let plain = Lua::new();
        let of_lua = plain.globals();
        let own = vm.globals().into_iter().filter(|name| {
            let known: Value = of_lua.raw_get(name.as_str()).expect("a table");
            known.is_nil()
        });
        let mut names: Vec<String> = own.collect();
        names.extend(msg::FIELDS.iter().map(|(name, _)| (*name).to_owned()));
        let methods = vm.msg.pairs::<String, Value>();
        names.extend(methods.filter_map(|pair| Some(pair.ok()?.0)));
        assert!(names.len() > 100, "only {names:?}");
        names.retain(|name| !documented.contains(name.as_str()));
        let known_by_others = ["loadstring", "setfenv", "getfenv"];
        names.retain(|name| !known_by_others.contains(&name.as_str()));
        assert!(names.is_empty(), "not in docs/lua.md: {names:?}");
    }
}
