//! The ledger at the end: shown, and held against what was sent and what arrived.

use std::{fmt, time::Duration};

use serde_json::Value;

use crate::load::LaneReport;

/// A machine on which a stall lasted longer than it was to was so busy that the line may have been given up.
const GIVEN_UP: Duration = Duration::from_secs(20);

/// The sum of a value over all elements of a list; what is not there is 0.
pub(super) fn sum(list: &Value, path: &[&str]) -> u64 {
    let list = list.as_array().into_iter().flatten();
    list.map(|one| at(one, path)).sum()
}

fn at(value: &Value, path: &[&str]) -> u64 {
    path.iter()
        .fold(value, |value, &key| &value[key])
        .as_u64()
        .unwrap_or(0)
}

fn by_reason(value: &Value) -> u64 {
    let reasons = value.as_object().into_iter().flatten();
    reasons.filter_map(|(_, count)| count.as_u64()).sum()
}

fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    let mut list = list.as_array().into_iter().flatten();
    list.find(|one| one["name"] == name).unwrap_or(&Value::Null)
}

pub(super) fn show(status: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for one in status["listeners"].as_array().into_iter().flatten() {
        let ledger = &one["ledger"];
        writeln!(
            f,
            "listener     {}: {} received = {} refused + {} skipped + {} routed; the kernel dropped {}",
            one["name"].as_str().unwrap_or_default(),
            at(ledger, &["received"]),
            by_reason(&ledger["refused"]),
            by_reason(&ledger["skipped"]),
            at(ledger, &["routed"]),
            at(one, &["datagrams", "kernel_drops"]),
        )?;
    }
    for one in status["sinks"].as_array().into_iter().flatten() {
        writeln!(
            f,
            "sink         {}: {} offered + {} originated + {} carried over = {} delivered + {} queued + {} spooled + {} dropped {}; {} sent again",
            one["name"].as_str().unwrap_or_default(),
            at(one, &["offered"]),
            at(one, &["originated"]),
            at(one, &["carried_over"]),
            at(one, &["delivered"]),
            at(one, &["queued"]),
            at(one, &["spooled"]),
            by_reason(&one["dropped"]),
            one["dropped"],
            at(one, &["destination", "repeated"]),
        )?;
    }
    writeln!(f, "ledger       {}", status["ledger"])
}

/// Everything that does not add up.
pub(super) fn faults(
    status: &Value,
    sent: &[(&'static str, u64)],
    arrived: &[(&'static str, LaneReport)],
    longest_stall: Duration,
) -> Vec<String> {
    let mut wrong = Wrong::default();
    wrong.unless_equal("unaccounted", at(&status["ledger"], &["unaccounted"]), 0);
    for listener in ["udp", "tcp", "tls"] {
        let one = named(&status["listeners"], listener);
        let ledger = &one["ledger"];
        let received = at(ledger, &["received"]);
        let decided =
            by_reason(&ledger["refused"]) + by_reason(&ledger["skipped"]) + at(ledger, &["routed"]);
        wrong.unless_equal(&format!("decided about at {listener}"), decided, received);
        // What an agent sent the listener received, or the kernel dropped.
        let sent = sent.iter().filter(|(name, _)| name.starts_with(listener));
        let sent = sent.map(|(_, messages)| messages).sum();
        let came = received + at(one, &["datagrams", "kernel_drops"]);
        wrong.unless_equal(&format!("received by {listener}"), came, sent);
    }
    let routed = at(&status["ledger"], &["routed"]);
    for (name, lane) in arrived {
        let one = named(&status["sinks"], name);
        wrong.unless_equal(&format!("offered to {name}"), at(one, &["offered"]), routed);
        let came = sum_of(one, &["offered", "originated", "carried_over"]);
        let went = sum_of(one, &["delivered", "queued", "spooled"]) + by_reason(&one["dropped"]);
        wrong.unless_equal(&format!("left {name}"), went, came);
        // Nothing is given up: three have room in memory or on disk, and datagrams are never held up.
        wrong.unless_equal(
            &format!("delivered by {name}"),
            at(one, &["delivered"]),
            routed,
        );
        wrong.unless_equal(&format!("unreadable at {name}"), lane.unreadable, 0);
        wrong.unless_equal(&format!("out of order at {name}"), lane.out_of_order, 0);
        match *name {
            "stalled" if longest_stall > GIVEN_UP => {}
            "steady" | "stalled" => {
                wrong.unless_equal(&format!("arrived at {name}"), lane.received, routed);
                wrong.unless_equal(&format!("arrived twice at {name}"), lane.duplicated, 0);
            }
            // What the kernel held when a line broke is gone, and what was repeated may come twice.
            _ if lane.received > routed => {
                wrong.say(format!("{} arrived at {name} of {routed}", lane.received));
            }
            _ => {
                let again = at(one, &["destination", "repeated"]);
                if lane.duplicated > again {
                    wrong.say(format!(
                        "{} arrived twice at {name}, of which {again} are counted",
                        lane.duplicated
                    ));
                }
            }
        }
    }
    wrong.0
}

fn sum_of(one: &Value, keys: &[&str]) -> u64 {
    keys.iter().map(|key| at(one, &[key])).sum()
}

#[derive(Debug, Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn say(&mut self, what: String) {
        self.0.push(what);
    }

    fn unless_equal(&mut self, what: &str, is: u64, should: u64) {
        if is != should {
            self.say(format!("{what}: {is}, not {should}"));
        }
    }
}
