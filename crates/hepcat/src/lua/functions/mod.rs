//! The functions that a script calls.

mod route;

use mlua::Lua;

use super::desk::Seat;

/// Puts the functions into a state.
pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    route::install(lua, seat)
}
