//! Asking a node's API for JSON, and putting its refusals into words.

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::NodeArgs;

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

    /// Asks for `path`, which is text.
    ///
    /// # Errors
    /// What the node refuses, or that it does not answer.
    pub(super) async fn ask_text(&self, path: &str) -> Result<String, Refusal> {
        let answer = self.granted(self.request(Method::GET, path)?).await?;
        let read = answer.text().await;
        Ok(read.context("the answer is none of a hepcat node")?)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Refusal> {
        let read = self.granted(request).await?.json().await;
        Ok(read.context("the answer is none of a hepcat node")?)
    }

    /// The answer where it is no refusal.
    async fn granted(&self, request: RequestBuilder) -> Result<Response, Refusal> {
        let answer = request
            .timeout(std::time::Duration::from_secs(30))
            .send()
            .await
            .with_context(|| {
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
