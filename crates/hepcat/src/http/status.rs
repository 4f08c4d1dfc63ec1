//! `GET /api/v1/status`, what `hepcat doctor` asks for, and parts of it under names of their own.

use axum::{Json, extract::State};

use super::server::Shared;
use crate::status::{DestinationListing, LedgerListing, Status};

/// One reading of the whole node.
pub(super) async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(shared.node.status())
}

/// Where messages go, and how those places are.
pub(super) async fn destinations(State(shared): State<Shared>) -> Json<DestinationListing> {
    Json(shared.node.status().into())
}

/// What became of every frame, by listener and by sink.
pub(super) async fn ledger(State(shared): State<Shared>) -> Json<LedgerListing> {
    Json(shared.node.status().into())
}
