//! Reports, logs and events belong to calls.

use hepcat::call::{AttachedBy, CallRecord, Flag, Placed};
use hepcat_testkit::scene::{Leg, Scene, Sip};

use crate::{
    feed::{CALLEE, CALLER, calls_of, seen, tracker},
    scenes::basic,
};

const RTCP: &[u8] = &[
    0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2, 64, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 160, 0, 0, 0, 0, 0,
    0, 0, 0,
];

fn last(scene: &Scene) -> (Placed, CallRecord) {
    let mut tracker = tracker();
    let mut placed = None;
    for (row, observation) in (1..).zip(&scene.observations) {
        placed = Some(tracker.ingest(&seen(row, observation)));
    }
    (
        placed.expect("a message"),
        calls_of(tracker.take_changes()).remove(0),
    )
}

fn attached(
    protocol_type: u8,
    payload: &[u8],
    ends: (&str, &str),
    id: Option<&str>,
) -> (Option<AttachedBy>, CallRecord) {
    let mut scene = basic("call-17@a");
    let end = scene.observations.split_off(5);
    scene
        .add_other("edge", 9_000, ends.0, ends.1, protocol_type, payload)
        .correlation_id = id.map(Into::into);
    let (placed, call) = last(&scene);
    assert_eq!(
        placed.place.map(|(_, call)| call),
        placed.attached_by.map(|_| call.id)
    );
    drop(end);
    (placed.attached_by, call)
}

const NOWHERE: (&str, &str) = ("192.0.2.1:9", "192.0.2.2:9");

#[test]
fn rtcp_belongs_by_address_or_id() {
    let (by, call) = attached(5, RTCP, ("10.0.0.1:4001", "10.0.0.9:6001"), None);
    assert_eq!(by, Some(AttachedBy::MediaAddress));
    let quality = call.legs[0].quality.unwrap();
    assert_eq!(
        (quality.loss_percent, quality.jitter_ms),
        (Some(25.0), Some(20.0))
    );
    assert!(call.flags.has(Flag::PoorQuality));
    assert_eq!(call.legs[0].reports, 1);
    let (by, _) = attached(5, RTCP, ("192.0.2.1:9", "10.0.0.9:6001"), None);
    assert_eq!(
        by,
        Some(AttachedBy::MediaAddress),
        "the other end may be behind a NAT"
    );
    let (by, _) = attached(5, RTCP, NOWHERE, None);
    assert_eq!(by, None);
    let (by, _) = attached(5, RTCP, NOWHERE, Some("call-17@a"));
    assert_eq!(by, Some(AttachedBy::CorrelationId));
}

#[test]
fn json_logs_and_events_belong_by_the_call_id_inside() {
    let (by, call) = attached(
        5,
        br#"{"type":201,"report_blocks":[{"fraction_lost":0}],"callid":"call-17@a"}"#,
        NOWHERE,
        None,
    );
    assert_eq!(
        (by, call.legs[0].reports),
        (Some(AttachedBy::CallIdInPayload), 1)
    );
    let (by, call) = attached(100, b"INFO: call <call-17@a> has no route", NOWHERE, None);
    assert_eq!(
        (by, call.legs[0].events),
        (Some(AttachedBy::CallIdInPayload), 1)
    );
    let (by, _) = attached(100, b"INFO: nothing to see", NOWHERE, Some("call-17@a"));
    assert_eq!(by, Some(AttachedBy::CorrelationId));
    let (by, _) = attached(
        61,
        br#"5323_1 {"command":"offer","call-id":"call-17@a"}"#,
        NOWHERE,
        None,
    );
    assert_eq!(by, Some(AttachedBy::CallIdInPayload));
    let (by, _) = attached(
        100,
        b"INFO: nothing to see",
        ("10.0.0.1:4000", CALLEE),
        None,
    );
    assert_eq!(by, None, "logs have no media address");
}

#[test]
fn a_published_report_belongs_to_the_call_that_it_is_about() {
    let mut scene = basic("call-17@a");
    let report = "VQSessionReport: CallTerm\r\nCallID: call-17@a\r\nQualityEst:MOSLQ=2.4\r\n";
    let publish = Sip::request("PUBLISH", &Leg::new("other@a", "phone", "collector"), 1)
        .body("application/vq-rtcpxr", report);
    scene.add("edge", 66_000, CALLER, CALLEE, &publish);
    let (placed, call) = last(&scene);
    assert_eq!(placed.attached_by, Some(AttachedBy::CallIdInPayload));
    assert_eq!(call.legs[0].quality.unwrap().mos, Some(2.4));
    assert_eq!(call.legs.len(), 1, "the PUBLISH is a leg of its own");
}
