//! Generator and sink against each other: what the figures rest on.

use std::{collections::BTreeSet, io::Read, net::TcpListener, thread, time::Duration};

use hepcat_testkit::{
    TestCa,
    load::{
        CallsConfig, GeneratorConfig, SentBurst, Sink, SinkConfig, Transport, Version, generate,
        generate_calls,
    },
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

/// Times of capture of frames in a row, in microseconds since 1970.
fn times_of(mut octets: &[u8]) -> Vec<u64> {
    let mut times = Vec::new();
    while !octets.is_empty() {
        assert_eq!(octets[..4], *b"HEP3");
        let length = usize::from(u16::from_be_bytes([octets[4], octets[5]]));
        let (frame, rest) = octets.split_at(length);
        let value_of = |chunk_type: u8| {
            let head = [0, 0, 0, chunk_type, 0, 10];
            let at = frame.windows(6).position(|octets| *octets == head);
            let at = at.expect("a time") + 6;
            let value: [u8; 4] = frame[at..at + 4].try_into().expect("four octets");
            u64::from(u32::from_be_bytes(value))
        };
        times.push(value_of(9) * 1_000_000 + value_of(10));
        octets = rest;
    }
    times
}

#[test]
fn calls_are_told_apart_by_their_times_which_are_written_down() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let directory = tempfile::tempdir().expect("a directory");
    let mut config = CallsConfig::new(listener.local_addr().expect("bound"));
    config.connections = 2;
    config.rate = Some(5_000.0);
    config.duration = Duration::from_millis(300);
    config.record = Some(directory.path().join("sent"));
    let record = config.record.clone().expect("a file");
    let receiving = thread::spawn(move || {
        let streams = [(); 2].map(|()| listener.accept().expect("a connection").0);
        let readers = streams.map(|mut stream| {
            thread::spawn(move || {
                let mut octets = Vec::new();
                stream.read_to_end(&mut octets).expect("to the end");
                octets
            })
        });
        readers.map(|reader| reader.join().expect("no panic"))
    });
    let report = generate_calls(&config).expect("sent");
    let received = receiving.join().expect("no panic");
    assert!(received.iter().all(|octets| !octets.is_empty()));
    let times: Vec<u64> = received
        .iter()
        .flat_map(|octets| times_of(octets))
        .collect();
    assert!(report.sent > 0 && report.sent as f64 <= 5_000.0 * report.seconds + 64.0);
    assert_eq!(times.len() as u64, report.sent);

    let bursts = SentBurst::read_all(&record).expect("a record");
    let written = bursts
        .iter()
        .flat_map(|burst| burst.micros..burst.micros + burst.count);
    let written: Vec<u64> = written.collect();
    assert!(written.is_sorted_by(|one, next| one < next));
    assert_eq!(written.len(), times.len());
    let times: BTreeSet<u64> = times.into_iter().collect();
    assert!(times.iter().eq(&written));
}
