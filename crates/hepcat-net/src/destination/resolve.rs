//! From a host name to addresses.

use std::{
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
};

/// Most addresses of one name that an attempt goes through: the bound on how long one attempt lasts.
const MAX_ADDRESSES: usize = 16;

/// Addresses of a name, in the order in which they are to be tried.
pub type ResolveFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Turns a host name into addresses. Asked again before each attempt to connect; never asked for what
/// already is an address.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// The addresses of `host`, each with `port`.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ResolveFuture<'a>;
}

/// The resolver of the operating system: its files, its name servers, its order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ResolveFuture<'a> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Addresses to try, without repeats, never more than a sane number.
pub(super) async fn addresses(
    resolver: &dyn Resolve,
    host: &str,
    port: u16,
) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let mut distinct = Vec::new();
    for address in resolver.resolve(host, port).await? {
        if !distinct.contains(&address) && distinct.len() < MAX_ADDRESSES {
            distinct.push(address);
        }
    }
    if distinct.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address",
        ));
    }
    Ok(distinct)
}
