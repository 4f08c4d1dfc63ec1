//! The running node: started, reloaded and stopped as a whole.
//!
//! Everything is prepared before anything changes: `prepare` binds new sockets and loads certificates
//! and collects all that is wrong; only then does [`Node`] commit. What did not change in the
//! configuration keeps running untouched.

mod access;
mod agents;
mod commit;
mod convert;
mod keep;
mod prepare;
mod relink;
mod report;
mod tracing;

pub(crate) use prepare::{compile_routes, sink_names};

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use hepcat_net::{ListenerId, Transport, callbacks::Chain, listener::ListenerHandle};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::access::Access;
pub(crate) use self::convert::{server_tls, spelled};
pub use self::{relink::RelinkError, tracing::TraceError};

use crate::{
    config::{self, Config, Faults},
    http::HttpSockets,
    pipeline::{Group, Pipeline, Topology},
    resolver::NameResolver,
    sink::{SinkLedger, destination::DestinationSink, store::StoreSink, tail::Tail},
    state::State,
};

pub use agents::UnknownAgent;

/// How long listeners may take to hand over what they hold, once told to stop.
const LISTENER_STOP_LIMIT: Duration = Duration::from_secs(5);

/// How long HTTP requests may take to finish at shutdown.
const CLOSING_LIMIT: Duration = Duration::from_secs(2);

/// A node that takes frames in. Shared by HTTP, signals and tests.
#[derive(Debug)]
pub struct Node {
    pipeline: Arc<Pipeline>,
    /// Resolves the names of all destinations.
    resolver: Arc<NameResolver>,
    state: State,
    access: Access,
    /// What keeps frames, where the configuration wants that, and how it is configured.
    store: Option<Arc<StoreSink>>,
    store_spec: config::StoreConfig,
    calls_spec: config::CallsConfig,
    running: Mutex<Running>,
    /// One reload or stop at a time.
    changing: tokio::sync::Mutex<()>,
    ready: AtomicBool,
    /// Capturing was switched at run time, now or in an earlier run: the configuration no longer says.
    capture_switched: AtomicBool,
    started_at: SystemTime,
    tasks: TaskTracker,
    /// Ends HTTP, the last thing to go.
    closing: CancellationToken,
}

/// What is running, by configuration.
#[derive(Debug, Default)]
struct Running {
    name: String,
    file: Option<PathBuf>,
    max_msg_chunks: Option<NonZeroU32>,
    drain_limit: Duration,
    listeners: Vec<RunningListener>,
    destinations: Vec<Arc<DestinationSink>>,
    groups: Vec<Arc<Group>>,
    /// Removed by a reload, and not yet empty.
    draining: Vec<Arc<DestinationSink>>,
    /// What destinations that are gone had counted, by name.
    retired: BTreeMap<String, SinkLedger>,
    /// Names by number: a listener keeps its number through reloads, so that its side of the ledger
    /// goes on.
    listener_names: Vec<String>,
    http: Option<RunningHttp>,
}

#[derive(Debug)]
struct RunningListener {
    spec: config::Listener,
    id: ListenerId,
    handle: Arc<ListenerHandle>,
    /// Its sockets and connections.
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug)]
struct RunningHttp {
    spec: config::Http,
    sockets: Arc<HttpSockets>,
    stop: CancellationToken,
}

/// What a stopped node leaves behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Frames received since start.
    pub received: u64,
    /// Frames handed to sinks.
    pub routed: u64,
    /// Frames that could not be delivered within the limit, by destination.
    pub lost: Vec<(String, u64)>,
    /// What the ledger leaves open: 0.
    pub unaccounted: u64,
}

impl Node {
    /// Binds everything, then serves.
    ///
    /// # Errors
    /// Everything that keeps the node from starting, at once; nothing is left bound then.
    pub async fn start(config: Config) -> Result<Arc<Self>, Faults> {
        Self::start_with(config, Chain::new()).await
    }

    /// As [`start`](Self::start), with callbacks that see every message before the routes do.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(config: Config, callbacks: Chain) -> Result<Arc<Self>, Faults> {
        let mut faults = Vec::new();
        let state = keep::open_state(&config, &mut faults).await;
        let access = keep::open_access(&state, &mut faults).await;
        let store = keep::open_store(&config, &mut faults).await;
        let node = Arc::new(Self {
            state,
            access,
            store,
            store_spec: config.store.clone(),
            calls_spec: config.calls.clone(),
            pipeline: Arc::new(
                Pipeline::new(
                    Arc::new(Tail::default()),
                    config.unparsable.max_per_second.as_u64(),
                )
                .with_callbacks(callbacks),
            ),
            resolver: Arc::default(),
            running: Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            ready: AtomicBool::new(false),
            capture_switched: AtomicBool::new(false),
            started_at: SystemTime::now(),
            tasks: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        if let Err(error) = node.recall_agents().await {
            keep::not_read(&node, &error, &mut faults);
        }
        if let Err(error) = node.recall_superseded().await {
            keep::not_read(&node, &error, &mut faults);
        }
        if let Err(error) = node.resume().await {
            keep::not_read(&node, &error, &mut faults);
        }
        if let Err(faults) = node.change_to(config, faults).await {
            node.close_store().await;
            node.state.close().await;
            return Err(faults);
        }
        node.keep_agents();
        node.look_after_traces();
        node.ready.store(true, Ordering::Release);
        Ok(node)
    }

    /// Changes to another configuration, or keeps the present one whole.
    ///
    /// # Errors
    /// Everything that is wrong with the new one.
    pub async fn reload(self: &Arc<Self>, config: Config) -> Result<(), Faults> {
        let mut faults = Vec::new();
        keep::check_directory(&config, self.state.directory(), &mut faults);
        keep::check_store(&config, &self.store_spec, &mut faults);
        keep::check_calls(&config, &self.calls_spec, &mut faults);
        self.change_to(config, faults).await
    }

    /// Changes to `config`, unless there are `faults` already or more are found.
    async fn change_to(
        self: &Arc<Self>,
        config: Config,
        mut faults: Vec<config::Fault>,
    ) -> Result<(), Faults> {
        keep::check_users(&config, &self.state, &mut faults).await;
        let _one_at_a_time = self.changing.lock().await;
        let mut inventory = self.running.lock().inventory();
        inventory.scripts = Arc::clone(self.pipeline.scripts());
        let id_of = |name: &str| self.running.lock().listener_id(name);
        let prepared = prepare::prepare(config, &inventory, id_of, faults).await?;
        self.commit(prepared).await;
        Ok(())
    }

    /// Stops taking frames in, drains within the configured limit, and says what was lost.
    pub async fn stop(self: &Arc<Self>) -> DrainReport {
        let _one_at_a_time = self.changing.lock().await;
        self.ready.store(false, Ordering::Release);
        let (listeners, destinations, limit) = {
            let mut running = self.running.lock();
            let listeners = std::mem::take(&mut running.listeners);
            let destinations = [running.destinations.clone(), running.draining.clone()].concat();
            (listeners, destinations, running.drain_limit)
        };
        commit::stop_listeners(&listeners, limit.min(LISTENER_STOP_LIMIT)).await;
        let lost = commit::drain(&destinations, limit).await;
        self.close_store().await;
        let ledger = self.status().ledger;
        self.keep_traces(&mut Vec::new()).await;
        // Nothing is asked any more: script workers end with the topology that they belong to.
        self.pipeline.swap(Topology::default());
        self.closing.cancel();
        self.tasks.close();
        if tokio::time::timeout(CLOSING_LIMIT, self.tasks.wait())
            .await
            .is_err()
        {
            ::tracing::warn!("some tasks did not end in time");
        }
        self.state.close().await;
        DrainReport {
            received: ledger.intake.received,
            routed: ledger.intake.routed,
            lost,
            unaccounted: ledger.unaccounted,
        }
    }

    /// Waits until everything that was taken in is kept.
    async fn close_store(&self) {
        let Some(store) = self.store.clone() else {
            return;
        };
        if tokio::task::spawn_blocking(move || store.close())
            .await
            .is_err()
        {
            ::tracing::error!("the store was not closed");
        }
    }

    /// What keeps frames, where the configuration wants that.
    #[must_use]
    pub fn store(&self) -> Option<&Arc<StoreSink>> {
        self.store.as_ref()
    }

    /// Whether frames are taken in.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// What decides about frames.
    #[must_use]
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// What outlives the process.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Where work that belongs to the node is spawned.
    #[must_use]
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Where HEP is listened for, in the order of the configuration.
    #[must_use]
    pub fn listening(&self) -> Vec<(Transport, SocketAddr)> {
        let running = self.running.lock();
        let each = running.listeners.iter();
        each.map(|one| (one.spec.socket.transport, one.handle.local_addr()))
            .collect()
    }

    /// Where the page is served.
    #[must_use]
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.running.lock().http.as_ref()?.sockets.page_address()
    }

    /// Where metrics are served beyond loopback.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.running.lock().http.as_ref()?.sockets.metrics_address()
    }
}

impl Running {
    /// What a new configuration may keep.
    fn inventory(&self) -> prepare::Inventory {
        prepare::Inventory {
            listeners: self
                .listeners
                .iter()
                .map(|one| (one.spec.clone(), Arc::clone(&one.handle)))
                .collect(),
            destinations: self
                .destinations
                .iter()
                .map(|one| one.spec().clone())
                .collect(),
            http: self
                .http
                .as_ref()
                .map(|http| (http.spec.clone(), Arc::clone(&http.sockets))),
            max_msg_chunks: self.max_msg_chunks,
            scripts: Arc::default(),
        }
    }

    /// The number of the listener called `name`, given once and for all.
    fn listener_id(&mut self, name: &str) -> ListenerId {
        let position = match self.listener_names.iter().position(|known| known == name) {
            Some(position) => position,
            None => {
                self.listener_names.push(name.to_owned());
                self.listener_names.len() - 1
            }
        };
        // 65,536 differently named listeners in one run of the process share the last number.
        ListenerId(u16::try_from(position).unwrap_or(u16::MAX))
    }
}
