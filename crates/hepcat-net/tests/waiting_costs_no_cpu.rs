//! Waiting costs no CPU time: for frames, for a collector that does not read, for one that is away.
//! Alone in its process, because it reads the CPU time of the process.

use std::{fs, net::UdpSocket, time::Duration};

use bytes::Bytes;
use hepcat_net::{
    Destination, DestinationConfig,
    destination::{LinkState, QueueConfig},
};
use hepcat_testkit::{Behaviour, FakeCollector, TestCa, frame::sip_v3};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Time that the process has run: user and system, in ticks of 10 ms (fields 14 and 15 of its stat).
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc");
    let after_name = stat.rsplit(')').next().expect("a name in brackets");
    let fields: Vec<_> = after_name.split_whitespace().collect();
    [fields[11], fields[12]]
        .iter()
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn destinations_in_every_kind_of_wait_use_no_cpu() {
    let ca = TestCa::new();
    let settings = hepcat_net::tls::ClientTlsSettings::new().ca(ca.ca_file());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = hepcat_net::tls::ClientTls::load(settings, provider).expect("usable files");
    let idle_tls = FakeCollector::tls(ca.server_config(&ca.localhost()));
    let idle = FakeCollector::tcp();
    let deaf = FakeCollector::tcp();
    deaf.set_behaviour(Behaviour::NeverRead);
    let away = FakeCollector::refusing();
    let closed = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let nobody = closed.local_addr().expect("bound");
    drop(closed);

    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let tcp = |collector: &FakeCollector| {
        DestinationConfig::tcp("d", "127.0.0.1", collector.address().port())
            .retry_limit(1, Duration::from_hours(1))
            .queue(QueueConfig::default().max_octets(None))
    };
    let tls = DestinationConfig::tls("d", "127.0.0.1", idle_tls.address().port(), tls);
    let udp = DestinationConfig::udp("d", "127.0.0.1", nobody.port());
    let all = [
        (tcp(&idle), 1, LinkState::Up),
        (tls, 1, LinkState::Up),
        (tcp(&deaf), 400, LinkState::Slow),
        (tcp(&away), 1, LinkState::CoolingDown),
        (udp, 1, LinkState::Refusing),
    ]
    .map(|(config, frames, state)| {
        let destination = Destination::spawn(config, &tasks, &stop);
        destination.offer((0..frames).map(|_| Bytes::from(sip_v3("x".repeat(60_000)))));
        (destination, state)
    });
    let settled = async {
        let mut look = tokio::time::interval(Duration::from_millis(5));
        while !all
            .iter()
            .all(|(destination, state)| destination.stats().state == *state)
        {
            look.tick().await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(20), settled).await;
    assert!(settled.is_ok(), "{:?}", all.map(|(d, _)| d.stats().state));

    let before = cpu_ticks();
    // Not to wait for something, but to see that nothing happens.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let used = cpu_ticks() - before;
    assert!(
        used <= 5,
        "{used} ticks of 10 ms in half a second of waiting"
    );
    stop.cancel();
}
