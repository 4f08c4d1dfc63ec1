//! Memory is bounded, whatever comes.

use hepcat::call::{Change, Closed, Flag, Limits, Moment, Rules, Seen, State, Tracker};
use hepcat_testkit::scene::{Leg, START_US, Scene, Sip};
use proptest::prelude::*;

use crate::feed::{CALLEE, CALLER, calls_of, seen};

fn small() -> Tracker {
    let mut limits = Limits::default();
    limits.max_legs = 20;
    limits.max_legs_per_call = 5;
    limits.max_registrations = 10;
    limits.max_agents = 3;
    limits.max_changes = 1_000;
    Tracker::new(limits, Rules::default(), 7)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_stream_of_messages_exceeds_the_limits(
        messages in proptest::collection::vec((0..60_u32, 0..60_u32, 0..6_usize, 0..40_i64, 0..9_u8), 1..400),
    ) {
        let mut tracker = small();
        let methods = ["INVITE", "REGISTER", "BYE", "REFER", "OPTIONS", "ACK"];
        let mut at = 0;
        for (id, other, method, pause, agent) in messages {
            at += pause * 1_000;
            let leg = Leg::new(&format!("{id}@h"), &format!("u{other}"), "bob");
            let sip = Sip::request(methods[method], &leg, other)
                .header("X-CID", &format!("{other}@h"))
                .header("Contact", &format!("<sip:u{other}@10.0.0.{id}>"))
                .sdp("10.0.0.1", 4000, &["8"], "sendrecv");
            let mut scene = Scene::new();
            scene.add(&format!("agent-{agent}"), at, CALLER, CALLEE, &sip);
            tracker.ingest(&seen(1, &scene.observations[0]));
            tracker.expire(Moment::from_micros(START_US + at * 1_000));
            let open = tracker.open();
            prop_assert!(open.legs <= 20 && open.calls <= open.legs, "{open:?}");
            prop_assert!(open.registrations <= 10, "{open:?}");
            prop_assert!(open.groups <= 20 * 32, "{open:?}");
        }
        tracker.close_all();
        let open = tracker.open();
        prop_assert_eq!((open.legs, open.calls, open.groups), (0, 0, 0));
        for call in calls_of(tracker.take_changes()) {
            prop_assert!(call.legs.len() <= 5);
        }
    }

    #[test]
    fn no_octets_are_too_bad(payload in proptest::collection::vec(any::<u8>(), 0..400), kind in any::<u8>()) {
        let mut tracker = small();
        let mut text = b"INVITE sip:a SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n".to_vec();
        text.extend_from_slice(&payload);
        for payload in [&payload, &text] {
            let seen = Seen::new(1, Moment::from_micros(i64::MAX - 5), "a", payload).of_type(hepcat_wire::ProtocolType(kind));
            tracker.ingest(&seen.sent_at(Moment::from_micros(i64::MIN + 5)));
            tracker.ingest(&seen.correlated(&text).extra_correlated(payload));
        }
        tracker.expire(Moment::from_micros(i64::MAX));
        tracker.close_all();
        tracker.take_changes();
    }
}

#[test]
fn what_is_evicted_is_told_of_and_counted() {
    let mut tracker = small();
    let mut scene = Scene::new();
    for number in 0..30 {
        let leg = Leg::new(&format!("{number}@h"), "alice", "bob");
        scene.add(
            "edge",
            number * 10,
            CALLER,
            CALLEE,
            &Sip::request("INVITE", &leg, 1),
        );
    }
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    assert_eq!((tracker.open().legs, tracker.counters().evicted), (20, 10));
    let evicted: Vec<_> = calls_of(tracker.take_changes())
        .into_iter()
        .filter(|call| call.closed == Some(Closed::Evicted))
        .collect();
    assert_eq!(evicted.len(), 10);
    assert!(evicted.iter().all(|call| call.flags.has(Flag::Evicted)));
    assert_eq!(&*evicted[0].legs[0].call_id, "0@h");
    // One that comes again says so.
    tracker.ingest(&seen(99, &scene.observations[0]));
    let calls = calls_of(tracker.take_changes());
    assert!(
        calls
            .iter()
            .any(|call| call.flags.has(Flag::Resumed) && call.closed.is_none())
    );
}

#[test]
fn what_is_over_gives_way_before_what_goes_on() {
    let mut tracker = small();
    let mut scene = Scene::new();
    for number in 0..10 {
        let leg = Leg::new(&format!("call-{number}@h"), "alice", "bob");
        let ok = Sip::response(200, "OK", &leg, 1, "INVITE");
        scene.add(
            "edge",
            number,
            CALLER,
            CALLEE,
            &Sip::request("INVITE", &leg, 1),
        );
        scene.add("edge", number + 1, CALLEE, CALLER, &ok);
    }
    for number in 0..200 {
        let leg = Leg::new(&format!("options-{number}@h"), "alice", "bob");
        let ok = Sip::response(200, "OK", &leg, 1, "OPTIONS");
        scene.add(
            "edge",
            100 + number,
            CALLER,
            CALLEE,
            &Sip::request("OPTIONS", &leg, 1),
        );
        scene.add("edge", 101 + number, CALLEE, CALLER, &ok);
    }
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    let counters = tracker.counters();
    assert_eq!(
        (counters.evicted, counters.cut_short, counters.closed_over),
        (0, 190, 190)
    );
    let going_on = tracker
        .open_calls()
        .filter(|call| call.state == State::InCall);
    assert_eq!(going_on.count(), 10);
}

#[test]
fn octets_are_bounded_however_long_texts_are() {
    const MOST: usize = 1 << 20;
    let mut limits = Limits::default();
    limits.max_octets = MOST;
    let mut tracker = Tracker::new(limits, Rules::default(), 7);
    let long = "x".repeat(250);
    for number in 0..2_000_i64 {
        let mut scene = Scene::new();
        let leg = Leg::new(&format!("{number}{long}@h"), &long, &long);
        for message in 1..5_u32 {
            let sip = Sip::request("INVITE", &leg, message)
                .header("User-Agent", &format!("{message}{long}"))
                .header("X-CID", &format!("{number}-{message}{long}"))
                .header("P-Asserted-Identity", &long)
                .sdp("10.0.0.1", 4000, &["8"], "sendrecv");
            scene.add("edge", number, CALLER, CALLEE, &sip);
        }
        for observation in &scene.observations {
            tracker.ingest(&seen(1, observation));
            assert!(tracker.open().octets <= MOST);
        }
    }
    let open = tracker.open();
    assert!(open.legs > 50 && open.octets > MOST / 2, "{open:?}");
    let evicted = usize::try_from(tracker.counters().evicted).unwrap();
    assert_eq!(evicted + open.calls, 2_000);
    tracker.close_all();
    assert_eq!(tracker.open().octets, 0);
}

#[test]
fn a_budget_is_divided() {
    let limits = Limits::within(64 << 20);
    assert_eq!(limits.max_octets, 48 << 20);
    assert_eq!(limits.max_registrations, (8 << 20) / 640);
    assert_eq!(Limits::within(0).max_legs, 1);
}

#[test]
fn people_who_are_referred_to_are_not_remembered_without_end() {
    let mut tracker = Tracker::new(Limits::default(), Rules::default(), 7);
    for number in 0..6_000_i64 {
        let mut scene = Scene::new();
        let leg = Leg::new(&format!("{number}@h"), "alice", "bob");
        let refer = Sip::request("REFER", &leg, 1)
            .header("Refer-To", &format!("<sip:user-{number}@example.net>"));
        scene.add("edge", 0, CALLER, CALLEE, &refer);
        tracker.ingest(&seen(1, &scene.observations[0]));
    }
    assert_eq!(tracker.counters().withheld, 6_000 - 4_096);
    tracker.expire(Moment::from_micros(START_US + 600_000_000));
    let mut scene = Scene::new();
    let leg = Leg::new("later@h", "alice", "bob");
    let refer = Sip::request("REFER", &leg, 1).header("Refer-To", "<sip:carol@example.net>");
    scene.add("edge", 601_000, CALLER, CALLEE, &refer);
    tracker.ingest(&seen(1, &scene.observations[0]));
    assert_eq!(
        tracker.counters().withheld,
        6_000 - 4_096,
        "there is room again"
    );
}

#[test]
fn changes_that_nobody_takes_are_dropped_and_counted() {
    let mut limits = Limits::default();
    limits.max_changes = 3;
    let mut tracker = Tracker::new(limits, Rules::default(), 7);
    let mut scene = Scene::new();
    for number in 0..5 {
        scene.add(
            "edge",
            0,
            CALLER,
            CALLEE,
            &Sip::request("OPTIONS", &Leg::new(&format!("{number}@h"), "a", "b"), 1),
        );
    }
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    tracker.close_all();
    let changes = tracker.take_changes();
    assert_eq!(
        changes
            .iter()
            .filter(|change| matches!(change, Change::Call(_)))
            .count(),
        3
    );
    assert_eq!(tracker.counters().changes_dropped, 2);
}
