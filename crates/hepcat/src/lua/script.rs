//! A script that was checked.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    check,
    desk::Desk,
    entry::EntryPoints,
    error::{ScriptFault, ScriptFaults},
    failure,
    guard::Guard,
    limits::Limits,
    names::ScriptNames,
    shared::Shared,
    syntax,
    vm::Vm,
};

/// How long executing the text of a script may take, which happens once per worker: it may fill tables of its own.
const LOAD_DEADLINE: Duration = Duration::from_secs(5);

/// A script: text that compiles, and what it may name. Cloning is a reference count.
#[derive(Debug, Clone)]
pub struct Script(Arc<Checked>);

#[derive(Debug)]
struct Checked {
    name: String,
    source: String,
    names: Arc<ScriptNames>,
    entries: EntryPoints,
}

impl Script {
    /// Checks a script: its syntax, the names and chunks that stand in it literally, and that it can be executed
    /// once, which defines its functions. `name` is what faults call it, usually the path of its file.
    ///
    /// # Errors
    /// All faults that can be found at once.
    pub fn compile(name: &str, source: &str, names: &ScriptNames) -> Result<Self, ScriptFaults> {
        let names = Arc::new(names.clone());
        let globals = globals(&names);
        let mut faults = check::literals(source, &names, &globals);
        let mut entries = EntryPoints::default();
        match syntax::fault(source) {
            Some(fault) => faults.push(fault),
            // What is wrong with the names may well be what makes it fail.
            None if faults.is_empty() => match execute(source, &names) {
                Ok(found) if found.is_empty() => faults.push(ScriptFault::new(
                    1,
                    1,
                    "no route: the script defines none of hep_route, request_route, onreply_route, failure_route, \
                     branch_route and local_route",
                )),
                Ok(found) => entries = found,
                Err(fault) => faults.push(fault),
            },
            None => {}
        }
        ScriptFaults::check(name, faults)?;
        Ok(Self(Arc::new(Checked {
            name: name.to_owned(),
            source: source.to_owned(),
            names,
            entries,
        })))
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The entry points that it defines.
    #[must_use]
    pub fn entries(&self) -> EntryPoints {
        self.0.entries
    }

    pub(super) fn source(&self) -> &str {
        &self.0.source
    }

    pub(super) fn names(&self) -> Arc<ScriptNames> {
        Arc::clone(&self.0.names)
    }

    pub(super) const fn load_deadline(&self) -> Duration {
        LOAD_DEADLINE
    }
}

/// The names that every script finds. Without them, which only a lack of memory explains, no name is called unknown.
fn globals(names: &Arc<ScriptNames>) -> BTreeSet<String> {
    let limits = Limits::default();
    let seat = Desk::unused(Arc::clone(names), Arc::new(Shared::new()));
    let vm = Vm::empty(&seat, &Guard::new(&limits), &limits);
    vm.map(|vm| vm.globals()).unwrap_or_default()
}

/// Executes the text in a state of its own that shares nothing.
fn execute(source: &str, names: &Arc<ScriptNames>) -> Result<EntryPoints, ScriptFault> {
    let limits = Limits::default();
    let seat = Desk::unused(Arc::clone(names), Arc::new(Shared::new()));
    let guard = Guard::new(&limits);
    guard.start(LOAD_DEADLINE);
    let loaded = Vm::empty(&seat, &guard, &limits).and_then(|mut vm| {
        vm.load(source, names)?;
        Ok(vm.entries())
    });
    loaded.map_err(|error| {
        let error = failure::of(&error, &guard);
        ScriptFault::new(error.line().unwrap_or(1), 1, error.message())
    })
}
