//! Scenes into a tracker.

use hepcat::call::{CallRecord, Change, Limits, Moment, RegistrationRecord, Rules, Seen, Tracker};
use hepcat_testkit::scene::{Observation, Scene};
use hepcat_wire::ProtocolType;

pub(crate) const CALLER: &str = "10.0.0.1:5060";
pub(crate) const PROXY: &str = "10.0.0.5:5060";
pub(crate) const CALLEE: &str = "10.0.0.9:5060";
pub(crate) const PCMA: &[&str] = &["8 PCMA/8000", "101 telephone-event/8000"];

/// How the tracker is told of an observation.
pub(crate) fn seen(row: u64, observation: &Observation) -> Seen<'_> {
    let received = Moment::from_micros(observation.received_us);
    let mut seen = Seen::new(row, received, &observation.agent, &observation.payload)
        .sent_at(Moment::from_micros(observation.sent_us))
        .between(observation.source, observation.destination)
        .of_type(ProtocolType(observation.protocol_type));
    if let Some(id) = &observation.correlation_id {
        seen = seen.correlated(id.as_bytes());
    }
    if let Some(json) = &observation.extra_correlation {
        seen = seen.extra_correlated(json.as_bytes());
    }
    seen
}

pub(crate) fn tracker() -> Tracker {
    Tracker::new(Limits::default(), Rules::default(), 7)
}

/// The calls of a scene as they stand after its last message, by time.
pub(crate) fn calls(scene: &Scene) -> Vec<CallRecord> {
    calls_with(tracker(), scene)
}

pub(crate) fn calls_with(mut tracker: Tracker, scene: &Scene) -> Vec<CallRecord> {
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    calls_of(tracker.take_changes())
}

/// The calls of a scene after everything is closed.
pub(crate) fn closed_calls(scene: &Scene) -> Vec<CallRecord> {
    let mut tracker = tracker();
    for (row, observation) in (1..).zip(&scene.observations) {
        tracker.ingest(&seen(row, observation));
    }
    tracker.close_all();
    calls_of(tracker.take_changes())
}

pub(crate) fn calls_of(changes: Vec<Change>) -> Vec<CallRecord> {
    let mut calls: Vec<CallRecord> = changes
        .into_iter()
        .filter_map(|change| match change {
            Change::Call(call) => Some(*call),
            _ => None,
        })
        .collect();
    calls.sort_by(|one, other| {
        (one.started, &one.legs[0].call_id).cmp(&(other.started, &other.legs[0].call_id))
    });
    calls
}

pub(crate) fn registrations_of(changes: Vec<Change>) -> Vec<RegistrationRecord> {
    let registrations = changes.into_iter().filter_map(|change| match change {
        Change::Registration(registration) => Some(*registration),
        _ => None,
    });
    registrations.collect()
}

/// The one call of a scene.
pub(crate) fn call(scene: &Scene) -> CallRecord {
    let mut calls = calls(scene);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    calls.remove(0)
}
