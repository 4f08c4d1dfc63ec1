//! Reconnecting never adds descriptors. Alone in its process, because it counts those of the process.

use std::{fs, time::Duration};

use bytes::Bytes;
use hepcat_net::{
    Destination, DestinationConfig,
    destination::{Backoff, LinkState},
};
use hepcat_testkit::{FakeCollector, TestCa};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_hundred_reconnects_leave_as_many_descriptors_as_twenty() {
    let ca = TestCa::new();
    let settings = hepcat_net::tls::ClientTlsSettings::new().ca(ca.ca_file());
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = hepcat_net::tls::ClientTls::load(settings, provider).expect("usable files");
    for tls in [None, Some(tls)] {
        let collector = match &tls {
            None => FakeCollector::tcp(),
            Some(_) => FakeCollector::tls(ca.server_config(&ca.localhost())),
        };
        let port = collector.address().port();
        let config = match tls {
            None => DestinationConfig::tcp("d", "127.0.0.1", port),
            Some(tls) => DestinationConfig::tls("d", "127.0.0.1", port, tls),
        };
        let pause = Duration::from_millis(1);
        let config = config.backoff(Backoff::default().initial(pause).max(pause));
        let stop = CancellationToken::new();
        let destination = Destination::spawn(config, &TaskTracker::new(), &stop);
        let mut early = 0;
        for round in 1..=200 {
            let up = async {
                let mut look = tokio::time::interval(Duration::from_millis(1));
                loop {
                    let stats = destination.stats();
                    if stats.link.connects >= round && stats.state == LinkState::Up {
                        return;
                    }
                    look.tick().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), up)
                .await
                .expect("connected again");
            collector.wait_for_accepted(usize::try_from(round).expect("a small number"));
            destination.offer([Bytes::from_static(b"HEP3\0\x06")]);
            if round == 20 {
                early = descriptors();
            }
            if round % 2 == 0 {
                collector.reset_connections();
            } else {
                collector.close_connections();
            }
        }
        let late = descriptors();
        // The collector has at most one connection more or less than at the earlier count.
        assert!(late <= early + 2, "{early} descriptors became {late}");
        stop.cancel();
    }
}
