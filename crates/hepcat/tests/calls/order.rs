//! Arrival may be in any order, and more than once.

use hepcat::call::{CallRecord, Change, Tracker, TrackerState};
use hepcat_testkit::scene::{Observation, Scene, Sip};
use proptest::prelude::*;

use crate::{
    feed::{calls, calls_of, seen, tracker},
    scenes::{b2bua, basic, cancelled, challenged, forked, refused, three_hops},
};

fn all_scenes() -> Vec<(&'static str, Scene)> {
    let mark = |place: usize, sip: Sip| match place {
        1 => sip.header("X-CID", "a@1"),
        2 => sip
            .header("P-Charging-Vector", "icid-value=17")
            .header("X-Call-ID", "b@2"),
        _ => sip,
    };
    vec![
        ("basic", basic("1@a")),
        ("busy", refused(486, "Busy Here")),
        ("cancelled", cancelled()),
        ("challenged", challenged(true)),
        ("challenged in vain", challenged(false)),
        ("three hops", three_hops(0)),
        ("forked", forked()),
        ("three legs", b2bua(mark, &["a@1", "b@2", "c@3"])),
    ]
}

/// What must be the same: all but ids, which tell when a leg was first received, and what counts observations.
fn essence(mut calls: Vec<CallRecord>) -> Vec<serde_json::Value> {
    for call in &mut calls {
        call.legs
            .sort_by(|one, other| one.call_id.cmp(&other.call_id));
    }
    calls.sort_by(|one, other| one.legs[0].call_id.cmp(&other.legs[0].call_id));
    calls
        .into_iter()
        .map(|call| {
            let ids: Vec<_> = call
                .legs
                .iter()
                .map(|leg| (leg.id, leg.call_id.clone()))
                .collect();
            let name = |id| {
                ids.iter()
                    .find(|(known, _)| *known == id)
                    .map(|(_, name)| name.clone())
            };
            let mut links: Vec<_> = call
                .links
                .iter()
                .map(|link| {
                    (
                        name(link.from),
                        name(link.to),
                        link.rule,
                        link.value.clone(),
                        link.status,
                    )
                })
                .collect();
            links.sort();
            let links = serde_json::to_value(links).expect("of this shape");
            let mut value = serde_json::to_value(&call).expect("of this shape");
            let object = value.as_object_mut().expect("of this shape");
            for key in ["id", "links", "duplicates", "flags"] {
                object.remove(key);
            }
            object.insert("links".into(), links);
            for leg in object["legs"].as_array_mut().expect("of this shape") {
                let leg = leg.as_object_mut().expect("of this shape");
                leg.remove("id");
                leg.remove("duplicates");
                let flags = leg["flags"].as_array_mut().expect("of this shape");
                flags.retain(|flag| flag != "duplicate");
            }
            value
        })
        .collect()
}

fn feed<'o>(tracker: &mut Tracker, observations: impl IntoIterator<Item = &'o Observation>) {
    for (row, observation) in (1..).zip(observations) {
        tracker.ingest(&seen(row, observation));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_and_any_duplication_make_the_same_call(
        which in 0..8_usize,
        order in Just((0..64_usize).collect::<Vec<_>>()).prop_shuffle(),
        twice in proptest::collection::vec(0..64_usize, 0..12),
    ) {
        let (name, scene) = all_scenes().swap_remove(which);
        let expected = essence(calls(&scene));
        let count = scene.observations.len();
        let picks = order.into_iter().chain(twice).filter(|at| *at < count);
        let mut tracker = tracker();
        feed(&mut tracker, picks.map(|at| &scene.observations[at]));
        prop_assert_eq!(essence(calls_of(tracker.take_changes())), expected, "{}", name);
    }

    #[test]
    fn a_restart_at_any_message_changes_nothing(which in 0..8_usize, cut in 0..64_usize) {
        let (_, scene) = all_scenes().swap_remove(which);
        let expected = calls(&scene);
        let (before, after) = scene.observations.split_at(cut % scene.observations.len());
        let mut tracker = tracker();
        feed(&mut tracker, before);
        let json = serde_json::to_string(tracker.state()).unwrap();
        let state: TrackerState = serde_json::from_str(&json).unwrap();
        let mut tracker = Tracker::restore(Default::default(), Default::default(), state).unwrap();
        for (row, observation) in (1..).zip(after) {
            tracker.ingest(&seen(row, observation));
        }
        prop_assert_eq!(calls_of(tracker.take_changes()), expected);
    }
}

#[test]
fn an_id_that_was_told_and_is_no_more_is_said_to_be() {
    let scene = b2bua(
        |place, sip| {
            if place == 0 {
                sip.header("X-CID", "b@2")
            } else {
                sip
            }
        },
        &["a@1", "b@2"],
    );
    let second = scene
        .observations
        .iter()
        .position(|o| {
            o.payload.windows(3).any(|w| w == b"b@2") && !o.payload.windows(3).any(|w| w == b"a@1")
        })
        .unwrap();
    let mut tracker = tracker();
    tracker.ingest(&seen(1, &scene.observations[second]));
    let first = calls_of(tracker.take_changes()).remove(0);
    feed(&mut tracker, &scene.observations);
    let changes = tracker.take_changes();
    let superseded: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Superseded { id, by } => Some((*id, *by)),
            _ => None,
        })
        .collect();
    let call = calls_of(changes).remove(0);
    assert_eq!(superseded, [(first.id, call.id)]);
}
