//! `[http]`: where the page, the API and metrics are served, and who may see what.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use ipnet::IpNet;

use super::{
    Fault, ListenerTls, Marked, Secret,
    node::read_address,
    reader::{Bare, Table},
};
use crate::{
    access::{Masking, Role},
    state::audit::Bounds,
};

/// `[http]`: page, API, metrics and health.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Http {
    /// Where everything is served.
    pub listen: Marked<SocketAddr>,
    /// Certificates; plain HTTP without.
    pub tls: Option<ListenerTls>,
    /// Proxies whose word about their clients is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How long somebody who signed in stays so.
    pub session: Duration,
    /// What is hidden, by role.
    pub masking: MaskingByRole,
    /// How much the audit log keeps.
    pub audit: Bounds,
    /// A second address that serves metrics only, to those who have the token.
    pub metrics: Option<Metrics>,
}

/// Metrics beyond loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Where metrics are served, and nothing else.
    pub listen: Marked<SocketAddr>,
    /// What a reader must show.
    pub token: Secret,
}

/// `[http.masking]`: what is hidden from whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MaskingByRole {
    /// From the role `metadata`; the payload is hidden from it in any case.
    pub metadata: Masking,
    /// From the role `viewer`.
    pub viewer: Masking,
    /// From the role `operator`.
    pub operator: Masking,
    /// From the role `admin`.
    pub admin: Masking,
    /// From whoever has a link to a call.
    pub link: Masking,
}

impl MaskingByRole {
    /// What is hidden from a role.
    #[must_use]
    pub fn of(&self, role: Role) -> Masking {
        match role {
            Role::Metadata => self.metadata,
            Role::Viewer => self.viewer,
            Role::Operator => self.operator,
            Role::Admin => self.admin,
        }
    }
}

impl Default for MaskingByRole {
    fn default() -> Self {
        Self {
            metadata: Masking {
                digests: true,
                payload: true,
                ..Masking::NONE
            },
            viewer: Masking::NONE,
            operator: Masking::NONE,
            admin: Masking::NONE,
            // It leaves the house: nobody needs credentials to understand a call.
            link: Masking {
                digests: true,
                ..Masking::NONE
            },
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            // Loopback: beyond it there must be users.
            listen: Marked::built_in(SocketAddr::from((Ipv4Addr::LOCALHOST, 9080))),
            tls: None,
            trusted_proxies: Vec::new(),
            // NIST SP 800-63B §4.2.3: at least once in twelve hours.
            session: Duration::from_secs(12 * 3600),
            masking: MaskingByRole::default(),
            audit: Bounds {
                max_age: Duration::from_secs(365 * 86_400),
                // Some 100 octets each: 20 MB.
                max_entries: 200_000,
            },
            metrics: None,
        }
    }
}

impl Http {
    /// Whether others than this host can ask: without users nothing is served then.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !is_loopback(self.listen.ip()) || !self.trusted_proxies.is_empty()
    }

    /// `https` where it is served over TLS, else `http`.
    #[must_use]
    pub fn scheme(&self) -> &'static str {
        match self.tls {
            Some(_) => "https",
            None => "http",
        }
    }

    /// What is wrong where others can ask and there are no users.
    #[must_use]
    pub fn nobody(&self) -> Fault {
        let message = "others than this host can reach the page, and there are no users";
        let remedy = "add one: hepcat user add NAME --role admin -c FILE";
        Fault::at(&self.listen, message, remedy)
    }

    pub(super) fn read(table: &Table<'_>) -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const DAY: Duration = Duration::from_secs(86_400);
        let d = Self::default();
        let listen = read_address(table, "listen");
        let tls = table.table("tls", ListenerTls::read).flatten();
        let trusted_proxies = read_networks(table, "trusted_proxies");
        if let Some(address) = &listen
            && !is_loopback(address.ip())
            && !table.has("tls")
            && !table.has("trusted_proxies")
        {
            let message = format!(
                "`listen` is {}: beyond this host passwords would be sent in the clear",
                address.ip()
            );
            let remedy = "add tls = { cert = \"…\", key = \"…\" } or trusted_proxies = [\"…\"], or write \"127.0.0.1:9080\"; \
                          for metrics alone use `metrics_listen` and `metrics_token_file`";
            table.fault(address, message, remedy);
        }
        let session = table.duration("session", Bare::Refused, MINUTE..=DAY * 90);
        let metrics_listen = read_address(table, "metrics_listen");
        let token = table.secret("metrics_token_file");
        if table.has("metrics_listen") {
            let remedy =
                "add metrics_token_file = \"…\", a file that holds the token readers must show";
            table.require("metrics_token_file", remedy);
        } else if table.has("metrics_token_file") {
            table.require(
                "metrics_listen",
                "add metrics_listen = \"0.0.0.0:9090\", or remove the token file",
            );
        }
        Self {
            listen: listen.unwrap_or(d.listen),
            tls,
            trusted_proxies: trusted_proxies.unwrap_or_default(),
            session: session.map_or(d.session, Marked::into_inner),
            masking: table
                .table("masking", MaskingByRole::read)
                .unwrap_or(d.masking),
            audit: table.table("audit", read_audit).unwrap_or(d.audit),
            metrics: metrics_listen.zip(token).map(|(listen, token)| Metrics {
                listen,
                token: token.into_inner(),
            }),
        }
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// What the configuration calls what can be hidden.
const HIDDEN: [&str; 4] = ["numbers", "bodies", "digests", "payload"];

impl MaskingByRole {
    fn read(table: &Table<'_>) -> Self {
        let d = Self::default();
        // Enough that a number is nobody's any more, and still tells country and region.
        let digits = table.number::<u8>("digits", 1..=64);
        let digits = digits.map_or(4, Marked::into_inner);
        let read = |key, default: Masking| {
            let words = table.texts(key);
            words.map_or(default, |words| read_masking(table, key, &words, digits))
        };
        Self {
            metadata: Masking {
                payload: true,
                ..read("metadata", d.metadata)
            },
            viewer: read("viewer", d.viewer),
            operator: read("operator", d.operator),
            admin: read("admin", d.admin),
            link: read("link", d.link),
        }
    }
}

fn read_masking(table: &Table<'_>, key: &str, words: &[Marked<String>], digits: u8) -> Masking {
    let mut masking = Masking::NONE;
    for word in words {
        match word.as_str() {
            "numbers" => masking.digits = digits,
            "bodies" => masking.bodies = true,
            "digests" => masking.digests = true,
            "payload" => masking.payload = true,
            other => {
                let message = format!("`{key}`: \"{other}\" cannot be hidden");
                let remedy = format!("write some of \"{}\"", HIDDEN.join("\", \""));
                table.fault(word, message, &remedy);
            }
        }
    }
    masking
}

fn read_audit(table: &Table<'_>) -> Bounds {
    const DAY: Duration = Duration::from_secs(86_400);
    let d = Http::default().audit;
    let max_age = table.duration("max_age", Bare::Refused, DAY..=DAY * 3_650);
    let max_entries = table.number::<u64>("max_entries", 1_000..=10_000_000);
    Bounds {
        max_age: max_age.map_or(d.max_age, Marked::into_inner),
        max_entries: max_entries.map_or(d.max_entries, Marked::into_inner),
    }
}

/// Addresses and networks; a single address is a network of its own.
fn read_networks(table: &Table<'_>, key: &'static str) -> Option<Vec<IpNet>> {
    let texts = table.texts(key)?;
    let read = texts.iter().filter_map(|text| {
        let read = text
            .parse::<IpNet>()
            .ok()
            .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        if read.is_none() {
            let message = format!("`{key}`: `{}` is no address and no network", **text);
            let fault = Fault::at(
                text,
                message,
                "write an address or a network: \"10.0.0.0/8\"",
            );
            table.reader().fault(fault);
        }
        read
    });
    Some(read.collect())
}
