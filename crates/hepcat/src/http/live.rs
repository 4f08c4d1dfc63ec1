//! `GET /api/v1/live?q=QUERY`: routed messages as server-sent events.
//!
//! Each event named `message` carries one message as JSON; an event named `missed` says how many were
//! lost here because this client was slow.

use axum::{
    extract::{Query as Parameters, State},
    response::{Response, sse::Event},
};
use futures_util::stream;
use hepcat_net::Arrival;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::{
    asking, events, gate,
    openapi::{BadRequest, Unavailable},
    problem::Problem,
    server::Shared,
};
use crate::{
    access::{Masking, mask_json},
    pipeline::Topology,
    query::Query,
    render::{Contents, arrival_json},
    search::Asked,
    sink::tail::{Seen, Watch, Watched},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveParameters {
    /// Which messages; all of them when absent.
    #[serde(default)]
    q: String,
}

/// Messages as they come, as server-sent events without an end.
#[utoipa::path(
    get,
    path = "/api/v1/live",
    params(LiveParameters),
    responses(
        (status = 200, description = "Events: `message` with a message as JSON, `missed` with how many were missed", body = String,
            content_type = "text/event-stream"),
        BadRequest,
        Unavailable,
    ),
)]
pub(super) async fn live(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<LiveParameters>,
) -> Result<Response, Problem> {
    let query =
        Query::parse(&parameters.q).map_err(|error| asking::misread(&parameters.q, &error))?;
    gate::may_read_payloads(Asked::of_messages(&query).reads_payload)?;
    let watch = shared.node.pipeline().tail().watch(query);
    let watch = watch.map_err(|error| events::too_many(&error))?;
    let masking = gate::viewer().masking;
    let watching = (watch, shared.clone());
    let told = stream::unfold(watching, move |(watch, shared)| async move {
        let event = next_event(&watch, &shared, masking).await?;
        Some((event, (watch, shared)))
    });
    Ok(events::answer(&shared, told))
}

async fn next_event(watch: &Watch, shared: &Shared, masking: Masking) -> Option<Event> {
    let event = match watch.next().await {
        Seen::Missed(missed) => Event::default()
            .event("missed")
            .json_data(json!({"missed": missed})),
        Seen::Frame(watched) => {
            let topology = shared.node.pipeline().topology();
            Event::default()
                .event("message")
                .json_data(message_json(&watched, &topology, masking))
        }
    };
    event.ok()
}

fn message_json(watched: &Watched, topology: &Topology, masking: Masking) -> Value {
    let listener = topology.listener_name(&watched.arrival);
    let mut json = arrival_json(
        &masking.arrival(&watched.arrival),
        listener,
        topology.clock(),
        masking.contents(Contents::ALL.digest(false)),
    );
    if let (Some(labels), Arrival::Message(envelope), Value::Object(object)) =
        (&watched.labels, &watched.arrival, &mut json)
    {
        let mut labels = labels.to_json(envelope);
        mask_json(masking, &mut labels);
        object.insert("labels".to_owned(), labels);
    }
    json
}
