//! Why legs are one call.

use hepcat::call::{
    Affix, CallRecord, HeaderRule, Limits, LinkStatus, Rule, Rules, Tracker, regroup,
};
use hepcat_testkit::scene::{Leg, Scene, Sip};
use rstest::rstest;

use crate::{
    feed::{CALLEE, CALLER, PCMA, PROXY, calls, calls_of, calls_with, seen, tracker},
    scenes::b2bua,
};

const HALF_A: &str = "ab30317f1a784dc48ff824d0d3715d86";
const HALF_B: &str = "47755a9de7794ba387653f2099600ef2";

fn on(place: usize, name: &'static str, value: &'static str) -> impl Fn(usize, Sip) -> Sip {
    move |at, sip| {
        if at == place {
            sip.header(name, value)
        } else {
            sip
        }
    }
}

fn on_all(name: &'static str, value: &'static str) -> impl Fn(usize, Sip) -> Sip {
    move |_, sip| sip.header(name, value)
}

fn rules_of(call: &CallRecord) -> Vec<(Rule, u8, LinkStatus)> {
    call.links
        .iter()
        .map(|link| (link.rule, link.confidence, link.status))
        .collect()
}

#[rstest]
#[case::x_cid(b2bua(on(1, "X-CID", "a@1"), &["a@1", "b@2"]), Rule::XCid, 95)]
#[case::x_call_id(b2bua(on(1, "X-Call-ID", "a@1"), &["a@1", "b@2"]), Rule::XCallId, 95)]
#[case::the_first_names_the_second(b2bua(on(0, "X-CID", "b@2"), &["a@1", "b@2"]), Rule::XCid, 95)]
#[case::icid(b2bua(on_all("P-Charging-Vector", "icid-value=17ab;orig-ioi=h"), &["a@1", "b@2"]), Rule::Icid, 90)]
#[case::suffix(b2bua(|_, sip| sip, &["a@1", "a@1_b2b-1"]), Rule::CallIdAffix, 90)]
#[case::replaces(b2bua(on(1, "Replaces", "a@1;to-tag=t;from-tag=f"), &["a@1", "b@2"]), Rule::Replaces, 98)]
#[case::join(b2bua(on(1, "Join", "a@1;to-tag=t;from-tag=f"), &["a@1", "b@2"]), Rule::Join, 90)]
#[case::target_dialog(b2bua(on(1, "Target-Dialog", "a@1;local-tag=t"), &["a@1", "b@2"]), Rule::TargetDialog, 90)]
#[case::session_half(
    b2bua(on_all("Session-ID", "ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000"), &["a@1", "b@2"]),
    Rule::SessionIdHalf,
    80
)]
fn two_legs_are_one_call(#[case] scene: Scene, #[case] rule: Rule, #[case] confidence: u8) {
    let calls = calls(&scene);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    let call = &calls[0];
    assert_eq!(call.legs.len(), 2);
    assert_eq!(rules_of(call), [(rule, confidence, LinkStatus::Joined)]);
    assert_eq!(call.id, call.legs[0].id.into());
    assert_eq!(&*call.legs[0].call_id, "a@1");
}

#[test]
fn session_ids_are_unordered_pairs() {
    let scene = b2bua(
        |place, sip| {
            let (one, other) = if place == 0 {
                (HALF_A, HALF_B)
            } else {
                (HALF_B, HALF_A)
            };
            sip.header("Session-ID", &format!("{one};remote={other}"))
        },
        &["a@1", "b@2"],
    );
    let calls = calls(&scene);
    assert_eq!(
        rules_of(&calls[0]),
        [(Rule::SessionId, 95, LinkStatus::Joined)]
    );
    let nil = "00000000000000000000000000000000";
    let scene = b2bua(
        move |_, sip| sip.header("Session-ID", &format!("{nil};remote={nil}")),
        &["a@1", "b@2"],
    );
    assert_eq!(crate::feed::calls(&scene).len(), 2);
}

#[test]
fn links_reach_across_any_number_of_legs() {
    let scene = b2bua(
        |place, sip| match place {
            1 => sip.header("X-CID", "a@1"),
            2 => sip.header("X-Call-ID", "b@2"),
            _ => sip,
        },
        &["a@1", "b@2", "c@3"],
    );
    let calls = calls(&scene);
    assert_eq!(calls.len(), 1);
    let legs: Vec<_> = calls[0].legs.iter().map(|leg| &*leg.call_id).collect();
    assert_eq!(legs, ["a@1", "b@2", "c@3"]);
    assert_eq!(calls[0].links.len(), 2);
    let groups = regroup(
        &calls[0].legs.iter().map(|leg| leg.id).collect::<Vec<_>>(),
        &calls[0].links,
    );
    assert_eq!(groups.len(), 1);
}

#[test]
fn hep_chunks_correlate() {
    let mut scene = b2bua(|_, sip| sip, &["a@1", "b@2", "c@3"]);
    for observation in &mut scene.observations {
        let text = String::from_utf8_lossy(&observation.payload).into_owned();
        if text.contains("b@2") {
            observation.correlation_id = Some("a@1".into());
        } else if text.contains("c@3") {
            observation.correlation_id = Some("c@3".into());
            observation.extra_correlation = Some(r#"{"sip":"a@1","net":"77"}"#.into());
        }
    }
    let calls = calls(&scene);
    assert_eq!(calls.len(), 1);
    let rules = rules_of(&calls[0]);
    assert_eq!(rules.len(), 2);
    assert!(rules.contains(&(Rule::CorrelationId, 95, LinkStatus::Joined)));
    assert!(rules.contains(&(Rule::ExtraCorrelation, 95, LinkStatus::Joined)));
}

#[test]
fn a_connection_is_not_a_call() {
    let mut scene = b2bua(|_, sip| sip, &["a@1", "b@2"]);
    for observation in &mut scene.observations {
        observation.extra_correlation = Some(r#"{"net":"77"}"#.into());
    }
    assert_eq!(calls(&scene).len(), 2);
}

#[rstest]
#[case::before(0)]
#[case::between(4)]
#[case::after(usize::MAX)]
fn a_correlate_message_joins_whenever_it_comes(#[case] place: usize) {
    let mut scene = b2bua(|_, sip| sip, &["a@1", "b@2"]);
    scene
        .add_other("edge", 10, "127.0.0.2:0", "127.0.0.2:0", 0x60, b"")
        .extra_correlation = Some(r#"{"correlation-no-1":"a@1","correlation-no-2":"b@2"}"#.into());
    let correlate = scene.observations.pop().unwrap();
    scene
        .observations
        .insert(place.min(scene.observations.len()), correlate);
    let calls = calls(&scene);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!(
        rules_of(&calls[0]),
        [(Rule::Correlate, 100, LinkStatus::Joined)]
    );
}

#[test]
fn configured_headers_and_affixes() {
    let mut rules = Rules::default();
    rules.headers = vec![HeaderRule::new("x-leg").with_confidence(85)];
    rules.affixes = vec![Affix::prefix("out-")];
    let tracker = || Tracker::new(Limits::default(), rules.clone(), 7);
    let by_header = calls_with(
        tracker(),
        &b2bua(on_all("X-Leg", "shared-17"), &["a@1", "b@2"]),
    );
    assert_eq!(
        rules_of(&by_header[0]),
        [(Rule::Header, 85, LinkStatus::Joined)]
    );
    assert_eq!(by_header[0].links[0].header.as_deref(), Some("x-leg"));
    assert_eq!(&*by_header[0].links[0].value, "shared-17");
    let by_prefix = calls_with(tracker(), &b2bua(|_, sip| sip, &["a@1", "out-a@1"]));
    assert_eq!(
        rules_of(&by_prefix[0]),
        [(Rule::CallIdAffix, 90, LinkStatus::Joined)]
    );
}

#[test]
fn a_rule_is_taught_while_it_runs() {
    let mut tracker = tracker();
    let before = calls_with_mut(
        &mut tracker,
        &b2bua(on_all("X-Leg", "one"), &["a@1", "b@2"]),
    );
    assert_eq!(before.len(), 2);
    let mut rules = tracker.rules().clone();
    rules.headers.push(HeaderRule::new("X-Leg"));
    tracker.set_rules(rules);
    let after = calls_with_mut(
        &mut tracker,
        &b2bua(on_all("X-Leg", "two"), &["c@1", "d@2"]),
    );
    assert_eq!(after.len(), 1);
}

fn calls_with_mut(tracker: &mut Tracker, scene: &Scene) -> Vec<CallRecord> {
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    calls_of(tracker.take_changes())
}

#[test]
fn a_b2bua_that_keeps_the_vias() {
    let mut scene = Scene::new();
    let sdp = |sip: Sip| sip.sdp("10.0.0.1", 4000, PCMA, "sendrecv");
    let (one, two) = (
        Leg::new("a@1", "alice", "bob"),
        Leg::new("b@2", "alice", "bob"),
    );
    scene.add(
        "edge",
        0,
        CALLER,
        PROXY,
        &sdp(Sip::request("INVITE", &one, 1).vias(&["z9hG4bK1"])),
    );
    let second = Sip::request("INVITE", &two, 1).vias(&["z9hG4bK2", "z9hG4bK1"]);
    scene.add("edge", 5, PROXY, CALLEE, &second);
    let calls = calls(&scene);
    assert_eq!(
        rules_of(&calls[0]),
        [(Rule::ViaBranch, 90, LinkStatus::Joined)]
    );
}

/// Media address, whose INVITE comes how long after the other's, from where, with what result.
#[rstest]
#[case::passed_on("198.51.100.7", 50, PROXY, Some((Rule::Media, 75, LinkStatus::Joined)))]
#[case::a_private_one("10.0.0.1", 50, PROXY, Some((Rule::PrivateMedia, 55, LinkStatus::Suggested)))]
#[case::dialled_again("198.51.100.7", 50, CALLER, None)]
#[case::long_after("198.51.100.7", 9_000, PROXY, None)]
fn media_addresses(
    #[case] media: &str,
    #[case] after: i64,
    #[case] source: &str,
    #[case] expected: Option<(Rule, u8, LinkStatus)>,
) {
    let mut scene = Scene::new();
    for (id, at, source) in [("a@1", 0, CALLER), ("b@2", after, source)] {
        let leg = Leg::new(id, "alice", "bob");
        scene.add(
            "edge",
            at,
            source,
            CALLEE,
            &Sip::request("INVITE", &leg, 1).sdp(media, 4000, PCMA, "sendrecv"),
        );
    }
    let calls = calls(&scene);
    let joined = expected.is_some_and(|(_, _, status)| status == LinkStatus::Joined);
    assert_eq!(calls.len(), if joined { 1 } else { 2 });
    let links: Vec<_> = calls.iter().flat_map(rules_of).collect();
    assert_eq!(links.first().copied(), expected);
    // What is only suggested is said of both.
    let said = calls.iter().filter(|call| !call.links.is_empty()).count();
    assert_eq!(said, if expected.is_some() { calls.len() } else { 0 });
}

#[test]
fn transfers() {
    let (one, two, new) = (
        Leg::new("a@1", "alice", "bob"),
        Leg::new("b@2", "bob", "carol"),
        Leg::new("c@3", "alice", "carol"),
    );
    let mut scene = Scene::new();
    for (at, leg) in [(0, &one), (5_000, &two)] {
        scene.add("edge", at, CALLER, CALLEE, &Sip::request("INVITE", leg, 1));
        scene.add(
            "edge",
            at + 500,
            CALLEE,
            CALLER,
            &Sip::response(200, "OK", leg, 1, "INVITE"),
        );
        scene.add(
            "edge",
            at + 510,
            CALLER,
            CALLEE,
            &Sip::request("ACK", leg, 1).inside(leg),
        );
    }
    let refer = Sip::request("REFER", &one, 1).backwards(&one).header(
        "Refer-To",
        "<sip:carol@example.net?Replaces=b%402%3Bto-tag%3Dt-carol%3Bfrom-tag%3Df-bob>",
    );
    scene.add("edge", 9_000, CALLEE, CALLER, &refer);
    scene.add(
        "edge",
        9_010,
        CALLER,
        CALLEE,
        &Sip::response(202, "Accepted", &one, 1, "REFER"),
    );
    let invite =
        Sip::request("INVITE", &new, 1).header("Replaces", "b@2;to-tag=t-carol;from-tag=f-bob");
    scene.add("edge", 9_050, CALLER, CALLEE, &invite);
    let calls = calls(&scene);
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].legs.len(), 3);
    let rules: Vec<_> = calls[0].links.iter().map(|link| link.rule).collect();
    assert!(
        rules.contains(&Rule::Replaces) && rules.contains(&Rule::ReferReplaces),
        "{rules:?}"
    );
    assert!(calls[0].flags.has(hepcat::call::Flag::Transfer));
}

#[test]
fn a_blind_transfer() {
    let (one, new) = (
        Leg::new("a@1", "alice", "bob"),
        Leg::new("c@3", "alice", "carol"),
    );
    let mut scene = Scene::new();
    scene.add("edge", 0, CALLER, CALLEE, &Sip::request("INVITE", &one, 1));
    let refer = Sip::request("REFER", &one, 1)
        .backwards(&one)
        .header("Refer-To", "<sip:carol@example.net>");
    scene.add("edge", 9_000, CALLEE, CALLER, &refer);
    let invite = Sip::request("INVITE", &new, 1).header("Referred-By", "<sip:bob@example.net>");
    scene.add("edge", 9_050, CALLER, CALLEE, &invite);
    assert_eq!(
        rules_of(&calls(&scene)[0]),
        [(Rule::Referred, 75, LinkStatus::Joined)]
    );
    // Also where the node restarts between the two.
    let (before, after) = scene.observations.split_at(2);
    let mut tracker = tracker();
    before.iter().for_each(|one| {
        tracker.ingest(&seen(1, one));
    });
    let state = serde_json::to_string(tracker.state()).unwrap();
    let state = serde_json::from_str(&state).unwrap();
    let mut tracker = Tracker::restore(Limits::default(), Rules::default(), state).unwrap();
    after.iter().for_each(|one| {
        tracker.ingest(&seen(2, one));
    });
    assert_eq!(calls_of(tracker.take_changes()).len(), 1);
}

#[test]
fn what_is_unlinked_stays_apart() {
    let scene = b2bua(on(1, "X-CID", "a@1"), &["a@1", "b@2"]);
    let (begin, rest) = scene.observations.split_at(2);
    let mut tracker = tracker();
    for (row, observation) in (1..).zip(begin) {
        tracker.ingest(&seen(row, observation));
    }
    let call = calls_of(tracker.take_changes()).remove(0);
    let link = &call.links[0];
    assert!(tracker.unlink(link.from, link.key));
    assert!(!tracker.unlink(link.from, 1));
    for (row, observation) in (3..).zip(rest) {
        tracker.ingest(&seen(row, observation));
    }
    let calls = calls_of(tracker.take_changes());
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].links[0].status, LinkStatus::Unlinked);
    assert!(tracker.link(calls[0].legs[0].id, calls[1].legs[0].id));
    let joined = calls_of(tracker.take_changes());
    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0].legs.len(), 2);
}

#[test]
fn a_value_that_everybody_has_joins_only_so_many() {
    let mut scene = Scene::new();
    for number in 0..200_i64 {
        let leg = Leg::new(&format!("{number}@h"), "alice", "bob");
        let invite = Sip::request("INVITE", &leg, 1).header("X-CID", "constant");
        scene.add("edge", number * 100, CALLER, CALLEE, &invite);
    }
    let calls = calls(&scene);
    assert!(
        calls.iter().all(|call| call.legs.len() <= 33),
        "no heap of everything"
    );
    assert!(calls.len() > 150);
    assert!(
        calls
            .iter()
            .any(|call| call.flags.has(hepcat::call::Flag::Limited))
    );
}
