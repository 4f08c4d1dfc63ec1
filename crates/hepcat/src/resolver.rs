//! Names of destinations: hosts by A and AAAA, services by SRV, each with its time to live.
//!
//! The resolver of the operating system hides both services and times to live, so names are asked of the
//! name servers themselves: those of `/etc/resolv.conf`, or the one that `[node] resolver` names.
//! `/etc/hosts` comes first. A host that no name server knows is asked of the operating system after all,
//! which may have other sources; that answer counts for a minute.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use hepcat_net::destination::{Resolution, Resolve, ResolveFuture, SystemResolver, is_service};
use hickory_resolver::{
    TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::{RData, rdata::SRV},
};

/// For how long an answer of the operating system counts, which has no time to live.
const SYSTEM_LIFE: Duration = Duration::from_secs(60);

/// Most hosts of one service that are looked up.
const MAX_HOSTS: usize = 8;

/// The resolver of all destinations. A reload may give it another name server.
#[derive(Debug)]
pub struct NameResolver {
    servers: ArcSwap<Servers>,
}

#[derive(Debug)]
enum Servers {
    /// Those of the operating system, and the operating system itself for hosts that they do not know.
    System(TokioResolver),
    /// One that the configuration names, and nobody else.
    Configured(TokioResolver),
    /// None could be found: the operating system alone.
    None,
}

impl Default for NameResolver {
    fn default() -> Self {
        Self {
            servers: ArcSwap::from_pointee(Servers::None),
        }
    }
}

impl NameResolver {
    /// Uses this name server from now on, or those of the operating system, whose files are read again.
    /// Must be called within a tokio runtime.
    pub fn configure(&self, server: Option<SocketAddr>) {
        let servers = match (build(server), server) {
            (Ok(resolver), Some(_)) => Servers::Configured(resolver),
            (Ok(resolver), None) => Servers::System(resolver),
            (Err(error), _) => {
                tracing::warn!(
                    error,
                    "no name server can be used: services are not found, and hosts only by the system"
                );
                Servers::None
            }
        };
        self.servers.store(Arc::new(servers));
    }
}

impl Resolve for NameResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ResolveFuture<'a> {
        Box::pin(async move {
            let servers = self.servers.load_full();
            match &*servers {
                Servers::Configured(dns) if is_service(host) => service(dns, host).await,
                Servers::System(dns) if is_service(host) => service(dns, host).await,
                Servers::Configured(dns) => addresses(dns, host, port).await,
                Servers::System(dns) => match addresses(dns, host, port).await {
                    Ok(resolution) => Ok(resolution),
                    // What DNS said is the better reason where nobody knows the name.
                    Err(error) => of_system(host, port).await.map_err(|_| error),
                },
                Servers::None => of_system(host, port).await,
            }
        })
    }
}

async fn of_system(host: &str, port: u16) -> io::Result<Resolution> {
    let resolution = SystemResolver::default().resolve(host, port).await?;
    Ok(resolution.lasts(SYSTEM_LIFE))
}

async fn addresses(dns: &TokioResolver, host: &str, port: u16) -> io::Result<Resolution> {
    let found = dns.lookup_ip(host).await.map_err(io::Error::other)?;
    let addresses = found.iter().map(|ip| SocketAddr::new(ip, port)).collect();
    Ok(Resolution::new(addresses).lasts(left(found.valid_until())))
}

/// The hosts of a service in the order of RFC 2782, each with its port, for as long as all answers stand.
async fn service(dns: &TokioResolver, name: &str) -> io::Result<Resolution> {
    let found = dns.srv_lookup(name).await.map_err(io::Error::other)?;
    let records = found
        .answers()
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(srv.clone()),
            _ => None,
        });
    let mut life = left(found.valid_until());
    let mut all = Vec::new();
    let mut fault = None;
    for srv in in_order(records.collect(), fastrand::u32)
        .iter()
        .take(MAX_HOSTS)
    {
        // "." says that the service is not offered here.
        if srv.target.is_root() {
            continue;
        }
        match addresses(dns, &srv.target.to_utf8(), srv.port).await {
            Ok(resolution) => {
                all.extend(resolution.addresses);
                life = resolution.lasts.map_or(life, |lasts| life.min(lasts));
            }
            Err(error) => fault = Some(error),
        }
    }
    match fault {
        Some(error) if all.is_empty() => Err(error),
        _ => Ok(Resolution::new(all).lasts(life)),
    }
}

/// By priority, lowest first; among equals at random, the more often the higher the weight. `random` gives a
/// number within a range.
fn in_order(
    mut records: Vec<SRV>,
    mut random: impl FnMut(std::ops::RangeInclusive<u32>) -> u32,
) -> Vec<SRV> {
    // RFC 2782: those of weight 0 come first, which gives them the small chance that they are to have.
    records.sort_by_key(|srv| (srv.priority, srv.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let priority = first.priority;
        let equals = records.iter().take_while(|srv| srv.priority == priority);
        let sum: u32 = equals.clone().map(|srv| u32::from(srv.weight)).sum();
        let drawn = random(0..=sum);
        let mut running = 0;
        let chosen = equals.clone().position(|srv| {
            running += u32::from(srv.weight);
            running >= drawn
        });
        ordered.push(records.remove(chosen.unwrap_or(0)));
    }
    ordered
}

fn left(until: std::time::Instant) -> Duration {
    until.saturating_duration_since(std::time::Instant::now())
}

fn build(server: Option<SocketAddr>) -> Result<TokioResolver, String> {
    let spelled = |error: hickory_resolver::net::NetError| error.to_string();
    let mut builder = match server {
        Some(server) => {
            let mut config = NameServerConfig::udp_and_tcp(server.ip());
            for connection in &mut config.connections {
                connection.port = server.port();
            }
            let config = ResolverConfig::from_name_servers(vec![config]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        }
        None => TokioResolver::builder_tokio().map_err(spelled)?,
    };
    let options = builder.options_mut();
    // Every address is tried in turn; IPv4 first, because a route that leads nowhere is commoner with IPv6.
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    // Destinations keep answers for their time themselves, and ask again after a failure: then the answer
    // of before is what they do not want.
    options.cache_size = 0;
    builder.build().map_err(spelled)
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    fn srv(priority: u16, weight: u16, port: u16) -> SRV {
        SRV::new(priority, weight, port, Name::root())
    }

    #[test]
    fn services_go_by_priority_and_chance_decides_by_weight_among_equals() {
        let records = || vec![srv(20, 0, 1), srv(10, 60, 2), srv(10, 20, 3), srv(10, 0, 4)];
        let ports =
            |records: Vec<SRV>| -> Vec<u16> { records.iter().map(|srv| srv.port).collect() };
        assert_eq!(ports(in_order(records(), |_| 0)), [4, 3, 2, 1]);
        assert_eq!(
            ports(in_order(records(), |range| *range.end())),
            [2, 3, 4, 1]
        );
        let mut firsts = [0_u32; 5];
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..8000 {
            let first = in_order(records(), |range| random.u32(range)).remove(0);
            firsts[usize::from(first.port)] += 1;
        }
        assert_eq!(firsts[1], 0);
        assert!(firsts[2].abs_diff(6000) < 250, "{firsts:?}");
    }
}
