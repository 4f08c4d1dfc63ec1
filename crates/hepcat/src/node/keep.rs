//! Opening what outlives the process, as far as the configuration wants that.

use std::{path::Path, sync::Arc};

use super::{access::Access, convert::spelled};
use crate::{
    config::{CallsConfig, Config, Fault, StoreConfig},
    sink::store::StoreSink,
    state::{State, users},
};

/// The store, where the configuration wants one. Reading back its log takes a moment.
pub(super) async fn open_store(config: &Config, faults: &mut Vec<Fault>) -> Option<Arc<StoreSink>> {
    let data_dir = config.data_dir().filter(|_| config.store.enabled)?;
    // Who has faults already does not run, and must not touch what is kept.
    if !faults.is_empty() {
        return None;
    }
    let (spec, calls, clock) = (
        config.store.clone(),
        config.calls.clone(),
        config.agents.clock,
    );
    let place = data_dir.to_path_buf();
    let opened =
        tokio::task::spawn_blocking(move || StoreSink::open(&place, &spec, &calls, clock)).await;
    let error: Box<dyn std::error::Error> = match opened {
        Ok(Ok(store)) => return Some(Arc::new(store)),
        Ok(Err(error)) => Box::new(error),
        Err(error) => Box::new(error),
    };
    let remedy = "look who else uses the directory, and whether hepcat may write to it";
    let message = format!("the store cannot be opened: {}", spelled(&*error));
    faults.push(Fault::at(&data_dir, message, remedy));
    None
}

/// A store goes on as it is for as long as the node runs.
pub(super) fn check_store(config: &Config, running: &StoreConfig, faults: &mut Vec<Fault>) {
    if !config.store.is_same_as(running) {
        let message = "the store cannot change while the node runs";
        let remedy = "write [store] as it was, or restart the node";
        faults.push(Fault::at(config.store.mark(), message, remedy));
    }
}

/// What calls may take is given to them at start; the rules by which legs belong together may change.
pub(super) fn check_calls(config: &Config, running: &CallsConfig, faults: &mut Vec<Fault>) {
    let octets = |calls: &CallsConfig| calls.memory.as_ref().map(|memory| memory.as_u64());
    if octets(&config.calls) != octets(running) {
        let message = "the memory of [calls] cannot change while the node runs";
        let remedy = "write it as it was, or restart the node";
        faults.push(match &config.calls.memory {
            Some(memory) => Fault::at(memory, message, remedy),
            None => Fault::at(config.store.mark(), message, remedy),
        });
    }
}

/// The state in the configured data directory, or state that ends with the process where none is wanted.
/// What keeps it from being opened is a fault, and the rest of the configuration is looked at all the same.
pub(super) async fn open_state(config: &Config, faults: &mut Vec<Fault>) -> State {
    if let Some(directory) = config.data_dir() {
        match State::open(&directory).await {
            Ok(state) => return state,
            Err(error) => faults.push(Fault::at(&directory, spelled(&error), error.remedy())),
        }
    }
    match State::in_memory().await {
        Ok(state) => state,
        Err(error) => {
            faults.push(Fault::at(
                &crate::config::Marked::built_in(()),
                spelled(&error),
                error.remedy(),
            ));
            State::closed()
        }
    }
}

/// Who gets in, as the state has it.
pub(super) async fn open_access(state: &State, faults: &mut Vec<Fault>) -> Access {
    // Closed, because it could not be opened: that is a fault already.
    if !faults.is_empty() {
        return Access::closed();
    }
    match Access::open(state).await {
        Ok(access) => access,
        Err(error) => {
            faults.push(Fault::at(
                &crate::config::Marked::built_in(()),
                spelled(&error),
                error.remedy(),
            ));
            Access::closed()
        }
    }
}

/// Where others than this host can ask, there must be somebody who may.
pub(super) async fn check_users(config: &Config, state: &State, faults: &mut Vec<Fault>) {
    if !config.http.is_public() || !faults.is_empty() {
        return;
    }
    let exist = state.call(|connection| users::exist(connection)).await;
    if !exist.unwrap_or(false) {
        faults.push(config.http.nobody());
    }
}

/// A node keeps its data directory for as long as it runs.
pub(super) fn check_directory(config: &Config, held: Option<&Path>, faults: &mut Vec<Fault>) {
    let wanted = config.data_dir();
    if wanted.as_ref().map(|directory| directory.as_path()) == held {
        return;
    }
    let message = "the data directory cannot change while the node runs";
    let remedy = match held {
        Some(held) => format!("write data_dir = {held:?} again, or restart the node"),
        None => "take data_dir out again, or restart the node".to_owned(),
    };
    faults.push(match wanted {
        Some(directory) => Fault::at(&directory, message, remedy),
        None => match &config.file {
            Some(file) => Fault::of_file(file, message, remedy),
            None => Fault::at(&crate::config::Marked::built_in(()), message, remedy),
        },
    });
}

/// Notes that what was decided about agents cannot be read: a node that forgot whom it refuses must not run.
pub(super) fn not_read(
    node: &super::Node,
    error: &crate::state::StateError,
    faults: &mut Vec<Fault>,
) {
    // Closed, because it could not be opened: that is a fault already.
    if !faults.is_empty() {
        return;
    }
    let place = node
        .state
        .directory()
        .unwrap_or_else(|| Path::new("memory"));
    faults.push(Fault::of_file(place, spelled(error), error.remedy()));
}
