//! `GET /api/v1/audit`: who signed in, who opened which call, who changed what.

use axum::{
    Json,
    extract::{Query as Parameters, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{openapi::NotKept, problem::Problem, server::Shared};
use crate::state::audit::{self, Entry, Sought};

/// Entries on one page where nobody says how many, and at most.
const PAGE: u32 = 200;
const LARGEST_PAGE: u32 = 10_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditParameters {
    /// How many.
    limit: Option<u32>,
    /// Only entries before this one: `next` of the page before.
    before: Option<i64>,
    /// Only entries of this action.
    action: Option<String>,
    /// Only entries with this in user, address, action or subject, in upper or lower case.
    #[serde(default)]
    text: String,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// The newest first.
    entries: Vec<Entry>,
    /// `before` of what follows; null where nothing does.
    next: Option<i64>,
    /// Entries that could not be written since the process started.
    lost: u64,
}

/// The audit log, page by page.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    params(AuditParameters),
    responses((status = 200, description = "A page, the newest first", body = AuditPage), NotKept),
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Parameters(parameters): Parameters<AuditParameters>,
) -> Result<Json<AuditPage>, Problem> {
    let limit = parameters.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let sought = Sought {
        before: parameters.before,
        action: parameters.action.filter(|action| !action.is_empty()),
        text: parameters.text,
    };
    let read = shared
        .node
        .state()
        .call(move |connection| audit::list(connection, &sought, limit));
    let entries = read.await.map_err(|error| {
        tracing::error!(%error, "the audit log cannot be read");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "/problems/state",
            "not read",
            "the audit log cannot be read; the log says more",
        )
    })?;
    let is_full = entries.len() as u64 == u64::from(limit);
    let next = entries.last().filter(|_| is_full).map(|entry| entry.id);
    let counted = shared.node.access().counters().read();
    Ok(Json(AuditPage {
        entries,
        next,
        lost: counted.audit.get("lost").copied().unwrap_or_default(),
    }))
}
