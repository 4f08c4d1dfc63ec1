//! A capture agent: sends octets, in one piece or in many, and can leave rudely.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use socket2::SockRef;

/// How long an agent waits for its peer to do something.
const PATIENCE: Duration = Duration::from_secs(20);

/// A sender of HEP over UDP, TCP or TLS.
#[derive(Debug)]
pub struct FakeAgent {
    link: Link,
}

#[derive(Debug)]
enum Link {
    Udp(UdpSocket),
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl FakeAgent {
    /// An agent that sends datagrams to `listener` from a port of its own.
    #[must_use]
    pub fn udp(listener: SocketAddr) -> Self {
        let local = match listener {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(local)
            .and_then(|socket| socket.connect(listener).map(|()| socket))
            .unwrap_or_else(|error| panic!("cannot send to {listener} over UDP: {error}"));
        Self {
            link: Link::Udp(socket),
        }
    }

    /// An agent connected over TCP.
    #[must_use]
    pub fn tcp(listener: SocketAddr) -> Self {
        Self {
            link: Link::Tcp(connect(listener)),
        }
    }

    /// An agent connected over TLS; the handshake is done when this returns.
    ///
    /// # Errors
    /// What the handshake failed with. With TLS 1.3 a server refuses a client certificate only after it: see
    /// [`closed_by_peer`](Self::closed_by_peer).
    pub fn tls(
        listener: SocketAddr,
        config: Arc<ClientConfig>,
        server_name: &str,
    ) -> io::Result<Self> {
        let server_name =
            ServerName::try_from(server_name.to_owned()).expect("a DNS name or an address");
        let session = ClientConnection::new(config, server_name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(session, connect(listener));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self {
            link: Link::Tls(Box::new(stream)),
        })
    }

    /// The address that its peer sees.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        match &self.link {
            Link::Udp(socket) => socket.local_addr(),
            Link::Tcp(stream) => stream.local_addr(),
            Link::Tls(stream) => stream.sock.local_addr(),
        }
        .expect("a connected socket has an address")
    }

    /// Sends octets: one datagram, or a piece of the stream.
    ///
    /// # Panics
    /// When they cannot be sent.
    pub fn send(&mut self, octets: &[u8]) {
        self.try_send(octets).expect("the listener takes octets");
    }

    /// Sends octets: one datagram, or a piece of the stream.
    ///
    /// # Errors
    /// What the socket says, so that a test can expect to be cut off.
    pub fn try_send(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.link {
            Link::Udp(socket) => socket.send(octets).map(drop),
            Link::Tcp(stream) => stream.write_all(octets),
            Link::Tls(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    /// Sends octets in pieces of the given size, each a segment of its own as far as the kernel allows.
    ///
    /// # Panics
    /// When they cannot be sent.
    pub fn send_in_pieces(&mut self, octets: &[u8], size: usize) {
        for piece in octets.chunks(size.max(1)) {
            self.send(piece);
        }
    }

    /// Ends its side of the connection (FIN; for TLS with the closing alert) and keeps reading.
    pub fn finish(&mut self) {
        if let Link::Tls(stream) = &mut self.link {
            stream.conn.send_close_notify();
            // The peer may have gone first.
            stream.conn.complete_io(&mut stream.sock).ok();
        }
        if let Some(stream) = self.stream() {
            stream.shutdown(Shutdown::Write).ok();
        }
    }

    /// Resets the connection (RST).
    pub fn reset(self) {
        if let Some(stream) = self.stream() {
            SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .expect("linger of an open socket");
        }
    }

    /// What the peer sends until it closes or resets the connection.
    ///
    /// # Panics
    /// When it has done neither within 20 seconds.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut received = Vec::new();
        let ended = match &mut self.link {
            Link::Udp(_) => panic!("a datagram socket has no end"),
            Link::Tcp(stream) => stream.read_to_end(&mut received),
            Link::Tls(stream) => stream.read_to_end(&mut received),
        };
        if let Err(error) = ended {
            let timed_out = matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
            );
            assert!(!timed_out, "the listener keeps the connection open");
        }
        received
    }

    /// Whether the peer closes or resets the connection within `limit`; what it sends before is discarded.
    pub fn closed_by_peer(&mut self, limit: Duration) -> bool {
        let Some(stream) = self.stream() else {
            return false;
        };
        stream
            .set_read_timeout(Some(limit))
            .expect("a read timeout above zero");
        let mut buffer = [0; 4096];
        let ended = loop {
            let read = match &mut self.link {
                Link::Udp(_) => return false,
                Link::Tcp(stream) => stream.read(&mut buffer),
                Link::Tls(stream) => stream.read(&mut buffer),
            };
            match read {
                Ok(0) => break true,
                Ok(_) => {}
                Err(error) => {
                    break !matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    );
                }
            }
        };
        if let Some(stream) = self.stream() {
            stream.set_read_timeout(Some(PATIENCE)).ok();
        }
        ended
    }

    fn stream(&self) -> Option<&TcpStream> {
        match &self.link {
            Link::Udp(_) => None,
            Link::Tcp(stream) => Some(stream),
            Link::Tls(stream) => Some(&stream.sock),
        }
    }
}

fn connect(listener: SocketAddr) -> TcpStream {
    let connect = || -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&listener, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    connect().unwrap_or_else(|error| panic!("cannot connect to {listener}: {error}"))
}
