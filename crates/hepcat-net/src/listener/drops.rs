use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::net::UdpSocket;

/// Datagrams that the kernel dropped on their way into one socket.
///
/// The kernel's counter has 32 bits and starts at zero with the socket; read often enough, its difference to
/// the value before is right also when it wraps.
#[derive(Debug)]
pub(super) struct DropCount {
    /// Not to keep the port when the listener has ended and somebody still looks at its statistics.
    socket: Weak<UdpSocket>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    last: u32,
    total: u64,
}

impl Seen {
    fn advance(&mut self, now: u32) {
        self.total += u64::from(now.wrapping_sub(self.last));
        self.last = now;
    }
}

/// Whether the kernel tells.
pub(super) const KNOWN: bool = cfg!(target_os = "linux");

impl DropCount {
    /// From the socket's first datagram on.
    pub(super) fn new(socket: &Arc<UdpSocket>) -> Self {
        Self {
            socket: Arc::downgrade(socket),
            seen: Mutex::default(),
        }
    }

    /// From now on: what was dropped before is counted by whoever read the socket then.
    pub(super) fn from_now_on(socket: &Arc<UdpSocket>) -> Self {
        let last = kernel_count(socket).unwrap_or(0);
        Self {
            socket: Arc::downgrade(socket),
            seen: Mutex::new(Seen { last, total: 0 }),
        }
    }

    /// Reads the kernel's counter and returns the sum of all it ever counted.
    pub(super) fn read(&self) -> u64 {
        let mut seen = self.seen.lock();
        if let Some(now) = self
            .socket
            .upgrade()
            .and_then(|socket| kernel_count(&socket))
        {
            seen.advance(now);
        }
        seen.total
    }
}

#[cfg(target_os = "linux")]
mod option {
    // `sockopt_impl` calls the other one by its bare name.
    use nix::{getsockopt_impl, libc, sockopt_impl};

    // `man 7 socket` has no entry: the kernel's `include/uapi/linux/sock_diag.h` lists the nine words.
    sockopt_impl!(
        /// Memory use of a socket, and what it dropped.
        MemInfo,
        GetOnly,
        libc::SOL_SOCKET,
        libc::SO_MEMINFO,
        [u32; 9]
    );

    /// `SK_MEMINFO_DROPS`.
    pub(super) const DROPS: usize = 8;
}

#[cfg(target_os = "linux")]
fn kernel_count(socket: &UdpSocket) -> Option<u32> {
    let words = nix::sys::socket::getsockopt(socket, option::MemInfo).ok()?;
    Some(words[option::DROPS])
}

#[cfg(not(target_os = "linux"))]
fn kernel_count(_socket: &UdpSocket) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_wraps_goes_on_counting() {
        let mut seen = Seen::default();
        seen.advance(u32::MAX - 1);
        seen.advance(3);
        assert_eq!(seen.total, u64::from(u32::MAX - 1) + 5);
    }

    #[test]
    fn a_counter_that_rests_adds_nothing() {
        let mut seen = Seen::default();
        seen.advance(7);
        seen.advance(7);
        assert_eq!(seen.total, 7);
    }
}
