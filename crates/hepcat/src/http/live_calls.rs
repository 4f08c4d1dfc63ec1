//! `GET /api/v1/calls/live?q=QUERY`: calls as they change, as server-sent events.
//!
//! An event named `calls` has `calls` that fit as they are now, and `gone`, the ids of those that fit no longer; one
//! named `missed` says how many changes were lost because this client was slow.

use std::time::Duration;

use axum::{
    extract::{Query as Parameters, State},
    response::{Response, sse::Event},
};
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{
    asking::{self, OfCalls, faulty},
    events, gate,
    openapi::{BadRequest, NoStore, Unavailable},
    problem::Problem,
    server::Shared,
};
use crate::{
    access::{Masking, mask_json},
    call::{CallRecord, Kind},
    query::Query,
    sink::store::{CallWatch, Changed},
};

/// Changes of one call within this are one.
const GATHERED: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LiveParameters {
    /// Which calls; all of them when absent.
    #[serde(default)]
    q: String,
    /// Registrations, subscriptions, messages and OPTIONS as well.
    #[serde(default)]
    all: bool,
}

struct Watching {
    watch: CallWatch,
    shared: Shared,
    masking: Masking,
    query: Query,
    all: bool,
    /// Told next, before anything else.
    missed: u64,
}

/// Calls as they change, as server-sent events without an end.
#[utoipa::path(
    get,
    path = "/api/v1/calls/live",
    params(LiveParameters),
    responses(
        (status = 200, description = "Events: `calls` with `calls` and `gone`, `missed` with how many were missed", body = String,
            content_type = "text/event-stream"),
        BadRequest,
        NoStore,
        Unavailable,
    ),
)]
pub(super) async fn live(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<LiveParameters>,
) -> Result<Response, Problem> {
    let asked = OfCalls::read(&parameters.q, &(i64::MIN..i64::MAX))?;
    if asked.messages.is_some() {
        return Err(faulty(
            "query not understood",
            "calls are followed by what calls know: leave out what only their messages do",
        ));
    }
    let watch = asking::store(&shared)?.changed().watch();
    let watch = watch.map_err(|error| events::too_many(&error))?;
    let watching = Watching {
        watch,
        shared: shared.clone(),
        masking: gate::viewer().masking,
        query: asked.query,
        all: parameters.all,
        missed: 0,
    };
    let told = stream::unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((event, watching))
    });
    Ok(events::answer(&shared, told))
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.missed > 0 {
                let missed = std::mem::take(&mut self.missed);
                return event("missed", &json!({ "missed": missed }));
            }
            self.watch.changed().await;
            tokio::time::sleep(GATHERED).await;
            let changed = self.watch.take();
            self.missed = changed.missed;
            let (calls, gone) = self.sorted_out(changed);
            if !calls.is_empty() || !gone.is_empty() {
                let mut changes = json!({ "calls": calls, "gone": gone });
                mask_json(self.masking, &mut changes);
                return event("calls", &changes);
            }
        }
    }

    /// Those that fit, and the ids of those that do not.
    fn sorted_out(&self, changed: Changed) -> (Vec<CallRecord>, Vec<String>) {
        let (mut calls, mut gone) = (Vec::new(), Vec::new());
        let Some(sink) = self.shared.node.store() else {
            return (calls, gone);
        };
        for (id, record) in changed.calls {
            let record = match record {
                Some(record) => Some(*record),
                None => sink.tracker().lock().call(id),
            };
            let fits = |call: &CallRecord| {
                (self.all || call.kind == Kind::Call) && self.query.matches(call)
            };
            match record {
                Some(call) if fits(&call) => calls.push(call),
                _ => gone.push(id.to_string()),
            }
        }
        (calls, gone)
    }
}

fn event(name: &str, value: &serde_json::Value) -> Option<Event> {
    Event::default().event(name).json_data(value).ok()
}
