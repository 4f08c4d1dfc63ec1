use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::AsyncRead,
    net::{TcpListener, TcpStream},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    certificates::Certificates,
    config::StreamOptions,
    connection::{Connection, Ended},
    counters::Counters,
    handshake::handshake,
    places::{Place, Places},
    socket::{self, canonical},
    stats::CloseReason,
};
use crate::{Handler, ListenerId, Origin, StreamFault, Transport};

/// After an accept that failed for want of descriptors or memory: first and longest pause. The connection waits
/// in the kernel meanwhile.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// For the alert that ends TLS: the connection may be stuck.
const FAREWELL: Duration = Duration::from_secs(1);

/// Accepts connections and starts a task for each.
#[derive(Debug)]
pub(super) struct Acceptor<H> {
    pub(super) listener: Arc<TcpListener>,
    pub(super) shared: Arc<Shared<H>>,
    pub(super) places: Arc<Places>,
    pub(super) tasks: TaskTracker,
}

/// What all connections of a listener have in common.
#[derive(Debug)]
pub(super) struct Shared<H> {
    pub(super) id: ListenerId,
    pub(super) options: Box<StreamOptions>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) counters: Arc<Counters>,
    pub(super) handler: Arc<H>,
    pub(super) stop: CancellationToken,
}

impl<H: Handler> Acceptor<H> {
    pub(super) async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let stop = self.shared.stop.clone();
        while let Some(accepted) = stop.run_until_cancelled(self.listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    pause = FIRST_PAUSE;
                    self.accepted(stream, canonical(peer));
                }
                Err(error) => {
                    let label = label(&error);
                    self.shared.counters.accept_errors.add(label);
                    if label == "aborted" {
                        continue;
                    }
                    tracing::warn!(
                        listener = self.shared.id.0,
                        %error,
                        "connections cannot be accepted, trying again"
                    );
                    if stop
                        .run_until_cancelled(tokio::time::sleep(pause))
                        .await
                        .is_none()
                    {
                        return;
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn accepted(&self, stream: TcpStream, peer: SocketAddr) {
        let admitted = self.shared.handler.admit_connection(self.shared.id, peer);
        match admitted.and_then(|()| self.places.take(peer.ip())) {
            Ok(place) => {
                self.shared.counters.accepted();
                let shared = Arc::clone(&self.shared);
                self.tasks.spawn(shared.serve(stream, peer, place));
            }
            Err(reason) => self.shared.refused(peer, reason),
        }
    }
}

impl<H: Handler> Shared<H> {
    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let reason = self.connection(stream, peer).await;
        tracing::debug!(listener = self.id.0, %peer, reason = reason.name(), "connection closed");
        // Whoever sees the connection counted as closed must find its place free.
        drop(place);
        self.counters.closed(reason);
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr) -> CloseReason {
        let Ok(local) = stream.local_addr() else {
            return CloseReason::Io;
        };
        if let Err(error) = socket::keep_alive(&stream) {
            tracing::debug!(listener = self.id.0, %peer, %error, "keep-alive cannot be set");
        }
        let transport = match self.certificates {
            None => Transport::Tcp,
            Some(_) => Transport::Tls,
        };
        let mut origin = Origin::new(self.id, transport, peer, canonical(local));
        let Some(certificates) = &self.certificates else {
            return self.read(stream, origin).await.reason;
        };
        let limit = self.options.limits.handshake_timeout;
        match handshake(certificates.current(), stream, limit, &self.stop).await {
            Ok(stream) => {
                self.counters.handshake();
                origin.tls = Some(stream.identity());
                let (reason, mut stream) = match self.handler.admit_session(&origin) {
                    Ok(()) => {
                        let ended = self.read(stream, origin).await;
                        (ended.reason, ended.stream)
                    }
                    Err(reason) => {
                        self.refused(peer, reason);
                        (CloseReason::Refused, stream)
                    }
                };
                // The peer may have gone, and its opinion no longer matters.
                drop(tokio::time::timeout(FAREWELL, stream.close()).await);
                reason
            }
            Err(failure) => {
                self.counters.handshake_failures.add(failure.reason);
                let fault = StreamFault::Handshake(failure.reason);
                self.handler.stream_fault(self.id, peer, fault);
                tracing::debug!(
                    listener = self.id.0,
                    %peer,
                    reason = failure.reason,
                    error = failure.error.map(tracing::field::display),
                    "TLS handshake failed"
                );
                CloseReason::Handshake
            }
        }
    }

    fn refused(&self, peer: SocketAddr, reason: &'static str) {
        self.counters.refused.add(reason);
        tracing::debug!(listener = self.id.0, %peer, reason, "connection refused");
    }

    async fn read<S: AsyncRead + Unpin>(&self, stream: S, origin: Origin) -> Ended<S> {
        let (counters, handler) = (Arc::clone(&self.counters), Arc::clone(&self.handler));
        let connection =
            Connection::new(stream, Arc::new(origin), &self.options, counters, handler);
        let ended = connection.run(&self.stop).await;
        if ended.mid_frame {
            self.counters.truncated();
        }
        ended
    }
}

fn label(error: &io::Error) -> &'static str {
    match error.kind() {
        // It was gone before we took it (`man 2 accept`); so are those of a network that went down.
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::Interrupted
        | io::ErrorKind::PermissionDenied
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable => "aborted",
        io::ErrorKind::OutOfMemory => "memory",
        _ => match error.raw_os_error() {
            Some(code) if code == EMFILE || code == ENFILE => "descriptors",
            Some(code) if code == ENOBUFS => "memory",
            _ => "other",
        },
    }
}

const EMFILE: i32 = nix::errno::Errno::EMFILE as i32;
const ENFILE: i32 = nix::errno::Errno::ENFILE as i32;
const ENOBUFS: i32 = nix::errno::Errno::ENOBUFS as i32;
