//! Killed under load: how soon it receives again, and whether everything is there that it had acknowledged.
//!
//! A message is acknowledged when the ledger says `delivered`: the log has it, synced. All messages come over one
//! connection, so the first `delivered` ones that were sent are those that are. The generator, another process, has
//! written down the time of capture of each, and that finds it.

use std::{
    collections::HashSet,
    fs::File,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hepcat_testkit::{
    NodeProcess,
    load::{CallsConfig, SentBurst},
};
use serde_json::{Value, json};

use super::{KeepArgs, LISTENER, node_config};
use crate::{
    bench::{
        ask::{ask, rfc3339, store_ledger},
        bars::Bars,
        calls::{CallsProcess, say_alone},
        free_address, results_file,
        run::Bench,
    },
    table::{render, row},
};

const RATE: f64 = 50_000.0;
const SECONDS: u64 = 15;
/// How long it is fed after the kill.
const AFTER: Duration = Duration::from_secs(10);
/// How long something may take that must come.
const PATIENCE: Duration = Duration::from_secs(60);
/// Acknowledged messages that are looked for one by one, at once after the restart.
const SAMPLES: u64 = 40;
/// Half of them are of the last so many: what was not in segments yet.
const RECENT: u64 = 200_000;
/// Rows of a page when everything is counted.
const PAGE: &str = "10000";

/// What one kill came to.
struct Kill {
    acknowledged: u64,
    /// From the kill to the first message received.
    receiving: Duration,
    /// From the kill until every sample was found.
    searchable: Duration,
    /// Acknowledged messages that are not there.
    missing: u64,
    /// Rows beyond the first of a message.
    twice: u64,
    /// Messages that the restarted node dropped.
    dropped: u64,
}

pub(super) fn run(arguments: &KeepArgs) -> Result<bool> {
    let rate = arguments.rate.unwrap_or(RATE);
    let bench = arguments.arrangement.bench()?;
    say_alone(&bench, rate)?;
    let path = results_file("keep-killed")?;
    let mut journal = File::create(&path)?;
    let mut kills = Vec::new();
    for number in 0..arguments.kills.max(1) {
        let seconds = arguments.seconds.unwrap_or(SECONDS) as f64;
        // Not always at the same age of a generation.
        let fed = Duration::from_secs_f64(seconds + 1.7 * number as f64);
        let kill = kill_once(&bench, arguments, rate, fed)?;
        let line = json!({
            "rate": rate,
            "acknowledged": kill.acknowledged,
            "receiving_ms": kill.receiving.as_secs_f64() * 1e3,
            "searchable_ms": kill.searchable.as_secs_f64() * 1e3,
            "missing": kill.missing,
            "twice": kill.twice,
            "dropped_after": kill.dropped,
        });
        println!("  {line}");
        writeln!(journal, "{line}")?;
        kills.push(kill);
    }
    let mut rows = vec![row(&[
        &"kill",
        &"acknowledged",
        &"receives again ms",
        &"searchable ms",
        &"missing",
        &"twice",
        &"dropped after",
    ])];
    for (number, kill) in (1..).zip(&kills) {
        rows.push(row(&[
            &number,
            &kill.acknowledged,
            &format!("{:.0}", kill.receiving.as_secs_f64() * 1e3),
            &format!("{:.0}", kill.searchable.as_secs_f64() * 1e3),
            &kill.missing,
            &kill.twice,
            &kill.dropped,
        ]));
    }
    println!("\n{}", render(&rows));
    let slowest = |of: fn(&Kill) -> Duration| {
        let all = kills.iter().map(of).max().unwrap_or_default();
        all.as_secs_f64()
    };
    let missing: u64 = kills.iter().map(|kill| kill.missing).sum();
    let twice: u64 = kills.iter().map(|kill| kill.twice).sum();
    let mut bars = Bars::default();
    bars.at_most(
        "seconds from the kill until it receives again, the slowest",
        slowest(|kill| kill.receiving),
        2.0,
    );
    bars.at_most(
        "seconds from the kill until what was acknowledged is found, the slowest",
        slowest(|kill| kill.searchable),
        10.0,
    );
    bars.add(
        "every acknowledged message is there, once",
        &format!("{missing} missing, {twice} twice"),
        missing == 0 && twice == 0,
    );
    println!("single runs: {}", path.display());
    Ok(bars.say())
}

fn kill_once(bench: &Bench, arguments: &KeepArgs, rate: f64, fed: Duration) -> Result<Kill> {
    let place = tempfile::tempdir()?;
    let address = free_address()?;
    let record = place.path().join("sent");
    let data_dir = place.path().join("data");
    let config = node_config(&data_dir, &address.to_string(), arguments.memory_mib);
    let start = || {
        if arguments.unpinned {
            bench.start_unpinned(&config)
        } else {
            bench.start_configured(&config)
        }
    };
    let node = start()?;
    let mut load = CallsConfig::new(node.listener(LISTENER));
    load.connections = 1;
    load.rate = Some(rate);
    load.duration = fed + AFTER;
    load.reconnect = true;
    load.record = Some(record.clone());
    let mut generator = CallsProcess::start(bench.load_core, &load)?;
    thread::sleep(fed);
    ensure!(generator.is_running()?, "the generator ended");
    let before = store_ledger(&node)?;
    ensure!(
        before.dropped == 0,
        "{} messages were dropped before the kill: it is not known which are acknowledged",
        before.dropped
    );
    let acknowledged = before.delivered;
    let killed = Instant::now();
    // Dropped is killed with -9.
    drop(node);
    let node = start()?;
    until(|| Ok(store_ledger(&node)?.received > 0))?;
    let receiving = killed.elapsed();

    let recorded = recorded(&record, acknowledged)?;
    for number in samples(acknowledged) {
        let micros = time_of(&recorded, number).context("a message that was recorded")?;
        until(|| is_there(&node, micros))?;
    }
    let searchable = killed.elapsed();
    let sent = generator.finish()?;
    until(|| Ok(store_ledger(&node)?.queued == 0))?;
    let dropped = store_ledger(&node)?.dropped;
    println!(
        "  killed after {:.1} s with {acknowledged} acknowledged; {} sent in all",
        fed.as_secs_f64(),
        sent.sent
    );
    let (missing, twice) = count(&node, &SentBurst::read_all(&record)?, acknowledged)?;
    Ok(Kill {
        acknowledged,
        receiving,
        searchable,
        missing,
        twice,
        dropped,
    })
}

/// Waits until it is so.
fn until(mut reached: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while !reached()? {
        ensure!(Instant::now() < until, "waited {PATIENCE:?} in vain");
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// The last that was acknowledged first, then others of the last, then of all.
fn samples(acknowledged: u64) -> Vec<u64> {
    let Some(last) = acknowledged.checked_sub(1) else {
        return Vec::new();
    };
    let recent = last.saturating_sub(RECENT);
    let half = SAMPLES / 2;
    let of_recent = (0..half).map(|place| last - (last - recent) * place / half);
    let of_all = (0..half).map(|place| last * place / half);
    of_recent.chain(of_all).collect()
}

/// What was sent when, as soon as the generator has written down all of the first `count` messages.
fn recorded(record: &Path, count: u64) -> Result<Vec<SentBurst>> {
    let mut bursts = Vec::new();
    until(|| {
        bursts = SentBurst::read_all(record)?;
        let last = bursts.last();
        Ok(last.is_some_and(|last| last.first + last.count >= count))
    })?;
    Ok(bursts)
}

/// The time of capture of a message.
fn time_of(bursts: &[SentBurst], number: u64) -> Option<u64> {
    let after = bursts.partition_point(|burst| burst.first <= number);
    let burst = bursts.get(after.checked_sub(1)?)?;
    let place = number - burst.first;
    (place < burst.count).then_some(burst.micros + place)
}

/// Whether a message with this time of capture is found.
fn is_there(node: &NodeProcess, micros: u64) -> Result<bool> {
    let micros = i64::try_from(micros)?;
    let (from, to) = (rfc3339(micros), rfc3339(micros + 1));
    let parameters = [("from", &*from), ("to", &to), ("brief", "true")];
    let answer = ask(node, "/api/v1/messages", &parameters)?;
    Ok(!messages(&answer.body).is_empty())
}

/// Goes through everything up to the last acknowledged message: how many of those are missing, how many rows too many.
fn count(node: &NodeProcess, sent: &[SentBurst], acknowledged: u64) -> Result<(u64, u64)> {
    let acknowledged: Vec<u64> = sent
        .iter()
        .flat_map(|burst| {
            let count = acknowledged.saturating_sub(burst.first).min(burst.count);
            (0..count).map(|place| burst.micros + place)
        })
        .collect();
    let (Some(first), Some(last)) = (acknowledged.first(), acknowledged.last()) else {
        return Ok((0, 0));
    };
    let (from, to) = (
        rfc3339(i64::try_from(*first)?),
        rfc3339(i64::try_from(*last)? + 1),
    );
    let (mut there, mut twice) = (HashSet::new(), 0);
    let mut cursor = String::new();
    loop {
        let mut parameters = vec![
            ("from", &*from),
            ("to", &to),
            ("limit", PAGE),
            ("brief", "true"),
        ];
        if !cursor.is_empty() {
            parameters.push(("cursor", &cursor));
        }
        let body = ask(node, "/api/v1/messages", &parameters)?.body;
        ensure!(
            body["ended_by"].is_null(),
            "a page ended early: {}",
            body["ended_by"]
        );
        for message in messages(&body) {
            let seconds = message["time_sec"].as_u64().context("time_sec")?;
            let micros = message["time_usec"].as_u64().context("time_usec")?;
            twice += u64::from(!there.insert(seconds * 1_000_000 + micros));
        }
        match body["next"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let missing = acknowledged.iter().filter(|micros| !there.contains(micros));
    Ok((missing.count() as u64, twice))
}

fn messages(body: &Value) -> &[Value] {
    body["messages"].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_that_was_acknowledged_is_looked_for_first() {
        let samples = samples(1_000_000);
        assert_eq!(samples.first(), Some(&999_999));
        assert_eq!(samples.len(), 40);
        assert!(samples.iter().all(|number| *number < 1_000_000));
        assert!(super::samples(0).is_empty());
        assert!(super::samples(1).iter().all(|number| *number == 0));
    }
}
