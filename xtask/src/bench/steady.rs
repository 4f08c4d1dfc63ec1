//! `long steady`: the node under half load for as long as one likes.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use hepcat_testkit::load::{GeneratorConfig, usage};

use super::{
    ceiling::udp_ceiling,
    child::run_generator,
    path::Path,
    run::{Bench, Last, Load},
};

/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(10);
/// By how much resident memory may have grown from the first minute's most to the last look.
const GROWTH: u64 = 4 << 20;

/// UDP to TCP; whether nothing was lost and memory did not grow.
pub(super) fn run(bench: &Bench, duration: Duration) -> Result<bool> {
    let rate = udp_ceiling(bench, Path::UdpTcp, 1)? / 2.0;
    println!("{rate:.0} messages per second for {duration:?}");
    let load = Load {
        path: Path::UdpTcp,
        destinations: 1,
        rate: Some(rate),
        duration,
    };
    let sink = bench.start_sink(load)?;
    let node = bench.start_node(load, Last::Alike, &sink)?;
    let mut config = GeneratorConfig::new(load.path.input(), vec![node.listener("in")]);
    bench.adopt(&mut config, load);
    let core = bench.load_core;
    let generator = thread::spawn(move || run_generator(core, &config));
    let started = Instant::now();
    let (mut settled, mut resident) = (0, 0);
    while !generator.is_finished() {
        resident = usage(node.id()).context("the node ended")?.resident;
        if started.elapsed() < Duration::from_secs(60) {
            settled = settled.max(resident);
        }
        println!(
            "{:>6} s  {:>7} KiB resident",
            started.elapsed().as_secs(),
            resident / 1024
        );
        thread::sleep(LOOK.min(duration));
    }
    let sent = generator
        .join()
        .map_err(|_panic| anyhow::anyhow!("the generator's thread died"))??;
    let lanes = sink.finish(&sent.sent)?;
    let perfect = sent.failed == 0 && lanes.iter().all(|lane| lane.is_perfect());
    let grew = resident.saturating_sub(settled);
    println!(
        "{} messages, perfect: {perfect}, grew by {} KiB after the first minute",
        sent.total(),
        grew / 1024
    );
    Ok(perfect && grew <= GROWTH)
}
