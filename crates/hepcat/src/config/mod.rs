//! The configuration: TOML as written, read with all its faults at once, resolved to what the node is built from.
//!
//! Each file holds one kind of table: its type, its defaults with their reasons, its reading. [`Config::load`]
//! reads them all and then checks what concerns several (`resolve.rs`): names, references, addresses. A value
//! that somebody may have to be shown again is [`Marked`] with its place, so that a port that is taken is
//! reported like a key that is misspelt.
//!
//! ```
//! use hepcat::config::Config;
//!
//! let text = r#"
//! [hep]
//! hep_id = "[homer] 10.0.0.9:9061; transport=tls"
//!
//! [[listener]]
//! socket = "hep_udp:0.0.0.0:9060"
//! "#;
//! let config = Config::parse(text, "hepcat.toml")?;
//! assert_eq!(*config.destinations[0].name, "homer");
//!
//! let faults = Config::parse("[hep]\nhep_asink = 1", "hepcat.toml").unwrap_err();
//! assert_eq!(faults.iter().next().and_then(|fault| fault.line()), Some(2));
//! # Ok::<(), hepcat::config::Faults>(())
//! ```

use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use hepcat_net::Transport;

mod agents;
mod calls;
mod certificates;
mod destination;
mod fault;
mod group;
mod hep;
pub mod hep_id;
mod http;
mod listener;
mod lua;
mod mark;
mod node;
mod notes;
mod reader;
mod resolve;
mod route;
mod secret;
mod socket;
mod spool;
mod store;
mod trace;
mod units;

pub use hepcat_wire::Version;

pub use agents::{Admission, Agents};
pub use calls::CallsConfig;
pub(crate) use certificates::is_server_name;
pub use destination::{
    Destination, DestinationTls, KeyPolicy, Probe, QUEUE_FRAMES, QUEUE_FRAMES_WITH_SPOOL,
    QUEUE_SIZE, QUEUE_SIZE_WITH_SPOOL, Queue, WhenFull,
};
pub use fault::{Fault, Faults};
pub use group::{Group, GroupKind, Member};
pub use hep::{Hep, Sending};
pub use hep_id::HepId;
pub use http::{Http, MaskingByRole, Metrics};
pub use listener::{
    CaptureIdFix, ClientAuth, Listener, ListenerTls, OnGarbage, StreamLimits, TlsDomain,
};
pub use lua::{HepRoute, Lua, ScriptFile};
pub use mark::{Mark, Marked};
pub use node::{NodeConfig, Shutdown, UnparsableConfig};
pub use route::{Route, Target};
pub use secret::Secret;
pub(crate) use units::duration;

pub use socket::{DESTINATION_PORT, Host, Socket, SocketError};
pub use spool::{Spool, SpoolFsync, SpoolFull, SpoolMode};
pub use store::StoreConfig;
pub use trace::Trace;

/// A whole configuration, checked: every reference in it holds.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// The file it came from; `None` for the built-in one.
    pub file: Option<PathBuf>,
    /// `[node]`.
    pub node: NodeConfig,
    /// `[hep]`.
    pub hep: Hep,
    /// `[agents]`.
    pub agents: Agents,
    /// `[[listener]]`, in the order of the file; at least one.
    pub listeners: Vec<Listener>,
    /// The destinations of `hep_id`, then `[[destination]]`, each in the order of the file.
    pub destinations: Vec<Destination>,
    /// `[[group]]`, in the order of the file.
    pub groups: Vec<Group>,
    /// `[[route]]`, in the order of the file.
    pub routes: Vec<Route>,
    /// `[lua]`.
    pub lua: Lua,
    /// `[[trace]]`, in the order of the file.
    pub traces: Vec<Trace>,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[calls]`.
    pub calls: CallsConfig,
    /// `[http]`.
    pub http: Http,
    /// `[unparsable]`.
    pub unparsable: UnparsableConfig,
    /// `[shutdown]`.
    pub shutdown: Shutdown,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Faults> {
        let path = path.as_ref();
        let text = std::fs::read(path).map_err(|error| {
            let message = format!("cannot read the configuration: {error}");
            let remedy = "name a file that the user running hepcat can read";
            Fault::of_file(path, message, remedy)
        })?;
        let text = String::from_utf8(text).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let message = format!("octet {at} is no UTF-8");
            Fault::of_file(path, message, "save the file as UTF-8, as TOML asks for")
        })?;
        Self::parse(&text, path)
    }

    /// Reads and checks a text. Paths in it are relative to the directory of `file_name`, which names the text
    /// in reports and need not exist.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, file_name: impl AsRef<Path>) -> Result<Self, Faults> {
        let reader = reader::Reader::new(text, file_name.as_ref());
        let (mut config, unread) = reader.read(text, Self::read);
        resolve::split_families(&mut config.listeners);
        resolve::check(&config, &unread, &mut |fault| reader.fault(fault));
        Faults::check(reader.into_faults())?;
        Ok(config)
    }

    /// What runs without a file: HEP over UDP and TCP on port 9060 of every IPv4 address, no destination, a store in
    /// the user's data directory, the page on 127.0.0.1:9080.
    #[must_use]
    pub fn builtin() -> Self {
        let listener = |transport| {
            // The port that OpenSIPS's code and every collector use, not the documented default of hep_port.
            let host = Host::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
            Listener::plain(Marked::built_in(Socket::new(
                transport,
                host,
                DESTINATION_PORT,
            )))
        };
        Self {
            file: None,
            node: NodeConfig::default(),
            hep: Hep::default(),
            agents: Agents::default(),
            listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
            destinations: Vec::new(),
            groups: Vec::new(),
            routes: Vec::new(),
            lua: Lua::default(),
            traces: Vec::new(),
            store: StoreConfig::default(),
            calls: CallsConfig::default(),
            http: Http::default(),
            unparsable: UnparsableConfig::default(),
            shutdown: Shutdown::default(),
        }
    }

    /// Directory of everything that is kept: the one that the configuration names, and the user's data
    /// directory where there is no configuration. `None` for a file that names none: such a node writes
    /// nothing, and what is decided at run time ends with it.
    #[must_use]
    pub fn data_dir(&self) -> Option<Marked<PathBuf>> {
        match (&self.node.data_dir, &self.file) {
            (Some(given), _) => Some(given.clone()),
            (None, None) => Some(Marked::built_in(node::user_data_dir())),
            (None, Some(_)) => None,
        }
    }

    /// Every table of the document, and the names of destinations and groups that could not be read.
    fn read(root: &reader::Table<'_>) -> (Self, Vec<String>) {
        let node = root.table("node", NodeConfig::read).unwrap_or_default();
        let (hep, ids) = root.table("hep", Hep::read).unwrap_or_default();
        let agents = root.table("agents", Agents::read).unwrap_or_default();
        let listeners = root.tables("listener", |table| Listener::read(table, &hep, &agents));
        if !root.has("listener") {
            let message = "there is no [[listener]]: nothing could be received";
            let remedy = "add [[listener]] with socket = \"hep_udp:0.0.0.0:9060\"";
            let file = root.reader().file_name();
            root.reader().fault(Fault::of_file(file, message, remedy));
        }
        let hep::Ids { read, mut unread } = ids;
        let ids = read
            .into_iter()
            .map(|id| Destination::from_hep_id(id, &hep));
        let mut destinations: Vec<_> = ids.collect();
        let tables = root.tables("destination", |table| {
            let destination = Destination::read(table, &hep);
            if destination.is_none() {
                unread.extend(table.peek_text("name").map(str::to_owned));
            }
            destination
        });
        destinations.extend(tables.into_iter().flatten());
        for destination in &mut destinations {
            let name = destination.name.to_string();
            if let (Some(spool), Some(data_dir)) = (&mut destination.spool, &node.data_dir) {
                spool.settle(data_dir, &name);
            }
        }
        let groups = root.tables("group", |table| {
            let group = Group::read(table);
            if group.is_none() {
                unread.extend(table.peek_text("name").map(str::to_owned));
            }
            group
        });
        let config = Self {
            file: Some(root.reader().file_name().to_owned()),
            node,
            hep,
            agents,
            listeners: listeners.into_iter().flatten().collect(),
            destinations,
            groups: groups.into_iter().flatten().collect(),
            routes: root.tables("route", Route::read),
            lua: root.table("lua", Lua::read).unwrap_or_default(),
            traces: (root.tables("trace", Trace::read).into_iter())
                .flatten()
                .collect(),
            store: root
                .table("store", StoreConfig::read)
                .unwrap_or_else(StoreConfig::absent),
            calls: root.table("calls", CallsConfig::read).unwrap_or_default(),
            http: root.table("http", Http::read).unwrap_or_default(),
            unparsable: root
                .table("unparsable", UnparsableConfig::read)
                .unwrap_or_default(),
            shutdown: root.table("shutdown", Shutdown::read).unwrap_or_default(),
        };
        (config, unread)
    }
}

#[cfg(test)]
mod tests;
