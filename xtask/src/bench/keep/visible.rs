//! How soon a message is found that was sent into the load.

use std::{
    fs::File,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use hepcat_testkit::{
    FakeAgent, NodeProcess,
    load::{self, CallsConfig, now_micros},
    traffic::{Dialog, Traffic},
};
use serde_json::json;

use super::{KeepArgs, LISTENER, Place, node_config};
use crate::bench::{
    ask::{Millis, ask, of_call_id, rfc3339, store_ledger},
    bars::Bars,
    calls::{CallsProcess, say_alone},
    results_file,
};

const RATE: f64 = 20_000.0;
const SECONDS: u64 = 90;
/// How long it is fed before the first marker, so that there are segments beside what is in memory.
const BEFORE: Duration = Duration::from_secs(15);
/// How long a marker is looked for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between one look and the next.
const LOOK: Duration = Duration::from_millis(5);
/// Seeds of the load and of the markers differ, so that no Call-ID is in both.
const SEED: u64 = 77;

pub(super) fn run(arguments: &KeepArgs) -> Result<bool> {
    let rate = arguments.rate.unwrap_or(RATE);
    let lasting = Duration::from_secs(arguments.seconds.unwrap_or(SECONDS));
    let bench = arguments.arrangement.bench()?;
    say_alone(&bench, rate)?;
    let place = Place::new(arguments.directory.as_deref())?;
    let config = node_config(place.path(), "127.0.0.1:0", arguments.memory_mib);
    let node = if arguments.unpinned {
        bench.start_unpinned(&config)?
    } else {
        bench.start_configured(&config)?
    };
    let mut load = CallsConfig::new(node.listener(LISTENER));
    load.rate = Some(rate);
    load.duration = lasting;
    let mut generator = CallsProcess::start(bench.load_core, &load)?;
    // The node's core is the node's.
    let _pinned = load::pin_current_thread(bench.load_core)?;
    let before = BEFORE.min(lasting / 4);
    thread::sleep(before);
    let every = lasting
        .saturating_sub(before)
        .div_f64(1.1 * arguments.markers.max(1) as f64);

    let mut agent = FakeAgent::tcp(node.listener(LISTENER));
    let mut delays = Vec::new();
    let mut looks = Vec::new();
    let markers = Traffic::new(1.0, 0, SEED)
        .filter(|message| message.dialog == Some(Dialog::Options) && message.method.is_some());
    for mut marker in markers.take(arguments.markers) {
        let sent_at = i64::try_from(now_micros())?;
        marker.set_time(sent_at);
        let begun = Instant::now();
        agent.send(&marker.frame);
        delays.push(found_after(
            &node,
            &marker.call_id,
            sent_at,
            begun,
            &mut looks,
        )?);
        thread::sleep(every.saturating_sub(begun.elapsed()));
    }
    let under_load = generator.is_running()?;
    let sent = generator.finish()?;
    let ledger = store_ledger(&node)?;
    let (delays, looks) = (Millis::new(delays), Millis::new(looks));
    println!(
        "{} markers at {:.0} messages per second ({} dropped): found after {:.0} ms in the median, {:.0} ms 95th, {:.0} ms 99th percentile, {:.0} ms at most",
        arguments.markers,
        sent.rate(),
        ledger.dropped,
        delays.median(),
        delays.at(0.95),
        delays.at(0.99),
        delays.most()
    );
    println!(
        "(one look takes {:.1} ms in the median, {:.1} ms 95th percentile, and is part of that)",
        looks.median(),
        looks.at(0.95)
    );
    let file = results_file("keep-visible")?;
    let line = json!({
        "rate": rate,
        "sent": sent,
        "dropped": ledger.dropped,
        "markers": arguments.markers,
        "millis": { "p50": delays.median(), "p95": delays.at(0.95), "p99": delays.at(0.99), "max": delays.most() },
        "look_millis": { "p50": looks.median(), "p95": looks.at(0.95) },
    });
    writeln!(File::create(&file)?, "{line}")?;
    let mut bars = Bars::default();
    bars.at_most(
        "milliseconds until found, 95th percentile",
        delays.at(0.95),
        1_000.0,
    );
    bars.at_least("messages per second, held", sent.rate(), 0.99 * rate, 0);
    bars.add(
        "every marker was sent into the load",
        &under_load.to_string(),
        under_load,
    );
    println!("single runs: {}", file.display());
    Ok(bars.say())
}

/// Looks for a message until it is there; how long that was after `begun`.
fn found_after(
    node: &NodeProcess,
    call_id: &str,
    sent_at: i64,
    begun: Instant,
    looks: &mut Vec<Duration>,
) -> Result<Duration> {
    let query = of_call_id(call_id);
    let since = rfc3339(sent_at - 1_000_000);
    let parameters = [
        ("q", &*query),
        ("from", &since),
        ("limit", "1"),
        ("brief", "true"),
    ];
    loop {
        let answer = ask(node, "/api/v1/messages", &parameters)?;
        looks.push(answer.took);
        let found = answer.body["messages"].as_array();
        if found.is_some_and(|messages| !messages.is_empty()) {
            return Ok(begun.elapsed());
        }
        ensure!(begun.elapsed() < PATIENCE, "{call_id} is never found");
        thread::sleep(LOOK);
    }
}
