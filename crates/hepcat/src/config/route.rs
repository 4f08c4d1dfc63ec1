//! The `[[route]]` tables.

use super::{Fault, Marked, reader::Table};
use crate::query::Query;

/// What happens to the messages that an expression matches.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The expression; `None` matches everything.
    pub when: Option<Marked<Query>>,
    /// Where to; empty is a counted skip.
    pub to: Vec<Marked<Target>>,
    /// Whether the routes below are asked as well.
    pub then_continue: bool,
    /// `lua`: whether the script is asked about what matches.
    pub asks_script: Option<Marked<bool>>,
}

/// Where a route sends to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// The destination or group of that name.
    Named(String),
    /// The embedded store.
    Store,
    /// Whoever watches live.
    Tail,
}

/// The words in `to` that name neither a destination nor a group.
pub(super) const RESERVED: [&str; 2] = ["store", "tail"];

impl Route {
    pub(super) fn read(table: &Table<'_>) -> Self {
        table.require("to", "add to = [\"…\"], or to = [] to skip what matches");
        let target = |name: String| match name.as_str() {
            "store" => Target::Store,
            "tail" => Target::Tail,
            _ => Target::Named(name),
        };
        Self {
            when: read_query(table),
            to: table
                .texts("to")
                .unwrap_or_default()
                .into_iter()
                .map(|name| name.map(target))
                .collect(),
            then_continue: table.flag("continue").is_some_and(Marked::into_inner),
            asks_script: table.flag("lua").filter(|asks| **asks),
        }
    }
}

pub(super) fn read_query(table: &Table<'_>) -> Option<Marked<Query>> {
    let text = table.text("when")?;
    match Query::parse(&text) {
        Ok(query) => Some(text.map(|_| query)),
        Err(error) => {
            let message = format!("`when`: {error}");
            let remedy = error
                .help()
                .unwrap_or_else(|| "see docs/query.md for the language".to_owned());
            table
                .reader()
                .fault(Fault::within(&text, error.span(), message, remedy));
            None
        }
    }
}
