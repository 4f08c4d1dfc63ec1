//! A script with everything that the configuration says about running it.

use std::{collections::HashMap, num::NonZeroUsize, sync::Arc};

use bytes::Bytes;
use hepcat_net::trace::{Format, Mode, PackError, PackRequest, pack};
use hepcat_wire::Version;

use super::{Asker, ScriptState};
use crate::{
    config::{Config, KeyPolicy},
    lua::{Limits, Originated, Script, ScriptError},
    route::SinkId,
};

/// What workers of one topology have in common.
#[derive(Debug)]
pub struct ScriptSetup {
    pub(super) script: Script,
    pub(super) limits: Limits,
    pub(super) workers: NonZeroUsize,
    /// Names of sinks, by their number; the tail is the last.
    pub(super) sinks: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, SinkId, foldhash::fast::RandomState>,
    senders: Vec<Sender>,
    /// Whether reports have the fields of HOMER 5.
    pub(super) homer5: bool,
}

/// What messages of our own look like to one destination; in the order of the destinations.
#[derive(Debug)]
struct Sender {
    capture_id: u32,
    compressed: bool,
    format: Format,
    key: Vec<u8>,
}

impl ScriptSetup {
    /// The script of a configuration. `sinks` are the names that routes use, in the order of their numbers.
    #[must_use]
    pub fn new(script: Script, config: &Config, sinks: Vec<Arc<str>>) -> Self {
        let numbered = sinks.iter().enumerate();
        let by_name = numbered
            .filter_map(|(at, name)| Some((Arc::clone(name), SinkId(u16::try_from(at).ok()?))))
            .collect();
        let lua = &config.lua;
        let senders = config.destinations.iter().map(|spec| Sender {
            capture_id: *spec.sending.hep_capture_id,
            compressed: spec.sending.compressed_payload,
            format: spec.sending.format(),
            key: match &spec.key {
                KeyPolicy::Replace(key) => key.expose().to_vec(),
                KeyPolicy::Keep | KeyPolicy::Strip => Vec::new(),
            },
        });
        Self {
            script,
            limits: limits(lua),
            workers: lua.worker_count(),
            by_name,
            sinks,
            senders: senders.collect(),
            homer5: config.hep.sending.homer5_on,
        }
    }

    /// A Lua with the script executed in it.
    ///
    /// # Errors
    /// What keeps it from being executed.
    pub fn asker(&self, state: &ScriptState) -> Result<Asker, ScriptError> {
        Asker::new(
            &self.script,
            Arc::clone(state.shared()),
            self.limits,
            Arc::clone(state.transactions()),
        )
    }

    /// The sink of that name.
    #[must_use]
    pub fn sink(&self, name: &str) -> Option<SinkId> {
        self.by_name.get(name).copied()
    }

    /// The name of a sink.
    #[must_use]
    pub fn name(&self, sink: SinkId) -> Option<&Arc<str>> {
        self.sinks.get(usize::from(sink.0))
    }

    /// The frame of a message of our own, and the destination that it is for.
    ///
    /// # Errors
    /// Why it cannot be packed. `None` in its place stands for a destination that is not there.
    pub fn pack(
        &self,
        originated: &Originated,
        now: std::time::SystemTime,
    ) -> Result<(SinkId, Bytes), Option<PackError>> {
        let sink = self.sink(&originated.destination).ok_or(None)?;
        let sender = self.senders.get(usize::from(sink.0)).ok_or(None)?;
        let [(type1, id1), (type2, id2)] = &originated.correlation.pairs;
        let request = PackRequest::correlate((type1, id1), (type2, id2))?
            .capture_id(sender.capture_id)
            .compressed(sender.compressed)
            .key(sender.key.as_slice());
        let frame = pack(&request, Version::V3, &sender.format, Mode::Correct, now)?;
        Ok((sink, Bytes::from(frame)))
    }
}

fn limits(lua: &crate::config::Lua) -> Limits {
    Limits {
        instructions: lua.instructions,
        deadline: lua.time,
        memory: usize::try_from(lua.memory.as_u64()).unwrap_or(usize::MAX),
    }
}
