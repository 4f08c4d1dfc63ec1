//! Asking a node's API for JSON, and putting its refusals into words.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::NodeArgs;

/// How long an answer may take that comes as a whole: the node's own limits are shorter.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one may take for which the node reads everything that it keeps.
const LONG_PATIENCE: Duration = Duration::from_secs(86_400);

/// What a node answers to a request that it does not fulfil.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The request is at fault: usage.
    #[error("{0}")]
    Request(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl NodeArgs {
    /// Asks for `path`, with a body where there is one.
    ///
    /// # Errors
    /// What the node refuses, or that it does not answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, Refusal> {
        let request = self.request(method, path)?;
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.answer(request).await
    }

    /// Asks for `path`, and waits for as long as the node takes.
    ///
    /// # Errors
    /// What the node refuses, or that it does not answer.
    pub(super) async fn wait_for<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, Refusal> {
        let request = self.request(method, path)?.timeout(LONG_PATIENCE);
        let read = self.granted(request).await?.json().await;
        Ok(read.context("the answer is none of a hepcat node")?)
    }

    /// Asks for `path`, which is text.
    ///
    /// # Errors
    /// What the node refuses, or that it does not answer.
    pub(super) async fn ask_text(&self, path: &str) -> Result<String, Refusal> {
        let request = self.request(Method::GET, path)?.timeout(PATIENCE);
        let answer = self.granted(request).await?;
        let read = answer.text().await;
        Ok(read.context("the answer is none of a hepcat node")?)
    }

    /// Asks for `path`, and gives the answer when it begins: it may go on for as long as it gets on.
    ///
    /// # Errors
    /// What the node refuses, or that it does not answer.
    pub(super) async fn ask_stream(&self, path: &str) -> Result<Response, Refusal> {
        let request = self.request(Method::GET, path)?;
        let answer = tokio::time::timeout(PATIENCE, self.granted(request)).await;
        answer.map_err(|_late| anyhow!("{} accepts but does not answer", self.node))?
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let read = self.granted(request.timeout(PATIENCE)).await?.json().await;
        Ok(read.context("the answer is none of a hepcat node")?)
    }

    /// The answer where it is no refusal.
    async fn granted(&self, request: RequestBuilder) -> Result<Response, Refusal> {
        let answer = request.send().await.with_context(|| {
            format!(
                "no answer from {}: is the node running? `--node URL` names another",
                self.node
            )
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let problem: Value = answer.json().await.unwrap_or_default();
        let said = problem.get("detail").and_then(Value::as_str);
        let said = crate::render::escape_str(said.unwrap_or("it does not say why"));
        match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                Err(Refusal::Request(said))
            }
            _ => {
                let refused =
                    move || -> Result<Response> { bail!("the node refuses ({status}): {said}") };
                Ok(refused()?)
            }
        }
    }
}
