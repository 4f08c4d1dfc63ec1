//! `GET /api/v1/status`: what `hepcat doctor` asks for.

use axum::{Json, extract::State};

use super::server::Shared;
use crate::status::Status;

pub(super) async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(shared.node.status())
}
