//! Who sends: numbered messages of calls at a steady pace, over every transport.

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

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::ServerName;

use super::Soak;
use crate::{
    NodeProcess, TestCa,
    load::{MESSAGES_PER_CALL, Mix, Version, now_micros},
};

/// How long a write or a handshake may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one agent sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) name: &'static str,
    pub(super) sender: u16,
    pub(super) messages: u64,
    /// Its messages came on one connection, or from one socket.
    pub(super) is_ordered: bool,
}

/// How one comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    /// One connection all the time.
    Stays,
    /// A connection for each call.
    Comes,
}

type Open = Box<dyn Fn() -> io::Result<Box<dyn Write>> + Send>;

/// Starts all of them; each ends with a call when it is over.
pub(super) fn start(
    soak: &Soak,
    node: &NodeProcess,
    ca: &TestCa,
    over: &Arc<AtomicBool>,
) -> io::Result<Vec<JoinHandle<io::Result<Sent>>>> {
    let [udp, tcp, tls] = ["udp", "tcp", "tls"].map(|name| node.listener(name));
    let client = ca.client_config(None);
    let agents: [(_, _, _, Open); 6] = [
        (
            "udp v2",
            Version::V2,
            Visit::Stays,
            Box::new(move || datagrams(udp)),
        ),
        (
            "udp",
            Version::V3,
            Visit::Stays,
            Box::new(move || datagrams(udp)),
        ),
        (
            "tcp",
            Version::V3,
            Visit::Stays,
            Box::new(move || stream(tcp)),
        ),
        ("tls", Version::V3, Visit::Stays, {
            let client = Arc::clone(&client);
            Box::new(move || session(tls, &client))
        }),
        (
            "tcp visitors",
            Version::V3,
            Visit::Comes,
            Box::new(move || stream(tcp)),
        ),
        (
            "tls visitors",
            Version::V3,
            Visit::Comes,
            Box::new(move || session(tls, &client)),
        ),
    ];
    let calls = f64::from(soak.rate) / MESSAGES_PER_CALL as f64 / agents.len() as f64;
    let pause = Duration::from_secs_f64(1.0 / calls.max(0.01));
    let start = |(sender, (name, version, visit, open)): (u16, (_, _, _, Open))| {
        let over = Arc::clone(over);
        thread::spawn(move || {
            let mut mix = Mix::new(version, sender);
            talk(&mut mix, &open, visit, pause, &over)
                .map_err(|error| io::Error::other(format!("{name}: {error}")))?;
            Ok(Sent {
                name,
                sender,
                messages: mix.handed_out(),
                is_ordered: visit == Visit::Stays,
            })
        })
    };
    Ok((0..).zip(agents).map(start).collect())
}

/// A call, a pause, and again.
fn talk(
    mix: &mut Mix,
    open: &Open,
    visit: Visit,
    pause: Duration,
    over: &AtomicBool,
) -> io::Result<()> {
    let mut link = None;
    let began = Instant::now();
    for call in 1.. {
        if over.load(Relaxed) {
            break;
        }
        let mut on = match link.take() {
            Some(link) => link,
            None => open()?,
        };
        for message in mix.burst(MESSAGES_PER_CALL, now_micros()) {
            on.write_all(message)?;
        }
        on.flush()?;
        if visit == Visit::Stays {
            link = Some(on);
        }
        // Who was held up makes up for it.
        thread::sleep((pause * call).saturating_sub(began.elapsed()));
    }
    Ok(())
}

/// A datagram for each write.
struct Datagrams(UdpSocket);

impl Write for Datagrams {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.send(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn datagrams(target: SocketAddr) -> io::Result<Box<dyn Write>> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(target)?;
    Ok(Box::new(Datagrams(socket)))
}

fn connect(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&target, PATIENCE)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn stream(target: SocketAddr) -> io::Result<Box<dyn Write>> {
    Ok(Box::new(connect(target)?))
}

/// A TLS session that ends as it should, so that nothing that was written is lost with it.
struct Session(StreamOwned<ClientConnection, TcpStream>);

impl Write for Session {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.0.conn.send_close_notify();
        let Self(session) = self;
        while session.conn.wants_write() {
            if session.conn.write_tls(&mut session.sock).is_err() {
                return;
            }
        }
        // Tickets of the server that nobody has read would turn the end of the connection into a reset.
        session.sock.shutdown(std::net::Shutdown::Write).ok();
        io::copy(&mut session.sock, &mut io::sink()).ok();
    }
}

fn session(target: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Box<dyn Write>> {
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, connect(target)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(Box::new(Session(stream)))
}
