//! Traces and switches at run time: kept first, then acted on.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use super::Node;
use crate::{
    config::Config,
    state::{StateError, switches, traces},
    tracer::{StartError, StartRequest, TraceStatus},
};

/// How often it is written down how far traces have come, and those that are over are taken out of the
/// way: what a kill can make a trace forget of its limit.
const TRACE_TICK: Duration = Duration::from_secs(5);

/// Why something that was asked for at run time is not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The request is at fault, or the time.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no started trace of that name.
    #[error("there is no trace `{0}`")]
    Unknown(String),
    /// The trace is one of the configuration.
    #[error("trace `{0}` is configured: set on = false in its [[trace]] table and reload")]
    Configured(String),
    /// It could not be written down, and is therefore not done.
    #[error("the state cannot be written")]
    State(#[from] StateError),
}

impl Node {
    /// Takes up what an earlier run left.
    ///
    /// # Errors
    /// When what was left cannot be read.
    pub(super) async fn resume(&self) -> Result<(), StateError> {
        let (rows, capture) = self
            .state
            .call(|connection| {
                Ok((
                    traces::read_all(connection)?,
                    switches::read(connection, switches::CAPTURE)?,
                ))
            })
            .await?;
        self.pipeline.tracer().resume(&rows);
        if let Some(is_on) = capture {
            self.capture_switched.store(true, Ordering::Relaxed);
            self.pipeline.switch_capture(is_on);
        }
        if capture == Some(false) {
            tracing::warn!(
                "capturing was switched off and stays off: `hepcat capture on` resumes it"
            );
        }
        Ok(())
    }

    /// Looks after the traces until the node closes.
    pub(super) fn look_after_traces(self: &Arc<Self>) {
        let node = Arc::clone(self);
        let stop = self.closing.clone();
        self.tasks.spawn(async move {
            let mut tick = tokio::time::interval(TRACE_TICK);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut kept = Vec::new();
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = tick.tick() => node.keep_traces(&mut kept).await,
                }
            }
        });
    }

    /// Writes down how far traces have come where that has changed since `kept`.
    pub(super) async fn keep_traces(&self, kept: &mut Vec<(String, u64, Option<String>)>) {
        let progress = self.pipeline.tracer().progress(Timestamp::now());
        if progress == *kept {
            return;
        }
        let ended = |list: &[(String, u64, Option<String>)]| {
            list.iter().filter(|(_, _, why)| why.is_some()).count()
        };
        if ended(&progress) != ended(kept) {
            self.retrace();
        }
        let written = progress.clone();
        let done = self
            .state
            .call(move |connection| traces::progress(connection, &written))
            .await;
        match done {
            Ok(()) => *kept = progress,
            Err(error) => tracing::error!(%error, "how far traces have come is not kept"),
        }
    }

    /// Every trace, configured ones first.
    #[must_use]
    pub fn traces(&self) -> Vec<TraceStatus> {
        let topology = self.pipeline.topology();
        let mut traces = self.pipeline.tracer().list(Timestamp::now());
        for trace in &mut traces {
            let missing = trace
                .to
                .iter()
                .filter(|name| topology.named(name).is_none());
            trace.missing = missing.cloned().collect();
        }
        traces
    }

    /// Starts a trace, and keeps it.
    ///
    /// # Errors
    /// What is wrong with the request, or that it cannot be kept.
    pub async fn start_trace(&self, request: StartRequest) -> Result<TraceStatus, TraceError> {
        let _one_at_a_time = self.changing.lock().await;
        let now = Timestamp::now();
        let topology = self.pipeline.topology();
        let tracer = self.pipeline.tracer();
        let definition = tracer.define(request, now, |name| topology.named(name).is_some())?;
        let id = definition.id.clone();
        let row = traces::TraceRow {
            name: id.clone(),
            definition: serde_json::to_string(&definition).unwrap_or_default(),
            traced: 0,
            ended: None,
        };
        self.state
            .call(move |connection| traces::write(connection, &row))
            .await?;
        for gone in tracer.start(definition, now)? {
            self.state
                .call(move |connection| traces::remove(connection, &gone))
                .await?;
        }
        self.retrace();
        tracing::info!(trace = id.as_str(), "trace started");
        tracer
            .started(&id, now)
            .ok_or_else(|| TraceError::Unknown(id.clone()))
    }

    /// Ends exactly the started trace of that name, and says how far it had come.
    ///
    /// # Errors
    /// When there is none, or its end cannot be kept.
    pub async fn stop_trace(&self, id: &str) -> Result<TraceStatus, TraceError> {
        let _one_at_a_time = self.changing.lock().await;
        let tracer = self.pipeline.tracer();
        let unknown = || match tracer.is_configured(id) {
            true => TraceError::Configured(id.to_owned()),
            false => TraceError::Unknown(id.to_owned()),
        };
        let status = tracer.started(id, Timestamp::now()).ok_or_else(unknown)?;
        let name = id.to_owned();
        self.state
            .call(move |connection| traces::remove(connection, &name))
            .await?;
        tracer.stop(id);
        self.retrace();
        tracing::info!(trace = id, traced = status.traced, "trace stopped");
        Ok(status)
    }

    /// Switches capturing for this run and the next ones.
    ///
    /// # Errors
    /// When that cannot be kept; nothing has changed then.
    pub async fn switch_capture(&self, is_on: bool) -> Result<(), TraceError> {
        let _one_at_a_time = self.changing.lock().await;
        self.state
            .call(move |connection| switches::write(connection, switches::CAPTURE, is_on))
            .await?;
        self.capture_switched.store(true, Ordering::Relaxed);
        self.pipeline.switch_capture(is_on);
        tracing::info!(is_on, "capturing switched");
        Ok(())
    }

    /// What the configuration says about capturing, unless somebody has said otherwise at run time.
    pub(super) fn configure_capture(&self, config: &Config) {
        if !self.capture_switched.load(Ordering::Relaxed) {
            self.pipeline.switch_capture(config.hep.capture_on);
        }
    }

    /// Takes over what was changed about the traces.
    pub(super) fn retrace(&self) {
        let now = Timestamp::now();
        self.pipeline.tracer().forget_gone();
        self.pipeline.retrace(now);
    }
}
