//! Asking a script about messages.

use std::sync::Arc;

use super::{
    desk::{Desk, EndOfRoute, Seat},
    entry::{EntryPoint, EntryPoints},
    error::{ErrorReason, ScriptError},
    failure,
    guard::Guard,
    input::Input,
    limits::Limits,
    outcome::ScriptOutcome,
    script::Script,
    shared::Shared,
    vm::Vm,
};

/// A script with a Lua state of its own. Belongs to one thread at a time.
#[derive(Debug)]
pub struct Worker {
    script: Script,
    shared: Arc<Shared>,
    limits: Limits,
    guard: Guard,
    seat: Seat,
    /// `None` after a state had to be thrown away and no new one could be made.
    vm: Option<Vm>,
}

impl Worker {
    /// A worker that executed the script once, so that its functions are defined.
    ///
    /// # Errors
    /// Where executing it fails, which compiling it would have told, or passes these limits.
    pub fn new(script: &Script, shared: Arc<Shared>, limits: Limits) -> Result<Self, ScriptError> {
        let seat = Desk::seat(script, Arc::clone(&shared));
        let guard = Guard::new(&limits);
        let vm = start(script, &seat, &guard, &limits)?;
        Ok(Self {
            script: script.clone(),
            shared,
            limits,
            guard,
            seat,
            vm: Some(vm),
        })
    }

    /// The entry points that the script defines.
    #[must_use]
    pub fn entries(&self) -> EntryPoints {
        self.script.entries()
    }

    /// Calls those of `entries` that the script defines, in this order, for one message, and writes what they decided
    /// into `outcome`.
    ///
    /// After `hep_route` the others are called only if it called `hep_resume_sip()`; after `skip()` none is. If one
    /// fails, everything that the script decided about the message is forgotten, also what an earlier one did.
    pub fn run(&mut self, entries: &[EntryPoint], input: &Input<'_>, outcome: &mut ScriptOutcome) {
        outcome.clear();
        self.seat.lock().begin(input);
        let result = self.call(entries);
        let mut desk = self.seat.lock();
        if let Err(error) = result {
            desk.give_up();
            drop(desk);
            self.recover(&error);
            outcome.error = Some(error);
        } else {
            desk.finish(outcome);
        }
        self.shared.count_run(outcome.error.as_ref());
    }

    fn call(&mut self, entries: &[EntryPoint]) -> Result<(), ScriptError> {
        let vm = match &mut self.vm {
            Some(vm) => vm,
            none => none.insert(start(&self.script, &self.seat, &self.guard, &self.limits)?),
        };
        self.guard.start(self.limits.deadline);
        for entry in entries {
            self.seat.lock().enter(*entry);
            let called = match vm.call(*entry) {
                Ok(called) => called,
                Err(error) if error.downcast_ref::<EndOfRoute>().is_some() => true,
                Err(error) => return Err(failure::of(&error, &self.guard)),
            };
            // A script that caught the error of a passed limit and returned has passed it all the same.
            if let Some(reason) = self.guard.stopped() {
                return Err(failure::stopped(reason, &self.guard));
            }
            if called && self.seat.lock().ends_after(*entry) {
                break;
            }
        }
        Ok(())
    }

    /// Makes the worker fit for the next message.
    fn recover(&mut self, error: &ScriptError) {
        if error.reason() == ErrorReason::Memory {
            // What fills the memory may be what the script keeps: it starts anew, with empty variables.
            self.vm = None;
        } else if self.guard.stopped().is_some()
            && let Some(vm) = &self.vm
            && self.guard.watch(vm.lua()).is_err()
        {
            self.vm = None;
        }
    }
}

/// A state with the script executed in it.
fn start(script: &Script, seat: &Seat, guard: &Guard, limits: &Limits) -> Result<Vm, ScriptError> {
    guard.start(limits.deadline.max(script.load_deadline()));
    let vm = Vm::empty(seat, guard, limits)
        .and_then(|mut vm| vm.load(script.source(), &script.names()).map(|()| vm));
    vm.map_err(|error| failure::of(&error, guard))
}
