//! How far agents' clocks are from each other, told from one call.
//!
//! What two agents saw both tells it best: the difference of their times is that of their clocks plus the way between
//! them, and messages that go both ways cancel the way out. Agents that saw nothing together are held to what must
//! be: no response before its request.

use std::collections::HashMap;

use super::{merge::Fact, order};
use crate::call::{method::Method, seen::Seen};

/// Clocks that differ by less are kept by NTP and left alone.
const TOLERANCE: i64 = 5_000;
/// Where messages went one way only, less than this may be the way and not the clock.
const ONE_WAY: i64 = 250_000;

/// What comes later than that was kept on the way, as by a spool or a replay: its arrival tells nothing of a clock.
const ON_ITS_WAY: i64 = 10_000_000;

/// What is added to the times of each agent, in microseconds; 0 for the one that all are set against.
pub(super) fn corrections<'a>(messages: &'a [Seen<'_>], facts: &[Fact<'_>]) -> Vec<(&'a str, i64)> {
    let mut agents: Vec<(&str, Vec<i64>)> = Vec::new();
    for (seen, fact) in messages.iter().zip(facts) {
        let late = seen
            .received
            .as_micros()
            .saturating_sub(fact.time().as_micros());
        match agents.iter_mut().find(|(agent, _)| *agent == seen.agent) {
            Some((_, delays)) => delays.push(late),
            None => agents.push((seen.agent, vec![late])),
        }
    }
    // The clock to go by is the one nearest to ours, in steps of what the way may take; then, and where all that they
    // sent was kept on the way, whose saw most.
    agents.sort_by_cached_key(|(agent, delays)| {
        let mut delays = delays.clone();
        delays.sort_unstable();
        let usual = delays.get(delays.len() / 2).copied().unwrap_or(0);
        (
            usual.abs().min(ON_ITS_WAY) / ONE_WAY,
            std::cmp::Reverse(delays.len()),
            *agent,
        )
    });
    let mut known: Vec<(&str, i64)> = agents
        .first()
        .map(|(agent, _)| (*agent, 0))
        .into_iter()
        .collect();
    let mut waiting: Vec<&str> = agents.iter().skip(1).map(|(agent, _)| *agent).collect();
    // First those that saw something together with one that is known, then the others.
    let estimates: [Estimate; 2] = [shared, causal];
    for estimate in estimates {
        while let Some((place, correction)) =
            waiting.iter().enumerate().find_map(|(place, agent)| {
                let by = known
                    .iter()
                    .find_map(|(other, base)| Some(base + estimate(facts, other, agent)?))?;
                Some((place, by))
            })
        {
            let agent = waiting.remove(place);
            known.push((agent, correction));
        }
    }
    known.extend(waiting.into_iter().map(|agent| (agent, 0)));
    known
}

type Estimate = fn(&[Fact<'_>], &str, &str) -> Option<i64>;

/// What to add to `agent`'s times so that they are `base`'s, from what both saw.
fn shared(facts: &[Fact<'_>], base: &str, agent: &str) -> Option<i64> {
    let mut first: HashMap<u64, i64> = HashMap::new();
    for fact in facts.iter().filter(|fact| fact.seen.agent == base) {
        if let Some(key) = fact.key {
            let time = fact.time().as_micros();
            first
                .entry(key)
                .and_modify(|known| *known = (*known).min(time))
                .or_insert(time);
        }
    }
    let mut ways: HashMap<bool, Vec<i64>> = HashMap::new();
    let mut theirs: HashMap<u64, (bool, i64)> = HashMap::new();
    for fact in facts.iter().filter(|fact| fact.seen.agent == agent) {
        if let Some(key) = fact.key {
            let (way, time) = (
                fact.seen.source < fact.seen.destination,
                fact.time().as_micros(),
            );
            theirs
                .entry(key)
                .and_modify(|known| known.1 = known.1.min(time))
                .or_insert((way, time));
        }
    }
    for (key, (way, time)) in theirs {
        if let Some(ours) = first.get(&key) {
            ways.entry(way).or_default().push(ours.saturating_sub(time));
        }
    }
    let mut medians = ways.into_values().map(|mut differences| {
        differences.sort_unstable();
        differences.get(differences.len() / 2).copied().unwrap_or(0)
    });
    match (medians.next(), medians.next()) {
        (Some(one), Some(other)) => {
            let middle = i64::midpoint(one, other);
            Some(if middle.abs() < TOLERANCE { 0 } else { middle })
        }
        (Some(one), None) => Some(if one.abs() < ONE_WAY { 0 } else { one }),
        (None, _) => None,
    }
}

/// The least that has to be added so that nothing comes before its cause.
fn causal(facts: &[Fact<'_>], base: &str, agent: &str) -> Option<i64> {
    let (mut low, mut high) = (i64::MIN, i64::MAX);
    for (cause, effect) in order::causes(
        facts
            .iter()
            .enumerate()
            .filter(|(_, fact)| fact.method != Method::Other),
    ) {
        let (Some(cause), Some(effect)) = (facts.get(cause), facts.get(effect)) else {
            continue;
        };
        let gap = cause
            .time()
            .as_micros()
            .saturating_sub(effect.time().as_micros());
        if (cause.seen.agent, effect.seen.agent) == (base, agent) {
            low = low.max(gap);
        } else if (cause.seen.agent, effect.seen.agent) == (agent, base) {
            high = high.min(gap.saturating_neg());
        }
    }
    match (low, high) {
        (i64::MIN, i64::MAX) => None,
        (low, high) if low <= 0 && 0 <= high => Some(0),
        // Where both bounds are known the clock is somewhere between them.
        (low, high) if low > i64::MIN && high < i64::MAX && low <= high => {
            Some(i64::midpoint(low, high))
        }
        (low, _) if low > 0 => Some(low),
        (_, high) => Some(high),
    }
}
