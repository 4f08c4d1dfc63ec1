//! The `[lua]` table: the script that routes ask, and what it may take.

use std::{
    fmt,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;

use super::{
    Config, Fault, Hep, Mark, Marked,
    mark::Source,
    reader::{Bare, Table},
};
use crate::lua::{Script, ScriptError, ScriptNames};

/// Script workers where the configuration names no number: one for each core, but no more than this. A
/// script costs little beside the rest of a message's way.
const MOST_WORKERS_BY_DEFAULT: usize = 4;

/// `[lua]`: a script and its limits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Lua {
    /// `script`: the file, read; `None` where there is no script.
    pub script: Option<Marked<ScriptFile>>,
    /// `workers`: threads that run the script, each with a Lua of its own. `None` is one for each core, at
    /// most four.
    pub workers: Option<NonZeroUsize>,
    /// `instructions`: Lua instructions that one message may take.
    pub instructions: u64,
    /// `time`: how long the script may take for one message.
    pub time: Duration,
    /// `memory`: octets that the Lua of one worker may hold.
    pub memory: ByteSize,
}

impl Default for Lua {
    fn default() -> Self {
        Self {
            script: None,
            workers: None,
            // About 10 ms: a thousand times what a route usually takes.
            instructions: 1_000_000,
            // Ten times what the instructions take, so that a busy machine ends no script that is well.
            time: Duration::from_millis(100),
            memory: ByteSize::mib(64),
        }
    }
}

/// What a captured frame runs first (`hep_route`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HepRoute<'a> {
    /// `sip`: the script's `hep_route` where it has one, else the route of its kind of SIP message.
    Sip,
    /// `none`: no script.
    None,
    /// The function of that name, in the place of `hep_route`.
    Named(&'a str),
}

impl Hep {
    /// The parameter `hep_route`; its two words are written in any case, as in the original.
    #[must_use]
    pub fn first_route(&self) -> HepRoute<'_> {
        let is = |word: &str| self.hep_route.eq_ignore_ascii_case(word);
        if is("sip") {
            HepRoute::Sip
        } else if is("none") {
            HepRoute::None
        } else {
            HepRoute::Named(&self.hep_route)
        }
    }
}

impl Config {
    /// The script, checked against the names of this configuration. `unread` are destinations that have
    /// faults of their own: naming one is no fault of the script.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn compile_script(&self, unread: &[String]) -> Result<Option<Script>, Vec<Fault>> {
        let Some(script) = &self.lua.script else {
            return Ok(None);
        };
        let names = unread.iter().fold(self.script_names(), |names, name| {
            names.destination(
                name.as_str(),
                super::Version::V3,
                hepcat_net::Transport::Tcp,
            )
        });
        script.compile(&names).map(Some)
    }

    /// Puts another script in the place of the configured one.
    pub(crate) fn set_script(&mut self, script: ScriptFile) {
        self.lua.script = Some(Marked::built_in(script));
    }

    /// What a script may name.
    pub(crate) fn script_names(&self) -> ScriptNames {
        let names = self
            .destinations
            .iter()
            .fold(ScriptNames::new(), |names, one| {
                names.destination(one.name.as_str(), *one.version, one.socket.transport)
            });
        let groups = self.groups.iter().map(|group| group.name.as_str());
        let store = self.store.enabled.then_some("store");
        let names = groups
            .chain(["tail"])
            .chain(store)
            .fold(names, ScriptNames::group);
        let traces = self.traces.iter().map(|trace| trace.trace_id.as_str());
        let names = traces.fold(names, ScriptNames::trace_id);
        match self.hep.first_route() {
            HepRoute::Named(name) => names.hep_route(name),
            HepRoute::Sip | HepRoute::None => names,
        }
    }
}

impl Lua {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let d = Self::default();
        Self {
            script: read_script(table),
            workers: table
                .number("workers", 1..=64)
                .and_then(|workers: Marked<usize>| NonZeroUsize::new(workers.into_inner())),
            instructions: table
                .number("instructions", 1_000..=1_000_000_000)
                .map_or(d.instructions, Marked::into_inner),
            time: table
                .duration(
                    "time",
                    Bare::Refused,
                    Duration::from_millis(1)..=Duration::from_secs(10),
                )
                .map_or(d.time, Marked::into_inner),
            memory: table
                .size("memory", ByteSize::mib(1)..=ByteSize::gib(4))
                .map_or(d.memory, Marked::into_inner),
        }
    }

    /// How many workers run the script.
    #[must_use]
    pub fn worker_count(&self) -> NonZeroUsize {
        self.workers.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            NonZeroUsize::new(MOST_WORKERS_BY_DEFAULT).map_or(cores, |most| cores.min(most))
        })
    }
}

fn read_script(table: &Table<'_>) -> Option<Marked<ScriptFile>> {
    let path = table.path("script")?;
    let script = ScriptFile::read(&path).unwrap_or_else(|message| {
        let remedy = "name a Lua script that the user running hepcat can read";
        table.fault(&path, message, remedy);
        // In its place, so that routes that ask it are no second fault.
        ScriptFile::new(&path, String::new())
    });
    Some(path.map(|_| script))
}

/// A script as it stands in its file.
#[derive(Clone)]
pub struct ScriptFile(Arc<Source>);

impl ScriptFile {
    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read(path: &Path) -> Result<Self, String> {
        let octets = std::fs::read(path)
            .map_err(|error| format!("cannot read the script `{}`: {error}", path.display()))?;
        let text = String::from_utf8(octets).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            format!("octet {at} of the script `{}` is no UTF-8", path.display())
        })?;
        Ok(Self::new(path, text))
    }

    /// A script of that text, called by that name.
    #[must_use]
    pub fn new(path: &Path, text: String) -> Self {
        Self(Arc::new(Source::new(path, text)))
    }

    /// The file's name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.name().to_owned()
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(&self, names: &ScriptNames) -> Result<Script, Vec<Fault>> {
        let name = self.0.name().display().to_string();
        Script::compile(&name, self.text(), names).map_err(|faults| {
            let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
            let fault = |fault: &crate::lua::ScriptFault| {
                let remedy = "docs/routes.md describes what a script can do";
                let (line, column) = (place(fault.line()), place(fault.column()));
                self.fault(line, column, fault.message(), remedy)
            };
            faults.iter().map(fault).collect()
        })
    }

    /// A fault of a script that cannot be executed.
    pub(crate) fn failure(&self, error: &ScriptError) -> Fault {
        let line = usize::try_from(error.line().unwrap_or(1)).unwrap_or(1);
        let remedy = "the script must come to its end within the limits of [lua]";
        self.fault(line, 1, error.message(), remedy)
    }

    /// A fault at a line and column in characters, both counted from 1. Places that the text does not have
    /// become the nearest that it has.
    #[must_use]
    pub fn fault(&self, line: usize, column: usize, message: &str, remedy: &str) -> Fault {
        let range = self.0.line_range(line.max(1));
        let text = self.0.text().get(range.clone()).unwrap_or_default();
        let before = text.char_indices().nth(column.saturating_sub(1));
        let start = before.map_or(range.end, |(at, _)| range.start + at);
        // One word is marked, so that an editor and a reader look at the same.
        let rest = self.0.text().get(start..range.end).unwrap_or_default();
        let word = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        let mark = Mark::new(&self.0, start..start + word);
        Fault::at_mark(&mark, message, remedy)
    }
}

impl PartialEq for ScriptFile {
    fn eq(&self, other: &Self) -> bool {
        self.0.name() == other.0.name() && self.0.text() == other.0.text()
    }
}

impl Eq for ScriptFile {}

/// The name alone, not the text.
impl fmt::Debug for ScriptFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScriptFile").field(&self.0.name()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_a_script_points_into_the_script() {
        let script = ScriptFile::new(
            Path::new("routes.lua"),
            "-- comment\nhep_sit('x')\n".to_owned(),
        );
        let fault = script.fault(2, 1, "no such function", "look again");
        assert_eq!(fault.file(), Some(Path::new("routes.lua")));
        assert_eq!((fault.line(), fault.column()), (Some(2), Some(1)));
        let shown = fault.to_string();
        assert!(shown.contains("routes.lua:2:1"), "{shown}");
        assert!(shown.contains("^^^^^^^\n"), "{shown}");
        for (line, column) in [(0, 0), (2, 99), (99, 1)] {
            assert!(
                script
                    .fault(line, column, "x", "y")
                    .line()
                    .is_some_and(|line| line <= 3)
            );
        }
    }
}
