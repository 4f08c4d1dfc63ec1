//! Agents that behave, on an address of their own.

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustls::{ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;
use socket2::{Domain, Socket, Type};

use super::{PATIENCE, attackers::Targets, counter::Arrived, loopback};
use crate::{TestCa, frame};

pub(super) const LANES: usize = 4;

/// Between two messages of one agent: 50 a second.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Udp = 0,
    Tcp = 1,
    Tls = 2,
    Keyed = 3,
}

type Sent = JoinHandle<io::Result<(Lane, u64)>>;

impl Lane {
    /// The listener that it sends to.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Keyed => "keyed",
        }
    }

    pub(super) const ALL: [Self; LANES] = [Self::Udp, Self::Tcp, Self::Tls, Self::Keyed];

    /// Connects, then sends in a thread until it is over, and says how much.
    ///
    /// What it sends last is sent until it arrives: everything before it has then arrived or never will.
    pub(super) fn start(
        self,
        targets: &Targets,
        ca: &TestCa,
        arrived: Arrived,
        over: Arc<AtomicBool>,
    ) -> io::Result<Sent> {
        let mut link: Box<dyn Write + Send> = match self {
            Self::Udp => Box::new(Datagrams::to(targets.udp)?),
            Self::Keyed => Box::new(Datagrams::to(targets.keyed)?),
            Self::Tcp => Box::new(connect(targets.tcp, 2)?),
            Self::Tls => {
                let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
                let config = ca.client_config(None);
                let session = ClientConnection::new(config, name).map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(session, connect(targets.tls, 2)?);
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock)?;
                }
                Box::new(stream)
            }
        };
        Ok(thread::spawn(move || {
            let mut sent = 0;
            while !over.load(Relaxed) {
                link.write_all(&self.message(self.mark(), sent))?;
                link.flush()?;
                sent += 1;
                thread::sleep(PAUSE);
            }
            let until = Instant::now() + PATIENCE;
            while arrived.of(self.last_mark()) == 0 && Instant::now() < until {
                link.write_all(&self.message(self.last_mark(), sent))?;
                link.flush()?;
                thread::sleep(PAUSE);
            }
            Ok((self, sent))
        }))
    }

    /// What stands in its messages, so that they are counted apart.
    pub(super) fn mark(self) -> u8 {
        self as u8
    }

    /// What stands in those that it sends when all the others are sent.
    fn last_mark(self) -> u8 {
        self.mark() + 4
    }

    fn message(self, mark: u8, number: u64) -> Vec<u8> {
        let mut meta = frame::Meta::default();
        if self == Self::Keyed {
            meta.auth_key = Some(b"open sesame".to_vec());
        }
        let call_id = format!("good-{mark}-{number}@siege");
        meta.v3(frame::sip_options(&call_id).as_bytes())
    }
}

/// A datagram for each write.
struct Datagrams(UdpSocket);

impl Datagrams {
    fn to(target: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind((loopback(2), 0))?;
        socket.connect(target)?;
        Ok(Self(socket))
    }
}

impl Write for Datagrams {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.send(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection from an address of loopback.
pub(super) fn connect(target: SocketAddr, last: u8) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(loopback(last), 0).into())?;
    socket.connect_timeout(&target.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}
