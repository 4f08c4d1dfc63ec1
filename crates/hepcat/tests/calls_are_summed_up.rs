//! What the overview makes of calls, and what reports amount to, from calls as the demonstration plays them.

use std::time::{Duration, UNIX_EPOCH};

use hepcat::{
    call::{CallRecord, Moment, Rules, Seen, Whole, ladder::LaneBy},
    demo,
    overview::{Overview, Tally},
    quality::CallQuality,
};
use hepcat_testkit::scene::{Leg, Scene, Sip};
use hepcat_wire::{Message, ProtocolType};

/// When calls begin here: 2023-11-14 22:13:20 UTC.
const BEGINNING: Duration = Duration::from_secs(1_700_000_000);
/// When everything is over.
const LATER: Moment = Moment::from_micros(1_800_000_000_000_000);

/// What `look` makes of one call of a scenario.
fn look<T>(scenario: &str, number: u64, look: impl FnOnce(&Whole, &[Seen<'_>]) -> T) -> T {
    let scenarios = demo::scenarios().expect("the scenarios make sense");
    let scenario = scenarios
        .iter()
        .find(|one| one.name() == scenario)
        .expect("a scenario of that name");
    let frames: Vec<_> = scenario
        .play(number)
        .into_iter()
        .map(|sighting| {
            let agent = &scenario.agents()[sighting.agent];
            let time = BEGINNING + sighting.at;
            let frame = sighting
                .frame(agent, UNIX_EPOCH + time)
                .expect("its version carries it");
            let message = Message::parse(frame).expect("it decodes");
            (message, agent.name.to_string(), time)
        })
        .collect();
    let payloads: Vec<Vec<u8>> = frames
        .iter()
        .map(|(message, ..)| message.payload().trimmed().unwrap_or_default().to_vec())
        .collect();
    let seen: Vec<Seen<'_>> = (1..)
        .zip(frames.iter().zip(&payloads))
        .map(|(row, ((message, agent, time), payload))| {
            Seen::of_message(message, payload, row, *time, agent)
        })
        .collect();
    let whole = Whole::gather(&seen, &Rules::default(), LATER, LaneBy::AddressAndPort);
    look(&whole, &seen)
}

fn call(scenario: &str, number: u64) -> CallRecord {
    look(scenario, number, |whole, _| whole.calls[0].clone())
}

fn overview(scenarios: &[(&str, u64)]) -> Overview {
    let mut tally = Tally::default();
    for (scenario, count) in scenarios {
        (0..*count).for_each(|number| tally.add(&call(scenario, number)));
    }
    tally.finish()
}

fn quality(scenario: &str) -> CallQuality {
    look(scenario, 3, |whole, seen| {
        CallQuality::of(&whole.calls[0], seen, &whole.ladder)
    })
}

#[test]
fn what_users_decide_is_no_fault_of_the_network() {
    let figures = overview(&[
        ("answered", 5),
        ("busy", 2),
        ("declined", 1),
        ("cancelled", 1),
        ("no_answer", 1),
        ("unavailable", 4),
        ("not_found", 2),
        ("moved", 3),
    ]);
    assert_eq!(figures.calls, 19);
    assert_eq!((figures.answered, figures.cancelled), (5, 1));
    assert_eq!((figures.redirected, figures.failed), (3, 10));
    // 5 of 16 were answered; users decided about 5 more.
    assert_eq!((figures.asr, figures.ner), (Some(31.25), Some(62.5)));
    let codes: Vec<_> = figures
        .codes
        .iter()
        .map(|one| (one.code, one.calls))
        .collect();
    assert_eq!(codes[..2], [(200, 5), (503, 4)]);
    assert_eq!(codes.iter().map(|(_, calls)| calls).sum::<u64>(), 19);
    let [proxy] = figures.peers[..] else {
        panic!("{:?}", figures.peers)
    };
    assert_eq!((proxy.calls, proxy.failed), (19, 6));
    let setup = figures.setup_us.expect("some were set up");
    assert!(
        setup.p50 <= setup.p90 && setup.p90 <= setup.p99,
        "{setup:?}"
    );
}

#[test]
fn behind_a_b2bua_the_one_that_refused_is_at_fault() {
    let (caller, b2bua, carrier) = ("198.51.100.1:5060", "192.0.2.10:5060", "203.0.113.9:5060");
    let (inner, outer) = (
        Leg::new("in@a", "alice", "bob"),
        Leg::new("out@b", "alice", "bob"),
    );
    let mut scene = Scene::new();
    scene.add("edge", 0, caller, b2bua, &Sip::request("INVITE", &inner, 1));
    let onward = Sip::request("INVITE", &outer, 1).header("X-CID", "in@a");
    scene.add("edge", 20, b2bua, carrier, &onward);
    let gone = |leg| Sip::response(503, "Service Unavailable", leg, 1, "INVITE");
    scene.add("edge", 90, carrier, b2bua, &gone(&outer));
    scene.add("edge", 110, b2bua, caller, &gone(&inner));
    let rows = (1..).zip(&scene.observations);
    let seen: Vec<Seen<'_>> = rows
        .map(|(row, one)| {
            let received = Moment::from_micros(one.received_us);
            Seen::new(row, received, &one.agent, &one.payload)
                .sent_at(Moment::from_micros(one.sent_us))
                .between(one.source, one.destination)
                .of_type(ProtocolType(one.protocol_type))
        })
        .collect();
    let whole = Whole::gather(&seen, &Rules::default(), LATER, LaneBy::AddressAndPort);
    let [call] = &whole.calls[..] else {
        panic!("{:?}", whole.calls)
    };
    let mut tally = Tally::default();
    tally.add(call);
    let figures = tally.finish();
    let [peer] = &figures.peers[..] else {
        panic!("{:?}", figures.peers)
    };
    assert_eq!(peer.address.to_string(), "203.0.113.9");
    assert_eq!((peer.calls, peer.failed), (1, 1));
}

#[test]
fn nothing_gives_no_shares() {
    let figures = Tally::default().finish();
    assert_eq!(figures, Overview::default());
}

#[test]
fn a_call_that_goes_on_counts_as_answered() {
    let mut tally = Tally::default();
    tally.add(&call("going_on", 1));
    let figures = tally.finish();
    assert_eq!((figures.in_call, figures.answered), (1, 1));
    assert_eq!(figures.asr, Some(100.0));
}

#[test]
fn reports_of_one_sender_are_one_stream() {
    let quality = quality("poor_quality");
    let [stream] = &quality.streams[..] else {
        panic!("{:#?}", quality.streams)
    };
    assert_eq!(stream.codec.as_deref(), Some("G729"));
    assert!(stream.model.tabulated);
    assert_eq!(stream.points.len(), 4);
    let losses: Vec<_> = stream
        .points
        .iter()
        .map(|point| point.loss_percent)
        .collect();
    assert!(losses.windows(2).any(|two| two[0] < two[1]), "{losses:?}");
    let trips: Vec<_> = stream
        .points
        .iter()
        .map(|point| point.round_trip_ms)
        .collect();
    assert_eq!(trips, [None, Some(310.0), None, Some(290.0)]);
    // A round trip that is known once is taken until a newer one is.
    let third = stream.points[2].estimate.expect("loss is known");
    assert_eq!(third.inputs.round_trip_ms, Some(310.0));
    let worst = stream.worst.expect("some are known");
    assert!(
        worst.mos < 2.0 && worst.inputs.loss_percent > 10.0,
        "{worst:?}"
    );
    assert!(stream.mean_mos.is_some_and(|mean| mean > worst.mos));
}

#[test]
fn nothing_that_arrives_scores_least() {
    let quality = quality("one_way");
    let worst = quality
        .streams
        .iter()
        .filter_map(|stream| stream.worst)
        .map(|worst| worst.mos)
        .fold(5.0_f32, f32::min);
    assert!(worst < 1.2, "{worst}");
    assert!(self::quality("answered").streams.is_empty());
}
