//! Ports for programs that cannot be told to choose one.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range from which Linux takes ports for whoever asks for none, so that nobody is given one of ours
/// between our look and the program's start.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// A port that is free on 127.0.0.1 for UDP and TCP. Not given twice by one process, and looked for in another place
/// by each.
///
/// # Panics
/// When none is free.
#[must_use]
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of so many ports that are given to nobody else here; only that one is known to be free.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let size = RANGE.end - RANGE.start;
    let own = u16::try_from(process::id().wrapping_mul(97) % u32::from(size)).unwrap_or(0);
    for _ in 0..size / count {
        let step = NEXT.fetch_add(count, Ordering::Relaxed);
        let offset = (u32::from(own) + u32::from(step)) % u32::from(size);
        let port = RANGE.start + u16::try_from(offset).unwrap_or(0);
        let address = (Ipv4Addr::LOCALHOST, port);
        if UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok() {
            return port;
        }
    }
    panic!("no port is free between {} and {}", RANGE.start, RANGE.end);
}

/// Whether a program has bound this address for UDP. Asks the kernel: to try would take the port from the program.
#[must_use]
pub(crate) fn is_udp_bound(address: SocketAddr) -> bool {
    is_bound("/proc/net/udp", address, "07")
}

/// Whether a program listens at this address for TCP.
#[must_use]
pub(crate) fn is_tcp_bound(address: SocketAddr) -> bool {
    is_bound("/proc/net/tcp", address, "0A")
}

/// Looks for a line ` 0: 0100007F:1F90 00000000:0000 0A ...`: addresses in the machine's octet order, and the state.
fn is_bound(table: &str, address: SocketAddr, state: &str) -> bool {
    let SocketAddr::V4(address) = address else {
        return false;
    };
    let ip = u32::from_ne_bytes(address.ip().octets());
    let wanted = format!("{ip:08X}:{:04X}", address.port());
    let table = fs::read_to_string(table).unwrap_or_default();
    table.lines().any(|line| {
        let mut columns = line.split_whitespace();
        columns.nth(1) == Some(&wanted) && columns.nth(1) == Some(state)
    })
}
