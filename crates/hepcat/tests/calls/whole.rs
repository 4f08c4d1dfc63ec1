//! Calls out of stored messages, and what is done with stored records.

use hepcat::call::{
    CallRecord, Change, Closed, Flag, HeaderRule, LinkStatus, Moment, Rule, Rules, Seen, State,
    Whole, ladder::LaneBy,
};
use hepcat_testkit::scene::{START_US, Scene};

use crate::{
    feed::{calls_of, seen, tracker},
    scenes::{b2bua, basic, three_hops},
};

fn seconds(seconds: i64) -> Moment {
    Moment::from_micros(START_US + seconds * 1_000_000)
}

fn whole(scene: &Scene, rules: &Rules, now: Moment) -> Whole {
    let messages: Vec<Seen<'_>> = (1..)
        .zip(&scene.observations)
        .map(|(row, one)| seen(row, one))
        .collect();
    Whole::gather(&messages, rules, now, LaneBy::AddressAndPort)
}

#[test]
fn what_is_gathered_is_what_was_followed() {
    for scene in [basic("1@a"), three_hops(0)] {
        let mut tracker = tracker();
        for (row, observation) in (1..).zip(&scene.observations) {
            tracker.ingest(&seen(row, observation));
        }
        tracker.expire(seconds(3_600));
        let followed = calls_of(tracker.take_changes());
        let mut backwards = Scene::new();
        backwards.observations = scene.observations.iter().rev().cloned().collect();
        let gathered = whole(&backwards, &Rules::default(), seconds(3_600));
        assert_eq!(gathered.calls, followed);
        assert_eq!(gathered.placed.len(), scene.observations.len());
        assert!(gathered.placed.iter().all(|placed| placed.place.is_some()));
        let observed: usize = gathered
            .ladder
            .arrows
            .iter()
            .map(|arrow| arrow.observed.len())
            .sum();
        assert_eq!(observed, scene.observations.len());
    }
}

#[test]
fn what_goes_on_is_not_closed() {
    let mut scene = basic("1@a");
    scene.observations.truncate(5);
    let now = whole(&scene, &Rules::default(), seconds(60));
    assert_eq!(
        (now.calls[0].state, now.calls[0].closed),
        (State::InCall, None)
    );
    let later = whole(&scene, &Rules::default(), seconds(2 * 86_400));
    assert_eq!(
        (later.calls[0].state, later.calls[0].closed),
        (State::InCall, Some(Closed::Idle))
    );
    assert!(later.calls[0].flags.has(Flag::MissingBye));
}

#[test]
fn a_log_line_that_came_before_its_call_is_placed() {
    let mut scene = basic("call-17@a");
    scene.add_other(
        "edge",
        -500,
        "192.0.2.1:9",
        "192.0.2.2:9",
        100,
        b"INFO: new call call-17@a",
    );
    let gathered = whole(&scene, &Rules::default(), seconds(3_600));
    let last = gathered.placed.last().unwrap();
    assert_eq!(last.place.map(|(_, call)| call), Some(gathered.calls[0].id));
    assert_eq!(gathered.calls[0].legs[0].events, 1);
}

#[test]
fn a_rule_that_is_taught_holds_for_the_past() {
    let scene = b2bua(|_, sip| sip.header("X-Leg", "one"), &["a@1", "b@2"]);
    assert_eq!(whole(&scene, &Rules::default(), seconds(60)).calls.len(), 2);
    let mut rules = Rules::default();
    rules.headers.push(HeaderRule::new("X-Leg"));
    let gathered = whole(&scene, &rules, seconds(3_600));
    assert_eq!(gathered.calls.len(), 1);
    let call = gathered.calls[0].id;
    assert!(
        gathered
            .placed
            .iter()
            .all(|placed| placed.place.is_some_and(|(_, of)| of == call))
    );
}

#[test]
fn stored_calls_are_parted_and_joined() {
    let scene = b2bua(
        |place, sip| match place {
            1 => sip.header("X-CID", "a@1"),
            2 => sip.header("X-Call-ID", "b@2"),
            _ => sip,
        },
        &["a@1", "b@2", "c@3"],
    );
    let call = whole(&scene, &Rules::default(), seconds(3_600))
        .calls
        .remove(0);
    let link = call
        .links
        .iter()
        .find(|link| link.rule == Rule::XCallId)
        .unwrap()
        .clone();
    let parts = call.clone().unlink(link.from, link.key);
    let names = |call: &CallRecord| -> Vec<String> {
        call.legs
            .iter()
            .map(|leg| leg.call_id.to_string())
            .collect()
    };
    assert_eq!(
        parts.iter().map(names).collect::<Vec<_>>(),
        [vec!["a@1", "b@2"], vec!["c@3"]]
    );
    assert_eq!(parts[0].id, call.id);
    assert_eq!(parts[1].id, parts[1].legs[0].id.into());
    assert_eq!(parts[0].messages + parts[1].messages, call.messages);
    assert!(parts.iter().all(|part| {
        part.links
            .iter()
            .any(|link| link.status == LinkStatus::Unlinked)
    }));
    let [one, other] = <[CallRecord; 2]>::try_from(parts).unwrap();
    let again = other.link(one);
    assert_eq!((again.id, names(&again)), (call.id, names(&call)));
    assert!(again.links.iter().any(|link| link.rule == Rule::Manual));
    let manual = again
        .links
        .iter()
        .find(|link| link.rule == Rule::Manual)
        .unwrap()
        .clone();
    assert_eq!(again.unlink(manual.from, manual.key).len(), 2);
}

#[test]
fn a_stored_call_says_what_retention_took() {
    let mut call = whole(&basic("1@a"), &Rules::default(), seconds(3_600))
        .calls
        .remove(0);
    assert!(!call.partition_removed(seconds(-1)));
    assert!(!call.flags.has(Flag::PartitionRemoved));
    assert!(call.partition_removed(seconds(10)));
    assert!(
        call.flags.has(Flag::PartitionRemoved) && call.legs[0].flags.has(Flag::PartitionRemoved)
    );
    assert!(!call.partition_removed(seconds(10)), "it says so already");
}

#[test]
fn what_is_final_is_told_once_and_what_is_open_can_be_asked_for() {
    let mut tracker = tracker();
    let scene = basic("1@a");
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    assert_eq!(tracker.take_finished(), []);
    let open: Vec<_> = tracker.open_calls().collect();
    assert_eq!(open.len(), 1);
    assert_eq!(tracker.call_with("1@a").as_ref(), open.first());
    assert_eq!(tracker.call_with("2@a"), None);
    assert_eq!(tracker.last_row(), 7);
    tracker.expire(seconds(3_600));
    let finished = tracker.take_finished();
    assert!(
        matches!(&finished[..], [Change::Call(call)] if call.closed == Some(Closed::Over)),
        "{finished:?}"
    );
    assert_eq!(tracker.open_calls().count(), 0);
}
