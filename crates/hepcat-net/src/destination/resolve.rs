//! From a host name to addresses, and what becomes of a connection when the answer changes.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{DestinationConfig, LinkError, Shared};

/// Most addresses of one name that an attempt goes through: the bound on how long one attempt lasts.
const MAX_ADDRESSES: usize = 16;

/// An answer is asked for again after this long at the earliest, whatever it says itself: a record with
/// a time to live of 0 shall not make a busy loop.
const LEAST_LIFE: Duration = Duration::from_secs(1);

/// And after this long at the latest.
const MOST_LIFE: Duration = Duration::from_hours(24);

/// The pause before a name is asked for again that could not be resolved while its connection works.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// At most one line about a name that does not resolve any more in this time.
const LOG_PERIOD: Duration = Duration::from_mins(1);

/// What a name stands for, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Resolution {
    /// Its addresses, in the order in which they are to be tried.
    pub addresses: Vec<SocketAddr>,
    /// The time to live of the answer; `None` where the resolver does not know it, which leaves a
    /// connection alone for as long as it works.
    pub lasts: Option<Duration>,
}

impl Resolution {
    /// Addresses that stand for as long as nobody asks again.
    #[must_use]
    pub fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            addresses,
            lasts: None,
        }
    }

    /// The same for a limited time.
    #[must_use]
    pub fn lasts(mut self, time: Duration) -> Self {
        self.lasts = Some(time);
        self
    }
}

/// A resolution under way.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Resolution>> + Send + 'a>>;

/// Turns a host name into addresses. Asked again before each attempt to connect, and while connected
/// when the answer's time is over; never asked for what already is an address.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host`, each with `port`. A host whose first label begins with `_` is the name
    /// of a service: its SRV records (RFC 2782) say hosts and ports, and `port` means nothing.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ResolveFuture<'a>;
}

/// The resolver of the operating system: its files, its name servers, its order. It knows no services
/// and no time to live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ResolveFuture<'a> {
        Box::pin(async move {
            if is_service(host) {
                let message = "the system's resolver looks up hosts, not services";
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
            let addresses = tokio::net::lookup_host((host, port)).await?;
            Ok(Resolution::new(addresses.collect()))
        })
    }
}

/// Whether `host` names a service: `_hep._tcp.example.net`.
#[must_use]
pub fn is_service(host: &str) -> bool {
    host.starts_with('_')
}

/// The domain that a service belongs to, which is the name that its certificate must bear: what an SRV
/// record names instead comes from DNS, which anybody may have changed (RFC 6125 §6.2.1). Any other host
/// is its own.
#[must_use]
pub fn domain_of(host: &str) -> &str {
    let mut domain = host;
    while domain.starts_with('_')
        && let Some((_, parent)) = domain.split_once('.')
    {
        domain = parent;
    }
    domain
}

/// What is known of one destination's addresses. Kept from attempt to attempt: addresses that were good
/// once are still tried when the name does not resolve.
#[derive(Debug)]
pub(super) struct AddressBook<'a> {
    config: &'a DestinationConfig,
    known: Mutex<Known>,
    /// The peer's address is none of the name's any more.
    moved: AtomicBool,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// When the answer's time is over.
    until: Option<Instant>,
    said_at: Option<Instant>,
}

/// Addresses to try: one at least.
#[derive(Debug)]
pub(super) struct Candidates {
    pub(super) addresses: Vec<SocketAddr>,
    /// Why they are only what was known before.
    pub(super) unresolved: Option<LinkError>,
}

impl<'a> AddressBook<'a> {
    pub(super) fn new(config: &'a DestinationConfig) -> Self {
        Self {
            config,
            known: Mutex::default(),
            moved: AtomicBool::new(false),
        }
    }

    /// The addresses to connect to now.
    pub(super) async fn candidates(&self) -> Result<Candidates, LinkError> {
        self.moved.store(false, Ordering::Relaxed);
        if let Ok(ip) = self.config.host.parse::<IpAddr>() {
            return Ok(Candidates {
                addresses: vec![SocketAddr::new(ip, self.config.port)],
                unresolved: None,
            });
        }
        let unresolved = self.resolve().await.err();
        let addresses = self.known.lock().addresses.clone();
        match unresolved {
            Some(error) if addresses.is_empty() => Err(error),
            unresolved => Ok(Candidates {
                addresses,
                unresolved,
            }),
        }
    }

    /// Whether the peer's address is none of the name's any more.
    pub(super) fn has_moved(&self) -> bool {
        self.moved.load(Ordering::Relaxed)
    }

    /// Runs a connection's session, and tells it when its peer's address has left the name.
    pub(super) async fn attend<T>(
        &self,
        shared: &Shared,
        peer: SocketAddr,
        session: impl Future<Output = T>,
    ) -> T {
        if self.known.lock().until.is_none() {
            return session.await;
        }
        tokio::select! {
            biased;
            end = session => end,
            never = self.watch(shared, peer) => match never {},
        }
    }

    async fn watch(&self, shared: &Shared, peer: SocketAddr) -> Infallible {
        loop {
            let until = self.known.lock().until;
            let Some(until) = until else {
                return std::future::pending().await;
            };
            sleep_until(until).await;
            match self.resolve().await {
                Ok(()) => {
                    if !self.known.lock().addresses.contains(&peer) {
                        tracing::debug!(destination = self.config.name(), %peer, "address moved");
                        self.moved.store(true, Ordering::Relaxed);
                        shared.queue.wake();
                        return std::future::pending().await;
                    }
                }
                Err(error) => {
                    self.say_unresolved(&error);
                    sleep(ASK_AGAIN_AFTER).await;
                }
            }
        }
    }

    fn say_unresolved(&self, error: &LinkError) {
        let now = Instant::now();
        let mut known = self.known.lock();
        if known
            .said_at
            .is_some_and(|at| now.duration_since(at) < LOG_PERIOD)
        {
            return;
        }
        known.said_at = Some(now);
        drop(known);
        tracing::warn!(
            destination = self.config.name(),
            error = error.in_words(),
            "name does not resolve any more: its last address stays in use"
        );
    }

    /// Asks, and remembers the answer.
    async fn resolve(&self) -> Result<(), LinkError> {
        let DestinationConfig {
            host,
            port,
            connect_timeout: limit,
            ..
        } = self.config;
        let resolution = match timeout(*limit, self.config.resolver.resolve(host, *port)).await {
            Ok(Ok(resolution)) => resolution,
            Ok(Err(source)) => {
                let host = host.clone();
                return Err(LinkError::Resolve { host, source });
            }
            Err(_) => {
                let (host, limit) = (host.clone(), *limit);
                return Err(LinkError::ResolveTimeout { host, limit });
            }
        };
        let mut distinct = Vec::new();
        for address in resolution.addresses {
            if !distinct.contains(&address) && distinct.len() < MAX_ADDRESSES {
                distinct.push(address);
            }
        }
        if distinct.is_empty() {
            let source = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            let host = host.clone();
            return Err(LinkError::Resolve { host, source });
        }
        let life = |time: Duration| time.clamp(LEAST_LIFE, MOST_LIFE);
        let mut known = self.known.lock();
        known.addresses = distinct;
        known.until = resolution.lasts.map(|time| Instant::now() + life(time));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_of_a_service_is_what_follows_its_labels() {
        for (host, domain) in [
            ("_hep._tcp.example.net", "example.net"),
            ("_hep.example.net", "example.net"),
            ("homer.example.net", "homer.example.net"),
            ("_hep", "_hep"),
        ] {
            assert_eq!(domain_of(host), domain);
        }
        assert!(is_service("_hep._tcp.example.net"));
        assert!(!is_service("homer_1.example.net"));
    }
}
