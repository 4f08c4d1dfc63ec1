//! Taking connections: plain or over TLS, no more than there may be, and none that does not get on.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::access::{AccessCounters, Refused};

/// Connections at once: each takes some 30 KiB.
const MOST: usize = 1024;
/// Connections at once from one address. A browser opens six (HTTP/1.1), so that is a house behind one address.
const MOST_FROM_ONE: usize = 128;
/// Time for a TLS handshake, as listeners have it by default.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Time for the head of a request, counted from when the connection is ready for it: nobody holds a connection by
/// sending slowly, and one that is kept open for the next request is closed after it.
const HEAD: Duration = Duration::from_secs(30);
/// Pause after the system could not give a connection, mostly because descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);

/// What is shown to who connects over TLS. Others can take its place while connections are open, which keep what they
/// began with.
#[derive(Debug, Clone)]
pub(super) struct Certificates(Arc<ArcSwap<ServerConfig>>);

impl Certificates {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(ArcSwap::new(config)))
    }

    /// Shows these to who connects from now on.
    pub(super) fn renew(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Serves `routes` to whoever connects, until `stop`: then requests that are under way are finished.
pub(super) async fn accept(
    listener: TcpListener,
    tls: Option<Certificates>,
    routes: Router,
    counters: Arc<AccessCounters>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::new(Places::default());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !is_of_peer(&error) {
                    tracing::warn!(%error, "no connection over HTTP can be taken");
                    tokio::time::sleep(PAUSE).await;
                }
                continue;
            }
        };
        let Some(place) = Places::take(&places, peer.ip()) else {
            counters.refused(Refused::Connections);
            continue;
        };
        let (tls, routes, counters, stop) = (
            tls.as_ref().map(Certificates::acceptor),
            routes.clone(),
            Arc::clone(&counters),
            stop.clone(),
        );
        tasks.spawn(async move {
            match tls {
                None => serve(stream, peer, routes, stop).await,
                Some(tls) => match handshake(&tls, stream, &stop).await {
                    Some(stream) => serve(stream, peer, routes, stop).await,
                    None => counters.refused(Refused::Handshake),
                },
            }
            drop(place);
        });
    }
}

async fn handshake(
    tls: &TlsAcceptor,
    stream: TcpStream,
    stop: &CancellationToken,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let done = tokio::select! {
        biased;
        () = stop.cancelled() => return None,
        done = tokio::time::timeout(HANDSHAKE, tls.accept(stream)) => done,
    };
    done.ok()?.ok()
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: SocketAddr,
    routes: Router,
    stop: CancellationToken,
) {
    let service = TowerToHyperService::new(routes.layer(Extension(Peer(peer))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection over HTTP ended");
    }
}

/// Errors of a connection that was over before it was taken.
fn is_of_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Connections that are open, by address.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

/// A connection's place among them.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let address = address.to_canonical();
        let mut open = places.0.lock();
        let from_one = open.get(&address).copied().unwrap_or_default();
        // Whoever is on this host, a proxy above all, could take the descriptors anyway.
        let most = if address.is_loopback() {
            MOST
        } else {
            MOST_FROM_ONE
        };
        if from_one >= most || open.values().sum::<usize>() >= MOST {
            return None;
        }
        open.insert(address, from_one + 1);
        Some(Place {
            places: Arc::clone(places),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.0.lock();
        match open.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let places = Arc::new(Places::default());
        let one = IpAddr::from([192, 0, 2, 1]);
        let held: Vec<_> = (0..MOST_FROM_ONE)
            .map_while(|_| Places::take(&places, one))
            .collect();
        assert_eq!(held.len(), MOST_FROM_ONE);
        assert!(Places::take(&places, one).is_none());
        let other = IpAddr::from([192, 0, 2, 2]);
        let there = Places::take(&places, other);
        assert!(there.is_some());
        drop(held);
        assert!(Places::take(&places, one).is_some());
        drop(there);
        assert!(places.0.lock().is_empty());
    }

    #[test]
    fn all_together_have_a_bound() {
        let places = Arc::new(Places::default());
        let take = |n: usize| {
            let [.., c, d] = n.to_be_bytes();
            Places::take(&places, IpAddr::from([10, 0, c, d]))
        };
        let held: Vec<_> = (0..MOST + 10).map_while(take).collect();
        assert_eq!(held.len(), MOST);
    }
}
