use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    num::NonZeroUsize,
    sync::Arc,
};

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::stats::ReceiveBuffer;

/// Connections that the kernel completes before we accept them. A restart of a collector brings all its
/// agents back at once.
const BACKLOG: i32 = 1024;

/// Sockets that share one UDP address, and the receive buffer of each.
pub(super) fn udp(
    addr: SocketAddr,
    v6_only: bool,
    count: NonZeroUsize,
    wanted: usize,
) -> io::Result<(Vec<UdpSocket>, ReceiveBuffer)> {
    let first = new(addr, v6_only, Type::DGRAM, Protocol::UDP)?;
    let buffer = grow_receive_buffer(&first, wanted)?;
    // The first one is bound without sharing, so that a port that somebody else has, even another process of
    // ours that would share it, is reported as taken. Then it lets its siblings in.
    first.bind(&addr.into())?;
    let bound = first.local_addr()?.as_socket().unwrap_or(addr);
    let mut sockets = vec![UdpSocket::from(first)];
    if cfg!(target_os = "linux") && count.get() > 1 {
        share(&sockets[0])?;
        for _ in 1..count.get() {
            let sibling = new(addr, v6_only, Type::DGRAM, Protocol::UDP)?;
            grow_receive_buffer(&sibling, wanted)?;
            share(&sibling)?;
            sibling.bind(&bound.into())?;
            sockets.push(sibling.into());
        }
    }
    Ok((sockets, buffer))
}

/// The same sockets under other descriptors, their buffers as wanted now.
pub(super) fn udp_again(
    running: &[Arc<tokio::net::UdpSocket>],
    wanted: usize,
) -> io::Result<(Vec<UdpSocket>, ReceiveBuffer)> {
    let mut sockets = Vec::with_capacity(running.len());
    let mut buffer = None;
    for socket in running {
        let again = socket2::SockRef::from(&**socket).try_clone()?;
        buffer = Some(grow_receive_buffer(&again, wanted)?);
        sockets.push(again.into());
    }
    let buffer = buffer.ok_or(io::ErrorKind::InvalidInput)?;
    Ok((sockets, buffer))
}

/// A socket that accepts connections.
pub(super) fn tcp(addr: SocketAddr, v6_only: bool) -> io::Result<TcpListener> {
    let socket = new(addr, v6_only, Type::STREAM, Protocol::TCP)?;
    // Connections of an earlier process that wait for their end must not keep us from the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// An accepted connection finds out by itself that its peer is gone: HEP is never answered, so a peer that
/// lost its power would otherwise keep its place until the idle time, or for ever where there is none.
pub(super) fn keep_alive(stream: &tokio::net::TcpStream) -> io::Result<()> {
    let probes = TcpKeepalive::new()
        .with_time(std::time::Duration::from_secs(60))
        .with_interval(std::time::Duration::from_secs(15));
    socket2::SockRef::from(stream).set_tcp_keepalive(&probes)
}

fn new(addr: SocketAddr, v6_only: bool, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if addr.is_ipv6() {
        socket.set_only_v6(v6_only || !addr.ip().is_unspecified())?;
    }
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn share(socket: &impl std::os::fd::AsFd) -> io::Result<()> {
    socket2::SockRef::from(socket).set_reuse_port(true)
}

#[cfg(not(target_os = "linux"))]
fn share<S>(_socket: &S) -> io::Result<()> {
    Ok(())
}

/// Asks for `wanted` octets: past the system's limit where we may, up to it where we may not.
fn grow_receive_buffer(socket: &Socket, wanted: usize) -> io::Result<ReceiveBuffer> {
    // The option is a C integer, and the kernel doubles it.
    let possible = wanted.min(i32::MAX as usize / 2);
    #[cfg(target_os = "linux")]
    let forced =
        nix::sys::socket::setsockopt(socket, nix::sys::socket::sockopt::RcvBufForce, &possible)
            .is_ok();
    #[cfg(not(target_os = "linux"))]
    let forced = false;
    if !forced {
        socket.set_recv_buffer_size(possible)?;
    }
    let reported = socket.recv_buffer_size()?;
    let granted = if cfg!(target_os = "linux") {
        reported / 2
    } else {
        reported
    };
    Ok(ReceiveBuffer { wanted, granted })
}

/// The address as a peer of an IPv4 socket would have it, where an IPv6 socket received from IPv4.
pub(super) fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => (v4, v6.port()).into(),
            None => addr,
        },
        SocketAddr::V4(_) => addr,
    }
}
