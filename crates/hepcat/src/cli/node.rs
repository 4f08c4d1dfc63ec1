//! How a command reaches a running node.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use hepcat_net::tls::load_ca;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::status::Status;

/// Which node to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct NodeArgs {
    /// The node's page and API.
    #[arg(
        long,
        env = "HEPCAT_NODE",
        default_value = "http://127.0.0.1:9080",
        value_name = "URL"
    )]
    pub(crate) node: Url,
    /// File with the token to show (or put the token itself into HEPCAT_TOKEN).
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Authorities in PEM that a node over https must come from; those of the system without.
    #[arg(long, env = "HEPCAT_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

impl NodeArgs {
    /// A GET request to `path` of the node, with the token where there is one.
    ///
    /// # Errors
    /// When the path or the token file is unusable.
    pub(crate) fn get(&self, path: &str) -> Result<RequestBuilder> {
        self.request(Method::GET, path)
    }

    /// As [`get`](Self::get), a POST request.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) fn post(&self, path: &str) -> Result<RequestBuilder> {
        self.request(Method::POST, path)
    }

    /// The same with another method.
    ///
    /// # Errors
    /// When the path or the token file is unusable.
    pub(crate) fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let url = self
            .node
            .join(path)
            .with_context(|| format!("no path {path} below {}", self.node))?;
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .tls_backend_preconfigured(self.tls()?)
            .build()
            .context("no HTTP client could be made")?;
        let request = client.request(method, url);
        Ok(match self.token()? {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// The answer to a request that has one soon.
    ///
    /// # Errors
    /// When the node does not answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request
            .timeout(Duration::from_secs(10))
            .send()
            .await
            .with_context(|| format!("no answer from {}", self.node))
    }

    /// One reading of the node.
    ///
    /// # Errors
    /// When the node does not answer, or with something else.
    pub(crate) async fn status(&self) -> Result<Status> {
        let answer = self
            .get("api/v1/status")?
            .timeout(Duration::from_secs(10))
            .send()
            .await
            .with_context(|| format!("no answer from {}", self.node))?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            bail!(
                "{} has users: put a token into HEPCAT_TOKEN or name its file with --token-file",
                self.node
            );
        }
        let answer = answer.error_for_status().context("the node refused")?;
        answer
            .json()
            .await
            .context("the answer is not a hepcat node's status")
    }

    /// How a node over https is verified.
    fn tls(&self) -> Result<ClientConfig> {
        let roots = match &self.ca {
            Some(file) => load_ca(file).context("the authorities of --ca cannot be used")?,
            None if self.node.scheme() == "https" => {
                let mut roots = RootCertStore::empty();
                // One that cannot be read is one that nothing comes from.
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
            None => RootCertStore::empty(),
        };
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("no TLS")?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }

    fn token(&self) -> Result<Option<String>> {
        if let Some(file) = &self.token_file {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the token file {}", file.display()))?;
            return Ok(Some(token.trim().to_owned()));
        }
        Ok(std::env::var("HEPCAT_TOKEN")
            .ok()
            .filter(|token| !token.is_empty()))
    }
}
