//! Stopping a script that does not stop by itself.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mlua::{HookTriggers, Lua, VmState, debug::Debug};

use super::{error::ErrorReason, limits::Limits, vm::CHUNK_NAME};

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
///
/// The hook is the state's global one because that is the kind which is set without calling Lua: calling it fails where
/// the script has nested calls to the limit of the C stack, which is then where it would hide.
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
    /// Of the script, where it was stopped; 0 where it was in a function of another text.
    line: AtomicU32,
}

/// The error that is raised.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the script was stopped")]
struct Stopped;

impl Guard {
    /// A guard that lets scripts run within `limits`.
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(State {
            instructions: limits.instructions,
            used: AtomicU64::new(0),
            started: Instant::now(),
            deadline: AtomicU64::new(u64::MAX),
            stopped: AtomicU8::new(RUNNING),
            line: AtomicU32::new(0),
        }))
    }

    /// Watches over a VM from now on.
    pub(super) fn watch(&self, lua: &Lua) -> mlua::Result<()> {
        let state = Arc::clone(&self.0);
        let triggers = HookTriggers::new().every_nth_instruction(PORTION);
        lua.set_global_hook(triggers, move |lua, debug| {
            state.used.fetch_add(u64::from(PORTION), Ordering::Relaxed);
            let Some(stop) = state.must_stop() else {
                return Ok(VmState::Continue);
            };
            state.stopped.store(stop, Ordering::Relaxed);
            state.line.store(line_of(debug), Ordering::Relaxed);
            let every = HookTriggers::new().every_nth_instruction(1);
            lua.set_global_hook(every, |_, _| Err(mlua::Error::external(Stopped)))?;
            Err(mlua::Error::external(Stopped))
        })
    }

    /// A new run begins.
    pub(super) fn start(&self, deadline: Duration) {
        let end = self.0.started.elapsed().saturating_add(deadline);
        let end = u64::try_from(end.as_nanos()).unwrap_or(u64::MAX);
        self.0.deadline.store(end, Ordering::Relaxed);
        self.0.used.store(0, Ordering::Relaxed);
        self.0.stopped.store(RUNNING, Ordering::Relaxed);
        self.0.line.store(0, Ordering::Relaxed);
    }

    /// Line of the script at which it was stopped.
    pub(super) fn line(&self) -> Option<u32> {
        Some(self.0.line.load(Ordering::Relaxed)).filter(|line| *line > 0)
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
}

/// The line that a hook was called at, where it is one of the script.
fn line_of(debug: &Debug<'_>) -> u32 {
    let source = debug.source().short_src;
    let line = debug
        .current_line()
        .filter(|_| source.as_deref() == Some(CHUNK_NAME));
    line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
}
