//! Where a script is no Lua.

use mlua::{Lua, LuaOptions, StdLib};

use super::{error::ScriptFault, failure::split_place, vm::CHUNK_NAME};

/// The syntax error, if there is one: Lua stops at the first.
pub(super) fn fault(source: &str) -> Option<ScriptFault> {
    let lua = Lua::new_with(StdLib::NONE, LuaOptions::new()).ok()?;
    let (line, message) = error_of(&lua, source)?;
    Some(ScriptFault::new(line, 1, message))
}

fn error_of(lua: &Lua, source: &str) -> Option<(u32, String)> {
    let chunk = lua
        .load(source)
        .set_mode(mlua::chunk::ChunkMode::Text)
        .set_name(format!("={CHUNK_NAME}"));
    let message = match chunk.into_function() {
        Ok(_) => return None,
        Err(mlua::Error::SyntaxError { message, .. }) => message,
        Err(other) => other.to_string(),
    };
    match split_place(&message) {
        Some((line, what)) => Some((line, what.to_owned())),
        None => Some((1, message)),
    }
}
