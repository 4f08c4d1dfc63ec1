//! Bodies of requests. They must be `application/json`: a page elsewhere cannot send that here without asking first, and
//! is never allowed to.

use axum::{
    Json,
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

use super::problem::Problem;

/// What stands in a body as JSON. One that is none, or says something else, is answered with what is wrong with it.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            Ok(Json(said)) => Ok(Self(said)),
            Err(rejection) => Err(Problem::new(
                rejection.status(),
                "/problems/body",
                "body not understood",
                rejection.body_text(),
            )),
        }
    }
}
