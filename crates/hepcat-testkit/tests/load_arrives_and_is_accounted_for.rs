//! Generator and sink against each other: what the figures rest on.

use std::time::Duration;

use hepcat_testkit::{
    TestCa,
    load::{GeneratorConfig, Sink, SinkConfig, Transport, Version, generate},
};

fn run(transport: Transport, version: Version, lanes: usize, rate: f64) {
    let ca = TestCa::new();
    let mut config = SinkConfig::new(transport);
    config.lanes = lanes;
    config.identity = Some(ca.localhost());
    let sink = Sink::start(&config).expect("sockets");
    let mut config = GeneratorConfig::new(transport, sink.addresses());
    config.version = version;
    config.rate = Some(rate);
    config.senders = 3;
    config.duration = Duration::from_millis(300);
    config.ca = Some(ca.ca_file().to_owned());
    let sent = generate(&config).expect("sockets");
    assert!(sent.total() > 0 && sent.total() as f64 <= rate * sent.seconds + 13.0);
    let reports = sink.finish(&sent.sent);
    assert_eq!(reports.len(), lanes);
    for report in reports {
        assert!(report.is_perfect(), "{report:?}");
        assert_eq!(report.received, sent.total());
        assert!(report.p50_micros <= report.p99_micros && report.p99_micros <= report.max_micros);
    }
}

#[test]
fn udp_in_both_versions() {
    run(Transport::Udp, Version::V3, 1, 5_000.0);
    run(Transport::Udp, Version::V2, 1, 5_000.0);
}

#[test]
fn streams_plain_and_inside_tls() {
    run(Transport::Tcp, Version::V3, 1, 20_000.0);
    run(Transport::Tls, Version::V3, 1, 5_000.0);
}

#[test]
fn every_target_gets_every_message() {
    run(Transport::Udp, Version::V3, 3, 2_000.0);
    run(Transport::Tcp, Version::V3, 3, 2_000.0);
}

#[test]
fn what_nobody_received_is_lost() {
    let sink = Sink::start(&SinkConfig::new(Transport::Udp)).unwrap();
    let report = sink.finish(&[(1, 5), (2, 7)].into());
    assert_eq!((report[0].received, report[0].lost), (0, 12));
}
