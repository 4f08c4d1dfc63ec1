//! An interface for each agent, so that Wireshark can tell them apart and filter by them.

use std::{collections::HashMap, fmt::Write as _, net::IpAddr};

use super::comment::word;
use crate::search::StoredMessage;

/// Interfaces of one file. Senders choose their node names: behind this many, they share one.
const MAX_INTERFACES: usize = 4_096;

/// The interfaces of a file, numbered in the order in which they are used.
#[derive(Debug, Default)]
pub(super) struct Interfaces<'a> {
    numbers: HashMap<Agent<'a>, u32>,
    list: Vec<(String, String)>,
}

/// Who captured: the address that the frames came from, capture agent ID and node name in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Agent<'a> {
    address: Option<IpAddr>,
    capture_id: Option<u32>,
    node_name: Option<&'a [u8]>,
}

impl<'a> Interfaces<'a> {
    pub(super) fn of(messages: impl IntoIterator<Item = &'a StoredMessage>) -> Self {
        let mut interfaces = Self::default();
        for message in messages {
            let agent = Agent::of(message);
            if interfaces.list.len() > MAX_INTERFACES || interfaces.numbers.contains_key(&agent) {
                continue;
            }
            // As the limit is reached, one more is described for all that is to come.
            let is_last = interfaces.list.len() == MAX_INTERFACES;
            if !is_last {
                let number = u32::try_from(interfaces.list.len()).unwrap_or(u32::MAX);
                interfaces.numbers.insert(agent, number);
            }
            interfaces.list.push(if is_last {
                (
                    "other agents".to_owned(),
                    "HEP agents beyond the first 4,096".to_owned(),
                )
            } else {
                (agent.name(), agent.description())
            });
        }
        interfaces
    }

    /// Name and description of each.
    pub(super) fn list(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.list.iter();
        texts.map(|(name, description)| (name.as_str(), description.as_str()))
    }

    pub(super) fn number_of(&self, message: &'a StoredMessage) -> u32 {
        let number = self.numbers.get(&Agent::of(message)).copied();
        number.unwrap_or_else(|| u32::try_from(MAX_INTERFACES).unwrap_or(u32::MAX))
    }
}

impl<'a> Agent<'a> {
    fn of(stored: &'a StoredMessage) -> Self {
        let message = stored.message();
        Self {
            address: stored.origin().map(|origin| origin.peer.ip()),
            capture_id: message.and_then(|message| message.capture_id()),
            node_name: message.and_then(|message| message.node_name()),
        }
    }

    /// `192.0.2.7`, or `192.0.2.7 (sbc-paris-1)`.
    fn name(&self) -> String {
        let mut name = self.address();
        if let Some(node_name) = self.node_name {
            write!(name, " ({})", word(node_name)).expect("writing to a String cannot fail");
        }
        name
    }

    fn description(&self) -> String {
        let mut text = format!("HEP agent {}", self.address());
        if let Some(id) = self.capture_id {
            write!(text, ", capture id {id}").expect("writing to a String cannot fail");
        }
        if let Some(node_name) = self.node_name {
            write!(text, ", node {}", word(node_name)).expect("writing to a String cannot fail");
        }
        text
    }

    fn address(&self) -> String {
        self.address
            .map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())
    }
}
