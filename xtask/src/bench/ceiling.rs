//! What generator and sink carry alone: the measure of everything that is put between them.

use std::time::Duration;

use anyhow::{Result, bail};
use hepcat_testkit::load::raw_receive;

use super::{
    path::Path,
    run::{Bench, Load, Ran},
};
use crate::table::{render, row};

/// How long one attempt at a rate takes.
const PROBE: Duration = Duration::from_secs(2);
/// How long the rate that is found must hold.
const CONFIRM: Duration = Duration::from_secs(8);
/// The search ends when it is this near, as a share of the rate.
const PRECISION: f64 = 0.02;

/// The highest rate that generator and sinks carry over UDP without losing anything, both on one core.
pub(super) fn udp_ceiling(bench: &Bench, path: Path, destinations: usize) -> Result<f64> {
    let attempt = |rate, duration| {
        bench.direct(Load {
            path,
            destinations,
            rate,
            duration,
        })
    };
    let flat_out = attempt(None, PROBE)?;
    // What the sinks take while the generator takes all it can is too little, what it sends is too much.
    let (low, high) = (flat_out.rate() * 0.3, flat_out.sent.rate() * 1.1);
    highest_rate(low, high, |rate, duration| attempt(Some(rate), duration))
}

/// The highest rate between two at which nothing is lost.
pub(super) fn highest_rate(
    mut low: f64,
    mut high: f64,
    attempt: impl Fn(f64, Duration) -> Result<Ran>,
) -> Result<f64> {
    while high - low > PRECISION * high {
        let middle = f64::midpoint(low, high);
        if carries(&attempt(middle, PROBE)?, middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    // A machine has moods: the rate must hold for longer than a probe.
    for _ in 0..20 {
        if carries(&attempt(low, CONFIRM)?, low) {
            return Ok(low);
        }
        low *= 1.0 - PRECISION;
    }
    bail!("no rate near {low:.0} per second holds without loss: the machine is too busy");
}

/// Whether a rate was kept: all of it sent, nothing lost, no queue left over that hides a deficit.
fn carries(ran: &Ran, rate: f64) -> bool {
    ran.is_perfect() && ran.sent.rate() >= 0.99 * rate && ran.lag_seconds() < 0.05
}

/// `bench ceiling`: all of them, as a table.
pub(super) fn report(bench: &Bench, duration: Duration) -> Result<bool> {
    let raw = raw_receive(10)?;
    println!(
        "draining a full UDP queue: {:.0} ns of CPU a datagram",
        raw.nanos_per_datagram()
    );
    let mut rows = vec![row(&[
        &"generator straight to sink",
        &"msg/s",
        &"lost",
        &"disorder",
        &"gen CPU us",
        &"p50 us",
        &"p99 us",
    ])];
    for (path, destinations) in [(Path::UdpUdp, 1), (Path::V2V3, 1), (Path::UdpUdp, 3)] {
        let rate = udp_ceiling(bench, path, destinations)?;
        for share in [1.0, 0.5] {
            let ran = bench.direct(Load {
                path,
                destinations,
                rate: Some(rate * share),
                duration,
            })?;
            let name = format!(
                "UDP {:?}, {destinations} sink(s), {:.0} % of the ceiling",
                path.version(),
                share * 100.0
            );
            rows.push(figures(&name, &ran));
        }
    }
    rows.push(nothing_in_between(bench, duration)?);
    for path in [Path::TcpTcp, Path::TlsTls] {
        let ran = bench.direct(Load {
            path,
            destinations: 1,
            rate: None,
            duration,
        })?;
        rows.push(figures(&format!("{}, flat out", path.input().name()), &ran));
    }
    println!("\n{}", render(&rows));
    Ok(true)
}

/// What a relay of datagrams carries that does nothing but receive and send: no other can carry more.
fn nothing_in_between(bench: &Bench, duration: Duration) -> Result<Vec<String>> {
    let attempt = |rate, duration| {
        bench.forwarded(Load {
            path: Path::UdpUdp,
            destinations: 1,
            rate: Some(rate),
            duration,
        })
    };
    let rate = highest_rate(0.0, udp_ceiling(bench, Path::UdpUdp, 1)?, attempt)?;
    let ran = attempt(rate, duration)?;
    let cpu = ran
        .node
        .map_or(f64::NAN, |cost| cost.cpu_micros_per_message);
    let name = format!("UDP V3 through a program that does nothing ({cpu:.2} us of CPU a message)");
    Ok(figures(&name, &ran))
}

fn figures(name: &str, ran: &Ran) -> Vec<String> {
    let disorder: u64 = ran.lanes.iter().map(|lane| lane.out_of_order).sum();
    let cpu = ran.sent.cpu_seconds * 1e6 / ran.sent.total().max(1) as f64;
    let p50 = ran.lanes.iter().map(|lane| lane.p50_micros).max();
    row(&[
        &name,
        &format!("{:.0}", ran.rate()),
        &ran.lost(),
        &disorder,
        &format!("{cpu:.2}"),
        &p50.unwrap_or(0),
        &ran.p99_micros(),
    ])
}
