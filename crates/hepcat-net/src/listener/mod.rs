//! Listeners: datagrams and streams in, batches of decoded frames out.
//!
//! [`Listener::bind`] gets the sockets, so that whatever can be wrong is known before anything is served;
//! [`BoundListener::serve`] starts the tasks. Each UDP socket has one task, each connection has one; a task reads,
//! decodes what it read and waits for the [`Handler`] before it reads on.

mod certificates;
mod config;
mod connection;
mod counters;
mod drops;
mod error;
mod handshake;
mod intake;
mod peers;
mod places;
mod progress;
mod receive;
mod socket;
mod stats;
mod stream;
mod udp;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::net::{TcpListener, UdpSocket};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    certificates::Certificates,
    config::{Kind, StreamOptions, UdpOptions},
    counters::Counters,
    drops::DropCount,
    places::Places,
    stream::{Acceptor, Shared},
    udp::UdpReader,
};
use crate::{Handler, ListenerId, Origin, Transport, tls::TlsError};

pub use config::{DEFAULT_RECEIVE_BUFFER, ListenerConfig, OnBadMagic, StreamLimits};
pub use error::BindError;
pub use stats::{ByReason, ByVersion, CloseReason, ListenerStats, ReceiveBuffer};

/// The most frames that one hand-over to a [`Handler`] holds. With the number of tasks that read (one
/// a UDP socket, one a connection) it bounds the frames that handlers hold at any moment.
pub const MAX_BATCH: usize = intake::BATCH + receive::SLOTS - 1;

/// How often the kernel is asked what it dropped. Its counter has 32 bits: no network fills that in a second.
const LOOK_AT_DROPS: Duration = Duration::from_secs(1);

/// Entry to listeners; see [`bind`](Self::bind).
#[derive(Debug)]
#[non_exhaustive]
pub struct Listener;

impl Listener {
    /// Reads the certificates and gets the sockets of a listener. From here on the kernel queues what arrives.
    ///
    /// Reads files, so it may block shortly.
    ///
    /// # Errors
    /// [`BindError`]: the address cannot be had, or the certificates cannot be used.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn bind(config: ListenerConfig) -> Result<BoundListener, BindError> {
        Self::start(config, None)
    }

    /// As [`bind`](Self::bind), with other settings for the sockets that `running` reads: the address
    /// is never let go, so nothing that is sent to it meanwhile is refused. The caller stops `running`
    /// after the new one is served; until then both read. A listener that has stopped gives nothing to
    /// take over, and the address is bound anew.
    ///
    /// The number of UDP sockets stays what it was. The transport and the address must be the same.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    /// As [`bind`](Self::bind).
    pub fn take_over(
        config: ListenerConfig,
        running: &ListenerHandle,
    ) -> Result<BoundListener, BindError> {
        Self::start(config, Some(running))
    }

    fn start(
        config: ListenerConfig,
        running: Option<&ListenerHandle>,
    ) -> Result<BoundListener, BindError> {
        let ListenerConfig {
            id, addr, v6_only, ..
        } = config;
        let transport = config.transport();
        let failed = |source| BindError::Socket {
            transport,
            addr,
            source,
        };
        let (socket, local) = match config.kind {
            Kind::Udp(options) => {
                let shared = running.map_or_else(Vec::new, ListenerHandle::udp_sockets);
                bind_udp(addr, v6_only, &options, &shared).map_err(failed)?
            }
            Kind::Stream(options) => {
                let certificates = match options.tls.clone() {
                    None => None,
                    Some(files) => match Certificates::new(files) {
                        Ok(certificates) => Some(Arc::new(certificates)),
                        Err(source) => {
                            return Err(BindError::Tls {
                                addr,
                                source: Box::new(source),
                            });
                        }
                    },
                };
                let shared = running.and_then(ListenerHandle::acceptor);
                bind_stream(addr, v6_only, options, certificates, shared).map_err(failed)?
            }
        };
        Ok(BoundListener {
            id,
            transport,
            local,
            socket,
        })
    }
}

fn bind_udp(
    addr: SocketAddr,
    v6_only: bool,
    options: &UdpOptions,
    running: &[Arc<UdpSocket>],
) -> io::Result<(BoundSocket, SocketAddr)> {
    let (sockets, buffer) = if running.is_empty() {
        socket::udp(addr, v6_only, options.sockets, options.receive_buffer)?
    } else {
        socket::udp_again(running, options.receive_buffer)?
    };
    let local = sockets[0].local_addr()?;
    let sockets = sockets
        .into_iter()
        .map(|socket| UdpSocket::from_std(socket).map(Arc::new))
        .collect::<io::Result<Vec<_>>>()?;
    let count = if running.is_empty() {
        DropCount::new
    } else {
        DropCount::from_now_on
    };
    let drops = sockets.iter().map(count).collect();
    let socket = BoundSocket::Udp {
        sockets,
        drops,
        buffer,
    };
    Ok((socket, local))
}

fn bind_stream(
    addr: SocketAddr,
    v6_only: bool,
    options: StreamOptions,
    certificates: Option<Arc<Certificates>>,
    running: Option<Arc<TcpListener>>,
) -> io::Result<(BoundSocket, SocketAddr)> {
    let socket = match running {
        Some(running) => socket2::SockRef::from(&*running).try_clone()?.into(),
        None => socket::tcp(addr, v6_only)?,
    };
    let listener = Arc::new(TcpListener::from_std(socket)?);
    let local = listener.local_addr()?;
    let socket = BoundSocket::Stream {
        listener,
        options: Box::new(options),
        certificates,
    };
    Ok((socket, local))
}

/// A listener that has its sockets and does not read them yet.
#[derive(Debug)]
pub struct BoundListener {
    id: ListenerId,
    transport: Transport,
    local: SocketAddr,
    socket: BoundSocket,
}

#[derive(Debug)]
enum BoundSocket {
    Udp {
        sockets: Vec<Arc<UdpSocket>>,
        drops: Arc<[DropCount]>,
        buffer: ReceiveBuffer,
    },
    Stream {
        listener: Arc<TcpListener>,
        options: Box<StreamOptions>,
        certificates: Option<Arc<Certificates>>,
    },
}

impl BoundListener {
    /// The address that it listens on, with the port that the system chose where port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// UDP: the receive buffer that the kernel granted each socket.
    #[must_use]
    pub fn receive_buffer(&self) -> Option<ReceiveBuffer> {
        match &self.socket {
            BoundSocket::Udp { buffer, .. } => Some(*buffer),
            BoundSocket::Stream { .. } => None,
        }
    }

    /// Starts to read, on tasks of `tasks`, and hands everything to `handler`.
    ///
    /// Cancelling `stop` ends it in order: nothing is accepted any more; what the kernel had queued by then is
    /// still read (of each socket at most 65,536 datagrams, of each connection at most 4 MiB), decoded and handed
    /// over; then sockets and connections are closed. Waiting for `tasks` waits for all of that.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn serve<H: Handler>(
        self,
        handler: Arc<H>,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> ListenerHandle {
        let counters = Arc::new(Counters::default());
        let mut handle = ListenerHandle {
            id: self.id,
            transport: self.transport,
            local: self.local,
            counters: Arc::clone(&counters),
            part: Part::Nothing,
        };
        match self.socket {
            BoundSocket::Udp {
                sockets,
                drops,
                buffer,
            } => {
                let shared = sockets.iter().map(Arc::downgrade).collect();
                for (at, socket) in sockets.into_iter().enumerate() {
                    let template = Origin::new(self.id, self.transport, self.local, self.local);
                    let reader = UdpReader::new(
                        socket,
                        template,
                        Arc::clone(&counters),
                        Arc::clone(&handler),
                    );
                    let (stop, drops) = (stop.clone(), Arc::clone(&drops));
                    tasks.spawn(async move {
                        let socket = reader.run(stop).await;
                        drops[at].read();
                        drop(socket);
                    });
                }
                tasks.spawn(watch_drops(self.id, buffer, Arc::clone(&drops), stop));
                handle.part = Part::Udp {
                    drops,
                    buffer,
                    sockets: shared,
                };
            }
            BoundSocket::Stream {
                listener,
                options,
                certificates,
            } => {
                let places = Places::new(&options.limits);
                if let Some(certificates) = &certificates
                    && let Some(interval) = certificates.interval()
                {
                    let certificates = Arc::clone(certificates);
                    tasks.spawn(certificates.watch(interval, Arc::clone(&counters), stop.clone()));
                }
                handle.part = Part::Stream {
                    acceptor: Arc::downgrade(&listener),
                    places: Arc::clone(&places),
                    certificates: certificates.clone(),
                };
                let acceptor = Acceptor {
                    listener,
                    shared: Arc::new(Shared {
                        id: self.id,
                        options,
                        certificates,
                        counters,
                        handler,
                        stop,
                    }),
                    places,
                    tasks: tasks.clone(),
                };
                tasks.spawn(acceptor.run());
            }
        }
        handle
    }
}

/// A listener that is being served: its address and its statistics. Dropping it stops nothing.
#[derive(Debug, Clone)]
pub struct ListenerHandle {
    id: ListenerId,
    transport: Transport,
    local: SocketAddr,
    counters: Arc<Counters>,
    part: Part,
}

#[derive(Debug, Clone)]
enum Part {
    Nothing,
    Udp {
        drops: Arc<[DropCount]>,
        buffer: ReceiveBuffer,
        /// While they are read.
        sockets: Vec<Weak<UdpSocket>>,
    },
    Stream {
        /// While connections are accepted.
        acceptor: Weak<TcpListener>,
        places: Arc<Places>,
        certificates: Option<Arc<Certificates>>,
    },
}

impl ListenerHandle {
    /// Number of the listener.
    #[must_use]
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// How frames arrive.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The address that it listens on.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What has been counted so far, also after the listener has stopped. Counts of frames lag behind by what has
    /// been read and not handed over yet. The kernel is asked for its drops at once.
    #[must_use]
    pub fn stats(&self) -> ListenerStats {
        let mut stats = self.counters.snapshot();
        match &self.part {
            Part::Nothing => {}
            Part::Udp { drops, buffer, .. } => {
                stats.kernel_drops = drops.iter().map(DropCount::read).sum();
                stats.kernel_drops_known = drops::KNOWN;
                stats.receive_buffer = Some(*buffer);
                stats.sockets = drops.len();
            }
            Part::Stream { places, .. } => stats.connections_open = places.open() as u64,
        }
        stats
    }

    fn udp_sockets(&self) -> Vec<Arc<UdpSocket>> {
        match &self.part {
            Part::Udp { sockets, .. } => sockets.iter().filter_map(Weak::upgrade).collect(),
            _ => Vec::new(),
        }
    }

    fn acceptor(&self) -> Option<Arc<TcpListener>> {
        match &self.part {
            Part::Stream { acceptor, .. } => acceptor.upgrade(),
            _ => None,
        }
    }

    /// TLS: reads certificates, keys and authorities again now. Connections that are open keep what they have;
    /// where the new files cannot be used, so do new ones. Does nothing for other transports.
    ///
    /// Reads files, so it may block shortly.
    ///
    /// # Errors
    /// [`TlsError`] names the file at fault.
    pub fn reload_tls(&self) -> Result<(), TlsError> {
        match &self.part {
            Part::Stream {
                certificates: Some(certificates),
                ..
            } => certificates.reload(&self.counters),
            _ => Ok(()),
        }
    }
}

async fn watch_drops(
    id: ListenerId,
    buffer: ReceiveBuffer,
    drops: Arc<[DropCount]>,
    stop: CancellationToken,
) {
    let mut known = 0;
    while stop
        .run_until_cancelled(tokio::time::sleep(LOOK_AT_DROPS))
        .await
        .is_some()
    {
        let total: u64 = drops.iter().map(DropCount::read).sum();
        if total > known {
            tracing::warn!(
                listener = id.0,
                dropped = total - known,
                advice = buffer.advice(),
                "the kernel dropped datagrams: they came faster than they were taken"
            );
            known = total;
        }
    }
}
