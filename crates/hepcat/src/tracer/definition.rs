//! A trace that was started at run time: what was asked for, and what holds.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{FilterError, FilterText, Scope, Types};
use crate::config::duration;

/// How long a trace goes on where nobody says: the call that is being looked into, and one more try.
const USUAL_DURATION: SignedDuration = SignedDuration::from_hours(1);
/// The longest: what is wanted for longer belongs into the configuration.
const LONGEST_DURATION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Messages traced where nobody says: some hundred calls.
const USUAL_LIMIT: u64 = 10_000;
/// The most messages of one trace.
const LARGEST_LIMIT: u64 = 10_000_000;

/// Messages a second where nobody says: far above what one looks at, far below what floods a collector.
const USUAL_RATE: u32 = 1_000;
/// The highest rate.
const HIGHEST_RATE: u32 = 100_000;

/// What is asked for when a trace is started; what is left out has its usual value.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRequest {
    /// Name of the trace; one is made up where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Destinations and groups, in the order in which they get the copies; those of the only `trace_id`
    /// that is configured where none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// As [`FilterText::caller`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// As [`FilterText::callee`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee: Option<String>,
    /// As [`FilterText::address`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// As [`FilterText::when`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How much of a call; its dialog where nothing is said.
    #[serde(default)]
    pub scope: Scope,
    /// Protocol types by name; `sip` where none are given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// How long, such as `"30m"`; an hour where nothing is said.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<String>,
    /// Until when, instead of how long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
    /// Messages after which it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Messages in one second; what is more is not traced, and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
}

/// A trace as it is kept: everything said, nothing to be guessed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Definition {
    /// Its name.
    pub id: String,
    /// Destinations and groups by name.
    pub to: Vec<String>,
    /// Which messages begin it.
    pub filter: FilterText,
    /// How much of a call.
    pub scope: Scope,
    /// Protocol types by name.
    pub types: Vec<String>,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Messages after which it is over.
    pub limit: u64,
    /// Messages in one second.
    pub rate: u32,
}

/// Why a trace cannot be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The filter is not understood.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Something else that was written is not.
    #[error("{key}: {what}")]
    Value {
        /// Which part of the request.
        key: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl StartRequest {
    /// What the request comes to at `now`. `fresh_id` is used where it names no trace, `usual_targets`
    /// where it names no destination.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn define(
        self,
        now: Timestamp,
        fresh_id: impl FnOnce() -> String,
        usual_targets: &[String],
    ) -> Result<Definition, RequestError> {
        let wrong = |key, what: String| RequestError::Value { key, what };
        let filter = FilterText {
            caller: self.caller,
            callee: self.callee,
            address: self.address,
            when: self.when,
        };
        filter.compile()?;
        let id = self.id.unwrap_or_else(fresh_id);
        if !is_name(&id) {
            let what = "write at most 64 letters, digits and any of - _ . @ +";
            return Err(wrong("id", what.to_owned()));
        }
        let to = match (self.to.is_empty(), usual_targets.is_empty()) {
            (false, _) => self.to,
            (true, false) => usual_targets.to_vec(),
            (true, true) => {
                let what = "name the destinations: not exactly one trace_id is configured";
                return Err(wrong("to", what.to_owned()));
            }
        };
        let types = if self.types.is_empty() {
            Types::SIP.names().collect()
        } else {
            self.types
        };
        read_types(&types).map_err(|what| wrong("types", what))?;
        let until = end(now, self.lasting.as_deref(), self.until)?;
        let limit = self.limit.unwrap_or(USUAL_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(wrong(
                "limit",
                format!("write 1 to {LARGEST_LIMIT} messages"),
            ));
        }
        let rate = self.rate.unwrap_or(USUAL_RATE);
        if !(1..=HIGHEST_RATE).contains(&rate) {
            return Err(wrong(
                "rate",
                format!("write 1 to {HIGHEST_RATE} messages a second"),
            ));
        }
        Ok(Definition {
            id,
            to,
            filter,
            scope: self.scope,
            types,
            started_at: now,
            until,
            limit,
            rate,
        })
    }
}

/// Names stand in addresses of the API and on command lines.
fn is_name(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.@+".contains(&b))
}

fn end(
    now: Timestamp,
    lasting: Option<&str>,
    until: Option<Timestamp>,
) -> Result<Timestamp, RequestError> {
    let wrong = |key, what: &str| RequestError::Value {
        key,
        what: what.to_owned(),
    };
    let (key, left) = match (lasting, until) {
        (Some(_), Some(_)) => {
            return Err(wrong("until", "say until when or for how long, not both"));
        }
        (None, Some(until)) => ("until", until.duration_since(now)),
        (None, None) => ("for", USUAL_DURATION),
        (Some(text), None) => {
            let read = duration(text).map_err(|what| wrong("for", &what))?;
            (
                "for",
                SignedDuration::try_from(read).unwrap_or(SignedDuration::MAX),
            )
        }
    };
    if left <= SignedDuration::ZERO {
        return Err(wrong(key, "this is over before it begins"));
    }
    if left > LONGEST_DURATION {
        return Err(wrong(
            key,
            "at most 30 days; what is wanted for longer belongs into [[trace]]",
        ));
    }
    Ok(now.saturating_add(left).unwrap_or(Timestamp::MAX))
}

/// Protocol types from their names.
///
/// # Errors
/// A sentence about the first that is none.
pub fn read_types<S: AsRef<str>>(names: &[S]) -> Result<Types, String> {
    let mut types = Types::NONE;
    for name in names {
        let name = name.as_ref();
        let known = Types::named(name).ok_or_else(|| {
            format!("`{name}` is no protocol type: write sip, log, rtcp, … or a number")
        })?;
        types = types.with(known);
    }
    Ok(types)
}
