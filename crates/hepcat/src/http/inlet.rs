//! A listener of this node, as somebody beside it reaches it: what is sent there is taken in like anything else.

use std::{
    io::{self, Write as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use axum::http::StatusCode;

use super::{problem::Problem, server::Shared};

/// A listener that does not take it for so long is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// What it has to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carries {
    /// A few frames: datagrams do.
    Either,
    /// Many: only a stream says when it is too much.
    Stream,
}

/// Where it is.
#[derive(Debug, Clone)]
pub(super) struct Inlet {
    name: String,
    address: SocketAddr,
    is_stream: bool,
}

/// An open way into it.
pub(super) enum Outlet {
    Tcp(io::BufWriter<TcpStream>),
    Udp(UdpSocket),
}

/// The first listener without TLS, those of streams before others.
///
/// # Errors
/// Where there is none.
pub(super) fn find(shared: &Shared, carries: Carries) -> Result<Inlet, Problem> {
    let wanted: &[&str] = match carries {
        Carries::Either => &["tcp", "udp"],
        Carries::Stream => &["tcp"],
    };
    let listeners = shared.node.status().listeners;
    let found = wanted.iter().find_map(|transport| {
        let mut fitting = listeners.iter();
        fitting.find(|listener| listener.transport == *transport)
    });
    let found = found.map(|listener| Inlet {
        name: listener.name.clone(),
        address: reachable(listener.address),
        is_stream: listener.transport == "tcp",
    });
    found.ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "/problems/no-listener",
            "no listener to send to",
            format!(
                "this node has no listener over {} without TLS: use `hepcat send`, which may have a certificate",
                wanted.join(" or "),
            ),
        )
    })
}

impl Inlet {
    /// Name of the listener.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Connects to it. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn open(&self) -> io::Result<Outlet> {
        if self.is_stream {
            let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            return Ok(Outlet::Tcp(io::BufWriter::new(stream)));
        }
        let local: IpAddr = match self.address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((local, 0))?;
        socket.connect(self.address)?;
        Ok(Outlet::Udp(socket))
    }
}

impl Outlet {
    /// Sends one frame. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(frame),
            Self::Udp(socket) => socket.send(frame).map(|_octets| ()),
        }
    }

    /// Sends what waits. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub(super) fn finish(mut self) -> io::Result<()> {
        match &mut self {
            Self::Tcp(stream) => stream.flush(),
            Self::Udp(_) => Ok(()),
        }
    }
}

/// Where a socket that is bound to every address is reached from here.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}
