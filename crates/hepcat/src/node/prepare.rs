//! Everything that can fail, done before anything changes.

use std::{num::NonZeroU32, sync::Arc};

use hepcat_net::{
    DestinationConfig, ListenerId,
    listener::{BindError, BoundListener, Listener, ListenerHandle},
};
use rustls::ServerConfig;

use super::convert::{self, spelled};
use crate::{
    config::{self, Config, Fault, Faults, HepRoute, Marked, Target},
    http::{self, HttpBindError, HttpServer, HttpSockets},
    pipeline::scripts::{IdleScripts, ScriptSetup, ScriptState},
    query::Query,
    route::{Route, Routes, SinkId, SinkSet},
};

/// What runs already and can be kept.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    pub(super) listeners: Vec<(config::Listener, Arc<ListenerHandle>)>,
    pub(super) destinations: Vec<config::Destination>,
    pub(super) http: Option<(config::Http, Arc<HttpSockets>)>,
    pub(super) max_msg_chunks: Option<NonZeroU32>,
    /// What scripts keep.
    pub(super) scripts: Arc<ScriptState>,
}

/// A configuration ready to be committed: sockets bound, certificates loaded, routes compiled.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) config: Config,
    /// In the order of the configuration.
    pub(super) listeners: Vec<ListenerPlan>,
    /// In the order of the configuration.
    pub(super) destinations: Vec<DestinationPlan>,
    pub(super) routes: Routes,
    /// Each worker has executed the script; none has begun.
    pub(super) scripts: Option<IdleScripts>,
    pub(super) http: HttpPlan,
}

/// What becomes of the page and what goes with it.
#[derive(Debug)]
pub(super) enum HttpPlan {
    /// It is served already, and unchanged.
    Keep,
    /// It is served already; who connects from now on is shown these certificates.
    Renew(Arc<ServerConfig>),
    /// It is new or changed, and bound.
    Serve(Box<HttpServer>),
}

/// What becomes of one configured listener.
#[derive(Debug)]
pub(super) enum ListenerPlan {
    /// It runs already, and unchanged.
    Keep,
    /// It is new or changed, and bound.
    Start(Box<BoundListener>),
}

/// What becomes of one configured destination.
#[derive(Debug)]
pub(super) enum DestinationPlan {
    /// It runs already, and unchanged.
    Keep,
    /// It is new, or changed.
    Start(Box<DestinationConfig>),
}

/// Checks, resolves, loads and binds. `id_of` gives the number of a listener by its name; `faults` are
/// those that were found before.
///
/// # Errors
/// Everything that is wrong. Whatever was bound by then is released.
pub(super) async fn prepare(
    config: Config,
    running: &Inventory,
    mut id_of: impl FnMut(&str) -> ListenerId,
    mut faults: Vec<Fault>,
) -> Result<Prepared, Faults> {
    let routes = compile_routes(&config, &mut faults);
    let scripts = prepare_script(&config, &running.scripts, &mut faults);
    let destinations: Vec<_> = config
        .destinations
        .iter()
        .filter_map(|spec| {
            plan_destination(spec, running)
                .map_err(|fault| faults.push(fault))
                .ok()
        })
        .collect();
    let mut listeners = Vec::new();
    for spec in &config.listeners {
        let id = id_of(&spec.name);
        match plan_listener(&config, spec, id, running).await {
            Ok(plan) => listeners.push(plan),
            Err(fault) => faults.push(fault),
        }
    }
    let http = match plan_http(&config.http, running) {
        Ok(http) => http,
        Err(fault) => {
            faults.push(fault);
            HttpPlan::Keep
        }
    };
    Faults::check(faults)?;
    Ok(Prepared {
        config,
        listeners,
        destinations,
        routes,
        scripts,
        http,
    })
}

/// The script in a Lua for each worker.
fn prepare_script(
    config: &Config,
    kept: &Arc<ScriptState>,
    faults: &mut Vec<Fault>,
) -> Option<IdleScripts> {
    if config.hep.first_route() == HepRoute::None {
        return None;
    }
    let file = config.lua.script.as_ref()?;
    let script = config
        .compile_script(&[])
        .map_err(|found| faults.extend(found))
        .ok()??;
    let setup = ScriptSetup::new(script, config, sink_names(config));
    IdleScripts::new(setup, kept)
        .map_err(|error| faults.push(file.failure(&error)))
        .ok()
}

async fn plan_listener(
    config: &Config,
    spec: &config::Listener,
    id: ListenerId,
    running: &Inventory,
) -> Result<ListenerPlan, Fault> {
    let same_chunks = running.max_msg_chunks == config.hep.hep_max_msg_chunks;
    if same_chunks
        && running
            .listeners
            .iter()
            .any(|(kept, _)| kept.is_served_like(spec))
    {
        return Ok(ListenerPlan::Keep);
    }
    let net = convert::listener(spec, &config.hep, id).await?;
    // Port 0 is a port of each listener's own.
    let holder = running.listeners.iter().find(|(other, _)| {
        *other.socket == *spec.socket && (spec.socket.port != 0 || *other.name == *spec.name)
    });
    let bound = match holder {
        // Changed settings of an address that we listen on already: the same sockets go on.
        Some((_, handle)) => Listener::take_over(net, handle),
        None => Listener::bind(net),
    };
    match bound {
        Ok(bound) => Ok(ListenerPlan::Start(Box::new(bound))),
        Err(error) => Err(cannot_bind(&spec.socket, &error)),
    }
}

fn cannot_bind<T>(socket: &Marked<T>, error: &BindError) -> Fault {
    let remedy = match error.reason() {
        "address_in_use" => "stop what listens there, or choose another port",
        "address_not_available" => {
            "choose an address of this host, or 0.0.0.0 or [::] for all of them"
        }
        "permission_denied" => "choose a port above 1023, or give hepcat CAP_NET_BIND_SERVICE",
        _ => "look at what the system said, and choose another socket or other files",
    };
    Fault::at(socket, spelled(error), remedy)
}

fn plan_destination(
    spec: &config::Destination,
    running: &Inventory,
) -> Result<DestinationPlan, Fault> {
    if running.destinations.contains(spec) {
        return Ok(DestinationPlan::Keep);
    }
    let net = convert::destination(spec)?;
    Ok(DestinationPlan::Start(Box::new(net)))
}

const IN_USE: &str = "stop what listens there, or choose another `listen` address";

fn plan_http(spec: &config::Http, running: &Inventory) -> Result<HttpPlan, Fault> {
    let held = running.http.as_ref();
    let is_served = held.is_some_and(|(served, _)| served == spec);
    let planned = match &spec.tls {
        None if is_served => return Ok(HttpPlan::Keep),
        // They may be others in the same files.
        Some(tls) if is_served => http::certificates(tls).map(HttpPlan::Renew),
        _ => HttpServer::bind(spec, held.map(|(_, sockets)| &**sockets))
            .map(|server| HttpPlan::Serve(Box::new(server))),
    };
    planned.map_err(|error| {
        let address = match (&error, &spec.metrics, &spec.tls) {
            (HttpBindError::Tls { .. }, _, Some(tls)) => {
                let remedy = "name a certificate and its key in PEM that hepcat can read";
                return Fault::at(&tls.cert, spelled(&error), remedy);
            }
            (HttpBindError::Address { address, .. }, Some(metrics), _)
                if *address == *metrics.listen =>
            {
                &metrics.listen
            }
            _ => &spec.listen,
        };
        Fault::at(address, spelled(&error), IN_USE)
    })
}

/// The names that routes and scripts use for sinks, by number.
pub(crate) fn sink_names(config: &Config) -> Vec<Arc<str>> {
    let destinations = config.destinations.iter().map(|one| one.name.as_str());
    let groups = config.groups.iter().map(|group| group.name.as_str());
    let store = config.store.enabled.then_some("store");
    let names = destinations.chain(groups).chain(["tail"]).chain(store);
    names.map(Arc::from).collect()
}

/// The routes, their destinations by position.
pub(crate) fn compile_routes(config: &Config, faults: &mut Vec<Fault>) -> Routes {
    let mut routes = Vec::new();
    for spec in &config.routes {
        let when = spec.when.as_ref();
        let when = when.map_or_else(Query::everything, |when| Query::clone(when));
        let targets = spec.to.iter().map(|target| sink_id(config, target));
        match targets.collect() {
            Ok(to) => routes.push(
                Route::new(when, to)
                    .then_continue(spec.then_continue)
                    .asks_script(spec.asks_script.is_some()),
            ),
            Err(fault) => faults.push(fault),
        }
    }
    Routes::new(routes, default_sinks(config))
}

/// Where a message goes that no route fits: every destination that is in no group, every group, and the store.
fn default_sinks(config: &Config) -> SinkSet {
    let grouped = |name: &str| {
        let mut groups = config.groups.iter();
        groups.any(|group| group.names().any(|member| member == name))
    };
    let destinations = config.destinations.iter();
    let ungrouped = destinations
        .enumerate()
        .filter_map(|(at, one)| (!grouped(&one.name)).then_some(at));
    let groups = (config.destinations.len()..).take(config.groups.len());
    let store = config.store.enabled.then_some(tail_position(config) + 1);
    let positions = ungrouped.chain(groups).chain(store);
    positions
        .filter_map(|at| u16::try_from(at).ok())
        .map(SinkId)
        .collect()
}

/// The number after the last group.
fn tail_position(config: &Config) -> usize {
    config.destinations.len() + config.groups.len()
}

/// The sink that a route names: a destination by its position, groups after the last of them, then the tail, then
/// the store.
fn sink_id(config: &Config, target: &Marked<Target>) -> Result<SinkId, Fault> {
    let destinations = config.destinations.iter().map(|one| &one.name);
    let mut names = destinations.chain(config.groups.iter().map(|group| &group.name));
    let position = match &**target {
        Target::Named(name) => names.position(|known| **known == *name),
        Target::Tail => Some(tail_position(config)),
        Target::Store => Some(tail_position(config) + 1),
    };
    position
        .and_then(|at| u16::try_from(at).ok())
        .map(SinkId)
        .ok_or_else(|| {
            let remedy = "name a destination, or \"tail\" for those who watch live";
            Fault::at(target, "a route names no sink", remedy)
        })
}
