//! Idle legs are kept in few octets, and nobody can tell.

use std::time::Duration;

use hepcat::call::{CallRecord, Limits, Moment, Rules, Saving, Seen, State, Tracker, TrackerState};
use hepcat_testkit::scene::{Leg, Observation, START_US, Scene, Sip};
use proptest::prelude::*;

use crate::{
    feed::{CALLEE, CALLER, PCMA, calls_of, seen},
    scenes,
};

/// Nothing is closed for lack of news.
fn patient() -> Tracker {
    let mut limits = Limits::default();
    let long = Duration::from_hours(48);
    (limits.linger, limits.setup_idle) = (long, long);
    (limits.call_idle, limits.other_idle) = (long, long);
    Tracker::new(limits, Rules::default(), 7)
}

fn open(tracker: &Tracker) -> Vec<CallRecord> {
    let mut calls: Vec<CallRecord> = tracker.open_calls().collect();
    calls.sort_by_key(|call| call.id);
    calls
}

/// One of many things that may be said of a leg.
fn message(number: u32, what: u8, cseq: u32) -> (Sip, bool) {
    let leg = Leg::new(&format!("{number}@10.0.0.1"), "alice", "+442071234567");
    let session = |sip: Sip, port: u32| {
        let port = u16::try_from(4_000 + number * 4 + port).unwrap_or(4_000);
        sip.sdp("192.0.2.7", port, PCMA, "sendrecv")
    };
    let response = |code, phrase, method| Sip::response(code, phrase, &leg, cseq, method);
    match what {
        0 => (
            session(Sip::request("INVITE", &leg, cseq), 0).header("User-Agent", "Telephone 3000"),
            true,
        ),
        1 => (response(100, "Trying", "INVITE"), false),
        2 => (
            session(response(183, "Session Progress", "INVITE"), 2),
            false,
        ),
        3 => (session(response(200, "OK", "INVITE"), 2), false),
        4 => (Sip::request("ACK", &leg, cseq).inside(&leg), true),
        5 => (Sip::request("BYE", &leg, cseq).inside(&leg), true),
        6 => (response(200, "OK", "BYE"), false),
        7 => (
            Sip::request("CANCEL", &leg, cseq).header("Reason", "SIP;cause=200"),
            true,
        ),
        8 => (response(487, "Request Terminated", "INVITE"), false),
        9 => (
            response(407, "Proxy Authentication Required", "INVITE"),
            false,
        ),
        10 => (
            session(Sip::request("INVITE", &leg, cseq).inside(&leg), 0),
            true,
        ),
        11 => (Sip::request("OPTIONS", &leg, cseq), true),
        12 => (response(200, "OK", "OPTIONS"), false),
        13 => (
            Sip::request("REGISTER", &leg, cseq).header("Contact", "<sip:alice@10.0.0.1>"),
            true,
        ),
        14 => (response(200, "OK", "REGISTER"), false),
        // Names another leg, so that these two cannot be parked any more.
        15 => (
            Sip::request("INVITE", &leg, cseq).header("X-CID", &format!("{}@10.0.0.1", number + 1)),
            true,
        ),
        _ => (
            Sip::request("REFER", &leg, cseq)
                .inside(&leg)
                .header("Refer-To", "<sip:carol@example.net>"),
            true,
        ),
    }
}

fn observations(messages: &[(u32, u8, u32, i64, u8)]) -> Vec<Observation> {
    let (mut scene, mut at) = (Scene::new(), 0);
    for (number, what, cseq, pause, agent) in messages {
        at += pause;
        let (sip, forth) = message(*number, *what, *cseq);
        let (from, to) = if forth {
            (CALLER, CALLEE)
        } else {
            (CALLEE, CALLER)
        };
        scene.add(&format!("agent-{agent}"), at, from, to, &sip);
    }
    scene.observations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Ten seconds of anything at most: within that, nothing is forgotten that was not parked either.
    #[test]
    fn parking_anywhere_changes_no_record(
        messages in proptest::collection::vec((0..4_u32, 0..17_u8, 1..3_u32, 0..1_500_i64, 0..2_u8), 1..24),
        looks in proptest::collection::vec(any::<bool>(), 24),
        saved in 0..24_usize,
    ) {
        let messages = observations(&messages);
        let (mut awake, mut parking) = (patient(), patient());
        for (place, (row, observation)) in (1..).zip(&messages).enumerate() {
            let said = awake.ingest(&seen(row, observation));
            let other = parking.ingest(&seen(row, observation));
            prop_assert_eq!(
                (said.at, said.place, said.novelty, said.attached_by),
                (other.at, other.place, other.novelty, other.attached_by)
            );
            if looks[place] {
                parking.expire(Moment::from_micros(observation.received_us + 1_000_000));
            }
            if place == saved {
                parking = through_a_file(parking);
            }
            prop_assert_eq!(open(&awake), open(&parking));
            for call in open(&awake) {
                let found = [&awake, &parking].map(|tracker| tracker.call(call.id));
                prop_assert_eq!(found, [Some(call.clone()), Some(call)]);
            }
            let registrations = |tracker: &Tracker| {
                let mut all: Vec<_> = tracker.registrations().collect();
                all.sort_by_key(|one| one.id);
                all
            };
            prop_assert_eq!(registrations(&awake), registrations(&parking));
            prop_assert_eq!(awake.open().legs, parking.open().legs);
            prop_assert_eq!(awake.open().calls, parking.open().calls);
        }
        awake.close_all();
        parking.close_all();
        let closed = |tracker: &mut Tracker| {
            let mut calls = calls_of(tracker.take_finished());
            calls.sort_by_key(|call| call.id);
            calls
        };
        let calls = closed(&mut awake);
        for call in &calls {
            let (mut short, mut scratch) = (Vec::new(), Vec::new());
            call.shorten(&mut short, &mut scratch).unwrap();
            let whole = serde_json::to_vec(call).unwrap();
            prop_assert!(short.len() * 4 < whole.len() * 3, "{}", String::from_utf8_lossy(&short));
            prop_assert_eq!(&CallRecord::lengthen(&short).unwrap(), call);
            prop_assert_eq!(&CallRecord::lengthen(&whole).unwrap(), call);
        }
        prop_assert_eq!(calls, closed(&mut parking));
        prop_assert_eq!(parking.open().octets, 0);
        prop_assert_eq!(parking.open().legs, 0);
    }

    #[test]
    fn octets_that_are_no_leg_do_no_harm(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_, legs) = saved(patient());
        prop_assert!(legs.is_empty());
        let mut tracker = patient();
        let mut state: TrackerState = serde_json::from_slice(&tracker.begin_saving().unwrap().state).unwrap();
        prop_assert!(!state.set_registrations(&octets) || octets.len() >= 24);
        state.add_parked(&octets);
        let tracker = Tracker::restore(Limits::default(), Rules::default(), state).unwrap();
        prop_assert!(tracker.open_calls().count() <= 1);
    }
}

/// The state in its two parts.
fn saved(mut tracker: Tracker) -> (Saving, Vec<Vec<u8>>) {
    let first = tracker.begin_saving().expect("plain data");
    (first, rest(&mut tracker))
}

fn rest(tracker: &mut Tracker) -> Vec<Vec<u8>> {
    let mut legs = Vec::new();
    loop {
        let mut some = Vec::new();
        let is_last = tracker.save_some(&mut some, 300);
        let mut left = &some[..];
        while let Some((length, after)) = left.split_first_chunk() {
            let (leg, after) = after.split_at(u32::from_le_bytes(*length) as usize);
            legs.push(leg.to_vec());
            left = after;
        }
        if is_last {
            return legs;
        }
    }
}

fn restored(first: &Saving, legs: &[Vec<u8>]) -> Tracker {
    let mut state: TrackerState = serde_json::from_slice(&first.state).expect("as written");
    assert!(state.set_registrations(&first.registrations));
    legs.iter().for_each(|leg| state.add_parked(leg));
    let mut limits = Limits::default();
    let long = Duration::from_hours(48);
    (limits.linger, limits.setup_idle) = (long, long);
    (limits.call_idle, limits.other_idle) = (long, long);
    Tracker::restore(limits, Rules::default(), state).expect("of this version")
}

fn through_a_file(tracker: Tracker) -> Tracker {
    let (state, legs) = saved(tracker);
    restored(&state, &legs)
}

/// Calls that go on, idle.
fn talking(calls: u32) -> (Tracker, Vec<Scene>) {
    let scenes: Vec<Scene> = (0..calls)
        .map(|number| scenes::basic(&format!("{number:08x}@10.0.0.1")))
        .collect();
    let mut tracker = patient();
    for scene in &scenes {
        // Up to the ACK.
        for (row, observation) in (1..).zip(scene.observations.iter().take(5)) {
            tracker.ingest(&seen(row, observation));
        }
    }
    tracker.expire(Moment::from_micros(START_US + 60_000_000));
    (tracker, scenes)
}

#[test]
fn what_is_written_is_what_was_known_when_it_was_begun() {
    let (mut tracker, scenes) = talking(200);
    let before = open(&tracker);
    let state = tracker.begin_saving().expect("plain data");
    let mut some = Vec::new();
    assert!(!tracker.save_some(&mut some, 2_000), "there is more");
    // Meanwhile half of them end, others come, and all are looked at.
    for scene in scenes.iter().step_by(2) {
        for (row, observation) in (6..).zip(scene.observations.iter().skip(5)) {
            tracker.ingest(&seen(row, observation));
        }
    }
    for number in 0..50 {
        let other = scenes::basic(&format!("other-{number}@10.0.0.1"));
        tracker.ingest(&seen(1, &other.observations[0]));
    }
    tracker.expire(Moment::from_micros(START_US + 3_600_000_000));
    let mut legs = rest(&mut tracker);
    let mut left = &some[..];
    while let Some((length, after)) = left.split_first_chunk() {
        let (leg, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        legs.push(leg.to_vec());
        left = after;
    }
    assert_eq!(legs.len(), 200);
    assert_eq!(open(&restored(&state, &legs)), before);
}

#[test]
fn reports_find_a_parked_leg_and_an_idle_call_gives_way_before_one_that_is_set_up() {
    let (mut tracker, _) = talking(3);
    let payload = br#"{"call_id":"00000001@10.0.0.1"}"#;
    let received = Moment::from_micros(START_US + 61_000_000);
    let report = Seen::new(9, received, "edge", payload).of_type(hepcat_wire::ProtocolType(5));
    assert!(tracker.ingest(&report).place.is_some());
    assert_eq!(
        tracker.call_with("00000001@10.0.0.1").expect("open").legs[0].reports,
        1
    );

    let mut limits = Limits::default();
    limits.max_legs = 4;
    let state = serde_json::to_vec(tracker.state()).expect("plain data");
    let state = serde_json::from_slice(&state).expect("as written");
    let mut tracker = Tracker::restore(limits, Rules::default(), state).expect("of this version");
    for number in 0..3 {
        let new = scenes::basic(&format!("new-{number}@10.0.0.1"));
        tracker.ingest(&seen(10, &new.observations[0]));
    }
    assert_eq!(tracker.counters().evicted, 2);
    let evicted = calls_of(tracker.take_finished());
    assert!(
        evicted.iter().all(|call| call.state == State::InCall),
        "{evicted:#?}"
    );
    let heard_last = tracker.call_with("00000001@10.0.0.1");
    assert!(heard_last.is_some(), "the one that was heard of last stays");
}

#[test]
fn a_parked_call_is_listed_closed_in_its_time_and_told_of() {
    let mut tracker = Tracker::new(Limits::default(), Rules::default(), 7);
    let scene = scenes::basic("1@10.0.0.1");
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    let last = scene.observations.last().expect("messages").received_us;
    tracker.expire(Moment::from_micros(last + 2_000_000));
    let listed = tracker.open_by_start();
    assert_eq!(listed.len(), 1);
    let record = tracker.record_of(&listed[0]).expect("open");
    assert_eq!(calls_of(tracker.take_changes()), [record]);
    assert_eq!(calls_of(tracker.take_changes()), []);
    tracker.expire(Moment::from_micros(last + 34_999_999));
    assert_eq!(calls_of(tracker.take_changes()), []);
    tracker.expire(Moment::from_micros(last + 35_000_000));
    let closed = calls_of(tracker.take_changes());
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].id, listed[0].id);
    assert_eq!(tracker.record_of(&listed[0]), None);
}
