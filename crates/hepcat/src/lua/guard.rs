//! Stopping a script that does not stop by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mlua::{HookTriggers, Lua, VmState};

use super::{error::ErrorReason, limits::Limits};

/// Instructions between two looks at the limits: rare enough to cost nothing, often enough for the deadline.
const PORTION: u32 = 10_000;

const RUNNING: u8 = 0;
const INSTRUCTIONS: u8 = 1;
const DEADLINE: u8 = 2;

/// Looks at the limits while a script runs.
///
/// An error that a hook raises can be caught by the script, `while true do pcall(f) end` being the shortest way. So once
/// a limit is passed the hook is called for every single instruction and raises the error each time: what catches it
/// cannot go on, not even to the end of its loop.
#[derive(Debug, Clone)]
pub(super) struct Guard(Arc<State>);

#[derive(Debug)]
struct State {
    instructions: u64,
    used: AtomicU64,
    started: Instant,
    /// Nanoseconds after `started`.
    deadline: AtomicU64,
    stopped: AtomicU8,
}

/// The error that is raised.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Stopped {
    #[error("the script was stopped: more than {0} instructions for one message")]
    Instructions(u64),
    #[error("the script was stopped: it took too long for one message")]
    Deadline,
}

impl Guard {
    /// A guard that lets scripts run within `limits`.
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(State {
            instructions: limits.instructions,
            used: AtomicU64::new(0),
            started: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            stopped: AtomicU8::new(RUNNING),
        }))
    }

    /// Watches over a VM from now on.
    pub(super) fn watch(&self, lua: &Lua) -> mlua::Result<()> {
        let state = Arc::clone(&self.0);
        let triggers = HookTriggers::new().every_nth_instruction(PORTION);
        lua.set_hook(triggers, move |lua, _| {
            state.used.fetch_add(u64::from(PORTION), Ordering::Relaxed);
            let Some(stop) = state.must_stop() else {
                return Ok(VmState::Continue);
            };
            state.stopped.store(stop, Ordering::Relaxed);
            let same = Arc::clone(&state);
            let every = HookTriggers::new().every_nth_instruction(1);
            lua.set_hook(every, move |_, _| Err(same.error(stop)))?;
            Err(state.error(stop))
        })
    }

    /// A new run begins.
    pub(super) fn start(&self, deadline: Duration) {
        let end = self.0.started.elapsed().saturating_add(deadline);
        let end = u64::try_from(end.as_nanos()).unwrap_or(u64::MAX);
        self.0.deadline.store(end, Ordering::Relaxed);
        self.0.used.store(0, Ordering::Relaxed);
        self.0.stopped.store(RUNNING, Ordering::Relaxed);
    }

    /// Why the run was stopped, if it was. The VM then needs to be [watched](Self::watch) again.
    pub(super) fn stopped(&self) -> Option<ErrorReason> {
        match self.0.stopped.load(Ordering::Relaxed) {
            INSTRUCTIONS => Some(ErrorReason::Instructions),
            DEADLINE => Some(ErrorReason::Deadline),
            _ => None,
        }
    }
}

impl State {
    fn must_stop(&self) -> Option<u8> {
        if self.used.load(Ordering::Relaxed) > self.instructions {
            return Some(INSTRUCTIONS);
        }
        let elapsed = self.started.elapsed().as_nanos();
        (elapsed > u128::from(self.deadline.load(Ordering::Relaxed))).then_some(DEADLINE)
    }

    fn error(&self, stop: u8) -> mlua::Error {
        mlua::Error::external(match stop {
            INSTRUCTIONS => Stopped::Instructions(self.instructions),
            _ => Stopped::Deadline,
        })
    }
}
