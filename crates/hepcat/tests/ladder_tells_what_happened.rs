//! The ladder: causal order, merged observations, and how it looks.

#[path = "calls/feed.rs"]
#[expect(dead_code, reason = "shared with the tests of calls")]
mod feed;
#[path = "calls/scenes.rs"]
#[expect(dead_code, reason = "shared with the tests of calls")]
mod scenes;

use hepcat::call::{
    Seen,
    ladder::{Art, Colours, Ladder, LaneBy, Text, Times},
};
use hepcat_testkit::scene::{Leg, Scene, Sip};
use proptest::prelude::*;

use feed::{CALLEE, CALLER, PCMA, seen};
use scenes::{b2bua, basic, cancelled, forked, three_hops};

fn ladder(scene: &Scene) -> Ladder {
    let seen: Vec<Seen<'_>> = (1..)
        .zip(&scene.observations)
        .map(|(row, one)| seen(row, one))
        .collect();
    Ladder::new(&seen, LaneBy::AddressAndPort)
}

fn labels(ladder: &Ladder) -> Vec<(String, String)> {
    ladder
        .arrows
        .iter()
        .map(|arrow| (ladder.lanes[arrow.from].label(), arrow.label.to_string()))
        .collect()
}

#[test]
fn an_ordinary_call_in_box_drawing() {
    insta::assert_snapshot!(ladder(&basic("1@a")).text(&Text::default()));
}

#[test]
fn and_in_ascii_with_other_times() {
    let text = Text::default().with_art(Art::Ascii).with_width(80);
    insta::assert_snapshot!(
        "relative",
        ladder(&cancelled()).text(&text.with_times(Times::Relative))
    );
    insta::assert_snapshot!(
        "delta",
        ladder(&cancelled()).text(&text.with_times(Times::Delta))
    );
}

#[test]
fn hops_seen_by_two_agents_with_clocks_apart() {
    let ladder = ladder(&three_hops(3_000));
    insta::assert_snapshot!(ladder.text(&Text::default().with_width(140)));
    let [correction] = ladder.corrections.as_slice() else {
        panic!("{:?}", ladder.corrections)
    };
    assert_eq!(&*correction.agent, "far");
    assert!(
        (correction.correction_us + 3_001_000).abs() <= 2_000,
        "{correction:?}"
    );
}

#[test]
fn what_was_kept_on_the_way_tells_nothing_of_clocks_by_its_arrival() {
    let mut scene = three_hops(3_000);
    let leg = Leg::new("more", "alice", "bob");
    scene.add("near", 0, CALLER, CALLEE, &Sip::request("OPTIONS", &leg, 1));
    for observation in &mut scene.observations {
        observation.received_us += 80_000_000;
    }
    let ladder = ladder(&scene);
    let corrected: Vec<&str> = ladder.corrections.iter().map(|one| &*one.agent).collect();
    assert_eq!(
        corrected,
        ["far"],
        "it saw less, and is nearer to our clock by chance"
    );
}

#[test]
fn legs_of_a_b2bua_have_letters() {
    let scene = b2bua(|_, sip| sip, &["a@1", "b@2"]);
    insta::assert_snapshot!(ladder(&scene).text(&Text::default().with_width(90)));
}

#[test]
fn a_narrow_terminal_gets_plain_lines() {
    insta::assert_snapshot!(
        ladder(&forked()).text(&Text::default().with_width(70).with_art(Art::Ascii))
    );
}

#[test]
fn retransmissions_are_collapsed_or_not() {
    let mut scene = Scene::new();
    let leg = Leg::new("again", "alice", "bob");
    for at in [0, 500, 1_500] {
        scene.add("edge", at, CALLER, CALLEE, &Sip::request("INVITE", &leg, 1));
    }
    scene.add(
        "edge",
        1_600,
        CALLEE,
        CALLER,
        &Sip::response(486, "Busy\u{202e} \u{7}Here", &leg, 1, "INVITE"),
    );
    let ladder = ladder(&scene);
    let text = Text::default().with_width(80);
    insta::assert_snapshot!("collapsed", ladder.text(&text));
    insta::assert_snapshot!("every_one", ladder.text(&text.with_collapse(false)));
}

#[test]
fn clocks_far_apart_do_not_turn_it_around() {
    let straight = labels(&ladder(&three_hops(0)));
    for skew in [3_000, -3_000, 90_000, -90_000, 400] {
        assert_eq!(labels(&ladder(&three_hops(skew))), straight, "{skew}");
    }
}

/// Two agents that see nothing in common: only causes can tell.
#[test]
fn agents_without_common_messages_are_held_to_causes() {
    for skew in [-2_000, 2_000, 0] {
        let mut scene = Scene::new();
        scene.skew("callee's", skew);
        let leg = Leg::new("1", "alice", "bob");
        let ends = [
            ("caller's", CALLER, "10.0.0.5:5060"),
            ("callee's", "10.0.0.5:5060", CALLEE),
        ];
        let stacks: [&[&str]; 2] = [&["z9hG4bK1"], &["z9hG4bK2", "z9hG4bK1"]];
        for hop in [0, 1] {
            let (agent, from, to) = ends[hop];
            let at = i64::try_from(hop).unwrap() * 4;
            scene.add(
                agent,
                at,
                from,
                to,
                &Sip::request("INVITE", &leg, 1).vias(stacks[hop]),
            );
            scene.add(
                agent,
                110 - at,
                to,
                from,
                &Sip::response(180, "Ringing", &leg, 1, "INVITE").vias(stacks[hop]),
            );
            scene.add(
                agent,
                3_010 - at,
                to,
                from,
                &Sip::response(200, "OK", &leg, 1, "INVITE").vias(stacks[hop]),
            );
        }
        let told: Vec<_> = labels(&ladder(&scene))
            .into_iter()
            .map(|(from, label)| format!("{from} {label}"))
            .collect();
        let expected = [
            "10.0.0.1:5060 INVITE",
            "10.0.0.5:5060 INVITE",
            "10.0.0.9:5060 180 Ringing",
            "10.0.0.5:5060 180 Ringing",
            "10.0.0.9:5060 200 OK",
            "10.0.0.5:5060 200 OK",
        ];
        assert_eq!(told, expected, "{skew}");
    }
}

#[test]
fn what_comes_before_its_cause_is_put_after_it_and_marked() {
    let mut scene = basic("1@a");
    scene.observations[2].sent_us -= 10_000_000;
    let ladder = ladder(&scene);
    let marked: Vec<_> = ladder
        .arrows
        .iter()
        .filter(|arrow| arrow.adjusted)
        .map(|arrow| &*arrow.label)
        .collect();
    assert_eq!(marked, ["180 Ringing"]);
    assert_eq!(ladder.arrows[0].label.as_ref(), "INVITE");
}

/// Each hop says 100 for itself: that of the proxy is no answer to that of the callee, which comes later.
#[test]
fn trying_of_one_hop_does_not_wait_for_that_of_the_next() {
    let mut scene = Scene::new();
    let leg = Leg::new("1", "alice", "bob");
    let proxy = "10.0.0.5:5060";
    let (here, there) = (["z9hG4bK1"], ["z9hG4bK2", "z9hG4bK1"]);
    let invite = |vias: &[&str]| Sip::request("INVITE", &leg, 1).vias(vias);
    let trying = |vias: &[&str]| Sip::response(100, "Trying", &leg, 1, "INVITE").vias(vias);
    scene.add("edge", 0, CALLER, proxy, &invite(&here));
    scene.add("edge", 4, proxy, CALLER, &trying(&here));
    scene.add("edge", 9, proxy, CALLEE, &invite(&there));
    scene.add("edge", 21, CALLEE, proxy, &trying(&there));
    let ladder = ladder(&scene);
    assert!(
        ladder.arrows.iter().all(|arrow| !arrow.adjusted),
        "{ladder:#?}"
    );
    let told: Vec<_> = ladder.arrows.iter().map(|arrow| &*arrow.label).collect();
    assert_eq!(told, ["INVITE", "100 Trying", "INVITE", "100 Trying"]);
}

#[test]
fn every_observation_stays() {
    let ladder = ladder(&three_hops(0));
    assert_eq!(ladder.arrows.len(), 18);
    let observed: usize = ladder.arrows.iter().map(|arrow| arrow.observed.len()).sum();
    assert_eq!(observed, 24);
    let twice = ladder
        .arrows
        .iter()
        .find(|arrow| arrow.observed.len() == 2)
        .unwrap();
    assert_eq!(twice.observed[1].delay_us, 1_000);
    assert_ne!(twice.observed[0].row, twice.observed[1].row);
    assert!(twice.observed.iter().all(|one| one.differences.is_empty()));
}

#[test]
fn what_is_otherwise_between_two_observations_is_said() {
    let mut scene = Scene::new();
    let leg = Leg::new("1", "alice", "bob");
    let invite = |hops: &str| Sip::request("INVITE", &leg, 1).header("Max-Forwards", hops);
    scene.add("near", 0, CALLER, CALLEE, &invite("70"));
    scene.add("far", 3, CALLER, CALLEE, &invite("69"));
    let ladder = ladder(&scene);
    assert_eq!(ladder.arrows.len(), 1);
    let [first, second] = ladder.arrows[0].observed.as_slice() else {
        panic!("{:?}", ladder.arrows)
    };
    assert!(first.differences.is_empty());
    assert_eq!(second.delay_us, 3_000);
    let [difference] = second.differences.as_slice() else {
        panic!("{:?}", second.differences)
    };
    assert_eq!(
        (
            &*difference.name,
            difference.one.as_deref(),
            difference.other.as_deref()
        ),
        ("Max-Forwards", Some("70"), Some("69"))
    );
}

#[test]
fn colours_are_for_terminals() {
    let two_legs = b2bua(|_, sip| sip, &["a@1", "b@2"]);
    let plain = Text::default().with_width(90);
    for colours in [Colours::CallId, Colours::Kind] {
        let coloured = ladder(&two_legs).text(&plain.with_colours(colours));
        let mut bare = coloured.clone();
        for number in [0, 31, 32, 33, 34, 35, 36] {
            bare = bare.replace(&format!("\x1b[{number}m"), "");
        }
        assert_eq!(bare, ladder(&two_legs).text(&plain), "nothing else changes");
        for line in coloured.lines() {
            assert_eq!(
                line.matches("\x1b[3").count(),
                line.matches("\x1b[0m").count(),
                "{line:?}"
            );
        }
    }
    let by_leg = ladder(&two_legs).text(&plain.with_colours(Colours::CallId));
    assert!(by_leg.contains("\x1b[36ma: Call-ID a@1\x1b[0m"), "{by_leg}");
    assert!(
        by_leg.contains("│\x1b[33m────── b INVITE ──────▶\x1b[0m│"),
        "{by_leg}"
    );
    let by_kind = ladder(&cancelled()).text(&plain.with_colours(Colours::Kind));
    let colour_of = |word: &str| {
        let line = by_kind.lines().find(|line| line.contains(word)).unwrap();
        line.split("\x1b[")
            .nth(1)
            .unwrap()
            .split('m')
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(colour_of("INVITE"), "33");
    assert_eq!(colour_of("180 Ringing"), "36");
    assert_eq!(colour_of("200 OK"), "32");
    assert_eq!(colour_of("487 "), "31");
    let narrow = ladder(&forked()).text(&plain.with_width(60).with_colours(Colours::CallId));
    assert!(
        narrow
            .lines()
            .filter(|line| line.starts_with("\x1b[36m"))
            .count()
            > 10,
        "{narrow}"
    );
}

#[test]
fn both_times_and_days() {
    let mut scene = basic("1@a");
    for observation in &mut scene.observations[5..] {
        observation.sent_us += 86_400_000_000;
        observation.received_us += 86_400_000_000;
    }
    insta::assert_snapshot!(ladder(&scene).text(&Text::default().with_times(Times::Both)));
}

#[test]
fn reports_between_two_messages_are_folded() {
    let mut scene = basic("1@a");
    let report = [
        0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 64, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 160, 0, 0, 0, 0,
        0, 0, 0, 0,
    ];
    for number in 0..5_i64 {
        let at = 8_000 + number * 5_000;
        scene.add_other("edge", at, "10.0.0.1:4001", "10.0.0.9:6001", 5, &report);
        scene.add_other(
            "edge",
            at + 100,
            "10.0.0.9:6001",
            "10.0.0.1:4001",
            5,
            &report,
        );
    }
    let ladder = ladder(&scene);
    assert_eq!(
        ladder.lanes.len(),
        2,
        "reports share the lanes of their addresses"
    );
    insta::assert_snapshot!(ladder.text(&Text::default().with_width(110)));
    let all = ladder.text(&Text::default().with_collapse(false));
    assert_eq!(all.matches("RTCP").count(), 10);
}

#[test]
fn what_is_not_sip_has_its_place() {
    let mut scene = basic("1@a");
    scene.add_other(
        "edge",
        9_000,
        "10.0.0.1:4001",
        "10.0.0.9:6001",
        5,
        &[0x80, 201, 0, 1, 0, 0, 0, 1],
    );
    scene.add_other(
        "edge",
        9_500,
        CALLER,
        CALLER,
        100,
        b"INFO: all is well\nsecond line",
    );
    let ladder = ladder(&scene);
    let labels: Vec<_> = ladder.arrows.iter().map(|arrow| &*arrow.label).collect();
    assert_eq!(labels[5..7], ["RTCP", "INFO: all is well"]);
    assert!(
        ladder
            .text(&Text::default().with_width(200))
            .contains("↺ INFO: all is well")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_rows_does_not_matter(order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle(), skew in -5_000..5_000_i64) {
        let scene = three_hops(skew);
        let mut shuffled = Scene::new();
        shuffled.observations = order.iter().map(|at| scene.observations[*at].clone()).collect();
        prop_assert_eq!(labels(&ladder(&shuffled)), labels(&ladder(&scene)));
    }

    #[test]
    fn no_message_is_lost_and_no_width_is_too_small(
        payloads in proptest::collection::vec("(INVITE|BYE) sip:a SIP/2.0\r\n(Call-ID: [ab]\r\n)?(Via: SIP/2.0/UDP h;branch=[ab]\r\n)?(CSeq: [12] INVITE\r\n)?", 0..20),
        width in 0..200_usize,
    ) {
        let mut scene = Scene::new();
        for (at, payload) in (0..).zip(&payloads) {
            scene.add_other("edge", at * 700, CALLER, CALLEE, 1, payload.as_bytes());
        }
        let ladder = ladder(&scene);
        let observed: usize = ladder.arrows.iter().map(|arrow| arrow.observed.len()).sum();
        prop_assert_eq!(observed, payloads.len());
        let text = ladder.text(&Text::default().with_width(width).with_collapse(false));
        prop_assert!(text.lines().count() >= ladder.arrows.len());
    }
}

#[test]
fn sdp_stands_under_its_arrow() {
    let mut scene = Scene::new();
    let leg = Leg::new("1", "alice", "bob");
    scene.add(
        "edge",
        0,
        CALLER,
        CALLEE,
        &Sip::request("INVITE", &leg, 1).sdp("10.0.0.1", 4000, PCMA, "sendonly"),
    );
    assert!(
        ladder(&scene)
            .text(&Text::default())
            .contains("10.0.0.1:4000 PCMA hold")
    );
}
