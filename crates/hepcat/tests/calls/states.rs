//! How far calls get, when, and who ends them.

use std::time::Duration;

use hepcat::call::{Closed, Flag, Kind, Moment, Side, State};
use hepcat_testkit::scene::{Leg, Scene, Sip};

use crate::{
    feed::{CALLEE, CALLER, PCMA, call, calls_of, closed_calls, seen, tracker},
    scenes::{
        basic, bye, cancelled, challenged, forked, invite, refused, ring_and_answer, three_hops,
    },
};

const fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

fn flags(call: &hepcat::call::CallRecord) -> Vec<&'static str> {
    call.flags.iter().map(Flag::label).collect()
}

#[test]
fn an_ordinary_call() {
    let call = call(&basic("1@a"));
    assert_eq!((call.kind, call.state), (Kind::Call, State::Ended));
    assert_eq!(
        (call.setup, call.ring, call.talk, call.duration),
        (ms(2_000), ms(3_000), ms(60_000), ms(65_000))
    );
    assert_eq!(call.released_by, Some(Side::Caller));
    assert_eq!(
        (call.final_code, call.final_phrase.as_deref()),
        (Some(200), Some("OK"))
    );
    assert_eq!(
        call.reason.as_deref(),
        Some("Q.850;cause=16;text=\"Normal\"")
    );
    assert_eq!(call.codec.as_deref(), Some("PCMA"));
    assert_eq!(
        (call.from.user.as_deref(), call.to.user.as_deref()),
        (Some("alice"), Some("bob"))
    );
    assert_eq!(
        (call.messages, call.retransmissions, call.duplicates),
        (7, 0, 0)
    );
    assert_eq!(flags(&call), [""; 0]);
    let leg = &call.legs[0];
    assert_eq!(&*leg.call_id, "1@a");
    assert_eq!(leg.request_user.as_deref(), Some("bob"));
    assert_eq!(
        leg.source.map(|source| source.to_string()).as_deref(),
        Some(CALLER)
    );
    let agents: Vec<_> = leg
        .user_agents
        .iter()
        .map(|agent| (agent.side, &*agent.name))
        .collect();
    assert_eq!(
        agents,
        [
            (Some(Side::Caller), "Phone/1"),
            (Some(Side::Callee), "Desk/2")
        ]
    );
    let media: Vec<_> = leg
        .media
        .iter()
        .map(|media| (media.side, media.address.to_string(), &*media.codecs))
        .collect();
    let expected = [
        (Some(Side::Caller), "10.0.0.1:4000".to_owned(), "PCMA"),
        (Some(Side::Callee), "10.0.0.9:6000".to_owned(), "PCMA"),
    ];
    assert_eq!(media, expected);
    assert_eq!(leg.agents, ["edge".into()]);
}

#[test]
fn the_state_follows_the_messages() {
    let scene = basic("1@a");
    let mut tracker = tracker();
    let mut states = Vec::new();
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
        states.extend(
            calls_of(tracker.take_changes())
                .into_iter()
                .map(|call| call.state.label()),
        );
    }
    assert_eq!(
        states,
        [
            "setup", "setup", "ringing", "in_call", "in_call", "ended", "ended"
        ]
    );
}

#[test]
fn refusals() {
    for (code, phrase, state) in [
        (486, "Busy Here", State::Failed),
        (404, "Not Found", State::Failed),
        (503, "Service Unavailable", State::Failed),
        (603, "Decline", State::Failed),
        (302, "Moved Temporarily", State::Redirected),
    ] {
        let call = call(&refused(code, phrase));
        assert_eq!(call.state, state, "{code}");
        assert_eq!(
            (call.final_code, call.final_phrase.as_deref()),
            (Some(code), Some(phrase))
        );
        assert_eq!(call.released_by, Some(Side::Callee), "{code}");
        assert_eq!(call.reason.as_deref(), Some("Q.850;cause=17"));
        assert_eq!(
            (call.setup, call.duration, call.talk),
            (ms(300), ms(300), None),
            "{code}"
        );
        assert_eq!(flags(&call), [""; 0], "{code}");
    }
}

#[test]
fn a_cancelled_call() {
    let call = call(&cancelled());
    assert_eq!((call.state, call.final_code), (State::Cancelled, Some(487)));
    assert_eq!(call.released_by, Some(Side::Caller));
    assert_eq!(
        (call.setup, call.ring, call.talk),
        (ms(500), ms(8_520), None)
    );
    assert_eq!(flags(&call), [""; 0]);
}

#[test]
fn cancel_and_answer_may_cross() {
    let mut scene = Scene::new();
    let leg = Leg::new("race", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    scene.add(
        "edge",
        4_995,
        CALLER,
        CALLEE,
        &Sip::request("CANCEL", &leg, 1),
    );
    ring_and_answer(&mut scene, "edge", &leg);
    bye(&mut scene, "edge", 5_200, &leg);
    let call = call(&scene);
    assert_eq!(call.state, State::Ended);
    assert_eq!(flags(&call), ["cancel_race"]);
}

#[test]
fn a_challenge_is_no_failure_unless_it_is_the_end() {
    let accepted = call(&challenged(true));
    assert_eq!(
        (accepted.state, accepted.final_code),
        (State::InCall, Some(200))
    );
    assert_eq!(accepted.setup, ms(1_000));
    assert_eq!(flags(&accepted), ["auth_challenge"]);
    let refused = call(&challenged(false));
    assert_eq!(
        (refused.state, refused.final_code),
        (State::Failed, Some(407))
    );
    assert_eq!(flags(&refused), ["auth_challenge", "auth_failed"]);
}

#[test]
fn early_media_of_two_branches() {
    let mut scene = Scene::new();
    let leg = Leg::new("early", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    for (at, tag, port) in [(300, "one", 7000), (400, "two", 8000)] {
        let progress = Sip::response(183, "Session Progress", &leg, 1, "INVITE").to_tag(tag);
        scene.add(
            "edge",
            at,
            CALLEE,
            CALLER,
            &progress.sdp("10.0.0.9", port, PCMA, "sendrecv"),
        );
    }
    let call = call(&scene);
    assert_eq!((call.state, call.setup), (State::Ringing, ms(300)));
    assert_eq!(flags(&call), ["early_media", "forked"]);
}

#[test]
fn hold_and_resume() {
    let mut scene = basic("hold");
    let leg = Leg::new("hold", "alice", "bob");
    for (at, cseq, direction, answer) in [
        (20_000, 2, "sendonly", "recvonly"),
        (30_000, 3, "sendrecv", "sendrecv"),
    ] {
        let invite = Sip::request("INVITE", &leg, cseq)
            .inside(&leg)
            .sdp("10.0.0.1", 4000, PCMA, direction);
        scene.add("edge", at, CALLER, CALLEE, &invite);
        let ok = Sip::response(200, "OK", &leg, cseq, "INVITE").sdp(
            "10.0.0.9",
            6000,
            &["8 PCMA/8000"],
            answer,
        );
        scene.add("edge", at + 20, CALLEE, CALLER, &ok);
        scene.add(
            "edge",
            at + 40,
            CALLER,
            CALLEE,
            &Sip::request("ACK", &leg, cseq).inside(&leg),
        );
    }
    let call = call(&scene);
    assert_eq!((call.state, call.talk), (State::Ended, ms(60_000)));
    assert_eq!(flags(&call), ["hold", "reinvite"]);
}

#[test]
fn one_way_from_the_beginning() {
    let mut scene = Scene::new();
    let leg = Leg::new("oneway", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    let ok = Sip::response(200, "OK", &leg, 1, "INVITE").sdp("10.0.0.9", 6000, PCMA, "recvonly");
    scene.add("edge", 900, CALLEE, CALLER, &ok);
    scene.add(
        "edge",
        910,
        CALLER,
        CALLEE,
        &Sip::request("ACK", &leg, 1).inside(&leg),
    );
    assert_eq!(flags(&call(&scene)), ["one_way"]);
}

#[test]
fn the_callee_hangs_up_or_something_between_ends_it() {
    let leg = Leg::new("1@a", "alice", "bob");
    let mut scene = basic("1@a");
    scene.observations.truncate(5);
    let back = Sip::request("BYE", &leg, 1).backwards(&leg);
    scene.add("edge", 30_000, CALLEE, CALLER, &back);
    assert_eq!(call(&scene).released_by, Some(Side::Callee));
    scene.add(
        "edge",
        30_100,
        CALLER,
        CALLEE,
        &Sip::request("BYE", &leg, 2).inside(&leg),
    );
    assert_eq!(call(&scene).released_by, Some(Side::Both));
}

#[test]
fn one_call_id_over_three_hops_is_one_leg() {
    for skew in [0, 3_000, -45_000] {
        let call = call(&three_hops(skew));
        assert_eq!(call.legs.len(), 1);
        assert_eq!(call.state, State::Ended, "{skew}");
        assert_eq!(
            (call.messages, call.retransmissions, call.duplicates),
            (18, 0, 6),
            "{skew}"
        );
        assert!(call.flags.has(Flag::Duplicate));
        assert!(!call.flags.has(Flag::Retransmission));
        assert_eq!(call.agents, ["far".into(), "near".into()]);
    }
}

#[test]
fn a_fork_is_answered_though_a_branch_is_cancelled() {
    let call = call(&forked());
    assert_eq!((call.state, call.final_code), (State::InCall, Some(200)));
    assert_eq!(flags(&call), ["forked"]);
    assert_eq!((call.setup, call.ring), (ms(405), ms(3_595)));
}

#[test]
fn of_failures_the_one_that_reached_the_caller_counts() {
    let mut scene = Scene::new();
    let leg = Leg::new("best", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    let response =
        |code, phrase, vias: &[&str]| Sip::response(code, phrase, &leg, 1, "INVITE").vias(vias);
    scene.add(
        "edge",
        100,
        CALLEE,
        CALLER,
        &response(404, "Not Found", &["z9hG4bK-2", "z9hG4bK-1"]),
    );
    scene.add(
        "edge",
        200,
        CALLEE,
        CALLER,
        &response(480, "Temporarily Unavailable", &["z9hG4bK-1"]),
    );
    scene.add(
        "edge",
        150,
        CALLEE,
        CALLER,
        &response(486, "Busy Here", &["z9hG4bK-3", "z9hG4bK-1"]),
    );
    assert_eq!(call(&scene).final_code, Some(480));
}

#[test]
fn retransmissions_are_counted_and_not_taken_for_messages() {
    let mut scene = Scene::new();
    let leg = Leg::new("again", "alice", "bob");
    for at in [0, 500, 1_500, 3_500] {
        invite(&mut scene, "edge", at, &leg);
    }
    let open = call(&scene);
    assert_eq!(
        (open.state, open.messages, open.retransmissions),
        (State::Setup, 1, 3)
    );
    assert_eq!(flags(&open), ["retransmission", "no_response"]);
    let closed = closed_calls(&scene).remove(0);
    assert_eq!(
        (closed.state, closed.closed),
        (State::Failed, Some(Closed::Idle))
    );
    assert_eq!(closed.final_code, None);
    assert_eq!(closed.released_by, None);
}

#[test]
fn an_answer_without_ack_is_marked() {
    let mut scene = Scene::new();
    let leg = Leg::new("noack", "alice", "bob");
    invite(&mut scene, "edge", 0, &leg);
    for at in [1_000, 1_500, 2_500, 4_500, 8_500] {
        scene.add(
            "edge",
            at,
            CALLEE,
            CALLER,
            &Sip::response(200, "OK", &leg, 1, "INVITE"),
        );
    }
    let call = call(&scene);
    assert_eq!((call.state, call.retransmissions), (State::InCall, 4));
    assert_eq!(flags(&call), ["retransmission", "no_ack"]);
}

#[test]
fn lost_messages_leave_what_can_be_told() {
    let whole = basic("1@a");
    for (what, kept, state, expected) in [
        ("only the BYE", vec![5, 6], State::Ended, vec!["half_seen"]),
        (
            "only the ACK",
            vec![4],
            State::InCall,
            vec!["missing_bye", "half_seen"],
        ),
        (
            "no INVITE",
            vec![2, 3, 4, 5, 6],
            State::Ended,
            vec!["half_seen"],
        ),
        (
            "no BYE",
            vec![0, 1, 2, 3, 4],
            State::InCall,
            vec!["missing_bye"],
        ),
        (
            "requests only",
            vec![0, 4, 5],
            State::Ended,
            vec!["no_response", "half_seen"],
        ),
        (
            "responses only",
            vec![1, 2, 3, 6],
            State::InCall,
            vec!["no_ack", "missing_bye", "half_seen"],
        ),
    ] {
        let mut scene = Scene::new();
        scene.observations = kept
            .iter()
            .map(|at| whole.observations[*at].clone())
            .collect();
        let call = closed_calls(&scene).remove(0);
        assert_eq!(call.state, state, "{what}");
        assert_eq!(flags(&call), expected, "{what}");
    }
}

#[test]
fn odd_but_legal_messages() {
    let mut scene = Scene::new();
    let leg = Leg::new("tel", "alice", "bob");
    let invite = Sip::request("INVITE", &leg, 1)
        .start_line("INVITE tel:+33123456789 SIP/2.0")
        .parties(
            "\"Alice\" <tel:+441;phone-context=x>;tag=a",
            "<tel:+33123456789>",
        )
        .compact();
    scene.add("edge", 0, CALLER, CALLEE, &invite);
    let call = call(&scene);
    assert_eq!(call.to.user.as_deref(), Some("+33123456789"));
    assert_eq!(call.from.user.as_deref(), Some("+441"));
    assert_eq!(call.from.display.as_deref(), Some("Alice"));
    assert_eq!(call.legs[0].request_user.as_deref(), Some("+33123456789"));
    assert_eq!(call.state, State::Setup);
}

#[test]
fn reliable_provisional_responses_and_updates() {
    let mut scene = Scene::new();
    let leg = Leg::new("prack", "alice", "bob");
    let invite = Sip::request("INVITE", &leg, 1)
        .header("Supported", "100rel")
        .sdp("10.0.0.1", 4000, PCMA, "sendrecv");
    scene.add("edge", 0, CALLER, CALLEE, &invite);
    let progress = Sip::response(183, "Session Progress", &leg, 1, "INVITE").header("RSeq", "1");
    for at in [200, 700] {
        scene.add(
            "edge",
            at,
            CALLEE,
            CALLER,
            &progress.clone().sdp("10.0.0.9", 6000, PCMA, "sendrecv"),
        );
    }
    scene.add(
        "edge",
        750,
        CALLER,
        CALLEE,
        &Sip::request("PRACK", &leg, 2).inside(&leg),
    );
    scene.add(
        "edge",
        760,
        CALLEE,
        CALLER,
        &Sip::response(200, "OK", &leg, 2, "PRACK"),
    );
    let update = Sip::request("UPDATE", &leg, 3)
        .inside(&leg)
        .sdp("10.0.0.1", 4002, PCMA, "sendrecv");
    scene.add("edge", 900, CALLER, CALLEE, &update);
    scene.add(
        "edge",
        910,
        CALLEE,
        CALLER,
        &Sip::response(200, "OK", &leg, 3, "UPDATE"),
    );
    let call = call(&scene);
    assert_eq!(
        (call.state, call.setup, call.retransmissions),
        (State::Ringing, ms(200), 1)
    );
    assert_eq!(flags(&call), ["retransmission", "early_media"]);
    assert_eq!(call.legs[0].media.len(), 3);
}

#[test]
fn a_long_call_stays_whole() {
    let leg = Leg::new("long", "alice", "bob");
    let mut scene = basic("long");
    let end = scene.observations.split_off(5);
    let hour = 3_600_000;
    for hours in 1..=20_u32 {
        let at = i64::from(hours) * hour;
        let invite = Sip::request("INVITE", &leg, hours + 1)
            .inside(&leg)
            .sdp("10.0.0.1", 4000, PCMA, "sendrecv");
        scene.add("edge", at, CALLER, CALLEE, &invite);
        scene.add(
            "edge",
            at + 20,
            CALLEE,
            CALLER,
            &Sip::response(200, "OK", &leg, hours + 1, "INVITE"),
        );
        scene.add(
            "edge",
            at + 30,
            CALLER,
            CALLEE,
            &Sip::request("ACK", &leg, hours + 1).inside(&leg),
        );
    }
    for mut observation in end {
        observation.sent_us += 20 * hour * 1_000;
        observation.received_us += 20 * hour * 1_000;
        scene.observations.push(observation);
    }
    let mut tracker = tracker();
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.expire(Moment::from_micros(observation.received_us));
        tracker.ingest(&seen(row, observation));
    }
    let removed = Moment::from_micros(scene.observations[8].received_us);
    let last = scene.observations.last().unwrap().received_us;
    tracker.expire(Moment::from_micros(last + 36_000_000));
    let mut calls = calls_of(tracker.take_changes());
    assert_eq!(calls.len(), 1);
    let call = &mut calls[0];
    assert!(call.partition_removed(removed));
    assert_eq!(
        (call.state, call.closed),
        (State::Ended, Some(Closed::Over))
    );
    assert_eq!(
        call.talk,
        Some(Duration::from_millis(20 * 3_600_000 + 60_000))
    );
    assert_eq!(call.messages, 67);
    assert_eq!(flags(call), ["reinvite", "partition_removed"]);
    assert_eq!(tracker.open().legs, 0);
}

#[test]
fn nat_and_wrong_clocks_are_marked() {
    let mut scene = Scene::new();
    let leg = Leg::new("nat", "alice", "bob");
    let invite = Sip::request("INVITE", &leg, 1).header("Contact", "<sip:alice@192.168.1.7:5062>");
    let observation = scene.add("edge", 0, "198.51.100.7:40000", CALLEE, &invite);
    observation.sent_us -= 400 * 24 * 3_600 * 1_000_000;
    let call = call(&scene);
    assert_eq!(flags(&call), ["nat", "clock"]);
    assert_eq!(call.started.as_micros(), scene.observations[0].received_us);
}

#[test]
fn other_requests_have_their_outcome() {
    for (method, code, kind, state) in [
        ("OPTIONS", 200, Kind::Options, State::Ended),
        ("MESSAGE", 403, Kind::Message, State::Failed),
        ("SUBSCRIBE", 202, Kind::Subscription, State::Ended),
        ("PUBLISH", 412, Kind::Other, State::Failed),
    ] {
        let mut scene = Scene::new();
        let leg = Leg::new(method, "alice", "bob");
        scene.add("edge", 0, CALLER, CALLEE, &Sip::request(method, &leg, 1));
        scene.add(
            "edge",
            10,
            CALLEE,
            CALLER,
            &Sip::response(code, "x", &leg, 1, method),
        );
        let call = call(&scene);
        assert_eq!(
            (call.kind, call.state, call.final_code),
            (kind, state, Some(code)),
            "{method}"
        );
    }
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let mut scene = basic("1@a");
    let leg = Leg::new("1@a", "alice", "bob");
    let again = Sip::request("INVITE", &leg, 2)
        .backwards(&leg)
        .sdp("10.0.0.9", 6002, PCMA, "sendrecv");
    scene.add("edge", 20_000, CALLEE, CALLER, &again);
    let refusal = Sip::response(488, "Not Acceptable Here", &leg, 2, "INVITE");
    scene.add("edge", 20_100, CALLER, CALLEE, &refusal);
    let call = call(&scene);
    assert_eq!((call.state, call.final_code), (State::Ended, Some(200)));
    assert_eq!(call.released_by, Some(Side::Caller));
    assert_eq!(flags(&call), ["reinvite"]);
}

#[test]
fn an_offer_may_come_with_the_answer() {
    let mut scene = Scene::new();
    let leg = Leg::new("late", "alice", "bob");
    scene.add("edge", 0, CALLER, CALLEE, &Sip::request("INVITE", &leg, 1));
    let offer = ["96 opus/48000/2", "8 PCMA/8000"];
    let ok = Sip::response(200, "OK", &leg, 1, "INVITE").sdp("10.0.0.9", 6000, &offer, "sendrecv");
    scene.add("edge", 900, CALLEE, CALLER, &ok);
    let ack = Sip::request("ACK", &leg, 1)
        .inside(&leg)
        .sdp("10.0.0.1", 4000, PCMA, "sendrecv");
    scene.add("edge", 950, CALLER, CALLEE, &ack);
    let call = call(&scene);
    assert_eq!(call.codec.as_deref(), Some("PCMA"));
    assert_eq!(call.legs[0].media.len(), 2);
    assert_eq!(flags(&call), [""; 0]);
}

#[test]
fn fax_and_broken_messages_are_marked() {
    let mut scene = basic("1@a");
    let leg = Leg::new("1@a", "alice", "bob");
    let fax = "v=0\r\nc=IN IP4 10.0.0.9\r\nm=image 6002 udptl t38\r\n";
    let again = Sip::request("INVITE", &leg, 2)
        .backwards(&leg)
        .body("application/sdp", fax);
    scene.add("edge", 20_000, CALLEE, CALLER, &again);
    scene.add_other(
        "edge",
        21_000,
        CALLEE,
        CALLER,
        1,
        b"INFO sip:alice@10.0.0.1 SIP/2.0\r\nCall-ID: 1@a\r\nCSeq: x INFO\r\n\r\n",
    );
    let call = call(&scene);
    assert_eq!(call.state, State::Ended);
    for flag in [Flag::Fax, Flag::Reinvite, Flag::Malformed] {
        assert!(call.flags.has(flag), "{:?}", call.flags);
    }
}

#[test]
fn open_calls_are_listed_without_their_records_the_newest_first() {
    let mut tracker = tracker();
    let mut scene = Scene::new();
    for number in [2, 0, 1] {
        let leg = Leg::new(&format!("{number}@open"), "alice", "bob");
        scene.add(
            "edge",
            number * 1_000,
            CALLER,
            CALLEE,
            &Sip::request("INVITE", &leg, 1),
        );
    }
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    let open = tracker.open_by_start();
    let call_ids: Vec<String> = (open.iter())
        .filter_map(|open| tracker.record_of(open))
        .map(|call| call.legs[0].call_id.to_string())
        .collect();
    assert_eq!(call_ids, ["2@open", "1@open", "0@open"]);
    tracker.close_all();
    assert_eq!(tracker.record_of(&open[0]), None);
}
