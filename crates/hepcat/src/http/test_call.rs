//! `POST /api/v1/test-call`: a synthetic call through one of the node's own listeners, as an agent would send it.

use std::{io, time::SystemTime};

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    inlet::{self, Inlet},
    openapi::{Conflict, NotKept},
    problem::Problem,
    server::Shared,
};
use crate::demo;

/// What is played: it takes a third of a second, and has something to explain.
const SCENARIO: &str = "busy";

/// What was sent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TestCall {
    /// By which it is found.
    call_id: String,
    /// Name of the listener that it was sent to.
    listener: String,
    /// How many messages it has.
    messages: usize,
}

/// Sends a call that ends busy to the first listener without TLS. Whether it is taken in is for the listener to say:
/// it may want a key, or other addresses.
#[utoipa::path(
    post,
    path = "/api/v1/test-call",
    responses(
        (status = 200, description = "It was sent", body = TestCall),
        Conflict,
        NotKept,
    ),
)]
pub(super) async fn send(State(shared): State<Shared>) -> Result<Json<TestCall>, Problem> {
    let inlet = inlet::find(&shared, inlet::Carries::Either)?;
    let name = inlet.name().to_owned();
    let sent = tokio::task::spawn_blocking(move || play(&inlet)).await;
    let failed = |why: String| {
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/test-call",
            "test call not sent",
            why,
        )
    };
    match sent {
        Ok(Ok((call_id, messages))) => Ok(Json(TestCall {
            call_id,
            listener: name,
            messages,
        })),
        Ok(Err(error)) => Err(failed(format!(
            "listener `{name}` does not take it: {error}"
        ))),
        Err(_panic) => Err(failed("a defect of ours; the log says more".to_owned())),
    }
}

/// Sends all of it at once, with the times that it has if it ends now.
fn play(inlet: &Inlet) -> io::Result<(String, usize)> {
    let scenarios = demo::scenarios().map_err(io::Error::other)?;
    let scenario = scenarios
        .iter()
        .find(|scenario| scenario.name() == SCENARIO)
        .ok_or_else(|| io::Error::other("the scenario is missing"))?;
    let sightings = scenario.play(u64::from(fastrand::u32(..)));
    let length = sightings.iter().map(|one| one.at).max().unwrap_or_default();
    let begun = SystemTime::now() - length;
    let call_id = sightings
        .first()
        .and_then(|one| hepcat_sip::scan(one.payload())?.call_id())
        .map(|call_id| String::from_utf8_lossy(call_id).into_owned())
        .unwrap_or_default();
    let mut outlet = inlet.open()?;
    let mut messages = 0;
    for sighting in &sightings {
        let Some(agent) = scenario.agents().get(sighting.agent) else {
            continue;
        };
        let frame = sighting
            .frame(agent, begun + sighting.at)
            .map_err(io::Error::other)?;
        outlet.send(&frame)?;
        messages += 1;
    }
    outlet.finish()?;
    Ok((call_id, messages))
}
