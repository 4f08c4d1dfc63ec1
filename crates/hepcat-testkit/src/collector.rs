//! A collector that notes what arrives, and misbehaves as told.

use std::{
    collections::HashMap,
    io::{self, Read},
    net::{Shutdown, SocketAddr, TcpStream, UdpSocket},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::CertificateDer;
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use crate::frame::split_v3;

/// How long [`FakeCollector::wait_for`] and its like wait before they give up: far above any delay of a busy
/// machine, far below a patience limit of a test run.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a collector does with its connections. Takes effect at each connection's next read; one that
/// already waits for octets takes those first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Behaviour {
    /// Reads everything at once.
    #[default]
    Collect,
    /// Accepts, and never reads: the sender's and its own socket buffers fill.
    NeverRead,
    /// Reads so many octets, waits so long, and again.
    ReadSlowly {
        /// Octets of one read at most.
        octets: usize,
        /// The pause after each read.
        pause: Duration,
    },
    /// Resets (RST) each connection once it has read this many octets from it: mid-frame, where the number says so.
    ResetAfter {
        /// Octets read from one connection; for TLS, of decrypted data.
        octets: usize,
    },
    /// Closes (FIN) each connection once it has read this many octets from it.
    CloseAfter {
        /// Octets read from one connection; for TLS, of decrypted data.
        octets: usize,
    },
}

/// One frame and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Collected {
    /// The octets of the frame: a datagram, or one packet of a stream.
    pub frame: Vec<u8>,
    /// Who sent it.
    pub peer: SocketAddr,
    /// Number of the connection, from 0 in the order of acceptance; 0 for UDP.
    pub connection: usize,
}

/// A collector on a loopback port of its own. Its threads and connections end when it is dropped.
#[derive(Debug)]
pub struct FakeCollector {
    kind: Kind,
    address: SocketAddr,
    shared: Arc<Shared>,
    front: Mutex<Front>,
}

#[derive(Debug, Clone)]
enum Kind {
    Udp,
    Tcp,
    Tls(Arc<ServerConfig>),
}

/// What holds the port.
#[derive(Debug, Default)]
struct Front {
    /// Bound but not listening: the port stays ours and connections to it are refused.
    reserved: Option<Socket>,
    listening: Option<(Arc<Socket>, JoinHandle<()>)>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    behaviour: Behaviour,
    stopped: bool,
    collected: Vec<Collected>,
    accepted: usize,
    open: HashMap<usize, TcpStream>,
    /// Octets of frames that were not complete when their connection ended.
    partial: Vec<Vec<u8>>,
    faults: Vec<String>,
    tls: Vec<TlsPeer>,
}

/// What a TLS client showed of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPeer {
    /// The server name that it asked for.
    pub server_name: Option<String>,
    /// Its certificate, DER, where it presented one.
    pub certificate: Option<CertificateDer<'static>>,
}

impl FakeCollector {
    /// Collects datagrams, on 127.0.0.1.
    #[must_use]
    pub fn udp() -> Self {
        Self::start(Kind::Udp, SocketAddr::from(([127, 0, 0, 1], 0)), true)
    }

    /// Collects streams of HEPv3, on 127.0.0.1.
    #[must_use]
    pub fn tcp() -> Self {
        Self::start(Kind::Tcp, SocketAddr::from(([127, 0, 0, 1], 0)), true)
    }

    /// Collects streams of HEPv3 inside TLS, on 127.0.0.1 (see [`TestCa::server_config`](crate::TestCa::server_config)).
    #[must_use]
    pub fn tls(config: Arc<ServerConfig>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start(Kind::Tls(config), address, true)
    }

    /// Collects datagrams, on an address that the test chooses (port 0: any).
    #[must_use]
    pub fn udp_at(address: SocketAddr) -> Self {
        Self::start(Kind::Udp, address, true)
    }

    /// Collects streams of HEPv3, on an address that the test chooses (port 0: any).
    #[must_use]
    pub fn tcp_at(address: SocketAddr) -> Self {
        Self::start(Kind::Tcp, address, true)
    }

    /// Has a TCP port but refuses every connection until [`listen`](Self::listen).
    #[must_use]
    pub fn refusing() -> Self {
        Self::start(Kind::Tcp, SocketAddr::from(([127, 0, 0, 1], 0)), false)
    }

    /// Has a TCP port for TLS but refuses every connection until [`listen`](Self::listen).
    #[must_use]
    pub fn refusing_tls(config: Arc<ServerConfig>) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start(Kind::Tls(config), address, false)
    }

    fn start(kind: Kind, address: SocketAddr, listen: bool) -> Self {
        let socket = bound(&kind, address);
        let address = socket
            .local_addr()
            .ok()
            .and_then(|address| address.as_socket())
            .expect("a bound socket has an address");
        let collector = Self {
            kind,
            address,
            shared: Arc::default(),
            front: Mutex::new(Front {
                reserved: Some(socket),
                listening: None,
            }),
        };
        if listen {
            collector.listen();
        }
        collector
    }

    /// Where a destination should point.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to listen, at the same address; does nothing where it already does.
    pub fn listen(&self) {
        let mut front = self.front();
        if front.listening.is_some() {
            return;
        }
        let socket = front
            .reserved
            .take()
            .unwrap_or_else(|| bound(&self.kind, self.address));
        let socket = Arc::new(socket);
        let theirs = Arc::clone(&socket);
        let shared = Arc::clone(&self.shared);
        let thread = match &self.kind {
            Kind::Udp => thread::spawn(move || receive_datagrams(&theirs, &shared)),
            Kind::Tcp => accept_on(socket.as_ref(), move || accept(&theirs, &shared, None)),
            Kind::Tls(config) => {
                let config = Arc::clone(config);
                accept_on(socket.as_ref(), move || {
                    accept(&theirs, &shared, Some(&config))
                })
            }
        };
        front.listening = Some((socket, thread));
    }

    /// Stops to listen: new connections and datagrams are refused; open connections stay.
    pub fn refuse(&self) {
        let mut front = self.front();
        self.close_front(&mut front);
        if !matches!(self.kind, Kind::Udp) {
            front.reserved = Some(bound(&self.kind, self.address));
        }
    }

    /// Changes what it does from now on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.shared.state().behaviour = behaviour;
        self.shared.changed.notify_all();
    }

    /// Closes (FIN) all open connections.
    pub fn close_connections(&self) {
        for (_, stream) in self.shared.state().open.drain() {
            // The peer may have gone first.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Says on all open connections that they end (FIN), and goes on reading until the sender has ended them too: nothing
    /// that it has written is lost.
    pub fn end_connections(&self) {
        for stream in self.shared.state().open.values() {
            // The peer may have gone first.
            stream.shutdown(Shutdown::Write).ok();
        }
    }

    /// Resets (RST) all open connections.
    pub fn reset_connections(&self) {
        for (_, stream) in self.shared.state().open.drain() {
            arm_reset(&stream);
            // Sends nothing, but wakes the reader, which then drops the last handle: that is the reset.
            stream.shutdown(Shutdown::Read).ok();
        }
    }

    /// The frames so far, in order of arrival.
    #[must_use]
    pub fn frames(&self) -> Vec<Vec<u8>> {
        let state = self.shared.state();
        state.collected.iter().map(|c| c.frame.clone()).collect()
    }

    /// The frames so far, with how they came.
    #[must_use]
    pub fn collected(&self) -> Vec<Collected> {
        self.shared.state().collected.clone()
    }

    /// How many frames arrived so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.state().collected.len()
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.shared.state().accepted
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.state().open.len()
    }

    /// Octets of frames that were not complete when their connection ended, one entry a connection.
    #[must_use]
    pub fn partial(&self) -> Vec<Vec<u8>> {
        self.shared.state().partial.clone()
    }

    /// What was wrong with streams (no HEPv3 packet where one should begin, failed TLS handshakes), in words.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.shared.state().faults.clone()
    }

    /// What TLS clients showed of themselves, in order of their handshakes.
    #[must_use]
    pub fn tls_peers(&self) -> Vec<TlsPeer> {
        self.shared.state().tls.clone()
    }

    /// Waits until `count` frames have arrived, and gives all there are.
    ///
    /// # Panics
    /// When they have not arrived within 20 seconds.
    #[must_use = "what arrived should be looked at"]
    pub fn wait_for(&self, count: usize) -> Vec<Vec<u8>> {
        self.wait_until(&format!("{count} frames"), |state| {
            state.collected.len() >= count
        });
        self.frames()
    }

    /// Waits until `count` connections were accepted.
    ///
    /// # Panics
    /// When they were not within 20 seconds.
    pub fn wait_for_accepted(&self, count: usize) {
        self.wait_until(&format!("{count} connections"), |state| {
            state.accepted >= count
        });
    }

    /// Waits until no connection is open.
    ///
    /// # Panics
    /// When there still is one after 20 seconds.
    pub fn wait_for_all_closed(&self) {
        self.wait_until("all connections closed", |state| state.open.is_empty());
    }

    /// Whether `count` frames arrive within `limit`.
    #[must_use]
    pub fn receives(&self, count: usize, limit: Duration) -> bool {
        self.shared
            .wait(limit, |state| state.collected.len() >= count)
    }

    fn wait_until(&self, what: &str, reached: impl Fn(&State) -> bool) {
        if !self.shared.wait(PATIENCE, reached) {
            let state = self.shared.state();
            panic!(
                "waited {PATIENCE:?} for {what} at {}; got {} frames, {} connections of which {} are open, faults {:?}",
                self.address,
                state.collected.len(),
                state.accepted,
                state.open.len(),
                state.faults,
            );
        }
    }

    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close_front(&self, front: &mut Front) {
        front.reserved = None;
        if let Some((socket, thread)) = front.listening.take() {
            // Wakes a blocked accept at once; an UDP thread looks every few milliseconds.
            socket.shutdown(Shutdown::Both).ok();
            self.shared.state().stopped = true;
            thread.join().expect("collector thread ends");
            self.shared.state().stopped = false;
        }
    }
}

impl Drop for FakeCollector {
    fn drop(&mut self) {
        let mut front = self.front();
        self.close_front(&mut front);
        drop(front);
        self.shared.state().stopped = true;
        self.shared.changed.notify_all();
        self.close_connections();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, limit: Duration, reached: impl Fn(&State) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state();
        while !reached(&state) {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// What a reader that has read `so_far` octets does next. Waits while nothing shall be read.
    fn next_step(&self, connection: usize, so_far: usize) -> Step {
        let mut state = self.state();
        loop {
            if !state.open.contains_key(&connection) {
                return Step::Close;
            }
            match state.behaviour {
                Behaviour::Collect => return Step::Read(usize::MAX),
                Behaviour::NeverRead => {}
                Behaviour::ReadSlowly { octets, .. } => return Step::Read(octets.max(1)),
                Behaviour::ResetAfter { octets } => {
                    return match octets.saturating_sub(so_far) {
                        0 => Step::Reset,
                        left => Step::Read(left),
                    };
                }
                Behaviour::CloseAfter { octets } => {
                    return match octets.saturating_sub(so_far) {
                        0 => Step::Close,
                        left => Step::Read(left),
                    };
                }
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The pause of a slow reader; ends early when its connection or the behaviour does.
    fn pause(&self, connection: usize) {
        let behaviour = self.state().behaviour;
        if let Behaviour::ReadSlowly { pause, .. } = behaviour {
            self.wait(pause, |state| {
                state.behaviour != behaviour || !state.open.contains_key(&connection)
            });
        }
    }
}

enum Step {
    Read(usize),
    Reset,
    Close,
}

fn bound(kind: &Kind, address: SocketAddr) -> Socket {
    let (kind, protocol) = match kind {
        Kind::Udp => (Type::DGRAM, Protocol::UDP),
        Kind::Tcp | Kind::Tls(_) => (Type::STREAM, Protocol::TCP),
    };
    let bind = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
        if kind == Type::STREAM {
            // So that the port can be had again while connections of its earlier life linger.
            socket.set_reuse_address(true)?;
        } else {
            socket.set_recv_buffer_size(4 << 20)?;
        }
        socket.bind(&SockAddr::from(address))?;
        Ok(socket)
    };
    bind().unwrap_or_else(|error| panic!("cannot bind {address}: {error}"))
}

fn receive_datagrams(socket: &Socket, shared: &Shared) {
    let socket = UdpSocket::from(socket.try_clone().expect("clone of a socket"));
    socket
        .set_read_timeout(Some(Duration::from_millis(5)))
        .expect("read timeout");
    let mut buffer = vec![0; 65_536];
    loop {
        if shared.state().stopped {
            return;
        }
        if shared.state().behaviour == Behaviour::NeverRead {
            shared.wait(Duration::from_millis(5), |state| {
                state.stopped || state.behaviour != Behaviour::NeverRead
            });
            continue;
        }
        // A time-out, or the unreachable port of an earlier answer: neither ends a datagram socket.
        let Ok((length, peer)) = socket.recv_from(&mut buffer) else {
            continue;
        };
        let frame = buffer[..length].to_vec();
        shared.update(|state| {
            state.collected.push(Collected {
                frame,
                peer,
                connection: 0,
            });
        });
    }
}

fn accept_on(socket: &Socket, run: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    // Before the thread runs, so that whoever connects next is not refused.
    socket.listen(128).expect("listen on a bound socket");
    thread::spawn(run)
}

fn accept(socket: &Socket, shared: &Arc<Shared>, tls: Option<&Arc<ServerConfig>>) {
    // Ends with an error when the listening socket is shut down.
    while let Ok((stream, peer)) = socket.accept() {
        let stream = TcpStream::from(stream);
        let peer = peer.as_socket().expect("an internet socket");
        let mut connection = 0;
        let handle = stream.try_clone().expect("clone of a socket");
        shared.update(|state| {
            connection = state.accepted;
            state.accepted += 1;
            state.open.insert(connection, handle);
        });
        let shared = Arc::clone(shared);
        let tls = tls.cloned();
        thread::spawn(move || Reader::new(connection, peer, &shared).run(stream, tls));
    }
}

/// One connection's reader.
struct Reader<'a> {
    connection: usize,
    peer: SocketAddr,
    shared: &'a Shared,
    /// Octets read from the connection in all.
    octets: usize,
    /// Octets that are not a whole frame yet.
    pending: Vec<u8>,
    in_sync: bool,
}

impl<'a> Reader<'a> {
    fn new(connection: usize, peer: SocketAddr, shared: &'a Shared) -> Self {
        Self {
            connection,
            peer,
            shared,
            octets: 0,
            pending: Vec::new(),
            in_sync: true,
        }
    }

    fn run(mut self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let reset = match tls {
            None => self.read_all(&mut &stream),
            Some(config) => self.read_tls(&stream, config),
        };
        if reset {
            arm_reset(&stream);
        } else {
            // Also ends handles that others still hold.
            stream.shutdown(Shutdown::Both).ok();
        }
        let (connection, pending) = (self.connection, self.pending);
        self.shared.update(|state| {
            state.open.remove(&connection);
            if !pending.is_empty() {
                state.partial.push(pending);
            }
        });
    }

    fn read_tls(&mut self, stream: &TcpStream, config: Arc<ServerConfig>) -> bool {
        let mut session = ServerConnection::new(config).expect("a valid TLS configuration");
        let mut socket = stream;
        while session.is_handshaking() {
            if let Err(error) = session.complete_io(&mut socket) {
                let fault = format!("TLS handshake with {}: {error}", self.peer);
                self.shared.update(|state| state.faults.push(fault));
                return false;
            }
        }
        let peer = TlsPeer {
            server_name: session.server_name().map(str::to_owned),
            certificate: session
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.clone().into_owned()),
        };
        self.shared.update(|state| state.tls.push(peer));
        self.read_all(&mut StreamOwned::new(session, socket))
    }

    /// Reads to the end; whether the connection shall be reset.
    fn read_all(&mut self, stream: &mut impl Read) -> bool {
        let mut buffer = vec![0; 65_536];
        loop {
            let most = match self.shared.next_step(self.connection, self.octets) {
                Step::Read(most) => most.min(buffer.len()),
                Step::Reset => return true,
                Step::Close => return false,
            };
            let length = match stream.read(&mut buffer[..most]) {
                Ok(0) | Err(_) => return false,
                Ok(length) => length,
            };
            self.octets += length;
            self.take(&buffer[..length]);
            self.shared.pause(self.connection);
        }
    }

    fn take(&mut self, octets: &[u8]) {
        self.pending.extend_from_slice(octets);
        if !self.in_sync {
            return;
        }
        let split = split_v3(&self.pending);
        if !split.in_sync {
            self.in_sync = false;
            let fault = format!("no HEPv3 packet in the stream of {}", self.peer);
            self.shared.update(|state| state.faults.push(fault));
        }
        let (connection, peer) = (self.connection, self.peer);
        if !split.frames.is_empty() {
            let frames = split.frames.into_iter().map(|frame| Collected {
                frame: frame.to_vec(),
                peer,
                connection,
            });
            self.shared.update(|state| state.collected.extend(frames));
        }
        let taken = split.taken;
        self.pending.drain(..taken);
    }
}

/// Makes the end of this connection a reset, as soon as its last handle is dropped.
fn arm_reset(stream: &TcpStream) {
    // The peer may have gone first.
    SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok();
}
