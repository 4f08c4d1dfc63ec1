//! The small tables: `[node]`, `[unparsable]`, `[shutdown]`.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, time::Duration};

use bytesize::ByteSize;

use super::{
    Marked, hep_id,
    reader::{Bare, Table},
};

/// `[node]`: who we are and where we keep things.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeConfig {
    /// Name of this node; the host's name where none is given.
    pub name: String,
    /// Directory of everything that is kept; [`Config::data_dir`](super::Config::data_dir) says what holds
    /// where none is given.
    pub data_dir: Option<Marked<PathBuf>>,
    /// The name server that destinations' names are asked of; `None` is those of the system.
    pub resolver: Option<Marked<SocketAddr>>,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            name: host_name(),
            data_dir: None,
            resolver: None,
        }
    }
}

impl NodeConfig {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let d = Self::default();
        let name = table.text("name").filter(|name| {
            let checked = hep_id::check_name(name);
            if let Err((message, remedy)) = &checked {
                table.fault(name, message, remedy);
            }
            checked.is_ok()
        });
        Self {
            name: name.map_or(d.name, Marked::into_inner),
            data_dir: table.path("data_dir"),
            resolver: read_address(table, "resolver"),
        }
    }
}

/// The host's name as the kernel has it.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "hepcat".to_owned(),
        name => name.to_owned(),
    }
}

/// Where a node without a configuration keeps things.
pub(super) fn user_data_dir() -> PathBuf {
    data_dir(|variable| std::env::var_os(variable))
}

/// The user's data directory (XDG Base Directory Specification 0.8); the system's for a user without a home.
fn data_dir(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    // The specification says to ignore a path that is not absolute.
    let absolute = |name| {
        variable(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_DATA_HOME")
        .or_else(|| Some(absolute("HOME")?.join(".local/share")))
        .unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("hepcat")
}

pub(super) fn read_address(table: &Table<'_>, key: &'static str) -> Option<Marked<SocketAddr>> {
    let text = table.text(key)?;
    match text.parse() {
        Ok(address) => Some(text.map(|_| address)),
        Err(_) => {
            let message = format!("`{key}`: `{}` is no address with a port", *text);
            table.fault(
                &text,
                message,
                "write an address and a port, such as \"127.0.0.1:9080\"",
            );
            None
        }
    }
}

/// `[unparsable]`: frames that do not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnparsableConfig {
    /// Octets of them kept in a second; what is more is counted and let go. 0 keeps none.
    pub max_per_second: ByteSize,
}

impl Default for UnparsableConfig {
    fn default() -> Self {
        Self {
            // Enough to study a broken agent, too little to fill a disk before somebody looks.
            max_per_second: ByteSize::mib(1),
        }
    }
}

impl UnparsableConfig {
    pub(super) fn read(table: &Table<'_>) -> Self {
        let d = Self::default();
        let rate = table.size("max_per_second", ByteSize::b(0)..=ByteSize::gib(1));
        Self {
            max_per_second: rate.map_or(d.max_per_second, Marked::into_inner),
        }
    }
}

/// `[shutdown]`: how long the end may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// Time for queues to drain; what is left then is counted as lost.
    pub drain_limit: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            // systemd kills after 90 s.
            drain_limit: Duration::from_secs(10),
        }
    }
}

impl Shutdown {
    pub(super) fn read(table: &Table<'_>) -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        let d = Self::default();
        let limit = table.duration("drain_limit", Bare::Refused, Duration::ZERO..=HOUR);
        Self {
            drain_limit: limit.map_or(d.drain_limit, Marked::into_inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_follows_xdg() {
        let with = |xdg: Option<&str>, home: Option<&str>| {
            data_dir(|variable| {
                let value = if variable == "HOME" { home } else { xdg };
                value.map(OsString::from)
            })
        };
        for (xdg, home, expected) in [
            (Some("/data"), Some("/home/me"), "/data/hepcat"),
            (None, Some("/home/me"), "/home/me/.local/share/hepcat"),
            (
                Some("relative"),
                Some("/home/me"),
                "/home/me/.local/share/hepcat",
            ),
            (Some(""), None, "/var/lib/hepcat"),
        ] {
            assert_eq!(with(xdg, home), PathBuf::from(expected));
        }
    }
}
