//! Why the legs of a call are one call, and why others may belong to it, for a terminal.

use std::fmt::Write as _;

use crate::{
    call::{CallRecord, LegId, Link, LinkStatus, ladder::Ladder, ladder::letter},
    render::escape_str,
};

/// Characters of a value that are shown.
const SHOWN: usize = 90;

/// A line for each link of `call`: what came of it, between which legs (their letters in `ladder`), by which rule of
/// `docs/correlation.md`, how sure that is, and, where `values` says so, what both have in common. Empty for a call of
/// one leg that nothing suggests another one for.
#[must_use]
pub fn joined_text(call: &CallRecord, ladder: &Ladder, values: bool) -> String {
    let mut text = String::new();
    for link in &call.links {
        let (mark, what) = match link.status {
            LinkStatus::Joined => ('=', ""),
            LinkStatus::Suggested => ('?', ", only suggested"),
            LinkStatus::Unlinked => ('x', ", parted by an operator"),
            LinkStatus::Withheld => ('x', ", withheld: too many have it"),
        };
        let (from, to) = (named(call, ladder, link.from), named(call, ladder, link.to));
        // Writing into a string does not fail.
        let _ignored = writeln!(
            text,
            " {mark} {from} with {to}: {}, {} of 100{what}{}",
            rule(link),
            link.confidence,
            if values { value(link) } else { String::new() }
        );
    }
    text
}

fn named(call: &CallRecord, ladder: &Ladder, leg: LegId) -> String {
    let call_id = call.legs.iter().find(|one| one.id == leg);
    let Some(call_id) = call_id.map(|leg| &leg.call_id) else {
        return format!("leg {leg} of another call");
    };
    let number = ladder.legs.iter().position(|one| one == call_id);
    number.map_or_else(|| escape_str(call_id), letter)
}

fn rule(link: &Link) -> String {
    match &link.header {
        Some(header) => format!("{} {}", link.rule.label(), escape_str(header)),
        None => link.rule.label().to_owned(),
    }
}

fn value(link: &Link) -> String {
    let short: String = link.value.chars().take(SHOWN).collect();
    let cut = if short.len() < link.value.len() {
        "…"
    } else {
        ""
    };
    format!(": {}{cut}", escape_str(&short))
}
