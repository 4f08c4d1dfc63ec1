//! The `[calls]` table: by what legs become one call, and how much is remembered of open ones.

use std::{ops::RangeInclusive, time::Duration};

use bytesize::ByteSize;

use super::{
    Config, Fault, Marked,
    reader::{Bare, Table},
};
use crate::call::{Affix, HeaderRule, Limits, Rule, Rules};

/// `[calls]`: how a node with a store follows calls.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct CallsConfig {
    /// What correlation goes by. A reload changes it for messages that come afterwards.
    pub rules: Rules,
    /// `memory`: octets for open calls, registrations and what waits to be written of them, out of those of the store;
    /// `None`: a quarter of these for open calls, an eighth for registrations.
    pub memory: Option<Marked<ByteSize>>,
}

const MEMORY: RangeInclusive<ByteSize> = ByteSize::mib(8)..=ByteSize::gib(64);
const WINDOW: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
/// Of 100; 0 switches a rule off.
const CONFIDENCE: RangeInclusive<i64> = 0..=100;

impl CallsConfig {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let d = Rules::default();
        let confidences = table
            .table("confidence", read_confidences)
            .unwrap_or_default();
        let window = |key| {
            let window = table.duration(key, Bare::Refused, WINDOW);
            window.map(Marked::into_inner)
        };
        Self {
            rules: Rules {
                join_at: table
                    .number("join_at", 1..=100)
                    .map_or(d.join_at, Marked::into_inner),
                headers: read_headers(table, &confidences),
                affixes: read_affixes(table, d.affixes),
                media_window: window("media_window").unwrap_or(d.media_window),
                refer_window: window("refer_window").unwrap_or(d.refer_window),
                confidences,
            },
            memory: table.size("memory", MEMORY),
        }
    }

    /// How much is remembered beside a store that may have `store_memory` octets with it.
    #[must_use]
    pub fn limits(&self, store_memory: ByteSize) -> Limits {
        let octets = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        match &self.memory {
            Some(memory) => Limits::within(octets(**memory)),
            None => Limits::beside(octets(store_memory)),
        }
    }
}

/// Calls and the store share the store's memory: each needs a half at least to be of use.
pub(super) fn check(config: &Config, note: &mut dyn FnMut(Fault)) {
    if let Some(memory) = &config.calls.memory
        && config.store.enabled
        && memory.as_u64() > config.store.memory.as_u64() / 2
    {
        let message =
            "open calls would have more than half of the store's memory, which they are part of";
        let remedy = "make it smaller, or memory of [store] larger: 256MiB where it is not written";
        note(Fault::at(memory, message, remedy));
    }
}

fn read_headers(table: &Table<'_>, confidences: &[(Rule, u8)]) -> Vec<HeaderRule> {
    let usual = confidences.iter().find(|(rule, _)| *rule == Rule::Header);
    let usual = usual.map_or(Rule::Header.confidence(), |(_, confidence)| *confidence);
    let read = table.texts_or_tables(
        "headers",
        |name| Some(header(table, &name)?.with_confidence(usual)),
        |table| {
            table.require("name", "add name = \"X-…\", the header field");
            let name = table.text("name");
            let confidence = table.number("confidence", CONFIDENCE);
            let confidence = confidence.map_or(usual, Marked::into_inner);
            Some(header(table, &name?)?.with_confidence(confidence))
        },
    );
    read.unwrap_or_default().into_iter().flatten().collect()
}

fn header(table: &Table<'_>, name: &Marked<String>) -> Option<HeaderRule> {
    if is_token(name) {
        return Some(HeaderRule::new(name.as_str()));
    }
    let message = format!("`{}` is no name of a header field", **name);
    table.fault(name, message, "write it as in messages, without the colon");
    None
}

/// A token of RFC 3261, section 25.1.
fn is_token(text: &str) -> bool {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&octet);
    !text.is_empty() && text.bytes().all(is_part)
}

/// What is written takes the place of the usual ones of its kind.
fn read_affixes(table: &Table<'_>, usual: Vec<Affix>) -> Vec<Affix> {
    let written = |key, make: fn(String) -> Affix| {
        let texts = table.texts(key)?;
        let affixes = texts.into_iter().filter_map(|text| {
            if text.is_empty() {
                let remedy = "write what is put before or after a Call-ID, # for any number";
                table.fault(&text, format!("`{key}` has an empty one"), remedy);
                return None;
            }
            Some(make(text.into_inner()))
        });
        Some(affixes.collect::<Vec<_>>())
    };
    let prefixes = written("prefixes", Affix::Prefix).unwrap_or_default();
    let suffixes = written("suffixes", Affix::Suffix).unwrap_or(usual);
    prefixes.into_iter().chain(suffixes).collect()
}

fn read_confidences(table: &Table<'_>) -> Vec<(Rule, u8)> {
    let confidences = Rule::ALL.iter().filter_map(|rule| {
        let confidence: Marked<u8> = table.number(rule.label(), CONFIDENCE)?;
        Some((*rule, confidence.into_inner()))
    });
    confidences.collect()
}
