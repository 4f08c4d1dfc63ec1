//! The bars that figures are measured against: what was wanted, what came, met or not.

use super::{
    path::Path,
    relay::{Measured, Outage},
    run::Ran,
};

/// Bars and what came of them.
#[derive(Debug, Default)]
pub(super) struct Bars(Vec<(String, bool)>);

impl Bars {
    pub(super) fn add(&mut self, what: &str, measured: &str, met: bool) {
        self.0.push((bar(what, measured, met), met));
    }

    pub(super) fn at_most(&mut self, what: &str, measured: f64, most: f64) {
        self.0
            .push((at_most(what, measured, most), measured <= most));
    }

    /// `digits` behind the point.
    pub(super) fn at_least(&mut self, what: &str, measured: f64, least: f64, digits: usize) {
        let wanted = format!("{what}, at least {least:.digits$}");
        self.add(&wanted, &format!("{measured:.digits$}"), measured >= least);
    }

    /// Prints them; whether all are met.
    pub(super) fn say(&self) -> bool {
        for (line, _) in &self.0 {
            println!("{line}");
        }
        self.0.iter().all(|(_, met)| *met)
    }
}

pub(super) fn mib(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}

/// One line a bar that these measurements say something about.
pub(super) fn lines(measured: &[Measured], outages: &[Outage], destinations: usize) -> Vec<String> {
    let find = |path| measured.iter().find(|of_path| of_path.path == path);
    let mut lines = Vec::new();
    if destinations == 1 {
        for (path, most_cpu) in [(Path::UdpUdp, 8.0), (Path::UdpTcp, 5.0)] {
            if let Some(of_path) = find(path) {
                let share = of_path.share();
                lines.push(bar(
                    &format!("{}: no loss, in order, at 90 % of the ceiling", path.name()),
                    &format!(
                        "{:.0} % of it, perfect: {}",
                        share * 100.0,
                        of_path.is_perfect()
                    ),
                    of_path.is_perfect() && share >= 0.89,
                ));
                lines.push(at_most(
                    &format!("{}: CPU us per message", path.name()),
                    of_path.cpu(),
                    most_cpu,
                ));
            }
        }
        lines.extend(find(Path::TcpTcp).into_iter().flat_map(tcp_to_tcp));
        if let (Some(tcp), Some(tls)) = (find(Path::TcpTcp), find(Path::TcpTls)) {
            let more = tls.cpu() - tcp.cpu();
            lines.push(at_most(
                "tcp-tls: CPU us per message above tcp-tcp",
                more,
                1.5,
            ));
        }
    }
    for of_path in measured {
        let name = of_path.path.name();
        lines.push(at_most(
            &format!("{name}: peak MiB"),
            of_path.peak_mib(),
            40.0,
        ));
        lines.push(at_most(
            &format!("{name}: added p99 us at half load"),
            of_path.added_p99(),
            1000.0,
        ));
    }
    lines.extend(outages.iter().map(outage));
    lines
}

fn tcp_to_tcp(of_path: &Measured) -> [String; 3] {
    let (rate, share) = (of_path.median(|round| round.full.rate()), of_path.share());
    [
        bar(
            "tcp-tcp: flat out, no loss, in order",
            &format!("perfect: {}", of_path.is_perfect()),
            of_path.is_perfect(),
        ),
        bar(
            "tcp-tcp: at least 35 % of generator straight to sink",
            &format!("{:.0} %", share * 100.0),
            share >= 0.35,
        ),
        bar(
            "tcp-tcp: at least 300,000 messages per second",
            &format!("{rate:.0}"),
            rate >= 300_000.0,
        ),
    ]
}

/// The destinations that stay up must not notice: their rate and their latency within 5 %, in the median.
fn outage(outage: &Outage) -> String {
    let perfect = outage.turns.iter().all(|(_, down)| down.is_perfect());
    let median = |figure: fn(&Ran) -> f64, of: fn(&(Ran, Ran)) -> &Ran| {
        let mut figures: Vec<f64> = outage.turns.iter().map(|turn| figure(of(turn))).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    };
    if outage.what == "rate" {
        let (up, down) = (
            median(Ran::rate, |turn| &turn.0),
            median(Ran::rate, |turn| &turn.1),
        );
        let change = down / up - 1.0;
        let measured = format!(
            "{down:.0} against {up:.0} per second ({:+.1} %), perfect: {perfect}",
            change * 100.0
        );
        return bar(
            "one of three down: the others' rate within 5 %",
            &measured,
            perfect && change >= -0.05,
        );
    }
    let p99: fn(&Ran) -> f64 = |ran| ran.p99_micros() as f64;
    let (up, down) = (median(p99, |turn| &turn.0), median(p99, |turn| &turn.1));
    bar(
        "one of three down: the others' p99 within 5 %",
        &format!("{down:.0} against {up:.0} us, perfect: {perfect}"),
        perfect && down <= up * 1.05,
    )
}

fn at_most(what: &str, measured: f64, most: f64) -> String {
    let wanted = format!("{what}, at most {most}");
    bar(&wanted, &format!("{measured:.2}"), measured <= most)
}

fn bar(what: &str, measured: &str, met: bool) -> String {
    let verdict = if met { "met    " } else { "NOT MET" };
    format!("{verdict}  {what}: {measured}")
}
