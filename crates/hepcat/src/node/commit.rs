//! From a prepared configuration to the running one, and what it takes to end the old one.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use hepcat_net::{
    Destination, ListenerId, Transport, destination::Resolve, listener::BoundListener,
};
use jiff::Timestamp;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    LISTENER_STOP_LIMIT, Node, Running, RunningHttp, RunningListener, convert,
    prepare::{DestinationPlan, HttpPlan, ListenerPlan, Prepared},
};
use crate::{
    config::{self, Config},
    http::HttpServer,
    pipeline::{Group, ListenerEntry, Topology},
    resolver::NameResolver,
    sink::destination::DestinationSink,
};

/// How long a destination with a spool may still deliver once the configuration has changed.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(1);

impl Node {
    /// Makes the prepared configuration the running one. Nothing here can fail.
    pub(super) async fn commit(self: &Arc<Self>, prepared: Prepared) {
        let Prepared {
            config,
            listeners,
            destinations,
            routes,
            scripts,
            http,
        } = prepared;
        let scripts = scripts.map(|scripts| scripts.start(&self.tasks));
        let (removed_listeners, removed_destinations) = {
            let server = config.node.resolver.as_ref().map(|server| **server);
            self.resolver.configure(server);
            let mut running = self.running.lock();
            let removed_destinations = running.change_destinations(self, &config, destinations);
            running.change_groups(&config);
            self.pipeline.tracer().configure(&config.traces);
            let sinks = running.destinations.iter().map(Arc::clone);
            let groups = running.groups.iter().map(Arc::clone);
            // Routes first, then the listeners: no frame of a new listener meets the old routes.
            let entries = running.listener_entries(&config);
            let topology = Topology::new(entries, routes, sinks, groups)
                .with_clock(config.agents.clock)
                .with_store(self.store.clone());
            if let Some(store) = &self.store {
                store.tracker().lock().set_rules(config.calls.rules.clone());
            }
            self.pipeline.ledger().limit(config.agents.limits);
            let traces =
                (self.pipeline.tracer()).set(Timestamp::now(), |name| topology.named(name));
            self.configure_capture(&config);
            let topology = topology.with_traces(traces);
            self.pipeline.swap(topology.with_scripts(scripts));
            let removed_listeners = running.change_listeners(self, &config, listeners);
            running.name.clone_from(&config.node.name);
            running.file.clone_from(&config.file);
            running.drain_limit = config.shutdown.drain_limit;
            running.max_msg_chunks = config.hep.hep_max_msg_chunks;
            (removed_listeners, removed_destinations)
        };
        self.pipeline.tracer().forget_gone();
        self.pipeline
            .limit_unparsable(config.unparsable.max_per_second.as_u64());
        stop_listeners(&removed_listeners, LISTENER_STOP_LIMIT).await;
        match http {
            HttpPlan::Keep => {}
            HttpPlan::Renew(certificates) => {
                let running = self.running.lock();
                if let Some(http) = &running.http {
                    http.sockets.renew(certificates);
                }
            }
            HttpPlan::Serve(server) => self.serve_http(&config.http, *server),
        }
        for removed in removed_destinations {
            self.retire(removed, config.shutdown.drain_limit);
        }
        for note in config.notes() {
            tracing::info!("{note}");
        }
    }

    fn serve_http(self: &Arc<Self>, spec: &config::Http, server: HttpServer) {
        let stop = self.closing.child_token();
        let served = server.sockets().and_then(|sockets| {
            server.serve(self, &self.tasks, &stop)?;
            Ok(RunningHttp {
                spec: spec.clone(),
                sockets: Arc::new(sockets),
                stop,
            })
        });
        match served {
            Ok(http) => {
                if let Some(page) = http.sockets.page_address() {
                    tracing::info!(page = %format_args!("{}://{page}", spec.scheme()), "serving");
                }
                if let Some(metrics) = http.sockets.metrics_address() {
                    tracing::info!(address = %metrics, "serving metrics beyond loopback");
                }
                if let Some(old) = self.running.lock().http.replace(http) {
                    old.stop.cancel();
                }
            }
            Err(error) => tracing::error!(%error, "http is not served"),
        }
    }

    /// Drains a destination that the configuration has no more, beside everything else, and keeps what
    /// it counted.
    fn retire(self: &Arc<Self>, sink: Arc<DestinationSink>, limit: Duration) {
        let node = Arc::clone(self);
        // What has a spool loses nothing by being short, and a successor waits for it.
        let limit = match sink.spec().spool {
            Some(_) => limit.min(HAND_OVER_LIMIT),
            None => limit,
        };
        self.tasks.spawn(async move {
            let drained = sink.destination().drain(limit).await;
            if drained.lost > 0 {
                let name = sink.spec().name.as_str();
                tracing::error!(
                    destination = name,
                    frames = drained.lost,
                    "lost with a removed destination"
                );
            }
            let mut running = node.running.lock();
            let Running {
                draining,
                retired,
                destinations,
                ..
            } = &mut *running;
            draining.retain(|one| !Arc::ptr_eq(one, &sink));
            retired
                .entry(sink.spec().name.to_string())
                .or_default()
                .succeed(&sink.ledger());
            let orphaned = sink.spec().spool.as_ref().filter(|spool| {
                let mut others = destinations.iter().filter_map(|one| one.spec().spool.as_ref());
                drained.spooled > 0 && others.all(|other| other.directory != spool.directory)
            });
            let orphaned = orphaned.map(|spool| spool.directory.clone());
            drop(running);
            if let Some(directory) = orphaned {
                tracing::warn!(
                    destination = sink.spec().name.as_str(),
                    frames = drained.spooled,
                    directory = %directory.display(),
                    "a removed destination leaves its spool: a destination of that name would deliver it"
                );
            }
        });
    }
}

impl Running {
    /// Starts new destinations, keeps unchanged ones, and returns those that are to be drained (they
    /// stand in `draining` from now on).
    fn change_destinations(
        &mut self,
        node: &Node,
        config: &Config,
        plans: Vec<DestinationPlan>,
    ) -> Vec<Arc<DestinationSink>> {
        let mut old = std::mem::take(&mut self.destinations);
        for (spec, plan) in config.destinations.iter().zip(plans) {
            match plan {
                DestinationPlan::Keep => {
                    if let Some(at) = old.iter().position(|one| one.spec() == spec) {
                        self.destinations.push(old.swap_remove(at));
                    }
                }
                DestinationPlan::Start(net) => {
                    tracing::info!(
                        destination = spec.name.as_str(),
                        socket = %*spec.socket,
                        version = spec.version.number(),
                        "relaying"
                    );
                    let stop = CancellationToken::new();
                    let resolver: Arc<dyn Resolve> = Arc::<NameResolver>::clone(&node.resolver);
                    let net = net.resolver(resolver);
                    let destination = Destination::spawn(net, &node.tasks, &stop);
                    let sink = DestinationSink::new(spec.clone(), destination);
                    self.destinations.push(Arc::new(sink));
                }
            }
        }
        self.draining.extend(old.iter().map(Arc::clone));
        old
    }

    /// Keeps unchanged groups with what they remember, and lets changed ones go on where they were.
    fn change_groups(&mut self, config: &Config) {
        let old = std::mem::take(&mut self.groups);
        let of_name = |name: &str| old.iter().find(|group| *group.spec().name == name);
        let groups = config.groups.iter().map(|spec| match of_name(&spec.name) {
            Some(same) if same.spec() == spec => Arc::clone(same),
            earlier => Arc::new(Group::new(spec.clone(), earlier.map(Arc::as_ref))),
        });
        self.groups = groups.collect();
    }

    /// Serves new listeners, keeps unchanged ones, and returns those that are to be stopped.
    fn change_listeners(
        &mut self,
        node: &Node,
        config: &Config,
        plans: Vec<ListenerPlan>,
    ) -> Vec<RunningListener> {
        let mut old = std::mem::take(&mut self.listeners);
        for (spec, plan) in config.listeners.iter().zip(plans) {
            match plan {
                ListenerPlan::Keep => {
                    if let Some(at) = old.iter().position(|one| one.spec.is_served_like(spec)) {
                        let mut kept = old.swap_remove(at);
                        kept.spec.clone_from(spec);
                        // Who reloads after changing certificates does not expect to wait for them.
                        if let Err(error) = kept.handle.reload_tls() {
                            tracing::error!(listener = spec.name.as_str(), %error, "certificates not reloaded");
                        }
                        self.listeners.push(kept);
                    }
                }
                ListenerPlan::Start(bound) => {
                    let id = self.listener_id(&spec.name);
                    self.listeners.push(serve(node, spec, id, *bound));
                }
            }
        }
        old
    }

    /// Every listener that ever was, by number, with what `config` says about it.
    fn listener_entries(&self, config: &Config) -> Vec<ListenerEntry> {
        let entry = |name: &String| {
            let spec = config.listeners.iter().find(|spec| *spec.name == *name);
            ListenerEntry {
                name: name.as_str().into(),
                capture_id_fix: spec.map(convert::capture_id_fix).unwrap_or_default(),
                transport: spec.map_or(Transport::Udp, |spec| spec.socket.transport),
                guard: Arc::new(spec.map(|spec| spec.admission.guard()).unwrap_or_default()),
            }
        };
        self.listener_names.iter().map(entry).collect()
    }
}

fn serve(
    node: &Node,
    spec: &config::Listener,
    id: ListenerId,
    bound: BoundListener,
) -> RunningListener {
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    tracing::info!(
        listener = spec.name.as_str(),
        transport = spec.socket.transport.name(),
        address = %bound.local_addr(),
        "listening"
    );
    if let Some(advice) = bound.receive_buffer().and_then(|buffer| buffer.advice()) {
        tracing::warn!(
            listener = spec.name.as_str(),
            advice,
            "receive buffer is capped"
        );
    }
    let handle = bound.serve(Arc::clone(&node.pipeline), &tasks, stop.clone());
    tasks.close();
    RunningListener {
        spec: spec.clone(),
        id,
        handle: Arc::new(handle),
        tasks,
        stop,
    }
}

/// Stops listeners; what they have read by then is handed over first, for as long as `limit` allows.
pub(super) async fn stop_listeners(listeners: &[RunningListener], limit: Duration) {
    for listener in listeners {
        listener.stop.cancel();
    }
    let ended = join_all(listeners.iter().map(|listener| listener.tasks.wait()));
    if tokio::time::timeout(limit, ended).await.is_err() {
        tracing::warn!("a listener is still handing over: a destination keeps it waiting");
    }
}

/// Drains destinations beside each other, and says what each lost.
pub(super) async fn drain(sinks: &[Arc<DestinationSink>], limit: Duration) -> Vec<(String, u64)> {
    let each = sinks.iter().map(|sink| async move {
        (
            sink.spec().name.to_string(),
            sink.destination().drain(limit).await.lost,
        )
    });
    join_all(each)
        .await
        .into_iter()
        .filter(|(_, lost)| *lost > 0)
        .collect()
}
