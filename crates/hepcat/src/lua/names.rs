//! What the configuration knows and a script may name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hepcat_net::Transport;
use hepcat_wire::Version;

/// What matters to a script about a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationFacts {
    /// HEP version that it is sent.
    pub version: Version,
    /// How it is reached.
    pub transport: Transport,
}

/// Names that a script may use. What it names beyond them is a fault when the script is compiled, as far as it stands
/// there literally, and an error when it runs.
#[derive(Debug, Clone, Default)]
pub struct ScriptNames {
    destinations: BTreeMap<Arc<str>, DestinationFacts>,
    groups: BTreeSet<Arc<str>>,
    trace_ids: BTreeSet<Arc<str>>,
    /// The name of `hep_route` in the script, where that is another.
    hep_route: Option<Arc<str>>,
}

impl ScriptNames {
    /// No names.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a destination (`hep_id`).
    #[must_use]
    pub fn destination(
        mut self,
        name: impl Into<Arc<str>>,
        version: Version,
        transport: Transport,
    ) -> Self {
        let facts = DestinationFacts { version, transport };
        self.destinations.insert(name.into(), facts);
        self
    }

    /// Adds a group of destinations, or another sink that messages can be relayed to.
    #[must_use]
    pub fn group(mut self, name: impl Into<Arc<str>>) -> Self {
        self.groups.insert(name.into());
        self
    }

    /// Adds a trace id.
    #[must_use]
    pub fn trace_id(mut self, name: impl Into<Arc<str>>) -> Self {
        self.trace_ids.insert(name.into());
        self
    }

    /// Gives `hep_route` another name, as the parameter `hep_route` does: the function of that name must be there.
    #[must_use]
    pub fn hep_route(mut self, name: impl Into<Arc<str>>) -> Self {
        self.hep_route = Some(name.into());
        self
    }

    /// The name that the parameter `hep_route` gives.
    pub(super) fn named_hep_route(&self) -> Option<&str> {
        self.hep_route.as_deref()
    }

    /// What is known about a destination.
    #[must_use]
    pub fn facts(&self, destination: &str) -> Option<DestinationFacts> {
        self.destinations.get(destination).copied()
    }

    /// The configuration's own copy of the name of a destination or group.
    pub(super) fn relay_target(&self, name: &str) -> Option<&Arc<str>> {
        let destination = self.destinations.get_key_value(name).map(|(name, _)| name);
        destination.or_else(|| self.groups.get(name))
    }

    /// A destination that `correlate` can write to, by its name.
    ///
    /// # Errors
    /// What is wrong with the name, to be put behind the name of the function.
    pub(super) fn correlation_target(&self, name: &str) -> Result<&Arc<str>, String> {
        let Some((known, facts)) = self.destinations.get_key_value(name) else {
            let what = match self.groups.contains(name) {
                true => "is a group, and correlations go to one destination",
                false => "is no destination of the configuration",
            };
            return Err(format!(
                "\"{name}\" {what}{}",
                suggestion(name, self.destinations.keys())
            ));
        };
        if facts.version == Version::V3 {
            Ok(known)
        } else {
            Err(format!(
                "destination \"{name}\" takes HEP version {}, which cannot carry correlations",
                facts.version.number()
            ))
        }
    }

    /// The configuration's own copy of a trace id.
    ///
    /// # Errors
    /// As [`correlation_target`](Self::correlation_target).
    pub(super) fn known_trace_id(&self, name: &str) -> Result<&Arc<str>, String> {
        self.trace_ids.get(name).ok_or_else(|| {
            format!(
                "\"{name}\" is no trace id of the configuration{}",
                suggestion(name, &self.trace_ids)
            )
        })
    }

    /// As [`relay_target`](Self::relay_target).
    ///
    /// # Errors
    /// As [`correlation_target`](Self::correlation_target).
    pub(super) fn known_relay_target(&self, name: &str) -> Result<&Arc<str>, String> {
        self.relay_target(name).ok_or_else(|| {
            let known = self.destinations.keys().chain(&self.groups);
            format!(
                "\"{name}\" is no destination or group of the configuration{}",
                suggestion(name, known)
            )
        })
    }
}

/// `; did you mean "x"?` for the known word that is nearest to a misspelt one, if any is near.
pub(super) fn suggestion<T: AsRef<str>>(word: &str, known: impl IntoIterator<Item = T>) -> String {
    let nearest = known
        .into_iter()
        .map(|known| (strsim::damerau_levenshtein(word, known.as_ref()), known))
        .min_by_key(|(distance, _)| *distance);
    match nearest {
        Some((distance, known)) if distance * 3 <= known.as_ref().len().max(3) => {
            format!("; did you mean \"{}\"?", known.as_ref())
        }
        _ => String::new(),
    }
}
