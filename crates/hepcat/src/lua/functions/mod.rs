//! The functions that a script calls.

pub(super) mod chunks;
mod keep;
mod remember;
mod route;
mod tell;

use mlua::Lua;

use super::desk::Seat;

/// Puts the functions into a state.
pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    route::install(lua, seat)?;
    chunks::install(lua, seat)?;
    tell::install(lua, seat)?;
    keep::install(lua, seat)?;
    remember::install(lua, seat)
}
