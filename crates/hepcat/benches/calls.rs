//! What following calls costs per message: `cargo bench -p hepcat --bench calls`. Beside it stands what cannot be
//! avoided, the scan, and the least that any follower would do: a map from Call-ID to a counter. Times are CPU time of the
//! thread, so that a busy machine changes them little.

use std::{collections::HashMap, hint::black_box, time::Duration};

use criterion::{
    BatchSize, Criterion, Throughput, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use hepcat::call::{
    Limits, Moment, Rules, Seen, Tracker,
    ladder::{Ladder, LaneBy, Text},
};
use hepcat_testkit::scene::{Leg, Observation, Scene, Sip};
use nix::time::{ClockId, clock_gettime};

/// CPU time of the thread that measures.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Into::into)
    }

    fn end(&self, started: Duration) -> Duration {
        self.start().saturating_sub(started)
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

const CODECS: &[&str] = &[
    "8 PCMA/8000",
    "0 PCMU/8000",
    "96 opus/48000/2",
    "101 telephone-event/8000",
];
const PHONE: &str = "10.0.0.1:5060";
const PROXY: &str = "10.0.0.5:5060";

/// Header fields that phones send and nobody follows.
fn usual(sip: Sip) -> Sip {
    sip.header("Max-Forwards", "70")
        .header("Contact", "<sip:alice@10.0.0.1:5060;transport=udp>")
        .header(
            "Allow",
            "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, REFER, NOTIFY",
        )
        .header("Supported", "replaces, timer, 100rel")
        .header("User-Agent", "Telephone 3000 v1.2.3.4")
}

/// A call of 12 messages, as a proxy's agent sees its one side: challenged, rung, answered, released.
fn call(number: u64, at: i64) -> Vec<Observation> {
    let mut scene = Scene::new();
    let leg = Leg::new(
        &format!(
            "{:016x}@10.0.0.1",
            number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ),
        "+33123456789",
        "+442071234567",
    );
    let invite = |cseq| {
        usual(Sip::request("INVITE", &leg, cseq)).sdp("10.0.0.1", 16_384, CODECS, "sendrecv")
    };
    scene.add("edge", at, PHONE, PROXY, &invite(1));
    let reply = |code, phrase, cseq, method| usual(Sip::response(code, phrase, &leg, cseq, method));
    scene.add(
        "edge",
        at + 2,
        PROXY,
        PHONE,
        &reply(407, "Proxy Authentication Required", 1, "INVITE"),
    );
    scene.add(
        "edge",
        at + 4,
        PHONE,
        PROXY,
        &usual(Sip::request("ACK", &leg, 1).inside(&leg)),
    );
    scene.add(
        "edge",
        at + 6,
        PHONE,
        PROXY,
        &invite(2).header("Proxy-Authorization", "Digest username=\"alice\""),
    );
    scene.add(
        "edge",
        at + 8,
        PROXY,
        PHONE,
        &reply(100, "Trying", 2, "INVITE"),
    );
    scene.add(
        "edge",
        at + 300,
        PROXY,
        PHONE,
        &reply(180, "Ringing", 2, "INVITE"),
    );
    scene.add(
        "edge",
        at + 350,
        PROXY,
        PHONE,
        &reply(183, "Session Progress", 2, "INVITE").sdp("10.0.0.9", 20_000, CODECS, "sendrecv"),
    );
    scene.add(
        "edge",
        at + 4_000,
        PROXY,
        PHONE,
        &reply(200, "OK", 2, "INVITE").sdp("10.0.0.9", 20_000, CODECS, "sendrecv"),
    );
    scene.add(
        "edge",
        at + 4_050,
        PHONE,
        PROXY,
        &usual(Sip::request("ACK", &leg, 2).inside(&leg)),
    );
    scene.add(
        "edge",
        at + 60_000,
        PHONE,
        PROXY,
        &usual(Sip::request("BYE", &leg, 3).inside(&leg)),
    );
    scene.add(
        "edge",
        at + 60_020,
        PROXY,
        PHONE,
        &reply(200, "OK", 3, "BYE"),
    );
    scene.add(
        "edge",
        at + 60_040,
        PROXY,
        PHONE,
        &reply(200, "OK", 3, "BYE"),
    );
    scene.observations
}

/// Calls that begin every 100 ms, message by message in the order of time.
fn stream(calls: u64) -> Vec<Observation> {
    let mut all: Vec<Observation> = (0..calls)
        .flat_map(|number| call(number, i64::try_from(number).unwrap_or(0) * 100))
        .collect();
    all.sort_by_key(|observation| observation.received_us);
    all
}

fn seen(observation: &Observation) -> Seen<'_> {
    Seen::new(
        1,
        Moment::from_micros(observation.received_us),
        &observation.agent,
        &observation.payload,
    )
    .sent_at(Moment::from_micros(observation.sent_us))
    .between(observation.source, observation.destination)
}

fn per_message(c: &mut Criterion<CpuTime>) {
    let messages = stream(2_000);
    let scanned: Vec<Seen<'_>> = messages.iter().map(seen).collect();
    let count = u64::try_from(messages.len()).unwrap_or(0);
    let mut group = c.benchmark_group("calls, per message");
    group
        .throughput(Throughput::Elements(count))
        .sample_size(20)
        .measurement_time(Duration::from_secs(4));
    group.bench_function("scan", |b| {
        b.iter(|| {
            messages.iter().for_each(|message| {
                black_box(hepcat_sip::scan(&message.payload));
            })
        });
    });
    group.bench_function("Call-ID to a counter, scanned before", |b| {
        b.iter(|| {
            let mut counters: HashMap<Vec<u8>, u64> = HashMap::new();
            for seen in &scanned {
                let call_id = seen
                    .sip()
                    .and_then(|scan| scan.call_id())
                    .unwrap_or_default();
                *counters.entry(call_id.to_vec()).or_default() += 1;
            }
            counters
        });
    });
    let tracker = || Tracker::new(Limits::default(), Rules::default(), 7);
    group.bench_function("tracker, scanned before", |b| {
        b.iter_batched(
            tracker,
            |mut tracker| {
                scanned.iter().for_each(|seen| {
                    black_box(tracker.ingest(seen));
                });
                tracker
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function(
        "tracker, told of and expired every 1,000, scanned before",
        |b| {
            b.iter_batched(
                tracker,
                |mut tracker| {
                    for some in scanned.chunks(1_000) {
                        some.iter().for_each(|seen| {
                            black_box(tracker.ingest(seen));
                        });
                        tracker.expire(
                            some.last()
                                .map_or_else(Moment::default, |seen| seen.received),
                        );
                        black_box(tracker.take_changes());
                    }
                    tracker
                },
                BatchSize::LargeInput,
            );
        },
    );
    group.finish();
}

/// What a restart costs: the state of open calls written, and read again.
#[expect(
    clippy::print_stdout,
    reason = "a size that is measured is told like the times"
)]
fn carried_over(c: &mut Criterion<CpuTime>) {
    const CALLS: u64 = 10_000;
    let mut tracker = Tracker::new(Limits::default(), Rules::default(), 7);
    for number in 0..CALLS {
        // Answered, and going on.
        let messages = call(number, i64::try_from(number).unwrap_or(0));
        messages.iter().take(9).for_each(|message| {
            tracker.ingest(&seen(message));
        });
    }
    let saved = serde_json::to_vec(tracker.state()).expect("plain data");
    println!(
        "{} octets of state for each open call",
        saved.len() as u64 / CALLS
    );
    let mut group = c.benchmark_group("calls, per open call");
    group
        .throughput(Throughput::Elements(CALLS))
        .sample_size(10);
    group.bench_function("state written", |b| {
        b.iter(|| serde_json::to_vec(tracker.state()).expect("plain data"));
    });
    group.bench_function("state read", |b| {
        b.iter(|| {
            let state = serde_json::from_slice(&saved).expect("as written");
            Tracker::restore(Limits::default(), Rules::default(), state)
        });
    });
    group.finish();
}

fn ladder(c: &mut Criterion<CpuTime>) {
    for copies in [4_u64, 400] {
        let messages: Vec<Observation> = (0..copies)
            .flat_map(|number| call(number, i64::try_from(number).unwrap_or(0)))
            .collect();
        let scanned: Vec<Seen<'_>> = messages.iter().map(seen).collect();
        c.bench_function(
            &format!("ladder and its text, {} messages", scanned.len()),
            |b| {
                b.iter(|| Ladder::new(black_box(&scanned), LaneBy::Address).text(&Text::default()));
            },
        );
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = per_message, carried_over, ladder
}
criterion_main!(benches);
