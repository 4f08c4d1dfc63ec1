//! `GET /api/v1/status`, what `hepcat doctor` asks for, and parts of it under names of their own.

use axum::{Json, extract::State};

use super::server::Shared;
use crate::status::{DestinationListing, LedgerListing, Status};

/// One reading of the whole node.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    responses((status = 200, description = "The reading", body = Status)),
)]
pub(super) async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(shared.node.status())
}

/// Where messages go, and how those places are.
#[utoipa::path(
    get,
    path = "/api/v1/destinations",
    responses((status = 200, description = "Destinations and groups", body = DestinationListing)),
)]
pub(super) async fn destinations(State(shared): State<Shared>) -> Json<DestinationListing> {
    Json(shared.node.status().into())
}

/// What became of every frame, by listener and by sink.
#[utoipa::path(
    get,
    path = "/api/v1/ledger",
    responses((status = 200, description = "The ledger", body = LedgerListing)),
)]
pub(super) async fn ledger(State(shared): State<Shared>) -> Json<LedgerListing> {
    Json(shared.node.status().into())
}
