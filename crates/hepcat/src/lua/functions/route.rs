//! Where a message goes: `hep_relay`, `drop`, `skip`, `hep_resume_sip`.

use std::sync::Arc;

use mlua::Lua;

use crate::lua::{
    desk::{EndOfRoute, Seat, open},
    entry::EntryPoint,
    outcome::Verdict,
    refusal::{OrRefuse, refuse},
};

pub(super) fn install(lua: &Lua, seat: &Seat) -> mlua::Result<()> {
    let globals = lua.globals();
    let desk = Arc::clone(seat);
    let hep_relay = lua.create_function(move |_, destination: Option<mlua::LuaString>| {
        const NAME: &str = "hep_relay";
        let mut desk = open(&desk)?;
        let target = match destination {
            Some(name) => {
                let name = name.to_str().or_refuse(NAME)?;
                let target = desk.names.known_relay_target(&name).or_refuse(NAME)?;
                let target = Arc::clone(target);
                desk.current().or_refuse(NAME)?;
                target
            }
            None => desk
                .current()
                .or_refuse(NAME)?
                .next_target()
                .ok_or_else(|| refuse(NAME, "the route has no further destination"))?,
        };
        desk.relay_to(&target);
        Ok(true)
    })?;
    globals.raw_set("hep_relay", hep_relay)?;

    let desk = Arc::clone(seat);
    let drop = lua.create_function(move |_, ()| {
        let mut desk = open(&desk)?;
        desk.current().or_refuse("drop")?;
        desk.decided.verdict = Verdict::Drop;
        desk.decided.relay.clear();
        Ok(())
    })?;
    globals.raw_set("drop", drop)?;

    let desk = Arc::clone(seat);
    let skip = lua.create_function(move |_, ()| {
        let mut desk = open(&desk)?;
        desk.current().or_refuse("skip")?;
        desk.decided.skipped = true;
        Ok(())
    })?;
    globals.raw_set("skip", skip)?;

    let desk = Arc::clone(seat);
    let hep_resume_sip = lua.create_function(move |_, ()| {
        const NAME: &str = "hep_resume_sip";
        let mut desk = open(&desk)?;
        if desk.current().or_refuse(NAME)?.entry != EntryPoint::HepRoute {
            return Err(refuse(NAME, "only hep_route can resume"));
        }
        if std::mem::replace(&mut desk.decided.resumed, true) {
            return Err(refuse(NAME, "the message was resumed already"));
        }
        Err::<(), _>(mlua::Error::external(EndOfRoute))
    })?;
    globals.raw_set("hep_resume_sip", hep_resume_sip)
}
