//! Our side: the engine with the same messages, the whole node with calls of the same kind, and the questions over HTTP.

use std::{path::Path, thread, time::Duration};

use anyhow::Result;
use hepcat_testkit::{
    NodeProcess,
    load::{CallsConfig, thread_times},
};

use super::{Measured, input::Input, median};
use crate::bench::{
    ask::{ask, of_call_id, quoted, store_ledger},
    calls::CallsProcess,
    example::{Example, example},
    keep::node_config,
    run::Bench,
};

/// What the node is fed with, in messages per second.
const FEED: f64 = 20_000.0;
const MEMORY_MIB: u64 = 256;
/// Questions are about everything: without a time, payloads are read of the last hour only.
const EVER: &str = "2000-01-01T00:00:00Z";
/// How often each question is asked.
const TIMES: usize = 5;

pub(super) fn build() -> Result<Example> {
    example("hepcat-store", "store_figures")
}

pub(super) fn measure(
    bench: &Bench,
    engine: &Example,
    input: &Input,
    place: &Path,
) -> Result<Vec<Measured>> {
    let data_dir = place.join("ours");
    let figures = engine.figures(&[
        "--rows",
        &input.rows.to_string(),
        "--rate",
        &input.rate.to_string(),
        "--directory",
        &data_dir.join("store").to_string_lossy(),
    ])?;
    let number = |name: &str| figures[name].as_f64();
    let node = bench.start_unpinned(&node_config(&data_dir, "127.0.0.1:0", MEMORY_MIB))?;
    let (millis, found) = questions(&node, input)?;
    drop(node);
    let of_engine = Measured {
        name: "hepcat: engine, asked over HTTP",
        cpu_us: number("cpu_us"),
        octets: number("octets_per_message"),
        millis,
        found,
        note: format!(
            "rows appended to segments; compaction {:.2} us more a message",
            number("compacting_us").unwrap_or(f64::NAN)
        ),
    };
    Ok(vec![of_engine, whole_node(bench, input)?])
}

/// From a HEP frame over TCP to a durable row.
fn whole_node(bench: &Bench, input: &Input) -> Result<Measured> {
    let place = tempfile::tempdir()?;
    let node = bench.start_configured(&node_config(place.path(), "127.0.0.1:0", MEMORY_MIB))?;
    let mut load = CallsConfig::new(node.listener("in"));
    load.rate = Some(FEED);
    load.duration = Duration::from_secs_f64(input.rows as f64 / FEED);
    let before = thread_times(node.id())?;
    let sent = CallsProcess::start(bench.load_core, &load)?.finish()?.sent;
    while store_ledger(&node)?.queued > 0 {
        thread::sleep(Duration::from_millis(20));
    }
    // The last generation becomes segments within ten seconds.
    thread::sleep(Duration::from_secs(12));
    let used = thread_times(node.id())?.since(&before);
    let compaction = used.of("store-tidy").total();
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / sent.max(1) as f64;
    let kept = store_ledger(&node)?.delivered;
    Ok(Measured {
        name: "hepcat: whole node over TCP",
        cpu_us: Some(micros(used.process.total().saturating_sub(compaction))),
        octets: None,
        millis: Vec::new(),
        found: Vec::new(),
        note: format!(
            "{kept} of {sent} kept at {FEED:.0} per second; compaction {:.2} us more a message",
            micros(compaction)
        ),
    })
}

fn questions(node: &NodeProcess, input: &Input) -> Result<(Vec<f64>, Vec<u64>)> {
    let asked = [
        (of_call_id(&input.call_id), "10000"),
        (format!("user:{}", quoted(&input.user)), "10000"),
        (format!("status:{}", input.status), "200"),
        (String::new(), "200"),
        (quoted(&input.text), "10000"),
    ];
    let (mut millis, mut found) = (Vec::new(), Vec::new());
    for (query, limit) in asked {
        let parameters = [
            ("q", &*query),
            ("limit", limit),
            ("brief", "true"),
            ("from", EVER),
        ];
        let mut took = Vec::new();
        let mut rows = 0;
        for _ in 0..TIMES {
            let answer = ask(node, "/api/v1/messages", &parameters)?;
            took.push(answer.took.as_secs_f64() * 1e3);
            rows = answer.body["messages"].as_array().map_or(0, Vec::len);
        }
        millis.push(median(took));
        found.push(rows as u64);
    }
    Ok((millis, found))
}
